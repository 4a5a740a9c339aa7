"""Public sets: each is read as its makers count it, and gold is what they say."""

import json
from pathlib import Path

import pytest

from errors import FolderError
from evaluation.adapters import SETS, load
from evaluation.dataset import Dataset, halves
from tests.conftest import shared_data


@pytest.fixture
def data() -> Path:
    return shared_data("qa").parent


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("name", "passages", "questions", "unanswerable"),
    [
        ("squad-v1.1-en", 1165, 5565, 0),
        ("squad-v1.1-en with titles", 1165, 5565, 0),
        ("squad-v2.0-en", 636, 6307, 3288),
        ("squad-es-v1.1-small", 1123, 3542, 0),
        ("squad-es-v2.0-small", 628, 3808, 1789),
        ("xquad-en", 125, 585, 0),
        ("xquad-es", 125, 585, 0),
        ("Spanish question, English passages", 125, 585, 0),
        ("English question, Spanish passages", 125, 585, 0),
        ("scifact", 5183, 300, 0),
        ("clapnq", 597, 600, 300),
        ("hotpotqa-subset", 991, 100, 0),
        ("financebench", 0, 23, 0),
    ],
)
def test_a_set_has_the_size_that_its_makers_give(
    data: Path, name: str, passages: int, questions: int, unanswerable: int
) -> None:
    dataset = load(name, data)
    assert (len(dataset.passages), len(dataset.questions)) == (passages, questions)
    assert sum(question.unanswerable for question in dataset.questions) == unanswerable
    assert len({question.id for question in dataset.questions}) == questions


@pytest.mark.needs_shared
@pytest.mark.parametrize("name", SETS)
def test_gold_is_in_the_set_and_nothing_is_empty(data: Path, name: str) -> None:
    dataset = load(name, data)
    ids = {passage.id for passage in dataset.passages}
    assert len(ids) == len(dataset.passages)
    assert all(passage.text.strip() for passage in dataset.passages)
    for question in dataset.questions:
        assert question.text.strip()
        assert question.group
        assert set(question.gold) <= ids
        assert question.unanswerable != bool(question.gold or question.places)
        for place in question.places:
            assert dataset.documents is not None
            assert (dataset.documents / place.source).is_file()
    assert all(half.questions for half in halves(dataset))


def articles(dataset: Dataset) -> dict[str, set[str]]:
    return {q.id: {passage.text for passage in dataset.passages if passage.id in q.gold} for q in dataset.questions}


@pytest.mark.needs_shared
def test_the_answer_of_a_squad_question_stands_in_its_gold_paragraph(data: Path) -> None:
    dataset = load("squad-v2.0-en", data)
    texts = {passage.id: passage.text for passage in dataset.passages}
    for question in dataset.questions:
        for id in question.gold:
            assert question.answers
            assert all(answer in texts[id] for answer in question.answers)


@pytest.mark.needs_shared
def test_across_languages_a_question_is_asked_in_one_and_answered_in_the_other(data: Path) -> None:
    across, spanish = load("English question, Spanish passages", data), load("xquad-es", data)
    english = load("xquad-en", data)
    assert [q.text for q in across.questions] == [q.text for q in english.questions]
    assert across.passages == spanish.passages
    assert {q.id: dict(q.gold) for q in across.questions} == {q.id: dict(q.gold) for q in spanish.questions}


@pytest.mark.needs_shared
def test_a_translated_article_is_in_the_half_of_its_original(data: Path) -> None:
    sides = [
        {q.id: side for side, half in enumerate(halves(load(name, data))) for q in half.questions}
        for name in ("squad-v1.1-en", "squad-es-v1.1-small", "xquad-es")
    ]
    for translated in sides[1:]:
        assert all(side == sides[0][id] for id, side in translated.items())


@pytest.mark.needs_shared
def test_hotpotqa_needs_two_paragraphs(data: Path) -> None:
    assert {len(question.gold) for question in load("hotpotqa-subset", data).questions} == {2}


@pytest.mark.needs_shared
def test_an_abstract_of_scifact_is_read_whole(data: Path) -> None:
    passage = next(passage for passage in load("scifact", data).passages if passage.id == "4983")
    assert passage.title.startswith("Microstructural development of human newborn cerebral white matter")
    assert passage.text.startswith("Alterations of the architecture of cerebral white matter in the developing human")
    assert "(n = 7). To assess effects of prematurity" in passage.text


def test_pages_of_financebench_count_from_one(tmp_path: Path) -> None:
    folder = tmp_path / "qa" / "financebench"
    folder.mkdir(parents=True)
    evidence = [{"doc_name": "ACME_10K", "evidence_page_num": page} for page in (0, 4, 4)]
    line = {"financebench_id": "f1", "question": "How much?", "answer": "12", "company": "Acme", "evidence": evidence}
    (folder / "questions.jsonl").write_text(json.dumps(line), encoding="utf-8")
    (question,) = load("financebench", tmp_path).questions
    assert [(place.source, place.page) for place in question.places] == [("ACME_10K.pdf", 1), ("ACME_10K.pdf", 5)]


def test_the_vault_asks_for_headings_and_names_that_have_text_below(tmp_path: Path) -> None:
    folder = tmp_path / "collections" / "kepano-obsidian-vault"
    (folder / "Templates").mkdir(parents=True)
    body = "one two three four five six seven eight"
    (folder / "Cake.md").write_text(
        f"---\ntags: x\n---\nshort\n## Filling\n{body}\n# A short one\nno\n# To bake\n{body}"
    )
    (folder / "Templates" / "T.md").write_text(f"# Never asked\n{body}")
    asked = [(q.text, q.places[0].source) for q in load("kepano-obsidian-vault", tmp_path).questions]
    assert asked == [("Cake Filling", "Cake.md"), ("To bake", "Cake.md")]


def test_a_set_that_is_not_there_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"'scifact' cannot be read: .*corpus_train.csv"):
        load("scifact", tmp_path)
