"""A run as a page of Markdown, in English or Spanish, and the words that this and the app use for it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from evaluation.dataset import Place
from evaluation.metrics import Comparison, Estimate
from evaluation.run import Found, Record, Run, compare_runs, failures, faults, latency, ranks, recall_curve, summary
from ingest.names import printable
from rag.types import Language

SHOWN = 20
_EXCERPT = 160


@dataclass(frozen=True, slots=True)
class Words:
    """What a report says, in one language. `metrics` and `faults` are by their names in evaluation.run."""

    title: str
    facts: str
    answered_by: str
    unknown: str
    results: str
    metric: str
    value: str
    interval: str
    questions: str
    compared: str
    before: str
    now: str
    p: str
    changed: str
    how_sure: str
    how_likely: str
    ranks: str
    rank: str
    not_found: str
    share: str
    failures: str
    no_failures: str
    of_failures: str
    question: str
    problem: str
    expected: str
    found: str
    answer: str
    page: str
    nothing: str
    metrics: dict[str, str]
    faults: dict[str, str]


WORDS: dict[Language, Words] = {
    "en": Words(
        title="Evaluation: {name}",
        facts="{n} questions, {passages} passages, {k} searched for each question; a search takes {p50:.0f} ms (median;"
        " 95 %: {p95:.0f} ms).",
        answered_by="Answered by {model}.",
        unknown="Not in the index, though questions name them:",
        results="Results",
        metric="Metric",
        value="Value",
        interval="95 % interval",
        questions="Questions",
        compared="Compared with {name} of {at}",
        before="Before",
        now="Now",
        p="p",
        changed="Better / worse",
        how_sure="Intervals: bootstrap over the questions.",
        how_likely="p: how likely a difference that large is by chance alone (paired randomisation test, two-sided);"
        " below 0.05 it is called significant.",
        ranks="Where the answers stand",
        rank="Rank",
        not_found="not found",
        share="found so far",
        failures="Questions to look at",
        no_failures="None: every answer was where it should be.",
        of_failures="The worst {shown} of {n}.",
        question="Question",
        problem="Problem",
        expected="Expected",
        found="Found",
        answer="Answer",
        page="page {page}",
        nothing="nothing",
        metrics={
            "recall": "Found in the top {k}",
            "success": "Any of it in the top {k}",
            "complete": "All of it in the top {k}",
            "mrr": "Mean reciprocal rank (MRR@{k})",
            "ndcg": "nDCG@{k}",
            "source_recall": "Right file in the top {k}",
            "page_recall": "Right page in the top {k}",
            "answer_recall": "Expected words in the top {k}",
            "answered": "Answered",
            "abstained": "Abstained where nothing is known",
            "answer_contains": "Answer has the expected words",
            "answer_f1": "Answer's words (F1)",
            "cites_gold": "Cites the right place",
            "supported": "Sentences their passage supports",
        },
        faults={
            "not-found": "not found",
            "not-first": "found at rank {rank}",
            "said-unanswerable": "answered what the documents don't say",
            "abstained": "abstained",
            "wrong-answer": "the answer lacks the expected words",
            "cites-elsewhere": "cites another place",
        },
    ),
    "es": Words(
        title="Evaluación: {name}",
        facts="{n} preguntas, {passages} pasajes, {k} buscados por pregunta; una búsqueda tarda {p50:.0f} ms (mediana;"
        " 95 %: {p95:.0f} ms).",
        answered_by="Responde {model}.",
        unknown="No están en el índice, aunque las preguntas los nombran:",
        results="Resultados",
        metric="Métrica",
        value="Valor",
        interval="Intervalo del 95 %",
        questions="Preguntas",
        compared="Comparado con {name}, del {at}",
        before="Antes",
        now="Ahora",
        p="p",
        changed="Mejor / peor",
        how_sure="Intervalos: bootstrap sobre las preguntas.",
        how_likely="p: probabilidad de una diferencia así solo por azar (prueba de aleatorización por pares,"
        " bilateral); por debajo de 0,05 se llama significativa.",
        ranks="Dónde están las respuestas",
        rank="Puesto",
        not_found="no encontrada",
        share="encontradas hasta aquí",
        failures="Preguntas que conviene mirar",
        no_failures="Ninguna: cada respuesta estaba donde debía.",
        of_failures="Las {shown} peores de {n}.",
        question="Pregunta",
        problem="Problema",
        expected="Esperado",
        found="Encontrado",
        answer="Respuesta",
        page="página {page}",
        nothing="nada",
        metrics={
            "recall": "Encontrado en el top {k}",
            "success": "Algo en el top {k}",
            "complete": "Todo en el top {k}",
            "mrr": "Rango recíproco medio (MRR@{k})",
            "ndcg": "nDCG@{k}",
            "source_recall": "Archivo correcto en el top {k}",
            "page_recall": "Página correcta en el top {k}",
            "answer_recall": "Palabras esperadas en el top {k}",
            "answered": "Respondidas",
            "abstained": "Se abstiene cuando no se sabe",
            "answer_contains": "La respuesta tiene las palabras esperadas",
            "answer_f1": "Palabras de la respuesta (F1)",
            "cites_gold": "Cita el lugar correcto",
            "supported": "Frases que su pasaje respalda",
        },
        faults={
            "not-found": "no encontrado",
            "not-first": "encontrado en el puesto {rank}",
            "said-unanswerable": "responde lo que los documentos no dicen",
            "abstained": "se abstuvo",
            "wrong-answer": "a la respuesta le faltan las palabras esperadas",
            "cites-elsewhere": "cita otro lugar",
        },
    ),
}


def markdown(run: Run, before: Run | None = None, shown: int = SHOWN, language: Language = "en") -> str:
    """The whole report. With `before`, compared with that run; of the failures the `shown` worst are named."""
    words = WORDS[language]
    lines = [f"# {words.title.format(name=_plain(run.name))}", "", *_facts(run, language), ""]
    lines += [f"## {words.results}", "", *_table(*_results(run, language)), "", words.how_sure, ""]
    if before:
        at = f"{before.at[:16].replace('T', ' ')} UTC"
        lines += [f"## {words.compared.format(name=_plain(before.name), at=at)}", ""]
        lines += [*_table(*_comparison(before, run, language)), "", words.how_likely, ""]
    lines += [f"## {words.ranks}", "", *_table(*_ranks(run, language)), ""]
    lines += [f"## {words.failures}", "", *_failures(run, language, shown), ""]
    return "\n".join(lines)


def facts(run: Run, language: Language = "en") -> str:
    """In a line: how much was asked of how much, and how long a search takes."""
    words, times = WORDS[language], latency(run)
    p50, p95 = (1000 * times.get(name, 0.0) for name in ("p50", "p95"))
    said = words.facts.format(n=len(run.records), passages=f"{run.passages:,}", k=run.k, p50=p50, p95=p95)
    return f"{said} {words.answered_by.format(model=run.model)}" if run.model else said


def metric_name(metric: str, language: Language = "en") -> str:
    """'recall@5' -> 'Found in the top 5'."""
    name, _, k = metric.partition("@")
    return WORDS[language].metrics[name].format(k=k)


def fault_names(record: Record, language: Language = "en") -> list[str]:
    """What was not as expected, in words."""
    return [WORDS[language].faults[fault].format(rank=record.rank) for fault in faults(record)]


def shown_metrics(run: Run) -> dict[str, Estimate]:
    """The summary without what only says recall again: where every question has one place, any is all of it."""
    found = summary(run)
    return {name: one for name, one in found.items() if not _says_recall_again(name, run)}


def shown_comparison(before: Run, run: Run) -> dict[str, Comparison]:
    """compare_runs() of the same metrics."""
    shown = shown_metrics(run)
    return {name: one for name, one in compare_runs(before, run).items() if name in shown}


def _says_recall_again(metric: str, run: Run) -> bool:
    name, _, k = metric.partition("@")
    recall = f"recall@{k}"
    return name in ("success", "complete") and all(
        record.scores[metric] == record.scores[recall] for record in run.records if metric in record.scores
    )


def expectation(record: Record, language: Language = "en") -> str:
    """What a question should have found: its answers and places, in a line."""
    places = [place_name(place, language) for place in record.places]
    said = [f"“{answer}”" for answer in record.expected]
    return "; ".join([*said, *places]) or WORDS[language].nothing


def place_name(place: Place | Found, language: Language = "en") -> str:
    """'contracts/lease.pdf, page 2'."""
    page = f", {WORDS[language].page.format(page=place.page)}" if place.page else ""
    return f"{printable(place.source)}{page}"


# Tables: their heads and their rows, plain text

_Table = tuple[Sequence[str], Iterable[Sequence[str]]]


def _facts(run: Run, language: Language) -> Iterator[str]:
    words = WORDS[language]
    yield _plain(facts(run, language))
    yield ""
    parts = (f"{run.at[:16].replace('T', ' ')} UTC", f"Cita {run.version}" if run.version else "", run.embedder)
    yield ", ".join(_plain(part) for part in parts if part) + "."
    if run.unknown:
        yield ""
        yield f"{words.unknown} {_plain(', '.join(run.unknown))}"


def _results(run: Run, language: Language) -> _Table:
    words = WORDS[language]
    rows = [
        (metric_name(name, language), f"{one.value:.3f}", f"{one.low:.3f} - {one.high:.3f}", str(one.n))
        for name, one in shown_metrics(run).items()
    ]
    return (words.metric, words.value, words.interval, words.questions), rows


def _comparison(before: Run, run: Run, language: Language) -> _Table:
    words = WORDS[language]
    rows = [
        (
            metric_name(name, language),
            f"{one.before:.3f}",
            f"{one.after:.3f}",
            f"{one.p:.3f}",
            f"{one.better} / {one.worse}",
            str(one.n),
        )
        for name, one in shown_comparison(before, run).items()
    ]
    return (words.metric, words.before, words.now, words.p, words.changed, words.questions), rows


def _ranks(run: Run, language: Language) -> _Table:
    words = WORDS[language]
    curve = recall_curve(run)
    rows = [
        (words.not_found if rank is None else str(rank), str(count), "" if rank is None else f"{curve[rank]:.3f}")
        for rank, count in ranks(run).items()
    ]
    return (words.rank, words.questions, words.share), rows


def _failures(run: Run, language: Language, shown: int) -> Iterator[str]:
    words = WORDS[language]
    wrong = failures(run)
    if not wrong:
        yield words.no_failures
        return
    if len(wrong) > shown:
        yield words.of_failures.format(shown=shown, n=len(wrong))
        yield ""
    rows = [
        (
            record.question,
            "; ".join(fault_names(record, language)),
            expectation(record, language),
            found_in_line(record, language),
            *([record.answer or ""] if run.model else []),
        )
        for record in wrong[:shown]
    ]
    head = [words.question, words.problem, words.expected, words.found, *([words.answer] if run.model else [])]
    yield from _table(head, rows)


def found_in_line(record: Record, language: Language = "en") -> str:
    """The first passages that a question found, each with its place and its beginning."""
    return "; ".join(f"{found.rank}. {place_name(found, language)}: {excerpt(found)}" for found in record.found)


def excerpt(found: Found) -> str:
    """The beginning of a passage, in one line."""
    text = " ".join(found.text.split())
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT].rstrip()}…"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *([_plain(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _plain(text: str) -> str:
    """Text of a document, so that Markdown shows it as it is: no markup, no picture, no table of its own."""
    return re.sub(r"([\\`*_{}\[\]<>#!|~&$])", r"\\\1", " ".join(printable(text).split()))


def report_name(run: Run) -> str:
    """The name of a file for the report."""
    stem = re.sub(r"[^\w-]+", "-", PurePosixPath(run.name).name).strip("-") or "questions"
    return f"{stem}-{run.at[:10]}.md"
