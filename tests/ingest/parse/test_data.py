import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import TooLargeError
from ingest.parse import data
from ingest.types import Document


def parse(tmp_path: Path, content: str, name: str = "a.json") -> Document:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return data.parse(path)


def read(tmp_path: Path, content: str, name: str = "a.json") -> list[tuple[str, str, tuple[str, ...]]]:
    return [(block.kind, block.text, block.headings) for block in parse(tmp_path, content, name).blocks]


def test_an_object_is_lines_in_which_no_value_stands_without_its_keys(tmp_path: Path) -> None:
    content = '{"title": "Lease", "rent": {"amount": 1200.50, "paid": true, "by": null}, "rooms": ["hall", "bath"]'
    content += ', "a": [{"b": 1}]}'
    assert read(tmp_path, content) == [
        ("paragraph", "title: Lease\nrent.amount: 1200.50\nrent.paid: true\nrooms: hall, bath\na[1].b: 1", ()),
    ]
    assert parse(tmp_path, content).title == "Lease"


def test_like_objects_are_a_table_with_their_keys_as_its_header(tmp_path: Path) -> None:
    records = [{"name": f"Tool {n}", "price": n, "in stock": n % 2 == 0} for n in range(3)]
    assert read(tmp_path, json.dumps(records)) == [
        ("table", "name  price  in stock\nTool 0  0  true\nTool 1  1  false\nTool 2  2  true", ()),
    ]


def test_what_is_long_stands_under_its_keys(tmp_path: Path) -> None:
    long = "A long text. " * 60
    content = json.dumps(
        {"id": 7, "clauses": {"rent": {"text": long}, "repairs": {"text": long}}, "notes": [long, long]}
    )
    blocks = read(tmp_path, content)
    assert [(kind, headings) for kind, _, headings in blocks] == [
        ("paragraph", ()), ("heading", ()), ("paragraph", ("clauses",)), ("paragraph", ("clauses",)),
        ("heading", ()), ("list", ("notes",)),
    ]  # fmt: skip
    assert blocks[2][1].startswith("rent.text: A long text.")


def test_records_that_are_long_are_called_by_what_they_are_called(tmp_path: Path) -> None:
    record = {"name": "Oven", "parts": [{"part": n, "of": {"what": "x" * 90}} for n in range(20)]}
    assert [(kind, text) for kind, text, _ in read(tmp_path, json.dumps([record]))][:2] == [
        ("heading", "Oven"), ("paragraph", "name: Oven"),
    ]  # fmt: skip


def test_numbers_stay_as_they_are_written_and_no_key_is_lost_that_comes_again(tmp_path: Path) -> None:
    assert read(tmp_path, '{"n": 1.10, "n": 1e400, "x": NaN}') == [("paragraph", "n: 1.10\nn (2): 1e400\nx: NaN", ())]
    assert read(tmp_path, "1" * 6000) == [("paragraph", "1" * 6000, ())]  # more digits than Python turns into a number


def test_lines_of_json_are_records_and_a_line_that_is_none_stays_text(tmp_path: Path) -> None:
    content = '{"q": "Who?", "a": {"b": "Ada"}}\n\nnot json\n{"q": "When?"}\n'
    assert read(tmp_path, content, "a.jsonl") == [
        ("paragraph", "[1].q: Who?\n[1].a.b: Ada\n[2]: not json\n[3].q: When?", ())
    ]


@pytest.mark.parametrize("content", ['{"a": 1, "b": [', '{"a": 1} // a comment', "[" * 100_000, "{'a': 1}"])
def test_what_is_no_json_is_read_as_it_is_written(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content) == [("code", content, ())]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet="ab\n .", max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(alphabet="kl", max_size=3), inner, max_size=5),
    max_leaves=40,
)


@given(VALUES)
def test_every_value_is_somewhere_in_the_blocks(value: object) -> None:
    text = "\n".join(block.text for block in data.blocks_of_value(value))

    def check(part: object) -> None:
        if isinstance(part, dict | list):
            for inner in part.values() if isinstance(part, dict) else part:
                check(inner)
        elif part is not None and str(part).strip():
            assert all(word in text for word in (str(part).split() if isinstance(part, str) else [json.dumps(part)]))

    check(value)


def test_too_many_values_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(data, "MAX_LINES", 1000)
    with pytest.raises(TooLargeError, match="1,000 values"):
        parse(tmp_path, json.dumps([[n] for n in range(2000)]))


@pytest.mark.parametrize(
    "content",
    ['{"a":' * 900 + "1" + "}" * 900, json.dumps([{"k": n} for n in range(50_000)]), json.dumps(list(range(100_000))),
     json.dumps({f"key {n}": n for n in range(50_000)}), json.dumps([[{"a": "x" * 2000}] * 3] * 200)],
)  # fmt: skip
def test_values_made_to_cost_time_are_read_in_seconds(tmp_path: Path, content: str) -> None:
    started = time.monotonic()
    blocks = parse(tmp_path, content).blocks
    assert time.monotonic() - started < 5
    assert blocks
    assert all(len(block.headings) <= data.MAX_DEPTH for block in blocks)


YAML = """# How it is run
---
version: 1  # the file's
services:
  web:
    image: bread
{web}
  # The database
  "db":
    image: rye
{db}
last: true
"""


def test_yaml_keeps_its_lines_and_comments_under_the_keys_above(tmp_path: Path) -> None:
    lines = {name: "\n".join(f"    {name}_{n}: {'x' * 40}" for n in range(40)) for name in ("web", "db")}
    content = YAML.format(**lines)
    document = parse(tmp_path, content, "a.yaml")
    assert [(block.kind, block.text.split("\n")[0].split("_")[0], block.headings) for block in document.blocks] == [
        ("code", "# How it is run", ()),
        ("heading", "services", ()),
        ("heading", "web", ("services",)),
        ("code", "    image: bread", ("services", "web")),
        ("code", "    web", ("services", "web")),
        ("code", "  # The database", ("services",)),
        ("heading", "db", ("services",)),
        ("code", "    image: rye", ("services", "db")),
        ("code", "    db", ("services", "db")),
        ("code", "last: true", ()),
    ]
    for block in document.blocks:
        assert block.span is not None
        assert content[block.span.start : block.span.end] == block.text


def test_a_short_yaml_file_is_one_block(tmp_path: Path) -> None:
    assert read(tmp_path, "a: 1\nb:\n  - c\n", "a.yml") == [("code", "a: 1\nb:\n  - c", ())]


@given(st.text(alphabet="ab: -#\n\t'\"", max_size=150))
def test_nothing_of_yaml_is_lost(content: str) -> None:
    blocks = data._yaml_blocks(content)
    assert "".join("".join(block.text for block in blocks).split()) == "".join(content.split())


@pytest.mark.parametrize(
    "content", ["\n".join(" " * n + "a:" for n in range(1500)), "#\n" * 50_000, "a: &a [*a, *a]\n" * 10_000]
)
def test_yaml_made_to_cost_time_is_read_in_seconds(tmp_path: Path, content: str) -> None:
    started = time.monotonic()
    parse(tmp_path, content, "a.yaml")
    assert time.monotonic() - started < 5
