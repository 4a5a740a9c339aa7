"""Starting the Streamlit app on this machine only, behind the guard."""

import base64
import errno
import hashlib
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from engine import open_engine
from errors import CitaError, PortInUseError
from settings import CODE, Settings
from ui.engine import get_watching, use_engine
from ui.guard import App, Guard

ADDRESS = "127.0.0.1"


def run_app(settings: Settings, port: int | None = None) -> None:
    """Serves the app until Ctrl-C; prints its address once it answers.

    Raises PortInUseError, or what open_engine raises. Returns when it was asked to end.
    """
    listener = _listen(port or settings.app.port)
    try:
        engine = open_engine(settings)
        use_engine(engine, settings.home)
        watching = get_watching()
        try:
            _serve(settings, listener, lambda: watching.start(engine) if settings.watch.app else None)
        finally:
            watching.stop()
            engine.close()
            use_engine(None, None)
    finally:
        listener.close()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows: there SO_REUSEADDR would share a port that is in use
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ADDRESS, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(
                f"Port {port} is in use by another program.", hint=f"Choose another: `cita app --port {port + 1}`."
            ) from error
        raise CitaError(f"Port {port} cannot be opened: {error.strerror}.", hint="Choose one above 1023.") from error
    return listener


def _serve(settings: Settings, listener: socket.socket, started: Callable[[], None]) -> None:
    import uvicorn

    port = listener.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(
            build_app(settings, port, started),
            ws="websockets-sansio",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
        )
    )
    with suppress(KeyboardInterrupt):  # uvicorn ends in good order and then hands the signal on
        server.run(sockets=[listener])


def build_app(settings: Settings, port: int, started: Callable[[], None] = lambda: None) -> App:
    """The whole app as ASGI: Streamlit behind the guard. `started` is called when it is about to answer."""
    import streamlit as st
    from streamlit.web import bootstrap

    @asynccontextmanager
    async def announce(_: Any) -> AsyncIterator[None]:
        print(f"Cita runs at http://{ADDRESS}:{port} (Ctrl-C ends it)", flush=True)
        started()
        yield

    bootstrap.load_config_options(options(settings, port))
    app: Any = st.App(CODE / "app.py", lifespan=announce)
    return Guard(app, port, inline_scripts(Path(st.__file__).parent / "static" / "index.html"))


def inline_scripts(page: Path) -> list[str]:
    """The hashes, as a Content-Security-Policy wants them, of the scripts written within a page."""
    scripts = re.findall(r"<script>(.*?)</script>", page.read_text(encoding="utf-8"), re.DOTALL)
    return ["sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]


def options(settings: Settings, port: int) -> dict[str, Any]:
    """Streamlit's options: this machine only, nothing reported, nothing shown that is for developers."""
    return {
        "server.address": ADDRESS,
        "server.port": port,
        "server.headless": True,
        "server.allowedHosts": ["localhost", ADDRESS],
        "server.fileWatcherType": "none",
        "server.maxUploadSize": settings.parse.max_file_mb,
        "server.enableAgentApi": False,
        "browser.serverAddress": "localhost",
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": False,
        "logger.hideWelcomeMessage": True,
        **{f"theme.{name}": value for name, value in THEME.items()},
    }


THEME = {
    "baseRadius": "0.75rem",
    "baseFontSize": 16,
    "showWidgetBorder": True,
    "light.primaryColor": "#0f766e",
    "light.backgroundColor": "#ffffff",
    "light.secondaryBackgroundColor": "#f4f6f5",
    "light.textColor": "#17211f",
    "light.borderColor": "#dfe5e3",
    "light.sidebar.backgroundColor": "#f4f6f5",
    "light.sidebar.secondaryBackgroundColor": "#e8edeb",
    "dark.primaryColor": "#15948a",
    "dark.backgroundColor": "#101514",
    "dark.secondaryBackgroundColor": "#1a2120",
    "dark.textColor": "#e6ecea",
    "dark.borderColor": "#2c3634",
    "dark.sidebar.backgroundColor": "#151b1a",
    "dark.sidebar.secondaryBackgroundColor": "#202928",
}
