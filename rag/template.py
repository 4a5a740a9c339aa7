"""How a model wants its turns written: which of the ways that are known it needs, and writing them.

The ways are data: a file for each family of models, prompts/families/NAME.toml, and prompts/rules.toml, which says what
in a model's own metadata asks for which. Files in the folder `prompts` of the home go before ours. A model that no rule
knows gets what its own chat template writes, where that can be used (rag/own_template.py), and else the family `plain`.
prompts/README.md says how the files are written.
"""

import json
import logging
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any, Literal

from errors import ModelError
from models.types import ModelInfo
from rag.own_template import Form, learn_form

PLAIN, OWN = "plain", "own template"
SEE = "prompts/README.md says how it is written."
MAX_FAMILY_FILE = 100_000  # bytes
MAX_READ = 100_000  # characters of a chat template that conditions look at; the longest known has 17,000

Why = Literal["file", "chat template", "vocabulary", "architecture", "server", "own template", "nothing"]

_log = logging.getLogger(__name__)

_HOLES = {
    "first": {"system", "user"},
    "user": {"user"},
    "opening": {"user"},
    "assistant": {"assistant"},
    "generation": set[str](),
    "document": {"text"},
    "documents_in_system": {"documents"},
    "documents_at_end": {"documents"},
}
_OPTIONAL_HOLES = {"document": {"n", "origin"}, "documents_in_system": set[str](), "documents_at_end": set[str]()}


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """How one family of models writes its turns; the fields are the keys of prompts/families/NAME.toml."""

    family: str
    bos: bool
    first: str
    user: str
    assistant: str
    generation: str
    stop: tuple[str, ...]
    marks: tuple[str, ...]
    opening: str = ""
    base: bool = False
    models: str = ""
    thinking: str = ""
    document: str = ""
    as_json: bool = False
    between: str = ""
    documents_in_system: str = ""
    documents_at_end: str = ""

    def render(
        self, system: str, turns: Sequence[str], eos: str = "", documents: Sequence[tuple[str, str]] = ()
    ) -> str:
        """The prompt for the answer to the last of `turns`, which are user, assistant, user ... in turn.

        `documents` are origin and text of the passages, numbered from 1, in the family's own form for them, which it
        must have. With no `system` nothing is written of it.
        """
        told = self._told(documents)
        in_system, at_end = (
            Template(form).substitute(documents=told) if documents else ""
            for form in (self.documents_in_system, self.documents_at_end)
        )
        form = self.first if system or in_system else self.opening or self.user
        text = Template(form).substitute(system=system + in_system, user=turns[0], eos=eos)
        for number, turn in enumerate(turns[1:]):
            form = self.user if number % 2 else self.assistant
            text += Template(form).substitute(user=turn, assistant=turn, eos=eos)
        return text + at_end + self.generation

    def _told(self, documents: Sequence[tuple[str, str]]) -> str:
        form = Template(self.document)
        written = [
            [json.dumps(text, ensure_ascii=False) if self.as_json else text for text in one] for one in documents
        ]
        return self.between.join(
            form.substitute(n=n, origin=origin, text=text) for n, (origin, text) in enumerate(written, start=1)
        )


@dataclass(frozen=True, slots=True)
class Condition:
    """What a model's metadata must say; all that is given must hold. The fields are the keys of a rule."""

    template_has: tuple[str, ...] = ()
    template_lacks: tuple[str, ...] = ()
    template_matches: str = ""
    answer_matches: str = ""
    answer_lacks: tuple[str, ...] = ()
    without_template: bool = False
    tokens: tuple[str, ...] = ()
    end_token: str = ""
    architecture: tuple[str, ...] = ()
    protocol: str = ""

    def holds(self, info: ModelInfo) -> bool:
        """Whether it does of the model that is described."""
        template = info.chat_template[:MAX_READ]
        before_answer = template.rpartition("add_generation_prompt")[2]
        return (
            (not self.asks_template or bool(template))
            and all(text in template for text in self.template_has)
            and not any(text in template for text in self.template_lacks)
            and (not self.template_matches or re.search(self.template_matches, template) is not None)
            and (not self.answer_matches or re.search(self.answer_matches, before_answer) is not None)
            and not any(text in before_answer for text in self.answer_lacks)
            and not (self.without_template and template)
            and set(self.tokens) <= set(info.special_tokens)
            and self.end_token in ("", info.eos_token)
            and (not self.architecture or info.architecture in self.architecture)
            and self.protocol in ("", info.protocol)
        )

    @property
    def asks_template(self) -> bool:
        return any(
            (self.template_has, self.template_lacks, self.template_matches, self.answer_matches, self.answer_lacks)
        )

    @property
    def why(self) -> Why:
        """What of the metadata decides."""
        if self.asks_template:
            return "chat template"
        if self.tokens or self.end_token:
            return "vocabulary"
        return "server" if self.protocol else "architecture"

    @property
    def words(self) -> str:
        """What it found, in words."""
        said = []
        if self.template_has:
            said.append(f"its chat template has {_listed(self.template_has)}")
        elif self.asks_template:
            said.append("of what its chat template has")
        if self.without_template:
            said.append("it has no chat template")
        if self.tokens:
            said.append(f"its vocabulary has {_listed(self.tokens)}")
        if self.end_token:
            said.append(f"its turns end in {self.end_token}")
        if self.architecture:
            said.append(f"its architecture is {' or '.join(self.architecture)}")
        if self.protocol:
            said.append("its server writes the turns")
        return " and ".join(said)


