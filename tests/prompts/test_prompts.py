"""The prompt files keep their format, and name what the code fills in."""

import tomllib
from dataclasses import fields
from importlib import resources
from pathlib import Path
from string import Template

import pytest

from prompts.__main__ import table
from rag.template import PLAIN, ChatTemplate, load_family, rules

PROMPTS = Path(str(resources.files("prompts")))
FAMILIES = sorted(file.stem for file in (PROMPTS / "families").glob("*.toml"))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_can_be_loaded_and_ends_its_turns(family: str) -> None:
    template = load_family(family)
    assert template.stop
    assert all(template.stop)
    assert all(mark.strip() for mark in template.marks)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_turn_ending_token_of_a_family_is_stripped_from_documents(family: str) -> None:
    template = load_family(family)
    assert {stop for stop in template.stop if stop.startswith("<")} <= set(template.marks)


def test_every_family_file_is_chosen_by_some_rule_and_every_rule_has_its_file() -> None:
    assert {rule.template.family for rule in rules()} | {PLAIN} == set(FAMILIES)


@pytest.mark.parametrize("file", sorted((PROMPTS / "tasks").glob("*.en.txt")), ids=lambda file: file.name)
def test_a_task_has_the_same_holes_in_both_languages(file: Path) -> None:
    spanish = file.with_name(file.name.replace(".en.", ".es."))
    english_holes = Template(file.read_text("utf-8")).get_identifiers()
    assert sorted(Template(spanish.read_text("utf-8")).get_identifiers()) == sorted(english_holes)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_family_file_holds_keys_that_nothing_reads(family: str) -> None:
    data = tomllib.loads((PROMPTS / "families" / f"{family}.toml").read_text("utf-8"))
    assert set(data) <= {field.name for field in fields(ChatTemplate)} - {"family"}
    assert data["models"]


def test_the_table_of_the_families_says_what_the_files_say() -> None:
    page = Path(__file__).parents[2] / "docs" / "prompts.md"
    assert page.read_text("utf-8") == table(), "Run: python -m prompts > docs/prompts.md"


def test_the_table_says_where_each_family_has_the_system_text() -> None:
    rows = [line.split(" | ") for line in table().splitlines()[8:]]
    said = {row[0].strip("| `"): row[6] for row in rows}
    assert set(said) == set(FAMILIES)
    assert said["llama2"] == said["gemma"] == said["mistral-v1"] == "in the first user turn"
    assert said["chatml"] == said["mistral-v7"] == said["phi3"] == "a turn of its own"
    assert said["deepseek-r1"] == said["vicuna"] == said["plain"] == "before the first turn"
