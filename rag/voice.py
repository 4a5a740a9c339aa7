"""Whose voice answers: persona, tone, length and language, instructions for folders, examples of answers.

All of it is the user's own, from the settings and the list of examples, and nothing that a document says comes in here.
It stands behind the rules of the instruction and says that it changes none of them; the grammar, the check of each
sentence and the abstention know nothing of it. With nothing set a prompt is the same to the byte as without it. The
texts are data: prompts/voices/LANGUAGE.toml.
"""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Template
from typing import Any

from ingest.analyse import content_words, detect_language, terms
from ingest.links import path_key
from ingest.sentences import sentences
from rag.types import ABSTENTION, Example, Hit, Language, Voice

# Cosine of two questions from which an answer to the one is an example for the other: where they share a word that
# says something, and where they need not. Of 50 questions on other topics one is taken for 0-2 % of SQuAD's questions
# and 32-36 % of XQuAD's in Spanish, of about 7 on the same topic for 38-56 % and 70-73 % (half of the topics each).
ALIKE_WITH_WORD, ALIKE = 0.5, 0.7

_CITED = re.compile(r"\[\d")
_END = re.compile(r"[.!?…]*[\"'”’»)]*$")


def no_examples(_question: str) -> Sequence[Example]:
    return ()


@dataclass(frozen=True, slots=True)
class Manner:
    """How an answer is to be written: the `voice`, and where `examples` for a question come from, the most like it
    first."""

    voice: Voice = Voice()
    examples: Callable[[str], Sequence[Example]] = no_examples


def answer_language(voice: Voice, question: Language) -> Language:
    """The language of the answer to a question in the language `question`."""
    return question if voice.language == "question" else voice.language


def length_words(voice: Voice, language: Language) -> str:
    """How long an answer is to be, as the instruction says it."""
    words: str = _texts(language)["lengths"][voice.length]
    return words


def task_length_words(voice: Voice, task: str, language: Language) -> str:
    """How long what a task writes is to be, as the instruction of the task says it."""
    words: str = _texts(language)["tasks"][task][voice.length]
    return words


def wishes(
    manner: Manner, hits: Sequence[Hit], language: Language, *, with_examples: bool = False, with_length: bool = False
) -> str:
    """What stands behind the rules for what is written from `hits`; '' where the user wishes nothing. `with_length`:
    the rules do not say how long it is to be."""
    texts, voice = _texts(language), manner.voice
    lines = [Template(texts["persona"]).substitute(persona=voice.persona)] if voice.persona else []
    lines += [texts["tones"][voice.tone]] if voice.tone != "neutral" else []
    if with_length and voice.length != "middle":
        lines.append(Template(texts["length"]).substitute(length=length_words(voice, language)))
    for folder, instruction in _for_hits(voice.instructions, hits):
        form = texts["folder"] if folder else texts["everywhere"]
        lines.append(Template(form).safe_substitute(folder=folder, instruction=" ".join(instruction.split())))
    lines += [texts["examples"]] if with_examples else []
    return "\n".join([texts["wishes"].strip(), *(f"- {line}" for line in lines)]) if lines else ""


def _for_hits(instructions: Mapping[str, str], hits: Sequence[Hit]) -> list[tuple[str, str]]:
    """The instructions for the folders that the passages come from, in the settings' order; '' is every folder."""
    paths = [f"/{path_key(hit.passage.path)}/" for hit in hits]
    named = [(_folder(name), instruction) for name, instruction in instructions.items() if instruction.strip()]
    return [
        (folder, instruction)
        for folder, instruction in named
        if not folder or any(path.startswith(f"/{path_key(folder)}") for path in paths)
    ]


def _folder(name: str) -> str:
    """As it is told: 'contracts', './contracts/' -> 'contracts/'; '/' and '.' -> ''."""
    bare = name.strip().replace("\\", "/").removeprefix("./").strip("/")
    return f"{bare}/" if bare not in ("", ".") else ""


def examples_for(examples: Sequence[Example], question: str, language: Language) -> tuple[Example, ...]:
    """Those whose questions are alike enough, and that do not answer in the other language."""
    other = "en" if language == "es" else "es"
    asked = _told_words(question)

    def fits(example: Example) -> bool:
        least = ALIKE if asked.isdisjoint(_told_words(example.question)) else ALIKE_WITH_WORD
        return (example.similarity or 0.0) >= least and detect_language(example.answer, language) != other

    return tuple(filter(fits, examples))


def _told_words(question: str) -> set[str]:
    """The stems of the words that say what it is about."""
    return set(terms(" ".join(content_words(question)), detect_language(question)))


def example_turn(example: Example, language: Language) -> tuple[str, str]:
    """An example as a turn of the user and the answer to it, in the form that is asked for: each sentence cites."""
    asked, answer = Template(_texts(language)["example"]).substitute(question=example.question), example.answer
    if _CITED.search(answer) or answer in ABSTENTION.values():
        return asked, answer
    ends = [end for _start, end in sentences(answer)]
    for end in reversed(ends):
        stop = _END.search(answer, 0, end)
        place = stop.start() if stop else end
        answer = f"{answer[:place]} [1]{answer[place:]}"
    return asked, answer


@cache
def _texts(language: Language) -> dict[str, Any]:
    return tomllib.loads((resources.files("prompts") / "voices" / f"{language}.toml").read_text("utf-8"))
