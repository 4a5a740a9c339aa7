"""Which passages a generator is given, which of them matter most, and in which order they stand in its prompt.

    choose (at most so many of one source) | add neighbours | fill_prompt(..., arrange)

`assemble` puts first what matters most: where the model's budget is short, rag.prompt leaves out from the end.
Every passage is a hit with a number of its own, a neighbour too: what is cited is always the passage that says it.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

from ingest.types import Passage
from rag.duplicates import collapse
from rag.types import Hit
from settings import Context

SHORT = 60  # tokens; a passage of fewer says little by itself
_SENTENCE_ENDS = (".", "!", "?", "…", ".”", '."', ".»", ".)", "!”", "?”", '!"', '?"')
_UNLIKE_TEXT = ("table", "code")  # go on in their own kind only

Neighbours = Callable[[Sequence[str]], Mapping[str, Sequence[Passage]]]


def assemble(hits: Sequence[Hit], k: int, neighbours: Neighbours, settings: Context) -> tuple[Hit, ...]:
    """What to give a generator of `hits` (best first, more than `k` if there are): at most `k` of them, then the
    neighbours of the best, what matters most first. `neighbours` gives the passages beside those with these ids."""
    chosen = choose(hits, k, settings.per_source)
    return _distinct([*chosen, *_beside(chosen[: settings.neighbours], chosen, neighbours)])


def choose(hits: Sequence[Hit], k: int, per_source: int) -> list[Hit]:
    """The best `k`, of one source at most `per_source`, unless the others do not fill `k`: then the best of what is
    left follow."""
    seen: Counter[str] = Counter()
    kept: list[Hit] = []
    left: list[Hit] = []
    for hit in hits:
        (kept if seen[hit.passage.path] < per_source else left).append(hit)
        seen[hit.passage.path] += 1
    return [*kept, *left][:k]


def arrange(hits: Sequence[Hit], read: Sequence[str] = ()) -> list[Hit]:
    """Hits (what matters most first) as they stand in a prompt: the best first and the second best last, the least in
    the middle, where models read least well (Liu et al. 2023, "Lost in the Middle"). Passages that follow one another
    in a source stay together, in its order.

    `read` are the ids of a follow-up's earlier prompt, in its order: as many as it began with and are among the hits
    begin this one too, since what begins alike is not read again (rag.llama_worker). Then the best of the others is
    last, next to the question."""
    order = {hit.passage.id: hit for hit in hits}
    begun = [order[id] for id in takewhile(order.__contains__, read)]
    runs = _runs([hit for hit in hits if hit not in begun])
    first, last = (runs[1::2], runs[::2]) if begun else (runs[::2], runs[1::2])
    return [*begun, *(hit for run in [*first, *reversed(last)] for hit in run)]


def _runs(hits: Sequence[Hit]) -> list[list[Hit]]:
    """Hits of one source whose positions follow one another, together; the run with the first hit first."""
    order = {hit.passage.id: number for number, hit in enumerate(hits)}
    runs: list[list[Hit]] = []
    for hit in sorted(hits, key=lambda hit: (hit.passage.path, hit.passage.position)):
        last = runs[-1][-1].passage if runs else None
        if last and (last.path, last.position + 1) == (hit.passage.path, hit.passage.position):
            runs[-1].append(hit)
        else:
            runs.append([hit])
    return sorted(runs, key=lambda run: min(order[hit.passage.id] for hit in run))


def _beside(best: Sequence[Hit], chosen: Sequence[Hit], neighbours: Neighbours) -> list[Hit]:
    """The neighbours that the best need to be understood, as hits that follow the chosen ones."""
    beside = neighbours([hit.passage.id for hit in best]) if best else {}
    known = {hit.passage.id for hit in chosen}
    found: dict[str, Hit] = {}
    for hit in best:
        for passage in beside.get(hit.passage.id, ()):
            if passage.id not in known and _needs(hit.passage, passage):
                found.setdefault(passage.id, Hit(len(chosen) + len(found) + 1, 0.0, passage, hit.title))
    return list(found.values())


def _needs(passage: Passage, neighbour: Passage) -> bool:
    """Whether the passage is cut or too short on that neighbour's side, and the neighbour of the same section."""
    if _unlike(passage, neighbour) or not _same_section(passage, neighbour):
        return False
    if passage.tokens < SHORT:
        return True
    if neighbour.position < passage.position:
        return passage.text[:1].islower()
    return not passage.text.rstrip().endswith(_SENTENCE_ENDS)


def _unlike(one: Passage, other: Passage) -> bool:
    return one.kind != other.kind and (one.kind in _UNLIKE_TEXT or other.kind in _UNLIKE_TEXT)


def _same_section(one: Passage, other: Passage) -> bool:
    """The same, or the one inside the other."""
    depth = min(len(one.headings), len(other.headings))
    return one.headings[:depth] == other.headings[:depth] and (depth > 0 or one.headings == other.headings)


def _distinct(hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """Without near-duplicates: they become copies of the first."""
    groups = collapse(((number, hit.score, hit.passage) for number, hit in enumerate(hits)), len(hits))
    return tuple(replace(hit, copies=(*hit.copies, *group.copies)) for group in groups for hit in [hits[group.row]])
