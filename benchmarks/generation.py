"""How fast a model reads and writes through Cita's worker, beside llama.cpp itself on the same file.

    python -m benchmarks.generation [--work FOLDER] [--rounds 5] [--threads 0]

The model has random weights, 1.1 billion of them in Q4_K (Llama 3.2 1B's shape but for its vocabulary); it is made in
the work folder if it is not there. What is measured:

- 512 tokens of a prompt, and after them 128 tokens of an answer (what llama-bench calls pp512 and tg128 @ d512): by the
  worker, its pipe, tokenizer and choice of tokens included; and by llama.cpp's own functions called as its llama-bench
  calls them (it comes with no package for Python), with the same file, threads, batch and kinds of cache. Both in turn,
  in processes of their own; of the rounds the median, of their ratios the median. Beside the wall's time stands that of
  the processors: it counts the work whatever else the machine does, if there is one thread (more wait for each other by
  counting).
- The first token of a follow-up against that of a fresh prompt, which the product fills as it does for a question.
- From a stop until the worker is free, while it reads a prompt and while it writes.

Writes benchmarks/results/generation.md. Exits with 1 if the worker is under 95 % of llama.cpp by the processors' time,
a follow-up with the same passages takes over 40 % of a fresh prompt's time, or a stop takes over 200 ms.
"""

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import psutil

from ingest.cores import usable_cores
from models.gguf import read_model
from rag.context import arrange
from rag.generate import LlamaGenerator
from rag.prompt import Prompt, fill_prompt
from rag.types import Hit
from settings import CODE, Generate
from tests.gguf_files import LLAMA2, NORMAL
from tests.tiny_model import make_example, vocabulary

RESULT = CODE / "benchmarks" / "results" / "generation.md"
READ, WRITTEN = 512, 128  # tokens, as in llama-bench's pp512 and tg128
LEAST_SPEED, MOST_AGAIN, MOST_STOP = 0.95, 0.40, 0.2
WIDTH, BLOCKS, HEADS, SHARED_HEADS, INNER, TOKENS = 2048, 16, 32, 8, 8192, 32_000
CONTEXT = 4096

