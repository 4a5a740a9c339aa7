"""Four questions over the samples, asked with the `cita` command in a home that is thrown away afterwards.

    make demo

Ends with exit code 1 if an answer, its citation or the refusal is not as it should be.
"""

import json
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CITA = Path(sys.executable).parent / "cita"


@dataclass(frozen=True)
class Expected:
    """`text` stands in the quote of a citation of `source`, on `page` where there are pages; no source: refused."""

    question: str
    text: str = ""
    source: str = ""
    page: int | None = None


QUESTIONS = (
    Expected("How much is the deposit for the flat?", "1,880 euros", "home/rental-contract.pdf", 2),
    Expected("How many days a week may I work remotely?", "three days a week", "work/employee-handbook.docx"),
    Expected("¿Cuál es la franquicia por daños por agua?", "100 euros", "home/poliza-hogar.pdf", 2),
    Expected("How much does the gym membership cost per month?"),
)


def cita(home: Path, *arguments: str) -> Any:
    """What the command prints as JSON. Its progress and messages go to the terminal."""
    done = subprocess.run([CITA, "--home", home, *arguments, "--json"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"`cita {' '.join(arguments)}` ended with exit code {done.returncode}.")
    return json.loads(done.stdout)


def show(number: int, answer: dict[str, Any]) -> None:
    print(f"\n{number}. {answer['question']}")
    print(textwrap.indent(textwrap.fill(answer["answer"], 96), "   "))
    for citation in answer["citations"]:
        place = f"page {citation['page']}" if citation["page"] else ""
        print("   " + ", ".join(filter(None, (f"[{citation['n']}] {citation['source']}", place, citation["section"]))))
        quote = textwrap.shorten(citation["quote"], 300, placeholder=" …")
        print(textwrap.indent(textwrap.fill(f"“{quote}”", 92), "       "))


def is_as_expected(answer: dict[str, Any], expected: Expected) -> bool:
    if not expected.source:
        return bool(answer["abstained"]) and not answer["citations"]
    return not answer["abstained"] and any(
        (citation["source"], citation["page"], citation["supported"]) == (expected.source, expected.page, True)
        and expected.text in citation["quote"]
        for citation in answer["citations"]
    )


def demo(home: Path) -> int:
    """Indexes the samples, asks, prints; returns how many answers are not as expected."""
    cita(home, "add", "data/samples")
    report = cita(home, "index")
    print(f"{report['added']} documents, {report['passages']} passages, {report['seconds']:.1f} seconds.")
    wrong = 0
    for number, expected in enumerate(QUESTIONS, 1):
        answer = cita(home, "ask", expected.question)
        show(number, answer)
        if not is_as_expected(answer, expected):
            wrong += 1
            print(f"   WRONG: expected {expected.text or 'a refusal'!r} {expected.source}")
    return wrong


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="cita-demo-") as folder:
        print(f"Cita reads the documents in {ROOT / 'data' / 'samples'}.", flush=True)
        if wrong := demo(Path(folder) / "home"):
            sys.exit(f"\n{wrong} of {len(QUESTIONS)} answers are not as they should be.")
        print("\nAll four are as they should be. Now try your own: make run")
