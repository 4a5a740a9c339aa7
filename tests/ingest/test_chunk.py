"""Passages: whole, exact, within the embedder's window, under their headings."""

import hashlib
import random
from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.chunk import LONGEST_TOKEN, VERSION, Key, chunk, group_units, renamed_ids
from ingest.types import Block, BlockKind, Document, Passage, Span
from settings import Chunk
from tests.fakes import WordEmbedder

SMALL = Chunk(tokens=16, heading_tokens=6)


def document(*blocks: Block, title: str = "Lease") -> Document:
    return Document(title, "text/plain", "test", blocks)


def block(text: str, *headings: str, kind: BlockKind = "paragraph", page: int | None = None) -> Block:
    return Block(kind, text, page, headings, Span(page, 0, len(text)))


def passages(doc: Document, settings: Chunk = SMALL, window: int = 32) -> list[Passage]:
    return [new.passage for new in chunk(doc, "/library", "a/lease.txt", WordEmbedder(window), settings)]


def test_a_passage_never_crosses_a_heading() -> None:
    found = passages(document(block("Rent is due.", "Lease", "Rent"), block("No pets.", "Lease", "Pets")))
    assert [(p.text, p.section) for p in found] == [("Rent is due.", "Lease > Rent"), ("No pets.", "Lease > Pets")]


def test_short_neighbours_of_a_section_share_a_passage() -> None:
    (found,) = passages(document(block("Rent is due.", "Rent", page=1), block("Pay by transfer.", "Rent", page=2)))
    assert found.text == "Rent is due.\n\nPay by transfer."
    assert (found.page, found.page_to) == (1, 2)


def test_a_heading_is_embedded_with_its_text_but_not_quoted() -> None:
    (new,) = chunk(document(block("No pets.", "Rules"), title="Lease"), "/library", "x.txt", WordEmbedder(), SMALL)
    assert new.passage.text == "No pets."
    assert new.embedded_text == "Lease\nRules\nNo pets."


def test_a_heading_with_nothing_under_it_can_still_be_found() -> None:
    found = passages(document(block("Appendix", kind="heading"), block("Notes", kind="heading")))
    assert [p.text for p in found] == ["Appendix\n\nNotes"]


def test_a_heading_above_text_is_not_repeated_as_text() -> None:
    found = passages(document(block("Rules", kind="heading"), block("No pets.", "Rules")))
    assert [p.text for p in found] == ["No pets."]


def test_a_file_name_is_not_embedded_so_that_a_rename_embeds_nothing() -> None:
    (new,) = chunk(document(block("No pets."), title=""), "/library", "lease.txt", WordEmbedder(), SMALL)
    assert new.embedded_text == "No pets."


def test_every_passage_of_a_long_table_has_the_header_row() -> None:
    rows = "\n".join(f"Room {n}  {n}0 euros" for n in range(20))
    found = passages(document(block(f"Name  Price\n{rows}", kind="table")))
    assert len(found) > 2
    assert all(p.text.startswith("Name  Price\n") for p in found)
    assert all(any(f"Room {n}  {n}0 euros" in p.text for p in found) for n in range(20))


def test_code_is_cut_between_lines_only() -> None:
    code = "\n".join(f"value_{n} = compute({n})" for n in range(30))
    found = passages(document(block(code, kind="code")))
    assert [line for p in found for line in p.text.split("\n")] == code.split("\n")


def test_equal_passages_of_a_source_have_different_ids() -> None:
    found = passages(document(block("Same.", "A"), block("Other.", "B"), block("Same.", "A")))
    assert len({p.id for p in found}) == 3


def test_ids_do_not_depend_on_the_position() -> None:
    before = passages(document(block("Rent.", "A"), block("Pets.", "B")))
    after = passages(document(block("New.", "Z"), block("Rent.", "A"), block("Pets.", "B")))
    assert {p.id for p in before} < {p.id for p in after}


