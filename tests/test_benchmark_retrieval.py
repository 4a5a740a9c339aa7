"""The benchmark of retrieval says which step harms, and results of several runs stand together."""

import pytest

from benchmarks.retrieval import MEASURES, measure, merged, no_fields
from evaluation.dataset import Dataset, GivenPassage, Question
from ingest import segments

ROWS = {name: f"| {name} | dense | 0.5 |" for name in ("xquad-en (2)", "xquad-es (2)", "scifact (3)")}


def test_a_step_that_harms_is_told_of() -> None:
    """Twenty questions: BM25 finds every passage, the fusion loses eight of them, reranking finds these again."""
    questions = tuple(Question(f"q{n}", "?", {f"p{n}": 1}) for n in range(20))
    dataset = Dataset("made", questions, tuple(GivenPassage(f"p{n}", "text", "", "s") for n in range(20)))
    right, lost = [[f"p{n}"] for n in range(20)], [[f"p{n}"] if n >= 8 else ["other"] for n in range(20)]
    ways = {"dense": lost, "BM25": right, "fused": lost, "search": right, "- forms": right}
    found = [{way: ranks[n] for way, ranks in ways.items()} for n in range(20)]
    rows, steps, worse = measure(dataset, found)
    assert rows[1].startswith("| made (20) | BM25 | 1.000 | 1.000 |")
    assert steps[0] == "| made (20) | fusion (over BM25) | 1.000 | 0.600 | 0, 8 | 0.008 |"  # 2 of 2 ** 8 sign changes
    assert steps[1].startswith("| made (20) | reranking | 0.600 | 1.000 | 8, 0 |")
    assert steps[3] == "| made (20) | forms | 1.000 | 1.000 | 0, 0 | 1.000 |"
    assert worse == ["fusion (over BM25) on made"]


def test_what_is_measured_anew_replaces_its_own_rows_only() -> None:
    known = "\n".join(["# Retrieval", "", MEASURES, "|---|", ROWS["scifact (3)"], ROWS["xquad-en (2)"], "", "after"])
    new = ROWS["xquad-en (2)"].replace("0.5", "0.7")
    assert merged(known, MEASURES, [new], ["xquad-en"]) == [new, ROWS["scifact (3)"]]
    assert merged(known, MEASURES, [ROWS["xquad-es (2)"]], ["xquad-es"]) == [
        ROWS["xquad-en (2)"], ROWS["xquad-es (2)"], ROWS["scifact (3)"],
    ]  # fmt: skip
    assert merged("", MEASURES, [new], ["xquad-en"]) == [new]


def test_without_fields_only_the_text_of_a_passage_counts() -> None:
    args = ("The mill", "mill.txt", ("Opening hours",), "On Thursdays.", "en")
    before = segments.impacts(*args)
    with no_fields():
        without = segments.impacts(*args)
    assert before["mill"] > 1
    assert before["open"] > 0.5
    assert max(without["mill"], without["open"]) < 0.001
    assert without["thursday"] == pytest.approx(before["thursday"])
    assert segments.impacts(*args) == before
