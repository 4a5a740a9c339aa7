import pytest

from ingest.parse.legible import is_legible

ENGLISH = (
    "The landlord returns the deposit within thirty days after the keys were handed over, unless the flat was damaged. "
    "What is kept back is named in writing, with a bill for every repair. The tenant may ask for the interest that it "
    "bore, and sees the receipts at any time."
)
SPANISH = (
    "El arrendador devuelve la fianza dentro de los treinta días siguientes a la entrega de las llaves, salvo que el "
    "piso haya sufrido daños. Lo que se retenga se comunica por escrito, con una factura de cada reparación, y el "
    "inquilino puede ver los recibos cuando quiera."
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(ENGLISH, id="English"),
        pytest.param(SPANISH, id="Spanish"),
        pytest.param("Съешь же ещё этих мягких французских булок, да выпей чаю, и ещё раз. " * 4, id="Russian"),
        pytest.param("中文字符也是可以读懂的文字，没有元音字母也没有关系，仍然是文字。" * 4, id="Chinese"),
        pytest.param("Chapter one" + "." * 300 + "7\nChapter two" + "." * 300 + "9", id="leaders"),
        pytest.param("Revenue  1,204  1,190\nCosts  (803)  (790)\nMargin  33.3 %  33.6 %\n" * 9, id="figures"),
        pytest.param("\ue000\ue001 p. 3", id="too short to tell"),
        pytest.param("", id="empty"),
    ],
)
def test_text_is_legible(text: str) -> None:
    assert is_legible(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("".join(chr(0xE000 + ord(c)) for c in ENGLISH), id="private-use glyphs"),
        pytest.param("".join(chr(ord(c) % 32) if c.isalpha() else c for c in ENGLISH), id="controls"),
        pytest.param("\ufffd" * 60 + " page 3", id="replacement characters"),
        pytest.param("".join(chr(ord(c) - 29) if c.isalpha() else c for c in ENGLISH.lower()), id="glyph numbers"),
        pytest.param("".join("!\"#$%&'()*+,-/:;<=>?@[]^"[ord(c) % 24] if c != " " else c for c in ENGLISH), id="signs"),
    ],
)
def test_noise_is_not_legible(text: str) -> None:
    assert not is_legible(text)
