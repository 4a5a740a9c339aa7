"""Which template a model needs, and filling it with a question and as many passages as fit.

The templates are data: prompts/README.md says how they are written. What documents say goes in as quoted data: every
text that could end a turn, open one or close a quotation is taken out of it, and the tags around it carry a mark that
no document can know.
"""

import hashlib
import re
import secrets
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from string import Template
from typing import Literal, TypeVar

from errors import ModelError
from models.types import EXTRACTIVE, ModelInfo
from rag.template import OWN, PLAIN, ChatTemplate, check_holes, choose_template, load_family
from rag.types import ABSTENTION, Example, Hit, Language, Voice
from rag.voice import Manner, example_turn, examples_for, length_words, task_length_words, wishes

CHAT = "chat"  # of a server that writes the turns itself
MARK_BYTES = 3

# A passage's own tags, whatever mark they carry, and numbers in brackets that would read as citations of ours.
DELIMITER = re.compile(r"<\s*(?:/\s*)?passage(?:[^<>\n]{0,40}>)?", re.IGNORECASE)
# What may be a special token of a model that does not tell which it has.
LIKE_A_TOKEN = r"<\|/?[\w-]{1,40}\|>|<｜[^｜<>\n]{1,40}｜>"
BRACKETED_NUMBERS = re.compile(r"\[(\d[\d\s,;–-]*)\]")


@dataclass(frozen=True, slots=True)
class Message:
    """A turn of a prompt, without the marks that a family of models puts around it."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a generator is given. `hits` are the passages it holds: the first is [1] in the text, and so on. `messages`
    say the same as `text`, for a model whose turns another program writes."""

    question: str
    language: Language
    hits: tuple[Hit, ...]
    text: str
    stop: tuple[str, ...]
    family: str
    messages: tuple[Message, ...] = ()


def fill_prompt(
    question: str,
    hits: Sequence[Hit],
    info: ModelInfo,
    language: Language,
    count_tokens: Callable[[str], int],
    context: int,
    max_tokens: int,
    arrange: Callable[[Sequence[Hit]], Sequence[Hit]] = tuple,
    manner: Manner = Manner(),
) -> Prompt:
    """The prompt for `question` with the best of `hits` (best first), as many as leave `max_tokens` for the answer,
    in the order that `arrange` gives them. `language` is that of the answer, `manner` how it is to be written.

    The first hits that fit together are taken, then each other one that still fits: none that is left out would.
    Examples of answers get what room is left, as turns before the passages, the one most like the question last.
    `count_tokens` counts the model's own tokens of a whole prompt; `context` is how many it takes, answer included.
    Raises ModelError if not one passage fits, ValueError if there is none.
    """
    if not hits:
        raise ValueError("a prompt needs a passage")
    template = choose_template(info)
    budget = min(context, info.context or context) - max_tokens
    asked = strip_marks(question, template, info)
    told = {hit.passage.id: _told(hit, template, info) for hit in hits}

    def say(chosen: Sequence[Hit], shown: Sequence[Example] = (), as_documents: bool = False) -> tuple[Message, ...]:
        said = wishes(manner, chosen, language, with_examples=bool(shown), with_length=template.base)
        task = "answer-documents" if as_documents else "answer-plain" if template.base else "answer"
        instruction = [_rules(task, manner.voice, language), strip_marks(said, template, info)]
        turns = [strip_marks(text, template, info) for one in reversed(shown) for text in example_turn(one, language)]
        passages = _numbered(["\n".join(told[hit.passage.id]) for hit in arrange(chosen)], passage_mark())
        user = asked if as_documents else _fill_task("question", language, passages=passages, question=asked)
        return _messages("\n\n".join(filter(None, instruction)), *turns, user)

    def write(chosen: Sequence[Hit], shown: Sequence[Example] = ()) -> str:
        if not template.document:
            return _rendered(template, info, say(chosen, shown))
        documents = [told[hit.passage.id] for hit in arrange(chosen)]
        return _rendered(template, info, say(chosen, shown, as_documents=True), documents)

    def fits(chosen: Sequence[Hit], shown: Sequence[Example] = ()) -> bool:
        return count_tokens(write(chosen, shown)) <= budget

    chosen = _fitting(hits, fits)
    if not chosen:
        raise ModelError(
            f"Not one passage fits: the prompt may have {budget} tokens"
            f" (a context of {budget + max_tokens} less {max_tokens} for the answer).",
            hint="Raise generate.context or lower generate.max_tokens in cita.toml, or choose another model.",
        )
    examples = examples_for(manner.examples(question), question, language)
    shown = _fitting(examples, lambda some: fits(chosen, some))
    text, messages = write(chosen, shown), say(chosen, shown)
    return Prompt(question, language, tuple(arrange(chosen)), text, template.stop, template.family, messages)


