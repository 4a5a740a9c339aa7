"""The Evaluate page: questions from a file, drafts or the samples; a run that can be stopped; what came of it."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine import Engine, Status
from errors import CitaError
from evaluation.dataset import Dataset, Place, Question
from evaluation.run import Progress, Run
from ingest.types import Filters, Source
from rag.types import Hit, Rating, RerankerInfo, SearchResult, Verdict
from settings import Rerank, Settings
from tests.fakes import LEASE, FakeEngine
from tests.ui.conftest import Draw, html
from ui import evaluate, evaluating
from ui.evaluating import Evaluating
from ui.save import save_settings
from ui.texts import ENGLISH, SPANISH

LINES = [
    {"question": "How long is the notice period?", "answers": ["thirty days"], "source": LEASE.path, "page": 2},
    {"question": "How much is the notice?", "source": "gone.pdf"},
    {"question": "Who won the cup?", "unanswerable": True},
]


def content(*lines: dict[str, Any]) -> bytes:
    return "\n".join(map(json.dumps, lines)).encode()


def uploaded(app: AppTest, data: bytes, name: str = "mine.jsonl") -> AppTest:
    return app.file_uploader(key="questions").set_value((name, data, "application/jsonl")).run()


def finished(app: AppTest) -> AppTest:
    app.session_state["evaluating"].wait(20)
    return app.run()


def ran(app: AppTest, lines: list[dict[str, Any]] = LINES) -> AppTest:
    return finished(uploaded(app, content(*lines)).button(key="start").click().run())


def tables(app: AppTest) -> str:
    return "\n".join(frame.value.to_csv(index=False) for frame in app.dataframe)


def words_of(app: AppTest) -> str:
    texts = [*app.caption, *app.warning, *app.info, *app.success, *app.error]
    return html(app) + "\n".join(str(one.value) for one in texts)


def test_a_run_shows_metrics_with_intervals_plots_and_what_went_wrong(draw: Draw) -> None:
    app = ran(draw("evaluate"))
    assert not app.exception
    assert "Found in the top 1,0.5,0.000 – 1.000,2" in tables(app)
    assert 'How much is the notice?,not found,gone.pdf,"1. contracts/lease.pdf, page 2: The notice' in tables(app)
    assert "gone\\.pdf" in words_of(app)
    assert "3 questions" in words_of(app)
    assert [len(app.get(kind)) for kind in ("vega_lite_chart", "download_button")] == [2, 2]


def test_a_question_that_went_wrong_can_be_looked_at(draw: Draw) -> None:
    app = ran(draw("evaluate"))
    app = app.selectbox(key="look").select_index(0).run()
    assert not app.exception
    shown = html(app)
    for part in ("gone.pdf", "lease.pdf", "page 2", "Lease &gt; Ending the lease", "The notice period is thirty days."):
        assert part in shown


def test_before_questions_are_chosen_there_is_nothing_to_start(draw: Draw) -> None:
    app = draw("evaluate")
    assert app.button(key="start").disabled
    assert app.button(key="start").label == ENGLISH.evaluate_start_none
    assert uploaded(app, content(*LINES)).button(key="start").label == "Ask 3 questions"


@pytest.mark.parametrize("data", [b"", b"nonsense", b'{"question": 3}', "¿Qué?".encode("latin-1")])
def test_a_file_that_is_no_question_set_is_a_notice_with_the_next_step(data: bytes, draw: Draw) -> None:
    app = uploaded(draw("evaluate"), data)
    assert not app.exception
    assert "mine\\.jsonl" in app.error[0].value
    assert ENGLISH.next_step in app.error[0].value
    assert app.button(key="start").disabled


def test_answers_come_from_the_model_that_was_chosen(engine: FakeEngine, draw: Draw) -> None:
    app = uploaded(draw("evaluate"), content(*LINES)).toggle(key="answers").set_value(True).run()
    assert app.selectbox(key="model").options == [ENGLISH.extractive]
    app = finished(app.button(key="start").click().run())
    assert "Answer has the expected words,1.0" in tables(app)
    assert "Abstained where nothing is known,1.0" in tables(app)
    assert app.session_state["evaluating"].run.model == "extractive"


def test_a_second_run_is_compared_with_the_first(draw: Draw) -> None:
    app = ran(draw("evaluate"))
    assert len(app.dataframe) == 2
    app = finished(app.button(key="start").click().run())
    assert "Found in the top 1,0.5,0.5,1.0,0 / 0" in tables(app)
    app = ran(app, [{"question": "Another?", "source": LEASE.path}])
    assert not app.exception
    assert len(app.dataframe) == 1  # nothing to compare with, and nothing went wrong
    assert ENGLISH.evaluate_title in html(app)


def test_drafts_are_shown_can_be_saved_and_asked(draw: Draw) -> None:
    app = draw("evaluate")
    app.segmented_control(key="way").set_value("drafts").run()
    app = app.button(key="draft").click().run()
    assert not app.exception
    assert 'What is the deposit?,"1,200 euros","contracts/lease.pdf, page 2"' in tables(app)
    assert len(app.get("download_button")) == 1
    app = finished(app.button(key="start").click().run())
    assert "Found in the top 1,1.0" in tables(app)


def test_documents_that_suggest_nothing_are_said(
    engine: FakeEngine, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "draft_questions", lambda engine, n: [])
    app = draw("evaluate")
    app.segmented_control(key="way").set_value("drafts").run()
    app = app.button(key="draft").click().run()
    assert ENGLISH.evaluate_no_drafts in words_of(app)
    assert app.button(key="start").disabled


def test_the_samples_questions_are_offered_where_the_samples_are(
    engine: FakeEngine, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "samples" not in str(draw("evaluate").segmented_control(key="way").options)
    sample = Source("/library", "home/rental-contract.pdf", 1, 0, "", "indexed", passages=3)
    monkeypatch.setattr(engine, "sources", lambda: [sample])
    app = draw("evaluate")
    app = app.segmented_control(key="way").set_value("samples").run()
    assert app.button(key="start").label == "Ask 97 questions"


def rate_some(engine: FakeEngine) -> None:
    ratings: list[tuple[str, Rating, str]] = [
        ("What is the notice period?", "good", "to the point"),
        ("Who won the cup?", "bad", "<b>it is in the paper</b>"),
    ]
    for question, rating, reason in ratings:
        list(engine.ask(question, conversation="new"))
        engine.rate("last", 1, rating, reason)


def test_answers_that_were_rated_are_listed_with_the_reasons_and_the_good_ones_asked_again(
    engine: FakeEngine, draw: Draw
) -> None:
    rate_some(engine)
    app = draw("evaluate").segmented_control(key="way").set_value("rated").run()
    assert not app.exception
    assert "good,What is the notice period?,to the point,The notice period is thirty days. [1]" in tables(app)
    assert "bad,Who won the cup?,<b>it is in the paper</b>" in tables(app)
    assert app.button(key="start").label == "Ask 1 questions"
    app = finished(app.button(key="start").click().run())
    run = app.session_state["evaluating"].run
    assert (run.name, run.model) == (ENGLISH.evaluate_rated, "extractive")
    assert "Answer has the expected words,1.0" in tables(app)


@pytest.mark.parametrize("rating", [None, "bad"])
def test_without_an_answer_that_was_good_there_is_nothing_to_ask_again(
    rating: Rating | None, engine: FakeEngine, draw: Draw
) -> None:
    list(engine.ask("What is the notice period?", conversation="new"))
    engine.rate("last", 1, rating)
    app = draw("evaluate").segmented_control(key="way").set_value("rated").run()
    assert not app.exception
    assert app.button(key="start").disabled
    assert (ENGLISH.evaluate_no_ratings in words_of(app)) == (rating is None)


# Rerankers

RERANKER = RerankerInfo("<i>one</i>", "/m/one.gguf", False, "unmeasured", fingerprint="ab")
VERDICT = Verdict("/m/one.gguf", "ab", "fake", "cd", 40, 0.6, 0.7, 0.012, 0.123, "2026-01-02T03:04:05+00:00")


@pytest.fixture
def reranker(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one; what measuring it says is known beforehand."""
    plain = engine.status()

    def status() -> Status:
        known = replace(RERANKER, active=True, reason="helps", verdict=VERDICT) if engine.verdicts else RERANKER
        return replace(plain, rerankers=(known,))

    def measure(_: Engine, dataset: Dataset, one: RerankerInfo, seconds: float, progress: Progress) -> Verdict:
        assert (one, seconds) == (RERANKER, Rerank().seconds)
        progress(len(dataset.questions), len(dataset.questions))
        return VERDICT

    monkeypatch.setattr(engine, "status", status)
    monkeypatch.setattr(evaluating, "measure", measure)


