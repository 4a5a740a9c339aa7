"""What kind of thing a question asks for, and where things of that kind stand in a text, English or Spanish.

Rules, no model: dates, figures with their units, and names by their capitals.
"""

import re
from dataclasses import dataclass
from typing import Literal

from ingest.analyse import fold, words
from ingest.numbers import VALUES, numbers
from ingest.stopwords import STOPWORDS

Kind = Literal["money", "number", "time", "person", "place", "name", "reason", ""]

VALUED = ("money", "number", "time", "person", "place", "name")  # kinds of which a text has values

_ASKS: tuple[tuple[Kind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))  # type: ignore[misc]
    for kind, pattern in (
        ("time", r"\bwhen\b|\b(?:what|which|in what|in which) (?:year|date|day|time|month|century|decade|period)s?\b"
                 r"|\bcuando\b|\b(?:que|cual) (?:ano|fecha|dia|hora|mes|siglo|decada|epoca)\b|^(?:a )?que hora\b"
                 r"|\b(?:date of|fecha de|deadline)\b"),
        ("money", r"\bhow much (?:does|do|did|is|was|were|are|will|would)\b.*\b(?:costs?|price|rent|fee|deposit|paid"
                  r"|pay|spent|spend|worth|money|dollars|euros|fine|salary|budget|earn|charge|insured)\b"
                  r"|\bhow much money\b|\bhow many (?:dollars|euros|pounds)\b"
                  r"|\b(?:price|cost|fee|rent|salary|precio|coste|importe|cuota|alquiler|salario)\b(?!.*\b(?:who|when|why|quien|cuando)\b)"
                  r"|\bcuant[oa]s? (?:cuesta|cuestan|costo|costaba|vale|valen|paga|pago|dinero|euros|dolares)\b"),
        ("number", r"\bhow (?:many|much|long|old|far|often|big|tall|large|high|deep|fast|wide|hot|cold|heavy)\b"
                   r"|\bcuant[oa]s?\b|\b(?:what|que) (?:percentage|percent|number|amount|fraction|proportion|size"
                   r"|porcentaje|numero|cantidad|proporcion|tamano)\b"
                   r"|\b(?:amount|number of|phone number|population|importe|numero de|telefono|poblacion)\b"),
        ("person", r"\bwho(?:m|se)?\b|\b(?:de |a |con |por )?quien(?:es)?\b"
                   r"|\b(?:what|which) (?:person|man|woman|king|queen|president|scientist|player|author|artist|actor"
                   r"|actress|singer|leader|emperor|pope|general|composer|director|philosopher|mathematician)\b"),
        ("place", r"\bwhere\b|\b(?:a|de|en)?donde\b|\b(?:what|which|que) (?:city|country|state|town|place|location"
                  r"|county|region|continent|province|island|river|street|stadium|nation|district|ciudad|pais|estado|pueblo"
                  r"|lugar|provincia|isla|rio|calle|estadio|continente)s?\b"),
        ("reason", r"\bwhy\b|\bpor que\b|\bfor what reason\b|\bwhat (?:caused|is the (?:cause|reason|purpose))\b"),
        ("name", r"\b(?:what|which) (?:is|was|are|were) the names?\b|\bname (?:of|the|a|one)\b|\bcalled\b|\bknown as\b"
                 r"|\b(?:cual|cuales) (?:es|era|son) (?:el|los) nombres?\b|\bse llam\w+\b|\bwhich\b"
                 r"|\b(?:what|which|que) (?:company|team|school|university|organization|book|song|album|film|movie|band"
                 r"|language|religion|group|party|network|channel|brand|empresa|equipo|escuela|universidad|libro|cancion"
                 r"|pelicula|banda|idioma|religion|grupo|partido|organizacion)s?\b"),
    )
)  # fmt: skip


def kind_asked(question: str) -> Kind:
    """What the question asks for; '' for anything else than these kinds."""
    folded = fold(question)
    return next((kind for kind, asks in _ASKS if asks.search(folded)), "")


