"""Whether a model takes as much memory as is said before it is loaded.

    python -m benchmarks.fit [--work FOLDER]

Models of several architectures, shapes and kinds of weights are made in the work folder, of random weights. Each is
loaded by the product's own process (rag/llama_worker.py) with several contexts and kinds of cache, and reads a prompt
that fills its context but for a few tokens. Then what that process holds of memory (Linux's VmRSS: its own pages, and
those of the file's weights that are mapped, which the system may take back) is compared with the sum of
models.fit.memory_needed.

Writes benchmarks/results/fit.md. Exits with 1 if one prediction is off by more than 10 %.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from models.fit import MIB, Memory, Weights, memory_needed
from models.gguf import read_model
from rag.generate import LlamaGenerator
from rag.prompt import Prompt
from settings import CODE, Generate
from tests.shaped_gguf import Kind, Shape, shaped_gguf

RESULT = CODE / "benchmarks" / "results" / "fit.md"
MOST_OFF = 0.10
FREE = 16  # tokens of the context that the prompt leaves

SHAPES = {
    "llama, 4 heads share": Shape(blocks=4, width=512, heads=8, kv_heads=2, head=64, inner=1408, tokens=64_000),
    "llama, none share": Shape(blocks=4, width=512, heads=8, kv_heads=8, head=64, inner=1408, tokens=16_000),
    "llama, Q8_0": Shape(blocks=8, width=768, heads=6, kv_heads=2, head=128, inner=2048, tokens=8_000, kind=Kind.Q8_0),
    "llama, Q4_0": Shape(blocks=8, width=1024, heads=8, kv_heads=1, head=128, inner=2816, tokens=8_000, kind=Kind.Q4_0),
    "qwen2, many tokens": Shape("qwen2", 6, 448, 7, 1, 64, 1216, 150_000, tied=True),
    "qwen3, wide heads": Shape("qwen3", 6, 512, 8, 4, 128, 1536, 64_000, tied=True, kind=Kind.Q8_0),
    "gemma3, windows": Shape("gemma3", 6, 512, 4, 2, 256, 1536, 64_000, window=512, tied=True),
    "lfm2, 1 of 4 layers": Shape("lfm2", 8, 512, 8, 2, 64, 1536, 64_000, tied=True),
    "qwen3moe, 8 experts": Shape("qwen3moe", 4, 512, 8, 2, 64, 512, 32_000, experts=8, kind=Kind.Q8_0),
}
WAYS = {
    "2048 f16": Generate(context=2048),
    "4096 f16, flash": Generate(context=4096, flash_attention="on"),
    "4096 q8_0": Generate(context=4096, cache="q8_0", batch=256),
    "1024 q4_0": Generate(context=1024, cache="q4_0", batch=128),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """Bytes: what was predicted, what the process held, and how much of that were pages of the file."""

    shape: str
    way: str
    predicted: Memory
    held: int
    mapped: int

    @property
    def off(self) -> float:
        return self.predicted.total / self.held - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = list(measure(options.work or Path(folder)))
    RESULT.write_text(report(found), encoding="utf-8")
    worst = max(abs(one.off) for one in found)
    print(f"off by {worst:.1%} at most; {RESULT}")
    sys.exit(worst > MOST_OFF)


def measure(folder: Path) -> Iterator[Measured]:
    for number, (shape, dimensions) in enumerate(SHAPES.items()):
        path = shaped_gguf(folder / f"{number}.gguf", dimensions)
        for way, settings in WAYS.items():
            if dimensions.head % 32 == 0 or settings.cache == "auto":
                one = measure_one(shape, way, path, settings)
                print(f"{shape}, {way}: {one.predicted.total / MIB:.0f} predicted, {one.held / MIB:.0f} held "
                      f"({one.off:+.1%})", flush=True)  # fmt: skip
                yield one
        path.unlink()


def measure_one(shape: str, way: str, path: Path, settings: Generate) -> Measured:
    with closing(LlamaGenerator(read_model(path), settings)) as generator:
        for _ in generator.generate(_filling(settings.context, generator)):
            pass
        assert generator.runtime
        predicted = memory_needed(Weights.read(path), generator.runtime)
        status = Path(f"/proc/{generator.pid}/status").read_text()
    values = dict(line.split(":", 1) for line in status.splitlines())
    held, mapped = (int(values[key].split()[0]) * 1024 for key in ("VmRSS", "RssFile"))
    return Measured(shape, way, predicted, held, mapped)


def _filling(context: int, generator: LlamaGenerator) -> Prompt:
    """A prompt of as many words as leave a little of the context."""
    count = context - FREE
    text = "".join(f" word{number % 50}" for number in range(count))
    while (tokens := generator.count_tokens(text)) > context - FREE:
        count = count * (context - FREE) // tokens
        text = "".join(f" word{number % 50}" for number in range(count))
    return Prompt("", "en", (), text, (), "plain")


def report(found: list[Measured]) -> str:
    rows = [
        f"| {one.shape} | {one.way}{' repacked' if one.predicted.repacked else ''} | {one.predicted.weights / MIB:.0f} "
        f"| {one.predicted.repacked / MIB:.0f} | {one.predicted.cache / MIB:.0f} | {one.predicted.compute / MIB:.0f} "
        f"| {one.predicted.process / MIB:.0f} | {one.predicted.total / MIB:.0f} | {one.held / MIB:.0f} "
        f"| {one.mapped / MIB:.0f} | {one.off:+.1%} |"
        for one in found
    ]
    worst = max(abs(one.off) for one in found)
    return "\n".join(
        (
            "# What a model takes of memory, predicted and held",
            "",
            f"`python -m benchmarks.fit`, {date.today()}, on a processor. MiB. Held is what the model's process has in",
            "memory (VmRSS) after a prompt that fills its context, pages of the mapped file included (the last but one",
            f"column: the system may take these back). Off by {worst:.1%} at most.",
            "",
            "| model | run with | weights | repacked | cache | compute | process | predicted | held | mapped | off |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
            *rows,
            "",
        )
    )


if __name__ == "__main__":
    main()
