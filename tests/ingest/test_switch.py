"""Another embedder: the old one answers until all is embedded anew, and a stopped change goes on where it stopped."""

import json
import zipfile
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import LocalEngine, open_engine
from errors import EmbedderError, FolderError
from ingest import embed
from ingest.catalog import Catalog
from ingest.embed import OnnxEmbedder, TorchEmbedder, Vectors, open_embedder
from ingest.isolate import Isolator
from ingest.parse import ocr
from ingest.switch import FILE
from settings import Embed, Settings
from tests.fakes import WordEmbedder
from tests.scans import draw_page, needs_tesseract, write_scan
from tests.tiny_embedder import write_tiny_embedder

NOTES = {"lease.md": "The rent is 900 euros.", "pets.md": "No pets are allowed.", "keys.md": "Two keys are lent."}


class LetterEmbedder(WordEmbedder):
    """Another embedder, with vectors of another length."""

    fingerprint = "letters/1"
    dimensions = 8


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[list[LocalEngine]]:
    """The engines that a test opens with engine_of(), closed at its end."""

    def open_fake(settings: Settings) -> WordEmbedder:
        if settings.embed.model == "missing":
            raise EmbedderError("There is no sentence-transformers model at 'missing'.")
        return LetterEmbedder() if settings.embed.model == "letters" else WordEmbedder()

    monkeypatch.setattr(embed, "open_embedder", open_fake)
    library = home / "library"
    library.mkdir(parents=True)
    for name, text in NOTES.items():
        (library / name).write_text(text + "\n")
    engines: list[LocalEngine] = []
    yield engines
    for engine in engines:
        engine.close()


def engine_of(opened: list[LocalEngine], home: Path, model: str) -> LocalEngine:
    for engine in opened:
        engine.close()
    engine = open_engine(Settings.load(home, embed=Embed(model=model)))
    assert isinstance(engine, LocalEngine)
    opened[:] = [engine]
    return engine


def paths(engine: LocalEngine, question: str) -> list[str]:
    return [hit.passage.path for hit in engine.search(question).hits]


