"""Numbers, amounts, dates and times of day in a text, each in one form however it is written.

'$5 million' is '$5,000,000', '3 June 2021' is '2021-06-03' and '3 de junio de 2021', 'thirty days' is '30 days', but
'5 km' is not '5 miles'. English and Spanish.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from ingest.analyse import fold

About = Literal["", "about", "over", "under"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """`value` times `factor` of the base unit `unit` ('' where none is written). `about`: the text rounds it."""

    value: Decimal
    unit: str = ""
    factor: Decimal = Decimal(1)
    about: About = ""


@dataclass(frozen=True, slots=True)
class Day:
    """A date as far as it is written: a day may lack its year, a month its day."""

    year: int | None
    month: int
    day: int | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """What is written (`text`, folded) and what it may mean: 05/06/2021 is a day in May or in June."""

    text: str
    readings: tuple[Quantity | Day, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a text says in figures. `scales` are what its numbers may be counted in ("in millions"), `said` numbers that
    may be meant without being claimed: the years of '1914-18', and those of 'one', 'both', 'second'."""

    found: tuple[Figure, ...]
    scales: tuple[Decimal, ...] = (Decimal(1),)
    said: tuple[Quantity, ...] = ()


def carries(text: Figures, figure: Figure) -> bool:
    """Whether the text says that figure."""
    return any(_same(reading, claimed, text.scales) for reading in _readings(text) for claimed in figure.readings)


def other_unit(text: Figures, figure: Figure) -> bool:
    """Whether the text has the number of that figure, which it does not carry, with another unit."""
    return any(
        isinstance(reading, Quantity) and isinstance(claimed, Quantity) and reading.value == claimed.value
        for reading in _readings(text)
        for claimed in figure.readings
    )  # fmt: skip


def _readings(text: Figures) -> Iterator[Quantity | Day]:
    for figure in text.found:
        yield from figure.readings
    yield from text.said


def _same(said: Quantity | Day, claimed: Quantity | Day, scales: Sequence[Decimal]) -> bool:
    if isinstance(claimed, Day):
        return isinstance(said, Day) and _same_day(said, claimed)
    if isinstance(said, Day):
        return not claimed.unit and claimed.value in (said.year, said.day)
    if claimed.unit and said.unit:
        return claimed.unit == said.unit and _near(said.value * said.factor, claimed, claimed.factor)
    return any(_near(said.value * scale, claimed, Decimal(1)) for scale in scales)


def _same_day(said: Day, claimed: Day) -> bool:
    """A text may give the year elsewhere than beside the day: `days` with that year are among its readings."""
    return (
        said.month == claimed.month
        and (claimed.day is None or said.day == claimed.day)
        and (claimed.year is None or said.year == claimed.year)
    )


def _near(said: Decimal, claimed: Quantity, factor: Decimal) -> bool:
    value = claimed.value * factor
    if said == value:
        return True
    if not claimed.about or not value:
        return False
    step = _last_digit(claimed.value) * factor
    if claimed.about == "about":
        return 2 * abs(said - value) <= step
    return 0 < (said - value if claimed.about == "over" else value - said) < step


def _last_digit(value: Decimal) -> Decimal:
    """The place of the last digit that is not 0: 100 of 4,500."""
    exponent = value.normalize().as_tuple().exponent
    return Decimal(1).scaleb(int(exponent))


# --- reading


@lru_cache(maxsize=2048)
def figures(text: str, language: str = "en") -> Figures:
    """The figures of a text in their order, dates first."""
    plain = fold(_THIN_SPACE.sub("", text))
    scales = tuple(dict.fromkeys([Decimal(1), *(_SCALES[name] for name in _COUNTED_IN.findall(plain))]))
    days, rest = _days(plain)
    times, rest = _times(rest)
    amounts = list(_amounts(rest, language))
    years = {int(q.value) for f in amounts for q in f.readings if isinstance(q, Quantity) and _is_year(q)}
    years |= {day.year for f in days for day in f.readings if isinstance(day, Day) and day.year}
    return Figures((*(_dated(figure, years) for figure in days), *times, *amounts), scales, tuple(_said(plain)))


