"""JSON, lines of JSON and YAML -> Document: a value never stands without its key.

What an object holds becomes lines of "key: value", a list of like objects a table; what is too long for one passage
goes under a heading for each key on the way. XML that is data comes here too (see xml.py). YAML keeps its own lines,
with the comments in them.
"""

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from errors import ParseError, TooLargeError
from ingest.parse.lines import Lines, Outline
from ingest.parse.text import decode, scrub
from ingest.parse.text import parser_version as text_version
from ingest.parse.text import warm as warm
from ingest.types import Block, Document

MEDIA_TYPES = {
    ".json": "application/json", ".geojson": "application/json", ".jsonl": "application/jsonl",
    ".ndjson": "application/jsonl", ".yaml": "application/yaml", ".yml": "application/yaml",
}  # fmt: skip
SMALL = 1200  # characters of "key: value" lines that stay together
MAX_DEPTH = 12  # headings; what is deeper stays in its lines
MAX_CELL = 200  # characters of a value in a table
MAX_COLUMNS = 20
MAX_LINES = 5_000_000
_TITLES = ("title", "name", "label", "id", "key")
_KEY = re.compile(r"(?:-[ \t]+)*(?:\"([^\"\n]*)\"|'([^'\n]*)'|([^\s#'\"\[\]{},&*!|>%@`-][^:#\n]*?))[ \t]*:(?:[ \t]|$)")


@cache
def parser_version() -> str:
    return f"data/1 {text_version()}"


def parse(path: Path) -> Document:
    """Objects as lines and tables, under headings of their keys. What is no JSON is read as lines.

    Raises ParseError if the file holds no text but binary data, TooLargeError if it has too many values.
    """
    suffix = path.suffix.lower()
    text, encoding = decode(path.read_bytes())
    value: Any = None
    if suffix in (".yaml", ".yml"):
        blocks = _yaml_blocks(text)
    else:
        value = _values(text) if MEDIA_TYPES.get(suffix) == "application/jsonl" else _value(text)
        blocks = list(blocks_of_value(value)) if value is not None else _lines(text)
    return Document(
        title=title_of(value),
        media_type=MEDIA_TYPES.get(suffix, "application/json"),
        parser=parser_version(),
        blocks=tuple(blocks),
        metadata={"encoding": encoding},
    )


def json_object(text: str, what: str, program: str) -> dict[str, Any]:
    """The object that a file of some program's holds. Raises ParseError if it is none, or damaged."""
    hint = f"Open it in {program} and save it anew."
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"The {what} is damaged.", hint=hint) from error
    if not isinstance(found, dict):
        raise ParseError(f"The file is no {what}.", hint=hint)
    return found


def _value(text: str) -> Any:
    """What the text says in JSON, its numbers as they are written; None if it is no JSON."""
    try:
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return None


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Keys that come again keep their values: a, a (2)."""
    found: dict[str, Any] = {}
    repeats: dict[str, int] = {}
    for key, value in pairs:
        unique = key
        while unique in found:
            repeats[key] = repeats.get(key, 1) + 1
            unique = f"{key} ({repeats[key]})"
        found[unique] = value
    return found


def _values(text: str) -> list[Any]:
    """A value for each line; a line that is no JSON is a text."""
    lines = (line.strip() for line in text.split("\n"))
    return [line if (value := _value(line)) is None and line != "null" else value for line in lines if line]


def _lines(text: str) -> list[Block]:
    outline = Outline(Lines.of(text))
    outline.add("code", 0, len(outline.lines))
    return outline.blocks


def title_of(value: Any) -> str:
    """The title that an object has of its own."""
    found = value.get("title") if isinstance(value, dict) else None
    return " ".join(found.split()) if isinstance(found, str) else ""


# values to blocks


def blocks_of_value(value: Any) -> Iterator[Block]:
    """The blocks of what JSON, or XML that is data, holds. Raises TooLargeError over MAX_LINES."""
    budget = [MAX_LINES]
    yield from _blocks(value, (), budget)


def _blocks(value: Any, path: tuple[str, ...], budget: list[int]) -> Iterator[Block]:
    lines = _small(value, budget) if len(path) < MAX_DEPTH else list(_flat("", value, budget))
    if isinstance(value, dict) and len(path) < MAX_DEPTH and any(map(_table, value.values())):
        lines = None
    if table := _table(value):
        yield Block("table", table, headings=path)
    elif lines is not None:
        if lines:
            yield Block("paragraph", "\n".join(lines), headings=path)
    elif isinstance(value, dict):
        yield from _blocks_of_object(value, path, budget)
    elif isinstance(value, list):
        yield from _blocks_of_list(value, path, budget)
    else:
        yield Block("paragraph", scrub(str(value)), headings=path)


def _blocks_of_object(value: dict[str, Any], path: tuple[str, ...], budget: list[int]) -> Iterator[Block]:
    """First what fits together, in order, then what is large, each under its key."""
    together: list[str] = []
    large: list[tuple[str, Any]] = []
    for key, part in value.items():
        lines = _small(part, budget, key)
        if lines is None:
            large.append((key, part))
        else:
            if sum(map(len, together)) + sum(map(len, lines)) > SMALL and together:
                yield Block("paragraph", "\n".join(together), headings=path)
                together = []
            together += lines
    if together:
        yield Block("paragraph", "\n".join(together), headings=path)
    for key, part in large:
        heading = scrub(" ".join(key.split()))
        if heading:
            yield Block("heading", heading, headings=path)
        yield from _blocks(part, (*path, heading) if heading else path, budget)


def _blocks_of_list(value: list[Any], path: tuple[str, ...], budget: list[int]) -> Iterator[Block]:
    """A block for each item; an item that is large goes under what it is called."""
    scalars: list[str] = []
    for number, part in enumerate(value, 1):
        lines = _small(part, budget)
        if not isinstance(part, dict | list) and lines:
            scalars += [f"- {line}" for line in lines]
            continue
        if scalars:
            yield Block("list", "\n".join(scalars), headings=path)
            scalars = []
        if lines is None:
            name = _name(part) or str(number)
            yield Block("heading", name, headings=path)
            yield from _blocks(part, (*path, name), budget)
        elif lines:
            yield Block("paragraph", "\n".join(lines), headings=path)
    if scalars:
        yield Block("list", "\n".join(scalars), headings=path)


def _name(value: Any) -> str:
    names = (value.get(key) for key in _TITLES) if isinstance(value, dict) else ()
    return next((" ".join(scrub(name).split())[:100] for name in names if isinstance(name, str) and name.strip()), "")


def _small(value: Any, budget: list[int], key: str = "") -> list[str] | None:
    """The value's lines, each with its keys; None if they are too long for one passage, or a
    table."""
    if key and _table(value):
        return None
    found: list[str] = []
    size = 0
    for line in _flat(key, value, budget):
        found.append(line)
        size += len(line) + 1
        if size > SMALL and isinstance(value, dict | list):
            return None
    return found


def _flat(key: str, value: Any, budget: list[int]) -> Iterator[str]:
    """Lines of "a.b: value" for all that is in the value. Walks without recursion, as the depth is the file's."""
    pending: list[tuple[str, Any]] = [(key, value)]
    while pending:
        name, part = pending.pop()
        budget[0] -= 1
        if budget[0] < 0:
            raise TooLargeError(f"The file has more than {MAX_LINES:,} values.", hint="Split it into smaller files.")
        if isinstance(part, dict):
            pending += [(f"{name}.{inner}" if name else inner, part[inner]) for inner in reversed(part)]
        elif isinstance(part, list) and any(isinstance(item, dict | list) for item in part):
            pending += [(f"{name}[{number}]", part[number - 1]) for number in range(len(part), 0, -1)]
        else:
            text = ", ".join(map(_text, part)) if isinstance(part, list) else _text(part)
            if text:
                yield f"{scrub(name)}: {text}" if name else text


