"""The models that are held in memory now, and what they take of it."""

from dataclasses import dataclass

from models.runtime import Runtime


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """`memory`: bytes that its process takes now, of its file what has been read so far. `runtime`: how it runs, None
    while it is being loaded. `answering`: somebody waits for what it writes."""

    name: str
    memory: int
    runtime: Runtime | None
    answering: bool


def memory_of(pid: int) -> int:
    """Bytes of memory that a process takes; 0 for one that has ended."""
    import psutil

    try:
        taken: int = psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return 0
    return taken
