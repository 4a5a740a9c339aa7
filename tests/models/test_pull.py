import email.utils
import hashlib
import os
import random
import resource
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import models.pull as pull_module
from errors import ModelError, ModelNotFoundError, SettingsError
from models.catalogue import Entry, Variant
from models.pull import TRIES, Hub, part_size, pull
from tests.hub_server import COMMIT, Asked, HubServer, some_gguf

CONTENT = some_gguf(100_000)
FILE = "tiny-Q4_K_M.gguf"


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer({FILE: CONTENT}) as server:
        yield server


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull_module, "BLOCK", 1024)


def variant(**changes: object) -> Variant:
    known: dict[str, object] = {"quantisation": "Q4_K_M", "repository": "org/tiny-GGUF", "file": FILE, "sources": 2}
    known |= {"bytes": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}
    return Variant(**(known | changes))  # type: ignore[arg-type]


def entry(one: Variant) -> Entry:
    return Entry("tiny", "Tiny", "model", 0.1, "MIT", ("en",), "Small.", "listed", (one,))


def fetch(
    server: HubServer,
    folder: Path,
    one: Variant | None = None,
    *,
    token: str = "",
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
    waited: list[float] | None = None,
) -> Path:
    one = one or variant()
    wait = (waited if waited is not None else []).append
    return pull(entry(one), one, folder, Hub(server.url, token), progress, wait)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_the_right_file_comes_under_its_name_and_nothing_else_is_left(server: HubServer, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    place = fetch(server, tmp_path / "models", progress=lambda *step: seen.append(step))
    assert place.read_bytes() == CONTENT
    assert left(tmp_path / "models") == [FILE]
    assert {stage for stage, _, _ in seen} == {"fetch", "check"}
    assert seen[-1] == ("check", len(CONTENT), len(CONTENT))
    assert [done for stage, done, _ in seen if stage == "fetch"] == sorted(d for s, d, _ in seen if s == "fetch")


def test_what_is_there_is_not_fetched_again(server: HubServer, tmp_path: Path) -> None:
    fetch(server, tmp_path)
    asked = len(server.asked)
    fetch(server, tmp_path)
    assert len(server.asked) == asked


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[:-1] + b"?"], ids=["size", "bytes"])
def test_another_file_of_that_name_is_left_alone(content: bytes, server: HubServer, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ModelError, match="another file") as caught:
        fetch(server, tmp_path)
    assert "Move it away" in caught.value.hint
    assert (tmp_path / FILE).read_bytes() == content
    assert server.asked == []


def test_200_random_cuts_cost_no_byte_twice_and_every_pull_completes(tmp_path: Path) -> None:
    """Connections that are closed, and pulls that are ended and begun anew, in turn."""
    chance, cuts = random.Random(7), 0
    with HubServer({FILE: CONTENT}) as server:
        server.cut = lambda: chance.randrange(30_000)
        for number in range(1000):
            folder, before = tmp_path / str(number), (len(server.asked_elsewhere), server.sent)
            while not (folder / FILE).exists():
                stop = chance.randrange(len(CONTENT)) if number % 2 else len(CONTENT)
                try:
                    fetch(server, folder, progress=_ends_after(stop))
                except _Ended:
                    cuts += 1
            assert (folder / FILE).read_bytes() == CONTENT
            assert left(folder) == [FILE]
            requests, sent = len(server.asked_elsewhere) - before[0], server.sent - before[1]
            if number % 2 == 0:
                cuts += requests - 1
                assert sent <= len(CONTENT) + pull_module.BLOCK
            ranges = [int(asked.headers.get("Range", "bytes=0-")[6:-1]) for asked in server.asked_elsewhere[-requests:]]
            assert ranges == sorted(ranges)
            if cuts >= 200:
                break
    assert cuts >= 200


class _Ended(Exception):
    pass


def _ends_after(byte: int) -> Callable[[str, int, int], None]:
    def progress(stage: str, done: int, total: int) -> None:
        if stage == "fetch" and byte < done < total:
            raise _Ended

    return progress


def test_a_pull_that_was_ended_goes_on_from_its_last_block(server: HubServer, tmp_path: Path) -> None:
    with pytest.raises(_Ended):
        fetch(server, tmp_path, progress=_ends_after(50_000))
    kept = part_size(entry(variant()), variant(), tmp_path)
    assert 50_000 < kept <= 50_000 + 1024
    assert not (tmp_path / FILE).exists()
    fetch(server, tmp_path)
    assert (tmp_path / FILE).read_bytes() == CONTENT
    last = server.asked_elsewhere[-1].headers
    assert (last["Range"], last["If-Range"]) == (f"bytes={kept}-", '"one"')
    assert part_size(entry(variant()), variant(), tmp_path) == 0