def _said(text: str) -> Iterator[Quantity]:
    for match in _SAID.finditer(text):
        yield Quantity(Decimal(2 if match["two"] else 1))
    for match in _SHORT_RANGE.finditer(text):
        yield Quantity(Decimal(match["century"] + match["until"]))


def _is_year(quantity: Quantity) -> bool:
    return not quantity.unit and quantity.value == int(quantity.value) and 1000 <= quantity.value <= 2199


def _dated(figure: Figure, years: set[int]) -> Figure:
    """A day without a year may be of any year that the text names."""
    without = [day for day in figure.readings if isinstance(day, Day) and day.year is None]
    more = [replace(day, year=year) for day in without for year in sorted(years)]
    return replace(figure, readings=(*figure.readings, *more)) if more else figure


_SAID = re.compile(
    r"\b(?:(?:one|once|first|single|un[ao]?|primer[ao]?)|(?P<two>second|both|twice|segund[ao]|amb[ao]s))\b"
)
_SHORT_RANGE = re.compile(r"(?<!\d)(?P<century>[12]\d)\d\d ?[-/\u2013] ?(?P<until>\d\d)(?!\d|[-/.]\d)")
_THIN_SPACE = re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))")
_NAMES = (
    "january february march april may june july august september october november december",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
)
_MONTHS = {
    name[:length]: number
    for names in _NAMES
    for number, name in enumerate(names.split(), start=1)
    for length in (3, 4, len(name))
} | {"setiembre": 9}
_MONTH = "(?P<n>" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")(?![^\W\d_])\.?"
_WHOLE_MONTH = "|".join(name for names in _NAMES for name in names.split() if name not in ("may", "march"))
_NTH = r"(?:st|nd|rd|th|o|\.)?(?!\w)"
_TO = r"(?: ?[-\u2013\u2014/] ?| (?:to|and|or|y|e|al?|o|through|until) )"
_OF = r"(?: ?,)? (?:of |de |del )?"
_YEAR = r"(?P<y>[12]\d{3})(?!\d)"
_DATES = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?<![\d.,/-])(?P<y>\d{4})(?P<joint>[-/.])(?P<m>\d\d?)(?P=joint)(?P<d>\d\d?)(?!\d)",
        r"(?<![\d.,/-])(?P<a>\d\d?)(?P<joint>[-/.])(?P<b>\d\d?)(?P=joint)(?P<y>\d{4})(?!\d)",
        rf"(?<![\d.,])(?:(?P<first>\d\d?){_NTH}{_TO})?(?:the )?(?P<d>\d\d?){_NTH} "
        rf"(?:of |de )?{_MONTH}(?:{_OF}{_YEAR})?",
        rf"\b{_MONTH} (?:the )?(?:(?P<first>\d\d?){_NTH}{_TO})?(?P<d>\d\d?){_NTH}(?!\d| ?[:%])(?: ?,)?(?: {_YEAR})?",
        rf"\b{_MONTH}{_OF}{_YEAR}",
        rf"\b(?P<n>{_WHOLE_MONTH})\b",
        r"\b(?:in|of|since|until|by|during|last|next|early|late|mid) (?P<n>may|march)\b(?! (?:be|have|not|on|to)\b)",
    )
)


def _days(text: str) -> tuple[list[Figure], str]:
    """The dates of a folded text, and the text without them."""
    found: list[Figure] = []

    def read(match: re.Match[str]) -> str:
        parts = match.groupdict()
        readings = list(_days_of(parts))
        if not readings:
            return match[0]
        found.append(Figure(match[0].strip(), tuple(readings)))
        if first := parts.get("first"):  # '3-5 June'
            found.append(Figure(match[0].strip(), tuple(replace(day, day=int(first)) for day in readings)))
        return " ; "

    for pattern in _DATES:
        text = pattern.sub(read, text)
    return found, text


def _days_of(parts: dict[str, str | None]) -> Iterator[Day]:
    year = int(parts.get("y") or 0) or None
    if parts.get("a"):
        one, other = int(parts["a"] or 0), int(parts["b"] or 0)
        pairs = {(one, other), (other, one)}
    else:
        month = int(parts.get("m") or _MONTHS.get(parts.get("n") or "", 0))
        pairs = {(int(parts.get("d") or 0), month)}
    for day, month in sorted(pairs):
        if 1 <= month <= 12 and day <= 31:
            yield Day(year, month, day or None)


