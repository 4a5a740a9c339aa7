"""A model that is fetched in the background."""

from functools import partial
from pathlib import Path

from models.catalogue import Entry, Variant
from models.pull import Hub, Stage, pull
from ui.background import Background


class Pulling(Background):
    """One model at a time, whoever looks at the page. While it runs `stage`, `done` and `total` (bytes) say where it
    stands; then `place` is where the model lies, or `error` says why it does not; `stopped`, that it was stopped."""

    what = "download"
    hint = "Start it again: what came is kept."

    def __init__(self) -> None:
        super().__init__()
        self.name = ""
        self.entry: Entry | None = None
        self.stage: Stage = "fetch"
        self.done = self.total = 0
        self.place: Path | None = None

    def start(self, entry: Entry, variant: Variant, folder: Path, hub: Hub) -> None:
        """Does nothing while another is under way."""

        def prepare() -> None:
            self.name, self.entry = variant.file if not variant.also else entry.name, entry
            self.stage, self.done, self.total, self.place = "fetch", 0, variant.size, None

        self.begin(prepare, partial(self._pull, entry, variant, folder, hub))

    def take(self) -> tuple[Entry, Path] | None:
        """What has been fetched since this was asked last."""
        with self._lock:
            place, self.place = self.place, None
        return (self.entry, place) if self.entry and place else None

    def _pull(self, entry: Entry, variant: Variant, folder: Path, hub: Hub) -> None:
        self.place = pull(entry, variant, folder, hub, self._see, self.pause)

    def _see(self, stage: Stage, done: int, total: int) -> None:
        self.heed()
        self.stage, self.done, self.total = stage, done, total or self.total
