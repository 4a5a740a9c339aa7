"""Numbers in a text, whether in digits or in words, so that 'thirty' and '30' are the same."""

from ingest.analyse import words

_UNITS = (
    "two three four five six seven eight nine",
    "dos tres cuatro cinco seis siete ocho nueve",
)
_TEENS = (
    "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
    "diez once doce trece catorce quince dieciseis diecisiete dieciocho diecinueve",
)
_TENS = (
    "twenty thirty forty fifty sixty seventy eighty ninety",
    "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
)
_TWENTIES = "veintidos veintitres veinticuatro veinticinco veintiseis veintisiete veintiocho veintinueve"
# 'once' is an English adverb before it is eleven, 'one' and 'uno' are articles and pronouns.
_AMBIGUOUS = {"once"}


def _table() -> dict[str, int]:
    found = {"hundred": 100, "cien": 100, "ciento": 100, "thousand": 1000, "mil": 1000}
    for lists, first, step in ((_UNITS, 2, 1), (_TEENS, 10, 1), (_TENS, 20, 10), ((_TWENTIES,), 22, 1)):
        for names in lists:
            found |= {name: first + step * place for place, name in enumerate(names.split())}
    return {name: value for name, value in found.items() if name not in _AMBIGUOUS}


VALUES = _table()


def numbers(text: str) -> set[str]:
    """Every word with a digit in it, and number words from two to a hundred as digits: 'forty-five' gives '45'."""
    found: list[str] = []
    tens = 0  # of a number that may go on
    for word in words(text):
        value = VALUES.get(word, 0)
        if tens and 0 < value < 10:
            found[-1] = str(tens + value)
        elif value:
            found.append(str(value))
        elif any(c.isdigit() for c in word):
            found.append(word)
        if not (tens and word == "y"):
            tens = value if 20 <= value < 100 and value % 10 == 0 else 0
    return set(found)