_TIME = re.compile(
    r"(?<![\d.,:])(?P<h>\d\d?)(?:[:.](?P<m>[0-5]\d))? ?(?P<half>[ap])\.? ?m\b\.?"
    r"|(?<![\d.,:])(?P<H>\d\d?):(?P<M>[0-5]\d)(?![\d:])"
)


def _times(text: str) -> tuple[list[Figure], str]:
    """Times of day, in minutes: '3 pm' is '15:00', and '3:00' may be both."""
    found: list[Figure] = []

    def read(match: re.Match[str]) -> str:
        hour, minute = int(match["h"] or match["H"]), int(match["m"] or match["M"] or 0)
        if hour > 24 or (match["half"] and not 1 <= hour <= 12):
            return match[0]
        hours = [hour % 12 + 12 * (match["half"] == "p")] if match["half"] else [hour]
        if not match["half"] and 1 <= hour <= 12:
            hours.append(hour % 12 + 12)
        found.append(Figure(match[0], tuple(Quantity(Decimal(60 * hour + minute), "clock") for hour in hours)))
        return " ; "

    return found, _TIME.sub(read, text)


# --- units

_ONE = Decimal(1)
_UNIT_LINES = """
dollar $ us$ usd dollar dollars dolar dolares
euro € eur euro euros
gbp £ gbp sterling
yen ¥ jpy yen yenes
percent % percent pct
peso peso pesos
franc franc francs franco francos chf
rupee ₹ rupee rupees rupia rupias inr
metre 1 m metre metres meter meters metro metros
metre 1000 km kms kilometre kilometres kilometer kilometers kilometro kilometros
metre .01 cm centimetre centimetres centimeter centimeters centimetro centimetros
metre .001 mm millimetre millimetres millimeter millimeters milimetro milimetros
mile mi mile miles milla millas
foot ft foot feet pie pies
inch inch inches pulgada pulgadas
yard yd yard yards yarda yardas
gram 1 g gram grams gramme grammes gramo gramos
gram 1000 kg kgs kilo kilos kilogram kilograms kilogramo kilogramos
gram .001 mg milligram milligrams miligramo miligramos
gram 1000000 tonne tonnes tonelada toneladas
second 1 s sec second seconds segundo segundos
second 60 min minute minutes minuto minutos
second 3600 h hr hrs hour hours hora horas
second 86400 day days dia dias
second 604800 week weeks semana semanas
month 1 month months mes meses
month 12 year years yr yrs ano anos
month 120 decade decades decada decadas
month 1200 century centuries siglo siglos
celsius °c celsius
fahrenheit °f fahrenheit
degree ° degree degrees grado grados
byte 1 byte bytes
byte 1000 kb
byte 1000000 mb megabyte megabytes
byte 1000000000 gb gigabyte gigabytes
byte 1000000000000 tb terabyte terabytes
watt 1 w watt watts vatio vatios
watt 1000 kw kilowatt kilowatts
watt 1000000 mw megawatt megawatts
litre l litre litres liter liters litro litros
millilitre ml
gallon gallon gallons galon galones
hectare ha hectare hectares hectarea hectareas
acre acre acres
mph mph
kmh kmh
bc bc bce
"""


def _read_units() -> dict[str, tuple[str, Decimal]]:
    found: dict[str, tuple[str, Decimal]] = {}
    for line in _UNIT_LINES.strip().splitlines():
        base, *names = line.split()
        factor = _ONE
        if re.fullmatch(r"[\d.]+", names[0]):
            factor = Decimal(names.pop(0))
        found |= dict.fromkeys(names, (base, factor))
    return found


_UNITS = _read_units()
_CURRENCIES = {"dollar", "euro", "gbp", "yen", "peso", "franc", "rupee"}
_JOINED_ONLY = {"s", "h", "w"}  # letters that are units only where they are written to the number

# --- numbers in words

