"""A thought before an answer is told from it, however the text is cut; the answer itself loses nothing."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.thoughts import MARKS, ThoughtSplitter


def without_thoughts(draft: str) -> str:
    """A whole draft's answer."""
    splitter = ThoughtSplitter()
    told = [*splitter.feed(draft), *splitter.rest()]
    return "".join(text for text, thought in told if not thought)


def told(pieces: list[str]) -> tuple[str, str]:
    """(thought, answer)"""
    splitter = ThoughtSplitter()
    found = [told for piece in pieces for told in splitter.feed(piece)] + list(splitter.rest())
    assert all(text for text, _ in found)
    return "".join(text for text, is_thought in found if is_thought), "".join(
        text for text, is_thought in found if not is_thought
    )


@pytest.mark.parametrize(("opens", "closes"), MARKS, ids=[opens for opens, _ in MARKS])
def test_a_thought_is_no_part_of_the_answer(opens: str, closes: str) -> None:
    assert told([f"\n{opens}It is [2]?{closes}\n\nYes [1]."]) == ("It is [2]?", "Yes [1].")


@given(
    draft=st.sampled_from(
        [
            "<think>Hm <b> </thin</think>Yes.",
            "[THINK]a[/THINK]b",
            "<think>never closed",
            "< 5 <think>no</think>",
            "<thin",
        ]
    ),
    cuts=st.lists(st.integers(0, 40), max_size=8),
)
def test_marks_are_found_however_the_text_is_cut(draft: str, cuts: list[int]) -> None:
    places = sorted({0, len(draft), *(cut for cut in cuts if cut < len(draft))})
    assert told([draft[a:b] for a, b in itertools.pairwise(places)]) == told([draft])


@given(st.text(alphabet="<thinkTHINK>/[] a\n", max_size=60))
def test_an_answer_that_opens_no_thought_is_left_as_it_is(text: str) -> None:
    if not any(text.lstrip().startswith(opens) for opens, _ in MARKS):
        assert told([text]) == ("", text.lstrip())


def test_a_thought_that_never_ends_leaves_no_answer() -> None:
    assert told(["<think>Let me see"]) == ("Let me see", "")
    assert without_thoughts("<think>Let me see") == ""


def test_marks_within_an_answer_are_text() -> None:
    assert without_thoughts("The tag <think> opens it [1].") == "The tag <think> opens it [1]."
