"""Each page over the fake engine: what it shows, what it calls, and that hostile text stays text."""

import dataclasses
import itertools
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from html import escape
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from errors import ModelDiedError, UsageError
from ingest.embed import DEFAULT_MODEL
from ingest.types import HIDDEN_KINDS, Filters, HiddenText, IndexProgress, IndexReport, PathReason, Source, WatchEvent
from models.discover import Found, Place
from models.doctor import Generation
from models.fit import Memory
from models.runtime import Runtime
from models.types import ModelInfo
from rag.types import (
    ABSTENTION,
    Answer,
    CandidateScores,
    Citation,
    Completed,
    Dropped,
    Event,
    Explanation,
    Hit,
    Match,
    QuestionTerm,
    RerankerInfo,
    SearchExplanation,
    SearchResult,
    Thought,
    Timings,
    Token,
    Turn,
    Verdict,
)
from settings import Settings
from tests.fakes import LEASE, FakeEngine
from tests.ui.conftest import ROOT, Draw, html
from ui import library
from ui.engine import get_indexing, get_watching, use_engine
from ui.indexing import Watching
from ui.save import save_settings
from ui.texts import ENGLISH, SPANISH, Texts

HOSTILE = '<img src=x onerror=alert(1)>![x](http://evil.example/x.png)[l](http://evil.example)"'
INERT = "&lt;img src=x onerror=alert(1)&gt;![x](http://evil.example/x.png)[l](http://evil.example)&quot;"


def asked(draw: Draw, question: str) -> AppTest:
    return draw("ask").chat_input(key="question").set_value(question).run()


def everything(app: AppTest) -> str:
    """All that a page sends to the browser, in one text."""
    return repr([element.proto for element in app.main]) + html(app)


# the whole app


@pytest.mark.parametrize(("language", "texts"), [("en", ENGLISH), ("es", SPANISH)])
def test_every_page_speaks_the_language_that_was_set(
    language: str, texts: object, settings: Settings, engine: FakeEngine, draw: Draw
) -> None:
    save_settings(settings, {"app": {"language": language}})
    for page in ("ask", "library", "tasks", "inspect", "evaluate", "compare", "models", "settings"):
        app = draw(page)
        assert not app.exception
        assert getattr(texts, f"{page}_title") in html(app)


def test_the_app_opens_on_ask_and_says_how_much_it_knows(engine: FakeEngine) -> None:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=20).run()
    assert not app.exception
    assert ENGLISH.ask_title in html(app)
    assert ENGLISH.documents(1) in html(app)
    assert ENGLISH.private in html(app)


def test_a_setting_that_cannot_be_read_is_shown_with_the_next_step(
    settings: Settings, engine: FakeEngine, draw: Draw
) -> None:
    settings.home.mkdir()
    settings.file.write_text("not toml", encoding="utf-8")
    app = draw("settings")
    assert not app.exception
    assert "cita\\.toml cannot be read" in app.error[0].value


# Ask


def test_an_answer_shows_its_citation_with_file_page_section_and_quote(draw: Draw) -> None:
    app = asked(draw, "What is the notice period?")
    assert not app.exception
    shown = html(app)
    assert '<div class="cita-answer">The notice period is thirty days. <span class="cita-n">1</span></div>' in shown
    for part in ("lease.pdf", "page 2", "Lease &gt; Ending the lease", "The notice period is thirty days."):
        assert part in shown


def test_opening_a_citation_shows_the_marked_quote_and_the_page(engine: FakeEngine, draw: Draw) -> None:
    pages: list[tuple[str, int, Sequence[str]]] = []
    image = engine.page_image

    def page_image(path: str, page: int, quotes: Sequence[str] = (), scale: float = 2.0) -> bytes:
        pages.append((path, page, quotes))
        return image(path, page, quotes, scale)

    engine.page_image = page_image  # type: ignore[method-assign]
    app = asked(draw, "What is the notice period?").button(key="open-0-1").click().run()
    assert not app.exception
    assert "<mark>The notice period is thirty days.</mark> The deposit is 1,200 euros." in html(app)
    assert pages == [("contracts/lease.pdf", 2, ("The notice period is thirty days.",))]
    assert len(app.get("image")) == 1
    app.button(key="close").click().run()
    assert "<mark>" not in html(app)


