"""Summaries without a model beside the first sentences and LexRank: ROUGE, citations, sections, words.

    python -m benchmarks.summaries --peers PYTHON [--data ../shared/data] [--work FOLDER] [--set NAME]...

Documents with a summary that a person wrote (evaluation/summaries.py says what of each set; none was made for this)
are indexed as Markdown and summarised by the engine as `cita summarise` does. The same number of their sentences, of
those that Cita may choose from, is then taken from the beginning, and chosen by LexRank as sumy has it; PYTHON is one
that has sumy and rouge-score (benchmarks/peers/requirements-summaries.txt). ROUGE is F1 over folded and stemmed words.
What Cita weighs was fitted on one half of the documents; both halves are shown. Exact: the sentences whose citation
quotes them word for word from where it says. Sections: of those a document has, how many its summary quotes, of as many
as it could.

Writes benchmarks/results/summaries.md; a set that is not measured anew stays. Exits with 1 if a citation is not exact.
"""

import argparse
import json
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, cast

from engine import LocalEngine, open_engine
from evaluation.summaries import SETS, Summaries, Summarised, load
from ingest.analyse import stem, words
from ingest.sentences import sentences
from ingest.types import Filters
from rag.tasks.summarise import fits
from rag.tasks.types import Report, Section, Summarise, TaskFinished
from rag.tasks.work import Sentence, sentences_of
from rag.types import Voice
from settings import CODE, Settings

PEER = Path(__file__).parent / "peers" / "summaries.py"
RESULTS = Path(__file__).parent / "results" / "summaries.md"
WAYS = {"cita": "Cita", "first": "first sentences", "lexrank": "LexRank"}
MEASURES = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeLsum": "ROUGE-L", "recall": "recall of 1"}


@dataclass(frozen=True)
class Made:
    """A document's sentences that may be chosen, which of them Cita chose, how many it said, how many exactly."""

    document: Summarised
    sentences: tuple[Sentence, ...]
    chosen: tuple[int, ...]
    said: int
    exact: int


def made(given: Summaries, home: Path) -> tuple[list[Made], float]:
    """What Cita makes of each document of a set, and the processor seconds that a summary takes."""
    library = home / "library"
    library.mkdir(parents=True, exist_ok=True)
    for document in given.documents:
        (library / f"{document.name}.md").write_text(document.text, encoding="utf-8")
    settings = Settings.load(home)
    for kept in settings.index.glob("tasks.db*"):  # of an earlier run
        kept.unlink()
    engine = cast(LocalEngine, open_engine(settings))
    try:
        report = engine.index()
        assert not report.failed, report.failed
        started = time.process_time()
        sections = summarised(engine, given)
        seconds = (time.process_time() - started) / len(given.documents)
        return [judged(engine, document, *sections[document.name]) for document in given.documents], seconds
    finally:
        engine.close()


def summarised(engine: LocalEngine, given: Summaries) -> dict[str, tuple[Section, Report]]:
    """The section on each document, by its name, with the report that it is of."""
    paths = [f"{document.name}.md" for document in given.documents]
    tasks = [[path] for path in paths] if given.alone else [paths]
    found = {}
    for within in tasks:
        *_, last = engine.work(Summarise(Filters(within=tuple(within))), "extractive", Voice(length=given.length))
        assert isinstance(last, TaskFinished)
        of_documents = [section for section in last.report.sections if section.kind == "document"]
        found |= {Path(section.title).stem: (section, last.report) for section in of_documents}
    return found


def judged(engine: LocalEngine, document: Summarised, section: Section, report: Report) -> Made:
    """Its sentences by their places in those that could be chosen; exact are those whose citation stands where it says
    it does and is what is said."""
    (source,) = engine._catalog.sources_at(f"{document.name}.md")
    every = sentences_of(engine._catalog.passages_of(source.folder, source.path))
    own = tuple([one for one in every if fits(one)] or every)
    places = {(one.passage.id, one.start, one.end): n for n, one in enumerate(own)}
    citations = {citation.n: citation for citation in report.citations}
    chosen, exact = [], 0
    for said in section.sentences:
        (citation,) = [citations[n] for n in said.citations]
        text = engine.passage(citation.id).text[citation.start : citation.end]
        exact += text == citation.quote and " ".join(text.split()) == said.text and citation.source == source.path
        chosen.append(places[citation.id, citation.start, citation.end])
    return Made(document, own, tuple(chosen), len(section.sentences), exact)


def analysed(text: str, language: str) -> list[str]:
    return [stem(word, language) for word in words(text)]


