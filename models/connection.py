"""What is said to a server of models (Ollama, LM Studio, llama-server, ...), over HTTP.

Only this module and pull.py speak to other programs over the network. A server is on this machine: its address is
loopback, checked again for every connection, which is made to the very address that was checked. One that is elsewhere
is connected to only with the user's consent (`off_machine`). Proxies are never used, redirects never followed. The key
is sent to the server alone, and nowhere unencrypted but on this machine.

Every request runs in a thread of its own, so that who waits for it can give up at any moment: that closes the
connection, upon which a server stops working. Covered: servers that are gone, slow, busy, refuse, send something else,
or without end. Not covered: what a server, or who is between it and here where it is elsewhere, does with what it gets.
"""

import http.client
import ipaddress
import json
import queue
import socket
import ssl
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from errors import ModelDiedError, ModelError, ModelNotFoundError, ModelRefusedError, UsageError

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0  # for what is no stream
SILENCE_SECONDS = 600.0  # without a word of a stream: a long prompt takes its time to be read
SIGN_OF_LIFE = 0.1  # seconds
MOST_BYTES = 8 << 20  # of what is no stream
LONGEST_LINE = 1 << 20  # bytes, of a stream
LONGEST_REMARK = 300  # characters of what a server says that are passed on
WAITING_LINES = 256  # that came and that nobody has read yet

NO_ADDRESS = "Write it like http://127.0.0.1:11434."