def test_an_abstention_is_shown_as_such_with_what_was_nearest(draw: Draw) -> None:
    app = asked(draw, "Who won the cup?")
    assert escape(ABSTENTION["en"]) in html(app)
    assert "cita-abstained" in html(app)
    assert not app.error
    app.button(key="open-0-hit-1").click().run()
    assert LEASE.text in html(app)


def test_a_follow_up_is_asked_with_its_conversation_and_shown_as_it_was_understood(
    engine: FakeEngine, draw: Draw
) -> None:
    app = asked(draw, "What is the notice period?")
    app.chat_input(key="question").set_value("And that of the <b>cellar</b>, with notice?").run()
    assert engine.history == (Turn("What is the notice period?", "The notice period is thirty days. [1]"),)
    assert "Understood as: And that of the &lt;b&gt;cellar&lt;/b&gt;, with notice? (after 1)" in html(app)


def test_turns_stay_in_order_until_a_new_chat(draw: Draw) -> None:
    app = asked(draw, "What is the notice period?")
    app.chat_input(key="question").set_value("Who won the cup?").run()
    shown = html(app)
    assert shown.index("notice period?") < shown.index("thirty days") < shown.index("Who won")
    app.button(key="new").click().run()
    assert "Who won" not in html(app)
    assert ENGLISH.ask_title in html(app)


