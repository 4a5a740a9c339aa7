"""The engine: one owner of a home, the main job from folder to cited answer, nothing lost on the way."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import remote
from engine import Engine, LocalEngine, open_engine
from errors import FolderError, ModelNotFoundError, UsageError
from ingest.parse import pdf
from ingest.types import Filters, IndexProgress
from models.servers import Keys
from models.types import ModelInfo
from rag.loaded import LoadedModels
from rag.types import ABSTENTION, Answer, Completed, Retrieved, Turn
from settings import CODE, Rewrite, Settings
from tests.documents import Item, write_pdf
from tests.gguf_files import tiny_gguf
from tests.rag.test_rewrite import ScriptedModel

LEASE = "# Lease\n\n## Notice\n\nThe notice period is thirty days.\n\n## Deposit\n\nThe deposit is 1,200 euros.\n"
POLIZA = "# Póliza\n\nLa franquicia por daños por agua es de cien euros.\n"


@pytest.fixture
def engine(ready_settings: Settings) -> Iterator[Engine]:
    ready_settings.library.mkdir(parents=True)
    (ready_settings.library / "lease.md").write_text(LEASE, encoding="utf-8")
    (ready_settings.library / "poliza.md").write_text(POLIZA, encoding="utf-8")
    opened = open_engine(ready_settings)
    yield opened
    opened.close()


def answer(engine: Engine, question: str, **how: object) -> Answer:
    *_, last = engine.ask(question, **how)  # type: ignore[arg-type]
    assert isinstance(last, Completed)
    return last.answer


def test_a_question_is_answered_from_the_folder_with_its_citation(engine: Engine) -> None:
    engine.index()
    found = answer(engine, "What is the notice period?")
    assert found.answer == "The notice period is thirty days. [1]"
    (citation,) = found.citations
    assert (citation.source, citation.section) == ("lease.md", "Lease > Notice")
    assert engine.passage(citation.id).text[citation.start : citation.end] == citation.quote


def test_a_spanish_question_is_answered_in_spanish(engine: Engine) -> None:
    engine.index()
    found = answer(engine, "¿Cuál es la franquicia por daños por agua?")
    assert "cien euros" in found.answer
    assert found.citations[0].source == "poliza.md"


def test_a_follow_up_is_understood_from_its_conversation(engine: Engine) -> None:
    engine.index()
    history = [Turn("What is the notice period of the lease?", "The notice period is thirty days. [1]")]
    found, *_ = engine.ask("How long is it?", history=history)
    assert isinstance(found, Retrieved)
    assert "notice period" in found.understood
    assert found.hits[0].passage.path == "lease.md"
    (alone, *_) = engine.ask("What is the notice period?", history=history)
    assert isinstance(alone, Retrieved)
    assert alone.understood == ""


def test_what_the_documents_do_not_say_is_refused(engine: Engine) -> None:
    engine.index()
    found = answer(engine, "Who won the world cup in 1998?")
    assert found.abstained
    assert found.answer == ABSTENTION["en"]


def test_a_deleted_file_is_gone_from_every_answer(engine: Engine, ready_settings: Settings) -> None:
    engine.index()
    assert not answer(engine, "What is the notice period?").abstained
    (ready_settings.library / "lease.md").unlink()
    engine.index()
    assert answer(engine, "What is the notice period?").abstained
    assert all(hit.passage.path != "lease.md" for hit in engine.search("notice period").hits)


@pytest.fixture
def counts_as_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library of two files is searched as one of 20,000 passages would be."""
    monkeypatch.setattr("ingest.vectors.SMALL", 0)


def test_a_small_library_is_searched_exactly(engine: Engine, ready_settings: Settings) -> None:
    engine.index()
    assert engine.status().vector_index == "exact"
    assert not list(ready_settings.index.glob("chroma*"))
    assert engine.verify(read_data=True).ok


@pytest.mark.usefixtures("counts_as_large")
def test_the_index_is_sealed_in_chroma_and_verifies(engine: Engine) -> None:
    engine.index()
    assert engine.status().vector_index == "chroma"
    assert engine.verify(read_data=True).ok
    assert engine.index().embedded == 0
    assert engine.status().vector_index == "chroma"


