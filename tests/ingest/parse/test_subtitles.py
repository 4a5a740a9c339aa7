from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import ParseError
from ingest.parse import subtitles
from ingest.types import Document

VTT = """WEBVTT - The oven

NOTE A remark
that is not shown

STYLE
::cue { color: red }

intro
00:58.000 --> 01:00.000 align:left
<v.loud Ada>Is it <i>hot</i>?

01:00.500 --> 01:02.000
<v Ada>It is &lt;very
hot.</v>

01:02:30.000 --> 01:02:33.000
<v Bo>Yes.
"""
SRT = "1\n00:00:01,500 --> 00:00:02,000\n{\\an8}<b>Hello</b>\n\n2\n00:00:03,000 --> 00:00:04,000\nthere\n"


def parse(tmp_path: Path, content: str) -> Document:
    path = tmp_path / "a.vtt"
    path.write_text(content, encoding="utf-8")
    return subtitles.parse(path)


def test_what_is_said_stands_under_its_minute_with_who_says_it(tmp_path: Path) -> None:
    document = parse(tmp_path, VTT)
    assert [(block.text, block.headings) for block in document.blocks] == [
        ("Ada: Is it hot?\nIt is <very\nhot.", ("0:00:58",)), ("Bo: Yes.", ("1:02:30",)),
    ]  # fmt: skip
    assert document.title == "The oven"
    spans = [block.span for block in document.blocks]
    assert spans[1] is not None
    assert VTT[spans[1].start : spans[1].end] == "<v Bo>Yes."


def test_subrip_is_read_too(tmp_path: Path) -> None:
    assert [block.text for block in parse(tmp_path, SRT).blocks] == ["Hello\nthere"]


def test_a_file_without_subtitles_is_said(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="no subtitles"):
        parse(tmp_path, "Just text.")


WORDS = st.lists(st.sampled_from(["word", "<i>word</i>", "two words", "word\nword", "<v A>word</v>"]), max_size=12)


@given(WORDS, st.integers(0, 90))
def test_every_word_of_the_cues_is_read(cues: list[str], seconds: int) -> None:
    times = [f"00:{n * seconds // 60:02}:{n * seconds % 60:02}.000 --> 00:59:59.000" for n in range(len(cues))]
    content = "WEBVTT\n\n" + "\n\n".join(
        f"{n}\n{time}\n{cue}" for n, (time, cue) in enumerate(zip(times, cues, strict=True))
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.vtt"
        path.write_text(content, encoding="utf-8")
        if not cues:
            with pytest.raises(ParseError):
                subtitles.parse(path)
            return
        blocks = subtitles.parse(path).blocks
    assert sum(block.text.count("word") for block in blocks) == sum(cue.count("word") for cue in cues)
    for block in blocks:
        assert block.span is not None
        assert content[block.span.start : block.span.end].count("word") == block.text.count("word")
