"""What the processes do that kills.py forks: those that are killed, and within what; those that look afterwards."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import LocalEngine
from ingest.types import Document, IndexProgress
from settings import Settings
from tests.reliability.forks import Report
from tests.reliability.quick import image, opened

if TYPE_CHECKING:
    from tests.reliability.kills import Kills

QUESTION = "What was written later in the note of the number?"


@dataclass(frozen=True)
class Step:
    """What the process does that is killed, and where.

    `targets`: functions ("module:Class.name"); the kill falls within one of them. `prepare` runs before. `work` is
    given the settings and a way to report. `helper`: only the newest helper process is killed, and the work must end.
    """

    name: str
    work: Callable[[Settings, Report], None]
    targets: tuple[str, ...] = ()
    prepare: Callable[["Kills"], None] = lambda kills: kills.folder.change(kills.folder.random.randint(3, 8))
    helper: bool = False


# --- what is done in the processes that are killed


def index(settings: Settings, report: Report) -> None:
    done: list[int] = []

    def stored(progress: IndexProgress) -> None:
        if done and progress.files_done > done[-1]:  # else it is about a file that is not done
            report("stored", path=progress.path)
        done.append(progress.files_done)

    with opened(settings) as engine:
        engine.index(stored, confirm=True)


def watch(settings: Settings, report: Report) -> None:
    with opened(settings) as engine:
        for event in engine.watch():
            report(event.kind)


def rebuild(settings: Settings, report: Report) -> None:
    with opened(settings) as engine:
        engine.index(confirm=True)
        report("before", sources=digests(settings))
        engine.rebuild()


def backup(settings: Settings, report: Report) -> None:
    with opened(settings) as engine:
        engine.index(confirm=True)
        report("before", sources=digests(settings))
        engine.backup(kept(settings))


def restore(settings: Settings, report: Report) -> None:
    with opened(settings) as engine:
        engine.backup(kept(settings))
        report("before", sources=digests(settings))
        engine.index(confirm=True)
        report("before", sources=digests(settings))
        engine.restore(kept(settings))


def remove(settings: Settings, report: Report) -> None:
    """Takes a folder out of the library; the peace that follows puts it in again."""
    with opened(settings) as engine:
        engine.index(confirm=True)
        folder = engine.folders()[1]
        report("removed", folder=str(folder))
        engine.remove_folders([folder])


def salvage(settings: Settings, report: Report) -> None:
    from ingest.catalog import salvage

    salvage(settings.index)


def open_only(settings: Settings, report: Report) -> None:
    with opened(settings):
        pass


def kept(settings: Settings) -> Path:
    return settings.home / "kept.cita"


SWAP = ("ingest.chroma:_seal", "ingest.vectors:remove_unsealed")
STEPS = (
    Step("look", index, ("ingest.pipeline:look_at_folders",)),
    Step("plan", index, ("ingest.pipeline:make_plan",)),
    Step("parse", index, ("ingest.pipeline:_read_file",)),
    Step("chunk", index, ("ingest.chunk:chunk",)),
    Step("embed", index, ("ingest.pipeline:_Run._embed_new",)),
    Step("store", index, ("ingest.catalog:Catalog.store_all",)),
    Step("settle", index, ("ingest.catalog:Catalog.settle",), lambda kills: kills.rearrange()),
    Step("delete", index, ("ingest.catalog:Catalog.settle",), lambda kills: kills.folder.delete_some(0.1)),
    Step("remove a folder", remove, ("engine:LocalEngine.remove_folders",)),
    Step("scrub", index, ("ingest.catalog:Catalog.scrub",), lambda kills: kills.folder.delete_some(0.1)),
    Step("Chroma update", index, ("ingest.vectors:LiveIndex.update",), lambda kills: kills.rewrite()),
    Step("Chroma helper", index, ("ingest.vectors:LiveIndex._write",), lambda kills: kills.rewrite(), helper=True),
    Step("Chroma swap", index, SWAP, lambda kills: kills.rewrite()),
    Step("rebuild", rebuild, ("engine:LocalEngine.rebuild",)),
    Step("backup", backup, ("ingest.catalog:Catalog.backup",)),
    Step("restore", restore, ("ingest.catalog:Catalog.restore",)),
    Step("watch", watch),
    Step("salvage", salvage, ("ingest.catalog:salvage",), lambda kills: kills.damage()),
    Step("migrate from 3", open_only, ("ingest.schema:prepare",), lambda kills: kills.make_old()),
)


def told(targets: Sequence[str], chosen: int, report: Report) -> None:
    """Makes functions tell when they are left, and one call, by its number, wait for the driver before it begins."""
    numbers = count(1)
    for target in targets:
        module, _, names = target.partition(":")
        *owners, name = names.split(".")
        owner: Any = import_module(module)
        for inner in owners:
            owner = getattr(owner, inner)
        found = vars(owner)[name]
        is_static = isinstance(found, staticmethod)
        telling = _telling(found.__func__ if is_static else found, numbers, chosen, report)
        setattr(owner, name, staticmethod(telling) if is_static else telling)


def _telling(function: Callable[..., Any], numbers: Iterator[int], chosen: int, report: Report) -> Callable[..., Any]:
    @wraps(function)
    def telling(*args: Any, **kwargs: Any) -> Any:
        number = next(numbers)
        if number == chosen:
            report("entered")
            report.wait()
        began = time.monotonic()
        try:
            return function(*args, **kwargs)
        finally:
            report("left", call=number, seconds=time.monotonic() - began)

    return telling


# --- what is looked at afterwards


def digests(settings: Settings) -> dict[str, list[str]]:
    """By path, the file's SHA-256 as it was indexed and a digest of all that is stored of it."""
    return {
        path: [str(stored[1]), hashlib.blake2b(repr(stored).encode(), digest_size=8).hexdigest()]
        for path, stored in image(settings.index).items()
    }


