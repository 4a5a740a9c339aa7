"""Ask: a chat that streams, with the passage behind every claim."""

import time
from collections.abc import Sequence
from contextlib import closing

import streamlit as st

from engine import Engine
from errors import CitaError
from ingest.names import printable
from ingest.types import LOW_CONFIDENCE, Passage, Source
from rag.types import ABSTAIN, Answer, Citation, Completed, Evidence, Hit, Recorded, Retrieved, Thought, Token
from rag.types import Turn as EarlierTurn
from settings import Settings
from ui import filters, library, profiles, rating, reader, render, voice
from ui.engine import get_engine, get_settings
from ui.frame import get_texts, guarded, heading, model_name, notice
from ui.live import LiveLine
from ui.samples import sample_questions
from ui.stream import follow
from ui.texts import Texts
from ui.turns import Turn, earlier, open_new, opened, resume
from ui.turns import turns as open_turns

REDRAW_SECONDS = 0.06
NEAREST = 3
NEW = "new"  # instead of an id, for a conversation that begins
NAMED_COPIES = 3  # documents where the same text stands


def draw() -> None:
    engine, texts = get_engine(), get_texts()
    _keep_address(engine)
    turns = open_turns()
    sources = engine.sources()
    question = _question(sources, texts, bool(turns))
    if question:
        reader.close()
        asked = (filters.chosen(), st.session_state.get("k"), st.session_state.get("abstain"))
        profile, settings = profiles.chosen(get_settings()), _settings()
        turns.append(Turn(question, *asked, voice.chosen(settings), profile))

    opened = reader.opened()
    if opened:
        st.set_page_config(layout="wide")
        conversation, beside = st.columns([10, 9], gap="large")
        with beside:
            reader.draw(engine, opened, texts)
    else:
        conversation = st.container()
    with conversation:
        place = st.empty()  # emptied at once by the first question, not when its answer is complete
        if not turns:
            with place.container(key="welcome"):
                _welcome(engine, sources, texts)
        for number, turn in enumerate(turns):
            _draw_turn(engine, number, turn, texts)


def _keep_address(engine: Engine) -> None:
    """The page's address names the conversation, so that loading it anew opens it again."""
    resume(engine)
    if not opened():
        st.query_params.pop("chat", None)
    elif st.query_params.get("chat") != opened():
        st.query_params["chat"] = opened()


def _question(sources: Sequence[Source], texts: Texts, talking: bool) -> str | None:
    """The options and the box to type in, at the foot of the page."""
    with st.bottom, st.container(horizontal=True, key="options", vertical_alignment="center"):
        profiles.draw_choice(get_settings(), texts)
        _options(sources, texts)
        if talking and st.button(texts.ask_new, key="new", type="tertiary", icon=":material/edit_square:"):
            open_new()
            st.rerun()
    # Streamlit puts it below them by itself, and only then lets the page follow what is written.
    typed = st.chat_input(texts.ask_placeholder, key="question", disabled=not _ready(sources), max_chars=4000)
    suggested: str | None = st.session_state.pop("suggested", None)
    return typed or suggested


def _settings() -> Settings:
    """As the profile that is chosen changes them."""
    settings = get_settings()
    return settings.with_profile(profiles.chosen(settings) or "")


def _options(sources: Sequence[Source], texts: Texts) -> None:
    settings = _settings()
    k = st.session_state.get("k") or settings.retrieve.k
    label = f"{filters.summary(texts)} · {texts.ask_passages.format(k=k)}"
    with st.popover(label, icon=":material/tune:", type="tertiary"):
        filters.draw(sources, texts)
        st.slider(texts.ask_k, 1, max(30, k), k, key="k", help=texts.ask_k_help)
        names = {"strict": texts.ask_strict, "balanced": texts.ask_balanced, "helpful": texts.ask_helpful}
        # A default, not a value put into the session: that is sent to the page once, before this is opened.
        st.segmented_control(
            texts.ask_abstain, ABSTAIN, default=settings.answer.abstain, format_func=names.__getitem__,
            required=True, key="abstain", help=texts.ask_abstain_help,
        )  # fmt: skip
        voice.draw_choice(settings, texts)


@st.fragment(run_every=1)
def _await_documents(engine: Engine) -> None:
    """Draws the page anew as soon as there is something to ask about."""
    if _ready(engine.sources()):
        st.rerun()


def _ready(sources: Sequence[Source]) -> bool:
    return any(source.status == "indexed" for source in sources)


def _welcome(engine: Engine, sources: Sequence[Source], texts: Texts) -> None:
    ready = _ready(sources)
    heading(texts.ask_title, texts.ask_lead if ready else texts.ask_not_indexed if sources else texts.ask_empty_library)
    if not ready:
        if st.button(texts.ask_open_library, type="primary", icon=":material/folder_open:"):
            st.switch_page(st.Page(guarded(library.draw), url_path="library"))
        _await_documents(engine)
        return
    samples = sample_questions(sources)
    if samples:
        st.html(render.block("label", render.span("t", texts.ask_try)))
        _draw_samples(samples)


