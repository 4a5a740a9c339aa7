"""Settings: the language, what can be set for answers and reading, and where things are."""

import os
from typing import Any

import streamlit as st

from settings import Settings
from ui import profiles, render, voice
from ui.engine import get_engine, get_settings
from ui.frame import get_texts, heading
from ui.save import Changes, save_settings
from ui.texts import Texts
from ui.turns import open_new


def draw() -> None:
    settings, texts = get_settings(), get_texts()
    heading(texts.settings_title, texts.settings_lead)
    _draw_form(settings, texts)
    profiles.draw_settings(get_engine(), settings, texts)
    _draw_forget(texts)
    _draw_facts(settings, texts)


def _draw_form(settings: Settings, texts: Texts) -> None:
    languages = {"auto": texts.settings_language_auto, "en": "English", "es": "Español"}
    with st.form("settings", border=False):
        with st.container(key="card-general"):
            language = st.segmented_control(
                texts.settings_language, list(languages), default=settings.app.language,
                format_func=lambda key: languages[key], required=True, key="language",
            )  # fmt: skip
            history = {"on": st.toggle(texts.settings_history, settings.history.on, help=texts.settings_history_help)}
        with st.container(key="card-answers"):
            st.html(render.block("section", render.span("h", texts.settings_answers)))
            left, right = st.columns(2)
            retrieve = {"k": left.number_input(texts.settings_k, 1, 200, settings.retrieve.k)}
            generate: dict[str, Any] = {
                "temperature": right.number_input(
                    texts.settings_temperature, 0.0, 2.0, settings.generate.temperature, 0.1
                ),
                "max_tokens": left.number_input(texts.settings_max_tokens, 1, 32768, settings.generate.max_tokens),
                "context": right.number_input(texts.settings_context, 256, 1048576, settings.generate.context),
            }
        with st.container(key="card-voice"):
            spoken: Changes = voice.draw_form(settings, texts)
        with st.container(key="card-reading"):
            st.html(render.block("section", render.span("h", texts.settings_reading)))
            left, middle, right = st.columns(3)
            parse = {
                "max_file_mb": left.number_input(texts.settings_max_file, 1, 100_000, settings.parse.max_file_mb),
                "seconds": middle.number_input(texts.settings_seconds, 1.0, 86_400.0, settings.parse.seconds),
                "memory_mb": right.number_input(texts.settings_memory, 512, 1_048_576, settings.parse.memory_mb),
            }
        with st.container(horizontal=True, vertical_alignment="center"):
            saved = st.form_submit_button(texts.settings_save, type="primary", icon=":material/check:")
            st.html(render.block("timing", render.span("t", texts.settings_restart)))
    fixed = _fixed_by_environment()
    if fixed:
        st.caption(texts.settings_fixed.format(names=render.label(", ".join(fixed))))
    if saved:
        wanted: Changes = {
            "app": {"language": language}, "history": history, "retrieve": retrieve, "generate": generate,
            "parse": parse, **spoken,
        }  # fmt: skip
        save_settings(settings, changed(settings, wanted))
        for default in ("k", *voice.KEYS):  # the Ask page takes the new ones
            st.session_state.pop(default, None)
        st.session_state.saved = True
        st.rerun()
    if st.session_state.pop("saved", False):
        st.success(texts.settings_saved, icon=":material/check_circle:")


def changed(settings: Settings, wanted: Changes) -> Changes:
    """The values that differ from those in force, so that cita.toml holds only what was chosen."""
    held = settings.model_dump()
    differing = {
        group: {name: value for name, value in values.items() if value != held[group].get(name)}
        for group, values in wanted.items()
    }
    return {group: values for group, values in differing.items() if values}


def _fixed_by_environment() -> list[str]:
    return sorted(name for name in os.environ if name.startswith("CITA_") and "__" in name)


def _draw_forget(texts: Texts) -> None:
    """Nothing while there is nothing to forget."""
    if get_engine().conversations() or get_engine().comparisons():
        with st.popover(texts.settings_forget, icon=":material/delete_sweep:"):
            if st.button(texts.settings_forget_sure, key="forget", type="primary"):
                get_engine().forget_conversations()
                st.session_state.pop("compared", None)
                open_new()
                st.session_state.forgotten = True
                st.rerun()
    if st.session_state.pop("forgotten", False):
        st.success(texts.settings_forgotten, icon=":material/check_circle:")


def _draw_facts(settings: Settings, texts: Texts) -> None:
    status = get_engine().status()
    st.html(render.block("section", render.span("h", texts.settings_home)))
    if status.healthy:
        st.success(texts.settings_healthy, icon=":material/check_circle:")
    for problem in status.problems:
        st.warning(render.label(problem), icon=":material/warning:")
    st.html(
        render.facts(
            [
                (texts.settings_file, str(settings.file)),
                (texts.settings_library, str(settings.library)),
                (texts.settings_index, str(settings.index)),
                (texts.settings_embedder, status.embedder),
                (texts.settings_version, status.version),
            ]
        )
    )
    with st.expander(texts.settings_all, icon=":material/list:"):
        st.html(render.facts(_flat(settings)))


def _flat(settings: Settings) -> list[tuple[str, str]]:
    groups = settings.model_dump(exclude={"home", "profiles"})
    groups |= {f"profiles.{name}": profile.chosen for name, profile in settings.profiles.items()}
    return [(f"{group}.{name}", str(value)) for group, values in groups.items() for name, value in values.items()]
