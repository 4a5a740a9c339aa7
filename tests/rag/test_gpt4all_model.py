"""A GGUF by the package gpt4all, through LangChain's integration. The package is a stand-in with its interface: it says
the words of its answer one by one, and remembers what it was asked."""

import json
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from errors import ModelError, ModelNotFoundError
from models.registry import Registry
from rag import gpt4all_model
from rag.generators import open_generator
from rag.gpt4all_model import Gpt4AllGenerator
from rag.prompt import Prompt
from rag.template import choose_template
from rag.token_estimate import estimate_tokens
from settings import Generate
from tests.gguf_files import tiny_gguf

SETTINGS = Generate(context=512, max_tokens=24, threads=3)
PROMPT = Prompt("", "en", (), "The notice period", ("<|im_end|>",), "chatml")

PACKAGE = """
    import json, os, time
    from pathlib import Path

    SAYS = ["It ", "is ", "thirty ", "days ", "[1]", "<|im", "_end|>", "never ", "said"]

    class _Model:
        def set_thread_count(self, threads):
            self.threads = threads

    class GPT4All:
        def __init__(self, model_name, model_path=None, model_type=None, allow_download=True, device=None):
            assert Path(model_path, model_name).is_file()
            self.model, self.model_type, self.told = _Model(), "llama", {"allow_download": allow_download}

        def generate(self, prompt, max_tokens=200, temp=0.7, top_k=40, top_p=0.4, repeat_penalty=1.18,
                     repeat_last_n=64, n_batch=8, n_predict=None, streaming=False):
            self.told |= {"prompt": prompt, "temp": temp, "top_k": top_k, "n_predict": n_predict,
                          "threads": self.model.threads, "streaming": streaming}
            Path(os.environ["GPT4ALL_TOLD"]).write_text(json.dumps(self.told))
            for word in SAYS if prompt != "endless" else iter(lambda: "on ", ""):
                time.sleep(0.01)
                yield word
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installs the stand-in for the processes that a test starts; yields what it was told."""
    (tmp_path / "site" / "gpt4all").mkdir(parents=True)
    (tmp_path / "site" / "gpt4all" / "__init__.py").write_text(textwrap.dedent(PACKAGE))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"), prepend=":")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("GPT4ALL_TOLD", str(tmp_path / "told.json"))
    return tmp_path / "told.json"


@pytest.fixture
def generator(tmp_path: Path) -> Iterator[Gpt4AllGenerator]:
    info = Registry(tmp_path / "home").add_gpt4all(tiny_gguf(tmp_path / "Tiny Chat.gguf"))
    opened = open_generator(info, SETTINGS, tmp_path)
    assert isinstance(opened, Gpt4AllGenerator)
    with closing(opened):
        yield opened


def test_it_streams_to_the_end_of_its_turn_as_it_was_asked(told: Path, generator: Gpt4AllGenerator) -> None:
    said = [piece for piece in generator.generate(PROMPT) if piece]
    assert "".join(said) == "It is thirty days [1]"
    assert len(said) > 3
    assert json.loads(told.read_text()) == {
        "prompt": "The notice period", "temp": 0.0, "top_k": 1, "n_predict": 24, "threads": 3, "streaming": True,
        "allow_download": False,
    }  # fmt: skip
    assert generator.count_tokens("The notice period") == estimate_tokens("The notice period")


def test_a_closed_answer_ends_at_its_next_word(told: Path, generator: Gpt4AllGenerator) -> None:
    answer = generator.generate(Prompt("", "en", (), "endless", (), "chatml"))
    while not next(answer):
        pass
    answer.close()
    began = time.monotonic()
    assert generator.count_tokens("x") > 0  # served after it
    assert time.monotonic() - began < 2


def test_without_the_package_it_is_said_how_to_get_it_and_how_to_do_without(
    generator: Gpt4AllGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpt4all_model.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"needs the package gpt4all.*pip install gpt4all.*cita models add"):
        next(generator.generate(PROMPT))


def test_it_is_known_beside_the_same_file_run_by_llama_cpp(tmp_path: Path) -> None:
    registry, path = Registry(tmp_path / "home"), tiny_gguf(tmp_path / "Tiny Chat.gguf", name="Tiny Chat")
    ours, other = registry.add(path), registry.add_gpt4all(path)
    assert (ours.name, other.name) == ("tiny-chat", "gpt4all-tiny-chat")
    assert registry.add_gpt4all(path) == other
    assert (ours.is_ours, other.is_ours, other.protocol) == (True, False, "gpt4all")
    assert choose_template(registry.get(other.name)).family == "chatml"
    path.unlink()
    with pytest.raises(ModelNotFoundError, match="is gone"):
        registry.use(other.name)
