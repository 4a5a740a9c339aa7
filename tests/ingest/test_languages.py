"""The language identifier says the same, however its model lies on the disk."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ingest import languages
from ingest.languages import language_identifier, lay_out, mapped_identifier

TEXTS = [
    "El inquilino paga la renta.",
    "The tenant pays the rent.",
    "家賃は月曜日",
    "Der Vermieter",
    "2021",
    "",
    "żółw",
]


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environment") / "share" / "languages"
    lay_out(folder)
    return folder


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Where the model is looked for in this test, by a process that has not loaded it."""
    monkeypatch.setattr(languages, "LAID_OUT", tmp_path / "languages")
    languages._loaded_identifier.cache_clear()
    yield tmp_path / "languages"
    languages._loaded_identifier.cache_clear()


def test_a_mapped_model_says_what_the_packed_one_says(laid_out: Path, elsewhere: Path) -> None:
    mapped, packed = mapped_identifier(laid_out), language_identifier()
    assert [mapped.rank(text) for text in TEXTS] == [packed.rank(text) for text in TEXTS]
    assert packed.classify(TEXTS[0])[0] == "es"


def test_a_model_is_laid_out_in_place_of_what_was_there(elsewhere: Path) -> None:
    elsewhere.mkdir()
    (elsewhere / "model.json").write_text("{}")
    lay_out(elsewhere)
    assert mapped_identifier(elsewhere).classify(TEXTS[0])[0] == "es"
    assert [path.name for path in elsewhere.parent.iterdir()] == [elsewhere.name]


@pytest.mark.parametrize("damage", ["is missing", "lacks an array", "is of another release", "is cut short"])
def test_where_nothing_fitting_is_laid_out_the_packed_model_serves(
    damage: str, laid_out: Path, elsewhere: Path
) -> None:
    if damage != "is missing":
        elsewhere.mkdir()
        for path in laid_out.iterdir():
            (elsewhere / path.name).write_bytes(path.read_bytes())
    if damage == "lacks an array":
        (elsewhere / "table.npy").unlink()
    elif damage == "is of another release":
        described = json.loads((elsewhere / "model.json").read_text())
        (elsewhere / "model.json").write_text(json.dumps(described | {"model": [1, 2]}))
    elif damage == "is cut short":
        (elsewhere / "moves.npy").write_bytes((laid_out / "moves.npy").read_bytes()[:-1000])
    with pytest.raises((OSError, ValueError, KeyError)):
        mapped_identifier(elsewhere)
    assert not isinstance(language_identifier().nb_ptc, np.memmap)
    assert language_identifier().classify(TEXTS[0])[0] == "es"
