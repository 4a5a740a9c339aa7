"""Servers of models on this machine: which run, which models they have, and what is known of these.

A server is looked for only when that is asked for, where its program usually listens. All speak OpenAI's protocol; what
that does not tell (how long a context is, which models only embed) is asked in the program's own.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from errors import ModelDiedError, ModelError, ModelNotFoundError, SettingsError, UsageError
from models.connection import Server, check_key, consent_needed, server_url
from models.types import ModelInfo, ModelProtocol

PORTS = {
    11434: "Ollama",
    1234: "LM Studio",
    8080: "llama-server",
    4891: "GPT4All",
    5000: "text-generation-webui",
    8000: "vLLM",
    1337: "Jan",
}
OWNERS = {  # what /v1/models says as `owned_by`
    "llamacpp": "llama-server",
    "vllm": "vLLM",
    "organization_owner": "LM Studio",
    "library": "Ollama",
    "humans": "GPT4All",
    "me": "llama-cpp-python",
}
KEYS = "keys.json"  # in the folder of a home's models, readable by its owner alone
KEY_VARIABLE = "CITA_SERVER_KEY"

SEARCH_SECONDS = 0.4
LOOK_SECONDS = 10.0
MOST_MODELS = 200  # of one server

# Where a program does not say how long a context its models are given: what it gives them unless it is told otherwise.
USUAL_CONTEXT = {"Ollama": 4096, "LM Studio": 4096, "GPT4All": 2048}
EMBEDDERS = re.compile(r"bert|embed|(^|[-/_])(bge|gte|e5|minilm)[-_.:]|rerank", re.IGNORECASE)

Ask = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers, and the models of it that write, each with what is known of it; the names they have here
    are not given yet. `problem` says why it gives none."""

    url: str
    program: str
    models: tuple[ModelInfo, ...] = ()
    problem: str = ""


def find_servers(ports: Sequence[int] = tuple(PORTS), seconds: float = SEARCH_SECONDS) -> list[Running]:
    """The servers on this machine at `ports`, asked all at once, each for so many `seconds` at most."""
    found: dict[int, Running] = {}

    def try_port(port: int) -> None:
        server = Server(f"http://127.0.0.1:{port}")
        try:
            found[port] = look(server, seconds, PORTS.get(port, ""))
        except ModelDiedError:
            return  # nothing listens there, or nothing that answers in time
        except ModelError as error:
            found[port] = Running(server.url, PORTS.get(port, ""), problem=str(error))

    threads = [threading.Thread(target=try_port, args=(port,), daemon=True) for port in ports]
    until = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    known = dict(found)  # one that comes later is not waited for
    return [known[port] for port in ports if port in known]


def look(server: Server, seconds: float = LOOK_SECONDS, usual: str = "", only: str = "") -> Running:
    """What runs at a server and which models it has, or whether it has the one that is called `only` there. `usual` is
    the program that is usually there.

    Raises ModelError if it does not answer, or not as a server of models does.
    """
    until = time.monotonic() + seconds

    def ask(path: str, body: dict[str, Any] | None = None) -> Any:
        return server.fetch(path, body, max(0.01, until - time.monotonic()))

    listed = _listed(server, ask("/v1/models"))
    program = _program(listed, ask) or usual
    details = _DETAILS.get(program, _details_of_list)
    models = []
    for entry in listed[:MOST_MODELS]:
        name = str(entry["id"])
        if only not in ("", name):
            continue
        plain = ModelInfo(
            name, title=name, protocol="openai", server=server.url, served_as=name, program=program,
            context=USUAL_CONTEXT.get(program, 0), off_machine=server.off_machine,
        )  # fmt: skip
        described: ModelInfo | None = None if EMBEDDERS.search(name) else plain
        with suppress(ModelError, TypeError, ValueError, AttributeError, KeyError):
            described = details(plain, entry, ask)
        if described:
            models.append(described)
    return Running(server.url, program, tuple(models))


