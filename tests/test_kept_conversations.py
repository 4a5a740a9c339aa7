"""Conversations and examples within a backup: they come back, and what is there since stays."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine import Engine, LocalEngine, open_engine
from errors import HistoryDamagedError, StorageFullError, UsageError
from ingest.enclosed import enclose, take_out
from ingest.isolate import Isolator
from rag import history_file
from rag.history_file import FILE
from settings import Settings
from tests.fakes import WordEmbedder
from tests.reliability.quick import parse_here
from tests.test_conversations import LEASE, ask


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.embed.open_embedder", lambda settings: WordEmbedder())
    monkeypatch.setattr(Isolator, "parse", parse_here)
    monkeypatch.setattr(LocalEngine, "_update_chroma", lambda self: None)


@pytest.fixture
def lease(settings: Settings) -> Path:
    settings.library.mkdir(parents=True, exist_ok=True)
    (settings.library / "mill.md").write_text("The mill grinds wheat on Thursdays.", encoding="utf-8")
    file = settings.library / "lease.md"
    file.write_text(LEASE, encoding="utf-8")
    return file


@pytest.fixture
def engine(settings: Settings, lease: Path) -> Iterator[Engine]:
    with closing(open_engine(settings)) as engine:
        engine.index()
        yield engine


def elsewhere(tmp_path: Path) -> Engine:
    return open_engine(Settings.load(tmp_path / "elsewhere"))


def test_a_backup_brings_conversations_and_examples_to_another_home(engine: Engine, tmp_path: Path) -> None:
    ids = [ask(engine, "What is the notice period?"), ask(engine, "What is the deposit?")]
    ask(engine, "And what is the notice period?", ids[0])
    engine.rate(ids[0], 1, "good", "clear")
    engine.add_examples([("Who grinds?", "The mill."), ("When?", "On Thursdays.")])
    engine.backup(tmp_path / "kept.cita")
    with closing(elsewhere(tmp_path)) as other:
        other.restore(tmp_path / "kept.cita")
        assert other.conversations() == engine.conversations()
        for id in ids:
            assert turns(other, id) == turns(engine, id)
        assert other.examples() == engine.examples()
        assert [one.id for one in other.conversations("deposit")] == [ids[1]]


def turns(engine: Engine, id: str) -> list[tuple[str, object, object]]:
    """What of a conversation does not depend on where its files are now."""
    return [(turn.question, turn.answer, turn.rating) for turn in engine.conversation(id).turns]


def test_a_restore_keeps_what_is_there_and_adds_what_is_gone(engine: Engine, tmp_path: Path) -> None:
    stays, goes = ask(engine, "What is the notice period?"), ask(engine, "What is the deposit?")
    engine.add_examples([("Who grinds?", "The mill.")])
    engine.backup(tmp_path / "kept.cita")
    engine.delete_conversations([goes])
    engine.rename_conversation(stays, "Notice")
    engine.rate(stays, 1, "bad", "short")
    ask(engine, "What is the deposit?", stays)
    later = ask(engine, "Who grinds wheat?")
    engine.add_examples([("When?", "On Thursdays.")])
    for _ in range(2):  # twice changes no more
        engine.restore(tmp_path / "kept.cita")
        every = engine.conversations()
        assert [(one.id, one.turns) for one in every] == [(later, 1), (stays, 2), (goes, 1)]  # newest first
        assert engine.conversation("last").id == later
        assert (every[1].title, every[1].bad) == ("Notice", 1)
        assert [one.question for one in engine.examples()] == ["When?", "Who grinds?"]


def test_a_backup_without_conversations_leaves_those_that_are_there(engine: Engine, tmp_path: Path) -> None:
    """Earlier backups have none."""
    engine.backup(tmp_path / "kept.cita")
    with closing(sqlite3.connect(tmp_path / "kept.cita")) as backup:
        backup.execute("DROP TABLE enclosed")
        backup.commit()
    id = ask(engine, "What is the notice period?")
    before = engine.conversation(id)
    engine.restore(tmp_path / "kept.cita")
    assert engine.conversation(id) == before


def flip(backup: Path) -> None:
    data = bytearray(backup.read_bytes())
    data[data.index(b"zebra")] ^= 1
    backup.write_bytes(data)


def make_later(backup: Path) -> None:
    take_out(backup)
    enclose(backup, [json.dumps(["version", 99])])


@pytest.mark.parametrize(("spoil", "words"), [(flip, "is damaged"), (make_later, "of a later Cita")])
def test_a_backup_whose_conversations_are_not_sound_changes_nothing(
    engine: Engine, lease: Path, tmp_path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    id = ask(engine, "Is there a zebra?")
    engine.backup(tmp_path / "kept.cita")
    engine.delete_conversations([id])
    lease.unlink()
    engine.index()
    spoil(tmp_path / "kept.cita")
    with pytest.raises(UsageError, match=words):
        engine.restore(tmp_path / "kept.cita")
    assert not engine.conversations()
    assert [source.path for source in engine.sources()] == ["mill.md"]


def test_conversations_stay_out_of_the_index(engine: Engine, settings: Settings, tmp_path: Path) -> None:
    """Else what is deleted of them would stay in the bytes of the restored catalogue."""
    ask(engine, "Is there a zebra?")
    engine.backup(tmp_path / "kept.cita")
    assert b"zebra" in (tmp_path / "kept.cita").read_bytes()
    engine.restore(tmp_path / "kept.cita")
    assert not [file for file in settings.index.rglob("*") if file.is_file() and b"zebra" in file.read_bytes()]


def test_damaged_conversations_are_said_when_a_backup_is_made_and_the_next_one_has_what_is_sound(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    spoilt, sound = ask(engine, "What is the notice period?"), ask(engine, "What is the deposit?")
    with closing(sqlite3.connect(settings.home / FILE)) as file:
        file.execute("UPDATE turns SET question = 'Is it?' WHERE conversation = ?", (spoilt,))
        file.commit()
    with pytest.raises(HistoryDamagedError, match="set aside"):
        engine.backup(tmp_path / "kept.cita")
    assert not (tmp_path / "kept.cita").exists()
    engine.backup(tmp_path / "kept.cita")
    with closing(elsewhere(tmp_path)) as other:
        other.restore(tmp_path / "kept.cita")
        assert [one.id for one in other.conversations()] == [sound]


def test_where_the_disk_is_full_no_conversation_comes_back_in_part_and_the_same_restore_adds_all_later(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = ask(engine, "What is the notice period?")
    ask(engine, "And the deposit?", id)
    engine.backup(tmp_path / "kept.cita")
    engine.forget_conversations()
    insert = history_file.insert_turn

    def full(write: sqlite3.Connection, *values: object) -> int:
        if values[1] == 2:
            raise sqlite3.OperationalError("database or disk is full")
        return insert(write, *values)

    with monkeypatch.context() as patch:
        patch.setattr(history_file, "insert_turn", full)
        with pytest.raises(StorageFullError, match="Free some disk space"):
            engine.restore(tmp_path / "kept.cita")
    assert not engine.conversations()
    engine.restore(tmp_path / "kept.cita")
    assert [(one.id, one.turns) for one in engine.conversations()] == [(id, 2)]