class Endless(FakeEngine):
    """Writes two words and then waits until it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = threading.Event()

    def _answer(self, question: str, model: str) -> Iterator[Event]:
        try:
            yield Token("Two words")
            while True:
                threading.Event().wait(0.02)
                yield Token("")
        finally:
            self.ended.set()


def test_stopping_keeps_what_was_written_and_marks_it(settings: Settings) -> None:
    engine = Endless()
    use_engine(engine, settings.home)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=20).run()
    with pytest.raises(RuntimeError, match="timed out"):  # which stops the script, as the browser does
        app.chat_input(key="question").set_value("What is the notice period?").run(timeout=1)
    assert engine.ended.wait(5)
    again = AppTest.from_file(str(ROOT / "app.py"), default_timeout=20)
    again.session_state["turns"] = app.session_state["turns"]
    app = again.run()
    assert '<div class="cita-answer">Two words</div>' in html(app)
    assert ENGLISH.ask_stopped in html(app)
    use_engine(None, None)


def test_an_answer_that_the_engine_calls_stopped_is_marked(engine: FakeEngine, draw: Draw) -> None:
    def stopped(question: str, model: str) -> Iterator[Event]:
        yield Token("Two words")
        yield Completed(Answer(question, "Two words", False, (), (), model, Timings(0, 0, 0), stopped=True))

    engine._answer = stopped  # type: ignore[method-assign]
    assert ENGLISH.ask_stopped in html(asked(draw, "What is the notice period?"))


def test_a_model_that_dies_is_a_notice_with_the_next_step(engine: FakeEngine, draw: Draw) -> None:
    def dying(question: str, model: str) -> Iterator[Event]:
        yield Token("The")
        raise ModelDiedError("The model ended.", hint="Choose another.")

    engine._answer = dying  # type: ignore[method-assign]
    app = asked(draw, "What is the notice period?")
    assert not app.exception
    assert "The model ended" in app.error[0].value
    assert "Choose another" in app.error[0].value


def test_a_question_is_kept_to_the_chosen_sources_and_passages(engine: FakeEngine, draw: Draw) -> None:
    calls: list[tuple[str, int | None, Filters]] = []
    search = engine.search

    def recorded(question: str, k: int | None = None, filters: Filters = Filters()) -> object:
        calls.append((question, k, filters))
        return search(question, k, filters)

    engine.search = recorded  # type: ignore[assignment,method-assign]
    app = draw("ask")
    assert app.multiselect(key="within").options == ["contracts", "contracts/lease.pdf"]
    app.multiselect(key="within").set_value(["contracts"])
    app.multiselect(key="types").set_value(["pdf", "mail"])
    app.text_input(key="since").set_value(" 2024-05 ")
    app.slider(key="k").set_value(3)
    app.chat_input(key="question").set_value("notice?").run()
    assert calls == [("notice?", 3, Filters(("contracts",), ("pdf", "mail"), since="2024-05"))]
    assert [block.proto.popover.label for block in app.get("popover")] == ["4 chosen · 3 passages"]


@pytest.mark.parametrize("at_once", [True, False], ids=["own engine", "another's"])
def test_a_filter_that_names_nothing_is_said_where_the_answer_would_stand(
    at_once: bool, engine: FakeEngine, draw: Draw
) -> None:
    def refused(*_: object, **__: object) -> Iterator[Event]:
        raise UsageError("'soon' is no date.", hint="Write a year, month or day.")

    def late(*_: object, **__: object) -> Iterator[Event]:
        yield from refused()

    engine.ask = refused if at_once else late  # type: ignore[method-assign]
    app = asked(draw, "notice? since:soon")
    assert not app.exception
    assert "Write a year" in app.error[0].value
    assert ENGLISH.ask_stopped not in html(app)
    assert "Write a year" in app.run().error[0].value  # and stays


@pytest.mark.parametrize(("confidence", "shown"), [(None, False), (0.95, False), (0.63, True)])
def test_a_quote_that_was_recognised_with_doubt_says_so(
    confidence: float | None, shown: bool, engine: FakeEngine, draw: Draw
) -> None:
    def recognised(question: str, model: str) -> Iterator[Event]:
        citation = Citation(1, LEASE.id, LEASE.path, 2, "", "thirty days", 0, 11, True, confidence)
        yield Completed(Answer(question, "Thirty. [1]", False, (citation,), (), model, Timings(0, 0, 0)))

    engine._answer = recognised  # type: ignore[method-assign]
    assert ("Recognised from a picture, 63 % sure" in html(asked(draw, "How many days?"))) is shown


@pytest.mark.parametrize("hides", [True, False])
def test_a_source_with_hidden_text_is_warned_of_beside_its_citation(
    hides: bool, engine: FakeEngine, draw: Draw
) -> None:
    def answered(question: str, model: str) -> Iterator[Event]:
        citation = Citation(1, LEASE.id, LEASE.path, 2, "", "thirty days", 0, 11, True, source_hides=hides)
        yield Completed(Answer(question, "Thirty. [1]", False, (citation,), (), model, Timings(0, 0, 0)))

    engine._answer = answered  # type: ignore[method-assign]
    assert (ENGLISH.ask_hides in html(asked(draw, "How many days?"))) is hides


def test_the_library_says_what_a_reader_of_its_documents_does_not_see(engine: FakeEngine, draw: Draw) -> None:
    hidden = (HiddenText("colour", 59, (2, 3), HOSTILE), HiddenText("comment", 40))
    sources = engine.sources()
    engine.sources = lambda: [dataclasses.replace(sources[0], hidden=hidden), *sources[1:]]  # type: ignore[method-assign]
    app = draw("library")
    listed, told = (frame.value for frame in app.dataframe)
    assert ENGLISH.library_hides in listed[ENGLISH.library_column_reason].to_list()
    assert told.iloc[0].to_list() == [sources[0].path, ENGLISH.hidden_colour, "2, 3", 59, HOSTILE]
    assert told.iloc[1].to_list()[1:4] == [ENGLISH.hidden_comment, "", 40]


@pytest.mark.parametrize("texts", [ENGLISH, SPANISH], ids=["en", "es"])
def test_every_way_to_hide_text_has_a_name(texts: Texts) -> None:
    assert len({texts.hidden(kind) for kind in HIDDEN_KINDS}) == len(HIDDEN_KINDS)


def test_an_unsupported_citation_is_marked_and_not_hidden(engine: FakeEngine, draw: Draw) -> None:
    def doubtful(question: str, model: str) -> Iterator[Event]:
        citation = Citation(1, LEASE.id, LEASE.path, 2, "", "thirty days", 0, 11, supported=False)
        yield Completed(
            Answer(question, "Ninety. [1]", False, (citation,), (), model, Timings(0, 0, 0), invented=2)
        )  # fmt: skip

    engine._answer = doubtful  # type: ignore[method-assign]
    shown = html(asked(draw, "What is the notice period?"))
    assert ENGLISH.ask_unsupported in shown
    assert "thirty days" in shown
    assert ENGLISH.ask_invented.format(n=2) in shown


def test_samples_are_offered_while_the_library_holds_them(engine: FakeEngine, draw: Draw) -> None:
    assert not [button for button in draw("ask").button if (button.key or "").startswith("sample-")]
    sample = dataclasses.replace(engine.sources()[0], path="home/rental-contract.pdf")
    engine.sources = lambda: [sample]  # type: ignore[method-assign]
    app = draw("ask").button(key="sample-0").click().run()
    assert "How much is the deposit for the flat?" in html(app)
    assert escape(ABSTENTION["en"]) in html(app)


@pytest.mark.parametrize(("sources", "lead"), [(0, "ask_empty_library"), (1, "ask_not_indexed")])
def test_without_documents_the_page_says_where_to_begin(
    sources: int, lead: str, engine: FakeEngine, draw: Draw
) -> None:
    kept = engine.sources()[1:][:sources]
    engine.sources = lambda: kept  # type: ignore[method-assign]
    app = draw("ask")
    assert getattr(ENGLISH, lead) in html(app)
    assert app.chat_input(key="question").disabled


def test_hostile_answers_quotes_and_names_are_shown_as_text(engine: FakeEngine, draw: Draw) -> None:
    passage = dataclasses.replace(LEASE, path=f"{HOSTILE}.txt", text=HOSTILE, headings=(HOSTILE,), page=None)

    def hostile(question: str, model: str) -> Iterator[Event]:
        yield Token(HOSTILE)
        citation = Citation(1, passage.id, passage.path, None, HOSTILE, HOSTILE, 0, len(HOSTILE), True)
        yield Completed(Answer(question, f"{HOSTILE} [1]", False, (citation,), (), HOSTILE, Timings(0, 0, 0)))

    engine._answer = hostile  # type: ignore[method-assign]
    engine.passage = lambda _: passage  # type: ignore[method-assign]
    app = asked(draw, f"notice {HOSTILE}").button(key="open-0-1").click().run()
    assert not app.exception
    shown = html(app)
    assert shown.count(INERT) > 5
    assert "<img" not in shown
    assert not [element for element in app.markdown if "evil" in element.value]
    assert not app.get("image")


# Inspect


def inspected(draw: Draw, question: str) -> AppTest:
    return draw("inspect").text_input(key="inspected").set_value(question).run()


@pytest.mark.parametrize(("language", "texts"), [("en", ENGLISH), ("es", SPANISH)])
def test_inspect_shows_ranks_scores_features_words_and_what_was_dropped(
    language: str, texts: Texts, settings: Settings, draw: Draw
) -> None:
    save_settings(settings, {"app": {"language": language}})
    app = inspected(draw, "What is the notice period?")
    assert not app.exception
    shown = html(app)
    assert "The <mark>notice</mark> period is thirty days." in shown
    assert f"0.500 · {texts.inspect_rank.format(rank=1)}" in shown
    assert f"0.200 · {texts.inspect_not_found}" in shown
    assert texts.feature("best sentence") in shown
    assert "+0.300" in shown
    assert texts.inspect_word.format(n=1, weight="2.50") in shown
    assert texts.inspect_same.format(n=1) in shown
    assert [expander.label for expander in app.expander] == [
        f"{texts.reason(reason)} (1)" for reason in ("filtered", "duplicate", "beyond")
    ]
    for path in ("old/lease.pdf", "work/other.pdf", "mail/other.eml"):
        assert path in shown
    assert len(app.get("vega_lite_chart")) == 2
    assert f"{texts.step('dense')} 2.0 ms" in shown


def test_inspect_says_which_reranker_works_and_why(engine: FakeEngine, draw: Draw) -> None:
    measured = Verdict("/m/one.gguf", "ab", "fake", "cd", 40, 0.6, 0.7, 0.012, 0.123, "2026-01-02T03:04:05+00:00")
    rerankers = (
        RerankerInfo("one", "/m/one.gguf", True, "helps", measured),
        RerankerInfo(HOSTILE, "/m/two.gguf", False, "unmeasured"),
    )
    status = dataclasses.replace(engine.status(), rerankers=rerankers)
    engine.status = lambda: status  # type: ignore[method-assign]
    shown = html(inspected(draw, "notice"))
    assert "On, as it helps: MRR@10 0.600 without, 0.700 with it (p 0.012, 40 questions), +123 ms a search" in shown
    assert ENGLISH.reranker_unmeasured in shown
    assert INERT in shown


def test_a_reranker_is_listed_but_not_offered_to_answer(engine: FakeEngine, draw: Draw) -> None:
    engine._models.append(ModelInfo("ranker", "/m/ranker.gguf", ranks=True))
    app = draw("models")
    assert ENGLISH.models_reranker in html(app)
    assert "use-ranker" not in [button.key for button in app.button]


def test_inspect_searches_with_the_chosen_filters(engine: FakeEngine, draw: Draw) -> None:
    calls: list[object] = []
    search = engine.search

    def recorded(*arguments: object, **named: object) -> object:
        calls.append((arguments, named))
        return search(*arguments, **named)  # type: ignore[arg-type]

    engine.search = recorded  # type: ignore[assignment,method-assign]
    app = draw("inspect")
    assert calls == []
    app.multiselect(key="within").set_value(["contracts"])
    app.multiselect(key="types").set_value(["pdf"])
    app.text_input(key="inspected").set_value("notice").run()
    assert calls[-1] == (("notice", 8, Filters(("contracts",), ("pdf",))), {"explain": True})


def test_inspect_shows_hostile_text_as_text(engine: FakeEngine, draw: Draw) -> None:
    passage = dataclasses.replace(LEASE, path=f"{HOSTILE}.txt", text=f"{HOSTILE} notice", headings=(HOSTILE,))
    at = len(HOSTILE) + 1
    why = Explanation(1, 1, 1, 0.5, 0.5, 0.9, {HOSTILE: 0.1}, (Match("notice", at, at + 6), Match("x", at + 6, at + 6)))
    found = SearchExplanation(
        (QuestionTerm(HOSTILE, 1, 1.0),), (Dropped(passage, "beyond", why),), (CandidateScores(0.5, 0.5, 1, True),), {}
    )
    hit = Hit(1, 1.0, passage, explanation=why)
    engine.search = lambda *_, **__: SearchResult("x", (hit,), 0.1, found)  # type: ignore[method-assign]
    app = inspected(draw, HOSTILE)
    assert not app.exception
    shown = html(app)
    assert shown.count(INERT) >= 6
    assert "<img" not in shown
    assert "<mark>notice</mark>" in shown
    assert not [element for element in app.markdown if "evil" in element.value]


# Library


def test_every_file_is_listed_with_its_status_and_reason_failed_first(draw: Draw) -> None:
    app = draw("library")
    rows = app.dataframe[0].value
    assert list(rows[ENGLISH.library_column_file]) == ["broken.pdf", "contracts/lease.pdf"]
    assert list(rows[ENGLISH.library_column_reason]) == ["Not a PDF.", ""]
    assert [list(status) for status in rows[ENGLISH.library_column_status]] == [["Failed"], ["Indexed"]]


def test_files_are_filtered_by_kind_and_name(draw: Draw) -> None:
    app = draw("library")
    app.button_group(key="kind").set_value("bad").run()
    assert list(app.dataframe[0].value[ENGLISH.library_column_file]) == ["broken.pdf"]
    app.button_group(key="kind").set_value("all").run()
    app.text_input(key="find").set_value("LEASE").run()
    assert list(app.dataframe[0].value[ENGLISH.library_column_file]) == ["contracts/lease.pdf"]
    app.text_input(key="find").set_value("nothing").run()
    assert ENGLISH.library_none_match in html(app)


def test_a_dropped_file_is_kept_under_a_safe_name_and_indexed(settings: Settings, draw: Draw) -> None:
    app = draw("library")
    app.file_uploader[0].set_value([("../../evil.txt", b"hello", "text/plain")]).run()
    get_indexing().wait(5)
    app.run()
    assert not app.exception
    assert [path.name for path in settings.library.iterdir()] == ["evil.txt"]
    assert get_indexing().report is not None
    assert "added to your library" in app.success[0].value
    assert not app.file_uploader[0].value


def test_indexing_shows_where_it_stands_and_then_what_it_did(settings: Settings) -> None:
    begun, go = threading.Event(), threading.Event()

    class Slow(FakeEngine):
        def index(
            self,
            progress: Callable[[IndexProgress], None] | None = None,
            confirm: bool = False,
            read_data: bool = False,
        ) -> IndexReport:
            assert progress
            progress(IndexProgress(4, 1, HOSTILE, 10, 62.0, 90.0))
            begun.set()
            go.wait(20)
            return super().index()

    use_engine(Slow(), settings.home)
    app = AppTest.from_function(_library, default_timeout=20).run()
    app.button(key="index").click().run()
    assert begun.wait(20)
    app.run()
    [bar] = app.get("progress")
    assert "1 of 4 files" in bar.proto.text
    assert "62 passages/s" in bar.proto.text
    assert "1 min 30 s left" in bar.proto.text
    assert "![" not in bar.proto.text
    go.set()
    get_indexing().wait(5)
    app.run()
    assert "1 failed" in app.warning[0].value
    use_engine(None, None)


@pytest.fixture
def watching(engine: FakeEngine) -> Iterator[Watching]:
    watching = get_watching()
    watching.start(engine)
    yield watching
    watching.stop()


AT = "2026-01-02T03:04:05+00:00"


def told(watching: Watching, *events: WatchEvent) -> None:
    """Hands the page what the watcher told; the first event was `watching`."""
    end = time.monotonic() + 5
    while not watching.news and time.monotonic() < end:
        time.sleep(0.01)
    for event in events:
        watching._keep(event)


@pytest.mark.parametrize(("language", "texts"), [("en", ENGLISH), ("es", SPANISH)])
def test_the_page_shows_that_it_watches_and_what_changed_without_a_button_being_pressed(
    language: str, texts: Texts, settings: Settings, draw: Draw, watching: Watching
) -> None:
    save_settings(settings, {"app": {"language": language}})
    told(watching)
    assert [caption.value for caption in draw("library").caption] == [f":material/visibility: {texts.library_watching}"]
    told(
        watching,
        WatchEvent("watching", AT, ("/a", HOSTILE), (HOSTILE,)),
        WatchEvent("indexed", AT, report=IndexReport(2, 0, 3, 1, 5, (), (), 6, 7, 0.4)),
    )
    app = draw("library")
    [caption] = app.caption
    at = datetime.fromisoformat(AT).astimezone().strftime("%H:%M:%S")
    assert texts.library_last_change.format(time=at, added=2, changed=0, renamed=3, removed=1) in caption.value
    assert texts.library_polled.split("{")[0] in caption.value
    assert "![" not in caption.value
    assert texts.library_done.format(added=2, changed=0, removed=1, seconds="0.4") in app.success[0].value


def test_a_run_of_the_watcher_with_nothing_to_say_is_not_shown(draw: Draw, watching: Watching) -> None:
    told(watching, WatchEvent("indexed", AT, report=IndexReport(0, 0, 0, 0, 5, (), (), 6, 7, 0.4)))
    app = draw("library")
    assert not app.success
    assert not app.warning


def test_a_problem_of_the_watcher_is_shown(draw: Draw, watching: Watching) -> None:
    told(watching, WatchEvent("problem", AT, problem=f"No space. {HOSTILE}"))
    app = draw("library")
    assert "No space" in app.warning[0].value
    assert "![" not in app.warning[0].value


def test_without_watching_the_page_does_not_say_that_it_watches(draw: Draw) -> None:
    assert not draw("library").caption


def test_documents_of_a_folder_that_lacks_its_files_are_removed_when_that_is_confirmed(
    engine: FakeEngine, draw: Draw, watching: Watching
) -> None:
    held = (PathReason(f"/disk/{HOSTILE}", "90 of its 100 documents are suddenly gone."),)
    told(watching, WatchEvent("indexed", AT, report=IndexReport(0, 0, 0, 0, 5, (), held, 6, 7, 0.4, held)))
    app = draw("library")
    warnings = [warning.value for warning in app.warning]
    assert any("disk" in warning and "suddenly lacks most of its files" in warning for warning in warnings)
    assert not any("![" in warning for warning in warnings)
    app.button(key="confirm").click().run()
    get_indexing().wait(5)
    assert engine.indexed == [(True, False)]
    assert "confirm" not in [button.key for button in app.run().button]


def _library() -> None:
    from ui import library

    library.draw()


def test_a_folder_is_added_and_removed(tmp_path: Path, engine: FakeEngine, draw: Draw) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    app = draw("library")
    app.text_input(key="folder").set_value(str(folder))
    _submit(app, ENGLISH.library_folder_add)
    assert folder in engine.folders()
    assert str(folder) in html(app)
    get_indexing().wait(5)
    app.run().button(key=f"remove-{folder}").click().run()
    assert folder not in engine.folders()


def test_a_folder_that_is_not_there_is_a_notice_and_the_page_stays(draw: Draw) -> None:
    app = draw("library")
    app.text_input(key="folder").set_value("/no/such/folder")
    _submit(app, ENGLISH.library_folder_add)
    assert not app.exception
    assert "does not exist" in app.error[0].value
    assert "Check the spelling" in app.error[0].value


def _submit(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


# Models


def test_a_model_is_added_by_its_path_and_chosen(tmp_path: Path, engine: FakeEngine, draw: Draw) -> None:
    file = tmp_path / "tiny.gguf"
    file.write_bytes(b"GGUF")
    app = draw("models")
    assert ENGLISH.models_now in html(app)
    app.text_input(key="gguf").set_value(str(file))
    _submit(app, ENGLISH.models_add_button)
    assert not app.exception
    assert "tiny" in app.success[0].value
    app.button(key="use-tiny").click().run()
    assert engine.used == "tiny"
    assert "use-tiny" not in [button.key for button in app.button]


def test_the_model_that_answers_says_how_it_is_run(
    engine: FakeEngine, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Runtime(4096, 8, 512, 33, flash_attention=True, cache="f16", repack=False)
    memory = Memory(weights=2_000_000_000, repacked=0, cache=300_000_000, compute=90_000_000, process=10_000_000)
    monkeypatch.setattr("ui.runtime.how_it_runs", lambda _: Generation("tiny", runtime, memory))
    engine._models.append(ModelInfo("tiny", "/m/tiny.gguf"))
    engine.used = "tiny"
    app = draw("models")
    assert not app.exception
    (caption,) = [each.value for each in app.caption if "33" in each.value]
    assert "8 threads" in caption
    assert "takes 2.4 GB of memory" in caption


def test_a_model_that_does_not_fit_is_said_not_to(
    engine: FakeEngine, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.runtime.how_it_runs", lambda _: Generation("tiny", None, None, "It needs 9 GB."))
    engine._models.append(ModelInfo("tiny", "/m/tiny.gguf"))
    engine.used = "tiny"
    assert "It needs 9 GB" in draw("models").warning[0].value


def test_a_model_of_another_program_is_used_where_it_lies(
    engine: FakeEngine, draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "studio.gguf"
    path.write_bytes(b"GGUF")
    usable = Found(ModelInfo("org/studio", str(path), 5_000_000), (Place("LM Studio", "org/studio", path),))
    cut = Found(ModelInfo("cut", "/m/cut.gguf"), (Place("Jan", "cut", Path("/m/cut.gguf")),), "It is cut short.")
    monkeypatch.setattr("ui.models.discover", lambda: [usable, cut])
    app = draw("models")
    assert not app.exception
    assert ENGLISH.models_found in html(app)
    assert "LM Studio" in html(app)
    assert "/m/cut.gguf" not in html(app)
    app.button(key=f"use-found-{path}").click().run()
    assert engine.used == "studio"
    assert ENGLISH.models_found not in html(app)  # it is among the models now


def test_what_a_model_thought_is_folded_beside_its_answer(
    engine: FakeEngine, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = engine._answer
    monkeypatch.setattr(engine, "_answer", lambda *asked: itertools.chain([Thought("Hm, 30.")], answer(*asked)))
    app = draw("ask")
    app.chat_input[0].set_value("What is the notice period?").run()
    (fold,) = [each for each in app.expander if each.label == ENGLISH.ask_thought]
    assert fold.text[0].value == "Hm, 30."
    assert not fold.proto.expanded
    assert "Hm" not in html(app)


def test_a_model_that_is_not_there_is_a_notice_with_the_next_step(draw: Draw) -> None:
    app = draw("models")
    app.text_input(key="gguf").set_value("/no/such.gguf")
    _submit(app, ENGLISH.models_add_button)
    assert not app.exception
    assert "Check the path" in app.error[0].value


# Settings


def test_a_changed_setting_is_saved_and_only_that_one(settings: Settings, draw: Draw) -> None:
    app = draw("settings")
    app.button_group(key="language").set_value("es")
    next(box for box in app.number_input if box.label == ENGLISH.settings_k).set_value(5)
    _submit(app, ENGLISH.settings_save)
    assert not app.exception
    assert tomllib.loads(settings.file.read_text(encoding="utf-8")) == {
        "app": {"language": "es"},
        "retrieve": {"k": 5},
    }
    assert SPANISH.settings_title in html(app)
    assert app.success[0].value == SPANISH.settings_saved


def test_settings_show_where_things_are_and_every_value(settings: Settings, draw: Draw) -> None:
    shown = html(draw("settings"))
    for value in (str(settings.file), str(settings.library), str(settings.index), "retrieve.k", DEFAULT_MODEL):
        assert value in shown


def test_values_fixed_by_the_environment_are_named(monkeypatch: pytest.MonkeyPatch, draw: Draw) -> None:
    monkeypatch.setenv("CITA_RETRIEVE__K", "4")
    assert "CITA" in draw("settings").caption[0].value


def test_problems_of_the_index_are_shown(engine: FakeEngine, draw: Draw) -> None:
    status = dataclasses.replace(engine.status(), healthy=False, problems=("The index is old.",))
    engine.status = lambda: status  # type: ignore[method-assign]
    app = draw("settings")
    assert "The index is old" in app.warning[0].value
    assert not app.success


def test_a_document_with_a_password_is_opened_in_the_library(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, draw: Draw
) -> None:
    source = Source("/library", HOSTILE, 1, 0, "", "encrypted", reason="The file is protected by a password.")
    monkeypatch.setattr(engine, "sources", lambda: [source])
    app = draw("library")
    app.text_input(key="password").input("wrong")
    app.button(key="FormSubmitter:unlock-Open").click().run()
    assert "does not open" in app.error[0].value
    app.text_input(key="password").input("open sesame")
    app.button(key="FormSubmitter:unlock-Open").click().run()
    assert engine.unlocked == [HOSTILE]
    assert "no keyring" in app.info[0].value
    assert not app.exception


def test_the_bar_counts_the_pages_of_a_scan() -> None:
    progress = IndexProgress(4, 1, "scan.pdf", 10, 62.0, 90.0, page=3, pages=40)
    assert "text recognition, page 3 of 40" in library._progress_text(progress, ENGLISH)
    assert "página 3 de 40" in library._progress_text(progress, SPANISH)
