"""How answers are said: what is set for all of them, and what is chosen for the next."""

from typing import Literal

import streamlit as st

from rag.types import ANSWER_LANGUAGES, LENGTHS, TONES, Voice
from settings import Settings
from ui import render
from ui.save import Changes
from ui.texts import Texts

KEYS = ("voice-tone", "voice-length", "voice-language")  # of what is chosen on the Ask page
TASK_KEYS = ("task-tone", "task-length", "task-language")  # and on the page Tasks


def draw_form(settings: Settings, texts: Texts) -> Changes:
    """Within a form; what it says when that is sent. None is an instruction to take away."""
    held = settings.voice
    st.html(
        render.block("section", render.span("h", texts.settings_voice), render.span("lead", texts.settings_voice_lead))
    )
    persona = st.text_input(
        texts.settings_persona, held.persona, max_chars=500, placeholder=texts.settings_persona_example, key="persona"
    )
    tone, length, language = _choices(texts, (held.tone, held.length, held.language), ("tone", "length", "speech"))
    examples = st.number_input(texts.settings_examples, 0, 10, held.examples, key="examples")
    st.html(
        render.block(
            "section",
            render.span("h", texts.settings_instructions),
            render.span("lead", texts.settings_instructions_lead),
        )
    )
    voice = {"persona": persona.strip(), "tone": tone, "length": length, "language": language, "examples": examples}
    return {"voice": voice, "instructions": _instructions(settings, texts)}


def _instructions(settings: Settings, texts: Texts) -> dict[str, str | None]:
    """A line for each folder, and an empty one."""
    wanted: dict[str, str | None] = dict.fromkeys(settings.instructions)
    for number, (folder, instruction) in enumerate([*settings.instructions.items(), ("", "")]):
        narrow, wide = st.columns([1, 3])
        shown: Literal["visible", "collapsed"] = "collapsed" if number else "visible"
        name = narrow.text_input(
            texts.settings_folder, folder, placeholder="contracts/", key=f"folder-{number}", label_visibility=shown
        )
        said = wide.text_input(
            texts.settings_instruction, instruction, max_chars=2000, key=f"instruction-{number}", label_visibility=shown
        )
        if name.strip() and said.strip():
            wanted[name.strip()] = said.strip()
    return wanted


def draw_choice(settings: Settings, texts: Texts, keys: tuple[str, ...] = KEYS) -> None:
    """For the questions asked, or the tasks begun next, beginning with what is set."""
    held = settings.voice
    _choices(texts, (held.tone, held.length, held.language), keys)


def chosen(settings: Settings, keys: tuple[str, ...] = KEYS) -> Voice:
    """What is set, but for what draw_choice() asked with these keys."""
    return settings.voice_of(*(st.session_state.get(key) for key in keys))


def names(texts: Texts) -> dict[str, str]:
    """Of the tones, the lengths and the languages."""
    return {
        "neutral": texts.tone_neutral, "formal": texts.tone_formal, "plain": texts.tone_plain,
        "technical": texts.tone_technical, "friendly": texts.tone_friendly, "short": texts.length_short,
        "middle": texts.length_middle, "long": texts.length_long, "question": texts.voice_language_question,
        "en": "English", "es": "Español",
    }  # fmt: skip


def _choices(texts: Texts, held: tuple[str | None, ...], keys: tuple[str, ...]) -> list[str | None]:
    labels, named = (texts.voice_tone, texts.voice_length, texts.voice_language), names(texts)
    if keys == TASK_KEYS:
        labels = (texts.voice_tone, texts.voice_length, texts.tasks_language)
        named["question"] = texts.tasks_language_documents
    rows = zip(labels, (TONES, LENGTHS, ANSWER_LANGUAGES), held, keys, strict=True)
    return [
        st.segmented_control(
            label, options, default=value, format_func=named.__getitem__, required=True, key=key
        )
        for label, options, value, key in rows
    ]  # fmt: skip
