import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from engine import open_engine
from errors import ParseError, ParserDiedError, UnsupportedError
from ingest import convert
from ingest.embed import Embedder
from ingest.parse import legacy, parse
from ingest.parse.package import OLE
from settings import Settings
from tests.conftest import shared_data
from tests.documents import write_docx, write_zip

needs_libreoffice = pytest.mark.skipif(not convert.libreoffice(), reason=f"needs LibreOffice: {convert.HOW_TO_INSTALL}")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file that looks like one of the old kind."""
    path = tmp_path / "old.doc"
    path.write_bytes(OLE + bytes(600))
    return path


def pretend(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    """A Python program in LibreOffice's place; `source` and `folder` are what it was given."""
    path = folder / "soffice"
    head = "import pathlib, sys, time\nsource, folder = pathlib.Path(sys.argv[-1]), pathlib.Path(sys.argv[-2])\n"
    path.write_text(f"#!{sys.executable}\n{head}{program}\n", encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setattr(convert, "libreoffice", lambda: str(path))


@needs_libreoffice
def test_an_old_document_is_read_as_its_successor(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    made = convert.convert(write_docx(tmp_path / "a.docx"), "doc", tmp_path / "there")
    assert made.read_bytes().startswith(OLE)
    old = made.rename(tmp_path / "rules.doc")
    with convert.readable(old) as file:
        document = parse(file)
    assert not file.exists()
    assert [(block.kind, block.text) for block in document.blocks] == [
        (block.kind, block.text) for block in parse(tmp_path / "a.docx").blocks
    ]


@needs_libreoffice
@pytest.mark.needs_shared
def test_old_slides_are_read_as_pages() -> None:
    with convert.readable(shared_data("documents", "unstructured-example-docs") / "fake-power-point.ppt") as file:
        document = parse(file)
    assert document.pages == 1
    assert document.blocks[0].text == "Adding a Bullet Slide"


@needs_libreoffice
def test_what_libreoffice_cannot_read_comes_to_the_parser_which_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.ppt"
    path.write_bytes(OLE + bytes(600))
    with convert.readable(path) as file:
        assert file == path
        with pytest.raises(ParseError, match="LibreOffice cannot read the file"):
            parse(file)


def test_without_libreoffice_an_old_document_says_how_to_install_it(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = legacy.parser_version()
    monkeypatch.setattr(convert, "libreoffice", lambda: "" if "with " in version else "soffice")
    assert legacy.parser_version() != version
    monkeypatch.setattr(convert, "libreoffice", lambda: "")
    with convert.readable(old) as file, pytest.raises(UnsupportedError, match=r"needs LibreOffice.*apt install"):
        parse(file)
    with pytest.raises(UnsupportedError, match="needs LibreOffice"):
        convert.convert(old, "docx", tmp_path)


def test_a_newer_document_under_an_old_name_needs_no_libreoffice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "libreoffice", lambda: "")
    (tmp_path / "letter.doc").write_text(r"{\rtf1 Dear Ada\par}", encoding="ascii")
    for path in (tmp_path / "letter.doc", write_docx(tmp_path / "rules.doc")):
        with convert.readable(path) as file:
            assert file == path
            assert parse(file).blocks


def test_one_that_takes_too_long_is_ended_with_all_it_started(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = "import subprocess; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(77)']); time.sleep(77)"
    pretend(monkeypatch, tmp_path, child)
    (tmp_path / "there").mkdir()
    started = time.monotonic()
    with pytest.raises(ParserDiedError, match="longer than 2 s"):
        convert.convert(old, "docx", tmp_path / "there", seconds=2)
    assert time.monotonic() - started < 20
    left = [process for process in psutil.Process().children(recursive=True) if "time.sleep(77)" in process.cmdline()]
    assert not left


def test_it_has_no_network_a_profile_of_its_own_and_no_macros(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    see = (
        "interfaces = pathlib.Path('/proc/net/dev').read_text().splitlines()[2:]\n"
        "settings = (folder / 'profile/user/registrymodifications.xcu').read_text()\n"
        "(folder / 'document.docx').write_text(repr((sys.argv[1:], len(interfaces), 'DisableMacros' in settings)))"
    )
    if sys.platform != "linux":
        pytest.skip("only Linux has /proc/net")
    pretend(monkeypatch, tmp_path, see)
    there = tmp_path / "there"
    there.mkdir()
    arguments, interfaces, no_macros = eval(convert.convert(old, "docx", there).read_text())
    assert f"-env:UserInstallation={(there / 'profile').as_uri()}" in arguments
    assert arguments[-1] == str(there / "document.doc")
    assert (interfaces, no_macros) == (1, True)


def test_what_it_says_of_a_failure_is_passed_on(old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, tmp_path, "print('warning', file=sys.stderr); sys.exit('source file could not be loaded')")
    (tmp_path / "there").mkdir()
    with pytest.raises(ParseError, match="cannot read the file: source file could not be loaded"):
        convert.convert(old, "docx", tmp_path / "there")


@needs_libreoffice
def test_an_old_document_and_one_inside_an_archive_are_indexed_like_their_successors(
    tmp_path: Path, settings: Settings, embedder: Embedder
) -> None:
    (tmp_path / "there").mkdir()
    settings.library.mkdir(parents=True)
    made = convert.convert(write_docx(tmp_path / "a.docx"), "doc", tmp_path / "there")
    write_zip(settings.library / "letters.zip", {"old/rules.doc": made.read_bytes()})
    made.rename(settings.library / "rules.doc")
    with closing(open_engine(settings)) as engine:
        engine.index()
        statuses = {source.path: (source.status, source.media_type) for source in engine.sources()}
        assert statuses["rules.doc"] == statuses["letters.zip/old/rules.doc"] == ("indexed", legacy.MEDIA_TYPE)
        assert engine.verify().problems == ()
        assert engine.index().unchanged == 3