@dataclass(frozen=True, slots=True)
class Rule:
    """Which template a model needs of which the condition holds; `file` is the user's own that says so, or ''. A
    `guess` counts only where the model's own chat template cannot be used."""

    template: ChatTemplate
    when: Condition
    file: str = ""
    guess: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The template for a model, what of the model decided, and the reason in words. `problems` are the user's family
    files that cannot be used."""

    template: ChatTemplate
    why: Why
    reason: str
    problems: tuple[ModelError, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnFamilies:
    """What the files of the user's own say, and the errors of those that cannot be used."""

    rules: tuple[Rule, ...] = ()
    problems: tuple[ModelError, ...] = ()


def choose_template(info: ModelInfo) -> ChatTemplate:
    """The template that the model's metadata asks for; `plain` where it does not say."""
    return choose(info).template


def choose(info: ModelInfo) -> Choice:
    """The template that the model's metadata asks for, and why."""
    own = own_families(info.prompts)
    known = tuple(rule for rule in rules() if not rule.guess)
    if rule := _first(info, (*own.rules, *known)):
        why: Why = "file" if rule.file else rule.when.why
        reason = f"your file {rule.file}: {rule.when.words}" if rule.file else rule.when.words
        return Choice(rule.template, why, reason, own.problems)
    if not info.chat_template:
        return Choice(load_family(PLAIN), "nothing", "none is known for it: it has no chat template", own.problems)
    learnt = learn_form(info.chat_template, info.bos_token, info.eos_token)
    if isinstance(learnt, Form):
        reason = "no rule knows it, so its turns are as its own chat template writes them"
        return Choice(_learnt_template(learnt), "own template", reason, own.problems)
    failed = f"its own chat template cannot be used: {learnt}"
    if rule := _first(info, tuple(rule for rule in rules() if rule.guess)):
        return Choice(rule.template, rule.when.why, f"{rule.when.words}; {failed}", own.problems)
    return Choice(load_family(PLAIN), "nothing", f"none is known for it, and {failed}", own.problems)


def _first(info: ModelInfo, known: tuple[Rule, ...]) -> Rule | None:
    rule: Rule | None = _selector(known).get_prompt(info).metadata["rule"]
    return rule


def _learnt_template(form: Form) -> ChatTemplate:
    known = {field.name: getattr(form, field.name) for field in fields(Form)}
    return ChatTemplate(family=OWN, **known)


@lru_cache(maxsize=8)
def _selector(known: tuple[Rule, ...]) -> Any:
    """Chooses the first of the rules that holds."""
    from langchain_classic.chains.prompt_selector import ConditionalPromptSelector
    from langchain_core.prompts import PromptTemplate

    def prompt(rule: Rule | None) -> PromptTemplate:
        template = rule.template if rule else load_family(PLAIN)
        form = template.first.replace("{", "{{").replace("}", "}}")
        text = Template(form).substitute(system="{system}", user="{user}", eos="{eos}") + template.generation
        return PromptTemplate.from_template(text, metadata={"rule": rule})

    # Its conditions are called with whatever get_prompt is given: here the model's metadata, not a LangChain model.
    conditionals: list[Any] = [(rule.when.holds, prompt(rule)) for rule in known]
    return ConditionalPromptSelector(default_prompt=prompt(None), conditionals=conditionals)


# ---------------------------------------------------------------------------------------------------- files of ours


@cache
def rules() -> tuple[Rule, ...]:
    """prompts/rules.toml. Raises ModelError if one cannot be used."""
    file = resources.files("prompts") / "rules.toml"
    read = []
    for row in tomllib.loads(file.read_text("utf-8"))["rule"]:
        family, guess = row.pop("family", ""), row.pop("guess", False)
        read.append(Rule(load_family(family), _condition(f"{file.name}, {family}", row), guess=guess))
    return tuple(read)


@cache
def load_family(name: str) -> ChatTemplate:
    """prompts/families/`name`.toml. Raises ModelError if it lacks a key, or a hole, or has one too many."""
    file = resources.files("prompts") / "families" / f"{name}.toml"
    try:
        data = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"The family file {file.name!r} cannot be read: {error}.", hint=SEE) from error
    return _chat_template(name, data, file.name)


# ------------------------------------------------------------------------------------------------ files of the user


def own_families(folder: str) -> OwnFamilies:
    """The families that the .toml files in `folder` describe, in the order of their names; '' or no folder: none.

    A file that cannot be used is told of in `problems`, and in the log once, and changes nothing for the others.
    """
    if not folder:
        return OwnFamilies()
    try:
        files = sorted(Path(folder).glob("*.toml"))
        state = tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)
    except OSError as error:
        problem = ModelError(f"The folder {folder!r} cannot be read: {error.strerror}.", hint="Check its permissions.")
        return OwnFamilies(problems=(problem,))
    return _own_families(state)


