import http.client
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from errors import PortInUseError
from settings import Settings
from tests.ui.conftest import ROOT
from ui import launch

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((launch.ADDRESS, 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    process: subprocess.Popen[str]
    port: int
    announced: str

    def status(self, path: str = "/", **headers: str) -> int:
        return self.get(path, **headers)[0]

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str]]:
        """GET without the Host that http.client would write; header names with _ for -."""
        connection = http.client.HTTPConnection(launch.ADDRESS, self.port, timeout=10)
        connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        response = connection.getresponse()
        found = response.status, {name.lower(): value for name, value in response.getheaders()}
        connection.close()
        return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.ui.serve_fake", str(tmp_path_factory.mktemp("home")), str(port)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    with process:
        yield Server(process, port, process.stdout.readline())
        process.kill()


def test_the_address_is_printed_when_the_app_answers(server: Server) -> None:
    assert f"http://127.0.0.1:{server.port}" in server.announced
    assert server.status(Host=f"127.0.0.1:{server.port}") == 200


def test_the_app_listens_on_this_machine_only(server: Server) -> None:
    connections = psutil.Process(server.process.pid).net_connections()
    listening = {(found.laddr.ip, found.laddr.port) for found in connections if found.status == psutil.CONN_LISTEN}
    assert listening == {("127.0.0.1", server.port)}


@pytest.mark.parametrize("path", ["/", "/library", "/_stcore/health", "/_stcore/host-config", "/static/none", "/x"])
def test_a_foreign_host_or_origin_is_refused_on_every_path(server: Server, path: str) -> None:
    own = f"127.0.0.1:{server.port}"
    assert server.status(path, Host=f"evil.example:{server.port}") == 403
    assert server.status(path, Host=own, Origin="http://evil.example") == 403
    assert server.status(path, Host=own) in (200, 404)


def test_a_foreign_page_cannot_open_the_websocket(server: Server) -> None:
    """And makes the app look up no name: the fixture `network_log` fails the test if it does."""
    own = f"127.0.0.1:{server.port}"
    for host, origin in [
        (own, "http://evil.example"),
        (f"evil.example:{server.port}", f"http://evil.example:{server.port}"),
        (own, "null"),
    ]:
        assert server.status("/_stcore/stream", Host=host, Origin=origin, **UPGRADE) == 403
    assert server.status("/_stcore/stream", Host=own, Origin=f"http://{own}", **UPGRADE) == 101


def test_every_file_of_the_app_carries_the_policy(server: Server) -> None:
    for path in ("/", "/_stcore/health", "/favicon.png", "/none"):
        _, headers = server.get(path, Host=f"127.0.0.1:{server.port}")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_the_app_watches_until_ctrl_c_closes_the_engine_and_ends_with_success(server: Server) -> None:
    """The last in this file: the server is gone afterwards."""
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(20) == 0
    assert server.process.stdout
    assert server.process.stdout.read().strip() == "watched closed"


def test_a_port_in_use_is_named_with_what_to_do(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind((launch.ADDRESS, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=rf"{port}.*--port"):
            launch.run_app(settings, port)


def test_streamlit_reports_nothing_and_takes_files_up_to_the_limit(settings: Settings) -> None:
    options = launch.options(settings, 8501)
    assert options["browser.gatherUsageStats"] is False
    assert options["server.address"] == "127.0.0.1"
    assert options["server.maxUploadSize"] == settings.parse.max_file_mb


def test_only_the_pages_own_inline_scripts_are_allowed(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text('<script>alert(1)</script><script src="x.js"></script>', encoding="utf-8")
    assert launch.inline_scripts(page) == ["sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI="]
