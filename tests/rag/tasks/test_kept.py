"""The parts of tasks: kept, forgotten, and begun anew where their file is damaged."""

import os
import sqlite3
from pathlib import Path

from rag.tasks import kept
from rag.tasks.kept import FILE, Kept
from rag.tasks.types import Said
from rag.types import Citation

SAID = (Said("It is so.", (Citation(1, "p", "a.md", None, "", "so", 6, 8, True),), "partly", "why"), Said(""))


def test_a_part_comes_back_as_it_was_put_in(tmp_path: Path) -> None:
    Kept(tmp_path).put("key", SAID, ["p"])
    assert Kept(tmp_path).get("key") == SAID
    assert Kept(tmp_path).get("other") is None


def test_only_this_user_can_read_what_is_kept(tmp_path: Path) -> None:
    Kept(tmp_path).put("key", SAID, ["p"])
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(os.urandom(9000))
    parts = Kept(tmp_path)
    assert parts.get("key") is None
    parts.put("key", SAID, ["p"])
    assert parts.get("key") == SAID


def test_a_part_that_nothing_asked_for_is_forgotten(tmp_path: Path) -> None:
    parts = Kept(tmp_path)
    parts.put("old", SAID, ["p"])
    parts.put("young", SAID, ["p"])
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("UPDATE parts SET at = at - ? WHERE key = 'old'", ((kept.DAYS + 1) * 86400,))
    parts.put("new", SAID, ["p"])
    assert [parts.get(key) is None for key in ("old", "young", "new")] == [True, False, False]


def test_a_part_of_another_version_is_made_anew(tmp_path: Path) -> None:
    parts = Kept(tmp_path)
    parts.put("key", SAID, ["p"])
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("UPDATE parts SET said = '[{\"words\": 1}]'")
    assert parts.get("key") is None


def test_a_part_goes_with_the_first_passage_that_it_was_made_from(tmp_path: Path) -> None:
    parts = Kept(tmp_path)
    parts.put("whole", SAID, ["p", "q"])
    parts.put("broken", SAID, ["q", "r"])
    parts.forget_gone(lambda ids: {"p", "q"} & set(ids))
    assert parts.get("whole") == SAID
    assert parts.get("broken") is None
    assert b"broken" not in (tmp_path / FILE).read_bytes()


def test_where_no_task_was_done_there_is_nothing_to_forget(tmp_path: Path) -> None:
    Kept(tmp_path).forget_gone(lambda ids: set(ids))
    assert list(tmp_path.iterdir()) == []