def _text(value: Any) -> str:
    """A value in words; "" for nothing."""
    if value is None or value == "":
        return ""
    return scrub(value).strip() if isinstance(value, str) else json.dumps(value)


def _table(value: Any) -> str:
    """A list of objects that have the same few short values, a line for each; "" for others."""
    if not isinstance(value, list) or len(value) < 3 or not all(isinstance(item, dict) for item in value):
        return ""
    columns = list(dict.fromkeys(key for item in value for key in item))
    if not 1 < len(columns) <= MAX_COLUMNS or sum(map(len, value)) < len(columns) * len(value) * 0.6:
        return ""
    rows = [[" ".join(scrub(column).split()) for column in columns]]
    for item in value:
        if any(isinstance(part, dict | list) for part in item.values()):
            return ""
        rows.append([" ".join(_text(item.get(column)).split()) for column in columns])
    if any(len(cell) > MAX_CELL for row in rows for cell in row):
        return ""
    return "\n".join("  ".join(row).rstrip() for row in rows)


# YAML


def _yaml_blocks(text: str) -> list[Block]:
    """Its own lines: each key at the left begins a block, and the keys in it do where it is long."""
    outline = Outline(Lines.of(text))
    _yaml_part(outline, 0, len(outline.lines), 0)
    return outline.blocks


def _yaml_part(outline: Outline, at: int, end: int, level: int) -> None:
    lines = outline.lines
    parts = _parts(lines, at, end)
    together = at
    for begins, ends in parts:
        key = _KEY.match(lines.line(_first_content(lines, begins, ends)).strip())
        name = next((group for group in key.groups() if group), "").strip() if key else ""
        size = lines.starts[ends] - lines.starts[begins]
        if not name or size <= SMALL or level >= MAX_DEPTH:
            if lines.starts[ends] - lines.starts[together] > SMALL and begins > together:
                outline.add("code", together, begins)
                together = begins
            continue
        outline.add("code", together, begins)
        first = _first_content(lines, begins, ends)
        outline.add("code", begins, first)  # the comment above
        outline.heading(level, name, first)
        value = lines.line(first).strip()[key.end() :].strip() if key else ""
        if value or first + 1 >= ends:
            outline.add("code", first, ends)
        else:
            _yaml_part(outline, first + 1, ends, level + 1)
        outline.heading(level, "", first)
        together = ends
    outline.add("code", together, end)


def _first_content(lines: Lines, at: int, end: int) -> int:
    """The first line that is no comment; the last one if all are."""
    return next((n for n in range(at, end) if lines.line(n).strip() and lines.line(n).lstrip()[:1] != "#"), end - 1)


def _parts(lines: Lines, at: int, end: int) -> list[tuple[int, int]]:
    """The runs of lines that begin at the least indent, each with the comments above it."""
    content = [n for n in range(at, end) if lines.line(n).strip() and lines.line(n).lstrip()[:1] != "#"]
    least = min((lines.indent(n) for n in content), default=0)
    starts: list[int] = []
    for n in content:
        if lines.indent(n) == least:
            while n > at and (not starts or n - 1 > starts[-1]) and lines.line(n - 1).lstrip()[:1] == "#":
                n -= 1
            starts.append(n)
    return list(zip(starts, [*starts[1:], end], strict=True)) if starts else [(at, end)]
