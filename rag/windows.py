"""A passage in windows: a few sentences that the reader reads at a time."""

from ingest.sentences import sentences

WORDS = 75


def windows(text: str, words: int = WORDS) -> list[tuple[int, int]]:
    """Runs of whole sentences of so many words at most, or of one that is longer, as (start, end) in characters. Each
    begins with the last sentence of the one before, where that leaves room for another."""
    places = sentences(text)
    sizes = [len(text[start:end].split()) for start, end in places]
    found, first = [], 0
    while first < len(places):
        after, size = first + 1, sizes[first]
        while after < len(places) and size + sizes[after] <= words:
            size += sizes[after]
            after += 1
        found.append((places[first][0], places[after - 1][1]))
        overlaps = after - 1 > first and after < len(places) and sizes[after - 1] + sizes[after] <= words
        first = after - overlaps
    return found
