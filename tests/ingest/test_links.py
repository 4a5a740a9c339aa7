import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.links import LinkTargets, resolve

PATHS = [
    "Index.md", "notes/Bread.md", "notes/Bread.png", "archive/old/Bread.md", "archive/Cake.md",
    "a/Plan.md", "b/Plan.md",
    "a/b/Deep.md", "notes/v1.2.md", "Board.canvas", "años/Niño.md",
]  # fmt: skip


@pytest.mark.parametrize(
    ("link", "from_path", "found"),
    [
        ("Index", "notes/Bread.md", "Index.md"),
        ("Index.md", "notes/Bread.md", "Index.md"),
        ("bread", "Index.md", "notes/Bread.md"),  # fewest folders
        ("Bread", "archive/old/x.md", "archive/old/Bread.md"),  # the same folder
        ("Bread.png", "Index.md", "notes/Bread.png"),
        ("Plan", "Index.md", "a/Plan.md"),  # the first by path
        ("Plan", "b/x.md", "b/Plan.md"),
        ("b/Plan", "a/x.md", "b/Plan.md"),
        ("b/Deep", "Index.md", "a/b/Deep.md"),  # the path's end
        ("/a/Plan", "b/x.md", "a/Plan.md"),
        ("../a/Plan.md", "b/x.md", "a/Plan.md"),
        ("./Plan", "b/x.md", "b/Plan.md"),
        ("v1.2", "Index.md", "notes/v1.2.md"),
        ("board.canvas", "Index.md", "Board.canvas"),
        ("nin\u0303o", "Index.md", "años/Niño.md"),
        ("Gone", "Index.md", None),
        ("../Index", "Index.md", None),  # out of the library
        ("../../Index", "a/x.md", None),
        ("./Index", "a/x.md", None),
        ("read", "Index.md", None),
        ("notes/", "Index.md", None),
        ("", "Index.md", None),
        (" ", "Index.md", None),
    ],
)
def test_a_link_means_the_file_that_obsidian_opens(link: str, from_path: str, found: str | None) -> None:
    assert resolve(link, from_path, PATHS) == found


NAMES = st.text(alphabet="aAñ. 1", min_size=1, max_size=4).map(str.strip).filter(lambda name: name.strip("."))
FILES = st.lists(st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: "/".join(parts) + ".md"), max_size=8)


@given(FILES, st.text(alphabet="aAñ./\\ 1", max_size=12), st.integers(0, 7))
def test_any_link_means_a_file_that_is_there_or_none(paths: list[str], link: str, at: int) -> None:
    from_path = paths[at % len(paths)] if paths else "a.md"
    found = resolve(link, from_path, paths)
    assert found is None or found in paths
    assert found == resolve(link, from_path, reversed(paths)), "the order of the files must not count"


@given(FILES.filter(bool), st.integers(0, 7))
def test_every_file_is_found_by_its_own_path_with_and_without_suffix(paths: list[str], at: int) -> None:
    targets = LinkTargets(paths)
    path = paths[at % len(paths)]
    same = {other for other in paths if other.casefold() == path.casefold()}
    assert targets.resolve("/" + path, "elsewhere/x.md") in same
    relative = posixpath.relpath(path, "elsewhere")
    assert targets.resolve(relative, "elsewhere/x.md") in same


@given(FILES.filter(bool), st.integers(0, 7))
def test_a_bare_name_means_a_file_of_that_name_in_the_fewest_folders(paths: list[str], at: int) -> None:
    name = posixpath.basename(paths[at % len(paths)])
    found = resolve(name, "elsewhere/x.md", paths)
    assert found is not None
    assert posixpath.basename(found).casefold() == name.casefold()
    rivals = [path for path in paths if posixpath.basename(path).casefold() == name.casefold()]
    assert found.count("/") == min(path.count("/") for path in rivals)
