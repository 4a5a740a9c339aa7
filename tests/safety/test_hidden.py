"""An order that a document hides from its reader reaches no passage and no answer, and the reader is warned of it."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from engine import LocalEngine, open_engine
from rag.types import Completed
from settings import Settings
from tests.ingest.parse import test_hidden as hiding

ORDER = hiding.UNSEEN


def write_docx(path: Path) -> None:
    hiding.word(path, hiding.HIDDEN_RUNS["white"][1])


def write_pdf(path: Path) -> None:
    hiding.pdf(path, hiding.draw_white)


def write_pptx(path: Path) -> None:
    hiding.slides(path, hiding.colour_theme)


def write_xlsx(path: Path) -> None:
    hiding.sheets(path, lambda book, sheet: {"font_color": "white"})


def write_html(path: Path) -> None:
    path.write_text(hiding.page('style="font-size:0"'), encoding="utf-8")


def write_eml(path: Path) -> None:
    path.write_text(hiding.letter(hiding.page("hidden")), encoding="utf-8")


def write_txt(path: Path) -> None:
    path.write_text(hiding.SEEN + hiding.tagged(ORDER), encoding="utf-8")


WRITERS: dict[str, Callable[[Path], None]] = {
    "lease.docx": write_docx, "lease.pdf": write_pdf, "lease.pptx": write_pptx, "lease.xlsx": write_xlsx,
    "lease.html": write_html, "lease.eml": write_eml, "lease.txt": write_txt,
}  # fmt: skip


@pytest.fixture
def engine(ready_settings: Settings) -> Iterator[LocalEngine]:
    """Over a library in which each file hides the order."""
    ready_settings.library.mkdir(parents=True, exist_ok=True)
    for name, write in WRITERS.items():
        write(ready_settings.library / name)
    with closing(open_engine(ready_settings)) as opened:
        assert not opened.index().failed
        yield cast(LocalEngine, opened)


def test_a_hidden_order_is_in_no_passage_and_each_of_its_files_is_warned_of(engine: LocalEngine) -> None:
    assert {source.path for source in engine.sources() if source.hidden} == set(WRITERS)
    assert engine.status().hidden == len(WRITERS)
    for question in (ORDER, "What was paid twice?", "How long is the notice period of the lease?"):
        hits = engine.search(question, 50).hits
        found = [passage for hit in hits for passage in (hit.passage, *hit.copies)]
        assert {passage.path for passage in found} == set(WRITERS)
        assert all(passage.source_hides for passage in found)
        assert not any("paid twice" in passage.text or "Assistant" in passage.text for passage in found)


def test_an_answer_cites_what_is_seen_and_says_that_more_is_hidden(engine: LocalEngine) -> None:
    done = list(engine.ask("How long is the notice period of the lease?"))[-1]
    assert isinstance(done, Completed)
    assert "three months" in done.answer.answer
    assert all(citation.source_hides for citation in done.answer.citations)
    assert "twice" not in done.answer.answer
