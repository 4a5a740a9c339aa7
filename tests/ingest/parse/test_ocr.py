import sys
from pathlib import Path

import pytest

from errors import NeedsOcrError
from ingest.parse import ocr
from ingest.parse.highlight import recognised_boxes
from ingest.parse.layout import blocks
from ingest.parse.locate import Box
from ingest.types import Block, Span
from settings import Ocr
from tests.scans import draw_page, draw_photo, needs_tesseract

ENGLISH = "The deposit is returned within thirty days after\nthe keys were handed over, unless the flat was\ndamaged."
SPANISH = "La fianza se devuelve el año próximo, según\nel artículo número diez. ¿Qué más?"


@pytest.fixture
def recogniser() -> ocr.Recogniser:
    needs_tesseract()
    return ocr.find_recogniser(Ocr())


def recognise(picture, recogniser: ocr.Recogniser) -> ocr.Recognition:  # type: ignore[no-untyped-def]
    """The text on a picture of 150 dots per inch, in points."""
    return ocr.recognise(picture, 1, (picture.width * 0.48, picture.height * 0.48), 1.0, recogniser)


@pytest.mark.parametrize("angle", [0, 2.5, -6, 90, 180, 270, 86])
def test_text_is_read_however_the_page_lies(angle: float, recogniser: ocr.Recogniser) -> None:
    assert recognise(draw_page(ENGLISH, angle=angle), recogniser).page.text == ENGLISH


def test_a_page_that_lies_wrong_is_read_without_the_data_for_orientation(
    recogniser: ocr.Recogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocr, "ORIENTATION", "missing")
    assert not recogniser.knows_orientation
    assert recognise(draw_page(ENGLISH, angle=180), recogniser).page.text == ENGLISH


def test_spanish_letters_are_read(recogniser: ocr.Recogniser) -> None:
    assert recognise(draw_page(SPANISH), recogniser).page.text == SPANISH


def test_small_letters_are_read_enlarged(recogniser: ocr.Recogniser) -> None:
    small = draw_page(ENGLISH).reduce(3)  # 50 dots per inch: letters 10 pixels high
    assert recognise(small, recogniser).page.text == ENGLISH


def test_a_photo_without_words_has_no_text(recogniser: ocr.Recogniser) -> None:
    recognition = recognise(draw_photo(), recogniser)
    assert recognition.page.text == ""
    assert recognition.lines == recognition.page.words == recognition.confidences == ()


def ink(picture, box: Box) -> float:  # type: ignore[no-untyped-def]
    """The share of dark pixels in a box given in points."""
    part = picture.crop(
        (int(box.left / 0.48), int(picture.height - box.top / 0.48), int(box.right / 0.48) + 1,
         int(picture.height - box.bottom / 0.48) + 1)
    )  # fmt: skip
    return sum(part.histogram()[:128]) / (part.width * part.height)


@pytest.mark.parametrize("angle", [0, 3, 90, 180])
def test_a_word_box_covers_the_word_where_the_page_shows_it(angle: float, recogniser: ocr.Recogniser) -> None:
    alone = recognise(draw_page("Deposit", angle=angle), recogniser)
    page = draw_page("Deposit", angle=angle)
    ((start, end, *sides),) = alone.page.words
    assert alone.page.text[start:end] == "Deposit"
    assert ink(page, Box(*sides)) > 0.1
    covered = page.copy()
    left, bottom, right, top = (side / 0.48 for side in sides)
    covered.paste(255, (int(left) - 3, int(page.height - top) - 3, int(right) + 4, int(page.height - bottom) + 4))
    assert min(covered.getdata() if not hasattr(covered, "get_flattened_data") else covered.get_flattened_data()) > 200


def test_a_quote_is_found_on_a_recognised_page(recogniser: ocr.Recogniser) -> None:
    page = recognise(draw_page(ENGLISH), recogniser).page
    boxes = recognised_boxes(page, ["thirty days after the keys"], [])
    assert len(boxes) == 2  # two lines
    words = {page.text[start:end]: box for start, end, *box in page.words}
    assert boxes[0].left == words["thirty"][0]
    assert boxes[0].right == words["after"][2]
    assert boxes[1].right == words["keys"][2]


