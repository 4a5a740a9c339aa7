"""A model too large for the memory is refused by its header, with what would fit; the next model answers."""

from pathlib import Path

import pytest

from errors import ModelTooLargeError
from models.registry import Registry
from models.runtime import whole_memory
from rag.generators import open_generator
from rag.loaded import LoadedModels
from rag.prompt import Prompt
from settings import Generate, Settings
from tests.gguf_files import ANSWER, tiny_gguf
from tests.shaped_gguf import Shape, shaped_gguf

HELLO = Prompt("", "en", (), "Hello", ("<|im_end|>",), "chatml")
# By their published configurations, but for their vocabularies: files of 804, 468, 137 and 93 GB that take no disk.
LARGE = {
    "llama-3.1-405b": Shape(blocks=126, width=16_384, heads=128, kv_heads=8, head=128, inner=53_248, tokens=4000),
    "qwen3-235b-a22b": Shape("qwen3moe", 94, 4096, 64, 4, 128, 1536, 4000, experts=128, tied=True),
    "llama-2-70b": Shape(blocks=80, width=8192, heads=64, kv_heads=8, head=128, inner=28_672, tokens=4000),
    "mixtral-8x7b": Shape("qwen3moe", 32, 4096, 32, 8, 128, 14_336, 4000, experts=8, tied=True),
}


@pytest.mark.parametrize("shape", LARGE.values(), ids=LARGE)
def test_a_model_too_large_is_refused_with_what_fits_and_the_next_one_answers(
    shape: Shape, settings: Settings, tmp_path: Path
) -> None:
    registry, generate = Registry(settings.models), Generate(context=512, threads=1)
    large = registry.add(shaped_gguf(tmp_path / "large.gguf", shape, sparse=True))
    if large.size < whole_memory():
        pytest.skip("MEMORY: this machine holds the model that is to be too large")
    small = registry.add(tiny_gguf(tmp_path / "small.gguf", name="Small one"))
    models = LoadedModels(1, lambda info, chosen: open_generator(info, chosen, settings.models))
    with models.lend(large, generate) as loan:
        generator = loan.wait(10)
        assert generator
        with pytest.raises(ModelTooLargeError, match=r"cannot be loaded: The model needs \d+\.\d GB") as error:
            list(generator.generate(HELLO))
    assert "`cita models use small-one`: it is the largest of your models that fits." in error.value.hint
    with models.lend(small, generate) as loan:
        generator = loan.wait(10)
        assert generator
        assert "".join(generator.generate(HELLO)) == ANSWER
    models.close()
