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
class Match:
    """A word of the question in a passage: characters `start` to `end` of its text."""

    word: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a passage stands where it does.

    `lexical_rank` and `dense_rank` count from 1 among what full-text search and the embedder found; None: not among
    the best of that side. `lexical` is BM25 over the most it could have given, `cosine` that of question and passage,
    `fused` both together, by which it was in the place `fused_rank`; `features` are what reranking added to that, by
    name (none: it was not reranked).
    """

    lexical_rank: int | None
    dense_rank: int | None
    fused_rank: int
    lexical: float
    cosine: float
    fused: float
    features: dict[str, float]
    matches: tuple[Match, ...]

    @property
    def score(self) -> float:
        return self.fused + sum(self.features.values())


@dataclass(frozen=True, slots=True)
class Dropped:
    """A candidate that is no hit: it says the same as the hit with the id `of` ('duplicate'), others were better
    ('beyond'), or only the filters kept it out ('filtered')."""

    passage: Passage
    reason: Literal["duplicate", "beyond", "filtered"]
    explanation: Explanation
    of: str = ""


@dataclass(frozen=True, slots=True)
class QuestionTerm:
    """A word of a question as full-text search knows it: how many passages have it, and what it weighs (idf)."""

    word: str
    passages: int
    weight: float


@dataclass(frozen=True, slots=True)
class CandidateScores:
    """As in Explanation; `score` is the one that it was ranked by in the end."""

    lexical: float
    cosine: float
    score: float
    is_hit: bool


@dataclass(frozen=True, slots=True)
class SearchExplanation:
    """What a search went through: the question's words, the best of the candidates that are no hits, the scores of all
    candidates, best first, and seconds by step."""

    terms: tuple[QuestionTerm, ...]
    dropped: tuple[Dropped, ...]
    candidates: tuple[CandidateScores, ...]
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found for a question. Higher scores are better; they compare within one search only. `copies` are
    passages elsewhere that say the same, in the order in which they would have been found."""

    rank: int
    score: float
    passage: Passage
    title: str = ""
    copies: tuple[Passage, ...] = ()
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of a conversation and what was answered."""

    question: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class SearchResult:
    question: str
    hits: tuple[Hit, ...]
    seconds: float
    explanation: SearchExplanation | None = None


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
    """`understood` is the question made to stand alone, where it leaned on its conversation; else ''."""

    hits: tuple[Hit, ...]
    seconds: float
    understood: str = ""
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
