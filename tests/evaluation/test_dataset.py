"""Question sets: a user's own are read or refused by line, and halves keep what belongs together apart."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import UsageError
from evaluation.dataset import Dataset, Place, Question, halves, is_to_tune, parse_questions, quarters, read_questions


def written(folder: Path, *lines: str) -> Path:
    file = folder / "questions.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def test_a_line_is_a_question_with_what_it_says(tmp_path: Path) -> None:
    full = {"question": "How long?", "answers": ["30 days", "a month"], "source": "a/lease.pdf", "page": 2}
    file = written(
        tmp_path, json.dumps(full), "", '{"question": "Who?"}', '{"question": "¿Qué?", "unanswerable": true}'
    )
    dataset = read_questions(file)
    place = Place("a/lease.pdf", 2)
    assert dataset.name == "questions"
    assert dataset.questions == (
        Question("1", "How long?", {}, (place,), ("30 days", "a month"), False, "a/lease.pdf"),
        Question("3", "Who?", group="Who?"),
        Question("4", "¿Qué?", unanswerable=True, group="¿Qué?"),
    )


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{", "it is not JSON"),
        ('["Who?"]', "it is not an object"),
        ('{"answers": ["x"]}', "'question' must be a text"),
        ('{"question": " ?! "}', "'question' must be a text with words"),
        ('{"question": "Who?", "answer": "x"}', "there is no key 'answer'"),
        ('{"question": "Who?", "answers": "x"}', "'answers' must be a list"),
        ('{"question": "Who?", "answers": [""]}', "'answers' must be a list"),
        ('{"question": "Who?", "source": 3}', "'source' must be a path"),
        ('{"question": "Who?", "source": "a.pdf", "page": 0}', "'page' must be a number from 1 up"),
        ('{"question": "Who?", "source": "a.pdf", "page": true}', "'page' must be a number from 1 up"),
        ('{"question": "Who?", "page": 1}', "'page' needs a 'source'"),
        ('{"question": "Who?", "unanswerable": 1}', "'unanswerable' must be"),
        ('{"question": "Who?", "unanswerable": true, "source": "a.pdf"}', "an unanswerable question has neither"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_with_what_is_wrong(tmp_path: Path, line: str, what: str) -> None:
    with pytest.raises(UsageError, match=r"Line 2 of 'questions\.jsonl'") as raised:
        read_questions(written(tmp_path, '{"question": "Why?"}', line))
    assert what in raised.value.message
    assert raised.value.hint


def test_a_file_that_is_not_there_empty_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_questions(tmp_path / "none.jsonl")
    with pytest.raises(UsageError, match="has no questions"):
        read_questions(written(tmp_path, "", " "))
    (tmp_path / "latin.jsonl").write_bytes('{"question": "¿Qué?"}'.encode("latin-1"))
    with pytest.raises(UsageError, match="not UTF-8"):
        read_questions(tmp_path / "latin.jsonl")


def test_half_a_character_is_replaced_and_a_deep_line_is_refused(tmp_path: Path) -> None:
    (question,) = read_questions(written(tmp_path, '{"question": "Who \\ud800?", "answers": ["\\udfff"]}')).questions
    assert (question.text, question.answers) == ("Who ??", ("?",))
    with pytest.raises(UsageError, match="not JSON"):
        read_questions(written(tmp_path, "[" * 100_000))


LINE = json.dumps({"question": "How long?", "answers": ["30 days"], "source": "a/lease.pdf", "page": 2}).encode()


def is_set_or_refused(content: bytes) -> bool:
    try:
        return bool(parse_questions(content, "q.jsonl").questions)
    except UsageError as error:
        return bool(error.hint)


@given(st.data())
def test_whatever_bytes_come_they_are_a_set_or_refused(data: st.DataObject) -> None:
    changed = bytearray(LINE * 2)
    for _ in range(data.draw(st.integers(0, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    assert is_set_or_refused(bytes(changed[: data.draw(st.integers(0, len(changed)))]))


KEYS = st.sampled_from(["question", "answers", "source", "page", "unanswerable"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
)


@given(VALUES)
def test_whatever_json_comes_it_is_a_set_or_refused(value: object) -> None:
    assert is_set_or_refused(json.dumps(value).encode())


def test_quarters_part_what_is_not_tuned_on_and_keep_a_group_together() -> None:
    questions = tuple(Question(str(n), "Who?", group=f"group{n // 3}") for n in range(300))
    dataset = Dataset("set", questions)
    fit, rest = quarters(dataset)
    left = sorted(question.id for question in (*fit.questions, *rest.questions))
    assert left == sorted(question.id for question in halves(dataset)[1].questions)
    groups = [{question.group for question in quarter.questions} for quarter in (fit, rest)]
    assert not groups[0] & groups[1]
    assert min(map(len, groups)) > 15
    assert not any(is_to_tune(group) for group in groups[0] | groups[1])


def test_halves_part_the_questions_and_keep_a_group_together() -> None:
    questions = tuple(Question(f"{group}-{n}", "Who?", group=f"group{group}") for group in range(40) for n in range(3))
    tune, report = halves(Dataset("set", questions))
    groups = [{question.group for question in half.questions} for half in (tune, report)]
    assert groups[0] & groups[1] == set()
    assert sorted(q.id for half in (tune, report) for q in half.questions) == sorted(q.id for q in questions)
    assert min(map(len, groups)) >= 10
    assert (tune.name, report.name) == ("set, tune", "set, report")


def test_a_group_is_in_the_same_half_of_every_set() -> None:
    """The split is part of what was measured: the names below must never change sides."""
    sets = [Dataset(name, (Question(name, "Who?", group="Normans"),)) for name in ("en", "es")]
    assert [[len(half.questions) for half in halves(one)] for one in sets] == [[1, 0], [1, 0]]
    assert len(halves(Dataset("fr", (Question("1", "Who?", group="Nikola_Tesla"),)))[1].questions) == 1
