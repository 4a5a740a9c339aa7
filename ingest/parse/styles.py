"""Which parts of a web page its own styles hide from the eye. Elements are lxml's; nothing is imported for them.

Looked at: `style` and `hidden`, old attributes (color, bgcolor), and of the page's own style sheets the rules that name
an element, a class or an id. What the page says of backgrounds in any other way makes them unknown, and no text is
said to have the colour of one that is unknown.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ingest.parse.hidden import TINY, same_colour
from ingest.types import HiddenKind

MAX_SHEET = 1_000_000  # characters of a page's style sheets that are looked at
MAX_RULES = 5_000
MAX_DEPTH = 200  # elements above one that are asked for its background
FAR = -500.0  # pixels to the left or above of the page

Styles = dict[str, str]

_STYLED = "//*[@style or @hidden or @color or @bgcolor or self::dialog]"
_NAMED = "//*[@style or @hidden or @color or @bgcolor or self::dialog or @class or @id]"
_PROPERTIES = re.compile(r"([a-z-]+)\s*:\s*([^;]*)")
_AT_RULE = re.compile(r"@[\w-]++[^{};@]*+(?:;|\{(?:[^{}]++|\{[^{}]*+\})*+\})")
_SELECTOR = re.compile(r"(?P<tag>[a-z][a-z0-9]*)?(?:\.(?P<class>-?[_a-z][\w-]*)|#(?P<id>-?[_a-z][\w-]*))?", re.I)
_TELLING = re.compile(
    r"display|visibility|opacity|font-size|(?<![a-z-])color|background|position|text-indent|overflow|clip|transform"
)
_NUMBER = re.compile(r"(-?(?:\d+\.?\d*|\.\d+))(px|pt|r?em|%|vw|vh|in|cm|mm)?")
_POINTS = {None: 0.75, "px": 0.75, "pt": 1.0, "em": 12.0, "rem": 12.0, "%": 0.12, "vw": 8.0, "vh": 6.0, "in": 72.0,
           "cm": 28.35, "mm": 2.835}  # fmt: skip
_NAMES = {"white": "ffffff", "black": "000000", "transparent": "", "red": "ff0000", "yellow": "ffff00",
          "snow": "fffafa", "ivory": "fffff0", "whitesmoke": "f5f5f5", "ghostwhite": "f8f8ff"}  # fmt: skip
_RGB = re.compile(r"rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})(?:[\s,/]+(\d*\.?\d*)%?)?\s*\)")
_NO_TEXT = frozenset(("script", "style", "noscript", "template", "head", "title"))
_CLIPPED = re.compile(
    r"rect\(\s*[01](?:px)?[\s,]+[01](?:px)?[\s,]+[01](?:px)?[\s,]+[01](?:px)?\s*\)|inset\((?:50|100)%"
)


@dataclass
class _Sheets:
    """The rules that name an element, a class or an id, in the order of their weight; what else there is."""

    by_tag: dict[str, Styles] = field(default_factory=lambda: defaultdict(dict))
    by_class: dict[tuple[str, str], Styles] = field(default_factory=lambda: defaultdict(dict))
    by_id: dict[str, Styles] = field(default_factory=lambda: defaultdict(dict))
    other_backgrounds: bool = False

    @classmethod
    def of(cls, root: Any) -> "_Sheets":
        sheets = cls()
        sheets.other_backgrounds = any("stylesheet" in (link.get("rel") or "").lower() for link in root.iter("link"))
        text = "\n".join(style.text or "" for style in root.iter("style"))[:MAX_SHEET]
        text = _without_comments(text).lower()
        sheets.other_backgrounds |= "background" in "".join(_AT_RULE.findall(text))
        rules = _AT_RULE.sub("", text).split("}")
        sheets.other_backgrounds |= len(rules) > MAX_RULES
        for rule in rules[:MAX_RULES]:
            selectors, _, styles = rule.rpartition("{")
            if _TELLING.search(styles):
                sheets._add(selectors, _declared(styles))
        return sheets

    def _add(self, selectors: str, styles: Styles) -> None:
        for selector in selectors.split(","):
            named = _SELECTOR.fullmatch(selector.strip())
            if not named or not named[0]:
                self.other_backgrounds |= any(name.startswith("background") for name in styles)
            elif named["id"]:
                self.by_id[named["id"]].update(styles)
            elif named["class"]:
                self.by_class[named["tag"] or "", named["class"]].update(styles)
            else:
                self.by_tag[named["tag"]].update(styles)

    def __bool__(self) -> bool:
        return bool(self.by_class or self.by_id)

    def styles_of(self, element: Any) -> Styles:
        tag = element.tag
        found = dict(self.by_tag.get(tag, {}))
        if self:
            classes = (element.get("class") or "").lower().split()
            for owner in ("", tag):
                for name in classes:
                    found.update(self.by_class.get((owner, name), {}))
            found.update(self.by_id.get((element.get("id") or "").lower(), {}))
        return found


def _without_comments(text: str) -> str:
    """One that is not closed goes on to the end."""
    first, *rest = text.split("/*")
    kept = [first]
    for part in rest:
        kept.append(part.partition("*/")[2])
    return "".join(kept)


def _declared(text: str) -> Styles:
    return {name: value.replace("!important", "").strip() for name, value in _PROPERTIES.findall(text.lower())}


def hidden_elements(root: Any) -> dict[Any, HiddenKind]:
    """The outermost elements of a page that are not seen, and how they are hidden. A `part` is one that a script of the
    page may show: its style sheet hides it until then."""
    page = _Page(_Sheets.of(root), has_script=root.find(".//script") is not None)
    found: dict[Any, HiddenKind] = {}
    tags = page.sheets.by_tag
    candidates = root.iter() if tags.keys() - {"body", "html"} else root.xpath(_NAMED if page.sheets else _STYLED)
    for element in candidates:
        if isinstance(element.tag, str) and element.tag not in _NO_TEXT and (kind := page.kind(element)):
            found[element] = kind
    return {element: kind for element, kind in found.items() if not any(above in found for above in _above(element))}


def _above(element: Any) -> Iterator[Any]:
    for _ in range(MAX_DEPTH):
        element = element.getparent()
        if element is None:
            return
        yield element


@dataclass
class _Page:
    sheets: _Sheets
    has_script: bool
    _known: dict[Any, Styles] = field(default_factory=dict)

    def styles(self, element: Any) -> Styles:
        """What is declared of the element itself: by style sheets, old attributes, its own style."""
        known = self._known.get(element)
        if known is None:
            known = self.sheets.styles_of(element)
            if colour := element.get("color"):
                known["color"] = colour.lower()
            if colour := element.get("bgcolor"):
                known["background-color"] = colour.lower()
            if element.get("background"):
                known["background-image"] = "url"
            if style := element.get("style"):
                known.update(_declared(style))
            self._known[element] = known
        return known

    def kind(self, element: Any) -> HiddenKind | None:
        own = _declared(element.get("style") or "")
        if element.get("hidden") is not None or (element.tag == "dialog" and element.get("open") is None):
            return "invisible"
        if _is_off(own):
            return "invisible"
        styles = self.styles(element)
        if not styles:
            return None
        if _is_off(styles):
            return "part" if self.has_script else "invisible"
        if _is_away(styles):
            return "outside"
        if _size(styles.get("font-size", "")) < TINY and not self._overridden(element, "font-size"):
            return "tiny"
        if "color" in styles and self._is_unseen(element) and not self._overridden(element, "color"):
            return "colour"
        return None

    def _overridden(self, element: Any, name: str) -> bool:
        """Whether something inside has a size or colour of its own: it may be seen."""
        inside = element.iterdescendants()
        return any(isinstance(one.tag, str) and name in self.styles(one) for one in inside)

    def _is_unseen(self, element: Any) -> bool:
        colour = _colour(self.styles(element)["color"])
        if colour == "":
            return not any("background" in name for name in self.styles(element))  # not text cut out of a picture
        behind = self._background(element) if colour is not None else None
        return colour is not None and behind is not None and same_colour(colour, behind)

    def _background(self, element: Any) -> str | None:
        """The colour behind an element's text; None where it is not known."""
        for one in (element, *_above(element)):
            styles = self.styles(one)
            if "background-image" in styles and styles["background-image"] != "none":
                return None
            said = styles.get("background-color") or styles.get("background")
            if said is not None and said not in ("transparent", "none", "inherit", "initial"):
                return _colour(said.split()[0] if not said.startswith("rgb") else said)
            if styles.get("position") in ("absolute", "fixed"):
                return None
        return None if self.sheets.other_backgrounds else "ffffff"


