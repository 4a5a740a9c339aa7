"""Profiles: chosen for the next question, and made, changed and deleted on the page Settings."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from engine import Engine
from errors import UsageError
from ingest.names import printable
from rag.types import ABSTAIN, ANSWER_LANGUAGES, LENGTHS, TONES
from settings import Profile, Settings
from ui import render, voice
from ui.frame import model_name
from ui.save import Changes, save_settings
from ui.texts import Texts

KEY = "profile"
OPTIONS = ("k", "abstain", *voice.KEYS)  # of the page Ask, which begin with what the profile sets


def draw_choice(settings: Settings, texts: Texts) -> None:
    """For the questions asked next. Nothing while there are no profiles."""
    if settings.profiles:
        names = ["", *settings.profiles]
        st.selectbox(
            texts.profile, names, names.index(settings.answer.profile),
            format_func=lambda name: printable(name) or texts.profile_none, key=KEY, label_visibility="collapsed",
            width=220, on_change=_begin_with_the_profile_s,
        )  # fmt: skip


def chosen(settings: Settings) -> str | None:
    """The profile of the next question: '' for none, None while there are none to choose from."""
    if not settings.profiles:
        return None
    name: str = st.session_state.get(KEY, settings.answer.profile)
    return name if name in settings.profiles else ""


def _begin_with_the_profile_s() -> None:
    for key in OPTIONS:
        st.session_state.pop(key, None)


# Settings


def draw_settings(engine: Engine, settings: Settings, texts: Texts) -> None:
    lead = render.span("lead", texts.profiles_lead)
    st.html(render.block("section", render.span("h", texts.profiles), lead))
    models = [model.name for model in engine.models() if not model.ranks]
    if settings.profiles:
        _draw_uses(settings, texts)
    for number, (name, profile) in enumerate(settings.profiles.items()):
        with st.expander(render.label(name), icon=":material/tune:"):
            _draw_form(f"profile-{number}", settings, name, profile, models, texts)
    with st.expander(texts.profile_new, icon=":material/add:"):
        _draw_form("profile-new", settings, "", Profile(), models, texts)
    if said := st.session_state.pop("profiles-saved", ""):
        st.success(said, icon=":material/check_circle:")


def _draw_uses(settings: Settings, texts: Texts) -> None:
    """Which one answers by itself, and which one is offered below an answer."""
    names = ["", *settings.profiles]
    with st.form("profile-uses", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        uses = {
            use: st.selectbox(
                label, names, names.index(getattr(settings.answer, use)),
                format_func=lambda name: printable(name) or texts.profile_none, key=f"profile-use-{use}", help=tip,
            )
            for use, label, tip in (
                ("profile", texts.profile_default, None), ("deeper", texts.profile_deeper, texts.profile_deeper_help),
            )
        }  # fmt: skip
        if st.form_submit_button(texts.settings_save, icon=":material/check:"):
            _save(settings, {"answer": {use: name or None for use, name in uses.items()}}, texts.settings_saved)


def _draw_form(key: str, settings: Settings, name: str, profile: Profile, models: Sequence[str], texts: Texts) -> None:
    with st.form(key, border=False):
        written = name or st.text_input(texts.profile_name, max_chars=40, key=f"{key}-name", placeholder="deep")
        values = _fields(key, profile, models, texts)
        with st.container(horizontal=True):
            saved = st.form_submit_button(texts.settings_save, type="primary", icon=":material/check:")
            deleted = bool(name) and st.form_submit_button(texts.profile_delete, icon=":material/delete:")
    if saved:
        if not name and written.strip() in settings.profiles:
            raise UsageError(texts.profile_known.format(name=written.strip()))
        sets = {field: value for field, value in (profile.chosen | values).items() if value not in (None, "")}
        _save(settings, {"profiles": {written.strip(): sets}}, texts.profile_saved.format(name=render.label(written)))
    elif deleted:
        uses = {use: None for use in ("profile", "deeper") if getattr(settings.answer, use) == name}
        gone: Changes = {"profiles": {name: None}, **({"answer": uses} if uses else {})}
        _save(settings, gone, texts.profile_deleted.format(name=render.label(name)))


def _fields(key: str, profile: Profile, models: Sequence[str], texts: Texts) -> dict[str, Any]:
    """What the fields say; an empty one is None or ''."""
    known = [*models, *([profile.model] if profile.model and profile.model not in models else [])]
    values: dict[str, Any] = {}

    def choose(place: Any, field: str, label: str, options: Sequence[str], names: dict[str, str]) -> None:
        """An empty one, which stands first, can be chosen again."""
        held, named = getattr(profile, field) or "", {"": texts.profile_as_set, **names}
        values[field] = place.selectbox(
            label, ["", *options], ["", *options].index(held), key=f"{key}-{field}",
            format_func=lambda option: named.get(option, printable(option)),
        )  # fmt: skip

    def number(place: Any, field: str, label: str, least: float, most: float, step: float) -> None:
        held = getattr(profile, field)
        values[field] = place.number_input(
            label, least, most, held, step, key=f"{key}-{field}", placeholder=texts.profile_as_set
        )

    left, right = st.columns(2)
    choose(left, "model", texts.models_list, known, {name: model_name(name, texts) for name in known})
    choose(right, "abstain", texts.ask_abstain, ABSTAIN,
           {"strict": texts.ask_strict, "balanced": texts.ask_balanced, "helpful": texts.ask_helpful})  # fmt: skip
    number(left, "k", texts.ask_k, 1, 200, 1)
    number(right, "max_tokens", texts.settings_max_tokens, 1, 32768, 1)
    number(left, "temperature", texts.settings_temperature, 0.0, 2.0, 0.1)
    number(right, "context", texts.settings_context, 256, 1048576, 1)
    values["persona"] = st.text_input(
        texts.settings_persona, profile.persona or "", max_chars=500, placeholder=texts.profile_as_set,
        key=f"{key}-persona",
    ).strip()  # fmt: skip
    names = voice.names(texts)
    columns = st.columns(3)
    choose(columns[0], "tone", texts.voice_tone, TONES, names)
    choose(columns[1], "length", texts.voice_length, LENGTHS, names)
    choose(columns[2], "language", texts.voice_language, ANSWER_LANGUAGES, names)
    return values


def _save(settings: Settings, changes: Changes, said: str) -> None:
    save_settings(settings, changes)
    for key in (KEY, *OPTIONS):  # the Ask page takes the new ones
        st.session_state.pop(key, None)
    for key in [key for key in st.session_state if str(key).startswith("profile-new-")]:
        del st.session_state[key]
    st.session_state["profiles-saved"] = said
    st.rerun()
