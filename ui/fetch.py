"""The part of the page Models that fetches one from its hub: what suits this machine, how far it is, stop."""

import os
from urllib.parse import urlsplit

import streamlit as st

from engine import Engine
from models.advice import Recommendation, recommendation
from models.catalogue import MANY, Offer, offers, read_catalogue, recommend
from models.doctor import hardware_here, memory_speed_of
from models.pull import Hub, part_size
from ui import render
from ui.engine import get_pulling, get_settings
from ui.frame import get_texts, notice, size_words
from ui.texts import TEXTS, Texts

PARTS = 1000  # of the bar


def draw(engine: Engine, texts: Texts) -> None:
    """Nothing is looked up before it is asked for, and nobody is connected to before the button that says so."""
    pulling = get_pulling()
    st.html(render.block("section", render.span("h", texts.fetch_title), render.span("lead", texts.fetch_lead)))
    if pulling.running:
        _follow()
        if st.button(texts.ask_stop, key="fetch-stop", icon=":material/stop:", disabled=pulling.stopping):
            pulling.stop()
            st.rerun()
        return
    _take(engine, texts)
    if pulling.error:
        notice(pulling.error)
    if pulling.stopped:
        st.info(texts.fetch_stopped.format(name=render.label(pulling.name)), icon=":material/pause_circle:")
    if "offers" in st.session_state:
        _choose(texts)
    elif st.button(texts.fetch_show, key="fetch-show", icon=":material/search:"):
        _look()
        st.rerun()


def _look() -> None:
    """What suits this machine; llama.cpp is asked which graphics card it can use."""
    settings, entries = get_settings(), read_catalogue()
    hardware, memory = hardware_here()
    context = settings.generate.context
    st.session_state.offers = [
        offer for offer in offers(entries, hardware, memory, context, settings.models) if not offer.entry.superseded
    ]
    best = recommend(entries, hardware, context, _language(get_texts()))
    st.session_state.recommended = recommendation(best, hardware, context, memory_speed_of(hardware))


def _choose(texts: Texts) -> None:
    offer = _chosen(texts)
    if not offer:
        return
    hub, entry, variant = Hub.of(os.environ), offer.entry, offer.variant
    told: Recommendation = st.session_state.recommended
    remark = texts.fetch_best if entry.name == told.name else ""
    st.html(render.model_card(entry.title, remark, describe(offer, texts), f"{hub.endpoint}/{variant.repository}"))
    if not variant.sha256:
        st.caption(texts.fetch_no_hash)
    kept = part_size(entry, variant, get_settings().models)
    words = texts.fetch_go_on if kept else texts.fetch_go
    host = urlsplit(hub.endpoint).hostname or ""
    label = words.format(size=size_words(variant.size), host=render.label(host))
    if offer.here:
        st.caption(texts.fetch_here)
    elif st.button(label, key="fetch-go", type="primary", icon=":material/download:"):
        get_pulling().start(entry, variant, get_settings().models, hub)
        st.rerun()


def _chosen(texts: Texts) -> Offer | None:
    """A model, and in which of its quantisations."""
    told: Recommendation = st.session_state.recommended
    named: dict[str, list[Offer]] = {}
    for offer in st.session_state.offers:
        named.setdefault(offer.entry.name, []).append(offer)
    st.caption(render.label(told.why))

    def shown(name: str) -> str:
        kinds = {"reranker": texts.models_reranker, "embedder": texts.fetch_embedder}
        what = texts.fetch_best if name == told.name else kinds.get(named[name][0].entry.kind, "")
        return " · ".join(filter(None, (name, what)))

    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            texts.fetch_model, list(named), list(named).index(told.name) if told.name in named else 0,
            format_func=shown, key="fetch-model",
        )  # fmt: skip
        if not name:
            return None
        variants = {offer.variant.quantisation: offer for offer in named[name]}
        if len(variants) == 1:
            return named[name][0]
        quantisation = st.selectbox(
            texts.fetch_quantisation, list(variants), key=f"fetch-quantisation-{name}",
            format_func=lambda one: f"{one} · {size_words(variants[one].variant.size)}",
        )  # fmt: skip
    return variants.get(quantisation)


def describe(offer: Offer, texts: Texts) -> str:
    """What a person wants to know before fetching it, on one line."""
    entry, variant = offer.entry, offer.variant
    languages = texts.fetch_many if MANY in entry.languages else " ".join(entry.languages)
    fits = {"yes": "", "alone": texts.fetch_alone, "no": texts.fetch_too_large}[offer.fits]
    parts = [
        {"reranker": texts.models_reranker, "embedder": texts.fetch_embedder}.get(entry.kind, ""),
        variant.quantisation,
        ("" if variant.bytes else "~") + size_words(variant.size),
        texts.fetch_memory.format(size=size_words(offer.memory)) if entry.kind != "embedder" else "",
        fits,
        languages,
        texts.models_context.format(n=f"{entry.context:,}") if entry.context else "",
        entry.licence,
        entry.terms,
    ]
    return " · ".join(part for part in parts if part)


def _language(texts: Texts) -> str:
    return next(language for language, known in TEXTS.items() if known is texts)


def _take(engine: Engine, texts: Texts) -> None:
    """Makes known what has come."""
    if taken := get_pulling().take():
        entry, place = taken
        st.session_state.pop("offers", None)
        if entry.kind == "embedder":
            st.success(texts.fetch_embedder_here.format(name=render.label(entry.name)), icon=":material/check_circle:")
            return
        model = engine.add_model(place)
        st.success(texts.models_added.format(name=render.label(model.name)), icon=":material/check_circle:")


@st.fragment(run_every=0.5)
def _follow() -> None:
    """The live bar. When it has ended, the whole page is drawn anew."""
    pulling, texts = get_pulling(), get_texts()
    if not pulling.running:
        st.rerun()
    words = texts.fetch_checking if pulling.stage == "check" else texts.fetch_progress
    said = texts.tasks_stopping if pulling.stopping else words.format(
        name=render.label(pulling.name), done=size_words(pulling.done), total=size_words(pulling.total)
    )  # fmt: skip
    share = pulling.done / pulling.total if pulling.total else 0.0
    st.progress(min(1.0, int(share * PARTS) / PARTS), text=said)