_SMALL: dict[str, int] = {}
for _names, _first, _step in (
    ("two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
     "nineteen", 2, 1),
    ("twenty thirty forty fifty sixty seventy eighty ninety", 20, 10),
    ("dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciseis diecisiete dieciocho "
     "diecinueve veinte veintiuno veintidos veintitres veinticuatro veinticinco veintiseis veintisiete veintiocho "
     "veintinueve", 2, 1),
    ("treinta cuarenta cincuenta sesenta setenta ochenta noventa", 30, 10),
    ("ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos", 100,
     100),
    ("doscientas trescientas cuatrocientas quinientas seiscientas setecientas ochocientas novecientas", 200, 100),
    ("third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth "
     "seventeenth eighteenth nineteenth twentieth", 3, 1),
):  # fmt: skip
    _SMALL |= {_name: _first + _step * _place for _place, _name in enumerate(_names.split())}
_SMALL |= {"cien": 100, "veintiun": 21, "veintiuna": 21, "zero": 0, "cero": 0}
_SINGLE = {"one": 1, "un": 1, "uno": 1, "una": 1, "first": 1, "second": 2}  # numbers within others only: 'thirty-one'
_SCALES = {
    name: Decimal(value)
    for names, value in (
        ("hundred", 100),
        ("dozen docena docenas", 12),
        ("thousand thousands mil miles", 1000),
        ("million millions mn millon millones", 10**6),
        ("billion billions bn", 10**9),
        ("trillion trillions billon billones", 10**12),
    )
    for name in names.split()
}
# Plurals that count nothing by themselves: 'thousands of', 'miles de'.
_PLURAL = {"thousands", "millions", "billions", "trillions", "miles", "docenas", "millones", "billones"}
_COUNTED_IN = re.compile(r"\b(?:in|en) (?:\w+ )?(thousands|millions|billions|miles|millones)\b")
_NOT_ENGLISH = {"once", "mil", "un", "una", "uno", "cien"}
_TOKEN = re.compile(
    r"(?P<number>\d+(?:[.,]\d+)*)(?P<suffix>[^\W\d_]+)?|(?P<word>(?:us)?\$|[^\W\d_]+\d\w*|[^\W\d_]+|°[cf]?\b|[€£¥₹%°])"
    r"|(?P<gap>[-\u2010-\u2015])|(?P<stop>\S)"
)
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:(?:,\d{3})+(?:\.\d+)?|(?:\.\d{3})+(?:,\d+)?)")
_NEARLY = """
    about around approximately roughly some circa nearly almost approx unos unas casi aproximadamente alrededor cerca
"""
_ABOUT: dict[str, About] = {
    **dict.fromkeys(_NEARLY.split(), "about"),
    **dict.fromkeys(("over", "exceeding", "above"), "over"),
    **dict.fromkeys(("under", "below"), "under"),
}
_ABOUT_PAIRS: dict[tuple[str, str], About] = {
    ("more", "than"): "over", ("mas", "de"): "over", ("at", "least"): "over", ("al", "menos"): "over",
    ("less", "than"): "under", ("fewer", "than"): "under", ("menos", "de"): "under", ("up", "to"): "under",
}  # fmt: skip


def _amounts(text: str, language: str) -> Iterator[Figure]:
    """The numbers of a folded text with their units."""
    tokens = [(match.lastgroup or "", match) for match in _TOKEN.finditer(text)]
    place = 0
    while place < len(tokens):
        read = _number(tokens, place, language)
        if read is None:
            place += 1
            continue
        value, end, suffix = read
        unit, factor, after = _unit(tokens, place, end, suffix)
        start = place - 1 if after < 0 else place
        end = max(end, after)
        written = text[tokens[start][1].start() : tokens[end - 1][1].end()]
        yield Figure(written, (Quantity(value, unit, factor, _rounding(tokens, start)),))
        place = end


def _number(tokens: list[tuple[str, re.Match[str]]], place: int, language: str) -> tuple[Decimal, int, str] | None:
    """The value of the number that begins at a place, where it ends, and the letters written to it."""
    kind, match = tokens[place]
    if match["number"]:
        value = _value(match["number"])
        if value is None:
            return None
        suffix = match["suffix"] or ""
        if suffix in ("k", "bn", "mn") or (suffix == "m" and _is_currency(tokens, place - 1)):  # '€5m'
            value, suffix = value * {"k": 1000, "bn": 10**9}.get(suffix, 10**6), ""
        end = place + 1
        while not suffix and end < len(tokens) and tokens[end][1]["word"] in _SCALES:
            if tokens[end][1]["word"] == "miles":  # of the way, not of the count
                break
            value, end = value * _SCALES[str(tokens[end][1]["word"])], end + 1
        return value, end, suffix
    return _in_words(tokens, place, language) if kind == "word" else None


