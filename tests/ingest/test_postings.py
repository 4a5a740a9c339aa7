"""An inverted index gives back what was put in, from memory, merged, and from a file; a damaged file is never used."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.arrays import ArraysDamagedError, Owner
from ingest.postings import _FORMAT, Postings, build, merge, open_file, write

DOCUMENTS = st.lists(
    st.dictionaries(st.sampled_from(["a", "b", "año", "=año", "zz", "long key"]), st.floats(0.25, 2.0, width=16)),
    min_size=1,
    max_size=12,
)


def of(documents: list[dict[str, float]], first: int = 1) -> Postings:
    """Two documents to an owner."""
    owners = [
        Owner(
            first + start,
            f"checksum{first + start}",
            tuple(range(first + start, first + min(start + 2, len(documents)))),
        )
        for start in range(0, len(documents), 2)
    ]
    return build(owners, documents)


def held(postings: Postings) -> dict[int, dict[str, float]]:
    """What each row has."""
    found: dict[int, dict[str, float]] = {int(row): {} for row in postings.rows}
    for place, key in enumerate(postings.keys(0, postings.key_count)):
        for doc, impact in zip(*(array.tolist() for array in postings.at(place)), strict=True):
            found[int(postings.rows[doc])][key.decode()] = impact
    return found


@given(DOCUMENTS)
def test_what_was_put_in_is_there(documents: list[dict[str, float]]) -> None:
    postings = of(documents)
    assert held(postings) == dict(enumerate(documents, start=1))
    for key in ("a", "año", "b", "missing", ""):
        docs, _ = postings.find(key)
        assert docs.tolist() == [doc for doc, document in enumerate(documents) if key in document]
    rows = np.array([0, 2, 3, 99], np.int64)
    assert postings.docs_of(rows).tolist() == [row - 1 for row in (2, 3) if row <= len(documents)]


@given(DOCUMENTS, DOCUMENTS, st.integers(0, 63))
def test_merged_ones_have_what_each_had_less_what_is_masked(
    one: list[dict[str, float]], other: list[dict[str, float]], drop: int
) -> None:
    parts = []
    expected: dict[int, dict[str, float]] = {}
    for first, documents in ((1, one), (100, other)):
        postings = of(documents, first)
        alive = np.array([not drop >> (doc // 2) & 1 for doc in range(len(documents))])
        parts.append((postings, alive))
        expected |= {first + doc: document for doc, document in enumerate(documents) if alive[doc]}
    merged = merge(parts)
    assert held(merged) == expected
    assert set(merged.keys(0, merged.key_count)) == {key.encode() for document in expected.values() for key in document}
    owned = [row for _, _, start, end in merged.owners() for row in merged.rows[start:end].tolist()]
    assert owned == list(expected)


@given(DOCUMENTS)
def test_a_file_holds_the_same(tmp_path_factory: pytest.TempPathFactory, documents: list[dict[str, float]]) -> None:
    postings = of(documents)
    folder = tmp_path_factory.mktemp("postings")
    opened = write(postings, folder)
    assert opened.file is not None
    assert opened.file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == [opened.file.name]
    assert held(opened) == held(postings)
    assert opened.owners() == postings.owners()
    assert held(merge([(opened, np.ones(len(opened), bool))])) == held(postings)


def test_a_damaged_file_is_found_out_whatever_was_damaged(tmp_path: Path) -> None:
    chance = random.Random(5)
    letters = "abcdefgh"
    documents = [{chance.choice(letters) * chance.randint(1, 3): 1.0 for _ in range(6)} for _ in range(40)]
    postings = of(documents)
    file = write(postings, tmp_path).file
    assert file is not None
    sound, expected = file.read_bytes(), held(postings)
    found_out = 0
    for number in range(400):
        data = bytearray(sound)
        if number % 4:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        else:
            del data[chance.randrange(len(data)) :]
        file.write_bytes(data)
        try:
            assert held(open_file(file)) == expected  # a bit between the arrays
        except ArraysDamagedError:
            found_out += 1
    assert found_out > 200


def test_a_file_of_another_version_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("ingest.postings._FORMAT", replace(_FORMAT, version=99))
        file = write(of([{"a": 1.0}]), tmp_path).file
    assert file is not None
    with pytest.raises(ArraysDamagedError, match="version 99"):
        open_file(file)
