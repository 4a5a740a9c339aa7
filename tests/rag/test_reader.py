"""The reader that comes with the install."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import EmbedderError
from ingest.embed import BILINGUAL, SHIPPED
from rag.reader import FOLDER, READ, Reader, Reading, read_pieces, shipped_reader
from rag.windows import windows

LEASE = (
    "The office was moved to Seville in March 2019. Rent is 1,200 euros a month. "
    "Mrs. Ortega signed the lease for the company."
)
FAR = "Olives are grown around Jaén. " * 30


def said(question: str, text: str = LEASE) -> tuple[str, Reading]:
    """What the reader takes for the answer, and what it read."""
    (reading,) = shipped_reader().read(question, [text])
    best = reading.best(0, len(text))
    assert best is not None
    return text[best[1] : best[2]], reading


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("When was the office moved to Seville?", "March 2019"),
        ("Who signed the lease?", "Mrs. Ortega"),
        ("How much is the rent?", "1,200 euros"),
    ],
)
def test_it_finds_where_the_answer_stands(question: str, answer: str) -> None:
    found, reading = said(question)
    assert answer in found
    assert reading.answers > 0
    place = LEASE.index(answer)
    inside, outside = reading.best(place, place + len(answer)), reading.best(0, place)
    assert inside is not None
    assert outside is None or inside[0] > outside[0]


def test_what_is_not_said_is_less_likely_than_what_is() -> None:
    for asked, not_said in [
        ("How much is the rent?", "How much is the insurance?"),
        ("Who signed the lease?", "Who painted the office?"),
        ("When was the office moved to Seville?", "When was the office sold?"),
    ]:
        assert said(asked)[1].answers > said(not_said)[1].answers


def test_spanish_is_read_too() -> None:
    text = "La oficina se trasladó a Sevilla en marzo de 2019. El alquiler es de 1.200 euros al mes."
    assert "1.200" in said("¿Cuánto es el alquiler?", text)[0]


def test_it_reads_with_the_vectors_it_learnt_with() -> None:
    config = json.loads((FOLDER / "config.json").read_text())
    assert config == {"embedder": BILINGUAL, "embedder_sha256": SHIPPED[BILINGUAL]}


def test_threads_get_what_one_gets() -> None:
    texts = [f"{LEASE} Room {n} is free." for n in range(12)]
    alone = [Reader().read("Which room is free?", [text])[0].answers for text in texts[:3]]
    reader = Reader()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda text: reader.read("Which room is free?", [text])[0].answers, texts))
    assert found[:3] == alone


def test_a_question_or_window_of_any_length_is_read() -> None:
    for question, text in (("", ""), ("why " * 500, "because " * 2000), ("¿?", "\x00 𝒳")):
        (reading,) = shipped_reader().read(question, [text])
        assert np.isfinite(reading.answers)
        assert len(reading.first) == len(reading.last) == len(reading.offsets) < 160


scores = st.lists(st.tuples(st.floats(-9, 9, width=32), st.floats(-9, 9, width=32)), min_size=1, max_size=12)


@given(scores, st.integers(0, 30), st.integers(0, 30))
def test_the_best_answer_within_characters_is_the_best_of_all_runs_of_tokens_there(
    given_scores: list[tuple[float, float]], start: int, length: int
) -> None:
    first, last = (np.array(column, np.float32) for column in zip(*given_scores, strict=True))
    offsets = [(3 * n, 3 * n + 2) for n in range(len(first))]
    reading, end = Reading(0.0, first, last, offsets), start + length
    own = [n for n, (a, b) in enumerate(offsets) if start <= a and b <= end]
    runs = {(offsets[i][0], offsets[j][1]): first[i] + last[j] for i in own for j in own if i <= j}
    found = reading.best(start, end)
    assert (found is None) == (not runs)
    if found:
        assert found[0] == pytest.approx(max(runs.values()))
        assert runs[found[1], found[2]] == pytest.approx(found[0])


def test_a_piece_gets_what_its_best_window_says_and_those_far_down_are_not_read() -> None:
    texts = [LEASE, f"{FAR}{LEASE}", FAR, LEASE]
    rent, signed = LEASE.index("Rent"), LEASE.index("Mrs.")
    places = [
        (1, rent, signed - 1),
        (1, signed, len(LEASE)),
        (2, len(FAR) + rent, len(FAR) + signed - 1),
        (4, rent, signed - 1),
    ]
    *found, far_down = read_pieces(shipped_reader(), "How much is the rent?", texts, places)
    rent_here, signed_here, rent_there = (one for one in found if one)
    assert min(rent_here.odds, rent_there.odds) > signed_here.odds
    assert "1,200" in texts[0][rent_here.start : rent_here.end]
    assert "1,200" in texts[1][rent_there.start : rent_there.end]
    assert READ == 3
    assert far_down is None


def test_what_no_window_holds_whole_is_not_read() -> None:
    text = f"{FAR} {LEASE}"
    assert len(windows(text)) > 1
    assert read_pieces(shipped_reader(), "Who?", [text], [(1, 0, len(text))]) == [None]
    assert read_pieces(shipped_reader(), "Who?", [], []) == []


@pytest.mark.parametrize("file", ["model.safetensors", "model_int8.onnx"])
def test_a_damaged_or_missing_reader_is_said_so(tmp_path: Path, file: str) -> None:
    shutil.copytree(FOLDER, tmp_path / "reader")
    for damage in (lambda path: path.write_bytes(b"no"), Path.unlink):
        damage(tmp_path / "reader" / file)
        with pytest.raises(EmbedderError, match=r"reader.*cannot be (?:read|loaded)"):
            Reader(tmp_path / "reader").read("Who?", ["Nobody."])