def server_url(text: str) -> str:
    """An address as it is kept: without what every request adds. Raises UsageError if it is none."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise UsageError(f"{text!r} is no address of a server.", hint=NO_ADDRESS) from None
    if not valid or parts.query or parts.fragment or not text.isascii() or not text.isprintable() or " " in text:
        raise UsageError(f"{text!r} is no address of a server.", hint=NO_ADDRESS)
    if "@" in parts.netloc:
        raise UsageError("A server's address holds no name and no password.", hint="Give its key with --key.")
    path = parts.path.rstrip("/").removesuffix("/v1")
    return SplitResult(parts.scheme, parts.netloc.lower(), path, "", "").geturl()


def is_this_machine(url: str) -> bool:
    """By the address alone, nothing is looked up: a number that is loopback, or localhost, which is looked up here and
    checked when it is connected to. To look up any other name would ask another machine."""
    host = urlsplit(url).hostname or ""
    return host == "localhost" or _is_loopback(host)


def consent_needed(url: str) -> str:
    """What a person has to agree to before that server is spoken to, in one sentence; '' if it is on this machine."""
    if is_this_machine(url):
        return ""
    parts = urlsplit(url)
    how = "" if parts.scheme == "https" else ", unencrypted"
    return (
        f"Your questions, and the passages of your documents that are to answer them, will be sent to {parts.netloc}, "
        f"which is not this machine{how}."
    )


@dataclass(frozen=True, slots=True)
class Server:
    """A server by its address. `key` tells it who asks. `off_machine`: the user agreed that it may be anywhere."""

    url: str
    key: str = field(default="", repr=False)
    off_machine: bool = False

    @property
    def name(self) -> str:
        """As messages name it."""
        return urlsplit(self.url).netloc

    def fetch(self, path: str, body: Mapping[str, Any] | None = None, seconds: float = ANSWER_SECONDS) -> Any:
        """The JSON that it answers with, to a POST if there is a `body`.

        Raises ModelDiedError if nothing answers within `seconds`, ModelNotFoundError if it has not what is asked for,
        ModelRefusedError if it does not take the `body`, ModelError for the rest.
        """
        with closing(_Exchange(self, path, body)) as exchange:
            text = b"".join(exchange.blocks(seconds))
        return _parsed(self, text)

    def stream(self, path: str, body: Mapping[str, Any], most: int) -> Generator[str]:
        """The lines that it answers with as they come, and '' every now and then while there are none. Closing the
        iterator closes the connection. Raises what fetch() raises, ModelDiedError also if it falls silent, ModelError
        if it sends more than `most` characters."""
        sent = 0
        with closing(_Exchange(self, path, body, in_lines=True)) as exchange:
            for line in exchange.lines():
                sent += len(line)
                if sent > most:
                    raise ModelError(
                        f"{self.name} writes on and on, and was asked for an answer.",
                        hint="It does not keep to its protocol: see whether there is a newer version of its program.",
                    )
                yield line


class _Aborted(Exception):
    """Nobody waits for the answer any more."""


class _Exchange:
    """One request and its answer, in a thread; close() may be called at any moment."""

    def __init__(self, server: Server, path: str, body: Mapping[str, Any] | None, *, in_lines: bool = False) -> None:
        check_key(server)
        self._server, self._path, self._in_lines = server, path, in_lines
        self._body = None if body is None else json.dumps(body).encode()
        self._answer: queue.Queue[bytes | ModelError | None] = queue.Queue(WAITING_LINES)
        self._socket: socket.socket | None = None
        self._closed = threading.Event()
        threading.Thread(target=self._run, name="model-server", daemon=True).start()

    def blocks(self, seconds: float) -> Generator[bytes]:
        until = time.monotonic() + seconds
        while True:
            try:
                block = self._answer.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise ModelDiedError(
                    f"{self._server.name} did not answer within {seconds:g} seconds.",
                    hint="See whether its program is busy or hangs.",
                ) from None
            if block is None:
                return
            yield self._sound(block)

    def lines(self) -> Generator[str]:
        heard = time.monotonic()
        while True:
            try:
                line = self._answer.get(timeout=SIGN_OF_LIFE)
            except queue.Empty:
                line = b""
            if line is None:
                return
            text = self._sound(line).decode("utf-8", "replace").rstrip("\r\n")
            if text and not text.startswith(":"):
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENCE_SECONDS:
                raise ModelDiedError(
                    f"{self._server.name} has said nothing for {SILENCE_SECONDS:g} seconds.",
                    hint="See whether its program hangs; a smaller generate.context makes for shorter prompts.",
                )
            yield text

    def close(self) -> None:
        self._closed.set()
        if self._socket:
            with suppress(OSError):  # wakes the thread, and tells the server
                self._socket.shutdown(socket.SHUT_RDWR)

    def _sound(self, block: bytes | ModelError) -> bytes:
        if isinstance(block, ModelError):
            raise block
        return block

    def _run(self) -> None:
        try:
            try:
                self._exchange()
                self._put(None)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._put(_translated(self._server, error))
            except ModelError as error:
                self._put(error)
        except _Aborted:
            return

    def _put(self, item: bytes | ModelError | None) -> None:
        while not self._closed.is_set():
            with suppress(queue.Full):
                self._answer.put(item, timeout=SIGN_OF_LIFE)
                return
        raise _Aborted

    def _exchange(self) -> None:
        with closing(_connect(self._server)) as connected:
            self._socket = connected
            if self._closed.is_set():
                raise _Aborted
            connection = http.client.HTTPConnection(self._server.name)
            connection.sock = connected
            parts = urlsplit(self._server.url)
            headers = {"Content-Type": "application/json", "User-Agent": "cita", "Connection": "close"}
            if self._server.key:
                headers["Authorization"] = f"Bearer {self._server.key}"
            connection.request("GET" if self._body is None else "POST", parts.path + self._path, self._body, headers)
            with closing(connection.getresponse()) as response:
                _check(self._server, response)
                if self._in_lines:
                    self._read_lines(response)
                else:
                    self._put(_bounded(self._server, response))

    def _read_lines(self, response: http.client.HTTPResponse) -> None:
        while line := response.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE:
                raise _strange(self._server, "a line without end")
            self._put(line)


def check_key(server: Server) -> None:
    """Raises UsageError if its key cannot be one, ModelError if it would be sent unencrypted to another machine."""
    if server.key and not (server.key.isascii() and server.key.isprintable() and " " not in server.key):
        raise UsageError("That cannot be a key: it has spaces or letters that no key has.")
    if server.key and not server.url.startswith("https:") and not is_this_machine(server.url):
        raise ModelError(
            f"The key for {server.name} is not sent: the connection to that machine is not encrypted.",
            hint="Use its https:// address, or one without a key.",
        )


def _connect(server: Server) -> socket.socket:
    """A connection to an address that was checked. Raises OSError, ModelError if it is not on this machine and need
    be."""
    parts = urlsplit(server.url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    if not server.off_machine and not is_this_machine(server.url):
        raise _elsewhere(server)
    found = socket.getaddrinfo(host, parts.port or (443 if secure else 80), type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
    if not server.off_machine and not all(_is_loopback(str(address[0])) for _, address in addresses):
        raise _elsewhere(server)
    problem: OSError | None = None
    for family, address in addresses:
        connected = socket.socket(family, socket.SOCK_STREAM)
        try:
            connected.settimeout(CONNECT_SECONDS)
            connected.connect(address)
            if not server.off_machine and not _is_loopback(str(connected.getpeername()[0])):
                raise _elsewhere(server)
            if secure:
                connected = ssl.create_default_context().wrap_socket(connected, server_hostname=host)
            connected.settimeout(SILENCE_SECONDS)
            return connected
        except OSError as error:
            connected.close()
            problem = error
        except BaseException:
            connected.close()
            raise
    raise problem or OSError("it has no address")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _elsewhere(server: Server) -> ModelError:
    return ModelError(
        f"{server.name} is not this machine, so it was not connected to.",
        hint=f"If what is asked may go there: cita models add {server.url} --off-this-machine",
    )


def _check(server: Server, response: http.client.HTTPResponse) -> None:
    """Raises ModelError unless it answers with what was asked for."""
    status = response.status
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if 300 <= status < 400:
        to = urlsplit(response.headers.get("Location", "")).netloc or "another page"
        raise ModelError(
            f"{server.name} sends on to {remark(to)}, which Cita does not follow.",
            hint="If that is the server, add it by its own address.",
        )
    if kind == "text/html" and status < 500:
        raise _strange(server, "a web page")
    if status == 200:
        return
    said = _said(server, response)
    because = f": {said}" if said else f" (status {status})"
    if status in (401, 403):
        what = "does not take the key that it was given" if server.key else "asks for a key"
        raise ModelError(
            f"{server.name} {what}{because}.", hint=f"Give it the right one: cita models add {server.url} --key"
        )
    if status == 404:
        raise ModelNotFoundError(
            f"{server.name} does not have what it was asked for{because}.",
            hint="See in its program whether the model is still there; `cita models discover` lists those that run.",
        )
    if status in (429, 503):
        after = response.headers.get("Retry-After", "")
        when = f"in {after} seconds" if after.isdecimal() and len(after) < 6 else "in a moment"
        raise ModelError(f"{server.name} is busy{because}.", hint=f"Try again {when}.")
    raise ModelRefusedError(
        f"{server.name} could not answer{because}.", hint="Its program's own window or log may show more."
    )


def _bounded(server: Server, response: http.client.HTTPResponse) -> bytes:
    body = response.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        raise _strange(server, f"more than {MOST_BYTES} bytes")
    return body


def _said(server: Server, response: http.client.HTTPResponse) -> str:
    """What it says of why it does not answer, in any of the ways that servers have; '' if it says nothing."""
    try:
        answer = json.loads(response.read(LONGEST_LINE))
    except (ValueError, RecursionError, OSError, http.client.HTTPException):
        return ""
    return remark(reason(answer)).replace(server.key or "\0", "***").rstrip(".")


def reason(answer: Any) -> str:
    """The message in an answer that is an error; '' if it has none."""
    for name in ("error", "detail", "message"):
        value = answer.get(name) if isinstance(answer, dict) else None
        if isinstance(value, str):
            return value
        if isinstance(value, dict):
            return reason(value) or json.dumps(value)
        if value:
            return json.dumps(value)
    return ""


def remark(text: str) -> str:
    """Words of a server, on one line and not longer than a remark."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= LONGEST_REMARK else line[:LONGEST_REMARK] + "…"


