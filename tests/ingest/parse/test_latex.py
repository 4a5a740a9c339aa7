import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parse import latex
from ingest.types import Document

TEXT = r"""\documentclass[a4paper]{article}
\usepackage{graphicx} % hidden
\newcommand{\bread}{Bread}
\title{Pan \'y \textbf{agua}}
\author{Ada N\'u\~nez}
\date{2024-05-01}
\begin{document}
\maketitle
An introduction % hidden
with \emph{words}, ``quotes'', 5--7\,\% and \url{https://example.org/a%20b}.
See \ref{sec:dough} and \cite[p.~3]{knuth}\footnote{A \textit{note}.}.

\section[Short]{Dough}\label{sec:dough}
Caf\'e, \"Uber, \c{c}a, \ae{}, \o, \verb|a_b|; $a^2 -- b$ and
\begin{equation}
  E = mc^2 % kept
\end{equation}
follows.
% a comment

\begin{itemize}
  \item Flour
    of wheat

    and rye
  \item Water
  \begin{enumerate}
    \item cold
    \item[warm] is better
  \end{enumerate}
\end{itemize}
\subsection*{Tools}
\begin{table}[h]
  \centering
  \caption{What they cost}
  \begin{tabular}{l|r}
    \hline
    \textbf{Tool} & Price \\ \hline
    Oven & 300 \euro{} \\[2pt]
    \multicolumn{2}{c}{All of it} \\
    \cmidrule(lr){1-2} & 5 \& 6
  \end{tabular}
\end{table}
\begin{lstlisting}[language=Python]
\section{no heading}
heat(250) % kept
\end{lstlisting}
\begin{comment}
hidden
\end{comment}
\begin{figure}\includegraphics[width=3cm]{oven.png}\caption{The oven}\end{figure}
\input{chapters/rye}
\begin{thebibliography}{9}
\bibitem{knuth} Knuth, The Bread.
\end{thebibliography}
\end{document}
hidden
"""


def parse(tmp_path: Path, content: str) -> Document:
    path = tmp_path / "a.tex"
    path.write_text(content, encoding="utf-8")
    return latex.parse(path)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return parse(tmp_path_factory.mktemp("latex"), TEXT)


def test_each_kind_of_block_is_read_as_it_is_printed(document: Document) -> None:
    assert [(block.kind, block.text, block.headings) for block in document.blocks] == [
        (
            "paragraph",
            "An introduction with words, “quotes”, 5–7 % and https://example.org/a%20b. See sec:dough and [knuth].",
            (),
        ),
        ("note", "A note.", ()),
        ("heading", "Dough", ()),
        (
            "paragraph",
            "Café, Über, ça, æ, ø, a_b; $a^2 -- b$ and"
            r" \begin{equation} E = mc^2 % kept \end{equation} follows.",
            ("Dough",),
        ),
        ("list", "- Flour of wheat\n  and rye\n- Water\n  1. cold\n  - warm: is better", ("Dough",)),
        ("heading", "Tools", ("Dough",)),
        ("caption", "What they cost", ("Dough", "Tools")),
        ("table", "Tool  Price\nOven  300 €\nAll of it\n  5 & 6", ("Dough", "Tools")),
        ("code", "\\section{no heading}\nheat(250) % kept", ("Dough", "Tools")),
        ("caption", "The oven", ("Dough", "Tools")),
        ("list", "[knuth] Knuth, The Bread.", ("Dough", "Tools")),
    ]


def test_title_author_date_and_links_are_the_document_s_own(document: Document) -> None:
    assert document.title == "Pan ý agua"
    assert document.metadata == {"encoding": "utf-8", "author": "Ada Núñez", "date": "2024-05-01"}
    assert document.links == ("chapters/rye",)


def test_spans_show_where_in_the_file_a_block_stands(document: Document) -> None:
    places = {block.text: TEXT[block.span.start : block.span.end] for block in document.blocks if block.span}
    assert len(places) == len(document.blocks)
    assert places["A note."] == r"A \textit{note}."
    assert places["The oven"] == "The oven"
    assert places["\\section{no heading}\nheat(250) % kept"] == "\\section{no heading}\nheat(250) % kept\n"
    table = next(place for text, place in places.items() if text.startswith("Tool  "))
    assert table.startswith("\\begin{tabular}")
    assert table.endswith("\\end{tabular}")


def test_a_part_of_a_document_is_read_without_a_preamble(tmp_path: Path) -> None:
    assert [block.text for block in parse(tmp_path, "\\chapter{One}\nText.").blocks] == ["One", "Text."]


@pytest.mark.parametrize(
    "content",
    ["shown \\begin{verbatim} too", "shown \\textbf{ too", "shown } too", "shown $ too",
     "shown \\begin{tabular}{l} too",
     "\\section{shown too", "shown \\item too", "shown \\verb|too", "shown \\footnote{ too", "shown too\\"],
)  # fmt: skip
def test_what_never_ends_hides_nothing(tmp_path: Path, content: str) -> None:
    words = " ".join(block.text for block in parse(tmp_path, content).blocks)
    assert "shown" in words
    assert "too" in words


PARTS = ["a", "b ", "\n\n", "\\", "{", "}", "$", "%", "&", "\\\\", "\\section", "\\item", "\\footnote",
         "\\begin{itemize}", "\\end{itemize}", "\\begin{tabular}{l}", "\\end{tabular}", "\\'", "[", "]", "\\caption",
         "\\begin{verbatim}"]  # fmt: skip


@given(st.lists(st.sampled_from(PARTS), max_size=25).map("".join))
def test_any_order_of_commands_gives_a_document(content: str) -> None:
    reader = latex._Reader(content, latex._braces(content))
    reader.read(0, len(content))
    for block in reader.blocks:
        assert block.span is not None
        assert 0 <= block.span.start <= block.span.end <= len(content)


@pytest.mark.parametrize(
    "content",
    ["{" * 100_000, "\\footnote{" * 20_000, "\\begin{verbatim}" * 20_000, "$" * 100_001, "\\begin{itemize}" * 10_000,
     "\\begin{itemize}\\item a" * 2_000, "\\caption{" * 10_000 + "}" * 10_000, "\\begin{tabular}{l}" * 10_000,
     "%\n" * 50_000,
     "\\verb" * 30_000, "\\title[" * 20_000, "\\textbf" + "[" * 50_000, "a & b \\\\\n" * 20_000, "\\" * 100_001,
     "\\section{" * 500 + "a" + "}" * 500],
)  # fmt: skip
def test_texts_made_to_cost_time_are_read_in_seconds(tmp_path: Path, content: str) -> None:
    started = time.monotonic()
    parse(tmp_path, content)
    assert time.monotonic() - started < 5
