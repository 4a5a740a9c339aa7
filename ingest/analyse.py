"""Text to the terms that full-text search matches: lower case, accents folded, stop words out, stems in.

Used on passages when they are stored and on questions when they are asked, so that both sides always agree.
Besides its stems a text has its forms (words as they are written, but for case) and its compounds: identifiers whole
and in parts, dates and numbered sections in one spelling.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from ingest.languages import language_identifier
from ingest.stopwords import STOPWORDS

LANGUAGES = ("en", "es")
_SNOWBALL = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian",
    "id": "indonesian", "it": "italian", "lt": "lithuanian", "nb": "norwegian", "ne": "nepali", "nl": "dutch",
    "nn": "norwegian", "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian",
    "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
_SURE = 0.95
_ENOUGH_LETTERS = 20
_READ = 4000  # characters that tell a text's language
# Of 14,000 texts in 90 other languages (translated manuals and messages, half of them with English in between) two have
# so many English stop words and so few letters of their own; of 347 paragraphs in English nearly all have.
_ENGLISH_SHARE, _ENGLISH_LEAST, _ASCII_SHARE = 0.2, 5, 0.97

# A number with its separators (1,200.50 or 3.14), or a run of letters and digits.
_WORD = re.compile(r"\d+(?:[.,]\d+)+|[^\W_]+")
_POSSESSIVE = re.compile(r"['’]s\b")
_MEASURE = re.compile(r"\bhow (?:much|many|long|often|far|old|big|tall|large|high|deep|soon)\b")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:(?:,\d{3})+(?:\.\d+)?|(?:\.\d{3})+(?:,\d+)?)")
_NO_CENTS = re.compile(r"[.,]00$")
_FOREIGN = re.compile(r"[^\x00-\u02ff]")  # among these are all the combining marks
_LONGEST = 64  # characters of a word or an identifier that is looked at twice
_FORM = re.compile(r"[^\W_]+")
# Capitals amid other words: 'WHO' is no 'who'.
_ACRONYM = re.compile(r"(?<![A-Z] )\b[A-Z]{2,5}\b(?! [A-Z]{2})")


def fold(text: str) -> str:
    """Lower case without accents or compatibility forms: 'Póliza' -> 'poliza'. Length may change."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text.casefold()).casefold())
    return _FOREIGN.sub(lambda match: "" if unicodedata.combining(match[0]) else match[0], decomposed)


def words(text: str) -> list[str]:
    """The folded words of a text in order. Numbers lose their thousands separators: '1,200' -> '1200'."""
    return [
        word
        for chunk in text.split()
        for word in (_known_words(chunk) if len(chunk) <= _LONGEST else _found_words(chunk))
    ]


def _found_words(chunk: str) -> tuple[str, ...]:
    if chunk.isascii() and chunk.isalpha():
        return (chunk.lower(),)
    folded = _POSSESSIVE.sub("", fold(chunk))
    return tuple(_number(word) if word[0].isdigit() else word for word in _WORD.findall(folded))


_known_words = lru_cache(maxsize=20_000)(_found_words)


def terms(text: str, language: str) -> list[str]:
    """The stems of a text, in order and with repeats. A language without a stemmer is stemmed as English.

    A text of nothing but stop words keeps them, so that it can still be found.
    """
    return list(_terms(text, language))


@lru_cache(maxsize=1024)  # a passage's are stored, and soon after counted
def _terms(text: str, language: str) -> tuple[str, ...]:
    return tuple([stem(word, language) for word in _kept(text, language)])


def _kept(text: str, language: str) -> list[str]:
    found = words(text)
    stop = STOPWORDS.get(language, frozenset())
    if stop:
        stop -= _acronyms(text)
    return [word for word in found if word not in stop] or found


def _acronyms(text: str) -> set[str]:
    return set() if text.isupper() else {name.lower() for name in _ACRONYM.findall(text)}


def forms(text: str, language: str) -> list[str]:
    """The words of a text as they are written, accents and all, but in lower case; without stop words and numbers."""
    return [form for chunk in text.split() for form in _forms(chunk[:_LONGEST], language)]


@lru_cache(maxsize=20_000)
def _forms(chunk: str, language: str) -> tuple[str, ...]:
    stop = STOPWORDS.get(language, frozenset())
    written = unicodedata.normalize("NFC", unicodedata.normalize("NFC", chunk).casefold())
    return tuple(form for form in _FORM.findall(written) if not form.isdigit() and fold(form) not in stop)


def content_words(question: str) -> list[str]:
    """The words of a question that its answer may have, in order and without repeats: no stop words, nor the measure
    of 'how long' and its like. A question of nothing else keeps all its words."""
    language = detect_language(question)
    found = words(_MEASURE.sub(" ", fold(question)) if language == "en" else question)
    stop = STOPWORDS[language] - _acronyms(question)
    return list(dict.fromkeys(word for word in found if word not in stop)) or words(question)


@lru_cache(maxsize=50_000)
def stem(word: str, language: str) -> str:
    """The Snowball stem (Porter 2001) of one folded word. Words with digits are left alone."""
    if any(c.isdigit() for c in word):
        return word
    stemmed: str = _stemmer(_SNOWBALL.get(language, "english")).stemWord(word)
    return stemmed