def _value(written: str) -> Decimal | None:
    """'1,200.50', '1.200,50' and '1200.5' are one; None for what has several points, like a version."""
    if _THOUSANDS.fullmatch(written):
        written = re.sub(r"[.,](?=\d{3}(?:\D|$))", "", written)
    written = written.replace(",", ".")
    return Decimal(written) if written.count(".") <= 1 and len(written) <= 40 else None


def _in_words(tokens: list[tuple[str, re.Match[str]]], place: int, language: str) -> tuple[Decimal, int, str] | None:
    total, current, last, end = Decimal(0), Decimal(0), 0, place
    counted = False
    at = place
    while at < len(tokens):
        kind, match = tokens[at]
        word = match["word"] or ""
        if counted and (kind == "gap" or word in ("and", "y")):
            at += 1
            continue
        if language != "es" and word in _NOT_ENGLISH:
            break
        single = _SINGLE.get(word, 0)
        value = _SMALL.get(word, single)
        if word in _SMALL or single:
            if counted and not _goes_on(value, last):
                break
            if single and not counted and not _is_scale(tokens, at + 1):
                break
            current, last = current + value, value
        elif word in _SCALES and (counted or word not in _PLURAL):
            scale = _SCALES[word]
            if scale <= 100 or (word == "mil" and _is_scale(tokens, at + 1)):  # 'mil millones'
                current = (current or _ONE) * scale
            else:
                total, current = total + (current or _ONE) * scale, Decimal(0)
            last = int(min(scale, Decimal(10**6)))
        else:
            break
        counted, at = True, at + 1
        end = at
    return (total + current, end, "") if counted else None


def _goes_on(value: int, last: int) -> bool:
    """Whether a number word may follow another in one number: 'forty five', 'mil quinientos'."""
    return (value < 10 <= last < 100 and last % 10 == 0) or value < 100 <= last < 1000 or value < 1000 <= last


def _is_scale(tokens: list[tuple[str, re.Match[str]]], place: int) -> bool:
    return place < len(tokens) and tokens[place][1]["word"] in _SCALES and tokens[place][1]["word"] != "miles"


def _unit(tokens: list[tuple[str, re.Match[str]]], start: int, end: int, suffix: str) -> tuple[str, Decimal, int]:
    """The unit beside a number, and where it ends; -1 if it stands before."""
    if suffix in _UNITS and not (suffix == "s" and tokens[start][1]["number"][-1] == "0"):  # '1990s', 'the 90s'
        return *_UNITS[suffix], end
    if _is_currency(tokens, start - 1):
        return *_UNITS[tokens[start - 1][1]["word"]], -1
    at = end
    while at < len(tokens) and at < end + 2 and (tokens[at][0] == "gap" or tokens[at][1]["word"] in ("us", "de")):
        at += 1
    word = (tokens[at][1]["word"] or "") if at < len(tokens) else ""
    following = (tokens[at + 1][1]["word"] or "") if at + 1 < len(tokens) else ""
    if (word, following) in (("per", "cent"), ("por", "ciento")):
        return "percent", _ONE, at + 2
    if word in _UNITS and word not in _JOINED_ONLY:
        return *_UNITS[word], at + 1
    return "", _ONE, end


def _is_currency(tokens: list[tuple[str, re.Match[str]]], place: int) -> bool:
    word = tokens[place][1]["word"] if place >= 0 else ""
    return word in _UNITS and _UNITS[word][0] in _CURRENCIES


def _rounding(tokens: list[tuple[str, re.Match[str]]], start: int) -> About:
    words = [str(tokens[at][1]["word"] or "") for at in range(max(0, start - 3), start)]
    for pair in pairwise(words):
        if pair in _ABOUT_PAIRS:
            return _ABOUT_PAIRS[pair]
    return next((_ABOUT[word] for word in reversed(words[-2:]) if word in _ABOUT), "")