@pytest.mark.usefixtures("counts_as_large")
def test_a_run_that_makes_much_has_chroma_s_folder_written_beside_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[int] = []
    monkeypatch.setattr("engine.PREPARED", 1)
    monkeypatch.setattr("ingest.vectors.LiveIndex.prepare", lambda _, more: prepared.append(more))
    engine.index()
    assert len(prepared) > 1
    assert prepared[0] > prepared[-1] == 0
    before = len(prepared)
    engine.index()  # reads nothing
    assert len(prepared) == before


@pytest.mark.usefixtures("counts_as_large")
def test_a_broken_seal_is_served_exactly_and_mended_by_the_next_run(engine: Engine, ready_settings: Settings) -> None:
    engine.index()
    engine.close()
    (ready_settings.index / "chroma.seal").unlink()
    again = open_engine(ready_settings)
    assert again.status().vector_index == "exact"
    assert again.search("notice period").hits[0].passage.path == "lease.md"
    assert again.index().embedded == 0
    assert again.status().vector_index == "chroma"
    again.close()


def test_a_removed_folder_is_gone_at_once(engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "mill.md").write_text("# Mill\n\nThe mill grinds wheat on Thursdays.\n")
    assert folder in engine.add_folders([folder])
    engine.index()
    assert engine.search("mill wheat").hits[0].passage.path == "mill.md"
    assert folder not in engine.remove_folders([folder])
    assert all(hit.passage.path != "mill.md" for hit in engine.search("mill wheat").hits)


def test_a_folder_that_cannot_be_added_is_named(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="missing"):
        engine.add_folders([tmp_path / "missing"])
    with pytest.raises(FolderError, match="home"):
        engine.add_folders([tmp_path])  # holds the home itself
    with pytest.raises(FolderError, match="not one of the added"):
        engine.remove_folders([tmp_path])


def test_a_model_that_was_added_and_picked_answers(engine: Engine, tmp_path: Path) -> None:
    engine.index()
    info = engine.add_model(tiny_gguf(tmp_path / "tiny.gguf", name="Tiny"))
    assert answer(engine, "What is the notice period?").model == "extractive"
    engine.use_model(info.name)
    found = answer(engine, "What is the notice period?")
    assert (found.model, found.answer) == (info.name, "The notice period is thirty days [1].")
    assert found.citations[0].supported
    assert answer(engine, "What is the notice period?", model="extractive").model == "extractive"
    with pytest.raises(ModelNotFoundError, match="absent"):
        answer(engine, "What is the notice period?", model="absent")


def test_an_empty_question_and_an_unknown_document_are_refused(engine: Engine) -> None:
    with pytest.raises(UsageError, match="empty"):
        engine.ask("  ")
    with pytest.raises(UsageError, match=r"nothing\.pdf"):
        engine.page_image("nothing.pdf", 1)


@pytest.mark.parametrize("question", ["", "  \n", "?!... ¿¡", "🦊"])
def test_a_question_without_words_is_refused(engine: Engine, question: str) -> None:
    with pytest.raises(UsageError, match="The question"):
        engine.search(question)
    with pytest.raises(UsageError, match="The question"):
        answer(engine, question)


def test_the_status_of_a_home_whose_model_is_gone_names_it(engine: Engine, tmp_path: Path) -> None:
    file = tiny_gguf(tmp_path / "tiny.gguf")
    engine.use_model(engine.add_model(file).name)
    file.unlink()
    status = engine.status()
    assert (status.model, status.healthy) == ("tiny", False)
    assert str(file) in status.problems[0]
    with pytest.raises(ModelNotFoundError, match="is gone"):
        answer(engine, "What is the notice period?")


def test_a_page_s_picture_marks_the_quote_in_its_passage_not_in_the_running_head(
    engine: Engine, ready_settings: Settings
) -> None:
    quote = "Acme Homes, confidential"
    pages = [[Item("p", f"Page {number} of three is about the mill.")] for number in ("one", "two")]
    path = ready_settings.library / "mill.pdf"
    write_pdf(path, [*pages, [Item("p", f"Every page is headed by the words {quote}.")]], head=quote)
    engine.index()
    (passage,) = [
        hit.passage for hit in engine.search("words that head a page", filters=Filters(within=("mill.pdf",))).hits[:1]
    ]
    assert quote in passage.text
    image = engine.page_image("mill.pdf", 3, [quote], 1.0)
    assert image == pdf.render_page(path, 3, [quote], passage.spans, 1.0)
    assert image != pdf.render_page(path, 3, [quote], (), 1.0)


