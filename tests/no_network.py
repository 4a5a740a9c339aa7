"""Refuses every connection that leaves this machine, and remembers who tried.

An audit hook sees what patched methods miss: connect_ex, C code that calls the socket methods, asyncio. It does
not see native libraries that call the operating system themselves; test_offline.py watches those with strace.

`site/sitecustomize.py` installs the same hook in the Python processes that a test starts. All write what they tried
to the file that NETWORK_LOG names, so that a test fails even where a library swallowed the refusal.
"""

import ipaddress
import os
import sys
from pathlib import Path
from typing import Any

LOG = "NETWORK_LOG"
LOCAL_NAMES = {"", "localhost", "localhost.localdomain", "ip6-localhost"}


class NetworkRefused(OSError):
    """A test, or something it uses, tried to reach another machine."""


def is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return False
    return True


def is_local(host: str) -> bool:
    return host in LOCAL_NAMES or (is_numeric(host) and ipaddress.ip_address(host.split("%")[0]).is_loopback)


def outside(event: str, arguments: tuple[Any, ...]) -> str:
    """The host outside this machine that a socket event reaches for, or ''."""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) and address else ""  # AF_UNIX: a path; netlink: numbers
        return f"{host}:{address[1]}" if isinstance(host, str) and not is_local(host) else ""
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        host = arguments[0].decode() if isinstance(arguments[0], bytes) else arguments[0] or ""
        return "" if is_local(host) or is_numeric(host) else f"{host} (name lookup)"
    return ""


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if not event.startswith("socket."):
        return
    target = outside(event, arguments)
    if not target:
        return
    if log := os.environ.get(LOG):
        with Path(log).open("a", encoding="utf-8") as file:
            file.write(f"{target} in {' '.join(sys.argv)}\n")
    raise NetworkRefused(f"Connection to {target} refused: nothing may leave this machine.")


def install() -> None:
    sys.addaudithook(refuse)
