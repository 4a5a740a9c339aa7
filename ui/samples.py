"""Questions to begin with, while the library holds the sample documents that they are about."""

from collections.abc import Sequence

from ingest.types import Source

SAMPLES = (
    ("rental-contract.pdf", "How much is the deposit for the flat?"),
    ("employee-handbook.docx", "How many days a week may I work remotely?"),
    ("poliza-hogar.pdf", "¿Cuál es la franquicia por daños por agua?"),
    ("arroz-al-horno.html", "¿A cuántos grados se hornea el arroz?"),
)


def sample_questions(sources: Sequence[Source]) -> list[str]:
    """The questions whose document is indexed."""
    names = {source.path.rsplit("/", 1)[-1] for source in sources if source.status == "indexed"}
    return [question for name, question in SAMPLES if name in names]
