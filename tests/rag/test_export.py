"""An exported conversation says what was shown, and what documents say in it stays text."""

import io
import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from shutil import which
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest
from docx import Document
from markdown_it import MarkdownIt

from errors import UsageError
from ingest.parse import parse
from rag.export import WORDS, as_json, export, fine_tuning_set
from rag.types import (
    Answer,
    AnswerSentence,
    Citation,
    Conversation,
    Evidence,
    Example,
    ExportForm,
    Hit,
    KeptTurn,
    Language,
    Side,
    Since,
)
from tests.fakes import LEASE
from tests.rag.test_history import CITATION, TIMINGS, answer

HOSTILE = (
    "<img src=x onerror=alert(1)> ![x](http://evil.example/x.png) [l](http://evil.example) # no\n# heading\n- list\n"
    "1. one\n***\n`code` | a | &amp; [^1-1] \x00\x1b[31m \u202e"
)
EVIDENCE = Evidence(Hit(1, 1.0, LEASE), "ab" * 32)


def turn(**changes: object) -> KeptTurn:
    kept = KeptTurn(1, "2026-01-02T03:04:05.678+00:00", "What is the notice?", "answered", answer=answer())
    return replace(replace(kept, evidence=(EVIDENCE,)), **changes)  # type: ignore[arg-type]


def conversation(*turns: KeptTurn, title: str = "The flat") -> Conversation:
    return Conversation("c1", title, "2026-01-02T03:04:05.678+00:00", "2026-01-02T03:04:05.678+00:00", turns)


W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def word_text(content: bytes) -> str:
    """What a Word document says, its footnotes last."""
    said = [paragraph.text for paragraph in Document(io.BytesIO(content)).paragraphs]
    return "\n".join([*said, *word_notes(content).values()])


def word_notes(content: bytes) -> dict[str, str]:
    """The footnotes by their ids, without the lines above them."""
    with ZipFile(io.BytesIO(content)) as document:
        if "word/footnotes.xml" not in document.namelist():
            return {}
        notes = ElementTree.fromstring(document.read("word/footnotes.xml"))
    return {note.attrib[f"{W}id"]: "".join(note.itertext()) for note in notes if f"{W}type" not in note.attrib}


def word_body(content: bytes) -> ElementTree.Element:
    with ZipFile(io.BytesIO(content)) as document:
        return ElementTree.fromstring(document.read("word/document.xml"))


def test_markdown_has_a_footnote_for_each_citation() -> None:
    again = turn(n=2, question="Sure?")
    text = export(conversation(turn(rating="good", reason="Clear."), again), "md").decode()
    assert text.startswith("# The flat\n\n## 1. What is the notice?\n\nThe notice period is thirty days.[^1-1]\n")
    place = "contracts/lease.pdf, page 2, Lease \\> Ending the lease"
    for n in (1, 2):
        assert f"[^{n}-1]: {place}: “The notice period is thirty days.”\n" in text
    assert "*extractive · 2026-01-02 03:04 UTC · rated good: Clear.*" in text


TWO = Answer(
    "?", "Thirty days [1], in writing [2]. So thirty [1], says [7].", False,
    (CITATION, replace(CITATION, n=2, quote="In writing.", supported=False)), (), "tiny", TIMINGS,
)  # fmt: skip


def test_a_word_document_has_a_footnote_for_each_citation_numbered_through_it() -> None:
    content = export(conversation(turn(answer=TWO), turn(n=2, question="Sure?")), "docx")
    place = "contracts/lease.pdf, page 2, Lease > Ending the lease"
    notes = word_notes(content)
    assert list(notes.values()) == [
        f" {place}: “The notice period is thirty days.”",
        f" {place}: “In writing.” ({WORDS['en'].unsupported})",
        f" {place}: “The notice period is thirty days.”",
    ]
    body = word_body(content)
    assert [each.attrib[f"{W}id"] for each in body.iter(f"{W}footnoteReference")] == list(notes)
    assert "".join(body.itertext()).count("[7]") == 1  # no such citation
    assert "[1]" not in "".join(body.itertext())


def test_a_citation_that_is_named_again_refers_to_its_footnote() -> None:
    body = word_body(export(conversation(turn(), turn(n=2, answer=TWO)), "docx"))
    (field,) = body.iter(f"{W}fldSimple")
    bookmark = field.attrib[f"{W}instr"].split()[1]
    assert "".join(field.itertext()) == "2"  # the first of the second answer
    (start,) = [each for each in body.iter(f"{W}bookmarkStart") if each.attrib[f"{W}name"] == bookmark]
    paragraph = next(each for each in body.iter(f"{W}p") if start in each)
    assert list(paragraph)[list(paragraph).index(start) + 1].find(f"{W}footnoteReference") is not None


def test_a_word_document_is_read_with_its_footnotes(tmp_path: Path) -> None:
    (tmp_path / "flat.docx").write_bytes(export(conversation(turn(answer=TWO)), "docx"))
    said = "\n".join(block.text for block in parse(tmp_path / "flat.docx").blocks)
    assert "In writing." in said


