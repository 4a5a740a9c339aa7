"""Examples are kept once, found by similarity, and gone when they are deleted."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from errors import UsageError
from ingest.types import Filters
from rag.history import NEW, History
from rag.types import ABSTENTION, Answer, Completed, Event, Retrieved, Timings
from tests.fakes import LEASE, WordEmbedder
from tests.rag.test_history import HITS, answer, ask


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def history(home: Path) -> Iterator[History]:
    with closing(History(home)) as history:
        yield history


def test_an_example_is_kept_once(history: History) -> None:
    assert history.examples.add([("A question?", " An answer. "), ("Another?", "An answer.")]) == 2
    assert history.examples.add([(" A question? ", "An answer.")], "imported") == 0
    found = history.examples.all()
    assert [(one.question, one.answer, one.origin) for one in found] == [
        ("Another?", "An answer.", "written"),
        ("A question?", "An answer.", "written"),
    ]
    assert len({one.id for one in found}) == 2


@pytest.mark.parametrize("pair", [("", "An answer."), ("A question?", " \n"), ("x" * 20_001, "An answer.")])
def test_of_pairs_with_one_that_cannot_be_none_is_added(pair: tuple[str, str], history: History) -> None:
    with pytest.raises(UsageError):
        history.examples.add([("A question?", "An answer."), pair])
    assert history.examples.all() == []


def test_a_good_answer_is_kept_with_the_passages_that_it_cites(history: History) -> None:
    history.keep_example(ask(history, "What is the notice period?"), 1)
    (example,) = history.examples.all()
    assert (example.question, example.answer, example.origin) == (
        "What is the notice period?",
        "The notice period is thirty days. [1]",
        "kept",
    )
    assert [hit.passage for hit in example.hits] == [LEASE]


def test_a_follow_up_is_kept_as_it_was_understood(history: History) -> None:
    def events() -> Iterator[Event]:
        yield Retrieved(HITS, 0.1, "What is the notice period of the flat?")
        yield Completed(answer())

    list(history.record(NEW, "And its notice?", Filters(), None, events(), lambda _: ""))
    history.keep_example("last", 1)
    assert history.examples.all()[0].question == "What is the notice period of the flat?"


def test_an_abstention_is_no_example(history: History) -> None:
    said = Answer("?", ABSTENTION["en"], True, (), (), "extractive", Timings(0, 0, 0))
    with pytest.raises(UsageError, match="no answer to keep"):
        history.keep_example(ask(history, "Who won?", given=said), 1)


def test_an_example_outlives_its_conversation(history: History) -> None:
    history.keep_example(ask(history, "What is the notice period?"), 1)
    history.forget()
    assert len(history.examples.all()) == 1


def test_the_most_similar_examples_come_first(history: History) -> None:
    """WordEmbedder counts words by their lengths: a question of the same lengths is the same."""
    history.examples.add([("aa bbb cccc", "One."), ("dddddddd", "Two."), ("aa bbb", "Three.")])
    found = history.examples.like("ee fff gggg", 2, WordEmbedder())
    assert [one.answer for one in found] == ["One.", "Three."]
    assert found[0].similarity == pytest.approx(1.0)
    assert found[1].similarity == pytest.approx(2 / 6**0.5, abs=1e-3)
    assert history.examples.like("ee", 0, WordEmbedder()) == history.examples.like(" ", 3, WordEmbedder()) == []


def test_vectors_are_stored_and_made_anew_by_another_embedder(history: History) -> None:
    history.examples.add([("aa bbb", "One.")])
    asked: list[str] = []

    class Counting(WordEmbedder):
        def embed_query(self, text: str):  # type: ignore[no-untyped-def]
            asked.append(text)
            return super().embed_query(text)

    class Another(Counting):
        fingerprint = "words/2"

    for embedder, expected in ((Counting(), 2), (Counting(), 1), (Another(), 2), (Another(), 1)):
        asked.clear()
        assert history.examples.like("aa", 1, embedder)[0].answer == "One."
        assert len(asked) == expected


def test_a_deleted_example_is_gone_from_the_bytes(history: History, home: Path) -> None:
    history.examples.add([("Where is the anchorage?", "Here."), ("Where is the pineapple?", "There.")])
    with pytest.raises(UsageError, match="no example 'nope'"):
        history.examples.delete(["nope"])
    history.examples.delete([next(one.id for one in history.examples.all() if "pineapple" in one.question)])
    everything = b"".join(file.read_bytes() for file in home.iterdir())
    assert b"anchorage" in everything
    assert b"pineapple" not in everything
