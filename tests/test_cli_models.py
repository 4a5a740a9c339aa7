"""`cita models show` and `cita models discover`: what a model is and takes, and which ones other programs keep."""

import hashlib
import shutil
from pathlib import Path

import pytest

import models.discover as discover_module
import models.doctor as doctor
from models.doctor import LlamaCpp
from models.runtime import GIB, Hardware
from tests.gguf_files import CHATML, header_gguf, tiny_gguf
from tests.test_cli import run

MINE = """
bos = true
first = "$system$user"
user = "$user"
assistant = "$assistant"
generation = ""
stop = ["END"]
marks = ["END"]

[[when]]
architecture = ["llama"]
"""
LAPTOP = Hardware(cores=4, memory=8 * GIB, card=0, card_name="", amx=False)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path) -> None:
    monkeypatch.setenv("CITA_HOME", str(home))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setattr(discover_module, "LEAST_SIZE", 1000)
    use(monkeypatch, LAPTOP)


def use(monkeypatch: pytest.MonkeyPatch, hardware: Hardware) -> None:
    monkeypatch.setattr(doctor, "_load_llama_cpp", lambda: (LlamaCpp(True, False, ""), hardware))


def test_a_file_is_shown_with_its_prompt_and_the_memory_it_takes(tmp_path: Path) -> None:
    path = tiny_gguf(tmp_path / "m.gguf", name="Tiny Chat")
    shown = run("models", "show", str(path), "--json").json
    assert (shown["model"]["title"], shown["tokenizer"], shown["family"]) == ("Tiny Chat", "llama", "chatml")
    assert (shown["why"], shown["problem"]) == ("chat template", "")
    assert shown["memory"]["weights"] == path.stat().st_size
    assert shown["memory"]["cache"] == 4096 * 2 * 64 * 2  # tokens, keys and values, their width, bytes of an f16
    half = run("models", "show", str(path), "--context", "2048", "--json").json
    assert half["memory"]["cache"] == shown["memory"]["cache"] / 2
    out = run("models", "show", str(path)).stdout
    for words in ("Tiny Chat", "chatml: its chat template has <|im_start|>", "cache of 4,096 tokens as f16"):
        assert words in out


@pytest.mark.parametrize(
    ("architecture", "tokens", "metadata", "family", "why"),
    [
        ("llama", ["<|im_start|>", "<|im_end|>"], {"tokenizer__ggml__eos_token_id": 1}, "chatml", "vocabulary"),
        ("phi2", [], {}, "phi2", "architecture"),
        ("llama", [], {}, "plain", "nothing"),
    ],
)
def test_why_a_family_was_chosen_is_said(
    architecture: str, tokens: list[str], metadata: dict[str, int], family: str, why: str, tmp_path: Path
) -> None:
    path = header_gguf(tmp_path / "m.gguf", architecture, tokens, **metadata)
    shown = run("models", "show", str(path), "--json").json
    assert (shown["family"], shown["why"]) == (family, why)


def test_a_family_of_the_users_own_is_shown_and_what_is_wrong_with_another(home: Path, tmp_path: Path) -> None:
    (home / "prompts").mkdir(parents=True)
    (home / "prompts" / "mine.toml").write_text(MINE)
    (home / "prompts" / "bad.toml").write_text(MINE.replace("bos =", "boss ="))
    path = tiny_gguf(tmp_path / "m.gguf")
    shown = run("models", "show", str(path), "--json").json
    assert (shown["family"], shown["why"]) == ("mine", "file")
    assert shown["reason"] == "your file mine.toml: its architecture is llama"
    (wrong,) = shown["left_out"]
    assert "bad.toml: the key 'boss' is unknown. Known are" in wrong
    out = " ".join(run("models", "show", str(path)).stdout.split())
    assert "mine: your file mine.toml" in out
    assert "the key 'boss' is unknown" in out


def test_a_model_that_no_rule_knows_is_shown_with_its_own_template(tmp_path: Path) -> None:
    own = CHATML.replace("<|im_start|>", "<|new|>")
    shown = run("models", "show", str(tiny_gguf(tmp_path / "m.gguf", template=own)), "--json").json
    assert (shown["family"], shown["why"]) == ("own template", "own template")
    plain = run("models", "show", str(tiny_gguf(tmp_path / "n.gguf", template="{{ 1 / 0 }}")), "--json").json
    assert (plain["family"], plain["why"]) == ("plain", "nothing")
    assert "its own chat template cannot be used: it fails: division by zero" in plain["reason"]


def test_a_known_model_is_shown_by_its_name(tmp_path: Path) -> None:
    run("models", "add", str(tiny_gguf(tmp_path / "m.gguf", name="Tiny Chat")))
    assert run("models", "show", "tiny-chat", "--json").json["model"]["name"] == "tiny-chat"


def test_a_model_that_does_not_fit_is_shown_with_what_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Hardware(cores=4, memory=GIB // 2, card=0, card_name="", amx=False))
    shown = run("models", "show", str(tiny_gguf(tmp_path / "m.gguf")), "--json").json
    assert shown["memory"] is None
    assert "needs" in shown["problem"]
    assert "smaller model" in shown["problem"]


@pytest.mark.parametrize(("name", "says"), [("nope", "no model and no file 'nope'"), ("extractive", "is no model")])
def test_what_is_no_model_is_said_to_be_none(name: str, says: str) -> None:
    done = run("models", "show", name)
    assert done.code != 0
    assert says in done.stderr


def test_models_of_other_programs_are_found_with_their_places(tmp_path: Path) -> None:
    assert run("models", "discover", "--json").json["models"] == []
    assert "No other program keeps a model" in run("models", "discover").stdout
    studio = tmp_path / "user" / ".lmstudio" / "models" / "org" / "tiny"
    other = tmp_path / "user" / ".cache" / "gpt4all"
    for folder in (studio, other):
        folder.mkdir(parents=True)
    path = tiny_gguf(studio / "tiny.gguf")
    shutil.copy(path, other / "copy.gguf")
    (one,) = run("models", "discover", "--json").json["models"]
    assert [(place["program"], place["name"]) for place in one["places"]] == [
        ("LM Studio", "org/tiny/tiny.gguf"), ("GPT4All", "copy.gguf"),
    ]  # fmt: skip
    assert (one["known"], one["sha256"], one["problem"]) == ("", "", "")
    run("models", "add", one["path"])
    (one,) = run("models", "discover", "--hash", "--json").json["models"]
    assert (one["known"], one["sha256"]) == ("tiny", hashlib.sha256(path.read_bytes()).hexdigest())
    assert f"LM Studio: {path}" in run("models", "discover").stdout.replace("\n", "")
