"""Where sentences begin and end. Lines of lists and tables count as sentences of their own."""

import re
from itertools import pairwise

# A run of stops is tried from its start only: a line of 100,000 dots would be looked through from each of them.
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’»)\]*_]*+(?=\s)")
_LINE = re.compile(r"\n")
_ITEM = re.compile(r"\s*(?:[-*+•–]\s|\d{1,3}[.)]\s|[a-z]\)\s|\||#|>|:?-{3,}|[^\W\d][\w -]{0,30}:(?:\s|$))")
_ROW = re.compile(r"\t|\S {2,}\S|^\s*\|")
_OPENS = re.compile(r"[A-ZÁÉÍÓÚÜÑ\d¿¡\"'“‘«(\[*_`]|[^\x00-ɏ]")
_SHORT = """
    mr mrs ms dr prof st vs etc e.g i.e no nos inc ltd co corp fig figs approx dept est jr sr al cf vol pp p ed eds
    art arts sec jan feb mar apr jun jul aug sep sept oct nov dec a.m p.m u.s u.k
    sra srta dra ud uds vd vds pag págs pág núm num av avda c cl ej p.ej ee.uu s.a s.l tel ext aprox máx mín
    ene abr ago dic
"""
ABBREVIATIONS = frozenset(_SHORT.split())


def sentences(text: str) -> list[tuple[int, int]]:
    """Character ranges of the text's sentences, in order, without the white space around them.

    Every character that is not white space lies in exactly one range.
    """
    cuts = sorted({0, len(text), *_line_cuts(text), *_stop_cuts(text)})
    found = []
    for start, end in pairwise(cuts):
        piece = text[start:end]
        if piece.strip():
            found.append((start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())))
    return found


def _stop_cuts(text: str) -> list[int]:
    return [match.end() for match in _END.finditer(text) if _is_stop(text, match)]


def _is_stop(text: str, match: re.Match[str]) -> bool:
    following = text[match.end() : match.end() + 40].lstrip()
    if not following or not _OPENS.match(following):
        return False
    if not match.group().startswith("."):
        return True
    word = text[max(0, match.start() - 12) : match.start()].rsplit(None, 1)
    last = word[-1].lstrip("(\"'“«¿¡[") if word else ""
    is_initial = len(last) == 1 and last.isalpha() and last.isupper()
    is_item_number = last.isdigit() and len(last) <= 2 and _begins_line(text, match.start() - len(last))
    return not (is_initial or is_item_number or last.lower() in ABBREVIATIONS)


def _begins_line(text: str, position: int) -> bool:
    return text[:position].rpartition("\n")[2].strip() == ""


def _line_cuts(text: str) -> list[int]:
    """Line ends that end a sentence: before an item, around a table's row, at an empty line."""
    cuts = []
    for match in _LINE.finditer(text):
        before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        end = text.find("\n", match.end())
        after = text[match.end() : end if end >= 0 else len(text)]
        if not before.strip() or not after.strip() or _ITEM.match(after) or _ROW.search(before) or _ROW.search(after):
            cuts.append(match.end())
    return cuts
