"""Filters: each keeps to what it names, and says what is wrong with what names nothing."""

import os
import time
from dataclasses import replace

import numpy as np
import pytest

from errors import UsageError
from ingest.catalog import Catalog, NewPassage
from ingest.types import TYPE_FAMILIES, Filters, Passage, Source

MAY_17 = 1_715_940_000_000_000_000  # ns; 2024-05-17 10:00 UTC


def store(catalog: Catalog, path: str, *languages: str, **known: object) -> Source:
    """A source with a passage in each of the languages."""
    languages = languages or ("en",)
    passages = [
        NewPassage(Passage(f"{path}#{n}", path, n, "Text.", (), "paragraph", None, None, (), 3, language), path)
        for n, language in enumerate(languages)
    ]
    vectors = {} if catalog.known_vectors([passages[0].vector_key]) else {passages[0].vector_key: np.ones(4)}
    source = replace(Source("/library", path, 1, MAY_17, path, "indexed", passages=len(passages)), **known)  # type: ignore[arg-type]
    catalog.store(source, passages, vectors)
    return source


def paths(catalog: Catalog, filters: Filters) -> set[str]:
    rows = catalog.rows_within(filters)
    assert rows is not None
    assert rows.tolist() == sorted(set(rows.tolist()))
    return {passage.path for passage in catalog.passages(rows.tolist()).values()}


def within(catalog: Catalog, *named: str) -> set[str]:
    return paths(catalog, Filters(within=named))


def test_without_filters_all_passages_are_searched(catalog: Catalog) -> None:
    assert catalog.rows_within(Filters()) is None


# by place


def test_a_folder_is_searched_with_all_below_it_and_nothing_beside_it(catalog: Catalog) -> None:
    for path in ("home/a.txt", "home/x/b.txt", "home2/c.txt", "ho_e/d.txt"):
        store(catalog, path)
    assert within(catalog, "home") == within(catalog, "home/") == {"home/a.txt", "home/x/b.txt"}
    assert within(catalog, "ho_e") == {"ho_e/d.txt"}
    assert within(catalog, "home/a.txt", "home2") == {"home/a.txt", "home2/c.txt"}


def test_a_place_is_found_whatever_its_case_and_wherever_it_lies_unless_it_is_there_as_written(
    catalog: Catalog,
) -> None:
    for path in ("Work/Contratación/Lease.pdf", "work/a.txt", "home/lease.pdf"):
        store(catalog, path)
    assert within(catalog, "work") == {"work/a.txt"}
    assert within(catalog, "WORK") == {"Work/Contratación/Lease.pdf", "work/a.txt"}
    assert within(catalog, "CONTRATACIÓN") == {"Work/Contratación/Lease.pdf"}
    assert within(catalog, "contratacio\u0301n") == {"Work/Contratación/Lease.pdf"}  # as macOS writes it
    assert within(catalog, "lease.pdf") == {"Work/Contratación/Lease.pdf", "home/lease.pdf"}
    with pytest.raises(UsageError):
        within(catalog, "ease.pdf")


def test_a_document_inside_a_file_belongs_to_it(catalog: Catalog) -> None:
    store(catalog, "mail.eml")
    store(catalog, "mail.eml/offer.pdf", container="mail.eml")
    assert within(catalog, "mail.eml") == {"mail.eml", "mail.eml/offer.pdf"}
    assert paths(catalog, Filters(types=("pdf",))) == {"mail.eml/offer.pdf"}


def test_a_tag_keeps_to_the_notes_that_have_it_or_one_below_it(catalog: Catalog) -> None:
    for path, tags in (("a.md", ("Work/Atlas",)), ("b.md", ("work", "home")), ("c.md", ("workshop",)), ("#work", ())):
        store(catalog, path, tags=tags)
    assert within(catalog, "#work") == {"a.md", "b.md", "#work"}
    assert within(catalog, "#WORK/atlas") == {"a.md"}
    assert within(catalog, "#home", "c.md") == {"b.md", "c.md"}
    assert paths(catalog, Filters(tags=("work",))) == paths(catalog, Filters(tags=("#work",))) == {"a.md", "b.md"}
    with pytest.raises(UsageError, match="#none"):
        within(catalog, "#none")


def test_a_note_in_brackets_keeps_to_it_and_what_it_is_linked_with(catalog: Catalog) -> None:
    linked = {"Atlas.md": ("notes/plan",), "notes/Plan.md": (), "diary.md": ("atlas", "gone"), "other.md": ("plan",)}
    for path, links in linked.items():
        store(catalog, path, links=links)
    assert within(catalog, "[[Atlas]]") == {"Atlas.md", "notes/Plan.md", "diary.md"}
    assert within(catalog, "[[plan]]") == {"notes/Plan.md", "Atlas.md", "other.md"}
    with pytest.raises(UsageError, match="nowhere"):
        within(catalog, "[[nowhere]]")


