"""A question names a file as people do: without its spelling."""

import pytest

from rag.sources import SourceNames

FILES = SourceNames(
    {
        "3M_2018_10K.pdf": " 3M_2018_10K",
        "3M_2022_10K.pdf": " 3M_2022_10K",
        "FOOTLOCKER_2022_8K.pdf": " FOOTLOCKER_2022_8K",
        "BESTBUY_2022_10K.pdf": " BESTBUY_2022_10K",
        "poliza.pdf": "Póliza de hogar poliza",
        "notes/mill.md": "The old mill notes/mill",
    }
)


@pytest.mark.parametrize(
    ("question", "path"),
    [
        ("What was 3M's revenue in FY2018?", "3M_2018_10K.pdf"),
        ("And 3M in 2022?", "3M_2022_10K.pdf"),
        ("Who leads Foot Locker?", "FOOTLOCKER_2022_8K.pdf"),
        ("Best Buy inventories at the end of FY2022", "BESTBUY_2022_10K.pdf"),
        ("¿Qué cubre la póliza del hogar?", "poliza.pdf"),
        ("Which mills grind wheat?", "notes/mill.md"),
    ],
)
def test_the_source_that_a_question_names_is_found(question: str, path: str) -> None:
    found = FILES.named(question)
    assert max(found, key=lambda each: found[each]) == path
    assert found[path] > 0.5
    assert all(0 <= value <= 1 for value in found.values())


def test_a_question_that_names_none_finds_none() -> None:
    assert FILES.named("Were there any board member nominees?") == {}
    assert SourceNames({}).named("What was 3M's revenue?") == {}


def test_a_word_of_many_names_says_little() -> None:
    names = SourceNames({f"{n}.md": f"meeting {n}" for n in range(500)} | {"mill.md": "mill"})
    assert names.named("the meeting about it")["7.md"] < 0.01
    assert names.named("the meeting about the mill")["mill.md"] > 0.9
