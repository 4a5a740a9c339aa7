"""The numbers and bullets of a Word document's lists, which it keeps apart from its paragraphs."""

from dataclasses import dataclass, field
from typing import NamedTuple
from xml.etree.ElementTree import Element

from ingest.parse.package import W

LEVELS = 9
BULLET = "-"
_VAL = f"{W}val"
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"),
          (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip


class Level(NamedTuple):
    """How the items of a list's level are marked: `text` has %1 for the first level's number, and so on."""

    form: str
    text: str
    start: int


@dataclass
class Numbering:
    """Counts the items as they come: label() is asked once for each, in order."""

    lists: dict[str, str] = field(default_factory=dict)  # a list's id -> that of its definition
    levels: dict[tuple[str, int], Level] = field(default_factory=dict)  # by definition and level, or by list and level
    starts: dict[tuple[str, int], int] = field(default_factory=dict)  # where a list does not go on from the one before
    _counts: dict[str, list[int | None]] = field(default_factory=dict)
    _begun: set[tuple[str, int]] = field(default_factory=set)

    @classmethod
    def of(cls, root: Element | None) -> "Numbering":
        numbering = cls()
        if root is None:
            return numbering
        linked: dict[str, str] = {}
        styled: dict[str, str] = {}
        for abstract in root.iter(f"{W}abstractNum"):
            key = abstract.get(f"{W}abstractNumId", "")
            for level in abstract.iter(f"{W}lvl"):
                numbering.levels["a" + key, level_number(level.get(f"{W}ilvl"))] = _level(level)
            if (style := abstract.find(f"{W}styleLink")) is not None:
                styled[style.get(_VAL, "")] = key
            if (style := abstract.find(f"{W}numStyleLink")) is not None:
                linked[key] = style.get(_VAL, "")
        for listed in root.iter(f"{W}num"):
            key, abstract_id = listed.get(f"{W}numId", ""), _value(listed, "abstractNumId")
            numbering.lists[key] = styled.get(linked.get(abstract_id, ""), abstract_id)
            for override in listed.iter(f"{W}lvlOverride"):
                place = level_number(override.get(f"{W}ilvl"))
                for level in override.iter(f"{W}lvl"):
                    numbering.levels["n" + key, place] = _level(level)
                if (start := _value(override, "startOverride")).isdecimal():
                    numbering.starts[key, place] = int(start[:6])
        return numbering

    def label(self, list_id: str, place: int) -> str:
        """The mark of the next item of a list's level (from 0): "1.", "(b)", a bullet, or "" for none."""
        definition = self.lists.get(list_id, "")
        level = self._level(list_id, place)
        counts = self._counts.setdefault(definition, [None] * LEVELS)
        if (list_id, place) in self.starts and (list_id, place) not in self._begun:
            counts[place] = self.starts[list_id, place] - 1
        self._begun.add((list_id, place))
        before = counts[place]
        counts[place] = level.start if before is None else before + 1
        for deeper in range(place + 1, LEVELS):
            counts[deeper] = None
        if level.form == "bullet":
            return BULLET
        text = level.text
        for other in range(LEVELS):
            if f"%{other + 1}" in text:
                shown = self._level(list_id, other)
                number = counts[other] = shown.start if (counted := counts[other]) is None else counted
                text = text.replace(f"%{other + 1}", _written(number, shown.form))
        return text.strip()

    def _level(self, list_id: str, place: int) -> Level:
        usual = self.levels.get(("a" + self.lists.get(list_id, ""), place), Level("bullet", "", 1))
        return self.levels.get(("n" + list_id, place), usual)


def level_number(text: str | None) -> int:
    """A level as the file has it, kept within what there is."""
    return min(int(text), LEVELS - 1) if text and text.isdecimal() and len(text) < 4 else 0


def _level(element: Element) -> Level:
    start = _value(element, "start")
    return Level(
        _value(element, "numFmt") or "decimal", _value(element, "lvlText"), int(start[:6]) if start.isdecimal() else 1
    )


def _value(element: Element, name: str) -> str:
    found = element.find(W + name)
    return found.get(_VAL, "") if found is not None else ""


def _written(number: int, form: str) -> str:
    match form:
        case "none":
            return ""
        case "lowerLetter" | "upperLetter":
            letters = chr(ord("a") + (number - 1) % 26) * min((number - 1) // 26 + 1, 20) if number > 0 else ""
            return letters if form == "lowerLetter" else letters.upper()
        case "lowerRoman" | "upperRoman":
            roman = _roman(number)
            return roman if form == "lowerRoman" else roman.upper()
        case "decimalZero":
            return f"{number:02}"
    return str(number)


def _roman(number: int) -> str:
    if not 0 < number < 5000:
        return str(number)
    found = ""
    for value, letters in _ROMAN:
        found += letters * (number // value)
        number %= value
    return found
