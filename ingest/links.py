"""Which file a link means, as Obsidian finds it: by its path, else by its name wherever the file lies."""

import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

NOTE_SUFFIX = ".md"  # may be left out of a link


class LinkTargets:
    """The files that links may mean, found fast. `paths` are relative to their library folder, with '/'."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._by_path: dict[str, str] = {}
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for path in sorted(set(paths)):
            self._by_path.setdefault(path_key(path), path)
            self._by_name[path_key(posixpath.basename(path))].append(path)

    def resolve(self, link: str, from_path: str) -> str | None:
        """The path that `link`, as it stands in the file `from_path`, means; None where no file is.

        A link without folders means the file of that name: the one in the same folder, else the one in the fewest
        folders, of these the first by path. One with folders means the path from the library folder or from the file's
        own, else a file whose path ends so. '.md' may be left out; upper and lower case do not count.
        """
        link = link.strip().replace("\\", "/")
        folder = posixpath.dirname(from_path)
        if not link or link.endswith("/"):
            return None
        if link.startswith(("./", "../")):
            return self._at(posixpath.normpath(posixpath.join(folder, link)))
        wanted = posixpath.normpath(link.lstrip("/"))
        if "/" not in wanted and not link.startswith("/"):
            return self._at(posixpath.join(folder, wanted)) or self._named(wanted)
        return self._at(wanted) or self._at(posixpath.join(folder, wanted)) or self._named(wanted)

    def _at(self, path: str) -> str | None:
        key = path_key(path)
        return self._by_path.get(key) or self._by_path.get(key + NOTE_SUFFIX)

    def _named(self, wanted: str) -> str | None:
        """The file whose path ends so, in the fewest folders."""
        for ending in (path_key(wanted), path_key(wanted) + NOTE_SUFFIX):
            named = self._by_name.get(posixpath.basename(ending), ())
            found = [path for path in named if f"/{path_key(path)}".endswith(f"/{ending}")]
            if found:
                return min(found, key=lambda path: (path.count("/"), path))
        return None


def resolve(link: str, from_path: str, paths: Iterable[str]) -> str | None:
    """LinkTargets.resolve() for a single link."""
    return LinkTargets(paths).resolve(link, from_path)


def path_key(path: str) -> str:
    """Paths that differ in case, or in how accents are written (macOS takes them apart), are the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
