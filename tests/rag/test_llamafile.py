"""llamafile's own protocol through LangChain's integration, and never by that one's own connection."""

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from errors import ModelDiedError, ModelError
from models.connection import Server
from models.servers import served_models
from rag.generators import open_generator
from rag.llamafile import LlamafileGenerator
from rag.prompt import Prompt, fill_prompt
from rag.template import choose_template
from rag.types import Hit
from settings import Generate
from tests.fakes import LEASE
from tests.gguf_files import CHATML
from tests.llama_peer import KEY, llama_peer
from tests.model_server import Answering, ModelServer
from tests.tiny_model import TRAINED, make_example

PROMPT = Prompt("Why?", "en", (), "<|im_start|>user\nWhy?<|im_end|>\n", ("<|im_end|>",), "chatml")


def lines(*pieces: str, ends: bool = True) -> list[str]:
    said = [{"content": piece, "multimodal": False, "slot_id": 0, "stop": False} for piece in pieces]
    said += [{"content": "", "stop": True}] if ends else []
    return [f"data: {json.dumps(one)}" for one in said]


@pytest.fixture
def server() -> Iterator[ModelServer]:
    answers: dict[str, Any] = {
        "/health": {"status": "ok"},
        "/props": {"default_generation_settings": {"n_ctx": 2048}, "chat_template": CHATML, "eos_token": "<|im_end|>"},
        "/completion": lambda to: to.stream(lines(" It", " is", " [1].")),
        "/tokenize": {"tokens": [1, 2, 3]},
    }
    with ModelServer(answers) as running:
        yield running


@pytest.fixture
def generator(server: ModelServer, tmp_path: Any) -> LlamafileGenerator:
    (info,) = served_models(Server(server.url), protocol="llamafile")
    opened = open_generator(info, Generate(max_tokens=9, temperature=0.3, seed=7), tmp_path)
    assert isinstance(opened, LlamafileGenerator)
    return opened


def test_the_prompt_is_rendered_here_and_the_answer_streamed(
    server: ModelServer, generator: LlamafileGenerator
) -> None:
    prompt = fill_prompt("Why?", [Hit(1, 1.0, LEASE, "")], generator.info, "en", generator.count_tokens, 2048, 9)
    assert prompt.family == "chatml"
    assert [piece for piece in generator.generate(prompt) if piece] == ["It", " is", " [1]."]
    asked = server.asked[-1].body
    assert asked["prompt"] == prompt.text
    assert {key: asked[key] for key in ("n_predict", "temperature", "seed", "stop", "stream")} == {
        "n_predict": 9, "temperature": 0.3, "seed": 7, "stop": ["<|im_end|>", "<|endoftext|>"], "stream": True,
    }  # fmt: skip


def test_it_counts_tokens_and_tells_its_context(server: ModelServer, generator: LlamafileGenerator) -> None:
    assert generator.info.context == 2048
    assert generator.count_tokens("x") == 4
    server.answers["/tokenize"] = {}
    assert generator.count_tokens("The notice period") > 3


def test_closing_the_answer_hangs_up(server: ModelServer, generator: LlamafileGenerator) -> None:
    server.answers["/completion"] = lambda to: to.stream(
        lines(" on", ends=False)[0] for _ in iter(lambda: time.sleep(0.01), 1)
    )
    answer = generator.generate(PROMPT)
    while not next(answer):
        pass
    answer.close()
    assert server.gone.wait(2)


def cut(to: Answering) -> None:
    to.stream(lines(" Half", ends=False))
    to.cut()


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        pytest.param(lambda to: to.stream(lines(" Half", ends=False)), ModelDiedError, "ended before", id="closed"),
        pytest.param(cut, ModelDiedError, "ended before its answer did", id="cut"),
        pytest.param(lambda to: to.stream(["data: {"]), ModelError, "no answer.*leave --protocol out", id="no JSON"),
        pytest.param(lambda to: to.stream(['data: {"x": 1}']), ModelError, "is no answer", id="another protocol"),
        pytest.param(lambda to: to.stream(["data: [1]"]), ModelError, "is no answer", id="a list"),
        pytest.param(lambda to: to.stream(iter(lambda: ": x", 1)), ModelError, "on and on", id="without end"),
        pytest.param(lambda to: to.say({"error": "full"}, 503), ModelError, "is busy: full", id="busy"),
    ],
)
def test_what_goes_wrong_is_a_message(
    server: ModelServer, generator: LlamafileGenerator, answer: Any, kind: type[ModelError], message: str
) -> None:
    server.answers["/completion"] = answer
    with pytest.raises(kind, match=message):
        list(generator.generate(PROMPT))


def test_a_real_server_of_this_protocol_answers_from_the_passages(tmp_path: Path) -> None:
    """llama-server, which llamafile is made of."""
    with llama_peer(TRAINED, tmp_path, program="llama-server") as peer:
        server = Server(peer.url, KEY)
        (info,) = served_models(server, protocol="llamafile")
        generator, rng, right = LlamafileGenerator(info, Generate(max_tokens=40), server), random.Random(5), 0
        assert choose_template(info).family == "llama2"
        for _ in range(10):
            example = make_example(rng, 3, 1, 0.0)
            question, hits = example.questions[0], example.hits
            prompt = fill_prompt(question, hits, info, "en", generator.count_tokens, 2048, 40)
            right += "".join(generator.generate(prompt)).strip() == example.answers[0]
        assert right >= 8


def test_neither_a_proxy_nor_a_redirect_takes_the_prompt_elsewhere(
    server: ModelServer, generator: LlamafileGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which requests, that LangChain's integration would use, takes and follows."""
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:3128")
    assert "".join(generator.generate(PROMPT)) == "It is [1]."
    server.answers["/completion"] = lambda to: to.reply(307, {"Location": "http://192.0.2.1/", "Content-Length": "0"})
    with pytest.raises(ModelError, match="does not follow"):
        list(generator.generate(PROMPT))