def _draw_samples(samples: Sequence[str]) -> None:
    with st.container(key="samples"):
        for number, sample in enumerate(samples):
            st.button(
                render.label(sample), key=f"sample-{number}", width="stretch", icon=":material/arrow_outward:",
                icon_position="right", on_click=_suggest, args=(sample,),
            )  # fmt: skip


def _suggest(question: str) -> None:
    st.session_state.suggested = question


def _draw_turn(engine: Engine, number: int, turn: Turn, texts: Texts) -> None:
    with st.container(key=f"question-{number}"):
        st.html(render.block("question", render.span("t", turn.question)))
        if turn.understood and turn.state != "asked":
            understood = texts.ask_understood.format(question=turn.understood)
            st.html(render.block("understood", render.span("t", understood)))
    with st.container(key=f"answer-{number}", gap="small"):
        if turn.thought and turn.state != "asked":
            with st.expander(texts.ask_thought, icon=":material/psychology:", type="compact"):
                st.text(turn.thought)
        if turn.state == "asked":
            _stream(engine, turn, earlier(open_turns()[:number]), texts)
        elif turn.error:
            notice(turn.error)
        elif turn.answer is None or turn.answer.stopped:
            st.html(render.stopped(turn.draft))
            st.html(render.block("stopped", render.span("t", texts.ask_stopped)))
        elif turn.answer.abstained:
            _draw_abstention(number, turn, turn.answer, texts)
        else:
            _draw_answer(number, turn, turn.answer, texts)
        if turn.unkept:
            st.warning(render.label(texts.ask_unkept.format(problem=turn.unkept)), icon=":material/warning:")
        if turn.state == "answered":
            rating.draw(number, turn, texts)
            if number + 1 == len(open_turns()):
                _offer_deeper(turn, texts)


def _offer_deeper(turn: Turn, texts: Texts) -> None:
    """Below the last answer: the same question by the profile that is set for it, unless that one answered."""
    deeper = get_settings().answer.deeper
    answered_by = turn.answer.usage.profile if turn.answer and turn.answer.usage else turn.profile
    if deeper and answered_by != deeper:
        st.button(
            texts.ask_deeper.format(profile=render.label(deeper)), key="deeper", type="tertiary",
            icon=":material/psychology:", on_click=_ask_deeper, args=(turn, deeper),
        )  # fmt: skip


def _ask_deeper(turn: Turn, profile: str) -> None:
    """As it was understood, so that it leans on nothing; all else is the profile's."""
    open_turns().append(Turn(turn.understood or turn.question, turn.filters, profile=profile))


def _stream(engine: Engine, turn: Turn, history: Sequence[EarlierTurn], texts: Texts) -> None:
    """Writes the answer as it comes. A click on Stop, or anywhere, interrupts this function at its next drawing."""
    turn.state = "stopped"
    place = st.empty()
    place.html(render.draft("", texts.ask_searching))
    live = LiveLine(engine, st.empty(), texts)
    st.button(texts.ask_stop, key="stop", icon=":material/stop_circle:")
    drawn = 0.0
    kept_in = (opened() or NEW) if get_settings().history.on else ""
    try:
        asked = engine.ask(
            turn.question,
            turn.k,
            turn.filters,
            history=history,
            conversation=kept_in,
            abstain=turn.abstain,
            voice=turn.voice,
            profile=turn.profile,
        )
        with closing(follow(asked)) as events:
            for event in events:
                live.follow(event)
                if isinstance(event, Completed):
                    turn.answer, turn.state, turn.unkept = event.answer, "answered", event.problem
                elif isinstance(event, Recorded):
                    st.session_state.conversation, turn.n = event.conversation, event.turn
                elif isinstance(event, Retrieved):
                    turn.hits, turn.understood = event.hits, event.understood
                elif isinstance(event, Thought):
                    turn.thought += event.text
                elif isinstance(event, Token):
                    turn.draft += event.text
                if not isinstance(event, Token) or time.monotonic() - drawn > REDRAW_SECONDS:
                    waiting = "" if turn.draft else texts.ask_reading if turn.hits else texts.ask_searching
                    place.html(render.draft(turn.draft, waiting))
                    drawn = time.monotonic()
    except CitaError as error:
        turn.error, turn.state = error, "failed"
    st.rerun()


def _draw_abstention(number: int, turn: Turn, answer: Answer, texts: Texts) -> None:
    st.html(
        render.block(
            "abstained",
            render.block("abstained-answer", render.span("t", answer.answer)),
            render.span("lead", texts.ask_abstained),
            *_what_to_add(answer, texts),
        )
    )
    if turn.hits:
        with st.expander(texts.ask_nearest, icon=":material/near_me:", type="compact"):
            for hit in turn.hits[:NEAREST]:
                _draw_hit(number, hit, turn, texts)
    _draw_timing(answer, texts)


def _what_to_add(answer: Answer, texts: Texts) -> list[str]:
    """A line that names what nothing found speaks of."""
    if not answer.refusal or not answer.refusal.missing:
        return []
    return [render.span("lead", texts.ask_missing.format(words=", ".join(map(printable, answer.refusal.missing))))]