_AUXILIARY = re.compile(
    r"(?:is|are|was|were|am|do|does|did|has|have|had|can|could|may|might|must|should|shall|will|would)(?:n't)?\b"
)
_INTERROGATIVE = re.compile(r"\b(?:qué|cuál(?:es)?|quién(?:es)?|cuándo|dónde|adónde|cómo|cuán(?:t[oa]s?)?)\b")
_BEGINS_TO_ASK = re.compile(
    r"(?:(?:a|con|de|desde|en|hasta|para|por|sobre) )?"
    r"(?:que|cual(?:es)?|quien(?:es)?|cuando|a?donde|como|cuan(?:t[oa]s?)?|cuy[oa]s?)\b"
)


def asks_yes_or_no(question: str, language: str) -> bool:
    """Whether it is answered by yes or no: it begins with an auxiliary and leaves no choice, or it is a question in
    Spanish without an interrogative, which one that is typed without its accent begins with."""
    text = question.lower().lstrip("¿ ")
    if language != "es":
        return bool(_AUXILIARY.match(text)) and " or " not in text
    return "?" in question and not _INTERROGATIVE.search(text) and not _BEGINS_TO_ASK.match(fold(text))


@dataclass(frozen=True, slots=True)
class Value:
    """Characters `start` to `end` of a text: a date, a figure or a name. `key` is the same for values that are the
    same however written."""

    start: int
    end: int
    text: str
    key: frozenset[str]


def values(kind: Kind, text: str, question: str) -> list[Value]:
    """The things of that kind in the text, in order, that the question does not name itself."""
    if kind not in VALUED:
        return []
    asked = set(words(question)) | numbers(question)
    found = {"money": _figures, "number": _figures, "time": _times}.get(kind, _names)(text)
    if kind == "money":
        priced = [span for span in found if _MONEY.search(text[slice(*span)])]
        found = priced or found
    return [
        Value(start, end, text[start:end], key)
        for start, end in found
        if (key := _key(kind, text[start:end])) and not key <= asked and (kind == "time" or not key <= _CALENDAR)
    ]


def _key(kind: Kind, text: str) -> frozenset[str]:
    if kind in ("money", "number"):
        return frozenset(numbers(text)) | frozenset(word for word in words(text) if word in _MAGNITUDES)
    return frozenset(word for word in words(text) if word not in STOPWORDS["en"] and word not in STOPWORDS["es"])


# ------------------------------------------------------------------------------------------------------- figures

_MAGNITUDE = "hundred thousand million billion trillion mil millon millones billon billones dozen"
_MAGNITUDES = frozenset(_MAGNITUDE.split())
_WORDED = "|".join(sorted(VALUES | dict.fromkeys(_MAGNITUDES, 0), key=len, reverse=True))
_CURRENCY = r"(?:[$€£¥₹]|US\$|USD|EUR|GBP)"
_FIGURE = re.compile(
    rf"(?<![\w.,])(?:{_CURRENCY}\s?)?(?:\d{{1,3}}(?:[ \u00a0\u202f]\d{{3}})+(?!\d)|\d+(?:[.,]\d+)*)"
    r"(?:\s?(?:%|°\s?[CF]?|[€£$]|k\b|bn\b|[mM]\b))?"
    r"(?:\s(?:hundred|thousand|million|billion|trillion|mil|millones|millón|billones))*"
    r"(?:\s(?:and|y)\s(?:a half|media))?"
    rf"|\b(?:{_WORDED})(?:[\s-](?:and\s|y\s)?(?:{_WORDED}))*\b",
    re.IGNORECASE,
)
_UNIT = re.compile(r"\s(?:de\s)?(?P<unit>[^\W\d_]{1,20}|per cent|por ciento)(?=\W|$)")
_MONEY = re.compile(rf"{_CURRENCY}|\b(?:euros?|dollars?|d[oó]lares|pounds?|libras?|cents?|yen|pesos?)\b", re.IGNORECASE)


_BARE_YEAR = re.compile(r"1[0-9]{3}|20[0-9]{2}")


def _figures(text: str) -> list[tuple[int, int]]:
    """Figures with the word behind them, which is mostly their unit; no years, and no number that is part of a name."""
    found = []
    for match in _FIGURE.finditer(text):
        end = match.end()
        unit = _UNIT.match(text, end)
        if unit and unit["unit"].islower() and fold(unit["unit"]) not in _NO_UNITS:
            end = unit.end()
        elif _BARE_YEAR.fullmatch(match[0]) or (match.start() and match[0].istitle()):  # 'the Seven Years' War'
            continue
        found.append((match.start(), end))
    return found


