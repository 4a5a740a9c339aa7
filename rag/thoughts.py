"""Thoughts of models that think aloud before they answer, told from their answers.

Where a model's template allows it, thinking is switched off (prompts/README.md). A thought that comes all the same
stands between marks before the answer. It is shown apart from the answer, if at all, and nothing in it is cited.
"""

from collections.abc import Iterator

# What opens and what closes a thought: DeepSeek R1, Qwen, GLM, Granite, ...; Magistral and its kin; Seed-OSS.
MARKS = (("<think>", "</think>"), ("[THINK]", "[/THINK]"), ("<seed:think>", "</seed:think>"))


class ThoughtSplitter:
    """Reads a draft as it is written, and says of each piece whether it is of a thought or of the answer."""

    def __init__(self) -> None:
        self._held = ""  # not told yet: it may be the beginning of a mark
        self._closing = ""  # what closes the thought that is being read
        self._answering = False  # a thought comes before the answer, not in it

    def feed(self, piece: str) -> Iterator[tuple[str, bool]]:
        """Yields texts and whether each is of a thought, without the marks."""
        self._held += piece
        while self._held and not self._answering:
            if self._closing:
                thought, mark, rest = self._held.partition(self._closing)
                if not mark:
                    cut = len(thought) - _begun(thought, self._closing)
                    self._held = thought[cut:]
                    yield from [(thought[:cut], True)] if cut else []
                    return
                yield from [(thought, True)] if thought else []
                self._held, self._closing = rest, ""
                continue
            self._held = self._held.lstrip()
            opened = next((marks for marks in MARKS if self._held.startswith(marks[0])), None)
            if opened:
                self._held, self._closing = self._held.removeprefix(opened[0]), opened[1]
            elif any(opens.startswith(self._held) for opens, _ in MARKS):
                return
            else:
                self._answering = True
        if self._answering:
            yield from self._told(False)

    def rest(self) -> Iterator[tuple[str, bool]]:
        """What is left to tell when the draft has ended."""
        yield from self._told(bool(self._closing))

    def _told(self, thought: bool) -> Iterator[tuple[str, bool]]:
        told, self._held = self._held, ""
        if told:
            yield told, thought


def _begun(text: str, mark: str) -> int:
    """How many characters at the end of `text` are the beginning of `mark`."""
    return next((size for size in range(min(len(text), len(mark) - 1), 0, -1) if text.endswith(mark[:size])), 0)
