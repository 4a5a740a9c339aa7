"""How much a trail climbs, from its points: what the Atlas sheets print beside a trail's name.

The heights of the survey are noisy: added up as they are, a flat path along a river "climbs" 200 metres. So heights are
smoothed first, and rises below a threshold do not count.
"""

from collections.abc import Sequence
from itertools import pairwise

WINDOW = 5  # points; wider, the short steep ramps of sheet 46 disappear
THRESHOLD = 3.0  # metres; found on 27 trails that Lucía walked with a barometer


def smoothed(heights: Sequence[float], window: int = WINDOW) -> list[float]:
    """Each height as the mean of its neighbours within the window; the ends keep what they have."""
    half = window // 2
    found = []
    for place in range(len(heights)):
        near = heights[max(0, place - half) : place + half + 1]
        found.append(sum(near) / len(near))
    return found


def elevation_gain(heights: Sequence[float]) -> float:
    """The metres climbed in all. A rise counts once it is higher than the threshold, and then as a whole.

    >>> round(elevation_gain([100, 110, 120, 130, 140]), 1)
    20.0
    """
    gain = rise = 0.0
    for before, after in pairwise(smoothed(heights)):
        if after >= before:
            rise += after - before
            continue
        gain += rise if rise > THRESHOLD else 0.0
        rise = 0.0
    return gain + (rise if rise > THRESHOLD else 0.0)


def walking_time(kilometres: float, gain: float) -> float:
    """Hours, by our rule: 4.2 kilometres an hour on the flat, and one hour more for every 450 metres climbed."""
    return kilometres / 4.2 + gain / 450
