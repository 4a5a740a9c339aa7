"""The prompt files keep their format, and name what the code fills in."""

import tomllib
from importlib import resources
from pathlib import Path
from string import Template

import pytest

from rag.prompt import RULES, load_family

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
    assert {family for _, family in RULES} | {"plain"} == set(FAMILIES)


@pytest.mark.parametrize("file", sorted((PROMPTS / "tasks").glob("*.en.txt")), ids=lambda file: file.name)
def test_a_task_has_the_same_holes_in_both_languages(file: Path) -> None:
    spanish = file.with_name(file.name.replace(".en.", ".es."))
    english_holes = Template(file.read_text("utf-8")).get_identifiers()
    assert sorted(Template(spanish.read_text("utf-8")).get_identifiers()) == sorted(english_holes)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_family_file_holds_keys_that_nothing_reads(family: str) -> None:
    data = tomllib.loads((PROMPTS / "families" / f"{family}.toml").read_text("utf-8"))
    assert set(data) == {"bos", "first", "user", "assistant", "generation", "stop", "marks"}
