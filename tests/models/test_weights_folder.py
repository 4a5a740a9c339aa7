"""What a folder of Transformers says of its model, from its texts alone, and which are refused."""

import random
import shutil
from pathlib import Path

import pytest

from errors import ModelNotFoundError, NotAModelError
from models.registry import Registry
from models.weights_folder import is_weights_folder, read_folder
from rag.template import choose_template
from tests.gguf_files import CHATML
from tests.test_cli import run
from tests.weights_folders import change, weights_folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return weights_folder(tmp_path_factory.mktemp("weights") / "tiny-llama")


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "tiny-llama"))


def test_a_folder_is_described_by_its_own_texts(folder: Path) -> None:
    info = read_folder(folder)
    assert (info.name, info.protocol, info.architecture, info.context) == ("tiny-llama", "transformers", "llama", 512)
    assert (info.chat_template, info.bos_token, info.eos_token) == (CHATML, "<s>", "<|im_end|>")
    assert {"<s>", "<|im_start|>", "<|im_end|>"} <= set(info.special_tokens)
    assert info.size == (folder / "model.safetensors").stat().st_size
    assert info.parameters == pytest.approx(info.size / 4, rel=0.05)
    assert not info.is_ours
    assert choose_template(info).family == "chatml"


def test_a_chat_template_may_lie_where_older_and_newer_tokenizers_keep_it(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    change(folder, "tokenizer_config.json", chat_template=[{"name": "tool_use", "template": "x"},
                                                          {"name": "default", "template": CHATML}])  # fmt: skip
    assert read_folder(folder).chat_template == CHATML
    change(folder, "tokenizer_config.json", chat_template=None, bos_token={"content": "<s>", "lstrip": False})
    assert (read_folder(folder).chat_template, read_folder(folder).bos_token) == ("", "<s>")


def test_a_folder_is_added_in_place_like_a_file(folder: Path, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "home")
    added = registry.add(folder)
    assert (added.name, registry.add(folder).name) == ("tiny-llama", "tiny-llama")
    assert registry.use("tiny-llama").active
    shutil.rmtree(folder)
    assert [info.name for info in registry.list()] == ["extractive", "tiny-llama"]
    with pytest.raises(ModelNotFoundError, match="is gone"):
        registry.get("tiny-llama")


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def cut(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:100])


BROKEN = {
    "pickles": (pickled, "its weights are pickles, which can run programs.*safetensors"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "it has no weights"),
    "code of its own": (lambda folder: change(folder, "config.json", auto_map={"AutoModel": "x.Y"}), "code of its own"),
    "an encoder": (lambda folder: change(folder, "config.json", architectures=["BertModel"]), "no text.*BertModel"),
    "nothing known": (lambda folder: change(folder, "config.json", architectures=None), "does not say what it is"),
    "a damaged config": (lambda folder: (folder / "config.json").write_text("{"), "cannot be read"),
    "a config that is a list": (lambda folder: (folder / "config.json").write_text("[]"), "holds no settings"),
    "a damaged tokenizer": (lambda folder: (folder / "tokenizer_config.json").write_bytes(b"\xff"), "cannot be read"),
    "cut weights": (cut, "header is damaged|no safetensors"),
    "weights with a lying length": (
        lambda folder: (folder / "model.safetensors").write_bytes(b"\xff" * 64), "it is no safetensors file"
    ),
    "no weights but text": (lambda folder: (folder / "model.safetensors").write_bytes(b""), "no safetensors"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_used_is_refused_with_the_reason(folder: Path, case: str) -> None:
    spoil, message = BROKEN[case]
    spoil(folder)
    with pytest.raises(NotAModelError, match=message) as error:
        read_folder(folder)
    assert error.value.hint


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "tokenizer.json", "model.safetensors"])
def test_a_file_with_any_bytes_changed_is_read_or_refused(folder: Path, name: str) -> None:
    whole, rng, refused = (folder / name).read_bytes(), random.Random(name), 0
    for _ in range(150):
        broken = bytearray(whole[: rng.randrange(len(whole))] if rng.random() < 0.3 else whole)
        for _ in range(rng.randrange(1, 6)):
            if broken:
                broken[rng.randrange(min(len(broken), 2000))] = rng.randrange(256)
        (folder / name).write_bytes(bytes(broken))
        try:
            read_folder(folder)
        except NotAModelError as error:
            refused += 1
            assert error.hint  # noqa: PT017
    assert refused > 10


def test_a_folder_without_a_model_is_none(tmp_path: Path) -> None:
    assert not is_weights_folder(tmp_path)
    with pytest.raises(ModelNotFoundError, match="no model in the folder"):
        read_folder(tmp_path)


def test_a_folder_is_added_listed_and_shown_by_the_commands(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITA_HOME", str(home))
    added = run("models", "add", str(folder), "--json")
    assert added.code == 0, added.stderr
    assert [model["name"] for model in added.json["models"]] == ["extractive", "tiny-llama"]
    for named in ("tiny-llama", str(folder)):
        shown = run("models", "show", named, "--json").json
        assert (shown["family"], shown["model"]["protocol"], shown["model"]["context"]) == (
            "chatml", "transformers", 512,
        )  # fmt: skip
    assert str(folder) in run("models", "show", "tiny-llama").stdout
