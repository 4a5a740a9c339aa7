"""`cita models add URL`: a server on this machine answers with citations; nothing leaves without a yes."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cli
from models import servers
from settings import Settings
from tests.gguf_files import tiny_gguf
from tests.llama_peer import KEY, Peer, llama_peer
from tests.model_server import Answering, ModelServer, chunk, listing
from tests.test_cli import run

SAYS = "The notice period is thirty days [1]."
AWAY = "http://192.0.2.7:8000"


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("CITA_HOME", str(home))


@pytest.fixture(params=["llama-cpp-python", "llama-server"])
def peer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Peer]:
    with llama_peer(
        tiny_gguf(tmp_path / "m.gguf", says=SAYS), tmp_path, context=4096, program=request.param
    ) as running:
        yield running


@pytest.fixture
def library(ready_settings: Settings) -> Settings:
    ready_settings.library.mkdir(parents=True)
    (ready_settings.library / "lease.md").write_text("# Lease\n\nThe notice period is thirty days.\n")
    assert run("index").code == 0
    return ready_settings


def test_a_server_with_a_key_answers_a_question_with_a_citation(
    peer: Peer, library: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = run("models", "add", peer.url)
    assert refused.code == 1
    assert "asks for a key" in refused.stderr
    assert "--key" in refused.stderr
    monkeypatch.setenv("CITA_SERVER_KEY", KEY)
    added = run("models", "add", f"{peer.url}/v1", "--key", "--json")
    assert added.code == 0, added.stderr
    model = added.json["models"][-1]
    name = model["name"]
    assert name in ("llama-cpp-python-tiny", "llama-server-tiny")
    assert (model["protocol"], model["server"]) == ("openai", peer.url)
    monkeypatch.delenv("CITA_SERVER_KEY")

    assert run("models", "use", name).code == 0
    answer = run("ask", "What is the notice period?", "--json").json
    assert answer["model"] == name
    assert answer["answer"] == SAYS
    assert [citation["source"] for citation in answer["citations"]] == ["lease.md"]
    assert answer["citations"][0]["supported"]

    kept = (library.models / "registry.json").read_text()
    assert KEY not in kept + added.stdout + added.stderr + run("models", "list").stdout + run("settings").stdout
    assert (library.models / "keys.json").stat().st_mode & 0o777 == 0o600

    peer.kill()
    gone = run("ask", "What is the notice period?")
    assert gone.code == 1
    assert re.search(r"Nothing answers at .*Start the program", " ".join(gone.stderr.split()))


def test_what_was_written_before_the_server_went_away_is_kept_in_the_conversation(library: Settings) -> None:
    def cut(to: Answering) -> None:
        to.stream([chunk("The notice "), chunk("period is ")])
        to.cut()

    with ModelServer({"/v1/models": listing("m"), "/v1/chat/completions": cut}) as server:
        assert run("models", "add", server.url).code == 0
        assert run("models", "use", "m").code == 0
        failed = run("ask", "What is the notice period?", "--conversation", "new")
    assert failed.code == 1
    assert "ended before its answer did" in " ".join(failed.stderr.split())
    shown = run("conversations", "show", "last")
    assert "The notice period is" in shown.stdout
    (turn,) = run("conversations", "show", "last", "--json").json["turns"]
    assert turn["state"] == "failed"
    assert "ended before its answer did" in turn["error"]


def test_one_of_the_models_of_a_server_is_added_and_shown() -> None:
    with ModelServer({"/v1/models": listing("one", "two", owner="vllm", max_model_len=2048)}) as server:
        assert run("models", "add", server.url, "--model", "two").code == 0
    names = [model["name"] for model in run("models", "list", "--json").json["models"]]
    assert names == ["extractive", "vllm-two"]
    shown = run("models", "show", "vllm-two")  # its server is gone, and need not be there
    assert shown.code == 0, shown.stderr
    for words in (server.url, "two of vLLM", "2,048 tokens", "chat: its server writes the turns"):
        assert words in shown.stdout
    assert run("models", "show", "vllm-two", "--json").json["family"] == "chat"


def test_a_server_elsewhere_needs_an_explicit_yes_and_is_shown_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network log of every test stays empty: without the yes nothing is looked up nor connected to."""
    refused = run("models", "add", AWAY)
    assert refused.code == 2
    said = " ".join(refused.stderr.split())
    assert "Your questions, and the passages of your documents that are to answer them, will be sent to" in said
    assert "--off-this-machine" in said

    monkeypatch.setattr(servers.Server, "fetch", lambda *_, **__: listing("big", owner="vllm", max_model_len=8192))
    added = run("models", "add", AWAY, "--off-this-machine")
    assert added.code == 0, added.stderr
    assert "While vllm-big answers, questions and passages are sent to 192.0.2.7:8000." in added.stderr
    assert "at 192.0.2.7:8000, not this machine" in run("models", "list").stdout
    assert "questions and passages are sent there" in run("models", "show", "vllm-big").stdout
    model = run("models", "list", "--json").json["models"][-1]
    assert (model["name"], model["off_machine"]) == ("vllm-big", True)
    assert run("status", "--json").json["hosts"] == ["192.0.2.7:8000"]
    assert run("models", "use", "vllm-big").code == 0
    for command in ("status", "doctor"):
        assert "questions and passages, to 192.0.2.7:8000" in run(command).stdout