def test_a_second_index_run_waits_for_its_turn_and_reading_goes_on(engine: Engine, ready_settings: Settings) -> None:
    started, go_on = threading.Event(), threading.Event()

    def wait(_: IndexProgress) -> None:
        started.set()
        go_on.wait(20)

    run = threading.Thread(target=engine.index, args=(wait,))
    run.start()
    assert started.wait(20)
    second = threading.Thread(target=engine.index)
    second.start()
    assert engine.search("notice").question == "notice"
    second.join(0.2)
    assert second.is_alive()
    go_on.set()
    run.join(60)
    second.join(60)
    assert not run.is_alive()
    assert not second.is_alive()


def test_a_second_door_talks_to_the_engine_that_owns_the_home(engine: Engine, ready_settings: Settings) -> None:
    engine.index()
    second = open_engine(ready_settings)
    assert isinstance(engine, LocalEngine)
    assert isinstance(second, remote.RemoteEngine)
    assert answer(second, "What is the notice period?").answer == "The notice period is thirty days. [1]"
    second.close()


def test_a_home_is_free_again_when_its_owner_closes_or_is_killed(ready_settings: Settings) -> None:
    first = open_engine(ready_settings)
    first.close()
    code = (
        "import sys, time; from settings import Settings; from engine import open_engine\n"
        "open_engine(Settings.load(sys.argv[1])); print('owned', flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code, str(ready_settings.home)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert owner.stdout
    assert owner.stdout.readline() == "owned\n"
    second = open_engine(ready_settings)
    assert isinstance(second, remote.RemoteEngine)
    second.close()
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    third = open_engine(ready_settings)
    assert isinstance(third, LocalEngine)
    third.close()


def test_killing_an_index_run_loses_nothing_and_the_next_run_puts_it_right(ready_settings: Settings) -> None:
    ready_settings.library.mkdir(parents=True)
    for n in range(60):
        (ready_settings.library / f"note{n}.md").write_text(f"# Note {n}\n\nThe number of this note is {n}.\n")
    environment = {**os.environ, "CITA_HOME": str(ready_settings.home)}
    for seconds in (1.5, 2.5, 3.5):
        run = subprocess.Popen([sys.executable, "-m", "cli", "index"], env=environment, stderr=subprocess.DEVNULL)
        try:
            run.wait(seconds)
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
    engine = open_engine(ready_settings)
    engine.index()
    assert engine.verify().problems == ()
    assert engine.status().sources == {"indexed": 60}
    assert engine.status().passages == 60
    engine.close()


def test_tracing_to_the_cloud_is_switched_off(ready_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGCHAIN_TRACING_V2", "true")
    open_engine(ready_settings).close()
    assert os.environ["LANGSMITH_TRACING"] == "false"
    assert os.environ["LANGCHAIN_TRACING_V2"] == "false"


@pytest.mark.usefixtures("counts_as_large")
def test_status_and_an_index_run_without_changes_do_not_import_chroma(engine: Engine, ready_settings: Settings) -> None:
    engine.index()
    engine.close()
    code = f"""
import sys
from engine import open_engine
from ingest import vectors
from settings import Settings
vectors.SMALL = 0
engine = open_engine(Settings.load({str(ready_settings.home)!r}))
assert engine.index().unchanged == 2
print(engine.status().vector_index, "chromadb" in sys.modules)
engine.close()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=CODE, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["chroma", "False"]


# filters in the question


def test_a_filter_in_the_question_keeps_to_what_it_names_and_is_not_searched_for(engine: Engine) -> None:
    engine.index()
    both = engine.search("What is the deposit? ¿Qué franquicia hay?")
    assert {hit.passage.path for hit in both.hits} == {"lease.md", "poliza.md"}
    written = engine.search("What is the deposit? lang:es", explain=True)
    assert {hit.passage.path for hit in written.hits} == {"poliza.md"}
    assert written.question == "What is the deposit? lang:es"
    assert written.explanation is not None
    assert [term.word for term in written.explanation.terms] == ["deposit"]
    beside = engine.search("What is the deposit?", filters=Filters(languages=("es",)))
    assert [hit.passage for hit in beside.hits] == [hit.passage for hit in written.hits]


def test_an_answer_keeps_to_the_filters_in_its_question_and_shows_it_as_typed(engine: Engine) -> None:
    engine.index()
    asked = "in:poliza.md ¿Cuál es la franquicia por daños por agua?"
    found = answer(engine, asked)
    assert found.question == asked
    assert found.citations[0].source == "poliza.md"
    assert answer(engine, "What is the notice period? in:poliza.md").abstained


def test_a_filter_that_names_nothing_says_what_is_near_and_how_to_search_for_its_words(engine: Engine) -> None:
    engine.index()
    for ask in (engine.search, lambda question: list(engine.ask(question))):
        with pytest.raises(UsageError, match=r"'leas\.md'") as raised:
            ask("notice in:leas.md")
        assert "Did you mean 'lease.md'?" in raised.value.hint
        assert '"in:leas.md"' in raised.value.hint
    with pytest.raises(UsageError, match="only filters"):
        engine.search("in:lease.md")
    with pytest.raises(UsageError) as raised:
        engine.search("notice", filters=Filters(within=("leas.md",)))
    assert "quotes" not in raised.value.hint


def test_search_looks_for_both_sides_of_a_comparison_as_ask_does(engine: Engine) -> None:
    engine.index()
    question = "What is the difference between the notice period and the deposit?"
    explained = engine.search(question, explain=True)
    assert explained.explanation is not None
    assert len(explained.explanation.queries) == 2
    asked = next(event for event in engine.ask(question) if event.event == "retrieved")
    found = [hit.passage.id for hit in engine.search(question).hits]
    assert found == [hit.passage.id for hit in explained.hits] == [hit.passage.id for hit in asked.hits]


def test_search_lets_a_model_write_phrasings_only_where_the_settings_ask_for_them(
    engine: LocalEngine, ready_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.index()
    model = ScriptedModel("1. How long is the notice?")
    monkeypatch.setattr(engine, "_model_name", lambda _: "scripted")
    monkeypatch.setattr(engine._registry, "get", lambda _: model.info)
    monkeypatch.setattr(engine, "_models", LoadedModels(1, lambda *_: model, lambda *_: True))
    question = "What is the notice period?"

    def queries() -> tuple[str, ...]:
        explanation = engine.search(question, explain=True).explanation
        assert explanation is not None
        return explanation.queries

    assert queries() == ()
    assert model.prompts == []
    wanted = ready_settings.model_copy(update={"rewrite": Rewrite(phrasings=1)})
    monkeypatch.setattr(engine, "_settings", wanted)
    assert queries() == ("How long is the notice?",)


def test_search_goes_on_without_phrasings_where_the_model_is_gone(
    engine: LocalEngine, ready_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.index()
    engine.use_model(engine.add_model(tiny_gguf(tmp_path / "tiny.gguf", name="Tiny")).name)
    (tmp_path / "tiny.gguf").unlink()
    wanted = ready_settings.model_copy(update={"rewrite": Rewrite(phrasings=1)})
    monkeypatch.setattr(engine, "_settings", wanted)
    assert engine.search("What is the notice period?").hits


def test_a_server_s_key_goes_with_its_last_model(
    engine: LocalEngine, ready_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "http://127.0.0.1:11434"
    served = [ModelInfo("", protocol="openai", server=url, served_as=name, program="Ollama") for name in ("a", "b")]
    monkeypatch.setattr("models.servers.served_models", lambda *_: served)
    one, other = engine.add_server(url, key="sk-secret")
    engine.remove_model(one.name)
    assert Keys(ready_settings.models).get(url) == "sk-secret"
    engine.remove_model(other.name)
    assert Keys(ready_settings.models).get(url) == ""