def _parsed(server: Server, text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _strange(server, "something else than JSON") from None


def _strange(server: Server, what: str) -> ModelError:
    return ModelError(
        f"{server.name} is no server of models that Cita can use: it answers with {what}.",
        hint="See that the address and the port are those of the server.",
    )


def _translated(server: Server, error: Exception) -> ModelError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return ModelError(
            f"{server.name} cannot prove that it is {server.name}: {error.verify_message}.",
            hint="Its certificate must be one that this system trusts.",
        )
    if isinstance(error, ConnectionRefusedError):
        return ModelDiedError(f"Nothing answers at {server.url}.", hint="Start the program that serves the model.")
    if isinstance(error, socket.gaierror):
        return ModelDiedError(f"There is no {server.name}: {error.strerror}.", hint="Check its address.")
    if isinstance(error, TimeoutError):
        return ModelDiedError(f"{server.name} does not answer.", hint="See whether it runs, and whether it hangs.")
    if isinstance(error, ssl.SSLError):
        return ModelError(f"{server.name} does not speak https.", hint="Write http:// if it is on this machine.")
    if isinstance(error, OSError | http.client.IncompleteRead | http.client.RemoteDisconnected):
        return ModelDiedError(
            f"The connection to {server.name} ended before its answer did.",
            hint="See whether its program still runs, and ask again.",
        )
    return _strange(server, "what is no HTTP")