def test_equal_files_of_two_folders_have_different_ids() -> None:
    doc = document(block("Same.", "A"))
    (one,), (other,) = (chunk(doc, folder, "a.txt", WordEmbedder(), SMALL) for folder in ("/one", "/other"))
    assert one.passage.id != other.passage.id
    assert one.vector_key == other.vector_key
    assert renamed_ids("/other", "a.txt", [one.passage]) == [other.passage.id]


def test_renamed_ids_are_those_of_a_fresh_index_under_the_new_name() -> None:
    doc = document(block("Same.", "A"), block("Other.", "B"), block("Same.", "A"))
    old = passages(doc)
    fresh = [new.passage.id for new in chunk(doc, "/library", "b.txt", WordEmbedder(32), SMALL)]
    assert renamed_ids("/library", "b.txt", old) == fresh


def test_a_word_that_never_ends_is_cut_into_passages_of_bounded_length() -> None:
    found = passages(document(block("Logo: data:image/png;base64," + "iVBORw0KGgo" * 10_000)))
    assert max(len(p.text) for p in found) <= SMALL.tokens * LONGEST_TOKEN
    assert "".join("".join(p.text.split()) for p in found).endswith("iVBORw0KGgo" * 10_000)


def test_code_is_cut_at_empty_lines_where_there_are_any() -> None:
    functions = [f"def f{n}(x):\n    y = x + {n}" for n in range(40)]
    found = passages(document(block("\n\n".join(functions), kind="code")))
    assert all(p.text.startswith("def f") for p in found)


def test_a_long_paragraph_shares_its_first_and_last_passage_only() -> None:
    long = " ".join(f"Clause {n} is agreed." for n in range(40))
    found = passages(document(block("Before."), block(long), block("After.")))
    assert found[0].text.startswith("Before.")
    assert found[-1].text.endswith("After.")
    assert all(p.text in long for p in found[1:-1])


def prose(count: int) -> list[str]:
    """Paragraphs of 6 words each, all different."""
    choose = random.Random(7)
    return [f"the {choose.randrange(10**6):x} of the {choose.randrange(10**6):x} goods" for _ in range(count)]


def edits(units: list[str], edit: str) -> list[list[str]]:
    """The units with one of them replaced, preceded by a new one, or gone; at ten places."""
    changed: dict[str, list[str]] = {"replace": ["some new words"], "insert": ["some new words", ""], "delete": []}
    return [
        [*units[:at], *(new or units[at] for new in changed[edit]), *units[at + 1 :]]
        for at in range(3, len(units), len(units) // 10)
    ]


def as_paragraphs(units: list[str]) -> Document:
    return document(*(block(unit) for unit in units))


def as_sentences(units: list[str]) -> Document:
    return document(block(" ".join(f"The {unit}." for unit in units)))


def as_words(units: list[str]) -> Document:
    return document(block(" ".join(units)))


def as_code(units: list[str]) -> Document:
    return document(block("\n".join(units), kind="code"))


def as_table(units: list[str]) -> Document:
    return document(block("\n".join(["one two", *units]), kind="table"))


def as_list(units: list[str]) -> Document:
    return document(*(block(f"- {unit}", kind="list") for unit in units))


@pytest.mark.parametrize("edit", ["replace", "insert", "delete"])
@pytest.mark.parametrize("make", [as_paragraphs, as_sentences, as_words, as_code, as_table, as_list])
@pytest.mark.parametrize("units", [prose(300), prose(1) * 300, prose(5) * 60], ids=["different", "equal", "periodic"])
def test_an_edit_embeds_only_passages_around_it(units: list[str], make, edit: str) -> None:  # type: ignore[no-untyped-def]
    def texts(units: list[str]) -> set[str]:
        settings = Chunk(tokens=48, heading_tokens=6)
        untitled = replace(make(units), title="")
        return {new.embedded_text for new in chunk(untitled, "/library", "x.txt", WordEmbedder(), settings)}

    before = texts(units)
    new = sorted(len(texts(edited) - before) for edited in edits(units, edit))
    assert new[len(new) // 2] <= 4
    assert new[-1] <= 8


def test_passages_change_with_the_version_only() -> None:
    """Whoever changes where passages begin must change VERSION, or documents indexed before keep other passages."""
    doc = document(*(block(unit) for unit in prose(30)), block("\n".join(prose(60)), kind="code"))
    texts = "\0".join(p.text for p in passages(doc))
    assert (VERSION, hashlib.sha256(texts.encode()).hexdigest()[:12]) == ("5", "f2729147bdfb")


SIZES = st.lists(st.integers(0, 20), min_size=1, max_size=300)


def keys(count: int, seed: int) -> list[Key]:
    choose = random.Random(seed)
    return [(choose.randrange(2), choose.randbytes(8)) for _ in range(count)]


@given(SIZES, st.integers(0, 99))
def test_groups_hold_every_unit_once_in_order_and_never_exceed_the_limit(sizes: list[int], seed: int) -> None:
    found = list(group_units(sizes, keys(len(sizes), seed), 20))
    assert [i for group in found for i in range(group.start, group.stop)] == list(range(len(sizes)))
    assert all(group.start < group.stop and sum(sizes[group]) <= 20 for group in found)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=300), st.integers(0, 99))
