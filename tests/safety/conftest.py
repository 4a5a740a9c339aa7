"""One library of documents that attack, indexed once for all tests of this folder."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import open_engine
from ingest.embed import Embedder
from settings import Settings
from tests.safety.attacks import Planted, in_turn, own_attacks, plant, ready_home
from tests.safety.page import Target


@pytest.fixture(scope="session")
def target() -> Iterator[Target]:
    """Where all attacks point to; whoever reaches it fails the test."""
    target = Target()
    yield target
    target.close()


@pytest.fixture(scope="session")
def indexed(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder, target: Target) -> tuple[Path, list[Planted]]:
    """A home with each of our own attacks in a document, and what was planted; to be copied."""
    home = ready_home(tmp_path_factory.mktemp("indexed") / "home", embedder)
    planted = plant(home / "library", in_turn(own_attacks(target.address)))
    engine = open_engine(Settings.load(home))
    assert not engine.index().failed
    engine.close()
    return home, planted


@pytest.fixture(scope="module")
def attacked(indexed: tuple[Path, list[Planted]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a module's own, indexed."""
    home = tmp_path_factory.mktemp("attacked") / "home"
    shutil.copytree(indexed[0], home, symlinks=True)
    engine = open_engine(Settings.load(home))
    engine.index()  # the copies' times are new, not what is in them
    engine.close()
    return home


@pytest.fixture(scope="session")
def planted(indexed: tuple[Path, list[Planted]]) -> list[Planted]:
    return indexed[1]
