from pathlib import Path

import pytest

from errors import ModelError, ModelNotFoundError
from models.catalogue import (
    CATALOGUE,
    Entry,
    Variant,
    find,
    fits,
    is_safe,
    memory_about,
    read_catalogue,
    recognise,
    recommend,
)
from models.runtime import GIB, Hardware
from tests.conftest import ROOT

ENTRIES = read_catalogue()


def machine(memory: float, card: float = 0) -> Hardware:
    return Hardware(cores=4, memory=int(memory * GIB), card=int(card * GIB), card_name="", amx=False)


def named(name: str) -> Entry:
    return find(name, ENTRIES)[0]


def test_each_entry_says_what_a_person_needs_before_fetching_it() -> None:
    for entry in ENTRIES:
        assert entry.licence, entry.name
        assert entry.strengths.endswith("."), entry.name
        assert all(variant.size for variant in entry.variants), entry.name
        assert entry.kind == "model" or not entry.family
        assert entry.languages or entry.name == "minicpm5-1b"  # of which none says it


def test_each_model_that_answers_has_a_family_of_prompts() -> None:
    families = {path.stem for path in (ROOT / "prompts" / "families").glob("*.toml")}
    assert {entry.family for entry in ENTRIES if entry.kind == "model"} <= families


def test_the_models_of_the_older_guides_are_there_and_marked() -> None:
    old = ("llama-2-7b-chat", "llama-2-13b-chat", "mistral-7b-instruct-v0.2", "mixtral-8x7b-instruct", "tinyllama-1.1b")
    for name in (*old, "phi-2", "zephyr-7b-beta", "nous-hermes-13b", "openorca-platypus2-13b"):
        better = named(named(name).superseded)
        assert not better.superseded
        assert better.kind == "model"


def test_what_is_recommended_is_pinned_to_a_hash_and_current() -> None:
    recommended = [entry for entry in ENTRIES if entry.tier]
    assert {entry.tier for entry in recommended} == {3, 5, 6, 12, 24}
    for entry in recommended:
        assert entry.variants[0].sha256
        assert entry.variants[0].revision
        assert not entry.superseded
        assert entry.thinks != "always"


def test_no_hash_is_that_of_two_files() -> None:
    hashes = [variant.sha256 for entry in ENTRIES for variant in entry.variants if variant.sha256]
    assert len(hashes) == len(set(hashes)) > 40


@pytest.mark.parametrize(
    ("wanted", "file"),
    [
        ("qwen3-4b-instruct-2507", "Qwen3-4B-Instruct-2507-Q4_K_M.gguf"),
        ("Qwen3-4B-Instruct-2507:q8_0", "Qwen3-4B-Instruct-2507-Q8_0.gguf"),
        (" phi-2:Q6_K ", "phi-2.Q6_K.gguf"),
    ],
)
def test_a_name_and_a_quantisation_mean_a_file(wanted: str, file: str) -> None:
    assert find(wanted, ENTRIES)[1].file == file


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("qwen3-4", "Like it are qwen3-4b"),
        ("", "available --all"),
        ("../etc", "no model"),
        ("phi-2:Q9", "Q4_K_M, Q4_K_S"),
    ],
)
def test_what_the_catalogue_lacks_is_said_with_what_it_has(wanted: str, says: str) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        find(wanted, ENTRIES)
    assert says in str(caught.value)


def test_a_file_is_recognised_by_its_hash_alone() -> None:
    entry, variant = find("granite-4.1-3b", ENTRIES)
    assert recognise(variant.sha256, ENTRIES) == (entry, variant)
    assert recognise("0" * 64, ENTRIES) is None
    assert recognise("", ENTRIES) is None


@pytest.mark.parametrize(
    ("memory", "card", "language", "name"),
    [
        (2, 0, "", None),
        (4.5, 0, "es", "qwen3-1.7b"),
        (5.5, 0, "es", "granite-4.1-3b"),
        (8, 0, "es", "qwen3-4b-instruct-2507"),
        (64, 0, "", "qwen3-4b-instruct-2507"),  # a processor answers too slowly with larger ones
        (16, 16, "es", "qwen3-8b"),
        (16, 30, "en", "gpt-oss-20b"),
        (16, 30, "es", "qwen3-8b"),  # gpt-oss is not known to write Spanish
    ],
)
def test_the_recommendation_suits_machine_and_language(
    memory: float, card: float, language: str, name: str | None
) -> None:
    found = recommend(ENTRIES, machine(memory, card), 4096, language)
    assert (found.name if found else None) == name


