"""What the tests of the catalogue share."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest import segments
from ingest.catalog import Catalog


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    found = Catalog(tmp_path / "index")
    yield found
    assert found.problems() == []
    found.close()


@pytest.fixture
def files_of_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """One passage is enough for a file beside the catalogue."""
    monkeypatch.setattr(segments, "WORTH_A_FILE", 1)


def with_flipped_bits(file: Path, alike: str, times: int = 60) -> Iterator[None]:
    """The only file of its folder that is `alike`, again and again: each time as it was but for another bit."""
    sound, chance = file.read_bytes(), random.Random(3)
    for _ in range(times):
        data = bytearray(sound)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        for old in file.parent.glob(alike):
            old.unlink()
        file.write_bytes(data)
        yield