def test_connections_that_are_reset_in_the_midst_end_in_the_right_file(server: HubServer, tmp_path: Path) -> None:
    cuts = iter([5000, 20_000, 7, 0, 30_000])
    server.cut, server.reset = lambda: next(cuts, None), True
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_hub_that_sends_no_ranges_is_asked_for_all_of_it(server: HubServer, tmp_path: Path) -> None:
    cuts = iter([60_000])
    server.cut, server.ranges = lambda: next(cuts, None), False
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.sent == 60_000 + len(CONTENT)


def test_a_connection_that_brings_nothing_is_given_up_and_what_came_is_kept(server: HubServer, tmp_path: Path) -> None:
    cuts = iter([40_000])
    server.cut, waited = lambda: next(cuts, 0), list[float]()
    with pytest.raises(ModelError, match=r"cannot be fetched .* now") as caught:
        fetch(server, tmp_path, waited=waited)
    assert "goes on from there" in caught.value.hint
    assert len(waited) == TRIES - 1
    assert part_size(entry(variant()), variant(), tmp_path) == 40_000
    server.cut = lambda: None
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.sent == len(CONTENT)


def test_a_file_that_changed_between_two_runs_is_fetched_from_its_start(server: HubServer, tmp_path: Path) -> None:
    moving = variant(bytes=0, about=100_000, sha256="")
    with pytest.raises(_Ended):
        fetch(server, tmp_path, moving, progress=_ends_after(50_000))
    server.files[FILE], server.etag = some_gguf(100_000, seed=1), '"two"'
    assert fetch(server, tmp_path, moving).read_bytes() == server.files[FILE]


def test_what_no_hash_could_prove_is_not_gone_on_with_in_another_run(server: HubServer, tmp_path: Path) -> None:
    server.says, one = False, variant(sha256="")
    with pytest.raises(_Ended):
        fetch(server, tmp_path, one, progress=_ends_after(50_000))
    assert fetch(server, tmp_path, one).read_bytes() == CONTENT
    assert not any("Range" in asked.headers for asked in server.asked_elsewhere)


def test_notes_that_cannot_be_read_cost_a_beginning_and_no_more(server: HubServer, tmp_path: Path) -> None:
    for notes in ("", "[]", '{"size": "x"}', '{"colour": 1}', "nul\0"):
        (tmp_path / f"{FILE}.part").write_bytes(b"something else")
        (tmp_path / f"{FILE}.part.json").write_text(notes)
        place = fetch(server, tmp_path)
        assert place.read_bytes() == CONTENT
        place.unlink()


def test_a_part_that_is_longer_than_the_file_is_begun_anew(server: HubServer, tmp_path: Path) -> None:
    with pytest.raises(_Ended):
        fetch(server, tmp_path, progress=_ends_after(50_000))
    with (tmp_path / f"{FILE}.part").open("ab") as file:
        file.write(bytes(100_000))
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert left(tmp_path) == [FILE]


def test_a_file_without_a_revision_is_gone_on_with_from_the_same_commit(server: HubServer, tmp_path: Path) -> None:
    with pytest.raises(_Ended):
        fetch(server, tmp_path, progress=_ends_after(50_000))
    fetch(server, tmp_path)
    revisions = [asked.path.split("/resolve/")[1].split("/")[0] for asked in server.asked_of_hub]
    assert revisions == ["main", COMMIT]


def test_a_pinned_revision_is_asked_for(server: HubServer, tmp_path: Path) -> None:
    fetch(server, tmp_path, variant(revision="a" * 40))
    assert server.asked[0].path == f"/org/tiny-GGUF/resolve/{'a' * 40}/{FILE}"


@pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "as the hub says"])
def test_wrong_bytes_never_get_the_name(pinned: bool, server: HubServer, tmp_path: Path) -> None:
    server.sends = CONTENT[:500] + b"!" + CONTENT[501:]
    one = variant() if pinned else variant(bytes=0, about=100_000, sha256="")
    with pytest.raises(ModelError, match=r"its sha256 is not that of the model\. It was thrown away") as caught:
        fetch(server, tmp_path, one)
    assert "Pull it again" in caught.value.hint
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"sha256": "0" * 64}, "sha256 .* instead of 0000"),
        ({"bytes": 99_999}, "size 100000 instead of 99999"),
    ],
)
def test_a_hub_with_another_file_than_the_catalogue_sends_none_of_it(
    wanted: dict[str, object], says: str, server: HubServer, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=says):
        fetch(server, tmp_path, variant(**wanted))
    assert left(tmp_path) == []