def fill_task(task: str, language: Language, info: ModelInfo, **values: str) -> Prompt:
    """The prompt of a task without passages: prompts/tasks/`task`.LANGUAGE.txt is the instruction and
    `task`-given.LANGUAGE.txt, with `values` in its holes, what it is about."""
    template = choose_template(info)
    given = {name: strip_marks(value, template, info) for name, value in values.items()}
    messages = _messages(_fill_task(task, language), _fill_task(f"{task}-given", language, **given))
    return _prompt(values.get("question", ""), language, (), template, info, messages)


def fill_passages(
    task: str,
    language: Language,
    info: ModelInfo,
    hits: Sequence[Hit],
    notes: Sequence[str] = (),
    voice: Voice = Voice(),
    folders_of: Sequence[Hit] = (),
    **values: str,
) -> Prompt:
    """The prompt of a task that is done from all of `hits`, in their order, as fill_task() has it: their passages go
    into the hole $passages of `task`-given, or in their place the `notes`, one for each hit. Nothing is counted.

    `voice` is how it is to be written, in `language`; its instructions are those for the folders of the hits, or of
    `folders_of`.
    """
    template = choose_template(info)
    notes = [BRACKETED_NUMBERS.sub(r"(\1)", strip_marks(note, template, info)) for note in notes]
    told = notes or [_quoted(hit, template, info) for hit in hits]
    given = {name: strip_marks(value, template, info) for name, value in values.items()}
    length = task_length_words(voice, task, language)
    rules = _fill_task(task, language, abstention=ABSTENTION[language], mark=passage_mark(), length=length)
    said = strip_marks(wishes(Manner(voice), folders_of or hits, language), template, info)
    user = _fill_task(f"{task}-given", language, passages=_numbered(told, passage_mark()), **given)
    messages = _messages("\n\n".join(filter(None, (rules, said))), user)
    return _prompt("", language, hits, template, info, messages)


def task_of(question: str, hits: Sequence[Hit], language: Language) -> tuple[str, str]:
    """What a model is told and asked when it answers `question` from all of `hits`, in their order, without the marks
    of its turns: the instruction, and the passages with the question. It is the same each time: the mark of its
    passages comes from the question, another for each, so that who learns from many learns none by heart."""
    template = load_family(PLAIN)
    mark = hashlib.sha256(question.encode("utf-8", "replace")).hexdigest()[: 2 * MARK_BYTES]
    system = _rules("answer", Voice(), language, mark)
    passages = _numbered([_quoted(hit, template, EXTRACTIVE) for hit in hits], mark)
    asked = strip_marks(question, template, EXTRACTIVE)
    return system, _fill_task("question", language, passages=passages, question=asked)


@cache
def passage_mark() -> str:
    """The mark in the tags around each passage. Documents were written before it was drawn, so none can write the tag
    that ends its quotation.

    It is drawn once for a process, never from the settings' seed, which a document may guess; not for each prompt,
    since a question that follows up has to begin like the one before it for the model not to read it all again.
    """
    return secrets.token_hex(MARK_BYTES)


def _numbered(texts: Sequence[str], mark: str) -> str:
    """The passages' texts as they stand in a prompt."""
    passages = (f"<passage {mark}>\n[{n}] {text}\n</passage {mark}>" for n, text in enumerate(texts, start=1))
    return "\n\n".join(passages)


