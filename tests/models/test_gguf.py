"""What a GGUF says of itself is read right, and no file, however damaged, does more than raise a clear error."""

import contextlib
import os
import random
import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from errors import ModelNotFoundError, NotAModelError
from models import gguf as reader
from models.gguf import check_adapter, read_header, read_model
from tests.gguf_files import CHATML, header_gguf, quantise, tiny_gguf
from tests.lora_gguf import Pair, lora_gguf, saying_instead
from tests.reranker_gguf import reranker_gguf


def test_a_model_is_described_by_its_own_metadata(tmp_path: Path) -> None:
    info = read_model(tiny_gguf(tmp_path / "file.gguf", name="Tiny Chat", context=2048))
    assert (info.name, info.title, info.architecture, info.context) == ("file", "Tiny Chat", "llama", 2048)
    assert (info.chat_template, info.bos_token, info.eos_token) == (CHATML, "<s>", "<|im_end|>")
    assert info.special_tokens == ("<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>")
    assert info.quantisation == "F16"
    assert info.size == (tmp_path / "file.gguf").stat().st_size


def test_parameters_and_quantisation_are_as_the_reference_reader_counts_them(tmp_path: Path) -> None:
    path = quantise(tiny_gguf(tmp_path / "f16.gguf"), tmp_path / "q8.gguf")
    info = read_model(path)
    assert info.parameters == sum(int(tensor.n_elements) for tensor in gguf.GGUFReader(path).tensors)
    assert info.quantisation == "Q8_0"


def test_block_sizes_are_those_of_the_reference_implementation() -> None:
    assert {int(kind): sizes for kind, sizes in gguf.GGML_QUANT_SIZES.items()} == reader.BLOCKS


