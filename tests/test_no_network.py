import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.no_network import NetworkRefused, outside


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
def test_a_connection_to_another_machine_is_refused_and_named(method: str, network_log: Path) -> None:
    with socket.socket() as connection, pytest.raises(NetworkRefused, match=r"192\.0\.2\.1:80"):
        getattr(connection, method)(("192.0.2.1", 80))
    assert "192.0.2.1:80" in network_log.read_text()
    network_log.write_text("")


def test_a_datagram_to_another_machine_is_refused(network_log: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as connection, pytest.raises(NetworkRefused):
        connection.sendto(b"x", ("192.0.2.2", 53))
    network_log.write_text("")


@pytest.mark.parametrize("lookup", [socket.gethostbyname, lambda name: socket.getaddrinfo(name, 80)])
def test_a_name_lookup_is_refused(lookup: object, network_log: Path) -> None:
    with pytest.raises(NetworkRefused, match=r"telemetry\.invalid"):
        lookup("telemetry.invalid")  # type: ignore[operator]
    network_log.write_text("")


def test_an_asyncio_connection_is_refused(network_log: Path) -> None:
    with pytest.raises(OSError, match=r"telemetry\.invalid"):
        asyncio.run(asyncio.open_connection("telemetry.invalid", 443))
    network_log.write_text("")


def test_a_refusal_that_a_child_process_swallows_is_still_recorded(network_log: Path) -> None:
    code = "import socket\ntry:\n  socket.create_connection(('192.0.2.7', 443))\nexcept OSError:\n  pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert network_log.read_text().startswith("192.0.2.7:443")
    network_log.write_text("")


def test_loopback_and_local_sockets_work(tmp_path: Path) -> None:
    with socket.create_server(("localhost", 0)) as server, socket.create_connection(server.getsockname()):
        pass
    assert not outside("socket.connect", (None, str(tmp_path / "engine.sock")))
    assert not outside("socket.connect", (None, (0, 0)))


def test_the_real_file_system_home_is_not_used() -> None:
    assert "pytest" in str(Path.home())
