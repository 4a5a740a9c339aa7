"""Which template a model needs, and filling it with a question and as many passages as fit.

The templates are data: prompts/README.md says how they are written. What documents say goes in as quoted data: every
text that could end a turn, open one or close a quotation is taken out of it, and the tags around it carry a mark that
no document can know.
"""

import hashlib
import re
import secrets
import tomllib
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from string import Template
from typing import Any, TypeVar

from errors import ModelError
from models.types import EXTRACTIVE, ModelInfo
from rag.types import ABSTENTION, Example, Hit, Language, Voice
from rag.voice import Manner, example_turn, examples_for, length_words, task_length_words, wishes

PLAIN = "plain"
MARK_BYTES = 3

# A passage's own tags, whatever mark they carry, and numbers in brackets that would read as citations of ours.
DELIMITER = re.compile(r"<\s*(?:/\s*)?passage(?:[^<>\n]{0,40}>)?", re.IGNORECASE)
BRACKETED_NUMBERS = re.compile(r"\[(\d[\d\s,;–-]*)\]")

_HOLES = {"first": {"system", "user"}, "user": {"user"}, "assistant": {"assistant"}, "generation": set[str]()}


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """How one family of models writes its turns; the fields are those of prompts/families/NAME.toml."""

    family: str
    first: str
    user: str
    assistant: str
    generation: str
    bos: bool
    stop: tuple[str, ...]
    marks: tuple[str, ...]

    def render(self, system: str, turns: Sequence[str], eos: str = "") -> str:
        """The prompt for the answer to the last of `turns`, which are user, assistant, user ... in turn."""
        text = Template(self.first).substitute(system=system, user=turns[0], eos=eos)
        for number, turn in enumerate(turns[1:]):
            form = self.user if number % 2 else self.assistant
            text += Template(form).substitute(user=turn, assistant=turn, eos=eos)
        return text + self.generation


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a generator is given. `hits` are the passages it holds: the first is [1] in the text, and so on."""

    question: str
    language: Language
    hits: tuple[Hit, ...]
    text: str
    stop: tuple[str, ...]
    family: str


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
    quoted = {hit.passage.id: _quoted(hit, template, info) for hit in hits}

    def render(chosen: Sequence[Hit], shown: Sequence[Example] = ()) -> str:
        said = wishes(manner, chosen, language, with_examples=bool(shown), with_length=template.family == PLAIN)
        instruction = [_rules(template.family, manner.voice, language), strip_marks(said, template, info)]
        turns = [strip_marks(text, template, info) for one in reversed(shown) for text in example_turn(one, language)]
        passages = _numbered([quoted[hit.passage.id] for hit in arrange(chosen)], passage_mark())
        user = _fill_task("question", language, passages=passages, question=asked)
        return _rendered(template, info, "\n\n".join(filter(None, instruction)), *turns, user)

    chosen = _fitting(hits, lambda some: count_tokens(render(some)) <= budget)
    if not chosen:
        raise ModelError(
            f"Not one passage fits: the prompt may have {budget} tokens"
            f" (a context of {budget + max_tokens} less {max_tokens} for the answer).",
            hint="Raise generate.context or lower generate.max_tokens in cita.toml, or choose another model.",
        )
    examples = examples_for(manner.examples(question), question, language)
    shown = _fitting(examples, lambda some: count_tokens(render(chosen, some)) <= budget)
    return Prompt(question, language, tuple(arrange(chosen)), render(chosen, shown), template.stop, template.family)


def fill_task(task: str, language: Language, info: ModelInfo, **values: str) -> Prompt:
    """The prompt of a task without passages: prompts/tasks/`task`.LANGUAGE.txt is the instruction and
    `task`-given.LANGUAGE.txt, with `values` in its holes, what it is about."""
    template = choose_template(info)
    given = {name: strip_marks(value, template, info) for name, value in values.items()}
    text = _rendered(template, info, _fill_task(task, language), _fill_task(f"{task}-given", language, **given))
    return Prompt(values.get("question", ""), language, (), text, template.stop, template.family)


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
    text = _rendered(template, info, "\n\n".join(filter(None, (rules, said))), user)
    return Prompt("", language, tuple(hits), text, template.stop, template.family)


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


def _rules(family: str, voice: Voice, language: Language, mark: str = "") -> str:
    """The instruction for an answer, as models of that family understand it."""
    holes = {"abstention": ABSTENTION[language], "mark": mark or passage_mark()}
    if family == PLAIN:
        return _fill_task("answer-plain", language, **holes)
    return _fill_task("answer", language, **holes, length=length_words(voice, language))


def _rendered(template: ChatTemplate, info: ModelInfo, system: str, *turns: str) -> str:
    bos = info.bos_token if template.bos or "bos_token" in info.chat_template else ""
    return bos + template.render(system, turns, info.eos_token or "</s>")


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
    marks = _marks_pattern(template.marks, info.special_tokens)
    while (stripped := DELIMITER.sub("", marks.sub("", visible))) != visible:  # what is left may join to a new mark
        visible = stripped
    return visible


def _visible(char: str) -> str:
    if char in "\n\t":
        return char
    return {"Cc": " ", "Cf": "", "Cs": ""}.get(unicodedata.category(char), char)


@lru_cache(maxsize=8)
def _marks_pattern(marks: tuple[str, ...], special_tokens: tuple[str, ...]) -> re.Pattern[str]:
    found = {mark for mark in (*marks, *special_tokens) if len(mark.strip()) > 1}
    return re.compile("|".join(re.escape(mark) for mark in sorted(found, key=len, reverse=True)) or r"(?!)")


def _quoted(hit: Hit, template: ChatTemplate, info: ModelInfo) -> str:
    passage = hit.passage
    origin = ", ".join(filter(None, (passage.path, hit.title, _pages(passage.page, passage.page_to), passage.section)))
    origin = " ".join(strip_marks(origin, template, info).split())
    text = BRACKETED_NUMBERS.sub(r"(\1)", strip_marks(passage.text, template, info))
    return f"{origin}\n{text}"


def _pages(first: int | None, last: int | None) -> str:
    if first is None:
        return ""
    return f"p. {first}" if last in (None, first) else f"p. {first}-{last}"


# ---------------------------------------------------------------------------------------- the choice of a template

Condition = Callable[[ModelInfo], bool]


def _says(*texts: str) -> Condition:
    return lambda info: all(text in info.chat_template for text in texts)


def _matches(pattern: str) -> Condition:
    return lambda info: re.search(pattern, info.chat_template) is not None


def _opens_thinking(info: ModelInfo) -> bool:
    """The template puts <think>, open or closed, before the answer (Qwen3, SmolLM3, Granite 4.2)."""
    before_answer = info.chat_template.rpartition("add_generation_prompt")[2]
    return "<|im_start|>" in info.chat_template and "<think>" in before_answer


def _untold(*tokens: str, ends_in: str = "", architecture: str = "") -> Condition:
    """No chat template, but a vocabulary (and end of turn: base models have the tokens too) that leaves no doubt."""
    return lambda info: (
        not info.chat_template
        and set(tokens) <= set(info.special_tokens)
        and ends_in in ("", info.eos_token)
        and architecture in ("", info.architecture)
    )


# The first that holds wins. Why llama.cpp's own detection is not used: it takes Zephyr for GLM-Edge, Mistral Small 3
# for Mistral v7, the thinkers for plain ChatML, and does not know Gemma 4.
RULES: tuple[tuple[Condition, str], ...] = (
    (_says("<|start|>", "<|channel|>"), "gpt-oss"),
    (_says("<|turn>"), "gemma4"),
    (_says("<start_of_turn>"), "gemma"),
    (_says("<|START_OF_TURN_TOKEN|>", "<|USER_TOKEN|>"), "command-r"),
    (_says("<|start_of_role|>"), "granite"),
    (_says("<|im_start|>", "<|im_sep|>"), "phi4"),
    (_opens_thinking, "chatml-no-think"),
    (_matches(r"(?s)^(?!.*<end_of_utterance>).*<\|im_start\|>"), "chatml"),
    (_says("<|start_header_id|>", "<|end_header_id|>"), "llama3"),
    (_says("<｜Assistant｜>", "think>"), "deepseek-r1"),
    (_says("<｜Assistant｜>"), "deepseek-v3"),
    (_says("<|assistant|>", "<|end|>"), "phi3"),
    (_matches(r"<\|user\|>[^}]*(eos_token|</s>|<\|endoftext\|>)"), "zephyr"),
    (_says("<|user|>", "<|assistant|>"), "falcon3"),
    (_says("[SYSTEM_PROMPT] "), "mistral-v7"),
    (_says("[SYSTEM_PROMPT]"), "mistral-v7-tekken"),
    (_says("[INST]", "<<SYS>>"), "llama2"),
    (_matches(r"\[INST\][\"']"), "mistral-v3-tekken"),
    (_says("[INST]", " [/INST]"), "mistral-v1"),
    (_says("[INST]"), "mistral-v3"),
    (_says("USER:", "ASSISTANT:"), "vicuna"),
    (_says("### Instruction:", "### Response:"), "alpaca"),
    (_says("Instruct:", "Output:"), "phi2"),
    (_says("User:", "Assistant:"), "falcon"),
    (_untold("<|im_start|>", "<|im_sep|>", ends_in="<|im_end|>"), "phi4"),
    (_untold("<|im_start|>", ends_in="<|im_end|>"), "chatml"),
    (_untold("<|start_header_id|>", ends_in="<|eot_id|>"), "llama3"),
    (_untold("<start_of_turn>", ends_in="<end_of_turn>"), "gemma"),
    (_untold("<|turn>", ends_in="<turn|>"), "gemma4"),
    (_untold("<|assistant|>", ends_in="<|end|>"), "phi3"),
    (_untold("<|START_OF_TURN_TOKEN|>", ends_in="<|END_OF_TURN_TOKEN|>"), "command-r"),
    (_untold("<|channel|>", ends_in="<|return|>"), "gpt-oss"),
    (_untold(architecture="phi2"), "phi2"),
    (_untold(architecture="falcon"), "falcon"),
)


def choose_template(info: ModelInfo) -> ChatTemplate:
    """The template that the model's metadata asks for; `plain` where it does not say."""
    chosen = _selector().get_prompt(info)
    return load_family(chosen.metadata["family"])


