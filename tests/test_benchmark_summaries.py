"""benchmarks/summaries.py: what it counts, and that a set measured alone leaves the others' figures."""

from benchmarks.summaries import Made, made, read_report, report, sections_quoted
from evaluation.summaries import Summaries, Summarised
from ingest.types import Passage
from rag.tasks.work import Sentence
from settings import Settings

TEXT = """# Lease

## Notice

The notice period is thirty days. It is given in writing.

## Pets

Pets are allowed in the flat.
"""


def sentence(section: str) -> Sentence:
    passage = Passage(section, "a.md", 0, "text", (section,), "paragraph", None, None, (), 1, "en")
    return Sentence(passage, 0, 4)


def test_a_report_is_read_as_it_was_written() -> None:
    parts = {"chapters": ["| chapters | other | 11 | Cita | 1.0 | 2.0 | 3.0 | 4.0 | 100 % | 140 |"]}
    exactness = {"chapters": "| chapters | 21 | 2457 | 168 | 168 | 0.10 |"}
    assert read_report(report(parts, exactness)) == (parts, exactness)


def test_sections_are_counted_of_as_many_as_there_could_be() -> None:
    document = Summarised("a", "", "", "a")
    of_three = Made(document, (sentence("A"), sentence("A"), sentence("B"), sentence("C")), (), 0, 0)
    assert sections_quoted(of_three, [0, 2]) == 1.0
    assert sections_quoted(of_three, [0, 1]) == 0.5
    assert sections_quoted(of_three, [0, 1, 2, 3]) == 1.0
    assert sections_quoted(Made(document, (sentence("A"), sentence("A")), (), 0, 0), [0]) is None


def test_every_sentence_that_is_said_is_found_among_those_that_could_be_and_stands_where_it_says(
    ready_settings: Settings,
) -> None:
    given = Summaries("chapters", (Summarised("lease", TEXT, "A lease.", "lease"),), "short", True)
    ((found,), seconds) = made(given, ready_settings.home)
    assert found.said == found.exact == len(found.chosen) == 3
    assert {found.sentences[n].text for n in found.chosen} >= {"The notice period is thirty days."}
    assert seconds > 0
