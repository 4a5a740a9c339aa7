"""How a model's own chat template writes its turns, learnt from what it writes around texts that we make up.

A chat template is a program, in Jinja, that came with the model's file, and may have been written by anybody. It is run
in a process of its own (`python -m rag.own_template`), in Jinja's immutable sandbox, without files, network and other
processes (ingest/confine.py), with little memory, and is killed after SECONDS. It never sees a document or a question:
what it writes around made-up texts becomes a form with holes, as those of prompts/families are, and only the form is
used from then on. It cannot be used if it changes, repeats or loses a text, the system text's among them, if what it
writes around a text depends on what the text says, or if it opens no answer.

The process is told, as one JSON object on its standard input, {"template", "bos", "eos", "conversations": [{"messages",
"answer": whether an answer is to be opened}]}, and answers with a list, in their order: {"text"} or {"error"}.
"""

import json
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Template
from typing import Any

from rag.thoughts import MARKS

MAX_TEMPLATE = 200_000  # characters; the longest known has 17,000
MAX_WRITTEN = 100_000  # characters of one conversation
MAX_AROUND = 10_000  # characters around the texts, which take room from the passages; the most that is known is 3,000
SECONDS = 10.0  # honest ones take a fifth of one
MEMORY_MB = 300

NOT_OPENED = "it opens no answer"

_MARK = re.compile(r"<[^<>\s]{1,60}>|\[/?[A-Z_]{2,60}\]")
_TRICKY = "{{ 7 * 7 }} {% raw %} {# no #} <b>'it' \"is\" & so</b> \\n $user ${eos} %s {0}\n\n- a line\tin another"

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """How the template writes turns; the fields are keys of a family file (prompts/README.md)."""

    bos: bool
    first: str
    user: str
    assistant: str
    generation: str
    stop: tuple[str, ...]
    marks: tuple[str, ...]


class _UnusableError(Exception):
    """Why a template cannot be used."""


@lru_cache(maxsize=16)
def learn_form(template: str, bos: str, eos: str) -> Form | str:
    """How the chat template writes turns, where it can be used; else why it cannot, as half a sentence.

    `bos` and `eos` are the texts of the model's own tokens. Takes part of a second the first time, at most SECONDS.
    """
    if len(template) > MAX_TEMPLATE:
        return f"it has {len(template):,} characters"
    trials = [_Trial(folded, listed) for listed in (False, True) for folded in (False, True)]
    conversations = [conversation for trial in trials for conversation in trial.conversations]
    try:
        written = _run({"template": template, "bos": bos, "eos": eos, "conversations": conversations})
    except _UnusableError as error:
        return str(error)
    reasons = []
    for number, trial in enumerate(trials):
        size = len(trial.conversations)
        try:
            return trial.form(written[number * size : (number + 1) * size], bos, eos)
        except _UnusableError as error:
            reasons.append(str(error))
    return reasons[0]


