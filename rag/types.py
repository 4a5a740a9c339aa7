"""What answering passes from step to step. Plain values; nothing heavy is imported here."""

from dataclasses import dataclass
from typing import Literal

from ingest.types import Passage

Language = Literal["en", "es"]

# The one sentence an answer is when the documents do not hold it. Prompt, code, page and tests use these.
ABSTENTION: dict[Language, str] = {
    "en": "Your documents don't say.",
    "es": "Tus documentos no lo dicen.",
}


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found for a question. Higher scores are better; they compare within one search only. `copies` are
    passages elsewhere that say the same, in the order in which they would have been found."""

    rank: int
    score: float
    passage: Passage
    title: str = ""
    copies: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchResult:
    question: str
    hits: tuple[Hit, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Citation:
    """The evidence for a claim: `quote` is characters `start` to `end` of the passage `id`'s text. `confidence` (0 to
    1) is text recognition's; None where the passage was not recognised from a picture."""

    n: int
    id: str
    source: str
    page: int | None
    section: str
    quote: str
    start: int
    end: int
    supported: bool
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class AnswerSentence:
    text: str
    citations: tuple[int, ...]
    supported: bool


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds since the question was asked; `retrieve` is how long retrieval took."""

    retrieve: float
    first_token: float | None
    total: float


@dataclass(frozen=True, slots=True)
class Answer:
    """`answer` carries its citations as [n]. `invented` counts citation numbers the draft made up (dropped)."""

    question: str
    answer: str
    abstained: bool
    citations: tuple[Citation, ...]
    sentences: tuple[AnswerSentence, ...]
    model: str
    timings: Timings
    invented: int = 0
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Retrieved:
    hits: tuple[Hit, ...]
    seconds: float
    event: Literal["retrieved"] = "retrieved"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the draft, as it is written; empty now and then while there is nothing to show yet."""

    text: str
    event: Literal["token"] = "token"


@dataclass(frozen=True, slots=True)
class Completed:
    answer: Answer
    event: Literal["completed"] = "completed"


Event = Retrieved | Token | Completed
