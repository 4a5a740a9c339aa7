"""A model that does not fit is refused with what would: the context, a model that is here, the same one smaller."""

from pathlib import Path

import pytest

from models import doctor
from models.catalogue import Entry, Variant
from models.nearest import fits_instead
from models.registry import Registry
from models.runtime import GIB, Hardware
from models.types import ModelInfo
from settings import Generate, Settings
from tests.shaped_gguf import Kind, Shape, shaped_gguf

GB = 10**9
LAPTOP = Hardware(cores=4, memory=8 * GIB, card=0, card_name="", amx=False)
BIG = Shape(blocks=80, width=8192, heads=64, kv_heads=8, head=128, inner=28_672, tokens=4000, kind=Kind.Q8_0)  # 70B
SIZES = {"Q8_0": 75 * GB, "Q4_K_M": 42 * GB, "Q2_K": 5 * GB, "IQ1_S": 4 * GB}
VARIANTS = tuple(Variant(name, "org/big", f"big-{name}.gguf", 1, about=size) for name, size in SIZES.items())
ENTRY = Entry("big", "Big", "model", 70.0, "MIT", ("en",), "Large.", "listed", VARIANTS, context=8192)
SUITS = Entry(
    "suits", "Suits", "model", 4.0, "MIT", ("en",), "Fits.", "listed",
    (Variant("Q4_K_M", "org/suits", "suits.gguf", 2, bytes=3 * GB),), tier=6,
)  # fmt: skip


@pytest.fixture(autouse=True)
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.nearest.read_catalogue", lambda: (ENTRY, SUITS))


def big(tmp_path: Path, settings: Settings) -> ModelInfo:
    """A model of 70 thousand million weights of which there is but the header."""
    path = shaped_gguf(tmp_path / "big-Q8_0.gguf", BIG, sparse=True)
    registry = Registry(settings.models)
    return registry.use(registry.add(path).name)


def test_the_same_model_smaller_is_named_with_the_largest_of_yours_that_fits(
    tmp_path: Path, settings: Settings
) -> None:
    info = big(tmp_path, settings)
    registry = Registry(settings.models)
    for name, blocks in (("small", 1), ("middle", 4)):
        registry.add(shaped_gguf(tmp_path / f"{name}.gguf", Shape(blocks=blocks), sparse=True))
    told = fits_instead(info, Generate(), settings.models, LAPTOP)
    assert told == (
        "`cita models use middle`: it is the largest of your models that fits. "
        "`cita models pull big:Q2_K`: the same model in a file of 5.0 GB instead of 75.0."
    )


@pytest.mark.parametrize(
    ("memory", "says"), [(8, "cita models pull suits"), (2, "")], ids=["the recommended one", "nothing fits"]
)
def test_of_an_unknown_model_the_recommended_one_is_named(
    tmp_path: Path, settings: Settings, memory: int, says: str
) -> None:
    path = shaped_gguf(tmp_path / "own.gguf", BIG, sparse=True)
    info = Registry(settings.models).add(path)
    hardware = Hardware(cores=4, memory=memory * GIB, card=0, card_name="", amx=False)
    told = fits_instead(info, Generate(), settings.models, hardware)
    assert bool(told) == bool(says)
    assert says in told


def test_the_refusal_says_what_it_needs_and_what_fits(tmp_path: Path, settings: Settings) -> None:
    info = big(tmp_path, settings)
    told = doctor._generation_of(info, settings, LAPTOP)[0]
    assert told.runtime is None
    assert "needs 68" in told.problem
    assert "8.0 GB are free" in told.problem
    assert "cita models pull big:Q2_K" in told.problem


def test_a_damaged_list_of_models_hides_no_refusal(tmp_path: Path, settings: Settings) -> None:
    info = big(tmp_path, settings)
    (settings.models / "registry.json").write_text("{")
    assert fits_instead(info, Generate(), settings.models, LAPTOP) == ""