LLAMA_CPP = """
import json, sys, time
import llama_cpp
path, runtime, read, written = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
listener = llama_cpp.llama_log_callback(lambda *_: None)
llama_cpp.llama_log_set(listener, None)
llama_cpp.llama_backend_init()
of_model = llama_cpp.llama_model_default_params()
of_model.use_extra_bufts = runtime["repack"]
model = llama_cpp.llama_model_load_from_file(path.encode(), of_model)
settings = llama_cpp.llama_context_default_params()
settings.n_ctx, settings.n_batch, settings.n_ubatch = runtime["context"], 2048, runtime["batch"]
settings.n_threads = settings.n_threads_batch = runtime["threads"]
settings.flash_attn_type = int(runtime["flash_attention"])
context = llama_cpp.llama_init_from_model(model, settings)
memory = llama_cpp.llama_get_memory(context)
def run(tokens):
    row = (llama_cpp.llama_token * len(tokens))(*tokens)
    assert llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(row, len(tokens))) == 0
    llama_cpp.llama_synchronize(context)
def once():
    llama_cpp.llama_memory_clear(memory, False)
    began, spent = time.perf_counter(), time.process_time()
    run([(7919 * n) % 30000 + 300 for n in range(read)])
    reading = time.perf_counter() - began, time.process_time() - spent
    began, spent = time.perf_counter(), time.process_time()
    for n in range(written):
        run([(6007 * n) % 30000 + 300])
    return [read / each for each in reading] + [
        written / each for each in (time.perf_counter() - began, time.process_time() - spent)
    ]
print("ready", flush=True)
for _ in sys.stdin:
    print(json.dumps(once()), flush=True)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        path = make_model((chosen.work or Path(scratch)) / "random-1b.gguf")
        settings = Generate(context=CONTEXT, max_tokens=WRITTEN, threads=chosen.threads)
        with closing(LlamaGenerator(read_model(path), settings)) as generator:
            generator.count_tokens("loaded")
            speeds = measure_speeds(generator, path, chosen.rounds)
            first_tokens = measure_first_tokens(generator, chosen.rounds)
            stops = measure_stops(generator, chosen.rounds)
            text = _report(path, generator, speeds, first_tokens, stops)
    print(text)
    RESULT.write_text(text, encoding="utf-8")
    return _verdict(speeds, first_tokens, stops)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measures generation.")
    parser.add_argument("--work", type=Path, help="where the model is kept, or made")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0: as the product chooses")
    return parser


# ---------------------------------------------------------------------------------------------------------- the model


def make_model(path: Path, seed: int = 0) -> Path:
    """A llama of random weights at `path`, unless it is there."""
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    words, kinds = vocabulary()
    filler = [f"<filler {number}>" for number in range(TOKENS - len(words))]
    writer = gguf.GGUFWriter(unfinished, "llama")
    writer.add_name("Random 1B")
    writer.add_context_length(8192)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(BLOCKS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(SHARED_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(500_000.0)
    writer.add_vocab_size(TOKENS)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_K_M)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([word.encode() for word in [*words, *filler]])
    writer.add_token_scores([0.0] * TOKENS)
    writer.add_token_types([*kinds, *[NORMAL] * len(filler)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(LLAMA2)
    for name, data, kind in _tensors(np.random.default_rng(seed)):
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    unfinished.replace(path)
    return path


def _tensors(rng: np.random.Generator) -> Iterator[tuple[str, Any, Any]]:
    """Of the kinds that Q4_K_M has: Q4_K, and Q6_K where errors cost most."""
    shared = WIDTH // HEADS * SHARED_HEADS
    yield "token_embd.weight", *_random(rng, TOKENS, WIDTH, gguf.GGMLQuantizationType.Q6_K)
    yield "output_norm.weight", np.ones(WIDTH, dtype=np.float32), None
    for block in range(BLOCKS):
        careful = gguf.GGMLQuantizationType.Q6_K if block % 2 else gguf.GGMLQuantizationType.Q4_K
        for norm in ("attn_norm", "ffn_norm"):
            yield f"blk.{block}.{norm}.weight", np.ones(WIDTH, dtype=np.float32), None
        for name, rows, columns, kind in (
            ("attn_q", WIDTH, WIDTH, gguf.GGMLQuantizationType.Q4_K),
            ("attn_k", shared, WIDTH, gguf.GGMLQuantizationType.Q4_K),
            ("attn_v", shared, WIDTH, careful),
            ("attn_output", WIDTH, WIDTH, gguf.GGMLQuantizationType.Q4_K),
            ("ffn_gate", INNER, WIDTH, gguf.GGMLQuantizationType.Q4_K),
            ("ffn_up", INNER, WIDTH, gguf.GGMLQuantizationType.Q4_K),
            ("ffn_down", WIDTH, INNER, careful),
        ):
            yield f"blk.{block}.{name}.weight", *_random(rng, rows, columns, kind)


def _random(rng: np.random.Generator, rows: int, columns: int, kind: Any) -> tuple[Any, Any]:
    """Random quantised weights about as large as those of a trained model. The scales of a block are set, or they
    would not be numbers; Q4_K: scale and offset first; Q6_K: the scale last (ggml-common.h)."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (rows, columns // elements, size), dtype=np.uint8)
    if kind == gguf.GGMLQuantizationType.Q4_K:
        blocks[..., :4] = np.array([1e-4, 7.5e-4], dtype=np.float16).view(np.uint8)
    else:
        blocks[..., -2:] = np.array([1e-5], dtype=np.float16).view(np.uint8)
    return blocks.reshape(rows, -1), kind


# ------------------------------------------------------------------------------------------------------------- speeds


Round = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Speeds:
    """Tokens a second of each round, by the worker and by llama.cpp alone: reading by the wall and by the processors'
    time, writing by both."""

    ours: tuple[Round, ...]
    theirs: tuple[Round, ...]

    def ratio(self, which: int) -> float:
        """The median of the rounds' ratios."""
        pairs = zip(self.ours, self.theirs, strict=True)
        return statistics.median(our[which] / their[which] for our, their in pairs)


