"""Fetches a model of the catalogue from its hub (the protocol of huggingface.co): `cita models pull`.

This is the only module of Cita that connects to another machine, and only when `pull` is called. What it sends is the
name of the file that is fetched, `User-Agent: cita`, and the user's HF_TOKEN, if there is one: to the hub alone, never
to where the hub redirects to, and not over an unencrypted connection.

What arrives is written to FILE.part and goes on from there after a cut, in this run or a later one; FILE.part.json says
what it is part of. A file gets its name when its size and its sha256 are right, and not before.

Not covered: whoever can make certificates for the hub and knows a file without a pinned hash can give another file.
"""

import email.utils
import hashlib
import http.client
import ipaddress
import json
import os
import re
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NoReturn, Self
from urllib.parse import quote, urljoin, urlsplit

from errors import ModelError, ModelNotFoundError, SettingsError
from models.catalogue import Entry, Variant, is_safe, place

HUB = "https://huggingface.co"
NEWEST = "main"
BLOCK = 1 << 18  # bytes
TIMEOUT = 30.0  # seconds without a byte
TRIES = 5  # in a row that bring no byte
LONGEST_WAIT = 60.0  # seconds that are waited when the hub asks to
SPARE_DISK = 512 << 20  # bytes left to everything else
MOST_REDIRECTS = 5
MOST_UNSAID = 64 << 20  # bytes of a file whose size nobody says
PROMPTS = "config_sentence_transformers.json"
BY_HAND = "Or fetch the file on another machine and add it here: `cita models add PATH`."

Stage = Literal["fetch", "check"]
Progress = Callable[[Stage, int, int], None]  # bytes done, of how many (0: not known)


def _unseen(stage: Stage, done: int, total: int) -> None:  # noqa: ARG001 - what is done with it is for the caller
    return


@dataclass(frozen=True, slots=True)
class Hub:
    """Where models are fetched from. `token` tells it who asks; '' for nobody."""

    endpoint: str = HUB
    token: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """As HF_ENDPOINT and HF_TOKEN say. Raises SettingsError if that is no address."""
        endpoint = environment.get("HF_ENDPOINT", "").strip().rstrip("/") or HUB
        try:
            parts = urlsplit(endpoint)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
            valid = valid and parts.port != 0 and "@" not in parts.netloc
        except ValueError:
            valid = False
        if not valid:
            raise SettingsError(
                f"HF_ENDPOINT cannot be {endpoint!r}.", hint=f"Write an address like {HUB}, or unset it."
            )
        return cls(endpoint, environment.get("HF_TOKEN", "").strip())

    def url(self, variant: Variant, path: str, revision: str) -> str:
        return f"{self.endpoint}/{variant.repository}/resolve/{revision}/{quote(path)}"

    def headers(self, url: str) -> dict[str, str]:
        """The token, for the hub itself only and over an encrypted connection, or one that stays on this machine."""
        if self.token and _origin(url) == _origin(self.endpoint) and (url.startswith("https:") or _is_loopback(url)):
            return {"Authorization": f"Bearer {self.token}"}
        return {}


