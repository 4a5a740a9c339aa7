"""Facts about the index, as the catalogue's table `meta` has them."""

from ingest.database import Database


def fact(db: Database, key: str) -> str:
    """'' if it was never set."""
    rows = db.read("SELECT value FROM meta WHERE key = ?", (key,))
    return str(rows[0][0]) if rows else ""


def revision(db: Database) -> tuple[str, ...]:
    """Changes with every change of the sources and their passages, and with the catalogue."""
    rows = db.read("SELECT value FROM meta WHERE key IN ('lineage', 'revision') ORDER BY key")
    return tuple(str(value) for (value,) in rows)
