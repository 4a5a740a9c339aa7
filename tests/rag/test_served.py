"""A model behind a server: streamed, stopped at once, never cut off in silence, and every way in which it fails said.

The peer is llama-cpp-python's own server; a server of the tests has the lies, and what other programs answer.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from errors import ModelDiedError, ModelError, ModelNotFoundError, ModelRefusedError
from ingest.embed import locate
from models.connection import Server
from models.servers import look
from models.types import ModelInfo
from rag.prompt import Message, Prompt, fill_prompt
from rag.served import FRAME, FULL, ServedGenerator
from rag.thoughts import ThoughtSplitter
from rag.token_estimate import estimate_tokens
from rag.types import Usage
from settings import Generate
from tests.conftest import shared_data
from tests.gguf_files import tiny_gguf
from tests.llama_peer import KEY, Peer, llama_peer
from tests.model_server import Answering, ModelServer, chunk, listing, saying
from tests.tiny_model import TRAINED, make_example

CHAT = "/v1/chat/completions"
SETTINGS = Generate(context=2048, max_tokens=40)
SAID = (Message("system", "Answer."), Message("user", "Why?"))
PROMPT = Prompt("Why?", "en", (), "text", ("<|im_end|>",), "chat", SAID)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    ServedGenerator._ways.clear()
    with ModelServer({"/v1/models": listing("m"), CHAT: saying("It ", "is [1].")}) as running:
        yield running


def served(server: ModelServer, program: str = "", **settings: Any) -> ServedGenerator:
    info = ModelInfo("mine", protocol="openai", server=server.url, served_as="m", program=program)
    return ServedGenerator(info, Generate(**{"max_tokens": 40, **settings}), Server(server.url))


def written(generator: ServedGenerator, prompt: Prompt = PROMPT) -> list[str]:
    return [piece for piece in generator.generate(prompt) if piece]


def asked(server: ModelServer) -> list[dict[str, Any]]:
    return [one.body for one in server.asked if one.path == CHAT]


# ------------------------------------------------------------------------------------------------------ what is asked


def test_it_is_sent_the_messages_and_how_to_write(server: ModelServer) -> None:
    generator = served(server, temperature=0.3, seed=7, top_p=0.9, max_tokens=9)
    assert "".join(written(generator)) == "It is [1]."
    (body,) = asked(server)
    assert body["messages"] == [{"role": "system", "content": "Answer."}, {"role": "user", "content": "Why?"}]
    assert {key: body[key] for key in ("model", "temperature", "seed", "top_p", "max_tokens", "stop", "stream")} == {
        "model": "m", "temperature": 0.3, "seed": 7, "top_p": 0.9, "max_tokens": 9, "stop": ["<|im_end|>"],
        "stream": True,
    }  # fmt: skip


def test_only_a_program_that_takes_a_grammar_is_sent_one(server: ModelServer) -> None:
    example = make_example(random.Random(1), 2, 1, 0.0)
    for program in ("llama-server", "llama-cpp-python", "Ollama", "vLLM", "LM Studio", ""):
        generator = served(server, program)
        prompt = fill_prompt(example.questions[0], example.hits, generator.info, "en", len, 100_000, 40)
        written(generator, prompt)
    grammars = ["grammar" in body for body in asked(server)]
    assert grammars == [True, True, False, False, False, False]
    written(served(server, "llama-server", grammar=False), prompt)
    assert "grammar" not in asked(server)[-1]


def test_what_a_server_does_not_take_is_left_out_and_not_tried_again(server: ModelServer) -> None:
    """GPT4All streams nothing; some templates have no system; some programs refuse every field they do not know."""

    def strict(to: Answering) -> None:
        if unknown := set(to.body) - {"model", "messages", "max_tokens", "temperature", "stream"}:
            to.say({"error": {"message": f"unrecognized: {min(unknown)}"}}, 400)
        elif to.body["messages"][0]["role"] == "system":
            to.say({"error": {"message": "System role not supported"}}, 500)
        elif to.body["stream"]:
            to.say({"detail": "streaming is not supported"}, 422)
        else:
            to.say({"choices": [{"message": {"role": "assistant", "content": " Whole."}, "finish_reason": "stop"}]})

    server.answers[CHAT] = strict
    assert written(served(server, "llama-server")) == ["Whole."]
    assert asked(server)[-1]["messages"] == [{"role": "user", "content": "Answer.\n\nWhy?"}]
    tries = len(asked(server))
    assert written(served(server, "llama-server")) == ["Whole."]
    assert len(asked(server)) == tries + 1


def test_what_it_took_is_told_where_the_server_tells_it(server: ModelServer) -> None:
    end = {
        "choices": [],
        "usage": {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 60}},
        "timings": {"prompt_ms": 250.0, "predicted_ms": 500.0},
    }
    lines = [chunk("Yes."), chunk(ends="stop"), "data: " + str(end).replace("'", '"'), "data: [DONE]"]
    server.answers[CHAT] = lambda to: to.stream(lines)
    usage = taken(served(server))
    assert (usage.prompt, usage.reused, usage.written, usage.reading, usage.writing) == (100, 60, 5, 0.25, 0.5)
    server.answers[CHAT] = saying("Yes.")
    usage = taken(served(server))
    assert (usage.prompt, usage.written) == (None, None)
    assert usage.reading is not None
    assert usage.parameters["max_tokens"] == 40


def taken(generator: ServedGenerator, prompt: Prompt = PROMPT) -> Usage:
    usage: list[Usage | None] = []

    def read() -> Iterator[str]:
        usage.append((yield from generator.generate(prompt)))

    list(read())
    assert usage[0]
    return usage[0]


# ------------------------------------------------------------------------------------------------------- thoughts


def told(pieces: list[str]) -> tuple[str, str]:
    """The thought and the answer, as the chain tells them apart."""
    splitter, both = ThoughtSplitter(), {True: "", False: ""}
    for piece in pieces:
        for text, is_thought in splitter.feed(piece):
            both[is_thought] += text
    for text, is_thought in splitter.rest():
        both[is_thought] += text
    return both[True], both[False]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_a_thought_that_comes_apart_is_told_from_the_answer(server: ModelServer, name: str) -> None:
    lines = [chunk(thought="Let me "), chunk(thought="see."), chunk("\n\nIt is"), chunk(" so."), "data: [DONE]"]
    server.answers[CHAT] = lambda to: to.stream([line.replace("reasoning_content", name) for line in lines])
    thought, answer = told(written(served(server)))
    assert (thought, answer.strip()) == ("Let me see.", "It is so.")


def test_a_thought_within_the_answer_is_told_from_it(server: ModelServer) -> None:
    server.answers[CHAT] = saying("<thi", "nk>Hm.</think>", "\n\nIt is so.")
    thought, answer = told(written(served(server)))
    assert (thought, answer.strip()) == ("Hm.", "It is so.")


def test_a_thought_that_never_ends_is_no_answer(server: ModelServer) -> None:
    server.answers[CHAT] = lambda to: to.stream([chunk(thought="Hm."), chunk(ends="length"), "data: [DONE]"])
    assert told(written(served(server))) == ("Hm.", "")


# ---------------------------------------------------------------------------------------------------------- failures


def until_it_fails(generator: ServedGenerator, kind: type[ModelError], message: str) -> str:
    """What was written before."""
    said: list[str] = []
    with pytest.raises(kind, match=message) as error:
        said.extend(generator.generate(PROMPT))
    assert error.value.hint
    return "".join(said)


def endless(line: str) -> Callable[[Answering], None]:
    return lambda to: to.stream(line for _ in iter(int, 1))


def cut(to: Answering) -> None:
    to.stream([chunk("Half an "), chunk("answer")])
    time.sleep(0.2)
    to.cut()


@pytest.mark.parametrize(
    ("answer", "kind", "message", "said"),
    [
        pytest.param(cut, ModelDiedError, "ended before its answer did", "Half an answer", id="killed"),
        pytest.param(saying("Half", done=False), ModelDiedError, "ended before its answer did", "Half", id="closed"),
        pytest.param(
            lambda to: to.stream([chunk("Half"), 'data: {"error": {"code": 500, "message": "out of memory"}}']),
            ModelRefusedError, "could not answer: out of memory", "Half", id="an error in the stream",
        ),
        pytest.param(
            lambda to: to.stream([chunk("Half"), 'error: {"error": {"message": "slot is gone"}}']),
            ModelRefusedError, "slot is gone", "Half", id="an error of llama-server's older kind",
        ),
        pytest.param(endless(chunk("more ")), ModelError, "writes on and on", None,
                     id="an answer without end"),
        pytest.param(endless(chunk()), ModelError, "writes on and on", "", id="empty pieces without end"),
        pytest.param(endless(": ping"), ModelError, "writes on and on", "", id="signs of life without end"),
        pytest.param(endless("x" * 100), ModelError, "writes on and on", "", id="something else without end"),
        pytest.param(lambda to: to.stream(["data: {"]), ModelError, "what is no answer: '{'", "", id="broken JSON"),
        pytest.param(lambda to: to.stream(['data: {"choices": 5}']), ModelError, "is no answer", "", id="no choices"),
        pytest.param(lambda to: to.stream(["data: " + "[" * 20_000]), ModelError, "is no answer", "", id="deep JSON"),
        pytest.param(lambda to: to.say(["x"]), ModelError, "is no answer", "", id="a list"),
        pytest.param(lambda to: to.say({"error": {"message": "no model 'm'"}}, 404), ModelNotFoundError,
                     "no model 'm'", "", id="no such model"),
        pytest.param(lambda to: to.say({"error": "overloaded"}, 503, Retry_After="3"), ModelError,
                     "is busy: overloaded. Try again in 3 seconds", "", id="busy"),
        pytest.param(
            lambda to: to.say({"error": {"message": "maximum context length is 512 tokens"}}, 400), ModelRefusedError,
            "512 tokens.*generate.context", "", id="too long",
        ),
    ],
)  # fmt: skip
def test_whatever_goes_wrong_in_an_answer_is_a_message_and_what_was_written_stays(
    server: ModelServer, answer: Callable[[Answering], None], kind: type[ModelError], message: str, said: str | None
) -> None:
    server.answers[CHAT] = answer
    got = until_it_fails(served(server, max_tokens=2), kind, message)
    assert said is None or got == said


def test_what_is_too_long_is_not_asked_again_in_other_words(server: ModelServer) -> None:
    server.answers[CHAT] = lambda to: to.say({"error": {"message": "exceeds the available context size"}}, 400)
    until_it_fails(served(server), ModelRefusedError, "context size")
    assert len(asked(server)) == 1


def test_a_server_that_is_gone_before_the_answer_is_said_to_be(server: ModelServer) -> None:
    generator = served(server)
    server.__exit__()
    until_it_fails(generator, ModelDiedError, "Nothing answers at .*Start the program")


def test_a_server_gets_no_key_of_another_and_its_own_is_not_shown() -> None:
    with ModelServer({CHAT: saying("x")}, key="sk-right") as server:
        info = ModelInfo("mine", protocol="openai", server=server.url, served_as="m")
        wrong = ServedGenerator(info, SETTINGS, Server(server.url, "sk-wrong"))
        with pytest.raises(ModelError, match="does not take the key") as error:
            written(wrong)
        assert "sk-wrong" not in str(error.value)
        assert written(ServedGenerator(info, SETTINGS, Server(server.url, "sk-right"))) == ["x"]


# ---------------------------------------------------------------------------------------------------- counting tokens


def test_a_server_that_counts_is_asked_and_room_is_left_for_its_template(server: ModelServer) -> None:
    server.answers |= {"/v1/models": listing("m", owner="llamacpp"), "/tokenize": {"tokens": list(range(17))}}
    assert served(server, "llama-server").count_tokens("some text") == 17 + FRAME
    server.answers |= {"/v1/models": listing("m", owner="vllm"), "/tokenize": {"count": 23}}
    assert served(server, "vLLM").count_tokens("some text") == 23 + FRAME


@pytest.mark.parametrize("answer", [{}, {"tokens": 5}, [], None])
def test_where_a_server_counts_nonsense_it_is_estimated(server: ModelServer, answer: Any) -> None:
    server.answers |= {"/v1/models": listing("m", owner="llamacpp"), "/tokenize": answer}
    assert served(server, "llama-server").count_tokens("some text") == estimate_tokens("some text") + FRAME


def test_the_context_that_a_server_gives_now_is_the_one_that_counts(server: ModelServer) -> None:
    server.answers["/v1/models"] = listing("m", owner="vllm", max_model_len=1024)
    assert served(server, "vLLM").info.context == 1024


@pytest.fixture(scope="module")
def wordpiece() -> Tokenizer:
    """The one real tokenizer that comes with the installation."""
    tokenizer = Tokenizer.from_file(str(locate("all-MiniLM-L6-v2") / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


@pytest.mark.needs_shared
@pytest.mark.parametrize("column", [0, 1], ids=["English", "Spanish"])
@pytest.mark.parametrize("name", ["flores_devtest", "ntrex", "tico19"])
def test_no_text_in_english_or_spanish_is_estimated_at_fewer_tokens_than_it_has(
    wordpiece: Tokenizer, name: str, column: int
) -> None:
    lines = shared_data("parallel", f"eval_{name}.tsv").read_text("utf-8").splitlines()
    texts = [line.split("\t")[column] for line in lines]
    for start in range(0, len(texts), 5):
        text = " ".join(texts[start : start + 5])
        assert estimate_tokens(text) >= len(wordpiece.encode(text).ids), text


def test_a_text_of_another_script_is_estimated_at_a_token_a_byte() -> None:
    for text in ("日本語の文章", "Ελληνικά", "😀😀", "العربية"):
        assert estimate_tokens(text) >= len(text.encode())


def test_what_is_no_prose_is_estimated_on_the_safe_side_too(wordpiece: Tokenizer) -> None:
    source = Path(__file__).read_text("utf-8")
    for text in (source, "1234567890" * 50, "a,b;c" * 99, "{}[]()" * 50, "x" * 500, "\n\n\t " * 50, "O'Neill-Smith's"):
        assert estimate_tokens(text) >= len(wordpiece.encode(text).ids)


# --------------------------------------------------------------------------------------------------- a real server


PROGRAMS = ["llama-cpp-python", "llama-server"]


@pytest.fixture(scope="module", params=PROGRAMS)
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with llama_peer(TRAINED, tmp_path_factory.mktemp("peer"), program=request.param) as running:
        yield running


def of_peer(peer: Peer, key: str = KEY, **settings: Any) -> ServedGenerator:
    server = Server(peer.url, KEY)
    (info,) = look(server).models
    return ServedGenerator(replace(info, name="tiny"), SETTINGS.model_copy(update=settings), Server(peer.url, key))


@pytest.mark.parametrize("grammar", [True, False], ids=["grammar", "free"])
def test_a_real_server_answers_from_the_passages_and_cites_them(peer: Peer, grammar: bool) -> None:
    generator, rng, right = of_peer(peer, grammar=grammar), random.Random(5), 0
    for _ in range(10):
        example = make_example(rng, 3, 1, 0.0)
        prompt = fill_prompt(example.questions[0], example.hits, generator.info, "en", generator.count_tokens, 2048, 40)
        pieces = written(generator, prompt)
        right += "".join(pieces).strip() == example.answers[0]
        assert len(pieces) > 1
    assert right >= 8


def test_a_real_server_takes_all_that_it_is_asked_and_reads_no_more_than_was_counted(peer: Peer) -> None:
    ServedGenerator._ways.clear()
    generator, example = of_peer(peer), make_example(random.Random(5), 3, 1, 0.0)
    prompt = fill_prompt(example.questions[0], example.hits, generator.info, "en", generator.count_tokens, 2048, 40)
    usage = taken(generator, prompt)
    assert list(ServedGenerator._ways.values()) == [FULL]
    if usage.prompt is not None:  # llama-cpp-python does not tell it of a stream
        assert 50 < usage.prompt <= generator.count_tokens(prompt.text)


def test_a_real_server_says_that_a_prompt_is_too_long_for_it(peer: Peer) -> None:
    said = replace(PROMPT, messages=(*SAID[:1], Message("user", "The notice period is thirty days. " * 1000)))
    generator = of_peer(peer)
    with pytest.raises(ModelError) as error:
        taken(generator, said)
    if generator.info.program == "llama-server":  # the other one closes the connection without a word
        assert isinstance(error.value, ModelRefusedError)
        assert "generate.context" in error.value.hint


def test_a_real_server_counts_its_tokens(peer: Peer) -> None:
    generator = of_peer(peer)
    assert generator.info.program in PROGRAMS
    assert FRAME < generator.count_tokens("The lease of Ada ends in 2021.") < FRAME + 40


def test_a_real_server_that_gets_the_wrong_key_writes_nothing(peer: Peer) -> None:
    until_it_fails(of_peer(peer, key="sk-wrong"), ModelError, "does not take the key")


@pytest.fixture(params=PROGRAMS)
def endless_peer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Peer]:
    model = tiny_gguf(tmp_path / "endless.gguf", endless=True, width=512, blocks=2)
    with llama_peer(model, tmp_path, context=8192, program=request.param) as running:
        yield running


def test_a_real_server_stops_writing_when_the_answer_is_closed(endless_peer: Peer) -> None:
    answer = of_peer(endless_peer, max_tokens=6000, grammar=False).generate(PROMPT)
    while not next(answer):
        pass
    before = endless_peer.processor_seconds()
    time.sleep(0.5)
    assert endless_peer.processor_seconds() - before > 0.1  # it writes
    answer.close()
    time.sleep(1)  # it looks whether anyone listens at its next token
    before = endless_peer.processor_seconds()
    time.sleep(1)
    assert endless_peer.processor_seconds() - before < 0.1


def test_what_a_real_server_had_written_stays_when_it_is_killed(endless_peer: Peer) -> None:
    said: list[str] = []

    def killing() -> Iterator[str]:
        for piece in of_peer(endless_peer, max_tokens=6000, grammar=False).generate(PROMPT):
            yield piece
            if len("".join(said)) > 20 and endless_peer.process.poll() is None:
                endless_peer.kill()

    with pytest.raises(ModelDiedError, match="ended before its answer did"):
        said.extend(killing())
    assert len("".join(said)) > 20