@cache
def _selector() -> Any:
    from langchain_classic.chains.prompt_selector import ConditionalPromptSelector
    from langchain_core.prompts import PromptTemplate

    def prompt(family: str) -> PromptTemplate:
        template = load_family(family)
        text = Template(template.first).substitute(system="{system}", user="{user}", eos="{eos}") + template.generation
        return PromptTemplate.from_template(text, metadata={"family": family})

    # Its conditions are called with whatever get_prompt is given: here the model's metadata, not a LangChain model.
    conditionals: list[Any] = [(condition, prompt(family)) for condition, family in RULES]
    return ConditionalPromptSelector(default_prompt=prompt(PLAIN), conditionals=conditionals)


# ------------------------------------------------------------------------------------------------ templates as data


@cache
def load_family(name: str) -> ChatTemplate:
    """prompts/families/`name`.toml. Raises ModelError if it lacks a key, or a hole, or has one too many."""
    file = resources.files("prompts") / "families" / f"{name}.toml"
    try:
        data = tomllib.loads(file.read_text("utf-8"))
        template = ChatTemplate(name, **{**data, "stop": tuple(data["stop"]), "marks": tuple(data["marks"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"The family file {file.name!r} cannot be used: {error}.", hint=_SEE) from error
    for part, holes in _HOLES.items():
        _check_holes(f"{part} in {file.name}", getattr(template, part), holes, optional={"eos"})
    return template


def _fill_task(name: str, language: Language, **values: str) -> str:
    """prompts/tasks/`name`.`language`.txt with its holes filled; a name too few or too many is a ModelError."""
    file = resources.files("prompts") / "tasks" / f"{name}.{language}.txt"
    text = file.read_text("utf-8").strip()
    _check_holes(file.name, text, set(values))
    return Template(text).substitute(values)


def _check_holes(where: str, text: str, wanted: set[str], optional: frozenset[str] | set[str] = frozenset()) -> None:
    found = set(Template(text).get_identifiers())
    if missing := wanted - found:
        raise ModelError(f"The prompt {where} lacks the hole ${min(missing)}.", hint=_SEE)
    if unknown := found - wanted - optional:
        raise ModelError(f"The prompt {where} has the hole ${min(unknown)}, which nothing fills.", hint=_SEE)


_SEE = "prompts/README.md says how it is written."