def test_the_old_embedder_answers_until_the_new_index_is_whole(
    opened: list[LocalEngine], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine_of(opened, home, "words").index()
    engine = engine_of(opened, home, "letters")
    assert any("words" in problem and "letters" in problem for problem in engine.status().problems)
    during: list[tuple[list[str], str]] = []
    embed_passages = LetterEmbedder.embed_passages

    def looking(self: LetterEmbedder, texts: Sequence[str]) -> Vectors:
        during.append((paths(engine, "What is the rent?"), engine.status().embedder))
        return embed_passages(self, texts)

    monkeypatch.setattr(LetterEmbedder, "embed_passages", looking)
    report = engine.index()
    assert (report.added, report.embedded) == (3, 3)
    assert during
    assert all(found[0] == "lease.md" and made_by == "words/1" for found, made_by in during)
    assert engine.status().embedder == "letters/1"
    assert engine.status().problems == ()
    assert paths(engine, "What is the rent?")[0] == "lease.md"
    assert not (home / "index" / FILE).exists()
    assert engine.verify(read_data=True).problems == ()


def test_a_change_that_was_stopped_goes_on_where_it_stopped(
    opened: list[LocalEngine], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine_of(opened, home, "words").index()
    monkeypatch.setattr("ingest.pipeline.GROUP", 1)
    calls = count()
    embed_passages = LetterEmbedder.embed_passages

    def stops(self: LetterEmbedder, texts: Sequence[str]) -> Vectors:
        if next(calls) == 2:
            raise EmbedderError("The power is out.")
        return embed_passages(self, texts)

    monkeypatch.setattr(LetterEmbedder, "embed_passages", stops)
    engine = engine_of(opened, home, "letters")
    with pytest.raises(EmbedderError, match="power"):
        engine.index()
    engine = engine_of(opened, home, "letters")
    assert paths(engine, "What is the rent?")[0] == "lease.md"
    assert engine.status().embedder == "words/1"
    kept = Catalog(home / "index", FILE)
    stored = kept.count_vectors()
    kept.close()
    assert stored == 2  # what was made before the stop
    monkeypatch.setattr(LetterEmbedder, "embed_passages", embed_passages)
    report = engine.index()
    assert report.embedded == 3 - stored
    assert engine.status().embedder == "letters/1"
    assert engine.verify(read_data=True).problems == ()


def test_scans_are_not_recognised_again_but_where_the_file_or_the_recogniser_changed(
    opened: list[LocalEngine], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_tesseract()
    pages = [draw_page("The deposit is two rents."), "A page with text.", draw_page("All fees are in euros.")]
    write_scan(home / "library" / "scan.pdf", pages)
    with zipfile.ZipFile(home / "library" / "box.zip", "w") as box:
        box.write(home / "library" / "scan.pdf", "inner.pdf")
    asked: list[tuple[str, int]] = []
    recognise = Isolator.recognise

    def counting(self: Isolator, path: Path, page: int, *more: Any, **named: Any) -> bytes:
        asked.append((path.name, page))
        return recognise(self, path, page, *more, **named)

    monkeypatch.setattr(Isolator, "recognise", counting)
    engine_of(opened, home, "words").index()
    both = [("box.zip", 1), ("box.zip", 3), ("scan.pdf", 1), ("scan.pdf", 3)]
    assert sorted(asked) == both
    before = recognised_in(opened[0])
    assert list(before) == ["box.zip/inner.pdf 1", "scan.pdf 1"]
    asked.clear()

    engine_of(opened, home, "letters").index()
    assert asked == []
    assert recognised_in(opened[0]) == before

    write_scan(home / "library" / "scan.pdf", [draw_page("No deposit is asked for."), *pages[1:]])
    engine_of(opened, home, "words").index()
    assert sorted(asked) == [("scan.pdf", 1), ("scan.pdf", 3)]
    asked.clear()

    monkeypatch.setattr(ocr, "VERSION", ocr.VERSION + 1)
    engine_of(opened, home, "letters").index()
    assert sorted(asked) == both


def recognised_in(engine: LocalEngine) -> dict[str, tuple[str, float | None]]:
    """The passages of pages that were pictures, with how sure their recognition is."""
    sources = [source for source in engine.sources() if source.path.endswith(".pdf")]
    passages = [one for source in sources for one in engine._catalog.passages_of(source.folder, source.path)]
    return {f"{one.path} {one.page}": (one.text, one.confidence) for one in passages if one.confidence is not None}


def test_a_change_that_is_taken_back_leaves_nothing(
    opened: list[LocalEngine], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine_of(opened, home, "words").index()
    engine = engine_of(opened, home, "letters")
    monkeypatch.setattr(LetterEmbedder, "embed_passages", lambda *_: (_ for _ in ()).throw(EmbedderError("Stopped.")))
    with pytest.raises(EmbedderError):
        engine.index()
    assert (home / "index" / FILE).exists()
    engine = engine_of(opened, home, "words")
    assert engine.index().unchanged == 3
    assert not (home / "index" / FILE).exists()


def test_documents_of_a_folder_that_is_away_are_not_lost_by_a_change(
    opened: list[LocalEngine], home: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "far.md").write_text("The distant note.\n")
    engine = engine_of(opened, home, "words")
    engine.add_folders([disk])
    engine.index()
    disk.rename(tmp_path / "unplugged")
    engine = engine_of(opened, home, "letters")
    with pytest.raises(FolderError, match="disk"):
        engine.index()
    assert "far.md" in paths(engine, "Where is the distant note?")
    (tmp_path / "unplugged").rename(disk)
    assert engine.index().added == 4


def test_a_folder_that_is_taken_out_is_gone_from_a_stopped_change(
    opened: list[LocalEngine], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "secret.md").write_text("Zibeltabelle.\n")
    engine = engine_of(opened, home, "words")
    engine.add_folders([other])
    engine.index()
    engine = engine_of(opened, home, "letters")
    monkeypatch.setattr("ingest.pipeline._Run.finish", lambda _: (_ for _ in ()).throw(EmbedderError("Stopped.")))
    with pytest.raises(EmbedderError):
        engine.index()
    left = home / "index" / FILE
    assert b"Zibeltabelle" in b"".join(file.read_bytes() for file in left.parent.glob(f"{FILE}*"))
    engine.remove_folders([other])
    assert not list(left.parent.glob(f"{FILE}*"))


def test_an_old_embedder_that_is_gone_is_named(opened: list[LocalEngine], home: Path) -> None:
    engine_of(opened, home, "words").index()
    with_fact = Catalog(home / "index")
    with_fact.set_fact("embedder_model", "missing")
    with_fact.close()
    engine = engine_of(opened, home, "letters")
    with pytest.raises(EmbedderError, match="'missing'") as raised:
        engine.search("What is the rent?")
    assert "cita index" in raised.value.hint
    engine.index()
    assert paths(engine, "What is the rent?")[0] == "lease.md"


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_onnx_pools_and_prefixes_as_sentence_transformers_does(tmp_path: Path, pooling: str) -> None:
    write_tiny_embedder(tmp_path / "tiny", pooling=pooling, prompts={"query": "query: ", "document": "passage: "})
    made = {}
    for runtime in ("auto", "torch"):
        embedder = open_embedder(Settings.load(tmp_path, embed=Embed(model=str(tmp_path / "tiny"), runtime=runtime)))
        assert isinstance(embedder, OnnxEmbedder if runtime == "auto" else TorchEmbedder)
        made[runtime] = (
            embedder.fingerprint,
            embedder.embed_query("rent"),
            embedder.embed_passages(["the rent is due", "no pets"]),
        )
        assert np.abs(embedder.embed_query("rent") - embedder.embed_passages(["rent"])[0]).max() > 1e-3  # prefixes
    assert made["auto"][0] == made["torch"][0]
    np.testing.assert_allclose(made["auto"][1], made["torch"][1], atol=2e-5)
    np.testing.assert_allclose(made["auto"][2], made["torch"][2], atol=2e-5)


@pytest.mark.slow
def test_a_library_changes_from_one_model_folder_to_another(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "library").mkdir(parents=True)
    for name, text in NOTES.items():
        (home / "library" / name).write_text(text + "\n")
    for number, dimensions in enumerate((16, 24)):
        folder = tmp_path / f"model{number}"
        write_tiny_embedder(folder, seed=number, dimensions=dimensions)
        engine = open_engine(Settings.load(home, embed=Embed(model=str(folder))))
        try:
            if number:
                assert engine.search("What is the rent?").hits  # by the first model
                assert json.dumps(engine.status().problems).count("model") >= 2
            assert engine.index().embedded == 3
            assert engine.search("What is the rent?").hits[0].passage.path == "lease.md"
            assert engine.status().embedder.startswith(f"model{number}/")
        finally:
            engine.close()


def test_the_old_embedder_is_opened_with_the_prefixes_that_it_had(
    opened: list[LocalEngine], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_prefix(settings: Settings) -> WordEmbedder:
        made = LetterEmbedder() if settings.embed.model == "letters" else WordEmbedder()
        made.fingerprint += f"/{settings.embed.query_prefix}"
        return made

    monkeypatch.setattr(embed, "open_embedder", with_prefix)
    opened.append(LocalEngine(Settings.load(home, embed=Embed(model="words", query_prefix="ask: "))))
    opened[0].index()
    opened.append(LocalEngine(Settings.load(home, embed=Embed(model="letters"))))
    assert paths(opened[1], "What is the rent?")[0] == "lease.md"
