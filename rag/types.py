"""What answering passes from step to step. Plain values; nothing heavy is imported here."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ingest.types import Filters, Passage

Language = Literal["en", "es"]
Abstain = Literal["strict", "balanced", "helpful"]  # how sure an answer must be
ABSTAIN: tuple[Abstain, ...] = ("strict", "balanced", "helpful")
Support = Literal["supported", "partly", "unsupported"]
Tone = Literal["neutral", "formal", "plain", "technical", "friendly"]
TONES: tuple[Tone, ...] = ("neutral", "formal", "plain", "technical", "friendly")
Length = Literal["short", "middle", "long"]
LENGTHS: tuple[Length, ...] = ("short", "middle", "long")
AnswerLanguage = Literal["question", "en", "es"]  # that of each question, or always the same
ANSWER_LANGUAGES: tuple[AnswerLanguage, ...] = ("question", "en", "es")

REMEMBERED = 4  # answered questions of a conversation that the next may lean on

# The one sentence an answer is when the documents do not hold it. Prompt, code, page and tests use these.
ABSTENTION: dict[Language, str] = {
    "en": "Your documents don't say.",
    "es": "Tus documentos no lo dicen.",
}


@dataclass(frozen=True, slots=True)
class Voice:
    """How answers are to be said: `persona` is who says them, `instructions` what to heed in passages of a folder, both
    in the user's words. As it is here it changes nothing."""

    persona: str = ""
    tone: Tone = "neutral"
    length: Length = "middle"
    language: AnswerLanguage = "question"
    instructions: Mapping[str, str] = field(default_factory=dict)


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
    candidates, best first, and seconds by step. `queries` are what was searched for beside the question, if anything
    was (rag/rewrite.py): the rest is of the question's own search."""

    terms: tuple[QuestionTerm, ...]
    dropped: tuple[Dropped, ...]
    candidates: tuple[CandidateScores, ...]
    seconds: dict[str, float]
    queries: tuple[str, ...] = ()


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
class Verdict:
    """What a reranker did on a set of `n` questions: MRR@10 without and with it, `p`, how likely a difference that
    large is by chance, and the seconds that it adds to a search (median). It holds for the model at `path` as long as
    that and how it is used have this `fingerprint`, and for this `embedder`. `questions` is the set's fingerprint, `at`
    ISO 8601 in UTC."""

    path: str
    fingerprint: str
    embedder: str
    questions: str
    n: int
    before: float
    after: float
    p: float
    seconds: float
    at: str


# Why a reranker works ('set' by hand, or measured: 'helps') or does not: not measured yet, no gain by more than chance,
# too slow, or the settings name another or none.
RerankerReason = Literal["set", "helps", "unmeasured", "no-gain", "slow", "not-set"]


@dataclass(frozen=True, slots=True)
class RerankerInfo:
    """A reranker that is there; `active`: it works now. `fingerprint` as in Verdict."""

    name: str
    path: str
    active: bool
    reason: RerankerReason
    verdict: Verdict | None = None
    fingerprint: str = ""


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
    1) is text recognition's; None where the passage was not recognised from a picture. `verdict` is whether it carries
    what cites it (of several claims the worst; by itself what `supported` says), `reason` why not, in the question's
    language. `source_hides` as in Passage."""

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
    verdict: Support | None = None
    reason: str = ""
    source_hides: bool = False

    def __post_init__(self) -> None:
        _with_verdict(self)


@dataclass(frozen=True, slots=True)
class AnswerSentence:
    """`supported` is whether the `verdict` on it and what it cites is 'supported'; `reason` says why it is not, in the
    question's language."""

    text: str
    citations: tuple[int, ...]
    supported: bool
    verdict: Support | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        _with_verdict(self)


