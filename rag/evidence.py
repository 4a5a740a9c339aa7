"""What has become of a passage that an earlier answer showed: its file, and the passage in it."""

from errors import UsageError
from ingest.catalog import Catalog
from ingest.types import Source
from rag.types import Evidence, Hit, Since


def sha256_of(catalog: Catalog, hit: Hit) -> str:
    """That of the hit's file, as it is indexed now; '' if it is there no more."""
    sources = catalog.sources_at(hit.passage.path)
    if len(sources) > 1:  # library folders that have a file of the same path
        sources = [source for source in sources if _has(catalog, source, hit.passage.id)]
    return sources[0].sha256 if sources else ""


def _has(catalog: Catalog, source: Source, id: str) -> bool:
    return any(passage.id == id for passage in catalog.passages_of(source.folder, source.path))


def look(catalog: Catalog, evidence: Evidence) -> tuple[Since, str]:
    """What it is since (rag.types.Evidence), and the path where its file is now, if it is another."""
    passage = evidence.hit.passage
    sources = catalog.sources_at(passage.path)
    if evidence.sha256 in {source.sha256 for source in sources}:
        return "same", ""
    if sources:
        return ("edited" if _still(catalog, evidence) else "changed"), ""
    moved = catalog.paths_with(evidence.sha256) if evidence.sha256 else []
    return ("moved", moved[0]) if moved else ("gone", "")


def _still(catalog: Catalog, evidence: Evidence) -> bool:
    try:
        return catalog.passage(evidence.hit.passage.id).text == evidence.hit.passage.text
    except UsageError:
        return False
