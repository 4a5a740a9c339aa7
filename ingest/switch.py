"""Changing the embedder: the old one answers from the old index until the new index is whole.

Vectors of two embedders do not compare, and where one ends a passage the other may not. So another embedder reads every
file anew into a catalogue of its own beside the old one; when that is whole it takes the old one's place, at once. A
run that was stopped leaves it there, and the next one reads on where that stopped. What text recognition gave is taken
from the old one.
"""

import json
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from errors import CatalogError, EmbedderError, FolderError
from ingest import embed
from ingest.catalog import Catalog
from ingest.database import remove_files
from ingest.discover import why_unreadable
from ingest.embed import ENGLISH, Embedder
from ingest.names import printable, to_name
from ingest.recognise import hash_of
from settings import Embed, Settings

FILE = "embedder.db"
# Facts of the catalogue: what settings.embed.model and its prefixes were when its vectors were made.
MODEL, PREFIXES = "embedder_model", "embedder_prefixes"


def facts_of(embed: Embed) -> dict[str, str]:
    """What the catalogue keeps of the embedder that makes its vectors, to open it again after a change."""
    return {MODEL: embed.model, PREFIXES: json.dumps([embed.query_prefix, embed.passage_prefix])}


class Embedders:
    """The embedder of the settings, and the one that made the catalogue's vectors."""

    def __init__(self, settings: Settings, catalog: Catalog, wanted: Callable[[], Embedder]) -> None:
        self._settings = settings
        self._catalog = catalog
        self._wanted = wanted
        self._former: Embedder | None = None
        self._lock = threading.Lock()

    def of_index(self) -> Embedder:
        """The one to ask with. Raises EmbedderError if it cannot be opened any more."""
        made_by, wanted = self._catalog.fact("embedder"), self._wanted()
        if made_by in ("", wanted.fingerprint) or not self._catalog.count_vectors():
            self._former = None
            return wanted
        with self._lock:
            if self._former is None or self._former.fingerprint != made_by:
                self._former = self._open_former(made_by)
            return self._former

    def _open_former(self, made_by: str) -> Embedder:
        model = self._catalog.fact(MODEL) or ENGLISH  # the only one, before it was noted down
        chosen = self._settings.embed.model_copy(update={"model": model, "runtime": "auto", "precision": "auto"})
        if kept := self._catalog.fact(PREFIXES):  # not by older versions
            query, passage = json.loads(kept)
            chosen = chosen.model_copy(update={"query_prefix": query, "passage_prefix": passage})
        try:
            former = embed.open_embedder(self._settings.model_copy(update={"embed": chosen}))
        except EmbedderError as error:
            raise EmbedderError(f"The index was made by embedder {model!r}. {error.message}", hint=_HINT) from error
        if former.fingerprint != made_by:
            raise EmbedderError(f"The index was made by embedder {made_by!r}, which has changed since.", hint=_HINT)
        return former

    def changed(self) -> bool:
        """Whether the settings' embedder is another than the one that made the catalogue's vectors."""
        made_by = self._catalog.fact("embedder")
        return made_by not in ("", self._wanted().fingerprint) and self._catalog.count_vectors() > 0

    def draft(self) -> Catalog:
        """The catalogue that is being made by the settings' embedder: the one that a stopped run left, or a new one."""
        draft = self._opened()
        if draft.fact("embedder") not in ("", self._wanted().fingerprint):  # of a third embedder
            draft.close()
            draft.discard()
            draft = self._opened()
        draft.set_folders(self._catalog.folders())
        return draft

    def recognised(self, path: Path, member: Sequence[str], recogniser: str) -> dict[int, bytes]:
        """What that recogniser gave for the pages of a document (or of the one inside it that `member` leads to) when
        the index was made: pictures of text say the same to any embedder. Nothing where the file has changed since.

        Raises ParseError if the file cannot be read.
        """
        for source in self._catalog.sources_of(hash_of(path)):
            if f" {recogniser} " in f"{source.parser} " and self._catalog.names_inside(source) == list(member):
                pages = self._catalog.recognised_pages(source)
                return {page.number: page.reading.encode() for page in pages if page.reading}
        return {}

    def check_folders(self) -> None:
        """Raises FolderError if a folder that the index has documents of cannot be read: they would be lost."""
        for folder in sorted(self._catalog.source_folders()):
            if reason := why_unreadable(Path(to_name(folder))):
                raise FolderError(
                    f"Folder {printable(folder)!r} cannot be read ({reason}), and another embedder must read all anew.",
                    hint="Connect it, or take it out with `cita remove`; searches go on with the old embedder.",
                )

    def _opened(self) -> Catalog:
        try:
            return Catalog(self._catalog.folder, FILE)
        except CatalogError:  # damaged, or of another version: it holds nothing that cannot be made anew
            self.forget_draft()
            return Catalog(self._catalog.folder, FILE)

    def forget_draft(self) -> None:
        with suppress(OSError):
            remove_files(self._catalog.folder / FILE)

    def problem(self) -> str:
        """What `cita status` says of a change that is not through yet; '' if there is none. Opens no model."""
        model, wanted = self._catalog.fact(MODEL), self._settings.embed.model
        if not model or model == wanted:
            return ""
        begun = (self._catalog.folder / FILE).exists()
        now = "It is being made anew" if begun else "`cita index` makes it anew"
        return f"The index is of embedder {model!r}; set is {wanted!r}. {now}, and until then the old one answers."


_HINT = "`cita index` embeds everything anew with the embedder that is set; or put the old one's files back."