def measure_speeds(generator: LlamaGenerator, path: Path, rounds: int) -> Speeds:
    runtime = json.dumps({name: getattr(generator.runtime, name) for name in generator.runtime.__slots__})  # type: ignore[union-attr]
    command = [sys.executable, "-c", LLAMA_CPP, str(path), runtime, str(READ), str(WRITTEN)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"

        def theirs() -> Round:
            process.stdin.write("\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            a, b, c, d = json.loads(process.stdout.readline())  # type: ignore[union-attr]
            return a, b, c, d

        theirs(), _ours(generator, 0)  # the file's pages come into memory
        turns = [(_ours(generator, number), theirs()) for number in range(1, rounds + 1)]
        process.stdin.close()
    return Speeds(tuple(ours for ours, _ in turns), tuple(theirs for _, theirs in turns))


def _ours(generator: LlamaGenerator, number: int) -> Round:
    """The writing begins with a prompt that is read already, but for its last token."""
    first = "abcdefghij"[number % 10]  # unlike the last round's, of which nothing is to be read again
    text = first + "".join(random.Random(number).choices("abcdefghij", k=READ - 2))  # a token each, and one before all
    *reading, told = _timed(generator, text, 1)
    assert (told["prompt"], told["reused"]) == (READ, 1 if number else 0), told
    *writing, told = _timed(generator, text, WRITTEN)
    assert told["said"] == WRITTEN, told
    return READ / reading[0], READ / reading[1], WRITTEN / writing[0], WRITTEN / writing[1]


def _timed(generator: LlamaGenerator, text: str, most: int, **asked: Any) -> tuple[float, float, dict[str, int]]:
    """Seconds by the wall, seconds of the worker's processor time, and its own account of what it did."""
    worker = generator._live_worker()
    process = psutil.Process(worker._process.pid)
    began, spent = time.perf_counter(), sum(process.cpu_times()[:2])
    *_, end = worker.ask(do="generate", text=text, max_tokens=most, **asked)
    return time.perf_counter() - began, sum(process.cpu_times()[:2]) - spent, end


# --------------------------------------------------------------------------------------------------- first token, stop


@dataclass(frozen=True, slots=True)
class FirstTokens:
    """Seconds until the first token: of fresh prompts, of follow-ups with the same passages, and with five of eight."""

    tokens: int
    fresh: tuple[float, ...]
    same: tuple[float, ...]
    partly: tuple[float, ...]


def measure_first_tokens(generator: LlamaGenerator, rounds: int) -> FirstTokens:
    fresh, same, partly, tokens = [], [], [], 0
    for number in range(rounds):
        hits = _passages(random.Random(number), 11)
        prompts = [
            _filled(generator, "When does the lease of Ada end?", hits[:8], ()),
            _filled(generator, "What is the deposit of Ada?", hits[:8], ()),
        ]
        read = [hit.passage.id for hit in prompts[1].hits]
        others = [hit for hit in hits[:8] if hit.passage.id in read[:5]] + hits[8:]
        prompts.append(_filled(generator, "Where is the office of Bruno?", others, read))
        _timed(generator, "x", 1)  # nothing of the last round is left
        for prompt, seconds in zip(prompts, (fresh, same, partly), strict=True):
            taken, _, told = _timed(generator, prompt.text, 1)
            seconds.append(taken)
            tokens = max(tokens, told["prompt"])
    return FirstTokens(tokens, tuple(fresh), tuple(same), tuple(partly))


def _passages(rng: random.Random, number: int) -> list[Hit]:
    """As long as those of a book: some 170 tokens."""
    hits = []
    for rank in range(1, number + 1):
        text = " ".join(hit.passage.text for hit in make_example(rng, 12, 1).hits)
        hit = make_example(rng, 1, 1).hits[0]
        passage = replace(hit.passage, id=f"p{rank}", path=f"book{rank}.txt", text=text)
        hits.append(replace(hit, rank=rank, passage=passage))
    return hits


def _filled(generator: LlamaGenerator, question: str, hits: Sequence[Hit], read: Sequence[str]) -> Prompt:
    order = partial(arrange, read=read)
    return fill_prompt(question, hits, generator.info, "en", generator.count_tokens, CONTEXT, WRITTEN, order)


@dataclass(frozen=True, slots=True)
class Stops:
    """Seconds from closing an answer until the worker is free for the next request."""

    reading: tuple[float, ...]
    writing: tuple[float, ...]


def measure_stops(generator: LlamaGenerator, rounds: int) -> Stops:
    reading, writing = [], []
    for number in range(rounds):
        hits = _passages(random.Random(1000 + number), 8)
        prompt = _filled(generator, "When does the lease of Ada end?", hits, ())
        answer = generator.generate(prompt)
        for _ in range(1 + number):  # signs of life, a tenth of a second apart
            assert next(answer) == "", "the prompt is read too fast to be stopped in the middle"
        reading.append(_stopped(generator, answer))
        answer = generator.generate(replace(prompt, text="abc", hits=()))
        next(filter(None, answer))
        writing.append(_stopped(generator, answer))
    return Stops(tuple(reading), tuple(writing))


def _stopped(generator: LlamaGenerator, answer: Any) -> float:
    began = time.perf_counter()
    answer.close()
    generator.count_tokens("x")
    return time.perf_counter() - began


# ------------------------------------------------------------------------------------------------------------- report


def _report(path: Path, generator: LlamaGenerator, speeds: Speeds, first: FirstTokens, stops: Stops) -> str:
    def median(rows: Sequence[Round], which: int) -> float:
        return statistics.median(row[which] for row in rows)

    fresh = statistics.median(first.fresh)
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    lines = [
        "# Generation",
        "",
        f"{date.today().isoformat()}, {platform.machine()}, {usable_cores()} cores,"
        f" Python {platform.python_version()}, load after it {load}.",
        f"{len(speeds.ours)} rounds, medians. {path.stat().st_size / 1e9:.2f} GB of random weights",
        "in Q4_K and Q6_K. Made by `python -m benchmarks.generation`; what is measured is said there.",
        f"The model ran with {_said(generator)}.",
        "",
        "| tokens a second | Cita's worker | llama.cpp alone | ratio |",
        "| --- | --- | --- | --- |",
        *(
            f"| {name} | {median(speeds.ours, which):.1f} | {median(speeds.theirs, which):.1f}"
            f" | {speeds.ratio(which):.3f} |"
            for which, name in enumerate(
                (
                    f"prompt of {READ}",
                    f"prompt of {READ}, by the processors' time",
                    f"answer of {WRITTEN}",
                    f"answer of {WRITTEN}, by the processors' time",
                )
            )
        ),
        "",
        f"| first token, prompt of {first.tokens} tokens | seconds | of a fresh prompt's |",
        "| --- | --- | --- |",
        f"| fresh | {fresh:.2f} | |",
        *(
            f"| follow-up, {name} | {statistics.median(seconds):.2f} | {statistics.median(seconds) / fresh:.3f} |"
            for name, seconds in (("the same passages", first.same), ("five of eight passages the same", first.partly))
        ),
        "",
        "| from a stop until the worker is free | median ms | slowest ms |",
        "| --- | --- | --- |",
        *(
            f"| while it {name} | {1000 * statistics.median(seconds):.0f} | {1000 * max(seconds):.0f} |"
            for name, seconds in (("reads the prompt", stops.reading), ("writes", stops.writing))
        ),
        "",
    ]
    return "\n".join(lines)


def _said(generator: LlamaGenerator) -> str:
    runtime = generator.runtime
    assert runtime
    return ", ".join(f"{name} {getattr(runtime, name)}" for name in runtime.__slots__)


def _verdict(speeds: Speeds, first: FirstTokens, stops: Stops) -> int:
    slow = min(speeds.ratio(1), speeds.ratio(3)) < LEAST_SPEED
    again = statistics.median(first.same) > MOST_AGAIN * statistics.median(first.fresh)
    late = max(*stops.reading, *stops.writing) > MOST_STOP
    return 1 if slow or again or late else 0


if __name__ == "__main__":
    sys.exit(main())