def _is_off(styles: Styles) -> bool:
    if styles.get("display") == "none" or styles.get("visibility") in ("hidden", "collapse"):
        return True
    if "opacity" in styles and _number(styles["opacity"]) <= 0.01:
        return True
    if "overflow" in styles and "hidden" in styles["overflow"]:
        return any(name in styles and _number(styles[name]) == 0 for name in ("height", "max-height", "width"))
    return "scale(0)" in styles.get("transform", "")


def _is_away(styles: Styles) -> bool:
    if styles.get("position") in ("absolute", "fixed"):
        sides = ("left", "top", "right", "bottom", "margin-left", "margin-top")
        if any(name in styles and _points(styles[name]) <= FAR for name in sides):
            return True
        if _CLIPPED.search(styles.get("clip", "") + styles.get("clip-path", "")):
            return True
    return "text-indent" in styles and _points(styles["text-indent"]) <= FAR


def _number(value: str) -> float:
    match = _NUMBER.match(value)
    return float(match[1]) if match else 1.0


def _points(value: str) -> float:
    match = _NUMBER.match(value)
    return float(match[1]) * _POINTS[match[2]] if match else 0.0


def _size(value: str) -> float:
    """A size of letters in points, of ordinary size where it is none."""
    return _points(value) if _NUMBER.match(value) else 12.0