def test_blocks_have_the_mean_confidence_of_their_letters() -> None:
    page = ocr.RecognisedPage(1, 100, 100, "ab cdef", ((0, 2, 0, 0, 10, 10), (3, 7, 12, 0, 40, 10)))
    recognition = ocr.Recognition(page, 100, (), (0.9, 0.6))
    read = [
        Block("paragraph", "ab cdef", 1, span=Span(1, 0, 7)),
        Block("paragraph", "cdef", 1, span=Span(1, 3, 7)),
        Block("paragraph", "of a text layer", 2, span=Span(2, 0, 15)),
    ]
    assert [block.confidence for block in ocr.with_confidence(read, [recognition])] == [0.7, 0.6, None]


def test_letters_of_about_one_size_are_of_one_font() -> None:
    def line(size: float) -> ocr.Line:
        return ocr.Line(0, 10, (ocr.Cell("ten letters", 0, 50),), 0, 10, size)

    page = ocr.RecognisedPage(1, 100, 100, "", ())
    sizes = [10.0, 11.0, 9.0, 20.0, 10.0]
    evened = ocr.pages([ocr.Recognition(page, 100, tuple(map(line, sizes)), ())])[1]
    assert [line.size for line in evened.lines] == [10, 10, 10, 20, 10]


@pytest.mark.parametrize(
    ("openings", "expected"),
    [
        pytest.param(["e One", "© Two", "* Three"], ["• One", "• Two", "• Three"], id="a list"),
        pytest.param(["e Irene", "e Inés", "e Iván"], ["e Irene", "e Inés", "e Iván"], id="only letters"),
        pytest.param(["* One", "+ Two"], ["* One", "+ Two"], id="too few"),
        pytest.param(["* One", "e Two", "+ Three", "Four"], ["• One", "• Two", "• Three", "Four"], id="text after it"),
    ],
)
def test_bullets_that_were_taken_for_letters_are_put_right(openings: list[str], expected: list[str]) -> None:
    def row(text: str) -> ocr._Row:
        words = [ocr._Word(word, 0.9, 100 + 40 * at, 0, 130 + 40 * at, 30) for at, word in enumerate(text.split())]
        return ocr._Row(tuple(words), 0, 30, 15)

    rows = ocr._with_bullets([row(text) for text in openings])
    assert [" ".join(word.text for word in row.words) for row in rows] == expected


def test_a_heading_is_told_by_its_larger_letters(recogniser: ocr.Recogniser) -> None:
    page = draw_page(f"\n\n\n{ENGLISH}")
    page.paste(draw_page("Deposit", size=44).crop((0, 140, page.width, 260)), (0, 100))
    recognition = recognise(page, recogniser)
    found = blocks(list(ocr.pages([recognition]).values()))
    assert [(block.kind, block.text) for block in found] == [
        ("title", "Deposit"),
        ("paragraph", ENGLISH.replace("\n", " ")),
    ]


def test_languages_that_are_not_installed_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spa.traineddata").touch()
    monkeypatch.setattr(ocr, "tesseract_version", lambda: "5.0")
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    found = ocr.find_recogniser(Ocr(languages="eng+spa"))
    assert found.languages == "spa"
    assert found.name == f"ocr/{ocr.VERSION} tesseract 5.0 spa 200"


def test_without_language_data_it_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "_PLACES", (str(tmp_path),))
    monkeypatch.setattr(ocr, "tesseract_version", lambda: "5.0")
    monkeypatch.delenv("TESSDATA_PREFIX", raising=False)
    with pytest.raises(NeedsOcrError, match=r"no language data for eng\+spa") as caught:
        ocr.find_recogniser(Ocr())
    if sys.platform == "linux":
        assert "apt install tesseract-ocr-eng tesseract-ocr-spa" in caught.value.hint


def test_without_tesserocr_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    ocr.tesseract_version.cache_clear()
    monkeypatch.setitem(sys.modules, "tesserocr", None)
    with pytest.raises(NeedsOcrError, match=r"cannot be used.*tesserocr"):
        ocr.find_recogniser(Ocr())


def test_switched_off_it_recognises_nothing() -> None:
    with pytest.raises(NeedsOcrError, match="switched off"):
        ocr.find_recogniser(Ocr(on=False))


def test_damaged_language_data_is_an_error_of_ours(tmp_path: Path) -> None:
    needs_tesseract()
    (tmp_path / "eng.traineddata").write_bytes(b"no data at all")
    with pytest.raises(NeedsOcrError, match="cannot read its language data for eng"):
        ocr.warm(ocr.Recogniser(str(tmp_path), "eng", 200))