@lru_cache(maxsize=4)
def _stemmer(algorithm: str):  # type: ignore[no-untyped-def]  # PyStemmer has no types
    import Stemmer

    return Stemmer.Stemmer(algorithm)


def _number(word: str) -> str:
    """'1,200.50' and '1.200,50' -> '1200_50', '900.00' -> '900'; '0.125' and '2.1.3' keep their points, as '_', which
    is a token character of FTS5's."""
    if _THOUSANDS.fullmatch(word):
        word = re.sub(r"[.,](?=\d{3}(?:\D|$))", "", word)
    return re.sub(r"[.,]", "_", _NO_CENTS.sub("", word))


# --- compounds


@dataclass(frozen=True, slots=True)
class Compound:
    """Something in a text that is more than its words: its one spelling, and the words that are its parts.

    `words` are those that words() finds in the same place: several for 'GPT-4', one for 'FY2018'.
    """

    whole: str
    parts: tuple[str, ...]
    words: tuple[str, ...]


_MOST_PARTS = 8
_PUNCTUATION = ".,;:!?()[]\"'“”«»"
# Runs of letters and digits, joined by '-' or '_'; by '/' and '.' where digits or single letters are joined.
_JOINED = re.compile(r"[^\W_]+(?:(?:[-_\u2010\u2011]|[./](?=\d)|(?<=\d)[./](?=\w)|(?<=\b\w)\.(?=\w\b))[^\W_]+)+")
_MIXED = re.compile(r"\b(?=[^\W_]*(?:\d[^\W\d_]|[^\W\d_]\d|[a-z\u00df-\u00ff][A-Z\u00c0-\u00de]))[^\W_]+")
_BORDER = re.compile(
    r"(?<=[a-z\u00df-\u00ff])(?=[A-Z\u00c0-\u00de])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d)"
)
_NUMERIC = re.compile(r"[\d./]+")


def compounds(text: str, language: str) -> list[Compound]:
    """The identifiers (whole without their joints, so that 'GPT-4', 'gpt_4' and 'GPT4' are one), dates and numbered
    sections of a text."""
    found: list[Compound] = []
    chunks = text.split()
    for place, chunk in enumerate(chunks):
        if len(chunk) <= _LONGEST:
            inside, numbered = _inside(chunk, language)
            if inside:
                found += inside
            if numbered:
                found += _across(chunks, place)
    return found


@lru_cache(maxsize=20_000)
def _inside(chunk: str, language: str) -> tuple[tuple[Compound, ...], bool]:
    """The compounds that a chunk without white space has, and whether it has a number."""
    bare = chunk.strip(_PUNCTUATION)
    if bare.isalpha() and (bare.islower() or bare.istitle() or bare.isupper()):
        return (), False
    found = (*_joined(chunk, language), *_mixed(chunk, language), *_dates(chunk, _DIGITAL), *_sections(chunk))
    return found, any(c.isdigit() for c in chunk)


def _across(chunks: list[str], place: int) -> Iterator[Compound]:
    """Those that end with the number at a place: '30 de junio de 2021', 'section 4.2'."""
    if _YEAR.search(chunks[place]):
        yield from _dates(" ".join(chunks[max(place - 4, 0) : place + 1]), _WRITTEN)
    if place and (kind := fold(chunks[place - 1][-_LONGEST:]).strip("(.")) in _KINDS:
        yield from _sections(f"{kind} {chunks[place]}")


def _joined(text: str, language: str) -> Iterator[Compound]:
    for match in _JOINED.finditer(text):
        own = re.split(r"[\W_]", match[0])
        if len(own) <= _MOST_PARTS and not _NUMERIC.fullmatch(match[0]):
            yield Compound(_whole("".join(own), language), (), tuple(words(match[0])))


def _mixed(text: str, language: str) -> Iterator[Compound]:
    for match in _MIXED.finditer(text):
        parts = [stem(fold(part), language) for part in _BORDER.split(match[0])]
        if 1 < len(parts) <= _MOST_PARTS:
            yield Compound(_whole(match[0], language), tuple(dict.fromkeys(parts)), tuple(words(match[0])))


def _whole(word: str, language: str) -> str:
    return stem(fold(word), language)


_MONTHS = {
    name[:length]: number
    for names in (
        "january february march april may june july august september october november december",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    )
    for number, name in enumerate(names.split(), start=1)
    for length in (3, 4, len(name))
} | {"setiembre": 9}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DIGITAL = (
    re.compile(r"(?<!\d)(?P<y>\d{4})(?P<joint>[-/.])(?P<m>\d\d?)(?P=joint)(?P<d>\d\d?)(?!\d)"),
    re.compile(r"(?<!\d)(?P<a>\d\d?)(?P<joint>[-/.])(?P<b>\d\d?)(?P=joint)(?P<y>\d{4})(?!\d)"),
)
_WRITTEN = (
    re.compile(
        rf"\b(?P<d>\d\d?)(?:st|nd|rd|th|o)?\.? (?:of |de )?(?P<n>{_MONTH})\.?,? (?:de |del )?(?P<y>\d{{4}})\W*$"
    ),
    re.compile(rf"\b(?P<n>{_MONTH})\.? (?P<d>\d\d?)(?:st|nd|rd|th)?,? (?P<y>\d{{4}})\W*$"),
)
_YEAR = re.compile(r"\d{4}")


