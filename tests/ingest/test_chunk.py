"""Passages: whole, exact, within the embedder's window, under their headings."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.chunk import LONGEST_TOKEN, chunk, renamed_ids
from ingest.types import Block, BlockKind, Document, Span
from settings import Chunk
from tests.fakes import WordEmbedder

SMALL = Chunk(tokens=16, heading_tokens=6)


def document(*blocks: Block, title: str = "Lease") -> Document:
    return Document(title, "text/plain", "test", blocks)


def block(text: str, *headings: str, kind: BlockKind = "paragraph", page: int | None = None) -> Block:
    return Block(kind, text, page, headings, Span(page, 0, len(text)))


def passages(doc: Document, settings: Chunk = SMALL, window: int = 32, named_by_file: bool = False) -> list:
    return [new.passage for new in chunk(doc, "/library", "a/lease.txt", named_by_file, WordEmbedder(window), settings)]


def test_a_passage_never_crosses_a_heading() -> None:
    found = passages(document(block("Rent is due.", "Lease", "Rent"), block("No pets.", "Lease", "Pets")))
    assert [(p.text, p.section) for p in found] == [("Rent is due.", "Lease > Rent"), ("No pets.", "Lease > Pets")]


def test_short_neighbours_of_a_section_share_a_passage() -> None:
    (found,) = passages(document(block("Rent is due.", "Rent", page=1), block("Pay by transfer.", "Rent", page=2)))
    assert found.text == "Rent is due.\n\nPay by transfer."
    assert (found.page, found.page_to) == (1, 2)


def test_a_heading_is_embedded_with_its_text_but_not_quoted() -> None:
    (new,) = chunk(document(block("No pets.", "Rules"), title="Lease"), "/library", "x.txt", False, WordEmbedder(), SMALL)
    assert new.passage.text == "No pets."
    assert new.embedded_text == "Lease\nRules\nNo pets."


def test_a_heading_with_nothing_under_it_can_still_be_found() -> None:
    found = passages(document(block("Appendix", kind="heading"), block("Notes", kind="heading")))
    assert [p.text for p in found] == ["Appendix\n\nNotes"]


def test_a_heading_above_text_is_not_repeated_as_text() -> None:
    found = passages(document(block("Rules", kind="heading"), block("No pets.", "Rules")))
    assert [p.text for p in found] == ["No pets."]


def test_a_file_name_is_not_embedded_so_that_a_rename_embeds_nothing() -> None:
    (new,) = chunk(document(block("No pets."), title="lease"), "/library", "lease.txt", True, WordEmbedder(), SMALL)
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


def test_renamed_ids_are_those_of_a_fresh_index_under_the_new_name() -> None:
    doc = document(block("Same.", "A"), block("Other.", "B"), block("Same.", "A"))
    old = passages(doc)
    fresh = [new.passage.id for new in chunk(doc, "/library", "b.txt", False, WordEmbedder(32), SMALL)]
    assert renamed_ids("/library", "b.txt", old) == fresh


def test_a_word_that_never_ends_is_cut_into_passages_of_bounded_length() -> None:
    found = passages(document(block("Logo: data:image/png;base64," + "iVBORw0KGgo" * 10_000)))
    assert max(len(p.text) for p in found) <= SMALL.tokens * LONGEST_TOKEN
    assert "".join("".join(p.text.split()) for p in found).endswith("iVBORw0KGgo" * 10_000)


TEXTS = st.text(alphabet=st.sampled_from("ab c.D\n é1,"), min_size=1, max_size=400)


@given(st.lists(st.tuples(TEXTS, st.sampled_from(["paragraph", "list", "code", "table"])), max_size=6))
def test_no_passage_exceeds_the_window_and_no_word_is_lost(parts: list[tuple[str, BlockKind]]) -> None:
    embedder = WordEmbedder(window=24)
    doc = document(*(block(text, "Heading", kind=kind) for text, kind in parts))
    found = chunk(doc, "/library", "x.txt", False, embedder, SMALL)
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
    for new in chunk(document(block(text)), "/library", "x.txt", False, WordEmbedder(64), SMALL):
        pieces = [text[span.start : span.end] for span in new.passage.spans]
        assert "".join("".join(pieces).split()) == "".join(new.passage.text.split())