def served_models(server: Server, wanted: str = "", protocol: ModelProtocol = "openai") -> list[ModelInfo]:
    """The models of a server that write answers, or the one that is called `wanted` there.

    Raises UsageError if it is elsewhere without the user's consent, before anything is connected to; ModelNotFoundError
    if it has no such model; what look() raises.
    """
    check_consent(server)
    check_key(server)
    if protocol == "llamafile":
        return [_llamafile(server, wanted or "llamafile")]
    models = list(look(server).models)
    chosen = [model for model in models if wanted in ("", model.served_as)]
    chosen = chosen or [model for model in models if wanted == model.served_as.removesuffix(":latest")]
    if not chosen:
        there = ", ".join(model.served_as for model in models) or "none that writes answers"
        what = f"no model {wanted!r}" if wanted else "no model"
        raise ModelNotFoundError(f"{server.name} has {what}.", hint=f"It has: {there}.")
    return chosen


def _llamafile(server: Server, name: str) -> ModelInfo:
    """By its own protocol there is one model, whose turns Cita writes: with the template that it tells, if it does."""
    server.fetch("/health")
    props = _quietly(server.fetch, "/props")
    told = props if isinstance(props, dict) else {}
    return ModelInfo(
        name,
        title=name,
        protocol="llamafile",
        server=server.url,
        served_as=name,
        program="llamafile",
        off_machine=server.off_machine,
        context=context_of_props(told),
        chat_template=str(told.get("chat_template") or ""),
        bos_token=str(told.get("bos_token") or ""),
        eos_token=str(told.get("eos_token") or ""),
    )


def check_consent(server: Server) -> None:
    """Raises UsageError if the server is elsewhere and nobody agreed to that."""
    if not server.off_machine and (sentence := consent_needed(server.url)):
        raise UsageError(f"{server.name} was not added: {sentence}", hint="If that may be, add --off-this-machine.")


def look_again(server: Server, info: ModelInfo, seconds: float) -> ModelInfo:
    """What is known of a model of a server by now; as it was known where that does not say."""
    with suppress(ModelError):
        for model in look(server, seconds, info.program, info.served_as).models:
            return replace(model, name=info.name, active=info.active, prompts=info.prompts)
    return info


# ------------------------------------------------------------------------------------------------ what programs tell


def _listed(server: Server, answer: Any) -> list[dict[str, Any]]:
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list):
        raise ModelError(
            f"{server.name} is no server of models: it does not list any.",
            hint="Cita speaks to those that have OpenAI's protocol, under /v1.",
        )
    return [entry for entry in data if isinstance(entry, dict) and isinstance(entry.get("id"), str) and entry["id"]]


def _program(listed: Sequence[dict[str, Any]], ask: Ask) -> str:
    """By who the models say they belong to, else by what only one program answers."""
    for entry in listed:
        if program := OWNERS.get(str(entry.get("owned_by"))):
            return program
    for path, key, program in (("/api/version", "version", "Ollama"), ("/props", "default_generation_settings",
                               "llama-server"), ("/api/v0/models", "data", "LM Studio"),
                               ("/v1/internal/model/info", "model_name", "text-generation-webui")):  # fmt: skip
        answer = _quietly(ask, path)
        if isinstance(answer, dict) and key in answer:
            return program
    return ""


def _quietly(ask: Ask, *arguments: Any) -> Any:
    try:
        return ask(*arguments)
    except ModelError:
        return None


def _details_of_ollama(plain: ModelInfo, entry: dict[str, Any], ask: Ask) -> ModelInfo | None:
    """What OpenAI's protocol reaches of a model is the context that it was loaded with, and what is longer is cut off
    without a word: so the length is that of the loaded one, or what loading would give it."""
    shown = ask("/api/show", {"model": entry["id"]})
    if "completion" not in shown.get("capabilities", ["completion"]):
        return None
    about = shown.get("model_info") or {}
    details = shown.get("details") or {}
    architecture = str(about.get("general.architecture", details.get("family", "")))
    if EMBEDDERS.search(architecture):
        return None
    most = int(about.get(f"{architecture}.context_length", 0))
    told = re.search(r"^num_ctx\s+(\d+)", str(shown.get("parameters", "")), re.MULTILINE)
    loaded = _quietly(ask, "/api/ps") or {}
    now = [
        one.get("context_length", 0)
        for one in loaded.get("models", [])
        if entry["id"] in (one.get("name"), one.get("model"))
    ]
    context = next((int(length) for length in now if length), int(told.group(1)) if told else plain.context)
    return replace(
        plain,
        context=min(context, most) if most else context,
        architecture=architecture,
        quantisation=str(details.get("quantization_level", "")),
        parameters=int(about.get("general.parameter_count", 0)),
    )