def test_a_note_that_is_linked_in_two_folders_of_the_library_is_found_in_both(catalog: Catalog) -> None:
    store(catalog, "a.md", links=("b",))
    store(catalog, "b.md")
    again = Passage("again", "b.md", 0, "Text.", (), "paragraph", None, None, (), 3, "en")
    catalog.store(Source("/other", "b.md", 1, 1, "x", "indexed", passages=1), [NewPassage(again, "b.md")], {})
    rows = catalog.rows_within(Filters(within=("[[a]]",)))
    assert rows is not None
    assert len(rows) == 3


# by type


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("pdf", {"a.pdf"}),
        (".PDF", {"a.pdf"}),
        ("office", {"b.docx", "c.xlsx", "d.pptx", "e.odp", "f.rtf", "o.ods"}),
        ("document", {"b.docx", "f.rtf"}),
        ("documents", {"b.docx", "f.rtf"}),
        ("slides", {"d.pptx", "e.odp"}),
        ("table", {"c.xlsx", "g.csv", "o.ods"}),
        ("mail", {"h.eml", "i.msg"}),
        ("image", {"j.JPG", "k.png"}),
        ("jpeg", {"j.JPG"}),
        ("note", {"l.md"}),
        ("web", {"m.html"}),
        ("code", {"n.py"}),
        ("docx", {"b.docx"}),
    ],
)
def test_a_type_is_a_family_or_a_suffix(catalog: Catalog, named: str, expected: set[str]) -> None:
    names = "a.pdf b.docx c.xlsx d.pptx e.odp f.rtf g.csv h.eml i.msg j.JPG k.png l.md m.html n.py o.ods"
    for name in names.split():
        store(catalog, name)
    assert paths(catalog, Filters(types=(named,))) == expected


def test_a_pdf_is_one_whatever_its_name(catalog: Catalog) -> None:
    store(catalog, "scan.txt", media_type="application/pdf")
    assert paths(catalog, Filters(types=("pdf",))) == {"scan.txt"}


def test_every_format_belongs_to_a_family() -> None:
    from ingest.filters import _suffixes
    from ingest.parse import SUFFIXES

    of_families = set().union(*(_suffixes(family) for family in TYPE_FAMILIES))
    assert of_families == set(SUFFIXES)


# by language


def test_a_language_is_that_of_the_passage_by_code_or_name(catalog: Catalog) -> None:
    store(catalog, "both.txt", "en", "es")
    store(catalog, "en.txt", "en")
    for named in ("es", "ES", "Spanish", "español", "espanol", "Castellano"):
        rows = catalog.rows_within(Filters(languages=(named,)))
        assert rows is not None
        assert [passage.id for passage in catalog.passages(rows.tolist()).values()] == ["both.txt#1"]
    assert paths(catalog, Filters(languages=("es",), within=("both.txt",))) == {"both.txt"}
    with pytest.raises(UsageError, match=r"all of in en\.txt, language es"):
        catalog.rows_within(Filters(languages=("es",), within=("en.txt",)))


# by date


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("2024", "", {"may", "june", "year"}),
        ("2024-05", "", {"may", "june", "year"}),
        ("2024-06", "", {"june", "year"}),
        ("2024-05-18", "", {"june", "year"}),
        ("", "2024-05-17", {"2023", "may", "year"}),
        ("", "2023", {"2023"}),
        ("2024-05", "2024-05", {"may", "year"}),
        ("2024", "2024", {"may", "june", "year"}),
    ],
)
def test_dates_include_both_ends_and_all_of_a_year_or_month(
    catalog: Catalog, since: str, until: str, expected: set[str]
) -> None:
    dates = {"2023": "2023-12-31T23:59:59+02:00", "may": "2024-05-17", "june": "2024-06", "year": "2024"}
    for name, said in dates.items():
        store(catalog, name, metadata={"created": said})
    assert paths(catalog, Filters(since=since, until=until)) == expected