class _Trial:
    """A conversation in its stages, twice, with plain and with tricky texts. `folded`: the system text opens the first
    user turn, for templates that have no system turn. `listed`: texts come as lists of one part each."""

    def __init__(self, folded: bool, listed: bool) -> None:
        self._folded, self._listed = folded, listed
        words = [f"{name}{secrets.token_hex(4)}" for name in ("rules", "asked", "said", "more", "told", "last")]
        self._plain, self._tricky = words, [f"{word} {_TRICKY} {word[::-1]}" for word in words]
        stages = [(2, True), (2, False), (3, False), (4, True), (6, True)]
        self.conversations = [
            {"messages": self._messages(texts[:turns]), "answer": answer}
            for texts in (self._plain, self._tricky)
            for turns, answer in stages
        ]

    def _messages(self, texts: Sequence[str]) -> list[Message]:
        roles = ["system", *["user", "assistant"] * 3][: len(texts)]
        if self._folded:
            texts, roles = [f"{texts[0]}\n\n{texts[1]}", *texts[2:]], roles[1:]
        return [
            {"role": role, "content": [{"type": "text", "text": text}] if self._listed else text}
            for role, text in zip(roles, texts, strict=True)
        ]

    def form(self, written: Sequence[Mapping[str, str]], bos: str, eos: str) -> Form:
        """The form that all of `written` have. Raises _UnusableError if there is none."""
        asked, unopened, answered, followed, _ = (
            _around(one, self._plain[:turns]) for one, turns in zip(written, (2, 2, 3, 4, 6), strict=False)
        )
        before, between, closed = unopened
        if not asked[2].startswith(closed):  # some end what is not to be answered (Phi-3.5)
            closed = closed.removesuffix(eos)
        if asked[:2] != (before, between) or not asked[2].startswith(closed):
            raise _UnusableError("it opens an answer elsewhere than at the end")
        generation, header = asked[2][len(closed) :], followed[2].removeprefix(closed)
        after = followed[3]  # what ends an answer and opens the next question
        ends = _MARK.findall(after) or [after.removeprefix(answered[-1]).strip(), answered[-1].strip()]
        stop = [text for text in (eos, *ends) if len(text) > 1]
        begins = bool(bos) and before.startswith(bos)
        rest = before.removeprefix(bos) if begins else before
        if begins and rest.startswith(bos):
            raise _UnusableError("it writes the token that begins a text twice")
        if (around := len(before + between + closed + header + after + generation)) > MAX_AROUND:
            raise _UnusableError(f"it writes {around:,} characters around the texts")
        form = Form(
            bos=begins,
            first=f"{_literal(rest)}$system{_literal(between)}$user{_literal(closed)}",
            user=f"$user{_literal(closed)}",
            assistant=f"{_literal(header)}$assistant{_literal(after)}",
            generation=_closed(_opened(generation, header)),
            stop=tuple(dict.fromkeys(stop)),
            marks=_marks(before, between, closed, header, after, generation),
        )
        self._check(form, written, bos if begins else "", generation)
        return form

    def _check(self, form: Form, written: Sequence[Mapping[str, str]], bos: str, generation: str) -> None:
        """Whether the form writes, around other and more texts, what the template wrote."""
        stages = [(2, True), (4, True), (6, True)]
        for texts, one in ((self._plain, written[:5]), (self._tricky, written[5:])):
            for (turns, _answer), text in zip(stages, (one[0], one[3], one[4]), strict=True):
                if text.get("text") != bos + _written(form, texts[:turns]) + generation:
                    raise _UnusableError("what it writes depends on what the texts say")


def _written(form: Form, texts: Sequence[str]) -> str:
    """A conversation as the form has it, up to where the answer is opened."""
    text = Template(form.first).substitute(system=texts[0], user=texts[1])
    for number, turn in enumerate(texts[2:]):
        text += Template(form.user if number % 2 else form.assistant).substitute(user=turn, assistant=turn)
    return text


def _around(written: Mapping[str, str], texts: Sequence[str]) -> tuple[str, ...]:
    """What stands before, between and after the texts."""
    if "error" in written:
        raise _UnusableError(f"it fails: {written['error']}")
    rest, parts = written["text"], []
    for text in texts:
        if written["text"].count(text) != 1:
            raise _UnusableError("it leaves a text out" if text not in written["text"] else "it writes a text twice")
        before, found, rest = rest.partition(text)
        if not found:
            raise _UnusableError("it changes the order of the texts")
        parts.append(before)
    return (*parts, rest)


def _opened(generation: str, header: str) -> str:
    """What opens the answer: as an earlier one was opened, and whatever the template writes beyond that."""
    if generation.startswith(header) or (not generation and not header.strip()):
        return generation
    if generation.strip() and header.startswith(generation):
        return header
    raise _UnusableError(NOT_OPENED)


def _closed(generation: str) -> str:
    """With a thought that it opens closed at once."""
    for opens, closes in MARKS:
        if generation.rstrip().endswith(opens):
            return f"{generation.rstrip()}\n\n{closes}\n\n"
    return generation


