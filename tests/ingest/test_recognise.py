import io
import threading
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from errors import EngineClosedError, NeedsOcrError, ParserDiedError
from ingest.catalog import Catalog
from ingest.isolate import Isolator
from ingest.parse import ocr
from ingest.pipeline import index_folders
from ingest.recognise import Reader, _named, recogniser_name, text_parser
from ingest.types import Document
from settings import Ocr, Settings
from tests.fakes import WordEmbedder
from tests.scans import draw_page, draw_photo, needs_tesseract, write_scan

DEPOSIT = "The deposit is returned within thirty days after\nthe keys were handed over."
FEES = "All fees are in euros, and are paid\non the first day of the month."


@pytest.fixture(scope="module")
def isolator() -> Iterator[Isolator]:
    with Isolator(Settings().parse) as isolator:
        yield isolator


@pytest.fixture
def reader(isolator: Isolator) -> Iterator[Reader]:
    needs_tesseract()
    with Reader(isolator, Settings()) as reader:
        yield reader


def test_a_file_that_mixes_text_and_scans_is_read_whole(reader: Reader, tmp_path: Path) -> None:
    path = write_scan(tmp_path / "mixed.pdf", ["A page that has a text layer.", draw_page(DEPOSIT), "The last page."])
    document = reader.read(path)
    assert [(block.page, block.text) for block in document.blocks] == [
        (1, "A page that has a text layer."),
        (2, DEPOSIT.replace("\n", " ")),
        (3, "The last page."),
    ]
    first, scanned, last = document.blocks
    assert first.confidence is last.confidence is None
    assert scanned.confidence is not None
    assert 0.9 < scanned.confidence <= 1
    assert [page.number for page in document.recognised] == [2]
    assert document.unread == ()
    assert document.reason == ""
    assert document.parser.endswith(recogniser_name(Settings()))


def test_the_span_of_a_recognised_block_counts_the_recognised_text(reader: Reader, tmp_path: Path) -> None:
    document = reader.read(write_scan(tmp_path / "scan.pdf", [draw_page(f"{DEPOSIT}\n\n\n{FEES}")]))
    (page,) = document.recognised
    assert " ".join(block.text for block in document.blocks) == f"{DEPOSIT} {FEES}".replace("\n", " ")
    for block in document.blocks:
        assert block.span is not None
        assert page.text[block.span.start : block.span.end].replace("\n", " ") == block.text


def test_a_pdf_with_a_text_layer_is_parsed_once(reader: Reader, tmp_path: Path) -> None:
    document = reader.read(write_scan(tmp_path / "text.pdf", ["Nothing but text."]))
    assert "tesseract" not in document.parser
    assert document.recognised == ()


def test_a_quote_on_a_scan_is_highlighted(reader: Reader, isolator: Isolator, tmp_path: Path) -> None:
    path = write_scan(tmp_path / "scan.pdf", [draw_page(DEPOSIT, angle=90)])
    (page,) = reader.read(path).recognised
    plain, marked = (
        Image.open(io.BytesIO(isolator.render_page(path, 1, quotes, scale=1.0, recognised=page))).convert("RGB")
        for quotes in ([], ["the keys were handed over"])
    )
    yellow = [pixel for pixel in range(plain.width * plain.height) if at(marked, pixel) == (255, 238, 110)]
    words = {page.text[start:end]: box for start, end, *box in page.words}
    left, bottom, right, top = words["keys"]
    middle = round((left + right) / 2) + round(page.height - (bottom + top) / 2) * plain.width
    assert any(abs(middle % plain.width - pixel % plain.width) < 9 for pixel in yellow)
    left, bottom, right, top = words["deposit"]
    box = (int(left), int(page.height - top), int(right), int(page.height - bottom))
    assert plain.crop(box).tobytes() == marked.crop(box).tobytes()


