"""The cell of a table that a question names: its row by the label, its column by the year and by other words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from ingest.analyse import fold, stem, words
from ingest.numbers import numbers
from ingest.stopwords import STOPWORDS
from rag.answer_signs import Ask
from rag.tables import PERIOD, Row, Table, amount

SPREAD = 2  # other words that a question may have among those of a row's label
_FISCAL = re.compile(r"\b(?:fy|fiscal|ejercicio)\s?'?(?P<year>(?:19|20)?\d\d)\b")
_NOTE = re.compile(r"\([^)]*\)|/")
_OWNERS = re.compile(  # whose the net income is where a statement does not part it
    r" attributable to (?:the )?(?:common )?(?:share|stock)?(?:holders|owners|company|parent)\b", re.IGNORECASE
)
_UNITS = frozenset(["usd", "us", "eur", "gbp", "fy", "q1", "q2", "q3", "q4"])  # capitals that name nobody


@dataclass(frozen=True, slots=True)
class Cell:
    """What a table answers: its `value`, the period that it is of and what it is counted in where they are known.
    `weight` is that of the words by which the question names its row, over that of all its words; `exact`: it has no
    word beside these that may mean another row, and no name that the table's passage does not know."""

    value: str
    period: str
    unit: str
    weight: float
    exact: bool

    @property
    def said(self) -> str:
        """'$1,577 (2018, in millions)'"""
        more = ", ".join(filter(None, (self.period, self.unit)))
        return f"{self.value} ({more})" if more else self.value