def test_memory_is_the_file_the_cache_of_the_context_and_what_is_computed_in() -> None:
    entry, variant = find("qwen3-4b-instruct-2507", ENTRIES)
    assert memory_about(entry, variant, 4096) == 2_497_281_120 + 4096 * 2 * 36 * 8 * 128 * 2 + 600_000_000
    old, weights = find("mixtral-8x7b-instruct", ENTRIES)
    assert memory_about(old, weights, 4096) == int(weights.about * 1.2) + 600_000_000
    short, file = find("tinyllama-1.1b", ENTRIES)
    assert memory_about(short, file, 100_000) == memory_about(short, file, 2048)


@pytest.mark.parametrize(("free", "all_of_it", "fit"), [(8, 16, "yes"), (2, 16, "alone"), (2, 3, "no")])
def test_whether_it_fits_is_told_apart(free: float, all_of_it: int, fit: str) -> None:
    assert fits(4 * GIB, machine(free), all_of_it * GIB) == fit


@pytest.mark.parametrize(
    ("line", "instead", "says"),
    [
        ('file = "a.gguf"', 'file = "../a.gguf"', "folder"),
        ('file = "a.gguf"', 'file = "..."', "no plain path"),
        ('file = "a.gguf"', 'file = "a.gguf"\nalso = ["x/../../y"]', "no plain path"),
        ('repository = "o/r"', 'repository = "../../r"', "cannot lie in"),
        ('repository = "o/r"', 'repository = "o/r"\nrevision = "main"', "no commit"),
        ("bytes = 5", "bytes = -5", "below 0"),
        ("bytes = 5", "bytes = '5'", "cannot be '5'"),
        ("bytes = 5", "about = 5\nbytes = 5", "either"),
        ("sources = 1", 'sources = 1\nsha256 = "abc"', "no sha256"),
        ("sources = 1", "sources = 1\ncolour = 1", "there is no colour"),
        ('kind = "model"', 'kind = "virus"', "no kind"),
        ('name = "m"', 'name = "M x"', "name to type"),
        ('known = "listed"', 'known = "listed"\nsuperseded = "n"', "is not there"),
        ('name = "m"', "", "missing"),
        ("[[model]]", "[[model", "line 1"),
    ],
)
def test_a_catalogue_that_is_not_right_is_refused(line: str, instead: str, says: str, tmp_path: Path) -> None:
    text = (
        '[[model]]\nname = "m"\ntitle = "M"\nkind = "model"\nparameters = 1\nlicence = "MIT"\nlanguages = ["en"]\n'
        'strengths = "S."\nknown = "listed"\n[[model.variant]]\nquantisation = "Q4"\nrepository = "o/r"\n'
        'file = "a.gguf"\nbytes = 5\nsources = 1\n'
    )
    file = tmp_path / "c.toml"
    file.write_text(text)
    assert read_catalogue.__wrapped__(file)[0].variants == (Variant("Q4", "o/r", "a.gguf", 1, bytes=5),)
    assert line in text
    file.write_text(text.replace(line, instead, 1))
    with pytest.raises(ModelError, match="cannot be read") as caught:
        read_catalogue.__wrapped__(file)
    assert says in str(caught.value)


@pytest.mark.parametrize("path", ["../x", "/x", "a//b", "a/./b", "a\\b", "C:x", "", ".x", "x/", "nul\0", "-x"])
def test_a_path_that_could_lead_elsewhere_is_not_safe(path: str) -> None:
    assert not is_safe(path)
    assert is_safe("1_Pooling/config.json")


def test_the_catalogue_says_what_its_keys_mean() -> None:
    head = CATALOGUE.read_text(encoding="utf-8").split("[[model]]")[0]
    for key in ("cache", "tier", "superseded", "sources", "about", "revision", "sha256", "thinks", "known", "terms"):
        assert f"# {key} " in head or f"`{key}`" in head, key
