"""Which generator a model gets."""

from pathlib import Path

import pytest

from errors import ModelError
from models.gguf import read_model
from models.types import ModelInfo
from rag.generate import LlamaGenerator
from rag.generators import open_generator
from settings import Generate
from tests.gguf_files import tiny_gguf


def test_a_gguf_is_run_by_llama_cpp_in_a_process_of_its_own_once_it_is_asked(tmp_path: Path) -> None:
    generator = open_generator(read_model(tiny_gguf(tmp_path / "tiny.gguf")), Generate(), tmp_path)
    assert isinstance(generator, LlamaGenerator)
    assert generator.pid == 0


def test_a_model_that_a_later_version_added_is_refused_with_what_to_do() -> None:
    later = ModelInfo("later", protocol="telepathy")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"'telepathy', which this Cita does not know.* add it again"):
        open_generator(later, Generate(), Path())
