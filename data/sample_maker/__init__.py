"""Makes the samples that are not written by hand: the same bytes every time.

Each file in texts/ is a sample's text, under the sample's name and ".txt"; a folder there is a sample that holds others
(an archive, a mail with attachments). Every person, company, number and address is invented.
"""

from pathlib import Path

from sample_maker import bundles, office, opendocument, paper
from sample_maker.text import read

TEXTS = Path(__file__).resolve().parent / "texts"
ENDING = ".txt"

WRITERS = {
    ".pdf": paper.pdf,
    ".png": paper.png,
    ".docx": office.word,
    ".xlsx": office.spreadsheet,
    ".pptx": office.slides,
    ".odt": opendocument.text,
    ".ods": opendocument.spreadsheet,
    ".odp": opendocument.slides,
    ".epub": bundles.epub,
}
BUNDLES = {".zip": bundles.archive, ".eml": bundles.mail}


def make_samples(folder: Path) -> None:
    """Writes every sample into the folder, in folders of its own."""
    for path in sorted(TEXTS.glob("*/*")):
        target = folder / path.relative_to(TEXTS).with_name(path.name.removesuffix(ENDING))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_made(path))


def _made(path: Path) -> bytes:
    """A sample of its text, or of a folder of texts."""
    if path.is_dir():
        members = {member.name.removesuffix(ENDING): _made(member) for member in sorted(path.iterdir())}
        return BUNDLES[path.suffix](members)
    suffix = Path(path.name.removesuffix(ENDING)).suffix
    return WRITERS[suffix](read(path)) if suffix in WRITERS else path.read_bytes()
