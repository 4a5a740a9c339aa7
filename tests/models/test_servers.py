"""Servers are found where they usually listen, only when that is asked for, and known for what they say themselves."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from errors import ModelError, ModelNotFoundError, SettingsError, UsageError
from models.connection import Server
from models.servers import PORTS, Keys, find_servers, look, look_again, served_models
from tests.model_server import Answering, ModelServer, listing

SHOWN: dict[str, dict[str, Any]] = {  # of Ollama's /api/show
    "llama3.2:3b": {
        "capabilities": ["completion", "tools"],
        "details": {"family": "llama", "parameter_size": "3.2B", "quantization_level": "Q4_K_M"},
        "model_info": {"general.architecture": "llama", "general.parameter_count": 3212749888,
                       "llama.context_length": 131072},
        "parameters": "stop \"<|eot_id|>\"",
    },
    "long:latest": {
        "capabilities": ["completion"],
        "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40960},
        "parameters": "num_ctx                        16384\ntemperature 0.6",
    },
    "mxbai:latest": {"capabilities": ["embedding"], "model_info": {"general.architecture": "bert"}},
    "old-embedder": {"details": {"family": "nomic-bert"}},  # before Ollama told capabilities
}  # fmt: skip


def show(to: Answering) -> None:
    to.say(SHOWN[to.body["model"]])


OLLAMA = {
    "/v1/models": listing(*SHOWN, owner="library"),
    "/api/show": show,
    "/api/ps": {"models": [{"name": "llama3.2:3b", "model": "llama3.2:3b", "context_length": 8192}]},
}
LM_STUDIO = {
    "/v1/models": listing("granite-4.1-3b", "sleeping", "text-vectors", owner="organization_owner"),
    "/api/v0/models": {
        "data": [
            {"id": "granite-4.1-3b", "type": "llm", "arch": "granite", "quantization": "Q4_K_M", "state": "loaded",
             "max_context_length": 131072, "loaded_context_length": 6144},
            {"id": "sleeping", "type": "llm", "arch": "llama", "max_context_length": 131072, "state": "not-loaded"},
            {"id": "text-vectors", "type": "embeddings", "arch": "nomic-bert", "max_context_length": 2048},
        ]
    },
}  # fmt: skip
LLAMA_SERVER = {
    "/v1/models": listing(
        "/models/granite.gguf", owner="llamacpp", meta={"n_params": 3402836480, "size": 2099480576}
    ),
    "/props": {"default_generation_settings": {"n_ctx": 12288}, "total_slots": 1},
}  # fmt: skip
VLLM = {"/v1/models": listing("Qwen/Qwen3-4B", owner="vllm", max_model_len=32768)}
GPT4ALL = {"/v1/models": listing("Llama 3 8B Instruct", owner="humans")}
WEBUI = {
    "/v1/models": listing("mistral", owner="user"),
    "/v1/internal/model/info": {"model_name": "mistral", "lora_names": []},
}


@pytest.mark.parametrize(
    ("answers", "program", "contexts"),
    [
        pytest.param(OLLAMA, "Ollama", {"llama3.2:3b": 8192, "long:latest": 16384}, id="Ollama"),
        pytest.param(LM_STUDIO, "LM Studio", {"granite-4.1-3b": 6144, "sleeping": 4096}, id="LM Studio"),
        pytest.param(LLAMA_SERVER, "llama-server", {"/models/granite.gguf": 12288}, id="llama-server"),
        pytest.param(VLLM, "vLLM", {"Qwen/Qwen3-4B": 32768}, id="vLLM"),
        pytest.param(GPT4ALL, "GPT4All", {"Llama 3 8B Instruct": 2048}, id="GPT4All"),
        pytest.param(WEBUI, "text-generation-webui", {"mistral": 0}, id="text-generation-webui"),
    ],
)
def test_a_program_is_known_by_what_it_says_with_the_context_it_gives_and_no_embedder(
    answers: dict[str, Any], program: str, contexts: dict[str, int]
) -> None:
    with ModelServer(answers) as server:
        running = look(Server(server.url))
        assert running.program == program
        assert {model.served_as: model.context for model in running.models} == contexts
        assert {(model.protocol, model.server, model.off_machine) for model in running.models} == {
            ("openai", server.url, False)
        }


def test_what_a_program_tells_of_a_model_is_known_of_it() -> None:
    with ModelServer(OLLAMA) as server:
        model = look(Server(server.url)).models[0]
    assert (model.architecture, model.quantisation, model.parameters) == ("llama", "Q4_K_M", 3212749888)


@pytest.mark.parametrize("broken", [None, [], {"model_info": 5}, {"capabilities": 7}, {"model_info": {"a": []}}])
def test_a_program_that_tells_nonsense_of_a_model_still_serves_it(broken: Any) -> None:
    with ModelServer({**OLLAMA, "/api/show": broken, "/api/ps": broken}) as server:
        known = {model.served_as: model.context for model in look(Server(server.url)).models}
    assert known["llama3.2:3b"] == 4096


@pytest.mark.parametrize("answer", [{}, [], {"data": 3}, {"object": "list", "data": None}, "text"])
def test_what_lists_no_models_is_no_server_of_models(answer: Any) -> None:
    with ModelServer({"/v1/models": answer}) as server, pytest.raises(ModelError, match="does not list any"):
        look(Server(server.url))


def test_what_a_list_of_models_has_besides_names_is_left_out() -> None:
    with ModelServer({"/v1/models": {"data": [{"id": "good"}, {"id": ""}, {"id": 5}, "x", None, {}]}}) as server:
        assert [model.served_as for model in look(Server(server.url)).models] == ["good"]


def test_the_usual_ports_of_the_usual_programs_are_looked_at() -> None:
    assert PORTS == {
        11434: "Ollama", 1234: "LM Studio", 8080: "llama-server", 4891: "GPT4All", 5000: "text-generation-webui",
        8000: "vLLM", 1337: "Jan",
    }  # fmt: skip


@pytest.fixture
def slow() -> Iterator[ModelServer]:
    with ModelServer({"/v1/models": lambda to: time.sleep(2)}) as server:
        yield server


def test_all_ports_are_asked_at_once_and_a_slow_one_is_not_waited_for(slow: ModelServer) -> None:
    web = ModelServer({"/v1/models": lambda to: to.reply(200, {"Content-Type": "text/html"})})
    with ModelServer(OLLAMA) as ollama, ModelServer(VLLM) as vllm, web, ModelServer({}, key="k") as locked:
        started = time.monotonic()
        found = find_servers([1, ollama.port, slow.port, vllm.port, web.port, locked.port], seconds=0.4)
        seconds = time.monotonic() - started
    assert seconds < 0.6  # 0.4 and what a busy machine takes
    known = {running.url: running for running in found}
    assert list(known) == [ollama.url, vllm.url, web.url, locked.url]
    assert [model.served_as for model in known[ollama.url].models] == ["llama3.2:3b", "long:latest"]
    assert "answers with a web page" in known[web.url].problem
    assert "asks for a key" in known[locked.url].problem


def test_a_server_that_comes_to_an_unusual_end_is_none() -> None:
    with ModelServer({"/v1/models": lambda to: to.cut()}) as server:
        assert find_servers([server.port]) == []


def test_the_models_of_a_server_are_all_made_known_or_the_one_that_is_named() -> None:
    with ModelServer(OLLAMA) as server:
        assert [model.served_as for model in served_models(Server(server.url))] == ["llama3.2:3b", "long:latest"]
        assert [model.served_as for model in served_models(Server(server.url), "long")] == ["long:latest"]
        with pytest.raises(ModelNotFoundError, match=r"no model 'other'. It has: llama3.2:3b, long:latest"):
            served_models(Server(server.url), "other")


def test_a_server_elsewhere_is_not_spoken_to_without_consent() -> None:
    with pytest.raises(UsageError, match=r"192\.0\.2\.1.*was not added: Your questions.*--off-this-machine"):
        served_models(Server("http://192.0.2.1:11434"))


def test_what_a_server_says_by_now_goes_before_what_it_said(slow: ModelServer) -> None:
    with ModelServer(OLLAMA) as server:
        info = replace(look(Server(server.url)).models[0], name="mine", active=True, context=1)
        again = look_again(Server(server.url), info, 2)
        assert (again.context, again.name, again.active) == (8192, "mine", True)
    assert look_again(Server(server.url), info, 0.5) == info  # gone
    assert look_again(Server(slow.url), info, 0.2) == info


def test_keys_lie_in_a_file_that_only_its_owner_can_read(tmp_path: Path) -> None:
    Keys(tmp_path / "models").keep("http://127.0.0.1:1", "sk-one")
    Keys(tmp_path / "models").keep("http://127.0.0.1:2", "sk-two")
    file = tmp_path / "models" / "keys.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert Keys(tmp_path / "models").get("http://127.0.0.1:1") == "sk-one"
    assert Keys(tmp_path / "models").get("http://127.0.0.1:3") == ""


def test_a_key_is_forgotten_and_the_others_stay(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    for number in (1, 2):
        keys.keep(f"http://127.0.0.1:{number}", f"sk-{number}")
    keys.forget("http://127.0.0.1:1")
    keys.forget("http://127.0.0.1:9")
    assert "sk-1" not in (tmp_path / "keys.json").read_text()
    assert keys.get("http://127.0.0.1:2") == "sk-2"


def test_keys_that_others_can_read_are_not_used(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.keep("http://127.0.0.1:1", "sk-one")
    (tmp_path / "keys.json").chmod(0o644)
    with pytest.raises(SettingsError, match=r"can be read by others.*chmod 600") as error:
        keys.get("http://127.0.0.1:1")
    assert "sk-one" not in str(error.value)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}'])
def test_a_damaged_file_of_keys_is_a_message(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys.json").write_text(content)
    (tmp_path / "keys.json").chmod(0o600)
    with pytest.raises(SettingsError, match="cannot be read"):
        Keys(tmp_path).get("http://127.0.0.1:1")


def test_a_server_is_shown_without_its_key() -> None:
    server = Server("http://127.0.0.1:1", "sk-secret")
    assert "sk-secret" not in f"{server!r} {server}"