@pytest.mark.skipif(not which("soffice"), reason="LibreOffice is not installed")
def test_libreoffice_opens_a_word_document_and_shows_its_footnotes(tmp_path: Path) -> None:
    (tmp_path / "flat.docx").write_bytes(export(conversation(turn(answer=TWO)), "docx"))
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    command = ["soffice", "--headless", profile, "--convert-to", "txt:Text", "flat.docx"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    said = (tmp_path / "flat.txt").read_text(encoding="utf-8-sig")
    assert "Thirty days1, in writing2. So thirty1, says [7]." in said


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("since", ["edited", "changed", "moved", "gone"])
@pytest.mark.parametrize("form", ["md", "docx"])
def test_a_file_that_is_not_what_it_was_is_marked(form: str, since: Since, language: Language) -> None:
    changed = turn(evidence=(replace(EVIDENCE, since=since, now="new.pdf" if since == "moved" else ""),))
    content = export(conversation(changed), form, language)  # type: ignore[arg-type]
    text = word_text(content) if form == "docx" else content.decode()
    assert WORDS[language].since[since].format(now="new.pdf") in text
    assert "The notice period is thirty days." in text
    assert WORDS[language].page.format(page=2) in text


@pytest.mark.parametrize("form", ["md", "docx"])
def test_doubt_is_exported_too(form: str) -> None:
    said = Answer(
        "?", "Ninety days. [1] [7]", False, (replace(CITATION, supported=False),),
        (AnswerSentence("Ninety days.", (1,), False),), "tiny", TIMINGS,
    )  # fmt: skip
    stopped = turn(n=2, state="stopped", answer=None, draft="The notice", evidence=())
    failed = turn(n=3, state="failed", answer=None, error="The model ended.", evidence=())
    content = export(conversation(turn(answer=said), stopped, failed), form)  # type: ignore[arg-type]
    text = word_text(content) if form == "docx" else content.decode()
    words = WORDS["en"]
    for expected in (words.unsupported, "Not confirmed by a passage: “Ninety days.”", "The notice", words.stopped,
                     "The model ended."):  # fmt: skip
        assert expected in text
    assert "[^1-7]" not in text


@pytest.mark.parametrize("form", ["md", "docx"])
def test_what_the_sources_say_against_each_other_is_exported_too(form: ExportForm) -> None:
    said = replace(answer(), conflict=(Side("thirty days", (1,), "2021-02-07"), Side("sixty days", (1,))))
    content = export(conversation(turn(answer=said)), form)
    text = content.decode() if form == "md" else word_text(content)
    for side in ("thirty days (contracts/lease.pdf, 2021-02-07)", "sixty days (contracts/lease.pdf)"):
        assert side in text
    assert "The sources disagree: " in text
    assert as_json(conversation(turn(answer=said)))["turns"][0]["conflict"][1]["value"] == "sixty days"


def test_what_documents_say_is_no_markdown() -> None:
    cited = Citation(1, LEASE.id, HOSTILE, None, HOSTILE, HOSTILE, 0, 10, True)
    said = Answer(HOSTILE, f"{HOSTILE} [1]", False, (cited,), (AnswerSentence(HOSTILE, (), False),), HOSTILE, TIMINGS)
    hostile = turn(question=HOSTILE, answer=said, rating="bad", reason=HOSTILE)
    text = export(conversation(hostile, turn(n=2, answer=None, draft=HOSTILE, error=HOSTILE), title=HOSTILE), "md")
    tokens = MarkdownIt("commonmark").enable("table").parse(text.decode())
    inner = [child.type for token in tokens for child in token.children or ()]
    assert not {"image", "link_open", "html_inline", "code_inline"} & set(inner)
    assert {token.type for token in tokens} <= {"heading_open", "heading_close", "inline", "paragraph_open",
                                                "paragraph_close"}  # fmt: skip
    assert sum(token.type == "heading_open" for token in tokens) == 3
    assert not re.search("[\x00\x1b\u202e]", text.decode())


def test_a_word_document_holds_any_text() -> None:
    hostile = turn(question=HOSTILE, answer=replace(answer(), answer=f"{HOSTILE}\ud800 [1]"))
    text = word_text(export(conversation(hostile, title="x" * 300), "docx"))
    assert "<img src=x onerror=alert(1)>" in text
    assert "contracts/lease.pdf, page 2, Lease > Ending the lease: “The notice period is thirty days.”" in text


def test_json_has_the_keys_of_ask_and_what_became_of_each_citation() -> None:
    moved = turn(evidence=(replace(EVIDENCE, since="moved", now="new.pdf"),), rating="bad", reason="No.")
    (kept,) = json.loads(export(conversation(moved), "json"))["turns"]
    assert {"question", "answer", "abstained", "citations", "sentences", "model", "timings", "voice"} <= set(kept)
    (citation,) = kept["citations"]
    assert (citation["n"], citation["quote"], citation["since"], citation["now"]) == (
        1, "The notice period is thirty days.", "moved", "new.pdf",
    )  # fmt: skip
    assert (kept["rating"], kept["reason"], kept["passages"][0]["text"]) == ("bad", "No.", LEASE.text)
    assert as_json(conversation())["turns"] == []


def test_another_form_is_an_error() -> None:
    with pytest.raises(UsageError, match="no form 'pdf'"):
        export(conversation(), "pdf")  # type: ignore[arg-type]


def test_a_fine_tuning_set_is_chats_with_the_passages_that_were_cited() -> None:
    kept = Example("e2", "¿Cuál es el preaviso?", "Treinta días. [1]", "kept", "", (Hit(1, 1.0, LEASE),))
    written = Example("e1", "Who are you?", "Cita.", "written", "")
    first, second = map(json.loads, fine_tuning_set([kept, written]).splitlines())
    assert first == {
        "messages": [{"role": "user", "content": "Who are you?"}, {"role": "assistant", "content": "Cita."}]
    }
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant"]
    system, user, assistant = (message["content"] for message in second["messages"])
    assert "Tus documentos no lo dicen." in system
    assert "[1] contracts/lease.pdf" in user
    assert LEASE.text in user
    assert user.index(LEASE.text) < user.index("¿Cuál es el preaviso?")
    assert assistant == "Treinta días. [1]"