def _colour(value: str) -> str | None:
    """RRGGBB; "" for none at all; None for what is not known."""
    value = value.strip()
    if value in _NAMES:
        return _NAMES[value]
    if match := re.fullmatch(r"#?([0-9a-f]{6})(?:([0-9a-f]{2}))?", value):
        return "" if match[2] == "00" else match[1]
    if match := re.fullmatch(r"#([0-9a-f])([0-9a-f])([0-9a-f])", value):
        return "".join(2 * digit for digit in match.groups())
    if match := _RGB.fullmatch(value):
        if match[4] is not None and not match[4].strip("0."):
            return ""
        return "".join(f"{min(int(part), 255):02x}" for part in match.groups()[:3])
    return None


_QUIET = frozenset(("a", "button", "option", "label", "select", "textarea", *_NO_TEXT))
_MENUS = frozenset(("dialog", "menu", "menubar", "navigation", "alert", "alertdialog", "tooltip", "search", "listbox"))


def prose_of(element: Any) -> str:
    """The text of a hidden element that is no control of the page: not of links, buttons, menus, dialogs, forms."""
    for one in (element, *_above(element)):
        if one.tag in ("nav", "dialog", "form", "menu") or (one.get("role") or "").lower() in _MENUS:
            return ""
    pieces: list[str] = []
    stack: list[tuple[Any, bool]] = [(element, False)]
    while stack:
        one, done = stack.pop()
        if done:
            if one is not element:
                pieces.append(one.tail or "")
            continue
        stack.append((one, True))
        role = (one.get("role") or "").lower() if isinstance(one.tag, str) else ""
        if not isinstance(one.tag, str) or one.tag in _QUIET or one.tag in ("nav", "form") or role in _MENUS:
            continue
        pieces.append(one.text or "")
        stack += [(child, False) for child in reversed(one)]
    return " ".join(" ".join(pieces).split())
