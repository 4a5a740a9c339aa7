"""Subtitles (WebVTT, SubRip) -> Document: what is said, by whom, and under which minute.

https://www.w3.org/TR/webvtt1/
"""

import html
import re
from functools import cache
from pathlib import Path

from errors import ParseError
from ingest.parse.lines import Lines
from ingest.parse.text import decode
from ingest.parse.text import parser_version as text_version
from ingest.parse.text import warm as warm
from ingest.types import Block, Document, Span

MEDIA_TYPE = "text/vtt"
TOGETHER = 60  # seconds of speech that stand together, under the time at which they begin

_TIMES = re.compile(r"\s*(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,]\d{1,3}\s*-->\s*[\d:.,]+")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?[ \t]+([^<>]*)>")
_MARKS = re.compile(r"</?[A-Za-z0-9][^<>]*>|\{\\[^{}]*\}|\{/?[ibuyc](?::[^{}]*)?\}")


@cache
def parser_version() -> str:
    return f"subtitles/1 {text_version()}"


def parse(path: Path) -> Document:
    """A paragraph for each minute or so, its lines as they are shown; the time at which it begins is its heading. Who
    speaks is said where that changes. Spans are those of the lines in the file.

    Raises ParseError if there are no subtitles in it.
    """
    text, encoding = decode(path.read_bytes())
    lines = Lines.of(text)
    times = [(n, found) for n in range(len(lines)) if (found := _TIMES.match(lines.line(n)))]
    if not times and text.strip():
        raise ParseError("There are no subtitles in the file.", hint="Check that it is WebVTT or SubRip.")
    blocks: list[Block] = []
    begins, first, until = 0, 0, 0
    spoken: list[str] = []
    speaker = ""
    for n, found in times:
        seconds = int(found[1] or 0) * 3600 + int(found[2]) * 60 + int(found[3])
        if spoken and seconds >= begins + TOGETHER:
            blocks.append(_block(spoken, begins, lines.span(first, until)))
            spoken, speaker = [], ""
        if not spoken:
            begins, first = seconds, n + 1
        end = lines.next_blank(n + 1, len(lines))
        cue = lines.text[lines.starts[n + 1] : lines.starts[end]]
        said, speaker = _said(cue, speaker)
        spoken += [said] if said else []
        until = max(end, n + 1)
    if spoken:
        blocks.append(_block(spoken, begins, lines.span(first, until)))
    return Document(
        title=lines.line(0).removeprefix("WEBVTT").strip(" \t-") if text.startswith("WEBVTT") else "",
        media_type=MEDIA_TYPE,
        parser=parser_version(),
        blocks=tuple(blocks),
        metadata={"encoding": encoding},
    )


def _said(cue: str, speaker: str) -> tuple[str, str]:
    """What a cue says, after the name of whoever begins to speak, and who that is."""
    voice = _VOICE.search(cue)
    name = " ".join(html.unescape(voice[1]).split()) if voice else speaker
    text = html.unescape(_MARKS.sub("", cue))
    said = "\n".join(line.strip() for line in text.split("\n") if line.strip())
    return f"{name}: {said}" if said and name != speaker else said, name


def _block(spoken: list[str], begins: int, span: Span) -> Block:
    time = f"{begins // 3600}:{begins // 60 % 60:02}:{begins % 60:02}"
    return Block("paragraph", "\n".join(spoken), headings=(time,), span=span)
