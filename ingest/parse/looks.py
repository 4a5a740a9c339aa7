"""How the runs of a Word document are seen: by their own settings, and those of their styles."""

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element

from ingest.parse.hidden import TINY, is_white
from ingest.parse.package import W
from ingest.types import HiddenKind

_VAL = f"{W}val"
_OFF = ("0", "false", "off")
_MAX_ANCESTORS = 20  # a chain of styles may be a ring


class _Look(NamedTuple):
    """What w:rPr says; None where it does not. `size` counts half points; `shaded`: it has a colour of its own behind
    it."""

    vanish: bool | None = None
    colour: str | None = None
    size: int | None = None
    shaded: bool | None = None

    def over(self, other: "_Look") -> "_Look":
        said = {name: value for name, value in self._asdict().items() if value is not None}
        return other._replace(**said) if said else other


_PLAIN = _Look()


class Looks:
    """Of a document with these `styles` (its part of that name, None for none). `roots` are the trees that its runs
    stand in."""

    def __init__(self, styles: Element | None, roots: Sequence[Element]) -> None:
        elements = styles.iter(f"{W}style") if styles is not None else ()
        self._styles = {style.get(f"{W}styleId", ""): style for style in elements}
        self._roots = roots
        self._known: dict[str, _Look] = {"": _PLAIN}
        self._on_colour: set[Element] | None = None

    def hides(self, run: Element, style: str) -> HiddenKind | None:
        """How a run, in a paragraph of that style, is kept from the eye; None where it is seen."""
        properties = run.find(f"{W}rPr")
        look = self._of_style(style)
        if properties is not None:
            own, named = _look(properties)
            look = own.over(self._of_style(named).over(look))
        if look is _PLAIN:
            return None
        if look.vanish:
            return "invisible"
        if look.size is not None and look.size < 2 * TINY:
            return "tiny"
        if look.colour and is_white(look.colour) and not look.shaded and run not in self._coloured():
            return "colour"
        return None

    def _of_style(self, name: str) -> _Look:
        known = self._known.get(name)
        if known is None:
            known, key = _PLAIN, name
            for _ in range(_MAX_ANCESTORS):
                if key not in self._styles:
                    break
                properties = self._styles[key].find(f"{W}rPr")
                known = known.over(_look(properties)[0]) if properties is not None else known
                based = self._styles[key].find(f"{W}basedOn")
                key = based.get(_VAL, "") if based is not None else ""
            self._known[name] = known
        return known

    def _coloured(self) -> set[Element]:
        """The runs on a colour, or on what may have one: of their paragraph, cell, table, text box, of the page."""
        if self._on_colour is None:
            shaded = {name for name, style in self._styles.items() if any(map(_is_colour, style.iter(f"{W}shd")))}
            self._on_colour = set()
            for root in self._roots:
                behind = root.find(f"{W}background") is not None or any(
                    element.get("behindDoc") == "1" for element in root.iter() if element.tag.endswith("}anchor")
                )
                for element in (root,) if behind else root.iter():
                    if behind or _is_on_colour(element, shaded):
                        self._on_colour.update(element.iter(f"{W}r"))
        return self._on_colour


def _look(properties: Element) -> tuple[_Look, str]:
    """What w:rPr says itself, and the style that it names."""
    vanish = colour = size = shaded = None
    named = ""
    for child in properties:
        value = child.get(_VAL, "")
        match child.tag.removeprefix(W):
            case "vanish":
                vanish = value not in _OFF
            case "color":
                colour = value
            case "sz" if value.isdecimal() and len(value) < 6:
                size = int(value)
            case "highlight":
                shaded = shaded or value not in ("", "none", "white")
            case "shd":
                shaded = shaded or _is_colour(child)
            case "rStyle":
                named = value
    return _Look(vanish, colour, size, shaded), named


def _is_on_colour(element: Element, shaded_styles: set[str]) -> bool:
    match element.tag.removeprefix(W):
        case "txbxContent":
            return True  # the box may be filled
        case "p" | "tc" | "tbl" as name:
            properties = element.find(f"{W}{name}Pr")
            if properties is None:
                return False
            shade, style = properties.find(f"{W}shd"), properties.find(f"{W}{name}Style")
            if style is not None and style.get(_VAL, "") in shaded_styles:
                return True
            return shade is not None and _is_colour(shade)
    return False


def _is_colour(shade: Element) -> bool:
    """Whether w:shd is a colour other than white."""
    fill, pattern = shade.get(f"{W}fill", "auto"), shade.get(_VAL, "clear")
    return (
        shade.get(f"{W}themeFill") is not None
        or pattern not in ("clear", "nil")
        or not (fill in ("auto", "") or is_white(fill))
    )