def _dates(text: str, patterns: tuple[re.Pattern[str], ...]) -> Iterator[Compound]:
    """Days, but for those like 05/06/2021, which may be in May or in June."""
    if not _YEAR.search(text):
        return
    folded = fold(text)
    for pattern in patterns:
        for match in pattern.finditer(folded):
            found = match.groupdict()
            first, second = (int(found.get(name) or 0) for name in "ab")
            if 0 < first <= 12 and second <= 12 and first != second:
                continue
            day = int(found.get("d") or max(first, second))
            month = int(found.get("m") or _MONTHS.get(found.get("n", ""), 0) or min(first, second))
            with suppress(ValueError):  # no such day
                yield Compound(f"day_{date(int(found['y']), month, day):%Y_%m_%d}", (), tuple(words(match[0])))


_SECTIONS = {
    "section": ("§§", "§", "section", "sections", "sec", "seccion", "secciones", "apartado"),
    "article": ("article", "articles", "articulo", "articulos", "art", "arts"),
    "clause": ("clause", "clauses", "clausula", "clausulas"),
    "chapter": ("chapter", "chapters", "capitulo", "capitulos", "chap", "cap"),
}
_KINDS = {name: kind for kind, names in _SECTIONS.items() for name in names}
_SECTION = re.compile(
    rf"(?<!\w)(?P<kind>{'|'.join(sorted(_KINDS, key=len, reverse=True))})\.? ?(?P<number>\d+(?:\.\d+)*(?:[a-z]\b)?)"
)


def _sections(text: str) -> Iterator[Compound]:
    for match in _SECTION.finditer(fold(text)):
        number = match["number"].replace(".", "_")
        yield Compound(f"{_KINDS[match['kind']]}_{number}", (), tuple(words(match[0])))


_QUOTED = re.compile(r'"([^"]+)"|“([^”]+)”|«([^»]+)»|„([^“”]+)[“”]')


def phrases(question: str) -> list[str]:
    """What stands in double quotes in a question, of any kind."""
    return [next(filter(None, match)) for match in _QUOTED.findall(question)]


def phrase_pattern(phrase: str) -> re.Pattern[str] | None:
    """Finds the words of a phrase in folded text (fold()), one directly after the other; None if it has none."""
    found = _FORM.findall(fold(phrase))
    return re.compile(r"(?<![^\W_])" + r"[\W_]+".join(map(re.escape, found)) + r"(?![^\W_])") if found else None


# --- languages


def detect_language(text: str, default: str = "en") -> str:
    """'en' or 'es', or the default where that is another language and nothing decides. Stop words decide where there
    are any; otherwise the language identifier of py3langid (Lui and Baldwin 2012), which is not asked about fewer than
    four words."""
    return _decided(text[:_READ], _Votes.of(text[:_READ]), lambda: default)


def identify_language(text: str, default: Callable[[], str] = lambda: "en") -> str:
    """The ISO 639-1 code of a passage's language: detect_language(), but for a text of which the identifier is sure
    that it is in another. (Of 23,825 English and Spanish paragraphs and sentences it took 2 for another language.)
    What is plainly English is not shown to it, as it takes its time; `default` is asked where nothing decides."""
    text = text[:_READ]
    votes = _Votes.of(text)
    if not votes.are_plainly_english(text) and _has_letters(text):
        language, probability = language_identifier().classify(text)
        if probability >= _SURE and language not in LANGUAGES:
            return str(language)
    return _decided(text, votes, default)


def _decided(text: str, votes: "_Votes", default: Callable[[], str]) -> str:
    if votes.english != votes.spanish:
        return "en" if votes.english > votes.spanish else "es"
    language = default()
    if votes.words < 4 or language not in LANGUAGES:
        return language
    return next(str(language) for language, _ in language_identifier().rank(text) if language in LANGUAGES)


@dataclass(frozen=True, slots=True)
class _Votes:
    """How many words a text has, and how many of them are stop words."""

    words: int
    english: int
    spanish: int

    @classmethod
    def of(cls, text: str) -> "_Votes":
        found = words(text)
        english, spanish = (sum(map(STOPWORDS[language].__contains__, found)) for language in ("en", "es"))
        return cls(len(found), english, spanish)

    def are_plainly_english(self, text: str) -> bool:
        enough = self.english - self.spanish >= max(_ENGLISH_LEAST, _ENGLISH_SHARE * self.words)
        return enough and len(text.encode("ascii", "ignore")) >= _ASCII_SHARE * len(text)


def _has_letters(text: str) -> bool:
    return any(sum(map(str.isalpha, part)) >= _ENOUGH_LETTERS for part in (text[:100], text))
