"""Parts of the benchmark of questions that are measured one by one stand together in one report."""

from benchmarks.questions import PARTS, read_parts

REPORT = """# Questions and context

2026-01-01, made here.

## Follow-ups

| set | half |
|---|---|
| a | tune |

## Context

| set | budget |
|---|--:|
| b | 1000 |
"""


def test_the_tables_of_a_report_are_read_by_their_parts() -> None:
    found = read_parts(REPORT)
    assert found == {
        "follow-ups": "| set | half |\n|---|---|\n| a | tune |",
        "context": "| set | budget |\n|---|--:|\n| b | 1000 |",
    }
    assert set(found) <= set(PARTS)
    assert read_parts("") == {}