# Words of what is worked out from several cells: to be found in the row or the column, or no cell is the answer.
_DERIVED_WORDS = """
    average ratio change growth increase decrease difference percent percentage margin per variation promedio
    cambio crecimiento aumento diferencia porcentaje margen turnover conversion cycle
"""
_DERIVED = frozenset(_DERIVED_WORDS.split())
# Words that many rows are called by: alone they name none.
_COMMON_WORDS = """
    total totals other net amount amounts balance sum subtotal change changes year end otros neto importe
    saldo suma
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_MOST = frozenset(
    [
        "larger",
        "largest",
        "higher",
        "highest",
        "greater",
        "greatest",
        "bigger",
        "biggest",
        "most",
        "more",
        "mayor",
        "maximo",
        "mas",
    ]
)
_LEAST = frozenset(
    ["smaller", "smallest", "lower", "lowest", "least", "fewer", "fewest", "less", "menor", "minimo", "menos"]
)
_WHICH_PERIOD = re.compile(
    r"\b(?:which|what|que) (?:fiscal )?(?:year|quarter|period|month|ano|trimestre|mes|ejercicio)\b"
)
# What no cell of amounts answers: yes or no, a length of time or way. How many: no sum of money.
_NO_CELL = re.compile(
    r"^(?:did|was|were|is|are|does|do|has|have|had|can|will) |\bhow (?:long|old|far|often)\b|\bcuanto tiempo\b"
)
_COUNT = re.compile(r"\bhow many\b(?! (?:dollars|euros|pounds|million|billion|thousand))")
_MONEY = re.compile(r"[$€£¥]")


def years(text: str) -> set[str]:
    """The years that a text names, '2018' for 'FY18' too."""
    folded = fold(text)
    fiscal = {match["year"] for match in _FISCAL.finditer(folded)}
    return set(re.findall(r"(?<!\d)(?:19|20)\d\d(?!\d)", folded)) | {f"20{year}"[-4:] for year in fiscal}


def is_named(label: str, question: str, title: str, language: str) -> bool:
    """Whether a question has all the words of a row's label near each other, and these say something that the table's
    document is not called itself."""
    wanted = _stems(_NOTE.sub(" ", label), language)
    asked = _stems(question, language)
    known = {stem(word, language) for word in _COMMON} | set(_stems(title, language))
    if not wanted or set(wanted) <= known:
        return False
    return _window(set(wanted), asked) is not None


@lru_cache(maxsize=4096)
def _stems(text: str, language: str) -> tuple[str, ...]:
    stop = STOPWORDS.get(language, STOPWORDS["en"])
    return tuple(stem(word, language) for word in words(text) if word not in stop and not word.isdigit())


def _window(wanted: set[str], asked: Sequence[str]) -> tuple[int, int] | None:
    """The first run of `asked` that has all of `wanted` and few others."""
    size = len(wanted) + SPREAD
    for start in range(len(asked)):
        if asked[start] in wanted:
            for end in range(start + len(wanted), min(start + size, len(asked)) + 1):
                if wanted <= set(asked[start:end]):
                    return start, end
    return None


def named_cell(ask: Ask, table: Table, row: Row, language: str) -> Cell | None:
    """The cell of a row, which the question names, that answers it; None where it does not say which one, or asks for
    what no cell has."""
    label = f"{row.label} {row.section}"
    if len(row.values) != len(table.columns) and len(row.values) != 1:
        return None
    columns = table.columns if len(row.values) == len(table.columns) else ("",)
    weight = ask.share(ask.places(label, language))
    asked = fold(ask.question)
    if _NO_CELL.search(asked):
        return None
    if _WHICH_PERIOD.search(asked):
        place = _compared(ask, row, columns)
        if place is None:
            return None
        return Cell(columns[place], "", "", weight, _exact(ask, row, " ".join(columns), language))
    if ask.kind not in ("money", "number", ""):
        return None
    place = _column(ask, row, columns, language)
    if place is None or amount(row.values[place]) is None:
        return None
    if _COUNT.search(asked) and _MONEY.search(row.values[place]):
        return None
    named = f"{label} {columns[place]}"
    if {word for word in words(ask.question) if word in _DERIVED} - set(words(named)):
        return None
    value = re.sub(r"(?<=[$€£¥])\s+", "", row.values[place])
    unit = "" if "%" in value or "%" in columns[place] or re.search(r"\bper\b|%", fold(row.label)) else table.unit
    period = columns[place] if PERIOD.search(fold(columns[place])) else ""
    return Cell(value, period, unit, weight, _exact(ask, row, columns[place], language))


def _column(ask: Ask, row: Row, columns: Sequence[str], language: str) -> int | None:
    """Which value is asked for: that of the years that the question names, and of its words."""
    wanted = years(ask.question)
    fitting = [n for n, column in enumerate(columns) if wanted <= years(column)]
    if wanted and not fitting:
        return None
    if not wanted and any(years(column) for column in columns) and len(columns) > 1:
        return None
    own = set(ask.places(row.label, language))
    fitting = [n for n in fitting if years(columns[n]) == wanted] or fitting
    shares = {n: ask.share(set(ask.places(columns[n], language)) - own) for n in fitting}
    best = [n for n in fitting if shares[n] == max(shares.values())]
    plain = [n for n in best if "%" not in columns[n] and "%" not in row.values[n]] or best
    return plain[0] if len(plain) == 1 else None


def _compared(ask: Ask, row: Row, columns: Sequence[str]) -> int | None:
    """In which column the row has the most or the least, or the amount that the question names."""
    amounts = {n: value for n, cell in enumerate(row.values) if (value := amount(cell)) is not None}
    if len(amounts) < 2 or len(amounts) != len(columns) or not all(years(column) for column in columns):
        return None
    asked = set(words(ask.question))
    equal = [n for n in amounts if numbers(row.values[n]) & (ask.numbers - years(ask.question))]
    if len(equal) == 1:
        return equal[0]
    if bool(asked & _MOST) == bool(asked & _LEAST) or ask.numbers:
        return None
    chosen = (max if asked & _MOST else min)(amounts, key=lambda n: amounts[n])
    return chosen if list(amounts.values()).count(amounts[chosen]) == 1 else None


def names_known(ask: Ask, known: set[int]) -> bool:
    """Whether the terms `known` are all of those that the question names, units and years aside; and whether the
    library has all of its words."""
    named = (n for n in ask.named if ask.terms[n].word not in _UNITS and not any(map(str.isdigit, ask.terms[n].word)))
    return all(n in known for n in named) and not ask.unknown()


def _exact(ask: Ask, row: Row, column: str, language: str) -> bool:
    """Whether no word right beside those of the label is another that says what is meant: 'deferred revenue' is not
    'revenue'."""
    wanted = set(_stems(_NOTE.sub(" ", row.label), language))
    stop = STOPWORDS.get(language, STOPWORDS["en"])
    asked = ask.question if _OWNERS.search(row.label) else _OWNERS.sub(" ", ask.question)
    parts = [(word, stem(word, language)) for word in words(asked)]
    content = [n for n, (word, _) in enumerate(parts) if word not in stop and not word.isdigit()]
    place = _window(wanted, [parts[n][1] for n in content])
    if place is None:
        return False
    first, last = content[place[0]], content[place[1] - 1]
    known = wanted | set(_stems(f"{row.section} {column}", language))
    beside = [parts[n] for n in (first - 1, last + 1) if 0 <= n < len(parts)]
    inside = [parts[n] for n in range(first, last + 1) if n in content]
    return all(
        word in stop or word in _COMMON | _MOST | _LEAST or any(c.isdigit() for c in word) or part in known
        for word, part in [*beside, *inside]
    )