def test_a_page_instead_of_a_model_is_no_model(server: HubServer, tmp_path: Path) -> None:
    """What a portal of a hotel answers to everything."""
    server.sends, server.says = b"<html>Welcome</html>", False
    with pytest.raises(ModelError, match="no GGUF"):
        fetch(server, tmp_path, variant(bytes=0, about=100_000, sha256=""))
    assert left(tmp_path) == []


def test_more_bytes_than_said_are_not_written(server: HubServer, tmp_path: Path) -> None:
    server.sends = CONTENT + b"more"
    with pytest.raises(ModelError, match="size 100004 instead of 100000"):
        fetch(server, tmp_path)


@pytest.mark.parametrize(
    ("status", "token", "says", "hint"),
    [
        (401, "", r"wants to know who asks for org/tiny-GGUF \(401\)", "set it as HF_TOKEN"),
        (401, "mine", r"did not accept HF_TOKEN", "make a token that may read"),
        (403, "mine", r"does not let you have org/tiny-GGUF \(403\)", "Accept the licence at"),
        (404, "", r"has no tiny-Q4_K_M.gguf in org/tiny-GGUF at its newest revision \(404\)", "cita models add"),
        (418, "", "answers 418", "cita models add"),
    ],
)
def test_what_the_hub_refuses_is_said_with_what_to_do(
    status: int, token: str, says: str, hint: str, server: HubServer, tmp_path: Path
) -> None:
    server.refusals = [(status, {})]
    with pytest.raises(ModelError, match=says) as caught:
        fetch(server, tmp_path, token=token)
    assert hint in caught.value.hint
    assert isinstance(caught.value, ModelNotFoundError) == (status == 404)
    assert left(tmp_path) == []


def test_too_many_requests_are_followed_by_the_wait_that_is_asked_for(server: HubServer, tmp_path: Path) -> None:
    server.refusals = [(429, {"Retry-After": "7"}), (503, {})]
    waited: list[float] = []
    assert fetch(server, tmp_path, waited=waited).read_bytes() == CONTENT
    assert waited == [7.0, 2.0]


@pytest.mark.parametrize("as_date", [False, True])
def test_a_long_wait_is_told_instead(as_date: bool, server: HubServer, tmp_path: Path) -> None:
    after = email.utils.formatdate(time.time() + 3600, usegmt=True) if as_date else "3600"
    server.refusals, waited = [(429, {"Retry-After": after})], list[float]()
    with pytest.raises(ModelError, match="it answers 429; nothing was fetched yet") as caught:
        fetch(server, tmp_path, waited=waited)
    assert any(f"in {seconds} seconds" in caught.value.hint for seconds in range(3590, 3601))
    assert waited == []


def test_a_hub_that_keeps_failing_is_given_up(server: HubServer, tmp_path: Path) -> None:
    server.refusals, waited = [(502, {})] * 50, list[float]()
    with pytest.raises(ModelError, match="it answers 502"):
        fetch(server, tmp_path, waited=waited)
    assert waited == [1.0, 2.0, 4.0, 8.0]


def test_the_token_goes_to_the_hub_and_not_to_where_it_redirects(server: HubServer, tmp_path: Path) -> None:
    server.token = "secret"
    fetch(server, tmp_path, token="secret")
    assert [asked.headers["Authorization"] for asked in server.asked_of_hub] == ["Bearer secret"]
    assert server.asked_elsewhere
    assert not any("Authorization" in asked.headers for asked in server.asked_elsewhere)


def test_the_token_is_not_sent_over_an_unencrypted_connection() -> None:
    assert Hub("http://mirror.example", "secret").headers("http://mirror.example/a") == {}
    assert Hub("https://mirror.example", "secret").headers("https://mirror.example/a")
    assert Hub("https://mirror.example", "secret").headers("https://mirror.example.evil/a") == {}
    assert Hub("https://mirror.example", "secret").headers("https://mirror.example:444/a") == {}


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://localhost/x", ""])
def test_a_redirect_leads_to_an_address_of_the_web_only(location: str, server: HubServer, tmp_path: Path) -> None:
    server.redirect = location or "file:"
    with pytest.raises(ModelError, match="no address of the web"):
        fetch(server, tmp_path)
    assert left(tmp_path) == []


def test_redirects_in_a_circle_end(server: HubServer, tmp_path: Path) -> None:
    server.redirect = f"/org/tiny-GGUF/resolve/main/{FILE}"
    with pytest.raises(ModelError, match="in a circle"):
        fetch(server, tmp_path)
    assert len(server.asked) == pull_module.MOST_REDIRECTS + 1


