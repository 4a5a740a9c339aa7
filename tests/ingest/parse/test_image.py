import io
import random
from pathlib import Path

import pytest
from PIL import Image

from errors import ParseError, TooLargeError, UnsupportedError, UsageError
from ingest import parse
from ingest.parse import image, ocr
from ingest.types import Document, RecognisedPage, Span
from settings import Ocr
from tests.conftest import shared_data
from tests.scans import draw_page, draw_photo, needs_tesseract

TEXT = "The deposit is returned within thirty days after\nthe keys were handed over."


def read(path: Path) -> Document:
    """Both steps in this process: what is unread, then with that recognised."""
    needs_tesseract()
    unread = parse.parse(path).unread
    recogniser = ocr.find_recogniser(Ocr())
    return parse.parse(path, recognised=[parse.recognise(path, page, recogniser) for page in unread])


def save(path: Path, picture: Image.Image, **options: object) -> Path:
    picture.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tiff", ".bmp", ".gif", ".webp"])
def test_every_kind_of_picture_is_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"scan{suffix}"
    draw_page(TEXT).save(path)
    document = read(path)
    assert [block.text for block in document.blocks] == [TEXT.replace("\n", " ")]
    (block,) = document.blocks
    assert block.page == 1
    assert block.confidence is not None
    assert block.confidence > 0.9
    (page,) = document.recognised
    assert block.span == Span(1, 0, len(page.text))
    assert document.unread == ()


@pytest.mark.needs_shared
def test_what_telephones_take_is_read() -> None:
    document = read(shared_data("documents", "unstructured-example-docs", "img", "DA-1p.heic"))
    assert sum(len(block.text) for block in document.blocks) > 2000


def test_a_picture_is_unread_until_it_is_recognised(tmp_path: Path) -> None:
    document = parse.parse(save(tmp_path / "a.png", draw_page(TEXT)))
    assert document.blocks == ()
    assert document.unread == (1,)
    assert document.pages == 1


def test_each_page_of_a_tiff_is_one(tmp_path: Path) -> None:
    pages = [draw_page("The first page speaks of the deposit."), draw_page("The second page speaks of the fees.")]
    document = read(save(tmp_path / "fax.tif", pages[0], save_all=True, append_images=pages[1:]))
    assert [(block.page, block.text) for block in document.blocks] == [
        (1, "The first page speaks of the deposit."),
        (2, "The second page speaks of the fees."),
    ]


def test_of_a_moving_picture_the_first_is_read(tmp_path: Path) -> None:
    pages = [draw_page("The first picture."), draw_page("The second picture.")]
    document = parse.parse(save(tmp_path / "a.gif", pages[0], save_all=True, append_images=pages[1:]))
    assert document.pages == 1


def test_a_photo_without_words_has_no_text(tmp_path: Path) -> None:
    document = read(save(tmp_path / "hill.jpg", draw_photo()))
    assert document.blocks == document.recognised == document.unread == ()


def test_a_picture_is_shown_as_the_camera_was_held(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6  # to be turned clockwise
    path = save(tmp_path / "a.jpg", draw_page(TEXT).rotate(90, expand=True), exif=exif)
    shown, size, _ = image.picture(path, 1, 200)
    assert shown.size == draw_page(TEXT).size == size


def test_what_the_camera_noted_is_metadata(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[270], exif[315], exif[306] = "The meter on moving day", "Ada Byron", "2024:05:06 07:08:09"
    assert parse.parse(save(tmp_path / "a.jpg", draw_photo(), exif=exif)).metadata == {
        "description": "The meter on moving day",
        "author": "Ada Byron",
        "created": "2024-05-06T07:08:09",
    }


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_mode_of_colour_is_shown_dark_on_white(mode: str, tmp_path: Path) -> None:
    black = Image.new("L", (40, 40), 255)
    black.paste(0, (10, 10, 30, 30))
    picture = black.point(lambda shade: shade * 257, "I").convert(mode) if mode == "I;16" else black.convert(mode)
    if mode in ("LA", "RGBA"):
        picture.putalpha(black.point(lambda shade: 255 - shade))  # white is see-through
    shown, _, _ = image.picture(save(tmp_path / "a.tif", picture), 1, 200)
    grey = shown.convert("L")
    assert grey.getpixel((20, 20)) < 10
    assert grey.getpixel((2, 2)) > 245


def test_a_quote_is_highlighted_on_the_picture(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.new("RGB", (400, 200), "white"))
    page = RecognisedPage(1, 400, 200, "one two", ((0, 3, 20, 150, 60, 180), (4, 7, 80, 150, 120, 180)))
    shown = Image.open(io.BytesIO(image.render_page(path, 1, ["two"], [Span(1, 0, 7)], recognised=page)))
    assert shown.size == (400, 200)
    assert shown.getpixel((100, 35)) == (255, 238, 110)
    assert shown.getpixel((40, 35)) == (255, 255, 255)


def test_a_large_picture_is_shown_as_a_sheet_of_paper(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.new("L", (3000, 6000), 255))
    assert Image.open(io.BytesIO(image.render_page(path, 1, scale=1.0))).size == (421, 842)


def test_there_is_no_page_beyond_the_last(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no page 2"):
        image.render_page(save(tmp_path / "a.png", draw_photo()), 2)


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", Image.new("1", (20_000, 20_000)))
    with pytest.raises(TooLargeError, match="20,000 x 20,000 pixels"):
        parse.parse(path)


def test_too_small_a_picture_is_not_read(tmp_path: Path) -> None:
    assert parse.parse(save(tmp_path / "dot.gif", Image.new("L", (12, 300), 255))).unread == ()


def test_a_picture_may_have_another_pictures_suffix(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    draw_page(TEXT).save(path, "PNG")
    assert parse.parse(path).unread == (1,)


def test_something_else_with_a_pictures_suffix_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(UnsupportedError, match="it is a ZIP archive"):
        parse.parse(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no picture")
    with pytest.raises(ParseError, match="its beginning cannot be read"):
        parse.parse(tmp_path / "b.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp", ".gif", ".webp"])
def test_damaged_pictures_end_in_a_document_or_an_error_of_ours(suffix: str, tmp_path: Path) -> None:
    sound = save(tmp_path / f"sound{suffix}", draw_photo()).read_bytes()
    chance = random.Random(1)
    ends = 0
    for attempt in range(60):
        data = bytearray(sound[: chance.randrange(len(sound))] if attempt % 2 else sound)
        for _ in range(attempt % 7):
            if data:
                data[chance.randrange(min(len(data), 400))] = chance.randrange(256)
        path = tmp_path / f"damaged{suffix}"
        path.write_bytes(data)
        for step in (parse.parse, lambda path: image.picture(path, 1, 200)):
            try:
                step(path)
            except (ParseError, UsageError):
                ends += 1
    assert ends > 0
