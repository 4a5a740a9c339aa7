"""The engine and the settings that all pages of this process share."""

import threading
from pathlib import Path

from engine import Engine, open_engine
from settings import Settings
from ui.indexing import Indexing, Watching
from ui.pulling import Pulling


class _Shared:
    lock = threading.Lock()
    engine: Engine | None = None
    home: Path | None = None
    indexing = Indexing()
    watching = Watching()
    pulling = Pulling()


def use_engine(engine: Engine | None, home: Path | None) -> None:
    """Gives the pages their engine; None takes it away again. The launcher does, and tests do."""
    with _Shared.lock:
        _Shared.engine, _Shared.home = engine, home
        _Shared.indexing, _Shared.watching, _Shared.pulling = Indexing(), Watching(), Pulling()


def get_engine() -> Engine:
    """The engine of this process, opened at the first call where the launcher did not give one."""
    with _Shared.lock:
        if _Shared.engine is None:
            _Shared.engine = open_engine(get_settings())
        return _Shared.engine


def get_settings() -> Settings:
    """The settings in force, read anew so that an edit counts at once. Raises SettingsError."""
    return Settings.load(_Shared.home)


def get_indexing() -> Indexing:
    return _Shared.indexing


def get_watching() -> Watching:
    return _Shared.watching


def get_pulling() -> Pulling:
    return _Shared.pulling
