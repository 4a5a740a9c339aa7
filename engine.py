"""open_engine(settings): the one owner of a home, in this process or by its local socket."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ingest.types import IndexProgress, IndexReport, Passage, Source, VerifyReport
from models.types import ModelInfo
from rag.types import Event, SearchResult
from settings import Settings


@dataclass(frozen=True, slots=True)
class Status:
    """Totals, versions, folders and health of a home."""

    home: str
    folders: tuple[str, ...]
    sources: dict[str, int]
    passages: int
    embedder: str
    vector_index: str
    model: str
    version: str
    healthy: bool
    problems: tuple[str, ...]


class Engine(Protocol):
    """What every door (page, command, API) calls. Paths within an engine are relative to their library folder.

    All methods may raise the errors of errors.py. Methods may be called from several threads.
    """

    def folders(self) -> list[Path]: ...
    def add_folders(self, folders: Sequence[Path]) -> list[Path]: ...
    def remove_folders(self, folders: Sequence[Path]) -> list[Path]: ...

    def index(self, progress: Callable[[IndexProgress], None] | None = None) -> IndexReport: ...
    def sources(self) -> list[Source]: ...
    def status(self) -> Status: ...
    def verify(self) -> VerifyReport: ...

    def search(self, question: str, k: int | None = None, within: Sequence[str] = ()) -> SearchResult: ...
    def ask(
        self, question: str, k: int | None = None, within: Sequence[str] = (), model: str | None = None
    ) -> Iterator[Event]:
        """Yields Retrieved, Tokens as they come, and last Completed. Closing the iterator stops generation."""
        ...

    def passage(self, id: str) -> Passage: ...
    def page_image(self, path: str, page: int, quotes: Sequence[str] = (), scale: float = 2.0) -> bytes:
        """A PNG of a PDF's page (1-based), the quotes highlighted; `scale` 1.0 is 72 dots per inch."""
        ...

    def models(self) -> list[ModelInfo]: ...
    def add_model(self, path: Path) -> ModelInfo: ...
    def use_model(self, name: str) -> ModelInfo: ...

    def close(self) -> None: ...


def open_engine(settings: Settings) -> Engine:
    """The engine of settings.home: this process's own, or a connection to the process that owns the home.

    Raises EngineUnreachableError if another process holds the home but does not answer.
    """
    raise NotImplementedError
