"""Text that a document has and its reader does not see: found by the parsers, gathered here into warnings.

What is made unseen (by style, colour, size or place, in comments, in invisible characters) is left out of the blocks:
an answer must not quote it as if the page said it. A hidden sheet, row, column or slide is one that its program shows
on demand, and the user may look for what is in it: it stays. Both are told of the source.

Not seen here: text that a picture or a shape drawn later covers, colours that only look alike, what a style sheet in
another file or a script hides. Pictures of text are not looked at.
"""

import re
from dataclasses import dataclass, field, replace

from ingest.types import HIDDEN_KINDS, Block, Document, HiddenKind, HiddenText

VERSION = "hidden/1"  # a change of what is found here reads all files anew

LEAST = 16  # letters and figures of one kind in a document; fewer are layout, and tell nothing
MAX_EXCERPT = 120  # characters
MAX_PAGES = 10  # that are named
TINY = 2.0  # points; letters of a smaller size cannot be read
FEW_WORDS = 8  # of a comment; a shorter one is a name or a mark of the program that wrote it

# No letter of any language: copies of ASCII; choosers of a letter's form, three or more of which choose nothing; runs
# of characters without width, of several kinds, as they write bits with; marks that turn the direction by force.
# https://www.unicode.org/reports/tr36/, https://trojansource.codes/, https://embracethered.com/blog/posts/2024/
_CHARACTERS = re.compile(
    "[\U000e0000-\U000e007f]+|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{3,}|[\u200b-\u200d\u2060-\u2064\ufeff]{8,}|[\u202d\u202e]"
)
_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e007a]{3,6}\U000e007f")  # of a part of a country, as 🏴󠁧󠁢󠁳󠁣󠁴󠁿
_OVERRIDES = "\u202d\u202e"
_OVERRIDDEN = re.compile("[\u202d\u202e]([^\u202c\n]*)")
# A comment in words, not switched-off markup or code.
_WORD = re.compile(r"[^\W\d_]{2,}")
_CODE = re.compile(r"[{}<>=;|\\]|\w\(|://|\w[_/.]\w")


@dataclass
class _Gathered:
    letters: int = 0
    characters: int = 0
    pages: dict[int, None] = field(default_factory=dict)
    text: str = ""


@dataclass
class Hidden:
    """Gathers the hidden text of one document. `page` is that of what is added next, where the format has pages."""

    page: int | None = None
    _kinds: dict[HiddenKind, _Gathered] = field(default_factory=dict)

    def add(self, kind: HiddenKind, text: str) -> None:
        letters = sum(map(str.isalnum, text))
        if not letters:
            return
        gathered = self._kinds.setdefault(kind, _Gathered())
        gathered.letters += letters
        gathered.characters += len("".join(text.split()))
        if self.page is not None and len(gathered.pages) < MAX_PAGES:
            gathered.pages[self.page] = None
        if len(gathered.text) <= MAX_EXCERPT:
            gathered.text += f" {text[: 4 * MAX_EXCERPT]}"

    def add_comments(self, text: str) -> None:
        """The comments of HTML that say something in words."""
        end = 0
        while (start := text.find("<!--", end)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
            self.add_comment(text[start + 4 : end])

    def add_comment(self, text: str) -> None:
        """A comment, if it is one in words and not a mark, or markup or code that was switched off."""
        words = len(_WORD.findall(text))
        if words >= FEW_WORDS and 6 * len(_CODE.findall(text)) <= words:
            self.add("comment", text)

    def found(self) -> tuple[HiddenText, ...]:
        """What there is worth telling of, by kind."""
        return tuple(
            HiddenText(kind, one.characters, tuple(one.pages), excerpt(one.text))
            for kind in HIDDEN_KINDS
            if (one := self._kinds.get(kind)) and one.letters >= LEAST
        )


def excerpt(text: str) -> str:
    """The beginning of a text, in one line of printable characters."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text[: 8 * MAX_EXCERPT]).split())
    return line if len(line) <= MAX_EXCERPT else f"{line[: MAX_EXCERPT - 1].rstrip()}…"


def without_characters(document: Document) -> Document:
    """The document without what is written in invisible characters, which it tells of."""
    hidden = _Characters()
    blocks = tuple(map(hidden.clean_block, document.blocks))
    title = hidden.clean(document.title)
    metadata = {key: hidden.clean(value) for key, value in document.metadata.items()}
    if not hidden.count:
        return document
    found = HiddenText("characters", hidden.count, tuple(hidden.pages), excerpt(hidden.text))
    told = sorted((*document.hidden, found), key=lambda one: HIDDEN_KINDS.index(one.kind))
    return replace(document, title=title, metadata=metadata, blocks=blocks, hidden=tuple(told))


@dataclass
class _Characters:
    count: int = 0
    pages: dict[int, None] = field(default_factory=dict)
    text: str = ""

    def clean_block(self, block: Block) -> Block:
        before = self.count
        text, headings = self.clean(block.text), tuple(map(self.clean, block.headings))
        if self.count == before:
            return block
        if block.page is not None and len(self.pages) < MAX_PAGES:
            self.pages[block.page] = None
        return replace(block, text=text, headings=headings)

    def clean(self, text: str) -> str:
        if text.isascii() or not _CHARACTERS.search(text):
            return text
        flags = [match.span() for match in _FLAG.finditer(text)]
        kept, place = [], 0
        for match in _CHARACTERS.finditer(text):
            start, end = match.span()
            if any(first < end and start < last for first, last in flags) or _is_padding(match[0]):
                continue
            kept.append(text[place:start])
            place = end
            self.count += end - start
            self._tell(text, match)
        return "".join([*kept, text[place:]])

    def _tell(self, text: str, match: re.Match[str]) -> None:
        if len(self.text) <= MAX_EXCERPT:
            turned = _OVERRIDDEN.match(text, match.start()) if match[0] in _OVERRIDES else None
            self.text += turned[1][:MAX_EXCERPT] if turned else "".join(map(_meant, match[0]))


def _is_padding(run: str) -> bool:
    """One character without width over and over writes nothing: letters fill their preview so."""
    return run[0] in "\u200b\u200c\u200d\u2060\ufeff" and len(set(run)) == 1


def _meant(sign: str) -> str:
    """The letter that a copy of ASCII, or a chooser of forms that counts as a byte, stands for; "" for others."""
    code = ord(sign)
    if 0xE0000 <= code <= 0xE007F:
        code -= 0xE0000
    elif 0xFE00 <= code <= 0xFE0F:
        code -= 0xFE00
    elif 0xE0100 <= code <= 0xE01EF:
        code -= 0xE0100 - 16
    else:
        return ""
    return chr(code) if chr(code).isprintable() else ""


def is_white(colour: str) -> bool:
    """Whether a colour (RRGGBB) cannot be told from a white page."""
    return bool(re.fullmatch("[fF][89a-fA-F]" * 3, colour))


def same_colour(one: str, other: str) -> bool:
    """Whether text of one colour (RRGGBB) cannot be read on the other."""
    try:
        return all(abs(int(one[at : at + 2], 16) - int(other[at : at + 2], 16)) <= 7 for at in (0, 2, 4))
    except ValueError:
        return False