def at(picture: Image.Image, pixel: int) -> object:
    return picture.getpixel((pixel % picture.width, pixel // picture.width))


def test_a_scan_with_a_stamp_in_its_text_layer_is_read(reader: Reader, tmp_path: Path) -> None:
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=write_scan(tmp_path / "scan.pdf", [draw_page(f"\n\n{DEPOSIT}")]))
    stamp = PdfReader(write_scan(tmp_path / "stamp.pdf", ["Received 3 May"]))
    writer.pages[0].merge_page(stamp.pages[0])
    writer.write(tmp_path / "stamped.pdf")
    text = " ".join(block.text for block in reader.read(tmp_path / "stamped.pdf").blocks)
    assert "returned within thirty days" in text
    assert "Received 3 May" in text


def test_a_comment_on_a_scan_is_kept(reader: Reader, tmp_path: Path) -> None:
    from pypdf import PdfWriter
    from pypdf.annotations import Text

    writer = PdfWriter(clone_from=write_scan(tmp_path / "scan.pdf", [draw_page(DEPOSIT)]))
    writer.add_annotation(0, Text(rect=(50, 50, 80, 80), text="Paid on 3 May"))
    writer.write(tmp_path / "commented.pdf")
    document = reader.read(tmp_path / "commented.pdf")
    assert [block.text for block in document.blocks] == [DEPOSIT.replace("\n", " "), "Paid on 3 May"]


def test_a_text_layer_that_is_noise_is_recognised_instead(reader: Reader, tmp_path: Path) -> None:
    """Letters are drawn as they should be, but the font tells no program which they are."""
    path = tmp_path / "noise.pdf"
    write_scan(path, [(DEPOSIT + "\n") * 6])
    data = path.read_bytes()
    assert b"/WinAnsiEncoding" in data
    private = b"/ToUnicode 90 0 R /Encoding /WinAnsiEncoding"
    cmap = (
        b"/CIDInit /ProcSet findresource begin begincmap 1 begincodespacerange <00><FF> endcodespacerange "
        b"1 beginbfrange <20><7E><E020> endbfrange endcmap end"
    )
    stream = b"90 0 obj <</Length %d>> stream\n%s\nendstream endobj\n" % (len(cmap), cmap)
    data = data.replace(b"/Encoding /WinAnsiEncoding", private)
    path.write_bytes(data.replace(b"\nxref", b"\n" + stream + b"xref"))  # the table is wrong now: PDFium mends it
    document = reader.read(path)
    assert [page.number for page in document.recognised] == [1]
    assert "thirty days after" in document.blocks[0].text


def test_signs_without_letters_are_looked_at_and_kept_where_nothing_better_is_seen(
    reader: Reader, isolator: Isolator, tmp_path: Path
) -> None:
    path = write_scan(tmp_path / "signs.pdf", ['"7+%- "%+-'])
    assert isolator.parse(path).unread == (1,)
    document = reader.read(path)
    assert [block.text for block in document.blocks] == ['"7+%- "%+-']
    assert document.recognised == document.unread == ()


def test_pictures_of_nothing_leave_an_empty_document(reader: Reader, tmp_path: Path) -> None:
    draw_photo().save(tmp_path / "hill.png")
    document = reader.read(tmp_path / "hill.png")
    assert document.blocks == document.unread == ()
    assert document.reason == ""


def test_it_tells_of_each_page(isolator: Isolator, tmp_path: Path) -> None:
    needs_tesseract()
    told: list[tuple[str, int, int]] = []
    path = write_scan(tmp_path / "scan.pdf", [draw_page(DEPOSIT), "Text.", draw_page(FEES)])
    with Reader(isolator, Settings(), lambda path, done, pages: told.append((path.name, done, pages))) as reader:
        reader.read(path)
    assert told == [("scan.pdf", 1, 2), ("scan.pdf", 2, 2)]


class Failing(Isolator):
    """Recognises no page of those in `fails`."""

    fails: frozenset[int] = frozenset()
    tried = 0

    def recognise(self, path, page, recogniser, member=(), *, password=None):  # type: ignore[no-untyped-def]
        self.tried += 1
        if page in self.fails:
            raise ParserDiedError("The parser took longer than 60 s.")
        return super().recognise(path, page, recogniser, member, password=password)


def test_a_page_that_fails_costs_that_page_only_and_is_named(tmp_path: Path) -> None:
    needs_tesseract()
    path = write_scan(tmp_path / "scan.pdf", [draw_page(DEPOSIT), draw_page(FEES)])
    with Failing(Settings().parse) as isolator, Reader(isolator, Settings()) as reader:
        isolator.fails = frozenset({2})
        document = reader.read(path)
        assert [block.page for block in document.blocks] == [1]
        assert document.unread == (2,)
        assert document.reason == "Page 2 could not be recognised: The parser took longer than 60 s."
        isolator.fails = frozenset({1, 2})
        with pytest.raises(ParserDiedError, match="longer than 60 s"):
            reader.read(path)


def test_after_some_failures_it_does_not_try_the_rest(tmp_path: Path) -> None:
    needs_tesseract()
    path = write_scan(tmp_path / "scan.pdf", [draw_page("Page")] * 20)
    settings = Settings.load(tmp_path)
    one = settings.model_copy(update={"parse": settings.parse.model_copy(update={"workers": 1})})
    with Failing(one.parse) as isolator, Reader(isolator, one) as reader:
        isolator.fails = frozenset(range(1, 21))
        with pytest.raises(ParserDiedError):
            reader.read(path)
        assert isolator.tried == 5


def test_without_ocr_a_scan_needs_it_and_a_mixed_file_is_read_as_far_as_it_goes(
    isolator: Isolator, tmp_path: Path
) -> None:
    off = Settings(ocr=Ocr(on=False))
    scan = write_scan(tmp_path / "scan.pdf", [draw_page(DEPOSIT), draw_page(FEES)])
    mixed = write_scan(tmp_path / "mixed.pdf", [draw_page(DEPOSIT), "A page that has a text layer.", draw_page(FEES)])
    with Reader(isolator, off) as reader:
        with pytest.raises(NeedsOcrError, match=r"Its text is in pictures \(pages 1-2\). .*switched off"):
            reader.read(scan)
        document = reader.read(mixed)
    assert [block.text for block in document.blocks] == ["A page that has a text layer."]
    assert document.unread == (1, 3)
    assert document.parser.endswith(" without ocr")
    assert document.reason.startswith("Pages 1 and 3 could not be read, as the text is in pictures.")


def test_closing_stops_what_waits(isolator: Isolator, tmp_path: Path) -> None:
    needs_tesseract()
    began, closed = threading.Event(), threading.Event()

    class Slow(Isolator):
        def recognise(self, path, page, recogniser, member=(), *, password=None):  # type: ignore[no-untyped-def]
            began.set()
            closed.wait(20)
            return super().recognise(path, page, recogniser, member, password=password)

    path = write_scan(tmp_path / "scan.pdf", [draw_page("Page")] * 8)
    with Slow(Settings().parse) as slow, ThreadPoolExecutor(1) as pool:
        reader = Reader(slow, Settings())
        reading = pool.submit(reader.read, path)
        assert began.wait(20)
        reader.close()
        closed.set()
        with pytest.raises(EngineClosedError):
            reading.result(20)


@pytest.mark.parametrize(
    ("parser", "recogniser", "expected"),
    [
        ("pdf/4 x", "", "pdf/4 x"),
        ("pdf/4 x", "ocr/1 tesseract 5.5 eng 200", "pdf/4 x"),
        ("pdf/4 x without ocr", "", "pdf/4 x"),
        ("pdf/4 x without ocr", "ocr/1 tesseract 5.5 eng 200", "pdf/4 x without ocr"),
        ("pdf/4 x ocr/1 tesseract 5.5 eng 200 chunk/4", "ocr/1 tesseract 5.5 eng 200", "pdf/4 x chunk/4"),
        (
            "pdf/4 x ocr/1 tesseract 5.5 eng 200",
            "ocr/1 tesseract 5.5 eng+spa 200",
            "pdf/4 x ocr/1 tesseract 5.5 eng 200",
        ),
        ("pdf/4 x ocr/1 tesseract 5.5 eng 200", "", "pdf/4 x"),
    ],
)
def test_what_was_recognised_holds_until_another_recogniser_is_here(
    parser: str, recogniser: str, expected: str
) -> None:
    assert text_parser(parser, recogniser) == expected


def test_pages_are_named_in_runs() -> None:
    assert _named([3]) == "Page 3"
    assert _named([3, 7]) == "Pages 3 and 7"
    assert _named([2, 3, 4, 5, 8, 9]) == "Pages 2-5 and 8-9"
    assert _named(range(1, 101, 2)).endswith("17, 19 and 40 more")


def test_the_recognisers_name_says_what_the_text_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ocr.Recogniser("/data", "eng", 300)
    monkeypatch.setattr(ocr, "tesseract_version", lambda: "5.5")
    monkeypatch.setattr(ocr, "find_recogniser", lambda _: found)
    assert recogniser_name(Settings()) == f"ocr/{ocr.VERSION} tesseract 5.5 eng 300"


class Counting(Reader):
    """Remembers what it was asked to read."""

    def read(self, path: Path, member: Sequence[str] = ()) -> Document:
        self.asked.append("/".join((path.name, *member)))
        return super().read(path, member)

    @property
    def asked(self) -> list[str]:
        return self.__dict__.setdefault("_asked", [])


def test_what_awaits_ocr_is_read_when_it_is_there_and_nothing_else_is(isolator: Isolator, tmp_path: Path) -> None:
    needs_tesseract()
    folder = tmp_path / "documents"
    folder.mkdir()
    write_scan(folder / "scan.pdf", [draw_page(DEPOSIT)])
    write_scan(folder / "mixed.pdf", ["A page that has a text layer.", draw_page(FEES)])
    write_scan(folder / "text.pdf", ["Nothing but text."])
    (folder / "note.md").write_text("# Note\n\nA note.")
    draw_page(FEES).save(tmp_path / "fees.png")
    with zipfile.ZipFile(folder / "papers.zip", "w") as archive:
        archive.write(tmp_path / "fees.png", "fees.png")
    on = Settings.load(tmp_path / "home")
    off = on.model_copy(update={"ocr": Ocr(on=False)})
    catalog = Catalog(on.index)

    def index(settings: Settings) -> list[str]:
        with Counting(isolator, settings) as reader:
            index_folders([folder], catalog, WordEmbedder(), reader.read, settings, lambda _: None)
            return sorted(reader.asked)

    def statuses() -> dict[str, str]:
        return {source.path: source.status for source in catalog.sources()}

    everything = ["mixed.pdf", "note.md", "papers.zip", "papers.zip/fees.png", "scan.pdf", "text.pdf"]
    awaiting = ["mixed.pdf", "papers.zip", "papers.zip/fees.png", "scan.pdf"]
    try:
        assert index(off) == everything
        assert statuses() == dict.fromkeys(everything, "indexed") | {
            "scan.pdf": "needs-ocr",
            "papers.zip/fees.png": "needs-ocr",
        }
        (mixed,) = catalog.sources_at("mixed.pdf")
        assert mixed.reason.startswith("Page 2 could not be read")
        assert index(off) == []
        assert index(on) == awaiting
        assert set(statuses().values()) == {"indexed"}
        assert {source.reason for source in catalog.sources()} == {""}
        assert index(on) == []
        assert index(off) == []  # what was recognised stays
        page = catalog.recognised_page(str(folder), "papers.zip/fees.png", 1)
        assert page is not None
        assert page.text == FEES
        assert all((passage.confidence or 0) > 0.9 for passage in catalog.passages_of(str(folder), "scan.pdf"))
    finally:
        catalog.close()
