"""What is said to a server: only where it may go, bounded, and each way in which it fails has its message."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from errors import ModelDiedError, ModelError, ModelNotFoundError, ModelRefusedError, UsageError
from models import connection
from models.connection import Server, consent_needed, is_this_machine, server_url
from tests.model_server import Answering, ModelServer, chunk


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("http://127.0.0.1:11434", "http://127.0.0.1:11434"),
        (" http://LOCALHOST:8080/v1/ ", "http://localhost:8080"),
        ("https://models.example/openai/v1", "https://models.example/openai"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_an_address_is_kept_without_what_every_request_adds(typed: str, kept: str) -> None:
    assert server_url(typed) == kept


@pytest.mark.parametrize(
    "typed",
    ["", "127.0.0.1:8080", "file:///etc/passwd", "ftp://127.0.0.1", "http://", "http://a:0", "http://a:99999",
     "http://[::1", "http://a/?x=1", "http://a/#x", "http://a b/", "http://a/\nHost: b", "http://exämple/"],
)  # fmt: skip
def test_what_is_no_address_of_a_server_is_refused(typed: str) -> None:
    with pytest.raises(UsageError, match="is no address of a server"):
        server_url(typed)


def test_an_address_that_holds_a_password_is_refused_without_showing_it() -> None:
    with pytest.raises(UsageError) as error:
        server_url("http://me:sesame@127.0.0.1:8080")
    assert "sesame" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1", True), ("http://127.8.9.1", True), ("http://[::1]:1", True), ("http://localhost", True),
        ("http://0.0.0.0:1", False), ("http://192.168.1.5:1", False), ("http://169.254.169.254", False),
        ("http://localhost.example", False), ("http://127.0.0.1.example", False), ("http://models.example", False),
        ("http://2130706433", False), ("http://[fe80::1]", False), ("http://10.0.0.1", False),
    ],
)  # fmt: skip
def test_this_machine_is_loopback_and_nothing_else(url: str, here: bool) -> None:
    assert is_this_machine(url) == here
    assert bool(consent_needed(url)) != here


def test_the_sentence_of_consent_says_what_leaves_where_to_and_whether_it_can_be_read_on_the_way() -> None:
    sentence = consent_needed("http://192.0.2.7:8000")
    assert "questions" in sentence
    assert "passages of your documents" in sentence
    assert "192.0.2.7:8000, which is not this machine, unencrypted." in sentence
    assert "unencrypted" not in consent_needed("https://models.example")


@pytest.mark.parametrize("url", ["http://192.0.2.1:80", "https://models.example", "http://0.0.0.0:80"])
def test_nothing_is_looked_up_or_connected_to_off_this_machine_without_consent(url: str) -> None:
    with pytest.raises(ModelError, match=r"is not this machine, so it was not connected to.*--off-this-machine"):
        Server(url).fetch("/v1/models")  # and the network log of every test stays empty


def test_a_name_that_leads_elsewhere_at_the_time_of_the_connection_is_not_followed(
    monkeypatch: pytest.MonkeyPatch, server: ModelServer
) -> None:
    """localhost in a hosts file that somebody changed, or a name that leads to two places."""
    here, away = (socket.AF_INET, socket.SOCK_STREAM, 6, ""), ("192.0.2.1", server.port)
    addresses = [(*here, ("127.0.0.1", server.port)), (*here, away)]
    monkeypatch.setattr(connection.socket, "getaddrinfo", lambda *_, **__: addresses)
    with pytest.raises(ModelError, match="is not this machine"):
        Server(f"http://localhost:{server.port}").fetch("/v1/models")
    assert server.asked == []


def test_no_proxy_is_ever_used(monkeypatch: pytest.MonkeyPatch, server: ModelServer) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://192.0.2.1:3128")
    server.answers["/v1/models"] = {"data": []}
    assert Server(server.url).fetch("/v1/models") == {"data": []}


def test_a_redirect_is_refused_wherever_it_leads(server: ModelServer) -> None:
    with ModelServer({"/v1/models": {"data": []}}) as other:
        for to in (other.url, "http://192.0.2.1"):
            server.answers["/v1/models"] = lambda handler, to=to: handler.reply(
                307, {"Location": f"{to}/v1/models", "Content-Length": "0"}
            )
            with pytest.raises(ModelError, match=r"sends on to .*which Cita does not follow"):
                Server(server.url).fetch("/v1/models")
        assert other.asked == []


def test_the_key_is_sent_and_never_shown_even_where_the_server_repeats_it() -> None:
    with ModelServer({"/v1/models": {"data": []}}, key="sk-right") as server:
        assert Server(server.url, "sk-right").fetch("/v1/models") == {"data": []}
        wrong = Server(server.url, "sk-wrong")
        with pytest.raises(ModelError, match=r"does not take the key.*Invalid API key Bearer \*\*\*.*--key") as error:
            wrong.fetch("/v1/models")
        with pytest.raises(ModelError, match="asks for a key"):
            Server(server.url).fetch("/v1/models")
    assert "sk-wrong" not in str(error.value) + repr(wrong)


def test_a_key_is_not_sent_to_another_machine_unencrypted() -> None:
    with pytest.raises(ModelError, match=r"is not sent: .*not encrypted.*https"):
        Server("http://192.0.2.1:8000", "sk-secret", off_machine=True).fetch("/v1/models")


def test_what_cannot_be_a_key_is_refused_without_showing_it() -> None:
    with pytest.raises(UsageError) as error:
        Server("http://127.0.0.1:8000", "two\nlines").fetch("/v1/models")
    assert "two" not in str(error.value)


Answer = Callable[[Answering], None]


def raw(*parts: bytes) -> Answer:
    def answer(to: Answering) -> None:
        for part in parts:
            to.wfile.write(part)
        to.wfile.flush()
        to.close_connection = True

    return answer


def says(status: int, message: Any = None, **headers: str) -> Answer:
    return lambda to: to.say({"error": {"message": message}} if message else {}, status, **headers)


def drip(to: Answering) -> None:
    for letter in b"HTTP/1.1 200 OK\r\n" * 1000:
        to.wfile.write(bytes([letter]))
        to.wfile.flush()
        time.sleep(0.05)


def go_on(to: Answering) -> None:
    while True:
        to.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def without_end(to: Answering) -> None:
    to.reply(200, {"Content-Type": "application/json"})
    while True:
        to.wfile.write(b" " * 65536)


WRONG = {
    "an HTML page": (raw(b"HTTP/1.0 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<!doctype html>"),
                     ModelError, "answers with a web page.*address and the port"),
    "not JSON": (raw(b"HTTP/1.0 200 OK\r\n\r\nOllama is running"), ModelError, "something else than JSON"),
    "JSON without end of depth": (raw(b"HTTP/1.0 200 OK\r\n\r\n" + b"[" * 200_000), ModelError, "than JSON"),
    "no HTTP": (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), ModelError, "no HTTP"),
    "an endless line": (raw(b"HTTP/1.0 200 OK\r\nX: " + b"x" * 200_000), ModelError, "no HTTP"),
    "endless headers": (raw(b"HTTP/1.0 200 OK\r\n" + b"X: y\r\n" * 100_000), ModelError, "no HTTP"),
    "a body without end": (without_end, ModelError, "more than 8388608 bytes"),
    "endless interim answers": (go_on, ModelDiedError, "did not answer within 1 seconds"),
    "a letter at a time": (drip, ModelDiedError, "did not answer within 1 seconds"),
    "nothing": (lambda to: time.sleep(3), ModelDiedError, "did not answer within 1 seconds"),
    "a cut connection": (lambda to: to.cut(), ModelDiedError, "ended before its answer did"),
    "a closed connection": (raw(b""), ModelDiedError, "ended before its answer did"),
    "no such model": (says(404, "model 'x' not found"), ModelNotFoundError,
                      "model 'x' not found.*cita models discover"),
    "busy": (says(429, "slow down", Retry_After="7"), ModelError, "is busy: slow down.*Try again in 7 seconds"),
    "loading": (says(503, "Loading model"), ModelError, "is busy: Loading model.*Try again in a moment"),
    "a lie about when": (says(503, "x", Retry_After="9" * 99), ModelError, "Try again in a moment"),
    "refused": (says(400, "unknown field 'grammar'"), ModelRefusedError, "could not answer: unknown field 'grammar'"),
    "failed": (says(500), ModelRefusedError, r"could not answer \(status 500\)"),
    "a remark that would move the cursor": (says(500, "a\x1b[2Jb\r\n" + "c" * 9999), ModelError, r"a \[2Jb c+…"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_whatever_a_server_does_wrong_is_a_message_with_what_to_do(server: ModelServer, wrong: str) -> None:
    answer, kind, message = WRONG[wrong]
    server.answers["/v1/models"] = answer
    with pytest.raises(kind, match=message) as error:
        Server(server.url).fetch("/v1/models", seconds=1 if kind is ModelDiedError else 20)
    assert error.value.hint


def test_where_nothing_listens_it_is_said_that_nothing_does() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ModelDiedError, match=f"Nothing answers at {url}.*Start the program"):
            Server(url).fetch("/v1/models")


def test_a_port_that_does_not_speak_tls_is_said_to_be_one(server: ModelServer) -> None:
    with pytest.raises(ModelError, match=r"does not speak https.*http://"):
        Server(server.url.replace("http:", "https:")).fetch("/v1/models")


def test_closing_a_stream_hangs_up_at_once(server: ModelServer) -> None:
    def answer(to: Answering) -> None:
        to.stream(chunk("word ") for _ in iter(lambda: time.sleep(0.01), 1))

    server.answers["/x"] = answer
    lines = Server(server.url).stream("/x", {}, 1 << 22)
    while not next(lines):
        pass
    started = time.monotonic()
    lines.close()
    assert time.monotonic() - started < 0.1
    assert server.gone.wait(2)


def test_a_stream_can_be_closed_while_the_server_is_still_silent(server: ModelServer) -> None:
    release = threading.Event()
    server.answers["/x"] = lambda to: release.wait(20)
    lines = Server(server.url).stream("/x", {}, 1 << 22)
    assert next(lines) == ""  # a chance to close
    started = time.monotonic()
    lines.close()
    assert time.monotonic() - started < 0.1
    release.set()


def test_a_stream_that_falls_silent_is_given_up(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(to: Answering) -> None:
        to.stream(": still here" for _ in iter(lambda: time.sleep(0.05), 1))

    monkeypatch.setattr(connection, "SILENCE_SECONDS", 0.5)
    server.answers["/x"] = answer
    with pytest.raises(ModelDiedError, match=r"has said nothing for 0\.5 seconds"):
        list(Server(server.url).stream("/x", {}, 1 << 22))


def test_a_line_without_end_in_a_stream_is_cut(server: ModelServer) -> None:
    def answer(to: Answering) -> None:
        to.reply(200, {"Content-Type": "text/event-stream"})
        while True:
            to.wfile.write(b"x" * 65536)

    server.answers["/x"] = answer
    with pytest.raises(ModelError, match="a line without end"):
        list(Server(server.url).stream("/x", {}, 1 << 22))


def test_what_is_asked_is_json_and_says_no_more_than_that_cita_asks(server: ModelServer) -> None:
    server.answers["/x"] = {}
    Server(server.url).fetch("/x", {"a": "ñ"})
    (asked,) = server.asked
    assert asked.body == {"a": "ñ"}
    assert set(asked.headers) == {"Host", "Accept-Encoding", "Content-Length", "Content-Type", "User-Agent",
                                  "Connection"}  # fmt: skip
    assert asked.headers["User-Agent"] == "cita"
    assert json.dumps(asked.headers).count("127.0.0.1") == 1
