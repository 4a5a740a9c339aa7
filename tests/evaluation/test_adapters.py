"""Public sets: each is read as its makers count it, and gold is what they say."""

import io
import json
import tarfile
from pathlib import Path, PurePosixPath

import pytest

from errors import FolderError
from evaluation.adapters import SETS, TLDR, load
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
        ("flores-es-en", 1012, 1012, 0),
        ("flores-en-es", 1012, 1012, 0),
        ("ntrex-es-en", 1987, 1987, 0),  # of 1,990 lines: some differ by case or punctuation only
        ("ntrex-en-es", 1987, 1987, 0),
        ("tico19-es-en", 3044, 3042, 0),  # of 3,047 lines
        ("tico19-en-es", 3042, 3044, 0),
        ("tldr-en", 2365, 951, 0),
        ("tldr-es", 2365, 956, 0),
        ("tldr-es-en", 2365, 956, 0),
        ("tldr-en-es", 2365, 951, 0),
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
@pytest.mark.parametrize("name", ["squad-v2.0-en", "Spanish question, English passages"])
def test_the_answer_of_a_squad_question_stands_in_its_gold_paragraph(data: Path, name: str) -> None:
    dataset = load(name, data)
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


def parallel(tmp_path: Path, *lines: tuple[str, str]) -> Path:
    (tmp_path / "parallel").mkdir()
    text = "".join(f"{english}\t{spanish}\n" for english, spanish in lines)
    (tmp_path / "parallel" / "eval_ntrex.tsv").write_text(text, encoding="utf-8")
    return tmp_path


def found_by(dataset: Dataset) -> dict[str, set[str]]:
    texts = {passage.id: passage.text for passage in dataset.passages}
    return {question.text: {texts[id] for id in question.gold} for question in dataset.questions}


def test_a_sentence_finds_its_translation_both_ways(tmp_path: Path) -> None:
    data = parallel(tmp_path, ("A cat.", "Un gato."), ("It\u2028rains.", "Llueve."))  # no end of a line in a file
    assert found_by(load("ntrex-es-en", data)) == {"Un gato.": {"A cat."}, "Llueve.": {"It\u2028rains."}}
    assert found_by(load("ntrex-en-es", data)) == {"A cat.": {"Un gato."}, "It\u2028rains.": {"Llueve."}}


def test_sentences_of_the_same_words_are_one_and_have_all_translations(tmp_path: Path) -> None:
    """No sentence is wrong for being another line than the one that is meant."""
    data = parallel(
        tmp_path, ("Five died.", "Murieron 5."), ("5 died.", "¡Murieron 5!"), ("five died", "Cinco muertos")
    )
    there, back = load("ntrex-es-en", data), load("ntrex-en-es", data)
    assert found_by(there) == {"Murieron 5.": {"Five died.", "5 died."}, "Cinco muertos": {"Five died."}}
    assert found_by(back) == {"Five died.": {"Murieron 5.", "Cinco muertos"}, "5 died.": {"Murieron 5."}}
    assert [len(dataset.passages) for dataset in (there, back)] == [2, 2]


@pytest.mark.needs_shared
@pytest.mark.parametrize(("there", "back"), [("flores-es-en", "flores-en-es"), ("tldr-es-en", "tldr-en-es")])
def test_a_pair_is_in_the_same_half_both_ways(data: Path, there: str, back: str) -> None:
    sides = [
        {question.id: side for side, half in enumerate(halves(load(name, data))) for question in half.questions}
        for name in (there, back)
    ]
    shared = sides[0].keys() & sides[1].keys()
    assert len(shared) > 900
    assert all(sides[0][id] == sides[1][id] for id in shared)


def tldr_pages(tmp_path: Path, pages: dict[str, tuple[str, str]]) -> Path:
    """Pages by their path, with the summary in English and in Spanish; one that is '' has no page."""
    archive = tmp_path / TLDR
    archive.parent.mkdir(parents=True)
    with tarfile.open(archive, "w:gz") as written:
        for path, summaries in pages.items():
            command = PurePosixPath(path).name
            for folder, summary in zip(("pages", "pages.es"), summaries, strict=True):
                page = f"# {command}\n\n> {summary}\n> Note.\n\n- {folder}:\n\n`{command} {{{{x}}}}`\n".encode()
                member = tarfile.TarInfo(f"tldr-en-es/{folder}/{path}.md")
                member.size = len(page)
                if summary:
                    written.addfile(member, io.BytesIO(page))
    return tmp_path


MAKE_FILES = "Pack many files into one", "Reúne muchos archivos en uno"


def test_a_page_of_tldr_is_found_by_its_summary_which_is_in_no_page(tmp_path: Path) -> None:
    data = tldr_pages(tmp_path, {"common/tar": MAKE_FILES, "linux/pv": ("Watch how data moves on", "")})
    for name, asked, folder in (
        ("tldr-en", 0, "pages"),
        ("tldr-es", 1, "pages.es"),
        ("tldr-es-en", 1, "pages"),
        ("tldr-en-es", 0, "pages.es"),
    ):
        dataset = load(name, data)
        (question,), (passage,) = dataset.questions, dataset.passages  # what is in one language only is left out
        assert (question.text, dict(question.gold)) == (MAKE_FILES[asked], {"common/tar.md": 1})
        assert (passage.id, passage.title) == ("common/tar.md", "tar")
        assert passage.text == f"> Note.\n\n- {folder}:\n\n`tar {{{{x}}}}`"


@pytest.mark.parametrize(
    ("path", "english", "spanish"),
    [
        ("common/git-add", "Stage files for the commit", "Añade archivos al índice de Git"),
        ("common/gzip", "Pack files into gzipped archives", "Comprime muchos archivos en uno"),
        ("common/egrep", "Search like `grep -E` would do", "Busca como si fuera otro"),
        ("cisco-ios/dir", "List files", "Lista todos los archivos"),
    ],
    ids=["names it in one language", "names it in another form", "code", "too short in one language"],
)
def test_a_summary_that_gives_its_page_away_or_says_little_is_not_asked(
    tmp_path: Path, path: str, english: str, spanish: str
) -> None:
    data = tldr_pages(tmp_path, {path: (english, spanish), "common/tar": MAKE_FILES})
    for name in ("tldr-en", "tldr-es", "tldr-es-en", "tldr-en-es"):
        dataset = load(name, data)
        assert [question.id for question in dataset.questions] == ["common/tar.md"]
        assert len(dataset.passages) == 2


def test_a_command_with_pages_for_several_systems_is_not_asked_for(tmp_path: Path) -> None:
    twice = ("Write who is here now", "Escribe quién está aquí")
    data = tldr_pages(tmp_path, {"linux/w": twice, "osx/w": twice, "common/tar": MAKE_FILES})
    assert [question.id for question in load("tldr-es-en", data).questions] == ["common/tar.md"]


def test_pages_of_the_same_summary_are_all_right(tmp_path: Path) -> None:
    data = tldr_pages(tmp_path, {"common/cpio": MAKE_FILES, "common/tar": (MAKE_FILES[0], "Junta muchos en uno solo")})
    assert [len(question.gold) for question in load("tldr-en-es", data).questions] == [2]
    assert [len(question.gold) for question in load("tldr-es-en", data).questions] == [1, 1]


def test_a_set_that_is_not_there_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"'scifact' cannot be read: .*corpus_train.csv"):
        load("scifact", tmp_path)
