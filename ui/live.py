"""What models take while they run: a quiet line under an answer that is being written, and a part of the page Models.

Nothing is asked while no model runs.
"""

import time

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine import Engine
from models.live import LoadedModel
from models.runtime import Runtime, free_memory, whole_memory
from rag.types import Event, Thought, Token
from ui import render
from ui.engine import get_engine
from ui.frame import get_texts, size_words
from ui.texts import Texts

SECONDS = 1.0  # between two drawings
LEAST = 5  # tokens, before a speed is told


class LiveLine:
    """Under the answer that is being written: how fast it comes, what its model takes, what is left. The tokens are
    those that arrive here: some come together, so the answer's own count is the exact one."""

    def __init__(self, engine: Engine, place: DeltaGenerator, texts: Texts) -> None:
        self._engine, self._place, self._texts = engine, place, texts
        self._tokens, self._begun, self._last, self._drawn = 0, 0.0, 0.0, time.monotonic()

    def follow(self, event: Event | None) -> None:
        """To be told of every event, and of every moment without one."""
        now = time.monotonic()
        if isinstance(event, Token | Thought):
            self._tokens += 1
            self._begun, self._last = self._begun or now, now
        if now - self._drawn >= SECONDS:
            self._drawn = now
            self._place.html(render.block("live", *self._words()))

    @property
    def tokens_per_second(self) -> float:
        """0 before there are enough to tell."""
        seconds = self._last - self._begun
        return (self._tokens - 1) / seconds if self._tokens >= LEAST and seconds > 0 else 0.0

    def _words(self) -> list[str]:
        texts, speed = self._texts, self.tokens_per_second
        said = [texts.live_speed.format(n=f"{speed:.1f}")] if speed else []
        answering = [model for model in self._engine.loaded_models() if model.answering]
        said += [texts.live_model.format(name=model.name, size=size_words(model.memory)) for model in answering]
        if not said:
            return []
        hint = " ".join(runtime_words(model.runtime, texts) for model in answering if model.runtime)
        said.append(texts.live_free.format(free=size_words(free_memory()), whole=size_words(whole_memory())))
        return [render.span("t", " · ".join(said), hint)]


def runtime_words(runtime: Runtime, texts: Texts) -> str:
    """How a model runs: what was set and what was chosen for this machine."""
    return texts.models_runtime.format(
        threads=runtime.threads, layers=runtime.gpu_layers, context=f"{runtime.context:,}", batch=runtime.batch,
        cache=runtime.cache, flash=texts.on if runtime.flash_attention else texts.off,
    )  # fmt: skip


def draw_loaded(engine: Engine) -> None:
    """The models that are in memory, drawn anew every now and then; nothing, and no more asking, where there are
    none."""
    if engine.loaded_models():
        _follow()


@st.fragment(run_every=2)
def _follow() -> None:
    texts, loaded = get_texts(), get_engine().loaded_models()
    if not loaded:  # the last one has ended
        st.rerun()
    st.html(render.block("label", render.span("t", texts.live_title)))
    free = texts.live_free.format(free=size_words(free_memory()), whole=size_words(whole_memory()))
    st.html(render.facts([*((model.name, _taken(model, texts)) for model in loaded), (texts.live_machine, free)]))


def _taken(model: LoadedModel, texts: Texts) -> str:
    taken = texts.live_takes.format(size=size_words(model.memory))
    return " · ".join(filter(None, (taken, texts.live_answering if model.answering else "")))
