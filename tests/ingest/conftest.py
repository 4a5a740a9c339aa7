"""What the tests of the catalogue share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.catalog import Catalog


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    found = Catalog(tmp_path / "index")
    yield found
    assert found.problems() == []
    found.close()
