"""The benchmark of retrieval says which step harms, and results of several runs stand together."""

from pathlib import Path

import pytest

from benchmarks import retrieval
from benchmarks.retrieval import MEASURES, PAGES, SETS, STEPS, measure, merged, no_fields
from evaluation import adapters
from evaluation.dataset import Dataset, GivenPassage, Question
from ingest import segments
from ingest.embed import DEFAULT_MODEL
from settings import Settings
from tests.fakes import WordEmbedder

ROWS = {name: f"| {name} | dense | 0.5 |" for name in ("xquad-en (2)", "xquad-es (2)", "scifact (3)")}


def test_a_step_that_harms_is_told_of() -> None:
    """Twenty questions: BM25 finds every passage, the fusion loses eight of them, reranking finds these again."""
    questions = tuple(Question(f"q{n}", "?", {f"p{n}": 1}) for n in range(20))
    dataset = Dataset("made", questions, tuple(GivenPassage(f"p{n}", "text", "", "s") for n in range(20)))
    right, lost = [[f"p{n}"] for n in range(20)], [[f"p{n}"] if n >= 8 else ["other"] for n in range(20)]
    ways = {"dense": lost, "BM25": right, "fused": lost, "search": right, "- forms": right}
    found = [{way: ranks[n] for way, ranks in ways.items()} for n in range(20)]
    rows, steps, worse = measure(dataset, found)
    assert rows[1].startswith("| made (20) | BM25 | 1.000 | 1.000 |")
    assert steps[0] == "| made (20) | fusion (over BM25) | 1.000 | 0.600 | 0, 8 | 0.008 |"  # 2 of 2 ** 8 sign changes
    assert steps[1].startswith("| made (20) | reranking | 0.600 | 1.000 | 8, 0 |")
    assert steps[3] == "| made (20) | forms | 1.000 | 1.000 | 0, 0 | 1.000 |"
    assert worse == ["fusion (over BM25) on made"]


def test_what_is_measured_anew_replaces_its_own_rows_only() -> None:
    known = "\n".join(["# Retrieval", "", MEASURES, "|---|", ROWS["scifact (3)"], ROWS["xquad-en (2)"], "", "after"])
    new = ROWS["xquad-en (2)"].replace("0.5", "0.7")
    assert merged(known, MEASURES, [new], ["xquad-en"]) == [new, ROWS["scifact (3)"]]
    assert merged(known, MEASURES, [ROWS["xquad-es (2)"]], ["xquad-es"]) == [
        ROWS["xquad-en (2)"], ROWS["xquad-es (2)"], ROWS["scifact (3)"],
    ]  # fmt: skip
    assert merged("", MEASURES, [new], ["xquad-en"]) == [new]


def test_without_fields_only_the_text_of_a_passage_counts() -> None:
    args = ("The mill", "mill.txt", ("Opening hours",), "On Thursdays.", "en")
    before = segments.impacts(*args)
    with no_fields():
        without = segments.impacts(*args)
    assert before["mill"] > 1
    assert before["open"] > 0.5
    assert max(without["mill"], without["open"]) < 0.001
    assert without["thursday"] == pytest.approx(before["thursday"])
    assert segments.impacts(*args) == before


class LetterEmbedder(WordEmbedder):
    """Words are one letter longer, so that what is kept of the other's vectors would show."""

    fingerprint = "letters/1"

    def offsets(self, text: str) -> list[tuple[int, int]]:
        return [(start, end + 1) for start, end in super().offsets(text)]


EMBEDDERS = {DEFAULT_MODEL: WordEmbedder(), "letters": LetterEmbedder()}
ARGUMENTS = ("--set", "ntrex-es-en", "--dense")


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that is written by default, and a folder of data with three sentences, of which vectors find two."""

    def open_fake(settings: Settings) -> WordEmbedder:
        return EMBEDDERS[settings.embed.model]

    lines = "one two\tuno dos\nthree three three\tcinco cinco cinco\na fairly long\tdos y\n"
    (tmp_path / "parallel").mkdir()
    (tmp_path / "parallel" / "eval_ntrex.tsv").write_text(lines, encoding="utf-8")
    monkeypatch.setattr(retrieval, "open_embedder", open_fake)
    monkeypatch.setattr(retrieval, "RESULTS", tmp_path / "retrieval.md")
    return tmp_path / "retrieval.md"


def run(results: Path, *arguments: str) -> int:
    folder = str(results.parent)
    return retrieval.main(["--data", folder, "--work", str(results.parent / "work"), *arguments])


def test_dense_alone_is_printed_and_overwrites_no_results(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results.write_text("as it was")
    assert run(results, *ARGUMENTS) == 0
    rows = [row for row in capsys.readouterr().out.splitlines() if row.startswith("|")]
    assert [row.split(" | ")[:3] for row in rows] == [["| ntrex-es-en (3)", "dense", "0.667"]]
    assert results.read_text() == "as it was"


def test_another_embedder_is_measured_and_overwrites_no_results(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(results, "--set", "ntrex-es-en", "--embedder", "letters") == 0
    ways = [row.split(" | ")[1] for row in capsys.readouterr().out.splitlines() if row.startswith("| ntrex")]
    assert ways[:4] == ["dense", "BM25", "fused", "search"]
    assert not results.exists()


def test_what_is_asked_for_is_written_with_the_embedder_it_is_of(results: Path) -> None:
    out = results.with_name("letters.md")
    assert run(results, *ARGUMENTS, "--embedder", "letters", "--out", str(out)) == 0
    written = out.read_text()
    assert "embedder letters/1,\n" in written
    assert f"{MEASURES}\n" in written
    assert STEPS not in written
    assert not results.exists()


def test_figures_of_two_embedders_never_stand_in_one_file(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(results, "--set", "ntrex-es-en") == 0
    before = results.read_text()
    assert "embedder words/1,\n" in before
    assert run(results, *ARGUMENTS, "--embedder", "letters", "--out", str(results)) == 2
    assert "is not of letters/1: name another --out" in capsys.readouterr().err
    assert results.read_text() == before


def test_vectors_that_are_kept_are_found_again_by_their_own_embedder_only(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (DEFAULT_MODEL, "letters"):
        monkeypatch.setattr(EMBEDDERS[name], "embedded", [])
        for _ in range(2):
            run(results, *ARGUMENTS, "--embedder", name)
        assert sorted(EMBEDDERS[name].embedded) == ["a fairly long", "one two", "three three three"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "flores"], "invalid choice: 'flores'"),
        (["--dense", "--set", PAGES], "--dense does not measure financebench"),
        (["--out", "nowhere/letters.md"], "there is no folder"),
    ],
)
def test_what_cannot_be_measured_or_written_is_told_at_once(
    results: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(results, *arguments)
    assert message in capsys.readouterr().err


def test_every_set_that_is_measured_can_be_read() -> None:
    assert {*SETS, PAGES} <= adapters.SETS.keys()