def _with_verdict(value: Citation | AnswerSentence) -> None:
    if value.verdict is None:
        object.__setattr__(value, "verdict", "supported" if value.supported else "unsupported")


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds since the question was asked; `retrieve` is how long retrieval took."""

    retrieve: float
    first_token: float | None
    total: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What writing an answer took: tokens of the prompt, of which so many were `reused` as they had been read before,
    and tokens `written`; seconds spent `reading` the prompt and `writing`. What the generator does not tell is None.

    `profile` is the one that was asked for ('' for none), `parameters` what the answer ran with, by name."""

    prompt: int | None = None
    reused: int | None = None
    written: int | None = None
    reading: float | None = None
    writing: float | None = None
    profile: str = ""
    parameters: Mapping[str, str | bool | int | float] = field(default_factory=dict)

    @property
    def tokens_per_second(self) -> float | None:
        """How fast it was written; None where that is not known."""
        return self.written / self.writing if self.written and self.writing else None

    @property
    def json(self) -> dict[str, Any]:
        """As the commands and exports write it."""
        return asdict(self) | {"tokens_per_second": self.tokens_per_second}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the values that sources give for the same thing: the numbers of the citations that give it, and the day of
    the youngest of their files (ISO 8601; '' if none is known)."""

    value: str
    citations: tuple[int, ...]
    date: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no answer: `nothing` was found, it is too `unsure` that what was found answers, or the `model` that
    read it says that it does not. `nearest` quotes what comes nearest (numbered from 1, none of it an answer);
    `missing` are words of the question that nothing found has, the rarest first: what to add to the library."""

    reason: Literal["nothing", "unsure", "model"]
    nearest: tuple[Citation, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """`conflict` has the values, two or more, where sources contradict each other; `refusal` is that of an abstention.
    `answer` carries its citations as [n]. `invented` counts citation numbers the draft made up (dropped). `voice` is
    the one that was asked for. `usage` is None of answers that an earlier Cita kept."""

    question: str
    answer: str
    abstained: bool
    citations: tuple[Citation, ...]
    sentences: tuple[AnswerSentence, ...]
    model: str
    timings: Timings
    invented: int = 0
    stopped: bool = False
    conflict: tuple[Side, ...] = ()
    refusal: Refusal | None = None
    voice: Voice = Voice()
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """The first event of an answer that is kept: in which conversation, as which turn of it (from 1)."""

    conversation: str
    turn: int
    event: Literal["recorded"] = "recorded"


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
class Thought:
    """A piece of what a model thinks aloud before its answer. It is no part of the answer; nothing in it is cited."""

    text: str
    event: Literal["thought"] = "thought"


@dataclass(frozen=True, slots=True)
class Completed:
    """`problem` says why the answer could not be kept in its conversation; '' where it is, or was not to be."""

    answer: Answer
    event: Literal["completed"] = "completed"
    problem: str = ""


Event = Recorded | Retrieved | Thought | Token | Completed


# The same question to several

ALIKE = -1  # in the place of a contender, where none is better


@dataclass(frozen=True, slots=True)
class Contender:
    """Who answers the same question as others: a `model` by its name, a `profile`, or both. Then what it said, or the
    `error` and `hint` where it could not."""

    model: str = ""
    profile: str = ""
    answer: Answer | None = None
    error: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A question that was answered by several, one after the other. `better` is the place (from 0) of the one that the
    person found better, ALIKE where none was, None where nothing was said. `id` is '' of one that is not kept, `at` ISO
    8601 in UTC."""

    id: str
    at: str
    question: str
    contenders: tuple[Contender, ...]
    k: int | None = None
    filters: Filters = Filters()
    better: int | None = None


@dataclass(frozen=True, slots=True)
class Contended:
    """An event of the answer of the contender at the place `n`."""

    n: int
    of: Event
    event: Literal["contended"] = "contended"


@dataclass(frozen=True, slots=True)
class ContenderFailed:
    n: int
    error: str
    hint: str = ""
    event: Literal["failed"] = "failed"


@dataclass(frozen=True, slots=True)
class ComparisonFinished:
    """`problem` says why it could not be kept; '' where it is, or was not to be."""

    comparison: Comparison
    problem: str = ""
    event: Literal["finished"] = "finished"


ComparisonEvent = Contended | ContenderFailed | ComparisonFinished


# What is kept

TurnState = Literal["answered", "stopped", "failed"]
Rating = Literal["good", "bad"]
ExportForm = Literal["md", "json", "docx"]
Since = Literal["same", "edited", "changed", "moved", "gone"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A passage as it was when an answer showed it; `sha256` is its file's of then.

    `since` is what became of the file: the `same`; `edited`, and the passage still in it; `changed`, and the passage
    no longer in it; `moved` to the path `now`; `gone`.
    """

    hit: Hit
    sha256: str
    since: Since = "same"
    now: str = ""


@dataclass(frozen=True, slots=True)
class KeptTurn:
    """A question of a conversation and what became of it, as it was shown. `n` counts from 1; `at` is ISO 8601 in UTC.

    `draft` is what was written of an answer that was `stopped`, by whatever; `error` and `hint` are those of one that
    `failed`. `evidence` are the passages that the answer cites, and where it abstained those nearest to the question.
    `reason` says why the person rated it so.
    """

    n: int
    at: str
    question: str
    state: TurnState = "stopped"
    filters: Filters = Filters()
    k: int | None = None
    understood: str = ""
    draft: str = ""
    answer: Answer | None = None
    evidence: tuple[Evidence, ...] = ()
    error: str = ""
    hint: str = ""
    rating: Rating | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Times are ISO 8601 in UTC; `changed_at` is that of the last question."""

    id: str
    title: str
    started_at: str
    changed_at: str
    turns: tuple[KeptTurn, ...] = ()


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """A conversation in a list: so many `turns`, of which `good` and `bad` were rated. `excerpt` is the turn's text
    around the words that were searched for."""

    id: str
    title: str
    started_at: str
    changed_at: str
    turns: int
    good: int = 0
    bad: int = 0
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A question and an answer as it should be: kept from a good one, written or imported. `hits` are the passages that
    [1], [2], ... in the answer stand for; none where it was not kept. `similarity` is that to a question asked."""

    id: str
    question: str
    answer: str
    origin: Literal["kept", "written", "imported"]
    at: str
    hits: tuple[Hit, ...] = ()
    similarity: float | None = None