def test_a_documents_own_date_goes_before_its_containers_and_that_before_the_files(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    store(catalog, "own.pdf", metadata={"created": "2001-01-01", "modified": "2002-01-01", "author": "2003"})
    store(catalog, "mail.eml", metadata={"date": "2004-01-01", "created": "2001-01-01"})
    store(catalog, "mail.eml/a.txt", container="mail.eml")
    store(catalog, "mail.eml/b.pdf", container="mail.eml", metadata={"created": "2005-01-01"})
    store(catalog, "odd.txt", metadata={"date": "yesterday"})
    for year, expected in {
        "2002": {"own.pdf"},
        "2004": {"mail.eml", "mail.eml/a.txt"},
        "2005": {"mail.eml/b.pdf"},
        "2024-05-17": {"odd.txt"},
    }.items():
        assert paths(catalog, Filters(since=year, until=year)) == expected
    monkeypatch.undo()
    time.tzset()


def test_a_files_day_is_the_one_that_its_owner_sees(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    store(catalog, "late.txt")
    monkeypatch.setitem(os.environ, "TZ", "Pacific/Kiritimati")  # 14 hours ahead
    time.tzset()
    assert paths(catalog, Filters(since="2024-05-18")) == {"late.txt"}
    monkeypatch.undo()
    time.tzset()


# together


def test_each_kind_narrows_and_the_values_of_one_kind_widen(catalog: Catalog) -> None:
    for path in ("home/a.pdf", "home/b.md", "work/c.pdf", "work/d.eml"):
        store(catalog, path)
    assert paths(catalog, Filters(within=("home", "work"), types=("pdf",))) == {"home/a.pdf", "work/c.pdf"}
    assert paths(catalog, Filters(within=("work",), types=("pdf", "mail"))) == {"work/c.pdf", "work/d.eml"}


@pytest.mark.parametrize(
    ("filters", "message", "hint"),
    [
        (Filters(within=("hme",)), "under 'hme'", "mean 'home'"),
        (Filters(within=("home", "xyz")), "under 'xyz'", "cita list"),
        (Filters(within=("home/leese.pdf",)), "home/leese.pdf", "mean 'home/lease.pdf'"),
        (Filters(types=("pfd",)), "type 'pfd'", "mean 'pdf'"),
        (Filters(types=("zebra",)), "type 'zebra'", "Types are pdf, office"),
        (Filters(types=("mail",)), "type 'mail'", "cita list"),
        (Filters(tags=("wrk",)), "tag 'wrk'", "mean 'work'"),
        (Filters(languages=("Klingon",)), "'Klingon'", "in en, es"),
        (Filters(languages=("spansh",)), "'spansh'", "mean 'spanish'"),
        (Filters(languages=("fr",)), "'fr'", "in en, es"),
        (Filters(since="last week"), "'last week' is no date", "2024-05-17"),
        (Filters(until="2024-13"), "'2024-13' is no date", "2024-05-17"),
        (Filters(until="2023-02-29"), "'2023-02-29' is no date", "2024-05-17"),
        (Filters(since="2024", until="2023-12"), "since 2024 and until 2023-12", "Exchange"),
        (Filters(since="2030"), "dated since 2030", "2024-05-1"),
        (Filters(types=("pdf",), tags=("work",)), "type pdf, tag work", "Leave one"),
    ],
)
def test_what_names_nothing_is_said_with_the_nearest_that_is_there(
    catalog: Catalog, filters: Filters, message: str, hint: str
) -> None:
    store(catalog, "home/lease.pdf", "en", "es")
    store(catalog, "home/note.md", tags=("work",))
    with pytest.raises(UsageError) as raised:
        catalog.rows_within(filters)
    assert message in raised.value.message
    assert hint in raised.value.hint


def test_in_an_empty_library_a_filter_is_an_error_and_no_crash(catalog: Catalog) -> None:
    for filters in (Filters(within=("a",)), Filters(types=("pdf",)), Filters(tags=("a",)), Filters(since="2024")):
        with pytest.raises(UsageError):
            catalog.rows_within(filters)


# kept until something changes


def test_a_filter_follows_every_change_of_the_sources(catalog: Catalog) -> None:
    first = store(catalog, "home/a.md", links=("b",))
    assert within(catalog, "home") == within(catalog, "[[a]]") == {"home/a.md"}
    store(catalog, "home/b.md")
    assert within(catalog, "home") == within(catalog, "[[a]]") == {"home/a.md", "home/b.md"}
    catalog.settle(moves=[(first, replace(first, path="work/a.md"), ["new"])])
    assert within(catalog, "home") == {"home/b.md"}
    touched = replace(first, path="work/a.md", mtime_ns=MAY_17 + 400 * 86_400 * 10**9)
    assert paths(catalog, Filters(until="2024")) == {"work/a.md", "home/b.md"}
    catalog.settle(touches=[touched])
    assert paths(catalog, Filters(until="2024")) == {"home/b.md"}
    catalog.settle(removals=[touched])
    assert within(catalog, "home") == {"home/b.md"}
    with pytest.raises(UsageError):
        within(catalog, "work")


def test_a_filter_is_looked_up_once_while_nothing_changes(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    store(catalog, "home/a.md")
    once = catalog.rows_within(Filters(within=("home",)))
    asked: list[str] = []
    read = catalog._db.read
    monkeypatch.setattr(catalog._db, "read", lambda query, values=(): asked.append(query) or read(query, values))
    assert catalog.rows_within(Filters(within=("home",))) is once
    assert len(asked) == 1  # whether anything has changed