def _rules(task: str, voice: Voice, language: Language, mark: str = "") -> str:
    """The instruction for an answer, as prompts/tasks/`task` has it."""
    holes = {"abstention": ABSTENTION[language]}
    if task != "answer-documents":  # its family sets the passages apart by itself
        holes["mark"] = mark or passage_mark()
    if task != "answer-plain":
        holes["length"] = length_words(voice, language)
    return _fill_task(task, language, **holes)


def _prompt(
    question: str,
    language: Language,
    hits: Sequence[Hit],
    template: ChatTemplate,
    info: ModelInfo,
    messages: tuple[Message, ...],
) -> Prompt:
    text = _rendered(template, info, messages)
    return Prompt(question, language, tuple(hits), text, template.stop, template.family, messages)


def _messages(system: str, *turns: str) -> tuple[Message, ...]:
    """`turns` are user, assistant, user ... in turn."""
    said = (Message("assistant" if number % 2 else "user", turn) for number, turn in enumerate(turns))
    return (Message("system", system), *said)


def _rendered(
    template: ChatTemplate, info: ModelInfo, messages: Sequence[Message], documents: Sequence[tuple[str, str]] = ()
) -> str:
    begins = template.bos or (template.family != OWN and "bos_token" in info.chat_template)
    system, *turns = (message.text for message in messages)
    return (info.bos_token if begins else "") + template.render(system, turns, info.eos_token or "</s>", documents)


T = TypeVar("T")


def _fitting(candidates: Sequence[T], fit: Callable[[Sequence[T]], bool]) -> list[T]:
    """As many of the first as fit together, then each other one that still fits."""
    first = bisect_right(range(1, len(candidates) + 1), False, key=lambda count: not fit(candidates[:count]))
    chosen = list(candidates[:first])
    for one in candidates[first + 1 :]:
        if fit([*chosen, one]):
            chosen.append(one)
    return chosen


def strip_marks(text: str, template: ChatTemplate, info: ModelInfo) -> str:
    """`text` without any of the model's marks and special tokens, our delimiters and characters that do not show."""
    visible = "".join(_visible(char) for char in text)
    marks = _marks_pattern(template.marks, info.special_tokens, LIKE_A_TOKEN if template.family == CHAT else "(?!)")
    while (stripped := DELIMITER.sub("", marks.sub("", visible))) != visible:  # what is left may join to a new mark
        visible = stripped
    return visible


def _visible(char: str) -> str:
    if char in "\n\t":
        return char
    return {"Cc": " ", "Cf": "", "Cs": ""}.get(unicodedata.category(char), char)


@lru_cache(maxsize=8)
def _marks_pattern(marks: tuple[str, ...], special_tokens: tuple[str, ...], also: str) -> re.Pattern[str]:
    found = {mark for mark in (*marks, *special_tokens) if len(mark.strip()) > 1}
    return re.compile("|".join([*(re.escape(mark) for mark in sorted(found, key=len, reverse=True)), also]))


def _told(hit: Hit, template: ChatTemplate, info: ModelInfo) -> tuple[str, str]:
    """Where a passage is from, and its text, as they may stand in a prompt."""
    passage = hit.passage
    origin = ", ".join(filter(None, (passage.path, hit.title, _pages(passage.page, passage.page_to), passage.section)))
    origin = " ".join(strip_marks(origin, template, info).split())
    return origin, BRACKETED_NUMBERS.sub(r"(\1)", strip_marks(passage.text, template, info))


def _quoted(hit: Hit, template: ChatTemplate, info: ModelInfo) -> str:
    return "\n".join(_told(hit, template, info))


def _pages(first: int | None, last: int | None) -> str:
    if first is None:
        return ""
    return f"p. {first}" if last in (None, first) else f"p. {first}-{last}"


def _fill_task(name: str, language: Language, **values: str) -> str:
    """prompts/tasks/`name`.`language`.txt with its holes filled; a name too few or too many is a ModelError."""
    file = resources.files("prompts") / "tasks" / f"{name}.{language}.txt"
    text = file.read_text("utf-8").strip()
    check_holes(file.name, text, set(values))
    return Template(text).substitute(values)
