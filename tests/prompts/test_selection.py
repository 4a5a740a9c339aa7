"""Models as published get the family that is theirs, whatever they are called."""

import time
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.template import OWN, PLAIN, choose, rules
from tests.prompts.published_templates import FOLDER, models

NAMES = sorted(models())


@pytest.mark.parametrize("name", NAMES)
def test_a_model_as_published_gets_its_family(name: str) -> None:
    info, family = models()[name]
    choice = choose(info)
    assert choice.template.family == family, choice.reason


def test_there_are_enough_models_and_of_every_family_that_a_gguf_can_have() -> None:
    families = Counter(family for _, family in models().values())
    assert len(models()) >= 40
    assert set(families) == {rule.template.family for rule in rules()} - {"chat"} | {PLAIN, OWN}


def test_every_published_template_is_some_models() -> None:
    used = {info.chat_template for info, _ in models().values()}
    assert all(file.read_text("utf-8") in used for file in FOLDER.glob("*.jinja"))


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    called=st.tuples(*[st.one_of(st.sampled_from([*NAMES, "llama-2-chat", "chatml", "../plain"]), st.text())] * 3),
)
def test_a_misleading_name_title_or_path_changes_nothing(name: str, called: tuple[str, str, str]) -> None:
    info, family = models()[name]
    disguised = replace(info, name=called[0], title=called[1], path=f"/models/{called[2]}.gguf")
    assert choose(disguised).template.family == family
    assert choose(disguised).reason == choose(info).reason


@pytest.mark.parametrize(
    ("name", "why", "reason"),
    [
        ("Qwen2.5-7B-Instruct", "chat template", "its chat template has <|im_start|>"),
        (
            "LFM2-1.2B-RAG",
            "vocabulary",
            "has no chat template and its vocabulary has <|im_start|> and its turns end in",
        ),
        ("phi-2", "architecture", "its architecture is phi2"),
        ("Seed-OSS-36B-Instruct", "own template", "no rule knows it, so its turns are as its own chat template writes"),
        ("Llama-2-7B", "nothing", "none is known for it: it has no chat template"),
        ("YandexGPT-5-Lite-8B-instruct", "nothing", "its own chat template cannot be used: it leaves a text out"),
        ("Nous-Hermes-Llama2-13b", "chat template", "### Instruction: and ### Response:; its own chat template cannot"),
    ],
)
def test_the_reason_for_a_choice_is_told(name: str, why: str, reason: str) -> None:
    choice = choose(models()[name][0])
    assert choice.why == why
    assert reason in choice.reason


def test_a_chat_template_of_megabytes_is_judged_at_once() -> None:
    info, _ = models()["zephyr-7b-beta"]
    hostile = ("<|user|>", "add_generation_prompt", "<think>\\n", "['role'] + '|>'", "[INST]", "<｜Assistant｜><think>")
    begun = time.process_time()
    for text in hostile:
        endless = replace(info, chat_template=text * 1_000_000)
        assert not any(rule.when.template_matches and rule.when.holds(endless) for rule in rules())
    assert time.process_time() - begun < 5
