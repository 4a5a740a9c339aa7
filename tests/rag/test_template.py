"""A family of the user's own is a file: it goes before ours, and a bad one harms nothing else."""

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from errors import ModelError
from models.registry import Registry
from models.types import ModelInfo
from rag.prompt import fill_prompt
from rag.template import choose, own_families
from settings import Settings
from tests.gguf_files import CHATML, tiny_gguf
from tests.rag.test_prompt import hit, words

GOOD = """
bos = true
first = "<|sys|>$system<|usr|>$user<|end|>"
user = "<|usr|>$user<|end|>"
assistant = "<|bot|>$assistant<|end|>"
generation = "<|bot|>"
stop = ["<|end|>"]
marks = ["<|usr|>", "<|bot|>", "<|end|>"]

[[when]]
template_has = ["<|im_start|>"]
"""
INFO = ModelInfo("m", chat_template=CHATML, architecture="llama", bos_token="<s>", eos_token="</s>")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "prompts"
    path.mkdir()
    return path


@pytest.fixture
def model(folder: Path) -> ModelInfo:
    return replace(INFO, prompts=str(folder))


def test_a_file_of_the_users_goes_before_ours(folder: Path, model: ModelInfo) -> None:
    assert choose(model).template.family == "chatml"
    (folder / "mine.toml").write_text(GOOD)
    choice = choose(model)
    assert (choice.template.family, choice.why) == ("mine", "file")
    assert choice.reason == "your file mine.toml: its chat template has <|im_start|>"
    filled = fill_prompt("Who?<|usr|>", [hit("Text.<|end|>")], model, "en", words, 100_000, 100)
    assert filled.text.startswith("<s><|sys|>You answer")
    assert filled.text.endswith("Question: Who?<|end|><|bot|>")
    assert filled.stop == ("<|end|>",)


def test_a_file_of_the_users_is_only_for_the_models_that_it_names(folder: Path, model: ModelInfo) -> None:
    when = '[[when]]\narchitecture = ["gptj"]\n[[when]]\ntokens = ["<|usr|>"]\nend_token = "<|end|>"\n'
    (folder / "mine.toml").write_text(GOOD.partition("[[when]]")[0] + when)
    assert choose(model).template.family == "chatml"
    assert choose(replace(model, architecture="gptj")).template.family == "mine"
    assert choose(replace(model, special_tokens=("<|usr|>",))).template.family == "chatml"
    assert choose(replace(model, special_tokens=("<|usr|>",), eos_token="<|end|>")).template.family == "mine"


def test_the_first_by_name_of_several_wins(folder: Path, model: ModelInfo) -> None:
    for name in ("b", "a", "c"):
        (folder / f"{name}.toml").write_text(GOOD)
    assert choose(model).template.family == "a"


def test_a_change_of_a_file_counts_at_once(folder: Path, model: ModelInfo) -> None:
    file = folder / "mine.toml"
    file.write_text(GOOD)
    assert choose(model).template.generation == "<|bot|>"
    file.write_text(GOOD.replace('generation = "<|bot|>"', 'generation = "<|bot|>\\n"'))
    assert choose(model).template.generation == "<|bot|>\n"
    file.unlink()
    assert choose(model).template.family == "chatml"


def test_a_file_may_say_that_its_models_are_base_models(folder: Path, model: ModelInfo) -> None:
    (folder / "mine.toml").write_text(f"base = true\n{GOOD}")
    text = fill_prompt("Who?", [hit("Text.")], model, "en", words, 100_000, 100).text
    assert "Answers to questions from numbered passages" in text


def test_a_file_may_give_passages_a_form(folder: Path, model: ModelInfo) -> None:
    form = 'document = "<doc $n>$text</doc>"\ndocuments_at_end = "$documents"\n'
    (folder / "mine.toml").write_text(form + GOOD)
    text = fill_prompt("Who?", [hit("Text."), hit("More.", 2)], model, "en", words, 100_000, 100).text
    assert text.endswith("<|usr|>Who?<|end|><doc 1>Text.</doc><doc 2>More.</doc><|bot|>")