def test_only_tokens_that_look_like_marks_count_as_special_among_the_user_defined(tmp_path: Path) -> None:
    tokens = ["<unk>", "<think>", "[TOOL]", "    ", "hello"]
    path = header_gguf(
        tmp_path / "m.gguf",
        "llama",
        tokenizer__ggml__tokens=tokens,
        tokenizer__ggml__token_type=[2, 4, 4, 4, 1],
    )
    assert read_model(path).special_tokens == ("<unk>", "<think>", "[TOOL]")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"PK\x03\x04" + b"\0" * 100, r"is not a GGUF file: it begins with b'PK\\x03\\x04'", id="zip"),
        pytest.param(b"", "is not a GGUF file: it is empty", id="empty"),
        pytest.param(b"GGUF", "cut short: it has 4 bytes", id="magic-only"),
        pytest.param(b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "GGUF of version 1", id="version-1"),
        pytest.param(b"GGUF" + struct.pack("<IQQ", 99, 0, 0), "GGUF of version 99", id="version-99"),
        pytest.param(b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian", id="big-endian"),
        pytest.param(b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), f"claims {2**60} tensors", id="tensors"),
        pytest.param(b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60), f"claims {2**60} metadata", id="entries"),
        pytest.param(b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**62), "bytes in a key", id="string"),
        pytest.param(b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1000), "cut short", id="string-past-end"),
        pytest.param(
            b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"k", 9, 9, 1) + b"\0" * 64,
            "array of the type 9",
            id="nest",
        ),
        pytest.param(b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"k", 9, 6, 2**40), "array elements", id="array"),
        pytest.param(b"GGUF" + struct.pack("<IQQQ1sI", 3, 0, 1, 1, b"k", 77) + b"\0" * 8, "unknown type 77", id="type"),
    ],
)
def test_a_file_that_is_no_gguf_is_named_with_what_is_wrong(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(NotAModelError, match=says) as error:
        read_header(path)
    assert repr(str(path)) in error.value.message
    assert error.value.hint


def test_a_truncated_model_is_told_from_a_whole_one_at_every_length(tmp_path: Path) -> None:
    whole = tiny_gguf(tmp_path / "whole.gguf").read_bytes()
    cut = tmp_path / "cut.gguf"
    for size in [*range(8, 400, 7), len(whole) // 2, len(whole) - 1000, len(whole) - 1]:
        cut.write_bytes(whole[:size])
        with pytest.raises(NotAModelError, match=f"cut short: it has {size}"):
            read_header(cut)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_a_damaged_header_is_read_or_refused_and_nothing_else(tmp_path: Path, seed: int) -> None:
    content = bytearray(tiny_gguf(tmp_path / "whole.gguf").read_bytes())
    rng = random.Random(seed)
    for _ in range(rng.randint(1, 5)):
        content[rng.randrange(4, 6000)] = rng.randrange(256)
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(content)
    with contextlib.suppress(NotAModelError):
        assert read_model(damaged).size == len(content)


def test_a_missing_file_a_folder_and_a_pipe_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="There is no file"):
        read_header(tmp_path / "none.gguf")
    with pytest.raises(NotAModelError, match="is a folder"):
        read_header(tmp_path)
    os.mkfifo(tmp_path / "pipe.gguf")  # opening it would wait for a writer for ever
    with pytest.raises(NotAModelError, match="not a plain file"):
        read_header(tmp_path / "pipe.gguf")


def test_an_unreadable_file_is_said_to_be_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tiny_gguf(tmp_path / "m.gguf")

    def refuse(self: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # a mode of 0 would not stop root
    with pytest.raises(NotAModelError, match="cannot be read: Permission denied"):
        read_header(path)


@pytest.mark.parametrize(
    ("architecture", "metadata", "says"),
    [
        ("llama", {"split__count": 3, "split__no": 0}, "part 1 of a model in 3 files"),
        ("bert", {}, "of the kind 'bert'"),
        ("llama", {"general__type": "adapter"}, "of the kind 'adapter'"),
        ("clip", {"general__type": "mmproj"}, "of the kind 'clip'"),
    ],
)
def test_a_gguf_that_cannot_write_answers_is_refused(
    tmp_path: Path, architecture: str, metadata: dict[str, object], says: str
) -> None:
    with pytest.raises(NotAModelError, match=says):
        read_model(header_gguf(tmp_path / "m.gguf", architecture, **metadata))


def test_a_gguf_with_a_classification_head_is_a_reranker(tmp_path: Path) -> None:
    reranker_gguf(tmp_path / "m.gguf")
    info = read_model(tmp_path / "m.gguf")
    assert (info.ranks, info.architecture, info.context) == (True, "bert", 64)
    content = (tmp_path / "m.gguf").read_bytes()
    (tmp_path / "m.gguf").write_bytes(content.replace(b"cls.", b"abc."))  # an embedder with odd tensors
    with pytest.raises(NotAModelError, match="of the kind 'bert'"):
        read_model(tmp_path / "m.gguf")
    assert not read_model(tiny_gguf(tmp_path / "writer.gguf")).ranks


def test_an_adapter_that_fits_a_model_is_accepted_and_tells_its_title(tmp_path: Path) -> None:
    base = tiny_gguf(tmp_path / "base.gguf")
    adapter = lora_gguf(tmp_path / "lora.gguf", saying_instead(base, "\u2581thirty", "\u2581days"), name="Curt")
    assert check_adapter(adapter, base) == "Curt"
    with pytest.raises(NotAModelError, match="of the kind 'adapter'") as error:
        read_model(adapter)
    assert "--to MODEL" in error.value.hint


def pair(columns: int, rows: int, rank: int = 2) -> Pair:
    return np.zeros((rank, columns)), np.zeros((rows, rank))


@pytest.mark.parametrize(
    ("pairs", "options", "says"),
    [
        ({"output.weight": pair(64, 99)}, {}, "'output.weight' is of another size"),
        ({"output.weight": (np.zeros((2, 64)), np.zeros((274, 3)))}, {}, "'output.weight' is of another size"),
        ({"blk.7.attn_q.weight": pair(64, 64)}, {}, "the model has no tensor 'blk.7.attn_q.weight'"),
        ({"blk.0.attn_q.weight": pair(64, 64)}, {"architecture": "qwen2"}, "for the architecture 'qwen2'"),
        ({"blk.0.attn_q.weight": pair(64, 64)}, {"kind": "control"}, "an adapter of the type 'control'"),
        ({}, {}, "it has no weights"),
    ],
    ids=["rows", "rank", "blocks", "architecture", "kind", "empty"],
)
def test_an_adapter_for_another_model_is_refused_with_the_reason(
    tmp_path: Path, pairs: dict[str, Pair], options: dict[str, str], says: str
) -> None:
    base = tiny_gguf(tmp_path / "base.gguf")
    adapter = lora_gguf(tmp_path / "lora.gguf", pairs, made_for="Big Llama", **options)  # type: ignore[arg-type]
    with pytest.raises(NotAModelError, match=says) as error:
        check_adapter(adapter, base)
    assert "Big Llama" in error.value.hint or "kind" in options


def test_half_of_an_adapter_and_tensors_that_are_none_of_it_are_refused(tmp_path: Path) -> None:
    base, adapter = tiny_gguf(tmp_path / "base.gguf"), tmp_path / "lora.gguf"
    content = lora_gguf(adapter, {"blk.0.attn_q.weight": pair(64, 64)}).read_bytes()
    adapter.write_bytes(content.replace(b"attn_q.weight.lora_b", b"attn_k.weight.lora_b"))
    with pytest.raises(NotAModelError, match="lacks its counterpart"):
        check_adapter(adapter, base)
    adapter.write_bytes(content.replace(b".lora_b", b".biased"))
    with pytest.raises(NotAModelError, match=r"lacks its counterpart|no part of a LoRA"):
        check_adapter(adapter, base)


def test_a_model_is_no_adapter(tmp_path: Path) -> None:
    base = tiny_gguf(tmp_path / "base.gguf")
    with pytest.raises(NotAModelError, match="is no adapter"):
        check_adapter(base, base)


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_damaged_adapter_never_does_more_than_raise(tmp_path: Path, data: st.DataObject) -> None:
    base = tiny_gguf(tmp_path / "base.gguf")
    content = bytearray(lora_gguf(tmp_path / "lora.gguf", {"blk.0.attn_q.weight": pair(64, 64)}).read_bytes())
    for _ in range(data.draw(st.integers(0, 8))):
        content[data.draw(st.integers(0, 400))] ^= data.draw(st.integers(1, 255))
    (tmp_path / "lora.gguf").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(NotAModelError):
        check_adapter(tmp_path / "lora.gguf", base)