def _draw_conflict(answer: Answer, texts: Texts) -> None:
    """The values side by side, each with its day and its citations."""
    if answer.conflict:
        st.html(render.block("label", render.span("t", texts.ask_conflict)))
        st.html(
            render.facts(
                (side.value, " · ".join(filter(None, (side.date, " ".join(f"[{n}]" for n in side.citations)))))
                for side in answer.conflict
            )
        )


def _draw_hit(number: int, hit: Hit, turn: Turn, texts: Texts) -> None:
    passage, evidence = hit.passage, turn.evidence.get(hit.passage.id)
    with st.container(key=f"cite-{number}-hit-{hit.rank}", horizontal=True, vertical_alignment="center"):
        st.html(
            render.source_card(
                "",
                passage.path,
                reader.place(passage.page, passage.page_to, texts),
                passage.section,
                passage.text,
                _remarks(
                    _unsure(passage.confidence, texts), _hides(passage.source_hides, texts), _since(evidence, texts)
                ),
                _copies(hit.copies, texts),
            )
        )
        st.button(
            texts.ask_open, key=f"open-{number}-hit-{hit.rank}", icon=":material/open_in_full:", type="tertiary",
            on_click=reader.open_passage,
            args=(passage.id, passage.page, passage, evidence.since if evidence else "same"),
        )  # fmt: skip


def _copies(copies: Sequence[Passage], texts: Texts) -> str:
    """Where else the same stands: the first few documents by name."""
    paths = list(dict.fromkeys(printable(copy.path) for copy in copies))
    more = [f"+ {len(paths) - NAMED_COPIES}"] if len(paths) > NAMED_COPIES else []
    return texts.ask_copies.format(places=", ".join(paths[:NAMED_COPIES] + more)) if paths else ""


def _draw_answer(number: int, turn: Turn, answer: Answer, texts: Texts) -> None:
    hits = {hit.passage.id: hit for hit in turn.hits}
    st.html(render.answer(answer, texts.ask_unsupported_sentence, texts.ask_partly))
    _draw_conflict(answer, texts)
    if answer.citations:
        st.html(render.block("label", render.span("t", texts.ask_sources)))
    for citation in answer.citations:
        _draw_citation(number, citation, hits.get(citation.id), turn.evidence.get(citation.id), texts)
    if answer.invented:
        st.html(render.block("stopped", render.span("t", texts.ask_invented.format(n=answer.invented))))
    _draw_timing(answer, texts)


def _draw_citation(number: int, citation: Citation, hit: Hit | None, evidence: Evidence | None, texts: Texts) -> None:
    chosen = reader.is_open(citation)
    unsupported = "" if citation.supported else _unsupported(citation, texts)
    key = f"cite-{number}-{citation.n}-{'open' if chosen else 'shut'}"
    with st.container(key=key, horizontal=True, vertical_alignment="center"):
        st.html(
            render.source_card(
                str(citation.n),
                citation.source,
                reader.place(citation.page, None, texts),
                citation.section,
                citation.quote,
                _remarks(
                    unsupported,
                    _unsure(citation.confidence, texts),
                    _hides(citation.source_hides, texts),
                    _since(evidence, texts),
                ),
                _copies(hit.copies if hit else (), texts),
            )
        )
        st.button(
            texts.ask_open, key=f"open-{number}-{citation.n}", icon=":material/open_in_full:", type="tertiary",
            on_click=reader.open_citation,
            args=(citation, hit.passage if hit else None, evidence.since if evidence else "same"),
        )  # fmt: skip


def _remarks(*remarks: str) -> str:
    return " · ".join(filter(None, remarks))


def _since(evidence: Evidence | None, texts: Texts) -> str:
    """What has become of the file since it was cited; '' where that is nothing."""
    return texts.since(evidence.since, printable(evidence.now)) if evidence else ""


def _unsupported(citation: Citation, texts: Texts) -> str:
    said = texts.ask_partly if citation.verdict == "partly" else texts.ask_unsupported
    return ": ".join(filter(None, (said, citation.reason)))


def _unsure(confidence: float | None, texts: Texts) -> str:
    """A warning where the text was recognised with doubt, else ''."""
    if confidence is None or confidence >= LOW_CONFIDENCE:
        return ""
    return texts.ask_recognised.format(percent=round(100 * confidence))


def _hides(hides: bool, texts: Texts) -> str:
    return texts.ask_hides if hides else ""


def _draw_timing(answer: Answer, texts: Texts) -> None:
    """'small · deep · 12.4 tokens/s · 3.1 s'."""
    usage, said = answer.usage, [model_name(answer.model, texts)]
    if usage:
        said.append(usage.profile)
        said.append(texts.live_speed.format(n=f"{usage.tokens_per_second:.1f}") if usage.tokens_per_second else "")
    line = texts.ask_timing.format(model=" · ".join(filter(None, said)), seconds=f"{answer.timings.total:.1f}")
    st.html(render.block("timing", render.span("t", line)))