def pull(
    entry: Entry,
    variant: Variant,
    folder: Path,
    hub: Hub,
    progress: Progress = _unseen,
    wait: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetches `variant` into `folder`, or what is missing of it, and returns its place: the file, or the folder of one
    that has several. An exception that `progress` raises ends it; what was fetched is kept for the next time.

    Raises ModelError, ModelNotFoundError if the hub does not have it. There is then no file of that name.
    """
    whole = place(entry, variant, folder)
    inside = whole if variant.also else folder
    try:
        for path in variant.also:
            inside.joinpath(path).parent.mkdir(parents=True, exist_ok=True)
            small = Variant(variant.quantisation, variant.repository, path, 0, variant.revision)
            _Download(hub, small, inside).run(_unseen, wait)
        inside.mkdir(parents=True, exist_ok=True)
        _Download(hub, variant, inside).run(progress, wait)
        if entry.query_prefix or entry.passage_prefix:
            _write_prompts(entry, inside / PROMPTS)
    except OSError as error:  # of the disk: those of the network were translated
        raise ModelError(
            f"{error.filename or str(inside)!r} cannot be written: {error.strerror}.",
            hint="See that the disk has space and that you may write there; what was fetched is kept.",
        ) from error
    return whole


def _write_prompts(entry: Entry, file: Path) -> None:
    """The prefixes of an embedder, where sentence-transformers and we look for them: its makers gave them in words."""
    if not file.exists():
        prompts = {"query": entry.query_prefix, "document": entry.passage_prefix}
        file.write_text(json.dumps({"prompts": prompts}, indent=2) + "\n", encoding="utf-8")


def part_size(entry: Entry, variant: Variant, folder: Path) -> int:
    """How many bytes of its file were fetched before and are kept to go on from."""
    whole = place(entry, variant, folder)
    part = (whole if variant.also else folder) / f"{variant.file}.part"
    return part.stat().st_size if part.exists() else 0


@dataclass(frozen=True, slots=True)
class _Told:
    """What the hub said of the file; '' and 0 for what it did not say. `etag` is that of the machine that sends it."""

    commit: str = ""
    size: int = 0
    sha256: str = ""
    git: str = ""
    etag: str = ""

    @classmethod
    def read(cls, file: Path) -> Self:
        try:
            told = cls(**json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return cls()
        fits = all(isinstance(value, type(getattr(cls(), name))) for name, value in asdict(told).items())
        return told if fits else cls()


class _Download:
    """One file, from the hub to its name."""

    def __init__(self, hub: Hub, wanted: Variant, folder: Path) -> None:
        if not is_safe(wanted.file):
            raise ModelError(f"{wanted.file!r} is no name for a file of a model.")
        self._hub, self._wanted = hub, wanted
        self._target = folder / wanted.file
        self._part = self._target.with_name(self._target.name + ".part")
        self._notes = self._target.with_name(self._target.name + ".part.json")
        told = _Told.read(self._notes)
        # What no hash could prove afterwards is begun anew: a power cut may leave other bytes than those that came.
        self._told = told if wanted.sha256 or told.sha256 or told.git else _Told()
        self._host = urlsplit(hub.endpoint).netloc.rpartition("@")[2]

    def run(self, progress: Progress, wait: Callable[[float], None]) -> Path:
        if self._is_there(progress):
            return self._target
        with self._alone():
            self._fetch(progress, wait)
            self._check(progress)
            self._name()
        return self._target

    def _is_there(self, progress: Progress) -> bool:
        if not self._target.exists():
            return False
        wrong = ""
        if self._wanted.bytes and self._target.stat().st_size != self._wanted.bytes:
            wrong = f"has {self._target.stat().st_size} bytes instead of {self._wanted.bytes}"
        elif self._wanted.sha256 and _hash(self._target, progress) != self._wanted.sha256:
            wrong = "has another sha256 than the model"
        if wrong:
            raise ModelError(
                f"There is another file at {str(self._target)!r}: it {wrong}.", hint="Move it away and pull again."
            )
        return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two that pull one file would write into the same part."""
        from filelock import FileLock, Timeout

        lock = FileLock(self._target.with_name(self._target.name + ".part.lock"), timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout as error:
            raise ModelError(
                f"{self._target.name} is being fetched already.", hint="Wait for it, or stop that first."
            ) from error
        try:
            yield
        finally:
            with suppress(OSError):  # Windows keeps what is open
                Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    def _fetch(self, progress: Progress, wait: Callable[[float], None]) -> None:
        """Asks until all is there, from where it was cut; gives up after TRIES that brought nothing."""
        quiet = 0
        while not self._whole():
            before, again = self._have(), _Again(0, "the connection brings nothing")
            try:
                self._ask(progress)
            except _Again as error:
                again = error
            if self._whole():
                return
            quiet = 0 if self._have() > before else quiet + 1
            if quiet >= TRIES or again.seconds > LONGEST_WAIT:
                self._give_up(again)
            if seconds := again.seconds or (2.0 ** (quiet - 1) if quiet else 0):
                wait(seconds)

    def _have(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _whole(self) -> bool:
        return bool(self._told.size) and self._part.exists() and self._have() == self._told.size

    def _ask(self, progress: Progress) -> None:
        """One request, and what comes of it appended to the part."""
        have = self._have() if self._told.etag or self._told.sha256 else 0
        with self._opened(have) as (response, told):
            start = self._agree(response, told, have)
            if start is None:
                return
            remaining = self._told.size - start
            self._check_room(remaining)
            with self._part.open("ab", buffering=0) as file:
                self._receive(response, file, start, progress)

    def _agree(self, response: Any, told: _Told, have: int) -> int | None:
        """Where the bytes that come begin; None if there are none to come. Raises ModelError if it is another file."""
        start, total = _range(response)
        if response.status == 416:
            if total == have and have:
                self._note(replace(self._told, size=have))
            else:  # another file than the part is of
                self._forget()
            return None
        size = told.size or total or self._wanted.bytes
        for name, known, now in (
            ("size", self._wanted.bytes, size),
            ("size", self._wanted.bytes, total),
            ("size", told.size, total),
            ("sha256", self._wanted.sha256, told.sha256),
        ):
            if known and now and known != now:
                raise ModelError(
                    f"{self._host} has another file as {self._wanted.file} than the catalogue: {name} {now} instead of "
                    f"{known}. Nothing was fetched.",
                    hint="It was replaced there, or the mirror is wrong. See whether there is a newer Cita. " + BY_HAND,
                )
        if not size and not response.chunked:  # where it ends could not be told from where it was cut
            raise ModelError(f"{self._host} does not say how large {self._wanted.file} is.", hint=BY_HAND)
        if response.status == 206 and (start != have or not self._is_same(told)):
            self._forget()
            return None
        if start == 0:  # before the note, so that nothing is taken for the beginning of another file
            self._part.unlink(missing_ok=True)
        self._note(replace(told, size=size))
        return start

    def _is_same(self, told: _Told) -> bool:
        """Is it what the part is of?"""
        if told.sha256 and self._told.sha256:
            return told.sha256 == self._told.sha256
        return told.etag == self._told.etag

    def _receive(self, response: Any, file: Any, start: int, progress: Progress) -> None:
        total, done = self._told.size, start
        progress("fetch", done, total)
        while not total or done < total:
            try:
                block = response.read1(BLOCK)
            except (OSError, http.client.HTTPException) as error:
                raise _Again(0, _why(error)) from error
            if not block:
                if not total:  # the end of one whose size nobody said
                    self._note(replace(self._told, size=done))
                return
            if done + len(block) > (total or MOST_UNSAID):
                raise ModelError(f"{self._host} sends more of {self._wanted.file} than it said.", hint=BY_HAND)
            _write(file, block)
            done += len(block)
            progress("fetch", done, total)

    def _check_room(self, remaining: int) -> None:
        free = shutil.disk_usage(self._target.parent).free
        if remaining + SPARE_DISK > free:
            raise ModelError(
                f"{self._target.name} needs {_gb(remaining)} more; {_gb(free)} are free on the disk of "
                f"{str(self._target.parent)!r}, of which {_gb(SPARE_DISK)} are left to everything else.",
                hint="Free some space, or choose another place with --home; what was fetched is kept.",
            )

    def _check(self, progress: Progress) -> None:
        """Raises ModelError if what was fetched is not the file; it is then thrown away."""
        wrong = ""
        if self._wanted.bytes and self._have() != self._wanted.bytes:
            wrong = f"it has {self._have()} bytes instead of {self._wanted.bytes}"
        elif self._wanted.sha256 or self._told.sha256:
            if _hash(self._part, progress) != (self._wanted.sha256 or self._told.sha256):
                wrong = "its sha256 is not that of the model"
        elif self._told.git and _git_hash(self._part) != self._told.git:
            wrong = "its hash is not the one that the hub gave"
        if self._target.suffix == ".gguf" and not wrong:
            with self._part.open("rb") as file:
                wrong = "" if file.read(4) == b"GGUF" else "it is no GGUF"
        if wrong:
            self._forget()
            raise ModelError(
                f"{self._wanted.file} did not arrive as it should: {wrong}. It was thrown away.",
                hint="Pull it again; if it comes wrong again, something between here and the hub changes it.",
            )

    def _name(self) -> None:
        with self._part.open("rb+") as file:
            os.fsync(file.fileno())
        self._part.replace(self._target)
        self._notes.unlink(missing_ok=True)
        with suppress(OSError):  # not every system can open a folder
            handle = os.open(self._target.parent, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def _note(self, told: _Told) -> None:
        if told != self._told or not self._notes.exists():
            self._told = told
            self._notes.write_text(json.dumps(asdict(told)), encoding="utf-8")

    def _forget(self) -> None:
        self._part.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)
        self._told = _Told()

    @contextmanager
    def _opened(self, have: int) -> Iterator[tuple[Any, _Told]]:
        """The response that carries the bytes, at the end of all redirects, and what was said of the file on the way.

        Raises _Again for what may work later, ModelError for what will not.
        """
        revision = self._wanted.revision or self._told.commit or NEWEST
        url = self._hub.url(self._wanted, self._wanted.file, revision)
        told = _Told()
        for _ in range(MOST_REDIRECTS + 1):
            response = self._request(url, have)
            with response:
                told = _with_said(told, response.headers)
                if response.status in (301, 302, 303, 307, 308):
                    url = self._redirected(url, response.headers.get("Location", ""))
                    continue
                if response.status not in (200, 206, 416):
                    self._refused(response)
                yield response, replace(told, etag=response.headers.get("ETag", ""))
                return
        raise ModelError(f"{self._host} redirects in a circle.", hint="Check HF_ENDPOINT. " + BY_HAND)

    def _request(self, url: str, have: int) -> Any:
        request = urllib.request.Request(url, headers={"User-Agent": "cita", **self._hub.headers(url)})
        if have:
            request.add_header("Range", f"bytes={have}-")
            if self._told.etag.startswith('"'):  # a weak one may not stand there
                request.add_header("If-Range", self._told.etag)
        proxies = {} if _is_loopback(url) else urllib.request.getproxies()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies), _AsTheyCome())
        try:
            return opener.open(request, timeout=TIMEOUT)
        except (OSError, http.client.HTTPException) as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            self._unreachable(urlsplit(url).hostname or "", cause)

    def _redirected(self, url: str, location: str) -> str:
        target = urljoin(url, location)
        scheme = urlsplit(target).scheme
        if not location or scheme not in ("http", "https") or (url.startswith("https:") and scheme != "https"):
            raise ModelError(
                f"{self._host} redirects to {target!r}, which is not encrypted or no address of the web.",
                hint="Check HF_ENDPOINT. " + BY_HAND,
            )
        return target

    def _unreachable(self, host: str, cause: object) -> NoReturn:
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise ModelError(
                f"{host} cannot prove who it is: {cause.verify_message}.",
                hint="If a proxy of yours opens connections, name its certificate in SSL_CERT_FILE. " + BY_HAND,
            )
        if isinstance(cause, socket.gaierror | ConnectionRefusedError) and not self._have():
            raise ModelError(
                f"{host} cannot be reached: {_why(cause)}.",
                hint="See that this machine is online; behind a proxy set HTTPS_PROXY, for a mirror HF_ENDPOINT. "
                + BY_HAND,
            )
        raise _Again(0, _why(cause))

    def _refused(self, response: Any) -> NoReturn:
        status, page = response.status, f"{self._hub.endpoint}/{self._wanted.repository}"
        if status == 401:
            said = "did not accept HF_TOKEN" if self._hub.token else "wants to know who asks"
            raise ModelError(
                f"{self._host} {said} for {self._wanted.repository} (401).",
                hint=f"Sign in at {page}, accept the licence, make a token that may read, and set it as HF_TOKEN.",
            )
        if status == 403:
            raise ModelError(
                f"{self._host} does not let you have {self._wanted.repository} (403).",
                hint=f"Accept the licence at {page} with the account of your HF_TOKEN, or use a token that may.",
            )
        if status in (404, 410):
            revision = self._wanted.revision or "its newest revision"
            raise ModelNotFoundError(
                f"{self._host} has no {self._wanted.file} in {self._wanted.repository} at {revision} ({status}).",
                hint=f"It was moved or removed: look at {page}. " + BY_HAND,
            )
        if status == 429 or status >= 500:
            raise _Again(_asked_to_wait(response.headers), f"it answers {status}")
        raise ModelError(f"{self._host} answers {status} to {self._wanted.file}.", hint=f"Look at {page}. " + BY_HAND)

    def _give_up(self, again: "_Again") -> NoReturn:
        have = self._have()
        kept = f"the {_gb(have)} that were fetched are kept" if have else "nothing was fetched yet"
        later = f"in {again.seconds:.0f} seconds" if again.seconds > LONGEST_WAIT else "later"
        raise ModelError(
            f"{self._wanted.file} cannot be fetched from {self._host} now: {again.why}; {kept}.",
            hint=f"Give the same command again {later}: it goes on from there.",
        )


class _Again(Exception):
    """It may work when it is tried again, after so many seconds."""

    def __init__(self, seconds: float, why: str) -> None:
        super().__init__(why)
        self.seconds, self.why = seconds, why


class _AsTheyCome(urllib.request.HTTPErrorProcessor):
    """Hands on every response: redirects are followed above, where the token is held back."""

    def http_response(self, request: Any, response: Any) -> Any:  # noqa: ARG002 - urllib fixes the signature
        return response

    https_response = http_response


def _with_said(told: _Told, headers: Any) -> _Told:
    """With what the hub says of a file before it redirects to where that lies."""
    etag = headers.get("X-Linked-Etag", "")
    etag = (etag or ("" if told.sha256 or told.git else headers.get("ETag", ""))).removeprefix("W/").strip('"').lower()
    sha256 = etag if headers.get("X-Linked-Etag") and re.fullmatch(r"[0-9a-f]{64}", etag) else told.sha256
    git = etag if headers.get("X-Repo-Commit") and re.fullmatch(r"[0-9a-f]{40}", etag) else told.git
    commit = headers.get("X-Repo-Commit", "")
    size = headers.get("X-Linked-Size", "")
    return replace(
        told,
        commit=commit if re.fullmatch(r"[0-9a-f]{40}", commit) else told.commit,
        size=int(size) if size.isascii() and size.isdigit() else told.size,
        sha256=sha256,
        git=git,
    )


def _range(response: Any) -> tuple[int, int]:
    """Where the bytes begin that come, and how many the file has (0: not said)."""
    found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", ""))
    if response.status == 200 or not found:
        return 0, _length(response) or 0 if response.status == 200 else 0
    return int(found[1] or 0), int(found[2]) if found[2] != "*" else 0


def _length(response: Any) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isascii() and length.isdigit() else None


def _asked_to_wait(headers: Any) -> float:
    """Seconds, from a Retry-After that is a number or a date; 0 if there is none."""
    said = headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        until = email.utils.parsedate_to_datetime(said)
        return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _why(cause: object) -> str:
    if isinstance(cause, TimeoutError):
        return f"nothing came for {TIMEOUT:.0f} seconds"
    if isinstance(cause, socket.gaierror):
        return "its name is not known here"
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _write(file: Any, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[file.write(view) :]


def _hash(path: Path, progress: Progress) -> str:
    digest, done, total = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while block := file.read(BLOCK * 4):
            digest.update(block)
            done += len(block)
            progress("check", done, total)
    return digest.hexdigest()


def _git_hash(path: Path) -> str:
    """As git names a file's content; the hub gives it for small files."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 100_000_000 else f"{size / 1e6:.1f} MB"