@lru_cache(maxsize=8)
def _own_families(state: tuple[tuple[str, int, int], ...]) -> OwnFamilies:
    found: list[Rule] = []
    problems: list[ModelError] = []
    for path, _changed, size in state:
        try:
            found += _own_rules(Path(path), size)
        except ModelError as error:
            _log.warning("%s It is left out.", error)
            problems.append(error)
    return OwnFamilies(tuple(found), tuple(problems))


def _own_rules(path: Path, size: int) -> list[Rule]:
    """What one file of the user's says. Raises ModelError."""
    where = str(path)
    if size > MAX_FAMILY_FILE:
        raise ModelError(f"{where} has {size:,} bytes; a family file has at most {MAX_FAMILY_FILE:,}.", hint=SEE)
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ModelError(f"{where} cannot be read: {error.strerror}.", hint="Check its permissions.") from error
    except ValueError as error:
        raise ModelError(f"{where} is no TOML: {error}.", hint="Correct that line, or move the file away.") from error
    when = data.pop("when", [])
    if not isinstance(when, list) or not when or not all(isinstance(row, dict) for row in when):
        raise ModelError(
            f"{where} lacks the key 'when'.", hint="Say which models it is for: [[when]], then template_has = [...]."
        )
    template = _chat_template(path.stem, data, where)
    return [Rule(template, _condition(where, row), path.name) for row in when]


# ------------------------------------------------------------------------------------------------- what files hold


def _chat_template(name: str, data: Mapping[str, Any], where: str) -> ChatTemplate:
    values = _values(ChatTemplate, data, where)
    required = {"bos", "first", "user", "assistant", "generation", "stop", "marks"}
    if missing := required - set(values):
        raise ModelError(f"{where} lacks the key {min(missing)!r}.", hint=SEE)
    template = ChatTemplate(family=name, **values)
    for key, holes in _HOLES.items():
        if text := getattr(template, key):
            check_holes(f"{key} in {where}", text, holes, _OPTIONAL_HOLES.get(key, {"eos"}))
        elif key in required and holes:
            raise ModelError(f"{where}: the key {key!r} is empty.", hint=SEE)
    if bool(template.document) != bool(template.documents_in_system or template.documents_at_end):
        given, lacking = "document", "documents_in_system or documents_at_end"
        given, lacking = (given, lacking) if template.document else (lacking, given)
        raise ModelError(f"{where} has the key {given} without {lacking}.", hint=SEE)
    if not any(stop.strip() for stop in template.stop):
        raise ModelError(f"{where}: the key 'stop' names no text that ends an answer.", hint=SEE)
    return template


def _condition(where: str, data: Mapping[str, Any]) -> Condition:
    condition = Condition(**_values(Condition, data, where))
    if condition == Condition():
        raise ModelError(f"{where}: a rule under 'when' names nothing that a model must have.", hint=SEE)
    for key in ("template_matches", "answer_matches"):
        try:
            re.compile(getattr(condition, key))
        except re.error as error:
            raise ModelError(f"{where}: the key {key!r} is no regular expression: {error}.", hint=SEE) from error
    return condition


def _values(kind: type, data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The keys of a file as the fields of `kind`. Raises ModelError for one that is unknown or of another type."""
    types = {field.name: field.type for field in fields(kind) if field.name != "family"}
    values = {}
    for key, value in data.items():
        if key not in types:
            raise ModelError(f"{where}: the key {key!r} is unknown.", hint=f"Known are {', '.join(sorted(types))}.")
        wanted = types[key]
        if wanted in (str, bool):
            good, said = isinstance(value, wanted), "a text" if wanted is str else "true or false"
        else:
            good = isinstance(value, list) and all(isinstance(text, str) for text in value)
            said = "a list of texts"
        if not good:
            raise ModelError(f"{where}: the key {key!r} is {value!r}.", hint=f"It must be {said}.")
        values[key] = tuple(value) if isinstance(value, list) else value
    return values


def check_holes(where: str, text: str, wanted: set[str], optional: frozenset[str] | set[str] = frozenset()) -> None:
    """Raises ModelError if `text` lacks a hole that is wanted, or has one that is neither wanted nor optional."""
    template = Template(text)
    if not template.is_valid():
        raise ModelError(f"The prompt {where} has a dollar sign that opens no hole.", hint="A plain one is $$.")
    found = set(template.get_identifiers())
    if missing := wanted - found:
        raise ModelError(f"The prompt {where} lacks the hole ${min(missing)}.", hint=SEE)
    if unknown := found - wanted - optional:
        raise ModelError(f"The prompt {where} has the hole ${min(unknown)}, which nothing fills.", hint=SEE)


def _listed(texts: Sequence[str]) -> str:
    return " and ".join(" ".join(text.split()) for text in texts)
