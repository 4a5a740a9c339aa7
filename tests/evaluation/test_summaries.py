"""Documents with summaries: what is taken for the summary is no part of the document, halves are of whole groups."""

import json
from pathlib import Path
from typing import Any

import pytest

from errors import FolderError
from evaluation.summaries import SETS, Summarised, load


def write_articles(data: Path, file: str, articles: dict[str, list[str]]) -> None:
    def paragraph(article: str, n: int, text: str) -> dict[str, Any]:
        answers = [{"text": text.split()[0], "answer_start": 0}]
        return {"context": text, "qas": [{"id": f"{article}-{n}", "question": "What?", "answers": answers}]}

    folder = data / "qa" / "squad-family"
    folder.mkdir(parents=True, exist_ok=True)
    made = [
        {"title": title, "paragraphs": [paragraph(title, n, text) for n, text in enumerate(texts)]}
        for title, texts in articles.items()
    ]
    (folder / f"{file}.json").write_text(json.dumps({"data": made}), encoding="utf-8")


def test_the_first_paragraph_of_an_article_is_its_summary(tmp_path: Path) -> None:
    for file in ("squad-v1.1-en", "squad-v2.0-en"):
        write_articles(
            tmp_path, file, {"Rhine": ["A river.", "It is long.", "It is\nwide."], "Geology": ["Of earth.", "x."]}
        )
    found = load("articles, English", tmp_path)
    assert [(one.text, one.summary, one.group) for one in found.documents] == [
        ("It is long.\n\nIt is wide.", "A river.", "Rhine"),
        ("x.", "Of earth.", "Geology"),
    ]
    assert (found.length, found.alone) == ("middle", True)


def test_a_paragraph_is_no_heading_or_list_however_it_begins(tmp_path: Path) -> None:
    for file in ("squad-v1.1-en", "squad-v2.0-en"):
        write_articles(tmp_path, file, {"Rhine": ["A river.", "# first", "- second", "1. third"]})
    (document,) = load("articles, English", tmp_path).documents
    assert document.text == "\\# first\n\n\\- second\n\n\\1. third"


def test_the_section_summary_of_a_chapter_is_its_summary(tmp_path: Path) -> None:
    folder = tmp_path / "collections" / "rust-book" / "src"
    folder.mkdir(parents=True)
    (folder / "ch01-00-start.md").write_text("# Start\n\nIt begins.\n<!-- not\nshown -->\n{{#include x}}\n")
    (folder / "ch01-01-go.md").write_text("## Go\n\nIt goes.\n\n## Summary\n\nYou [learned][go] `go`.\n")
    (folder / "ch02-00-none.md").write_text("# None\n\nWithout a summary.\n")
    (document,) = load("chapters", tmp_path).documents
    assert document.summary == "You learned `go`."
    assert "It begins." in document.text
    assert "It goes." in document.text
    assert not any(hidden in document.text for hidden in ("learned", "not", "include"))


def test_all_of_a_group_are_in_the_same_half() -> None:
    halves = {group: {Summarised(name, "", "", group).is_tuned_on for name in "abc"} for group in map(str, range(40))}
    assert all(len(half) == 1 for half in halves.values())
    assert {True} in halves.values()
    assert {False} in halves.values()


@pytest.mark.parametrize("name", list(SETS))
def test_a_set_that_is_not_there_is_said(name: str, tmp_path: Path) -> None:
    with pytest.raises(FolderError):
        load(name, tmp_path)
