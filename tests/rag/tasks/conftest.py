"""A home with a lease in two versions and a folder of offers, indexed by the real engine."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from engine import LocalEngine, open_engine
from models.types import EXTRACTIVE
from rag.tasks.types import Report, Task, TaskFinished, TaskProgress
from settings import Settings

OLD = """# Lease

## Notice

The notice period is thirty days. Notice is given in writing to the landlord.

## Deposit

The deposit is 1,200 euros. It is returned within a month.

## Pets

Pets are allowed in the flat.

## Parking

The tenant may use one parking space behind the house.
"""
NEW = """# Lease

## Notice

The notice period is sixty days. Notice is given in writing to the landlord.

## Deposit

The deposit is 1,200 euros. The deposit is returned within one month.

## Pets

Pets are not allowed in the flat.

## Insurance

The tenant keeps a home insurance with Aseguradora Norte.
"""
OFFERS = {
    "offers/alba.md": "# Alba\n\nThe price of the work is 900 euros.\n\nThe work takes three weeks.\n",
    "offers/brisa.md": "# Brisa\n\nThe price of the work is 1,150 euros.\n",
    "offers/cabo.md": "# Cabo\n\nPrice: =2+3 euros\nColour: blue\n",
}


@pytest.fixture
def engine(ready_settings: Settings) -> Iterator[LocalEngine]:
    for name, text in {"lease/old.md": OLD, "lease/new.md": NEW, **OFFERS}.items():
        file = ready_settings.library / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    opened = open_engine(ready_settings)
    assert isinstance(opened, LocalEngine)
    with closing(opened):
        opened.index()
        yield opened


def use(monkeypatch: pytest.MonkeyPatch, model: Any) -> None:
    """That all who write, but `extractive`, are this model."""

    def written_by(
        _: LocalEngine, name: str, __: object, extractive: Any, events: Callable[[Any], Iterator[Any]], ___: object
    ) -> Iterator[Any]:
        return events(extractive if name == EXTRACTIVE.name else model)

    monkeypatch.setattr(LocalEngine, "_written_by", written_by)


def done(engine: LocalEngine, task: Task, model: str = "extractive") -> Report:
    """The report of a task; its progress must have ended where it said."""
    *before, last = engine.work(task, model)
    assert isinstance(last, TaskFinished)
    progress = before[-1]
    assert isinstance(progress, TaskProgress)
    assert progress.done == progress.total == last.report.parts
    return last.report


def check_quotes(engine: LocalEngine, report: Report) -> None:
    """Every citation's quote stands in its passage, and what is said cites one that is there."""
    for citation in report.citations:
        assert engine.passage(citation.id).text[citation.start : citation.end] == citation.quote
    said = [sentence for section in report.sections for sentence in section.sentences]
    said += [cell for row in report.rows for cell in row.cells if cell.text]
    assert said
    for sentence in said:
        assert sentence.citations
        assert set(sentence.citations) <= {citation.n for citation in report.citations}
