"""A thousand damaged headers: each is read or refused with a clear message, in little time and memory, and what is read
is loaded by a process of its own or refused there; the next model loads."""

import random
import resource
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from errors import ModelError
from models.fit import Weights, memory_needed
from models.gguf import read_header, read_model
from models.runtime import Runtime
from rag.generate import LlamaGenerator
from settings import CODE, Generate
from tests.gguf_files import tiny_gguf

COUNT = 1000
LOADED = 6
SECONDS, MEMORY = 2.0, 64 << 20  # of one header, and more for any
HUGE = (2**63, 2**64 - 1, 2**32, 2**31 - 1, 2**40)


def flip(data: bytearray, rng: random.Random, header: int) -> None:
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(header)] ^= 1 << rng.randrange(8)


def truncate(data: bytearray, rng: random.Random, header: int) -> None:
    del data[rng.randrange(header + (len(data) - header) // 2) :]


def lengthen(data: bytearray, rng: random.Random, header: int) -> None:
    """A length, a count or an offset becomes a huge one."""
    at = rng.choice([8, 16, rng.randrange(24, header - 8)])
    struct.pack_into("<Q", data, at, rng.choice(HUGE))


def retype(data: bytearray, rng: random.Random, header: int) -> None:
    """The type of a value, the value of a number, or the kind of a tensor becomes another."""
    keys = [
        b"llama.block_count", b"llama.attention.head_count", b"tokenizer.ggml.tokens", b"general.architecture",
        b"llama.context_length", b"tokenizer.ggml.bos_token_id", b"general.file_type", b"llama.embedding_length",
    ]  # fmt: skip
    key = rng.choice(keys)
    at = data.find(key) + len(key)
    if rng.random() < 0.5:
        struct.pack_into("<I", data, at, rng.randrange(20))
    else:
        struct.pack_into("<I", data, at + 4, rng.choice([0, 1, 2**31, 2**32 - 1, rng.randrange(1000)]))


def point_back(data: bytearray, rng: random.Random, header: int) -> None:
    """The offset of a tensor points to another's place, or back into the header."""
    name = rng.choice([b"output.weight", b"token_embd.weight", b"blk.0.attn_q.weight", b"output_norm.weight"])
    at = data.find(name) + len(name)
    dimensions = struct.unpack_from("<I", data, at)[0]
    struct.pack_into("<Q", data, at + 4 + 8 * dimensions + 4, rng.choice([0, 32, 64, 2**64 - 32, rng.randrange(10**6)]))


def repeat(data: bytearray, rng: random.Random, header: int) -> None:
    """A piece of the header stands in another's place."""
    size = rng.randrange(1, 200)
    start, target = rng.randrange(24, header - size), rng.randrange(24, header - size)
    data[target : target + size] = data[start : start + size]


DAMAGES: tuple[Callable[[bytearray, random.Random, int], None], ...] = (
    flip, truncate, lengthen, retype, point_back, repeat,
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gguf(tmp_path_factory.mktemp("models") / "whole.gguf")


def damaged(whole: Path, number: int) -> bytes:
    """The same for the same number."""
    data = bytearray(whole.read_bytes())
    header = len(data) - sum(tensor.size for tensor in read_header(whole).tensors.values())
    rng = random.Random(number)
    DAMAGES[number % len(DAMAGES)](data, rng, header)
    return bytes(data)


def test_a_thousand_damaged_headers_are_read_or_refused(whole: Path, tmp_path: Path) -> None:
    path, refused = tmp_path / "damaged.gguf", 0
    run = Runtime(4096, 2, 512, 0, flash_attention=False, cache="f16", repack=True)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(COUNT):
        path.write_bytes(damaged(whole, number))
        told = None
        began = time.process_time()
        try:
            info = read_model(path)
            assert memory_needed(Weights.read(path), run).total > 0
            assert info.size == path.stat().st_size
        except ModelError as error:
            told = error
        assert time.process_time() - began < SECONDS, number
        if told:
            refused += 1
            assert told.hint, number
            assert len(told.message) < 1000, number
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held < MEMORY // 1024
    assert COUNT // 2 < refused < COUNT  # some damage, as to a name or a score, leaves a model


def outcome(generator: LlamaGenerator) -> str:
    """What is said of a model that may be damaged: that it loads, or why not."""
    try:
        return f"{generator.count_tokens('some words')} tokens"
    except ModelError as error:
        return error.hint and error.message


def test_what_is_read_of_them_is_loaded_or_refused_by_its_own_process_and_the_next_model_loads(
    whole: Path, tmp_path: Path
) -> None:
    path, tried = tmp_path / "damaged.gguf", 0
    ends: list[str] = []
    for number in range(COUNT):
        path.write_bytes(damaged(whole, number))
        try:
            info = read_model(path)
        except ModelError:
            continue
        if read_header(path) == read_header(whole):
            continue
        with closing(LlamaGenerator(info, Generate(context=256))) as generator:
            ends.append(outcome(generator))
        tried += 1
        if tried == LOADED:
            break
    assert tried == LOADED
    assert all(ends)
    with closing(LlamaGenerator(read_model(whole), Generate(context=256))) as generator:
        assert generator.count_tokens("some words") > 0


@pytest.mark.parametrize("kind", [0, 10], ids=["bytes", "numbers"])
def test_arrays_that_together_are_huge_are_refused_before_they_fill_the_memory(kind: int, tmp_path: Path) -> None:
    path = tmp_path / "arrays.gguf"
    element = 1 if kind == 0 else 8
    with path.open("wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, 0, 20))
        for number in range(20):
            key = f"array{number}".encode()
            file.write(struct.pack("<Q", len(key)) + key + struct.pack("<IIQ", 9, kind, 1_500_000))
            file.seek(1_500_000 * element, 1)
        file.truncate()
    code = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))
from errors import NotAModelError
from models.gguf import read_header
try:
    read_header(Path(sys.argv[1]))
except NotAModelError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code, path], cwd=CODE, capture_output=True, text=True, check=False)
    assert "arrays hold over 4000000 elements" in done.stdout, done.stderr