def by_peer(python: str, what: str, given: Sequence[dict[str, Any]]) -> list[Any]:
    """What benchmarks/peers/summaries.py makes of each."""
    lines = "".join(f"{json.dumps(one)}\n" for one in given)
    done = subprocess.run([python, str(PEER), what], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def chosen_by_all(found: Sequence[Made], python: str) -> dict[str, list[Sequence[int]]]:
    """For each way the sentences of each document, in their order."""
    asked = [
        {
            "sentences": [analysed(one.text, one.passage.language) for one in each.sentences],
            "most": len(each.chosen),
        }
        for each in found
    ]
    return {
        "cita": [each.chosen for each in found],
        "first": [range(len(each.chosen)) for each in found],
        "lexrank": [sorted(chosen) for chosen in by_peer(python, "lexrank", asked)],
    }


def scored(found: Sequence[Made], chosen: Sequence[Sequence[int]], python: str) -> list[dict[str, float]]:
    asked = []
    for each, numbers in zip(found, chosen, strict=True):
        language, summary = each.sentences[0].passage.language, each.document.summary
        parts = [summary[start:end] for start, end in sentences(summary)]
        asked.append(
            {
                "summary": [analysed(each.sentences[n].shown, language) for n in numbers],
                "reference": [analysed(part, language) for part in parts],
            }
        )
    return by_peer(python, "rouge", asked)


def sections_quoted(each: Made, numbers: Sequence[int]) -> float | None:
    """Of its sections, as many as the sentences could come from, the share that they do come from; None if it has but
    one."""
    sections = {one.passage.section for one in each.sentences}
    quoted = {each.sentences[n].passage.section for n in numbers}
    return len(quoted) / min(len(sections), len(numbers)) if len(sections) > 1 and numbers else None


def rows(given: Summaries, found: Sequence[Made], python: str) -> list[str]:
    lines = []
    for way, chosen in chosen_by_all(found, python).items():
        scores = scored(found, chosen, python)
        for half, is_tuned in (("tuned on", True), ("other", False)):
            own = [n for n, each in enumerate(found) if each.document.is_tuned_on == is_tuned and each.chosen]
            measures = [f"{100 * statistics.fmean(scores[n][name] for n in own):.1f}" for name in MEASURES]
            covered = [share for n in own if (share := sections_quoted(found[n], chosen[n])) is not None]
            said = [sum(len(found[n].sentences[m].shown.split()) for m in chosen[n]) for n in own]
            cells = [
                given.name, half, str(len(own)), WAYS[way], *measures,
                f"{100 * statistics.fmean(covered):.0f} %" if covered else "-", f"{statistics.fmean(said):.0f}",
            ]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def citations_row(given: Summaries, found: Sequence[Made], seconds: float) -> str:
    said, exact = sum(each.said for each in found), sum(each.exact for each in found)
    mean = statistics.fmean(len(each.document.text.split()) for each in found)
    return f"| {given.name} | {len(found)} | {mean:.0f} | {said} | {exact} | {seconds:.2f} |"


def report(parts: dict[str, list[str]], exactness: dict[str, str]) -> str:
    names = ["set", "half", "documents", "chosen by", *MEASURES.values(), "sections", "words"]
    return "\n".join(
        [
            "# Summaries without a model",
            "",
            f"{date.today()}, {platform.machine()}, Python {platform.python_version()}. Made by",
            "`python -m benchmarks.summaries`; what is measured is said there.",
            "",
            f"| {' | '.join(names)} |",
            f"|{'---|' * len(names)}",
            *(line for name in SETS for line in parts.get(name, [])),
            "",
            "Of all documents. Seconds: of the processor, for a summary of one, once it is indexed.",
            "",
            "| set | documents | words of one | sentences said | quoted exactly | seconds |",
            "|---|---|---|---|---|---|",
            *(exactness[name] for name in SETS if name in exactness),
            "",
        ]
    )


def read_report(text: str) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The rows of an earlier report by their sets: of the first table, and of the second."""
    parts: dict[str, list[str]] = {}
    exactness = {}
    for line in re.findall(r"(?m)^\| .* \|$", text):
        cells = line.strip("| ").split(" | ")
        if cells[0] in SETS and len(cells) > 6:
            parts.setdefault(cells[0], []).append(line)
        elif cells[0] in SETS:
            exactness[cells[0]] = line
    return parts, exactness


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=CODE.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, help="keeps the homes, so that nothing is indexed twice")
    parser.add_argument("--peers", metavar="PYTHON", help="a Python that has sumy and rouge-score")
    parser.add_argument("--set", action="append", dest="sets", choices=SETS, help="only this one")
    options = parser.parse_args()
    if not options.data.is_dir() or not options.peers:
        print(f"No data at {options.data}, or no --peers PYTHON: nothing measured.", file=sys.stderr)
        return 0
    parts, exactness = read_report(RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "")
    all_exact = True
    with tempfile.TemporaryDirectory() as temporary:
        for name in options.sets or SETS:
            given = load(name, options.data)
            found, seconds = made(given, (options.work or Path(temporary)) / re.sub(r"\W+", "-", name))
            parts[name] = rows(given, found, options.peers)
            exactness[name] = citations_row(given, found, seconds)
            all_exact &= all(each.exact == each.said for each in found)
            print("\n".join([*parts[name], exactness[name]]), file=sys.stderr, flush=True)
    RESULTS.write_text(report(parts, exactness), encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))
    return 0 if all_exact else 1


if __name__ == "__main__":
    sys.exit(main())
