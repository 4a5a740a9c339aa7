"""`cita models available` and `cita models pull`: which models there are, and fetching one from a hub on loopback."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import models.catalogue as catalogue_module
import models.doctor as doctor
from cli.catalogue import pull_model
from models.catalogue import Entry, Variant, read_catalogue
from models.doctor import LlamaCpp
from models.runtime import GIB, Hardware
from tests.gguf_files import tiny_gguf
from tests.hub_server import HubServer
from tests.test_cli import run

FILE = "tiny-Q4_K_M.gguf"


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("CITA_HOME", str(home))
    monkeypatch.setattr(doctor, "whole_memory", lambda: 16 * GIB)
    monkeypatch.setattr("models.speed.memory_speed", lambda threads: 20e9)
    use(monkeypatch, 8)


def use(monkeypatch: pytest.MonkeyPatch, memory: float) -> None:
    hardware = Hardware(cores=4, memory=int(memory * GIB), card=0, card_name="", amx=False)
    monkeypatch.setattr(doctor, "_load_llama_cpp", lambda: (LlamaCpp(True, False, ""), hardware))


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return tiny_gguf(tmp_path / "made.gguf", name="Tiny Chat").read_bytes()


@pytest.fixture
def server(content: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub that has the one model of a catalogue of one."""
    variant = Variant(
        "Q4_K_M", "org/tiny-GGUF", FILE, 2, bytes=len(content), sha256=hashlib.sha256(content).hexdigest()
    )
    entry = Entry("tiny", "Tiny", "model", 0.1, "MIT", ("en",), "Small.", "listed", (variant,), terms="Be kind.")
    monkeypatch.setattr(catalogue_module, "read_catalogue", lambda: (entry,))
    with HubServer({FILE: content}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def test_what_is_available_is_told_with_what_it_takes_and_what_suits() -> None:
    told = run("models", "available", "--json").json
    assert (told["recommended"], told["context"]) == ("qwen3-4b-instruct-2507", 4096)
    one = next(row for row in told["models"] if row["name"] == "qwen3-4b-instruct-2507")
    assert (one["size"], one["exact"], one["fits"], one["here"]) == (2_497_281_120, True, "yes", False)
    assert one["memory"] == 2_497_281_120 + 4096 * 147_456 + 600_000_000
    assert one["licence"] == "Apache-2.0"
    assert [round(number, 1) for number in one["tokens_per_second"]] == [2.8, 5.6]
    fits = {row["name"]: row["fits"] for row in told["models"]}
    assert (fits["gemma-3-4b"], fits["gpt-oss-20b"], fits["qwen3.6-35b-a3b"]) == ("yes", "alone", "no")
    assert not [row for row in told["models"] if row["superseded"]]
    out = run("models", "available").stdout
    assert "cita models pull qwen3-4b-instruct-2507" in out


def test_all_shows_the_superseded_and_every_quantisation() -> None:
    rows = run("models", "available", "--all", "--json").json["models"]
    assert len(rows) == sum(len(entry.variants) for entry in read_catalogue())
    assert {"llama-2-7b-chat", "qwen3-4b-instruct-2507:Q8_0"} <= {row["name"] for row in rows}
    assert "Better: qwen3-4b-instruct-2507." in run("models", "available", "--all").stdout


def test_a_language_and_a_context_change_what_is_shown() -> None:
    names = {row["name"] for row in run("models", "available", "--lang", "es", "--json").json["models"]}
    assert "granite-4.1-3b" in names
    assert not names & {"gpt-oss-20b", "gemma-3-1b"}
    told = run("models", "available", "--context", "8192", "--json").json
    one = next(row for row in told["models"] if row["name"] == "qwen3-4b-instruct-2507")
    assert one["memory"] == 2_497_281_120 + 8192 * 147_456 + 600_000_000


def test_little_memory_is_told_to_be_enough_for_extractive_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, 1)
    assert run("models", "available", "--json").json["recommended"] is None
    assert "extractive answers need none" in " ".join(run("models", "available").stdout.split())


def test_pull_says_what_it_would_fetch_and_asks_first(server: HubServer, home: Path) -> None:
    done = run("models", "pull", "tiny")
    assert done.code == 2
    said = " ".join(done.stderr.split())
    for words in (
        f"{FILE}, ", f"From {server.url}/org/tiny-GGUF, to {home / 'models'}", "Licence: MIT. Be kind.",
        "the catalogue names no revision", "Nothing was fetched: this asks first. Add --yes.",
    ):  # fmt: skip
        assert words in said
    assert server.asked == []