def test_groups_are_at_least_half_full_on_average(sizes: list[int], seed: int) -> None:
    found = list(group_units(sizes, keys(len(sizes), seed), 20))
    assert len(found) <= 2 * sum(sizes) / 20 + 1


@given(st.lists(st.integers(1, 20), min_size=200, max_size=400), st.data())
def test_boundaries_far_from_an_edit_stay(sizes: list[int], data: st.DataObject) -> None:
    limit, far = 20, 15
    before = list(zip(sizes, keys(len(sizes), 1), strict=True))
    at = data.draw(st.integers(0, len(before) - 1))
    new = list(zip(data.draw(st.lists(st.integers(1, 20), max_size=2)), keys(2, 2), strict=False))
    after = [*before[:at], *new, *before[at + 1 :]]

    def boundaries(units: list[tuple[int, Key]]) -> set[tuple[int, Key]]:
        """Where groups begin: tokens from the nearer side of the edit, and the key there."""
        starts = [0, *accumulate(size for size, _ in units)]
        rest = len(before) - at - 1
        end = starts[len(units) - rest]
        begun = [group.start for group in group_units([n for n, _ in units], [key for _, key in units], limit)]
        left = {(starts[i] - starts[at], units[i][1]) for i in begun if starts[i] < starts[at] - far * limit}
        right = {(starts[i] - end, units[i][1]) for i in begun if starts[i] > end + far * limit}
        return left | right

    assert boundaries(before) == boundaries(after)


TEXTS = st.text(alphabet=st.sampled_from("ab c.D\n é1,"), min_size=1, max_size=400)


@given(st.lists(st.tuples(TEXTS, st.sampled_from(["paragraph", "list", "code", "table"])), max_size=6))
def test_no_passage_exceeds_the_window_and_no_word_is_lost(parts: list[tuple[str, BlockKind]]) -> None:
    embedder = WordEmbedder(window=24)
    doc = document(*(block(text, "Heading", kind=kind) for text, kind in parts))
    found = chunk(doc, "/library", "x.txt", embedder, SMALL)
    assert all(len(embedder.offsets(new.embedded_text)) + 2 <= embedder.window for new in found)
    assert all(new.passage.tokens <= embedder.window for new in found)
    joined = "".join("".join(new.passage.text.split()) for new in found)
    wanted = ["".join(text.split()) for text, kind in parts if kind != "table"]
    for text in wanted:
        assert set(text) <= set(joined)
    if all(kind != "table" for _, kind in parts):
        assert joined == "".join(wanted)


@given(TEXTS)
def test_a_passage_of_plain_text_is_where_its_span_says(text: str) -> None:
    for new in chunk(document(block(text)), "/library", "x.txt", WordEmbedder(64), SMALL):
        pieces = [text[span.start : span.end] for span in new.passage.spans]
        assert "".join("".join(pieces).split()) == "".join(new.passage.text.split())
