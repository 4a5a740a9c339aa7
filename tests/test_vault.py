"""An Obsidian vault as a library folder: its notes, tags and links, as Obsidian has them."""

from pathlib import PurePosixPath

import pytest

from ingest.links import LinkTargets
from ingest.parse import parse
from ingest.types import Document
from tests.conftest import shared_data

NOTES = {
    "Home.md": "---\naliases: [Start]\ntags: [map]\n---\n# Home\nSee [[Bread#Dough|the dough]] and ![[oven.png]].\n",
    "recipes/Bread.md": "# Bread\n\n## Dough\nFlour, water, salt. #baking/sourdough\n\n> [!tip] Rest it\n> A night.\n\n"
    "![[Oven]] [back](../Home.md)\n",
    "recipes/tools/Oven.md": "Hot.\n\n%% borrowed from Ada %%\n",
    "recipes/oven.png": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Document]:
    folder = tmp_path_factory.mktemp("vault")
    for path, text in NOTES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return {path: parse(folder / path) for path in NOTES if path.endswith(".md")}


def test_a_note_s_links_and_embeds_lead_to_the_files_of_the_vault(vault: dict[str, Document]) -> None:
    targets = LinkTargets(NOTES)
    found = {path: [targets.resolve(link, path) for link in document.links] for path, document in vault.items()}
    assert found == {
        "Home.md": ["recipes/Bread.md", "recipes/oven.png"],
        "recipes/Bread.md": ["recipes/tools/Oven.md", "Home.md"],
        "recipes/tools/Oven.md": [],
    }


def test_tags_headings_and_callouts_are_there_and_comments_are_not(vault: dict[str, Document]) -> None:
    assert [document.tags for document in vault.values()] == [("map",), ("baking/sourdough",), ()]
    bread = vault["recipes/Bread.md"]
    assert {block.headings for block in bread.blocks if block.text.startswith("> [!tip]")} == {("Bread", "Dough")}
    assert [block.text for block in vault["recipes/tools/Oven.md"].blocks] == ["Hot."]
    assert vault["Home.md"].metadata["aliases"] == "Start"


@pytest.mark.needs_shared
def test_a_real_vault_is_read_whole() -> None:
    """Every block is the file's own words; a link that leads nowhere names a note that was never written."""
    folder = shared_data("collections", "kepano-obsidian-vault")
    paths = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    names = {name.casefold() for path in paths for name in (PurePosixPath(path).name, PurePosixPath(path).stem)}
    targets = LinkTargets(paths)
    documents = {path: parse(folder / path) for path in paths if path.endswith(".md")}
    for path, document in documents.items():
        text = (folder / path).read_text(encoding="utf-8")
        assert document.blocks or not text.strip(), path
        for block in document.blocks:
            assert block.span is not None
            assert block.kind == "heading" or text[block.span.start : block.span.end] == block.text
    found = {link: targets.resolve(link, path) for path, document in documents.items() for link in document.links}
    assert sum(path is not None for path in found.values()) > 50
    assert not {link for link, path in found.items() if path is None and link.casefold() in names}


@pytest.mark.needs_shared
def test_a_book_s_links_between_its_chapters_lead_to_them() -> None:
    folder = shared_data("collections", "rust-book", "src")
    paths = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.md"))]
    targets = LinkTargets(paths)
    links = [(path, link) for path in paths for link in parse(folder / path).links if link.endswith(".md")]
    assert len(links) > 100
    assert [link for path, link in links if targets.resolve(link, path) is None] == []