def _details_of_lm_studio(plain: ModelInfo, entry: dict[str, Any], ask: Ask) -> ModelInfo | None:
    answer = ask("/api/v0/models")
    told = next(one for one in answer.get("data", []) if one.get("id") == entry["id"])
    if told.get("type") == "embeddings":
        return None
    most = int(told.get("max_context_length") or 0)
    context = int(told.get("loaded_context_length") or 0) or min(plain.context, most or plain.context)
    return replace(
        plain,
        context=context,
        architecture=str(told.get("arch", "")),
        quantisation=str(told.get("quantization", "")),
    )


def _details_of_llama_server(plain: ModelInfo, entry: dict[str, Any], ask: Ask) -> ModelInfo:
    meta = entry.get("meta") or {}
    return replace(
        plain,
        title=Path(entry["id"]).name,
        context=context_of_props(_quietly(ask, "/props")),
        parameters=int(meta.get("n_params") or 0),
        size=int(meta.get("size") or 0),
    )


def context_of_props(props: Any) -> int:
    """The tokens that llama-server gives each request; 0 where it does not say."""
    told = props.get("default_generation_settings") if isinstance(props, dict) else None
    tokens = told.get("n_ctx") if isinstance(told, dict) else None
    return tokens if isinstance(tokens, int) and tokens > 0 else 0


def _details_of_list(plain: ModelInfo, entry: dict[str, Any], ask: Ask) -> ModelInfo | None:  # noqa: ARG001
    """vLLM says in the list itself how long a context is."""
    if EMBEDDERS.search(entry["id"]):
        return None
    tokens = entry.get("max_model_len")
    return replace(plain, context=tokens) if isinstance(tokens, int) and tokens > 0 else plain


_DETAILS = {
    "Ollama": _details_of_ollama,
    "LM Studio": _details_of_lm_studio,
    "llama-server": _details_of_llama_server,
}


# ---------------------------------------------------------------------------------------------------------- keys


class Keys:
    """The keys of servers, by address, in a file of their own that nobody else can read."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / KEYS

    def get(self, url: str) -> str:
        """'' if there is none. Raises SettingsError if the file cannot be read, or others can read it."""
        return self._all().get(url, "")

    def keep(self, url: str, key: str) -> None:
        """Raises SettingsError if that cannot be written."""
        if self.get(url) != key:
            self._write({**self._all(), url: key})

    def forget(self, url: str) -> None:
        """Raises SettingsError if that cannot be written."""
        if self.get(url):
            self._write({other: key for other, key in self._all().items() if other != url})

    def _write(self, keys: Mapping[str, str]) -> None:
        from models.registry import write_atomically  # whose files only their owner can read

        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file, json.dumps(keys, indent=1) + "\n")
        except OSError as error:
            raise SettingsError(
                f"The file of keys {str(self._file)!r} cannot be written: {error.strerror}.",
                hint="Check the folder's permissions and the space left on its disk.",
            ) from error

    def server(self, info: ModelInfo) -> Server:
        """The server of a model, with its key."""
        return Server(info.server, self.get(info.server), info.off_machine)

    def _all(self) -> dict[str, str]:
        try:
            if self._file.stat().st_mode & 0o077:
                raise SettingsError(
                    f"The file of keys {str(self._file)!r} can be read by others.",
                    hint=f"chmod 600 {self._file}, and ask for new keys if others may have read them.",
                )
            held = json.loads(self._file.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError):
            held = None
        if not isinstance(held, dict) or not all(isinstance(key, str) for key in held.values()):
            raise SettingsError(
                f"The file of keys {str(self._file)!r} cannot be read.", hint="Move it away and give the keys again."
            )
        return held


def key_from(environment: Mapping[str, str]) -> str:
    """As CITA_SERVER_KEY says; '' if it does not."""
    return environment.get(KEY_VARIABLE, "").strip()


__all__ = [
    "KEY_VARIABLE", "Keys", "Running", "Server", "consent_needed", "find_servers", "key_from", "look", "look_again",
    "served_models", "server_url",
]  # fmt: skip
