"""benchmarks/reindex.py measures what it says that it measures."""

from pathlib import Path

import pytest

from benchmarks.reindex import CITA, FIRST, INDEXING_API, STEPS, TUTORIAL, Figures, Way, evenly, measure, missed
from ingest.embed import Embedder, OnnxEmbedder


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    for name, count in {"large": 6, "small": 3}.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            (folder / name / f"{number}.md").write_text(f"# {name} {number}\n\nBox {number} of the {name} shelf.\n")
    return folder


@pytest.fixture
def home(tmp_path: Path, embedder: Embedder) -> Path:
    """A home in which the embedder need not be exported again."""
    assert isinstance(embedder, OnnxEmbedder)
    home = tmp_path / "home"
    (home / "models" / "embedder").mkdir(parents=True)
    (home / "models" / "embedder" / embedder.graph.name).symlink_to(embedder.graph)
    return home


def contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.md")}


# How many paths are gone, are new, have another text; and whether the texts as a whole are the same.
EFFECTS = {
    "nothing changed": (0, 0, 0, True),
    "one note changed": (0, 0, 1, False),
    "one note renamed": (1, 1, 0, True),
    "the largest folder renamed": (6, 6, 0, True),
    "one note deleted": (1, 0, 0, False),
    "one note new": (0, 1, 0, False),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_does_to_the_folder_what_it_is_called_turn_after_turn(step: str, notes: Path) -> None:
    for turn in range(3):
        before = contents(notes)
        STEPS[step](notes, turn)
        after = contents(notes)
        both = before.keys() & after.keys()
        other_text = sum(before[path] != after[path] for path in both)
        same_texts = sorted(before.values()) == sorted(after.values())
        effect = (len(before.keys() - both), len(after.keys() - both), other_text, same_texts)
        assert effect == EFFECTS[step], f"turn {turn}"


def test_a_share_is_taken_from_every_part_alike() -> None:
    items = [(str(number), b"") for number in range(100)]
    assert [int(path) for path, _ in evenly(items, 4)] == [0, 25, 50, 75]
    assert evenly(items, 1000) == items


def test_a_bound_that_is_missed_is_named() -> None:
    slow = Figures("Cita", 10, warm={"nothing changed": [0.1, 2.5, 2.6], "one note changed": [0.1, 0.2, 9.0]})
    astray = Figures("Cita", 5, astray=2)
    assert missed(slow, [astray]) == ["nothing changed: 2.50 s, not under 2.0 s", "2 files astray of 5"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "times", "astray"),
    [(CITA, 1, 0), (INDEXING_API, 1, 0), (TUTORIAL, 2, 1)],
    ids=lambda value: value.name if isinstance(value, Way) else str(value),
)
def test_only_the_tutorial_doubles_what_it_holds_and_keeps_what_is_deleted(
    way: Way, times: int, astray: int, notes: Path, home: Path
) -> None:
    figures = measure(way, notes, home, ("nothing changed", "one note deleted"), 1, ("one note new",))
    assert figures.embedded[FIRST] == figures.passages_first == 9
    assert figures.passages_unchanged == 9 * times
    assert figures.astray == astray
    assert list(figures.command) == ["one note new"]
    assert min(figures.size, figures.memory) > 0