def test_proxies_are_used_but_not_to_this_machine(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # nobody listens there
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    monkeypatch.setenv("http_proxy", server.url)
    one = variant()
    pull(entry(one), one, tmp_path / "other", Hub("http://hub.invalid"), wait=lambda seconds: None)
    first = next(asked for asked in server.asked if asked.path.startswith("http://"))
    assert first == Asked("hub.invalid", f"http://hub.invalid/org/tiny-GGUF/resolve/main/{FILE}", first.headers)


def test_where_models_come_from_is_set_by_the_environment() -> None:
    assert Hub.of({}) == Hub("https://huggingface.co", "")
    assert Hub.of({"HF_ENDPOINT": "https://mirror.example/hf/", "HF_TOKEN": " t\n"}) == Hub(
        "https://mirror.example/hf", "t"
    )


@pytest.mark.parametrize(
    "endpoint", ["file:///etc", "mirror.example", "https://", "ftp://a", "https://a:99999", "https://u:p@a"]
)
def test_an_endpoint_that_is_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(SettingsError, match="HF_ENDPOINT cannot be"):
        Hub.of({"HF_ENDPOINT": endpoint})


@pytest.mark.parametrize("file", ["../x.gguf", "/x.gguf", "a/../../x.gguf", "C:\\x.gguf", "a//x", ".hidden", ""])
def test_no_name_leads_out_of_the_folder(file: str, server: HubServer, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no name for a file"):
        fetch(server, tmp_path / "models", variant(file=file))
    assert left(tmp_path) in ([], ["models"])
    assert server.asked == []


def test_a_disk_that_is_too_full_is_found_out_before_anything_is_fetched(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull_module, "SPARE_DISK", 1 << 60)
    with pytest.raises(ModelError, match=r"needs 0\.1 MB more") as caught:
        fetch(server, tmp_path)
    assert "Free some space" in caught.value.hint
    assert not (tmp_path / FILE).exists()
    assert part_size(entry(variant()), variant(), tmp_path) == 0


def test_a_disk_that_fills_up_meanwhile_leaves_what_goes_on_later(server: HubServer, tmp_path: Path) -> None:
    """A limit to the size of files fails writes as a full disk does: in the midst of a block."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_100, limits[1]))
    try:
        with pytest.raises(ModelError, match="cannot be written") as caught:
            fetch(server, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "what was fetched is kept" in caught.value.hint
    assert not (tmp_path / FILE).exists()
    assert part_size(entry(variant()), variant(), tmp_path) == 30_100
    assert fetch(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(server: HubServer, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ModelError, match="cannot be written"):
        fetch(server, tmp_path)


def test_a_hub_that_is_not_there_is_said(tmp_path: Path) -> None:
    with HubServer({}) as server:
        endpoint = server.url
    one = variant()
    with pytest.raises(ModelError, match=r"127\.0\.0\.1 cannot be reached") as caught:
        pull(entry(one), one, tmp_path, Hub(endpoint))
    assert "HTTPS_PROXY" in caught.value.hint
    assert "cita models add" in caught.value.hint


def test_two_that_fetch_one_file_do_not_write_into_each_other(server: HubServer, tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def holds(stage: str, done: int, total: int) -> None:
        begun.set()
        assert go_on.wait(20)

    first = threading.Thread(target=fetch, args=(server, tmp_path), kwargs={"progress": holds})
    first.start()
    assert begun.wait(20)
    with pytest.raises(ModelError, match="being fetched already"):
        fetch(server, tmp_path)
    go_on.set()
    first.join(20)
    assert left(tmp_path) == [FILE]
    assert (tmp_path / FILE).read_bytes() == CONTENT


def test_a_model_of_several_files_gets_a_folder(tmp_path: Path) -> None:
    files = {"model.safetensors": b"weights" * 100, "config.json": b"{}", "1_Pooling/config.json": b"[1]"}
    one = variant(
        file="model.safetensors", bytes=0, about=700, sha256="", also=("config.json", "1_Pooling/config.json")
    )
    with HubServer(files) as server:
        place = fetch(server, tmp_path, one)
    assert place == tmp_path / "tiny"
    assert {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*.*")} == {
        **files, "1_Pooling/config.json": b"[1]",
    }  # fmt: skip


def test_a_small_file_is_checked_by_the_hash_that_git_gives_it(tmp_path: Path) -> None:
    one = variant(file="model.safetensors", bytes=0, about=700, sha256="", also=("config.json",))
    small = HubServer({"model.safetensors": b"w", "config.json": b"{}"}, sends=b"[]")
    with small as server, pytest.raises(ModelError, match="not the one that the hub gave"):
        fetch(server, tmp_path, one)
    assert left(tmp_path / "tiny") == []