_NO_UNITS = (STOPWORDS["en"] | STOPWORDS["es"]) - {"m", "d", "s"}

# --------------------------------------------------------------------------------------------------------- times

_MONTHS = (
    "january february march april may june july august september october november december jan feb mar apr jun jul aug "
    "sept sep oct nov dec enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre noviembre "
    "diciembre"
)
_MONTH = rf"(?:{'|'.join(_MONTHS.split())})\.?"
_WEEKDAYS = (
    "monday tuesday wednesday thursday friday saturday sunday lunes martes miercoles jueves viernes sabado domingo"
)
_PLURAL = "mondays tuesdays wednesdays thursdays fridays saturdays sundays sabados domingos miércoles sábado sábados"
_YEAR = r"(?:1\d{3}|20\d\d|[1-9]\d{2,3}\s?(?:BC|BCE|AD|CE|a\.\s?C\.|d\.\s?C\.))"
_TIME = re.compile(
    "|".join(
        (
            r"\b\d{4}-\d\d-\d\d\b",
            r"\b\d{1,2}[/.]\d{1,2}[/.]\d{2,4}\b",
            rf"\b\d{{1,2}}(?:st|nd|rd|th|º|o)?(?:\s(?:of|de))?\s{_MONTH}(?:(?:,|\sde(?:l)?|\sof)?\s{_YEAR})?(?!\w)",
            rf"\b{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?\b(?!:)(?:,?\s{_YEAR})?(?!\w)",
            rf"\b{_MONTH}(?:,|\sde(?:l)?|\sof)?\s{_YEAR}(?!\w)",
            rf"(?<![\w.,$€£]){_YEAR}s?\b(?![.,]?\d|\s?(?:%|km|euros?|dollars?|people|men))",
            r"\b(?:\d{1,2}(?:st|nd|rd|th)|[a-z]+(?:th|st|nd|rd))(?:[- ](?:and|to)[- ]\w+)?\scentur(?:y|ies)\b"
            r"(?:\s(?:BC|AD))?",
            r"\bsiglos?\s[IVXL]+\b",
            r"\b\d{1,2}(?:[:.]\d\d)?\s?(?:a\.m\.|p\.m\.|am\b|pm\b|h(?:oras|rs)?\b|o['’]clock\b)",
            r"\b\d{1,2}:\d\d\b",
            rf"\b(?:{'|'.join((_PLURAL + ' ' + _WEEKDAYS).split())})\b",
            rf"\b(?:{'|'.join(_MONTHS.split()[:12] + _MONTHS.split()[-13:])})\b",
        )
    ),
    re.IGNORECASE,
)
_CALENDAR = frozenset(f"{_MONTHS} {_WEEKDAYS} {_PLURAL}".split())
_AMBIGUOUS = frozenset(["may", "march"])  # unless they are written as names


def _times(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in _TIME.finditer(text) if match[0] not in _AMBIGUOUS]


# --------------------------------------------------------------------------------------------------------- names

_CAPITAL = r"(?:(?:[A-Z]\.)+|(?:Mr|Mrs|Ms|Dr|St|Prof|Sra?|Sto|Sta)\.|[A-ZÁÉÍÓÚÑÜ][\w-]*(?:[’'][A-Z]\w+)?)"
_NAME = re.compile(
    rf"(?<!\w){_CAPITAL}(?:(?:\s|\s(?:of|of the|de|del|de la|de los|la|von|van|da|di|&)\s){_CAPITAL})*(?!\w)"
)


def _names(text: str) -> list[tuple[int, int]]:
    return [span for match in _NAME.finditer(text) if (span := _trimmed(text, *match.span()))]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Without the article or the adverb that a sentence begins with."""
    first = re.compile(r"[\w’'.-]+\s*")
    while start < end:
        word = first.match(text, start, end)
        if word is None:
            return None
        bare = fold(word[0].strip(" .'’"))
        if bare and bare not in STOPWORDS["en"] and bare not in STOPWORDS["es"] and bare not in _OPENERS | _CALENDAR:
            return start, end
        start = word.end()
    return None


_OPENING = """
    however although though despite according during since while thus therefore moreover furthermore also many most
    several unlike instead another today later early sometimes often additionally finally similarly sin embargo aunque
    durante segun desde ademas tambien muchos muchas finalmente mientras hoy
"""
_OPENERS = frozenset(_OPENING.split())