def _marks(*written: str) -> tuple[str, ...]:
    """What marks turns: tags, words in capitals in brackets, and lines that are neither."""
    found = [mark for text in written for mark in _MARK.findall(text)]
    bare = [_MARK.sub("\n", text) for text in written]
    found += [line.strip() for text in bare for line in text.splitlines() if line.strip().endswith(":")]
    return tuple(dict.fromkeys(found))


def _literal(text: str) -> str:
    return text.replace("$", "$$")


def _run(task: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """What the template writes of each conversation. Raises _UnusableError if its process was stopped or ended."""
    from ingest.confine import command, environment

    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                command("rag.own_template", folder),
                input=json.dumps(task).encode(),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment(),
                timeout=SECONDS,
                check=True,
            )
        except subprocess.TimeoutExpired as error:
            raise _UnusableError(f"it took over {SECONDS:g} seconds") from error
        except OSError as error:
            raise _UnusableError(f"its process cannot be started: {error.strerror}") from error
        except subprocess.CalledProcessError as error:
            raise _UnusableError("its process ended, most likely for lack of memory") from error
    written: list[Mapping[str, str]] = json.loads(done.stdout)
    return written


# ------------------------------------------------------------------------------------------- in the template's process


def main() -> None:
    from ingest import confine

    task = json.loads(sys.stdin.buffer.read())
    template = _Jinja()
    confine.cut_network()
    confine.confine(confine.LAYERS, Path(sys.argv[1]), Path(sys.argv[1]), seconds=SECONDS, memory_mb=MEMORY_MB)
    said = template.write_all(task)
    sys.stdout.write(json.dumps(said))


class _Jinja:
    """Jinja as the chat templates of Transformers have it, and nothing more."""

    def __init__(self) -> None:
        import jinja2.ext
        import jinja2.sandbox

        self._environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols, _generation_tag()]
        )
        given = ("range", "namespace", "dict")
        self._environment.globals = {name: self._environment.globals[name] for name in given}
        self._environment.globals["raise_exception"] = _fail
        self._environment.globals["strftime_now"] = _today
        self._environment.filters["tojson"] = _to_json
        self._failures = (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError,
                          AssertionError, RuntimeError, MemoryError)  # fmt: skip

    def write_all(self, task: Mapping[str, Any]) -> list[dict[str, str]]:
        try:
            template = self._environment.from_string(task["template"])
        except self._failures as error:
            return [{"error": _short(error)} for _ in task["conversations"]]
        return [self._write(template, task, conversation) for conversation in task["conversations"]]

    def _write(self, template: Any, task: Mapping[str, Any], conversation: Mapping[str, Any]) -> dict[str, str]:
        text = ""
        try:
            for part in template.generate(
                messages=conversation["messages"],
                add_generation_prompt=conversation["answer"],
                bos_token=task["bos"],
                eos_token=task["eos"],
                tools=None,
                documents=None,
                enable_thinking=False,
                thinking=False,
            ):
                text += part
                if len(text) > MAX_WRITTEN:
                    return {"error": f"over {MAX_WRITTEN:,} characters"}
        except self._failures as error:
            return {"error": _short(error)}
        return {"text": text}


def _generation_tag() -> Any:
    """What Transformers marks an answer with in a template, to train on it; it writes what stands in it."""
    from jinja2 import nodes
    from jinja2.ext import Extension

    class Generation(Extension):
        tags = {"generation"}  # noqa: RUF012 - Jinja's own declaration

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body, lineno=line)

    return Generation


def _today(form: str) -> str:
    return time.strftime(form)


def _fail(message: object) -> None:
    import jinja2

    raise jinja2.TemplateError(str(message))


def _to_json(value: Any, indent: int | None = None, **_ignored: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _short(error: Exception) -> str:
    return " ".join(f"{error or type(error).__name__}".split())[:200]


if __name__ == "__main__":
    main()
