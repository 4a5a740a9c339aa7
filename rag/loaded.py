"""The models that are held in memory: lent for an answer, kept for the next, let go of where another needs the room.

A model that is lent is never let go of: what it writes is written to its end. Who wants another meanwhile, and there is
no room for both, waits. Of those that nobody has, the one not used for longest goes first.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from models.fit import Weights, memory_needed
from models.live import LoadedModel, memory_of
from models.runtime import SPARE, Hardware, choose_runtime, free_memory
from models.types import ModelInfo
from rag.generate import LOADING, Generator, LlamaGenerator, Tuned
from settings import Generate

Key = tuple[object, ...]
Open = Callable[[ModelInfo, Generate], Generator]
Fits = Callable[[ModelInfo, Generate, int], bool]


@dataclass
class _Held:
    generator: Generator
    lent: int = 0  # how many have it now


class LoadedModels:
    """At most so many models in memory. Methods may be called from several threads."""

    def __init__(self, most: int, open_generator: Open, fits: "Fits | None" = None) -> None:
        """`fits` says whether one fits into the memory that is free, and into so many bytes of a graphics card."""
        self._most = most
        self._open = open_generator
        self._fits = fits or fits_whole
        self._held: dict[Key, _Held] = {}  # the one not used for longest first
        self._changed = threading.Condition()

    @contextmanager
    def lend(self, info: ModelInfo, settings: Generate) -> Iterator["Loan"]:
        """A loan of the model, which ends with the context."""
        loan = Loan(self, info, settings)
        try:
            yield loan
        finally:
            loan.end()

    def names(self) -> list[str]:
        """Of the models that are held now, the one used last at the end."""
        with self._changed:
            return [held.generator.info.name for held in self._held.values()]

    def live(self) -> list[LoadedModel]:
        """As names(), with what the processes take; one that has no process, or none yet, is left out."""
        with self._changed:
            held = [(one.generator, one.lent) for one in self._held.values()]
        running = [(one, lent) for one, lent in held if isinstance(one, LlamaGenerator) and one.pid]
        found = [LoadedModel(one.info.name, memory_of(one.pid), one.runtime, lent > 0) for one, lent in running]
        return [model for model in found if model.memory]

    def close(self) -> None:
        """Ends all, whatever they are doing."""
        with self._changed:
            for held in self._held.values():
                held.generator.close()
            self._held.clear()
            self._changed.notify_all()

    def _take(self, key: Key, info: ModelInfo, settings: Generate, seconds: float) -> Generator | None:
        """The model, from now on lent once more; None if there was no room for it in so many seconds."""
        until = time.monotonic() + seconds
        with self._changed:
            while not (held := self._found(key, info, settings)):
                left = until - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)
            held.lent += 1
            self._held[key] = self._held.pop(key)
            return held.generator

    def _found(self, key: Key, info: ModelInfo, settings: Generate) -> _Held | None:
        """What is held, or is opened now that there is room."""
        if key not in self._held and self._make_room(info, settings):
            self._held[key] = _Held(self._open(info, settings))
        return self._held.get(key)

    def _make_room(self, info: ModelInfo, settings: Generate) -> bool:
        """Lets go of models that nobody has until there is room for another. With none left there is room: if it does
        not fit then, loading it says so."""
        idle = [key for key, held in self._held.items() if not held.lent]
        freed = 0
        while self._held and not self._has_room(info, settings, freed):
            if not idle:
                return False
            gone = self._held.pop(idle.pop(0)).generator
            freed += _on_card(gone)
            gone.close()
        return True

    def _has_room(self, info: ModelInfo, settings: Generate, freed: int) -> bool:
        """`freed`: bytes of the card that were freed since those who hold models looked."""
        if len(self._held) >= self._most:
            return False
        free = [getattr(held.generator, "card_free", 0) for held in self._held.values()]
        return self._fits(info, settings, min(filter(None, free), default=0) + freed)

    def _give_back(self, key: Key, generator: Generator) -> None:
        with self._changed:
            held = self._held.get(key)
            if held and held.generator is generator:
                held.lent -= 1
                self._changed.notify_all()


class Loan:
    """A model lent for a while. Used by one thread at a time."""

    def __init__(self, models: LoadedModels, info: ModelInfo, settings: Generate) -> None:
        self._models = models
        self._info = info
        self._settings = settings
        self._key = _key(info, settings)
        self._generator: Generator | None = None

    def wait(self, seconds: float) -> Generator | None:
        """The generator; None if there was no room for it in so many seconds: ask again. Raises ModelError if there is
        no way to speak to it."""
        if self._generator is None:
            if self._info.path:
                self._generator = self._models._take(self._key, self._info, self._settings, seconds)
            else:  # it takes no memory here
                self._generator = self._models._open(self._info, self._settings)
        if isinstance(self._generator, LlamaGenerator):
            return Tuned(self._generator, self._info, self._settings)
        return self._generator

    def end(self) -> None:
        generator, self._generator = self._generator, None
        if generator and self._info.path:
            self._models._give_back(self._key, generator)
        elif generator:
            generator.close()


def _key(info: ModelInfo, settings: Generate) -> Key:
    """What is one model in memory: the file, its adapter, and how it is loaded. One of ours writes by any settings."""
    asked: dict[str, Any] = settings.model_dump()
    loading = {name: asked[name] for name in LOADING} if info.is_ours else asked
    return info.path, info.adapter, info.scale, info.protocol, tuple(loading.items())


def fits_whole(info: ModelInfo, settings: Generate, card: int) -> bool:
    """Whether it fits into the memory that is free now, and into `card` bytes of a graphics card where there are any,
    as it runs best: with nothing made smaller and all of it on the card. Raises what reading its header raises."""
    if not info.is_ours:
        return True
    weights = _weights(Path(info.path))
    free = Hardware(1, free_memory(), card, "", amx=False)
    unbound = replace(free, memory=sys.maxsize)
    best = choose_runtime(settings, weights, unbound)
    if card and best.gpu_layers < choose_runtime(settings, weights, replace(unbound, card=sys.maxsize)).gpu_layers:
        return False
    return memory_needed(weights, best).main + SPARE <= free.memory


def _on_card(generator: Generator) -> int:
    """Bytes of a graphics card that a loaded model takes."""
    if not isinstance(generator, LlamaGenerator) or not generator.runtime or not generator.runtime.gpu_layers:
        return 0
    return memory_needed(_weights(Path(generator.info.path)), generator.runtime).card


def _weights(path: Path) -> Weights:
    """Read once until the file changes: who waits for room asks again and again."""
    try:
        known = path.stat()
    except OSError:
        return Weights.read(path)  # which says what is wrong
    return _read_once(path, known.st_size, known.st_mtime_ns)


@lru_cache(maxsize=32)
def _read_once(path: Path, size: int, changed: int) -> Weights:  # noqa: ARG001 - one that changed is read again
    return Weights.read(path)
