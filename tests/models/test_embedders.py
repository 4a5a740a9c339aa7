"""An embedder is pulled from a hub, chosen by its name, and finds; until the index is made anew the old one does."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import models.catalogue as catalogue_module
from errors import EmbedderError, ModelNotFoundError
from ingest.embed import DEFAULT_MODEL, SHIPPED, ModelFolder
from models.catalogue import Entry, Variant, read_catalogue
from models.embedders import choosing, embedders, find_embedder
from settings import Embed, Settings
from tests.hub_server import HubServer
from tests.test_cli import run
from tests.tiny_embedder import write_tiny_embedder

ALSO = tuple(
    path for entry in read_catalogue() for path in entry.variants[0].also
    if entry.name == "multilingual-e5-small" and path != "special_tokens_map.json"
)  # fmt: skip


@pytest.fixture
def hub(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """Has a sentence-transformers model that is real but for its size, in the files that E5's is published in."""
    folder = tmp_path / "published"
    write_tiny_embedder(folder)
    (folder / "config_sentence_transformers.json").unlink()
    files = {path: (folder / path).read_bytes() for path in ("model.safetensors", *ALSO)}
    weights = files["model.safetensors"]
    variant = Variant(
        "F32", "org/tiny-e5", "model.safetensors", 1,
        bytes=len(weights), sha256=hashlib.sha256(weights).hexdigest(), also=ALSO,
    )  # fmt: skip
    entry = Entry(
        "tiny-e5", "Tiny E5", "embedder", 0.01, "MIT", ("*",), "Finds.", "listed", (variant,),
        query_prefix="query: ", passage_prefix="passage: ",
    )  # fmt: skip
    monkeypatch.setattr(catalogue_module, "read_catalogue", lambda: (entry,))
    monkeypatch.setenv("CITA_HOME", str(home))
    with HubServer(files) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def test_one_that_was_pulled_finds_once_it_is_chosen_and_the_index_made_anew(
    hub: HubServer, home: Path, tmp_path: Path
) -> None:
    former = tmp_path / "former"
    write_tiny_embedder(former, seed=1)
    assert run("models", "embedder", str(former)).code == 0
    (home / "library").mkdir(parents=True, exist_ok=True)
    (home / "library" / "lease.md").write_text("The rent is 900 euros.\n\nNo pets are allowed.\n")
    assert run("index", "--json").json["passages"]
    before = run("status", "--json").json["embedder"]
    folder = home / "models" / "tiny-e5"
    assert run("models", "pull", "tiny-e5", "--yes", "--json").json["path"] == str(folder)
    prompts = json.loads((folder / "config_sentence_transformers.json").read_text())["prompts"]
    assert prompts == {"query": "query: ", "document": "passage: "}
    listed = run("models", "embedder", "--json").json["embedders"]
    assert [(one["name"], one["active"], one["window"]) for one in listed] == [
        *((name, False, 256) for name in SHIPPED), ("tiny-e5", False, 64), (str(former), True, 64),
    ]  # fmt: skip
    chosen = run("models", "embedder", "tiny-e5", "--json")
    assert [one["name"] for one in chosen.json["embedders"] if one["active"]] == ["tiny-e5"]
    assert "the old one answers" in chosen.stderr
    assert run("status", "--json").json["embedder"] == before
    assert run("search", "rent", "--json").json["passages"]  # by the old one
    assert run("index", "--json").json["embedded"]
    model = ModelFolder.read(folder, "tiny-e5")
    assert (model.query_prefix, model.passage_prefix) == ("query: ", "passage: ")
    assert run("status", "--json").json["embedder"] == model.fingerprint
    found = run("search", "What is the rent?", "--json").json["passages"]
    assert found[0]["source"] == "lease.md"
    back = run("models", "embedder", DEFAULT_MODEL, "--json").json["embedders"]
    assert [one["name"] for one in back if one["active"]] == [DEFAULT_MODEL]
    assert "embed" not in (home / "cita.toml").read_text().replace("[embed]", "")


def test_what_is_no_embedder_is_refused_with_those_there_are(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=f"There is {', '.join(SHIPPED)}; `cita models available`"):
        find_embedder("nope", settings)
    write_tiny_embedder(settings.models / "cut")
    (settings.models / "cut" / "model.safetensors").unlink()
    with pytest.raises(EmbedderError, match=r"model\.safetensors: No such file"):
        find_embedder("cut", settings)
    assert [one.name for one in embedders(settings) if one.problem] == ["cut"]
    (settings.models / "cut" / "config.json").write_text("{")
    with pytest.raises(EmbedderError, match="cannot be read"):
        find_embedder("cut", settings)


def test_a_folder_anywhere_can_be_chosen_and_is_listed_while_it_is(settings: Settings, tmp_path: Path) -> None:
    write_tiny_embedder(tmp_path / "mine")
    found = find_embedder(str(tmp_path / "mine"), settings)
    assert choosing(found)["embed"] == {"model": str(tmp_path / "mine"), "query_prefix": None, "passage_prefix": None}
    chosen = Settings.load(settings.home, embed=Embed(model=found.name))
    assert [(one.name, one.active) for one in embedders(chosen)] == [
        *((name, False) for name in SHIPPED), (str(tmp_path / "mine"), True),
    ]  # fmt: skip


def test_a_variable_that_goes_before_the_file_is_told(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    run("models", "pull", "tiny-e5", "--yes")
    monkeypatch.setenv("CITA_EMBED__MODEL", DEFAULT_MODEL)
    done = run("models", "embedder", "tiny-e5")
    assert (done.code, "Unset CITA_EMBED__MODEL" in done.stderr) == (2, True)