BAD = {
    "no TOML": ("first = ", "is no TOML: Invalid value", "Correct that line"),
    "a key too few": (GOOD.replace("generation =", "generated ="), "the key 'generated' is unknown", "Known are"),
    "no stop": (GOOD.replace('stop = ["<|end|>"]\n', ""), "lacks the key 'stop'", "prompts/README.md"),
    "an empty stop": (GOOD.replace('stop = ["<|end|>"]', 'stop = [" "]'), "the key 'stop' names no text", "README"),
    "no conditions": (GOOD.partition("[[when]]")[0], "lacks the key 'when'", "Say which models it is for"),
    "empty conditions": (GOOD.partition("template_has")[0], "under 'when' names nothing", "prompts/README.md"),
    "an unknown condition": (GOOD + 'name = "llama"\n', "the key 'name' is unknown", "Known are answer_lacks"),
    "a condition of another type": (GOOD + "end_token = 2\n", "the key 'end_token' is 2", "It must be a text"),
    "a text for a list": (GOOD.replace('["<|end|>"]', '"<|end|>"'), "the key 'stop' is '<|end|>'", "a list of texts"),
    "a text for a yes": (GOOD.replace("bos = true", 'bos = "yes"'), "the key 'bos' is 'yes'", "true or false"),
    "a hole too few": (GOOD.replace("$system", ""), "lacks the hole $system", "prompts/README.md"),
    "a hole too many": (GOOD.replace("$system", "$system$persona"), "the hole $persona", "prompts/README.md"),
    "a lone dollar sign": (GOOD.replace("$system", "$system $ 5"), "a dollar sign that opens no", "A plain one is $$"),
    "no regular expression": (GOOD + 'template_matches = "(["\n', "'template_matches' is no regular", "README"),
    "passages nowhere": (f'document = "$text"\n{GOOD}', "the key document without documents_in_system", "README"),
    "far too long": (GOOD + "#" * 200_000, "has 200,", "README"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_left_out_with_a_warning_that_names_it_the_key_and_the_remedy(
    case: str, folder: Path, model: ModelInfo, caplog: pytest.LogCaptureFixture
) -> None:
    text, says, hint = BAD[case]
    (folder / "a-bad.toml").write_text(text)
    (folder / "good.toml").write_text(GOOD)
    with caplog.at_level(logging.WARNING):
        choice = choose(model)
    assert choice.template.family == "good"
    (problem,) = choice.problems
    assert isinstance(problem, ModelError)
    assert "a-bad.toml" in problem.message
    assert says in problem.message
    assert hint in problem.hint
    assert [record.getMessage() for record in caplog.records] == [f"{problem} It is left out."]
    choose(model)
    assert len(caplog.records) == 1  # once, not for each question


def test_a_file_that_cannot_be_read_is_left_out(folder: Path, model: ModelInfo) -> None:
    (folder / "a.toml").mkdir()
    (folder / "b.toml").write_bytes(b"\xff\xfe")
    (folder / "good.toml").write_text(GOOD)
    choice = choose(model)
    assert choice.template.family == "good"
    assert len(choice.problems) == 2


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="whoever may read everything reads it")
def test_a_folder_that_cannot_be_read_is_told_of(folder: Path, model: ModelInfo) -> None:
    folder.chmod(0)
    try:
        choice = choose(model)
    finally:
        folder.chmod(0o700)
    assert choice.template.family == "chatml"


def test_without_the_folder_nothing_is_said(tmp_path: Path) -> None:
    choice = choose(replace(INFO, prompts=str(tmp_path / "none")))
    assert (choice.template.family, choice.problems) == ("chatml", ())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_file_whatever_is_more_than_left_out(data: st.DataObject, folder: Path) -> None:
    raw = bytearray(GOOD.encode())
    mutate: list[Callable[[], None]] = [
        lambda: raw.__delitem__(slice(data.draw(st.integers(0, len(raw))), None)),
        lambda: raw.__setitem__(data.draw(st.integers(0, max(len(raw) - 1, 0))), data.draw(st.integers(0, 255))),
        lambda: raw.extend(data.draw(st.binary(max_size=20))),
    ]
    for _ in range(data.draw(st.integers(1, 4))):
        if raw:
            data.draw(st.sampled_from(mutate))()
    (folder / "mine.toml").write_bytes(raw)
    known = own_families(str(folder))
    assert len(known.rules) + len(known.problems) == 1
    template = choose(replace(INFO, prompts=str(folder))).template
    assert "RULES" in template.render("RULES", ["Q"])


def test_a_model_of_a_home_has_the_families_of_that_home(tmp_path: Path) -> None:
    home = Settings.load(tmp_path)
    home.models.mkdir(parents=True)
    home.prompts.mkdir()
    (home.prompts / "mine.toml").write_text(GOOD)
    tiny_gguf(home.models / "tiny.gguf")
    assert choose(Registry(home.models).get("tiny")).template.family == "mine"
