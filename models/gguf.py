"""Read what a GGUF file says of itself, without loading a weight.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The file may come from anywhere, so every count
and length is checked against what is left of the file before it is believed: reading a damaged or hostile one takes
bounded time and memory and ends in a NotAModelError.
"""

import math
import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from errors import ModelNotFoundError, NotAModelError
from models.types import ModelInfo

Value = int | float | bool | str | list["Value"]

MAGIC = b"GGUF"
MAX_ENTRIES = 100_000  # metadata keys, and tensors; the largest models have some thousands
MAX_ARRAY = 2_000_000  # the largest vocabularies have 262,144 tokens and twice as many merges
MAX_ELEMENTS = 4_000_000  # of all arrays together
MAX_BLOCKS = 1024
MAX_HEADER = 256 * 1024 * 1024
MAX_NAME, MAX_KEY = 64, 65_535  # bytes (ggml.h, `GGML_MAX_NAME`; the format)
MAX_STRING = 16 * 1024 * 1024
MAX_ALIGNMENT = 4096
MAX_DIMENSIONS = 4

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
UNKNOWN_TOKEN, CONTROL_TOKEN, USER_DEFINED_TOKEN = 2, 3, 4

# Elements and bytes of a block, per tensor type (ggml/src/ggml.c, `type_traits`).
BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66),
    17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136),
    24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54),
    35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18),
}  # fmt: skip

# `general.file_type` (llama.h, `enum llama_ftype`).
QUANTISATIONS = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE", 39: "NVFP4",
    40: "Q1_0",
}  # fmt: skip

ADAPTER = "adapter"  # `general.type`
LORA = "lora"  # `adapter.type`
POOLING_RANK = 4  # llama.h, `enum llama_pooling_type`
CLASSIFIER = {"cls.weight", "cls.output.weight"}

# Architectures that encode or see, and so write no answers.
NOT_GENERATORS = {"bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert",
                  "eurobert", "gemma-embedding", "t5encoder", "clip", "wavtokenizer-dec"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of weights: its dimensions in ggml's order, its kind (ggml.h, `enum ggml_type`), its bytes."""

    shape: tuple[int, ...]
    kind: int
    size: int


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before a GGUF's weights. `tensors` are by name; `parameters` counts the elements of all of them."""

    metadata: dict[str, Value]
    tensors: dict[str, Tensor]
    parameters: int
    size: int

    @property
    def is_adapter(self) -> bool:
        """Whether it says so."""
        return self.text("general.type") == ADAPTER

    def text(self, key: str) -> str:
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str, default: int = 0) -> int:
        value = self.metadata.get(key)
        return value if isinstance(value, int) else default

    def values(self, key: str) -> list[Value]:
        value = self.metadata.get(key)
        return value if isinstance(value, list) else []


def read_model(path: Path) -> ModelInfo:
    """What the GGUF at `path` says of itself; its `name` is the file's stem.

    Raises ModelNotFoundError if there is no such file, NotAModelError if it is none, a damaged one, one part of
    several, or neither a generator nor a reranker.
    """
    return model_of(read_header(path), path)


def model_of(header: Header, path: Path) -> ModelInfo:
    """read_model() of the file at `path` that this header was read from."""
    architecture = header.text("general.architecture")
    parts = header.number("split.count")
    if parts > 1:
        raise NotAModelError(
            f"{str(path)!r} is part {header.number('split.no') + 1} of a model in {parts} files.",
            hint="Join them with `llama-gguf-split --merge FIRST_PART WHOLE.gguf` and add the whole.",
        )
    if not architecture or not header.tensors:
        raise NotAModelError(
            f"{str(path)!r} is a GGUF without {'weights' if architecture else 'an architecture'}.",
            hint="Download the model itself, not only its vocabulary.",
        )
    ranks = _ranks(header, architecture)
    if (architecture in NOT_GENERATORS and not ranks) or header.text("general.type") in (
        ADAPTER,
        "mmproj",
        "imatrix",
    ):
        kind = header.text("general.type") if architecture not in NOT_GENERATORS else architecture
        raise NotAModelError(
            f"{str(path)!r} is of the kind {_short(kind)}: it writes no answers.",
            hint="Apply it to the model that it was made for with `cita models add ADAPTER.gguf --to MODEL`."
            if kind == ADAPTER
            else "Add the language model's own GGUF.",
        )
    return ModelInfo(
        name=path.stem,
        path=str(path),
        size=header.size,
        architecture=architecture,
        title=header.text("general.name"),
        quantisation=QUANTISATIONS.get(header.number("general.file_type", -1), ""),
        parameters=header.parameters,
        context=header.number(f"{architecture}.context_length"),
        chat_template=header.text("tokenizer.chat_template"),
        bos_token=_token(header, "tokenizer.ggml.bos_token_id"),
        eos_token=_token(header, "tokenizer.ggml.eos_token_id"),
        special_tokens=_special_tokens(header),
        ranks=ranks,
    )


