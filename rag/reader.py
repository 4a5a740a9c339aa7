"""A reader: a small BERT that looks at a question and a few sentences together, and says whether these answer it and
where. Made by training/reader; it shares the vectors of pieces of words with the embedder that comes with the install.

For English and Spanish. A window takes it 8 ms of a core.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from errors import EmbedderError
from ingest.cores import usable_cores
from ingest.embed import BILINGUAL, locate, open_session, read_tokenizer
from ingest.weights import mapped
from rag.windows import windows
from settings import CODE

FOLDER = CODE / "models" / "reader"
TOKENS = 160  # of question and window together, the special ones included
QUESTION_TOKENS = 40  # what is longer is cut
KEPT = 256  # readings: a question is judged several times
_HINT = "Install Cita again."
_PIECES = "embeddings.word_embeddings.weight"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a window says of a question. `answers`: the log-odds that it answers. The rest is by token of the window:
    how much more each is like the answer's first or last one than there being none (log-odds), and its characters."""

    answers: float
    first: NDArray[np.float32]
    last: NDArray[np.float32]
    offsets: Sequence[tuple[int, int]]

    def best(self, start: int, end: int) -> tuple[float, int, int] | None:
        """The log-odds of the likeliest answer within these characters, and its own; None if no token lies within."""
        own = [n for n, (a, b) in enumerate(self.offsets) if start <= a < b <= end]
        if not own:
            return None
        before, after = own[0], own[-1] + 1
        scores = np.maximum.accumulate(self.first[before:after]) + self.last[before:after]
        last = int(scores.argmax())
        first = int(self.first[before : before + last + 1].argmax())
        return float(scores[last]), self.offsets[before + first][0], self.offsets[before + last][1]


@dataclass(frozen=True, slots=True)
class Laid:
    """A question and a window as the reader sees them: the ids of their tokens, `types` 0 for the question and 1 for
    the window, which begins at `start`, and the characters of the window's tokens."""

    ids: Sequence[int]
    types: Sequence[int]
    start: int
    offsets: Sequence[tuple[int, int]]


def lay(tokenizer: Any, question: str, window: str) -> Laid:
    """[CLS] question [SEP] window [SEP], each cut to what there is room for."""
    begin, separator = (tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]"))
    asked = tokenizer.encode(question, add_special_tokens=False).ids[:QUESTION_TOKENS]
    read = tokenizer.encode(window, add_special_tokens=False)
    room = TOKENS - len(asked) - 3
    ids = [begin, *asked, separator, *read.ids[:room], separator]
    start = len(asked) + 2
    return Laid(ids, [0] * start + [1] * (len(ids) - start), start, read.offsets[:room])


@dataclass(frozen=True, slots=True)
class _Model:
    """The vectors of pieces (pieces, D), float16 on the disk; the three heads (3, D) and their bias: of an answer's
    first token, its last, and of there being one."""

    tokenizer: Any
    pieces: NDArray[np.float16]
    heads: NDArray[np.float32]
    bias: NDArray[np.float32]
    session: Any

    @classmethod
    def load(cls, folder: Path) -> "_Model":
        embedder, weights = locate(BILINGUAL), folder / "model.safetensors"
        try:
            pieces = mapped(embedder / "model.safetensors", _PIECES)
            heads, bias = (mapped(weights, f"heads.{name}").astype(np.float32) for name in ("weight", "bias"))
        except (OSError, ValueError, KeyError) as error:
            raise EmbedderError(f"The reader in {str(folder)!r} cannot be read: {error}.", hint=_HINT) from error
        return cls(read_tokenizer(embedder), pieces, heads, bias, open_session(folder / "model_int8.onnx"))


class Reader:
    """Thread-safe; nothing to close. Raises EmbedderError if its files are missing or damaged."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._read = lru_cache(KEPT)(self._read_anew)
        self._loading = threading.Lock()

    def read(self, question: str, texts: Sequence[str]) -> list[Reading]:
        """One for each window; of one that is too long its first tokens are read."""
        with self._loading:
            self._model  # noqa: B018  # loaded once, whichever thread comes first
        return list(self._pool.map(self._read, [question] * len(texts), texts))

    def _read_anew(self, question: str, text: str) -> Reading:
        model, laid = self._model, lay(self._model.tokenizer, question, text)
        embedded = model.pieces[laid.ids].astype(np.float32)[np.newaxis]
        (hidden,) = model.session.run(None, {"embedded": embedded, "types": np.array([laid.types])})  # (1, T, D)
        scores = hidden[0] @ model.heads.T + model.bias  # (T, 3)
        none, own = scores[0], scores[laid.start : -1]
        return Reading(float(none[2]), own[:, 0] - none[0], own[:, 1] - none[1], laid.offsets)

    @cached_property
    def _model(self) -> _Model:
        return _Model.load(self._folder)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(usable_cores(), thread_name_prefix="reader")


READ = 3  # of the passages, the best
MOST = 12.0  # log-odds that a piece gets, either way


@dataclass(frozen=True, slots=True)
class Read:
    """How likely the answer stands in a piece, and that the window around it answers, in log-odds; the likeliest
    answer's characters in the text."""

    odds: float
    answers: float
    start: int
    end: int


def read_pieces(
    reader: Reader, question: str, texts: Sequence[str], places: Sequence[tuple[int, int, int]]
) -> list[Read | None]:
    """What is read in each of the `places` (the number of a text, 1-based, and characters of it), in the window that is
    best for it; None for those in texts further down, or in no window."""
    around = [(n, *window) for n, text in enumerate(texts[:READ], start=1) for window in windows(text)]
    around = [(n, a, b) for n, a, b in around if any(n == m and a <= c and d <= b for m, c, d in places)]
    readings = reader.read(question, [texts[n - 1][a:b] for n, a, b in around])
    found: list[Read | None] = []
    for m, start, end in places:
        held = [
            Read(min(max(best[0], -MOST), MOST), reading.answers, a + best[1], a + best[2])
            for (n, a, b), reading in zip(around, readings, strict=True)
            if n == m and a <= start and end <= b and (best := reading.best(start - a, end - a))
        ]
        found.append(max(held, key=lambda one: one.odds, default=None))
    return found


def read_signs(read: Read | None, *, is_read: bool = True) -> dict[str, float]:
    """What that says for a piece, by name (rag/answer_signs.py); nothing unless the question `is_read`."""
    return {
        "read as the answer": read.odds if read else 0.0,
        "its window answers": read.answers if read else 0.0,
        "not read": float(is_read and read is None),
    }


@lru_cache(maxsize=1)
def shipped_reader() -> Reader:
    """Loaded when it is first asked."""
    return Reader()
