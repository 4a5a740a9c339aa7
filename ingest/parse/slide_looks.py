"""What of a slide is not seen: text in the colour behind it, letters too small to read, shapes off the slide.

The colour behind a shape is its own, else that of the slide, its layout or its master; where a picture, a gradient or
another filled shape may be behind it, it is not known, and no text is said to have it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from ingest.parse.hidden import TINY, same_colour
from ingest.parse.package import A, P, Package, local_name
from ingest.types import HiddenKind

_FILLS = ("noFill", "solidFill", "gradFill", "blipFill", "pattFill", "grpFill")
_MAPPED = {"bg1": "lt1", "tx1": "dk1", "bg2": "lt2", "tx2": "dk2"}


@dataclass(frozen=True)
class Ground:
    """What the layout and the master of slides have: the colours of their theme, their background, the placeholders
    that they fill. `crowded`: something is drawn there that may be behind a shape."""

    colours: dict[str, str] = field(default_factory=dict)
    background: Element | None = None
    crowded: bool = False
    filled: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def of(cls, slides: Package, layout: str) -> "Ground":
        """Of the slides with this layout."""
        levels = [slides.xml(layout)]
        colours: dict[str, str] = {}
        for master in slides.parts(layout, "slideMaster")[:1]:
            levels.append(slides.xml(master))
            colours = _colours(slides, master, levels[1])
        backgrounds = (level.find(f"{P}cSld/{P}bg") for level in levels)
        return cls(
            colours,
            next((found for found in backgrounds if found is not None), None),
            any(map(_is_drawn, levels)),
            frozenset(placeholder for level in levels for placeholder in _filled_placeholders(level)),
        )


class SlideLook:
    """How the text of a slide is seen."""

    def __init__(self, slide: Element, ground: Ground) -> None:
        self._colours, self._filled = ground.colours, ground.filled
        self._crowded = ground.crowded or _is_drawn(slide)
        own = slide.find(f"{P}cSld/{P}bg")
        self._slide = self._background(own if own is not None else ground.background)

    def hides(self, shape: Element, run: Element, placeholder: tuple[str, str] | None) -> HiddenKind | None:
        """How a run of a shape's text is kept from the eye. `placeholder`: the one that the shape fills."""
        properties = run.find(f"{A}rPr")
        if properties is None:
            return None
        size = properties.get("sz", "")
        if size.isdecimal() and len(size) < 7 and int(size) < 100 * TINY:
            return "tiny"
        fill = next((child for child in properties if local_name(child) in _FILLS), None)
        if fill is None:
            return None
        if local_name(fill) == "noFill" and properties.find(f"{A}ln") is None:
            return "invisible"
        if local_name(fill) != "solidFill":
            return None
        alpha = next((one for one in fill.iter(f"{A}alpha")), None)
        if alpha is not None and alpha.get("val") in ("0", "0%"):
            return "invisible"
        colour, behind = self._colour(fill), self._behind(shape, placeholder)
        return "colour" if colour and behind and same_colour(colour, behind) else None

    def _behind(self, shape: Element, placeholder: tuple[str, str] | None) -> str | None:
        own = shape.find(f"{P}spPr")
        fill = next((child for child in own if local_name(child) in _FILLS), None) if own is not None else None
        if fill is not None and local_name(fill) == "solidFill":
            return self._colour(fill)
        if fill is not None and local_name(fill) != "noFill":
            return None
        if shape.find(f"{P}style") is not None and fill is None:
            return None  # its theme may fill it
        if placeholder in self._filled and fill is None:
            return None
        return None if self._crowded else self._slide

    def _background(self, background: Element | None) -> str | None:
        if background is None:
            return self._colours.get("bg1", "FFFFFF")
        properties = background.find(f"{P}bgPr")
        if properties is not None:
            solid = properties.find(f"{A}solidFill")
            return self._colour(solid) if solid is not None else None
        reference = background.find(f"{P}bgRef")
        if reference is None or reference.get("idx") not in ("0", "1000", "1001"):
            return None  # one of the theme's gradients and pictures
        return self._colour(reference)

    def _colour(self, holder: Element) -> str | None:
        """RRGGBB of the colour in an element; None where it is not known."""
        chosen = next(iter(holder), None)
        if chosen is None or any(local_name(change) != "alpha" for change in chosen):
            return None
        match local_name(chosen):
            case "srgbClr":
                return chosen.get("val")
            case "sysClr":
                return chosen.get("lastClr")
            case "schemeClr":
                return self._colours.get(chosen.get("val", ""))
            case "prstClr":
                return {"white": "FFFFFF", "black": "000000"}.get(chosen.get("val", ""))
        return None


def _colours(slides: Package, master: str, root: Element) -> dict[str, str]:
    """The theme's colours, by the names that slides use."""
    found: dict[str, str] = {}
    for part in slides.parts(master, "theme")[:1]:
        for scheme in slides.xml(part).iter(f"{A}clrScheme"):
            for entry in scheme:
                colour = next(iter(entry), None)
                if colour is not None:
                    found[local_name(entry)] = colour.get("lastClr") or colour.get("val") or ""
    mapping = root.find(f"{P}clrMap")
    names = _MAPPED | (dict(mapping.attrib) if mapping is not None else {})
    return found | {name: found[target] for name, target in names.items() if target in found}


def _is_drawn(level: Element) -> bool:
    """Whether there is a picture, a group, a table or a filled shape that is no placeholder."""
    for tree in level.iter(f"{P}spTree"):
        for child in tree:
            if local_name(child) in ("pic", "grpSp", "graphicFrame", "contentPart", "AlternateContent"):
                return True
            if local_name(child) == "sp" and child.find(f"{P}nvSpPr/{P}nvPr/{P}ph") is None and _is_filled(child):
                return True
    return False


def _is_filled(shape: Element) -> bool:
    own = shape.find(f"{P}spPr")
    fill = next((child for child in own if local_name(child) in _FILLS), None) if own is not None else None
    if fill is None:
        return shape.find(f"{P}style") is not None
    return local_name(fill) != "noFill"


def _filled_placeholders(level: Element) -> Iterator[tuple[str, str]]:
    for shape in level.iter(f"{P}sp"):
        found = shape.find(f"{P}nvSpPr/{P}nvPr/{P}ph")
        if found is not None and _is_filled(shape):
            yield found.get("type", ""), found.get("idx", "0")