def check_adapter(path: Path, base: Path) -> str:
    """Whether the GGUF at `path` is a LoRA adapter that fits the model at `base`; the title it gives itself, or ''.

    Raises ModelNotFoundError if there is no such file, NotAModelError if it is no adapter, a damaged one, or one that
    was made for another model.
    """
    header = read_header(path)
    if not header.is_adapter:
        raise NotAModelError(
            f"{str(path)!r} is no adapter: its general.type is {header.text('general.type') or 'not given'!r}.",
            hint="Add a model without --to; make an adapter a GGUF with llama.cpp's convert_lora_to_gguf.py.",
        )
    if (kind := header.text("adapter.type")) != LORA:
        raise NotAModelError(f"{str(path)!r} is an adapter of the type {kind!r}.", hint="LoRA adapters can be used.")
    model = read_header(base)
    if reason := _misfit(header, model):
        title = header.text("general.base_model.0.name")
        raise NotAModelError(
            f"{str(path)!r} does not fit the model {str(base)!r}: {reason}.",
            hint=f"It says that it was made for {title!r}." if title else "Name the model that it was made for.",
        )
    return header.text("general.name")


def _misfit(adapter: Header, model: Header) -> str:
    """Why llama.cpp could not apply one to the other; '' if it can."""
    made_for, architecture = adapter.text("general.architecture"), model.text("general.architecture")
    if made_for != architecture:
        return f"it is for the architecture {made_for!r}, the model is a {architecture!r}"
    if not adapter.tensors:
        return "it has no weights"
    for name, part_of in adapter.tensors.items():
        tensor, _, part = name.rpartition(".")
        if part not in ("lora_a", "lora_b"):
            return f"its tensor {name!r} is no part of a LoRA"
        if tensor not in model.tensors:
            return f"the model has no tensor {tensor!r}"
        other = adapter.tensors.get(f"{tensor}.{'lora_b' if part == 'lora_a' else 'lora_a'}")
        if other is None:
            return f"its tensor {name!r} lacks its counterpart"
        if part == "lora_a" and not _multiplies(tensor, model.tensors[tensor].shape, part_of.shape, other.shape):
            return f"its tensor {tensor!r} is of another size"
    return ""