def test_what_was_pulled_can_be_used_at_once(server: HubServer, home: Path, content: bytes) -> None:
    done = run("models", "pull", "Tiny:q4_k_m", "--yes", "--json")
    place = home / "models" / FILE
    assert done.json == {"name": "tiny-chat", "path": str(place), "size": len(content)}
    assert place.read_bytes() == content
    assert "cita models use tiny-chat" in done.stderr
    assert run("models", "use", "tiny-chat").code == 0
    rows = run("models", "available", "--json").json["models"]
    assert [(row["name"], row["here"]) for row in rows] == [("tiny", True)]


def test_a_model_that_is_here_needs_no_hub(server: HubServer) -> None:
    run("models", "pull", "tiny", "--yes")
    asked = len(server.asked)
    assert run("models", "pull", "tiny", "--json").json["name"] == "tiny-chat"
    assert len(server.asked) == asked


def test_what_a_hub_refuses_is_a_message_and_an_exit_code(server: HubServer, home: Path) -> None:
    server.token = "secret"
    done = run("models", "pull", "tiny", "--yes")
    assert done.code == 1
    assert "HF_TOKEN" in done.stderr
    assert not list(home.joinpath("models").glob("*.gguf"))


@pytest.mark.parametrize("name", ["nope", "../../etc/passwd", "tiny:Q9"])
def test_only_what_the_catalogue_has_is_fetched(name: str, server: HubServer) -> None:
    done = run("models", "pull", name, "--yes")
    assert done.code == 1
    assert "catalogue" in done.stderr
    assert server.asked == []


def test_no_other_command_goes_online(server: HubServer, tmp_path: Path) -> None:
    run("models", "available")
    run("models", "add", str(tmp_path / "made.gguf"))
    run("models", "discover", "--hash")
    assert server.asked == []
    assert pull_model.__doc__
    assert "the only command that goes online" in pull_model.__doc__


def test_a_folder_copied_by_hand_is_added_and_recognised(
    server: HubServer, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.discover.LEAST_SIZE", 1000)
    folder = tmp_path / "stick" / "deep"
    folder.mkdir(parents=True)
    (folder / "renamed.gguf").write_bytes(content)
    (folder / "changed.gguf").write_bytes(content[:-1] + b"!")
    (folder / "broken.gguf").write_bytes(b"GGUF" + bytes(2_000_000))
    (folder / "second-00002-of-00002.gguf").write_bytes(content)
    (folder / "notes.txt").write_text("x")
    done = run("models", "add", str(tmp_path / "stick"), "--json")
    paths = {model["path"] for model in done.json["models"]}
    assert paths == {"", *(str(folder / name) for name in ("renamed.gguf", "changed.gguf"))}
    said = " ".join(done.stderr.split())
    assert "It is Tiny (Q4_K_M) as the catalogue knows it, byte for byte." in said
    assert "It has the size of tiny in the catalogue and other bytes" in said
    assert "broken.gguf" in said


def test_a_folder_without_a_model_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run("models", "add", str(tmp_path / "empty"))
    assert done.code == 1
    assert "There is no GGUF in" in done.stderr


def test_a_model_of_another_program_is_recognised_by_its_hash(
    server: HubServer, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setattr("models.discover.LEAST_SIZE", 1000)
    other = tmp_path / "user" / ".cache" / "gpt4all"
    other.mkdir(parents=True)
    (other / "x.gguf").write_bytes(content)
    assert run("models", "discover", "--json").json["models"][0]["catalogue"] == ""
    assert run("models", "discover", "--hash", "--json").json["models"][0]["catalogue"] == "tiny:Q4_K_M"


def test_an_embedder_gets_a_folder_and_how_to_use_it(
    server: HubServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variant = Variant("F32", "org/e", "model.safetensors", 0, about=5, also=("modules.json",))
    entry = Entry("finder", "Finder", "embedder", 0.1, "MIT", ("es",), "Finds.", "listed", (variant,))
    monkeypatch.setattr(catalogue_module, "read_catalogue", lambda: (entry,))
    server.files |= {"model.safetensors": b"bytes", "modules.json": json.dumps([]).encode()}
    done = run("models", "pull", "finder", "--yes", "--json")
    folder = home / "models" / "finder"
    assert done.json == {"name": "", "path": str(folder), "size": 5}
    assert "cita models embedder finder" in " ".join(done.stderr.split())
    assert sorted(path.name for path in folder.iterdir()) == ["model.safetensors", "modules.json"]
