"""The part of the page Models that says what this computer can run, what would be faster, and what is wrong."""

import streamlit as st

from models.builds import Build
from models.doctor import Machine, Speed, examine
from models.speed import rate_words
from ui import render
from ui.engine import get_settings
from ui.frame import size_words
from ui.texts import Texts


def draw(texts: Texts) -> None:
    """Looked at when that is asked for: it takes seconds."""
    st.html(render.block("section", render.span("h", texts.doctor_title), render.span("lead", texts.doctor_lead)))
    if st.button(texts.doctor_look, key="doctor-look", icon=":material/troubleshoot:"):
        with st.spinner(texts.doctor_looking):
            st.session_state.machine = examine(get_settings())
    machine: Machine | None = st.session_state.get("machine")
    if machine:
        _draw_machine(machine, texts)


def _draw_machine(machine: Machine, texts: Texts) -> None:
    cards = ", ".join(card.name for card in machine.cards) or texts.doctor_no_card
    free = texts.live_free
    st.html(
        render.facts(
            [
                (texts.doctor_processor, texts.doctor_cores.format(name=machine.processor, n=machine.cores)),
                (texts.doctor_memory, _of(free, machine.memory_available, machine.memory)),
                (texts.doctor_graphics, cards),
                (texts.doctor_disk, texts.doctor_free.format(size=size_words(machine.disk_free))),
                (texts.doctor_speed, _speed(machine.speed, texts)),
                *((build.name, _build(build, texts)) for build in machine.runtimes),
            ]
        )
    )
    st.info(render.label(machine.recommended.why), icon=":material/recommend:")
    for advice in machine.faster:
        gain = f"  \n{render.label(advice.gain)}" if advice.gain else ""
        remedy = f"  \n**{texts.next_step}** {render.label(advice.remedy)}"
        st.info(f"{render.label(advice.reason)}{remedy}{gain}", icon=":material/speed:")
    for problem in machine.problems:
        remedy = f"  \n**{texts.next_step}** {render.label(problem.remedy)}" if problem.remedy else ""
        st.warning(render.label(problem.problem) + remedy, icon=":material/warning:")
    if not machine.problems:
        st.success(texts.doctor_sound, icon=":material/check_circle:")


def _of(words: str, free: int, whole: int) -> str:
    return words.format(free=size_words(free), whole=size_words(whole))


def _build(build: Build, texts: Texts) -> str:
    if build.problem:
        return texts.doctor_not_loading.format(why=build.problem)
    built = " · ".join(filter(None, (", ".join(build.devices), ", ".join(build.features))))
    return f"{build.version}: {built}"


def _speed(speed: Speed, texts: Texts) -> str:
    if not speed.memory:
        return texts.doctor_card_speed
    read = texts.doctor_read.format(n=f"{speed.memory / 1e9:.1f}")
    if speed.tokens_per_second is None:
        return read
    return f"{read} · " + texts.doctor_writes.format(name=speed.model, n=rate_words(speed.tokens_per_second))