def _multiplies(tensor: str, weight: tuple[int, ...], a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether the product of both has the weight's dimensions, as llama.cpp asks (src/llama-adapter.cpp)."""
    a, b, weight = ((*dimensions, 1, 1)[:2] for dimensions in (a, b, weight))
    if tensor == "token_embd.weight":  # transposed
        return (weight[0], weight[1], a[0]) == (b[1], a[1], b[0])
    return (weight[0], weight[1], a[1]) == (a[0], b[1], b[0])


def read_header(path: Path) -> Header:
    """The header of the GGUF at `path`.

    Raises ModelNotFoundError if there is no such file, NotAModelError if it is not a GGUF or a damaged one.
    """
    try:
        # Asked before opening: opening a pipe or a device could wait for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            kind = "a folder" if path.is_dir() else "not a plain file"
            raise NotAModelError(f"{str(path)!r} is {kind}, not a GGUF file.", hint="Name the .gguf file itself.")
        with path.open("rb") as file:
            return _Reader(file, path).header()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelNotFoundError(f"There is no file {str(path)!r}.", hint="Check the path.") from error
    except OSError as error:
        raise NotAModelError(
            f"{str(path)!r} cannot be read: {error.strerror}.", hint="Check the file's permissions and its disk."
        ) from error


class _Reader:
    """Reads a header's values in their order, never past the file's end nor more than is sane."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._size = os.fstat(file.fileno()).st_size
        self._at = 0
        self._elements = 0  # of arrays, so far

    def header(self) -> Header:
        self._check_magic()
        tensors, entries = self._count("tensors", MAX_ENTRIES), self._count("metadata entries", MAX_ENTRIES)
        metadata: dict[str, Value] = {}
        for _ in range(entries):
            key = self._bytes(self._count("bytes in a key", MAX_KEY)).decode("utf-8", "replace")
            if key in metadata:
                raise self._damaged(f"it holds {_short(key)} twice")
            metadata[key] = self._value(self._scalar("I"))
        self._check_blocks(metadata)
        found: dict[str, Tensor] = {}
        offsets = []
        for _ in range(tensors):
            name, tensor, offset = self._tensor()
            if name in found:
                raise self._damaged(f"it holds tensor {name!r} twice")
            found[name] = tensor
            offsets.append(offset)
        self._check_weights(metadata, found, offsets)
        return Header(metadata, found, sum(math.prod(tensor.shape) for tensor in found.values()), self._size)

    def _check_magic(self) -> None:
        start = self._file.read(8)
        self._at = len(start)
        if start[:4] != MAGIC:
            begins = f"it begins with {start[:4]!r}" if start else "it is empty"
            raise NotAModelError(
                f"{str(self._path)!r} is not a GGUF file: {begins}.", hint="Choose a model file that ends in .gguf."
            )
        if len(start) < 8:
            raise self._truncated()
        version = struct.unpack("<I", start[4:])[0]
        if version in (2 << 24, 3 << 24):
            raise NotAModelError(
                f"{str(self._path)!r} is a GGUF in big-endian byte order.", hint="Choose the little-endian file."
            )
        if version not in (2, 3):
            raise NotAModelError(
                f"{str(self._path)!r} is a GGUF of version {version}; versions 2 and 3 can be read.",
                hint="Download a current conversion of the model.",
            )

    def _tensor(self) -> tuple[str, Tensor, int]:
        """Its name, itself, and where it begins, counted from the start of the weights."""
        name = self._bytes(self._count("bytes in a tensor's name", MAX_NAME)).decode("utf-8", "replace")
        dimensions = self._scalar("I")
        if dimensions > MAX_DIMENSIONS:
            raise self._damaged(f"tensor {name!r} has {dimensions} dimensions")
        shape = tuple(self._scalar("Q") for _ in range(dimensions))
        kind = self._scalar("I")
        block, size = BLOCKS.get(kind, (1, 0))  # of a kind newer than this table only the place is checked
        return name, Tensor(shape, kind, math.prod(shape) // block * size), self._scalar("Q")

    def _check_blocks(self, metadata: dict[str, Value]) -> None:
        """What a model is made of is counted before anything is made by that count."""
        for key, value in metadata.items():
            if key.endswith(".block_count") and (not isinstance(value, int) or not 0 <= value <= MAX_BLOCKS):
                raise self._damaged(f"its {_short(key)} is {str(value)[:40]}")

    def _check_weights(self, metadata: dict[str, Value], tensors: dict[str, Tensor], offsets: list[int]) -> None:
        """They follow one another, as llama.cpp asks (ggml/src/gguf.cpp), and end where the file does at the latest."""
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 0 < alignment <= MAX_ALIGNMENT:
            raise self._damaged(f"its alignment is {str(alignment)[:40]}")
        expected: int | None = 0
        end = 0
        for (name, tensor), offset in zip(tensors.items(), offsets, strict=True):
            if expected is not None and offset != expected:
                raise self._damaged(f"tensor {name!r} begins at {offset} where {expected} is due")
            end = max(end, offset + tensor.size)
            known = tensor.kind in BLOCKS
            expected = -(-(offset + tensor.size) // alignment) * alignment if known else None
        needed = -(-self._at // alignment) * alignment + end
        if tensors and needed > self._size:
            raise self._truncated(needed)

    def _value(self, kind: int) -> Value:
        if kind == STRING:
            return self._string()
        if kind == ARRAY:
            return self._array()
        if kind not in SCALARS:
            raise self._damaged(f"it holds a value of the unknown type {kind}")
        value: int | float | bool = self._scalar(SCALARS[kind])
        return value

    def _array(self) -> list[Value]:
        kind = self._scalar("I")
        count = self._count("array elements", MAX_ARRAY)
        self._elements += count
        if self._elements > MAX_ELEMENTS:
            raise self._damaged(f"its arrays hold over {MAX_ELEMENTS} elements")
        if kind == STRING:
            return self._strings(count)
        if kind not in SCALARS:  # arrays in arrays: allowed by the format, used by no model
            raise self._damaged(f"it holds an array of the type {kind}")
        form = struct.Struct(f"<{count}{SCALARS[kind]}")
        return list(form.unpack(self._bytes(form.size)))

    def _strings(self, count: int) -> list[Value]:
        """What `_string` would give `count` times, in a tenth of a second for a whole vocabulary."""
        read, strings = self._file.read, []
        for _ in range(count):
            size = int.from_bytes(read(8), "little")
            self._at += 8 + size
            if size > MAX_STRING or self._at > self._size:
                raise self._truncated()
            strings.append(read(size).decode("utf-8", "replace"))
        self._bytes(0)
        return list(strings)

    def _string(self) -> str:
        return self._bytes(self._count("bytes in a string", MAX_STRING)).decode("utf-8", "replace")

    def _count(self, what: str, limit: int) -> int:
        count: int = self._scalar("Q")
        if count > limit:
            raise self._damaged(f"it claims {count} {what}")
        if count > self._size - self._at:  # whatever is counted takes a byte at least
            raise self._truncated()
        return count

    def _scalar(self, form: str) -> int:
        value: int = struct.unpack("<" + form, self._bytes(struct.calcsize("<" + form)))[0]
        return value

    def _bytes(self, size: int) -> bytes:
        if size > self._size - self._at:
            raise self._truncated()
        data = self._file.read(size)
        if len(data) < size:  # it shrank under our hands
            raise self._truncated()
        self._at += size
        if self._at > MAX_HEADER:
            raise self._damaged(f"its header is over {MAX_HEADER} bytes")
        return data

    def _damaged(self, how: str) -> NotAModelError:
        return NotAModelError(f"{str(self._path)!r} is a damaged GGUF: {how}.", hint="Download it again.")

    def _truncated(self, needed: int = 0) -> NotAModelError:
        of = f" of at least {needed}" if needed else ""
        return NotAModelError(
            f"{str(self._path)!r} is a GGUF cut short: it has {self._size}{of} bytes.",
            hint="The download did not finish; download it again.",
        )


def _short(text: str) -> str:
    """What a file calls something, for a message: it may be megabytes."""
    return repr(text if len(text) <= 60 else f"{text[:60]}...")


def _ranks(header: Header, architecture: str) -> bool:
    """Whether it is a reranker: it has a classification head, and says nothing against that its output is a rank."""
    pooling = header.number(f"{architecture}.pooling_type", POOLING_RANK)
    return pooling == POOLING_RANK and not CLASSIFIER.isdisjoint(header.tensors)


def _token(header: Header, key: str) -> str:
    tokens = header.values("tokenizer.ggml.tokens")
    at = header.number(key, -1)
    return str(tokens[at]) if 0 <= at < len(tokens) else ""


def _special_tokens(header: Header) -> tuple[str, ...]:
    """The tokens that llama.cpp reads as control tokens when they stand in a prompt's text.

    Of the user-defined ones only those that look like markers: others are plain words, spaces and digits.
    """
    tokens, types = header.values("tokenizer.ggml.tokens"), header.values("tokenizer.ggml.token_type")
    return tuple(
        str(token)
        for token, kind in zip(tokens, types, strict=False)
        if kind in (UNKNOWN_TOKEN, CONTROL_TOKEN) or (kind == USER_DEFINED_TOKEN and _is_marker(str(token)))
    )


def _is_marker(token: str) -> bool:
    return len(token) > 2 and (token[0], token[-1]) in (("<", ">"), ("[", "]"))