@pytest.mark.parametrize(("said", "added"), [("n", False), ("y", True)])
def test_on_a_terminal_the_sentence_is_asked_and_only_a_yes_adds_it(
    monkeypatch: pytest.MonkeyPatch, said: str, added: bool
) -> None:
    monkeypatch.setattr("typer.testing._NamedTextIOWrapper.isatty", lambda _: True)
    monkeypatch.setattr(servers.Server, "fetch", lambda *_, **__: listing("big", owner="vllm"))
    done = CliRunner().invoke(cli.app, ["models", "add", AWAY], input=f"{said}\n")
    asked = " ".join(done.stderr.split())
    assert "192.0.2.7:8000, which is not this machine, unencrypted. Add it? [y/N]" in asked
    assert ("Nothing was added" in asked) is not added
    assert ("vllm-big" in done.stdout) is added


def test_saying_that_it_may_be_elsewhere_makes_no_server_of_this_machine_one() -> None:
    with ModelServer({"/v1/models": listing("m")}) as server:
        assert run("models", "add", server.url, "--off-this-machine").code == 0
    assert not run("models", "list", "--json").json["models"][-1]["off_machine"]


def test_the_servers_that_run_are_found_with_their_models(monkeypatch: pytest.MonkeyPatch) -> None:
    with ModelServer({"/v1/models": listing("one", owner="vllm", max_model_len=2048)}) as server:
        monkeypatch.setattr(servers.find_servers, "__defaults__", ((server.port,), 2.0))
        assert run("models", "add", server.url).code == 0
        (found,) = run("models", "discover", "--json").json["servers"]
        assert found == {
            "url": server.url, "program": "vLLM", "problem": "",
            "models": [{"served_as": "one", "context": 2048, "known": "vllm-one"}],
        }  # fmt: skip
        assert f"vLLM at {server.url}" in run("models", "discover").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["http://"], "is no address of a server"),
        (["http://127.0.0.1:1", "--protocol", "grpc"], "No server is spoken to by 'grpc'"),
        (["http://127.0.0.1:1", "--key"], "CITA_SERVER_KEY"),
        (["http://127.0.0.1:1"], "Nothing answers at http://127.0.0.1:1"),
    ],
)
def test_what_cannot_be_added_is_said(arguments: list[str], message: str) -> None:
    refused = run("models", "add", *arguments)
    assert refused.code in (1, 2)
    assert message in " ".join(refused.stderr.split())