def serve(settings: Settings, report: Report) -> None:
    """What the next start must be able to do at once; then, what it finds."""
    with opened(settings, mend=True) as engine:
        hits = engine.search(QUESTION).hits
        report("served", hits=[hit.passage.id for hit in hits])
        assert isinstance(engine, LocalEngine)
        report(
            "seen",
            problems=engine._catalog.problems(read_data=True),
            sources=digests(settings),
            listed=len(engine.sources()),
            passages=engine.status().passages,
            left=[path.name for path in (settings.index / "tmp").glob("*")],
        )


def finish(settings: Settings, folders: Sequence[Path], report: Report) -> None:
    with opened(settings) as engine:
        engine.add_folders(folders)
        engine.index(confirm=True)
        verified = engine.verify()
        report("finished", problems=list(verified.problems))


def index_afresh(settings: Settings, folders: Sequence[Path], cache: Path, report: Report) -> None:
    """The same folders in another home. What a file's bytes are parsed to is remembered from one time to the next."""
    with opened(settings) as engine:
        assert isinstance(engine, LocalEngine)
        engine._isolator.parse = partial(_parsed, engine._isolator.parse, cache)  # type: ignore[method-assign]
        engine.add_folders(folders)
        engine.index()


def _parsed(
    parse: Callable[..., Document],
    cache: Path,
    path: Path,
    member: Sequence[str] = (),
    recognised: Sequence[bytes] = (),
    **more: Any,
) -> Document:
    from ingest.parse.tasks import document_adapter

    names = "\0".join((path.name, *member)).encode(errors="surrogateescape")
    key = hashlib.sha256(b"\0".join((names, path.read_bytes(), *recognised))).hexdigest()
    known = cache / key
    if known.exists():
        return document_adapter().validate_json(known.read_bytes())
    document = parse(path, member, recognised, **more)
    draft = known.with_suffix(".new")
    draft.write_bytes(document_adapter().dump_json(document))
    draft.replace(known)
    return document