def test_rerankers_are_measured_on_the_questions_and_what_came_of_it_is_said(
    engine: FakeEngine, reranker: None, draw: Draw
) -> None:
    app = draw("evaluate")
    assert ENGLISH.reranker_unmeasured in html(app)
    assert app.button(key="measure").disabled
    app = finished(uploaded(app, content(*LINES)).button(key="measure").click().run())
    assert not app.exception
    assert engine.verdicts == [VERDICT]
    assert "MRR@10 0.600 without, 0.700 with it (p 0.012, 40 questions), +123 ms a search" in html(app)
    assert "<i>" not in html(app)


def test_questions_that_name_neither_answers_nor_files_measure_no_reranker(reranker: None, draw: Draw) -> None:
    app = uploaded(draw("evaluate"), content({"question": "Who won?"}, {"question": "Why?", "unanswerable": True}))
    assert app.button(key="measure").disabled
    assert not app.button(key="start").disabled


def test_without_rerankers_the_page_does_not_speak_of_them(draw: Draw) -> None:
    app = draw("evaluate")
    assert ENGLISH.inspect_rerankers not in html(app)
    assert "measure" not in {button.key for button in app.button}


def test_an_empty_library_has_nothing_to_evaluate(
    engine: FakeEngine, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "sources", list)
    app = draw("evaluate")
    assert not app.exception
    assert not app.button


def test_an_engine_that_fails_is_a_notice(engine: FakeEngine, draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> SearchResult:
        raise CitaError("The disk is gone.", hint="Plug it in.")

    monkeypatch.setattr(engine, "search", fails)
    app = ran(draw("evaluate"))
    assert not app.exception
    assert "The disk is gone" in app.error[0].value
    assert "Plug it in" in app.error[0].value


def test_hostile_names_and_questions_stay_text(engine: FakeEngine, draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = "<img src=x onerror=alert(1)>![x](http://evil.example/x.png)"
    hit = Hit(1, 1.0, replace(LEASE, path=hostile, text=hostile))
    monkeypatch.setattr(engine, "search", lambda question, *_: SearchResult(question, (hit,), 0.1))
    app = uploaded(
        draw("evaluate"), content({"question": hostile, "source": "![x](http://evil.example)"}), f"{hostile}.jsonl"
    )
    app = finished(app.button(key="start").click().run())
    assert not app.exception
    assert "<img" not in html(app)
    said = "\n".join(str(one.value) for one in [*app.warning, *app.caption, *app.markdown])
    assert "![x](" not in said


def test_the_page_is_in_spanish_where_the_app_is(settings: Settings, draw: Draw) -> None:
    save_settings(settings, {"app": {"language": "es"}})
    app = ran(draw("evaluate"))
    assert SPANISH.evaluate_title in html(app)
    assert "Encontrado en el top 1" in tables(app)
    assert "Found" not in tables(app)


# The run itself


class Waiting(FakeEngine):
    """Every search waits until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Semaphore(0)

    def search(
        self,
        question: str,
        k: int | None = None,
        filters: Filters = Filters(),
        explain: bool = False,
        reranker: str | None = None,
    ) -> SearchResult:
        assert self.go.acquire(timeout=20)
        return super().search(question, k, filters, explain, reranker)


DATASET = Dataset("set", tuple(Question(str(n), f"Question {n}?", places=(Place(LEASE.path),)) for n in range(3)))


def started(engine: Engine) -> Evaluating:
    work = Evaluating()
    work.start(engine, DATASET, 10)
    return work


def until(true: Callable[[], bool]) -> None:
    waited = threading.Event()
    for _ in range(1000):
        if true():
            return
        waited.wait(0.02)
    raise AssertionError("It never happened.")


def test_a_run_tells_where_it_stands_and_a_second_start_waits_for_nothing() -> None:
    engine = Waiting()
    work = started(engine)
    engine.go.release()
    until(lambda: work.done == 1)
    work.start(engine, DATASET, 10)
    assert (work.running, work.done, work.total, work.run) == (True, 1, 3, None)
    engine.go.release(2)
    work.wait(20)
    assert isinstance(work.run, Run)
    assert (work.running, len(work.run.records)) == (False, 3)


def test_a_run_that_is_stopped_asks_no_further_and_keeps_the_last_result() -> None:
    engine = Waiting()
    engine.go.release(3)
    work = started(engine)
    work.wait(20)
    first = work.run
    work.start(engine, DATASET, 10)
    work.stop()
    engine.go.release(1)
    work.wait(20)
    assert (work.running, work.run, work.error, work.before) == (False, first, None, None)
    assert not engine.go.acquire(blocking=False)


def test_a_measurement_that_is_stopped_ends_at_the_next_search_and_keeps_no_verdict() -> None:
    engine = Waiting()
    work = Evaluating()
    work.measure(engine, DATASET, [RERANKER], 0.5)
    until(lambda: work.measured == RERANKER.name)
    work.stop()
    engine.go.release(1)
    work.wait(20)
    assert (work.running, work.error, engine.verdicts) == (False, None, [])


def test_an_unexpected_error_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    engine = FakeEngine()
    monkeypatch.setattr(engine, "search", lambda *_, **__: 1 / 0)
    work = started(engine)
    work.wait(20)
    assert work.error is not None
    assert "ZeroDivisionError" in str(work.error)
