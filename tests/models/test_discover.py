"""Models of other programs are found where these keep them, shown once, and never touched."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from errors import ModelError
from models import discover as module
from models.discover import Folder, Hashes, discover, program_folders
from tests.gguf_files import tiny_gguf


@pytest.fixture(autouse=True)
def every_size_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_SIZE", 1000)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def hub_model(root: Path, name: str = "Hub") -> Path:
    """As huggingface_hub lays a download out: the blob by its hash, a link to it by its name."""
    made = tiny_gguf(root.parent / "made.gguf", name=name)
    model = root / "models--org--tiny-GGUF"
    blob = model / "blobs" / sha256(made)
    blob.parent.mkdir(parents=True)
    made.rename(blob)
    link = model / "snapshots" / "abc" / "tiny-Q4_K_M.gguf"
    link.parent.mkdir(parents=True)
    link.symlink_to(Path("../../blobs") / blob.name)
    return link


def ollama_model(root: Path, made: Path, where: str = "registry.ollama.ai/library/tiny/3b") -> Path:
    digest = sha256(made)
    blob = root / "blobs" / f"sha256-{digest}"
    blob.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(made, blob)
    layers = [
        {"mediaType": "application/vnd.ollama.image.template", "digest": "sha256:" + "0" * 64, "size": 1},
        {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{digest}", "size": made.stat().st_size},
    ]
    manifest = root / "manifests" / where
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": layers}), encoding="utf-8")
    return blob


def test_a_model_of_the_hub_is_found_by_its_name_and_known_by_its_hash(tmp_path: Path) -> None:
    link = hub_model(tmp_path / "hub")
    (one,) = discover([Folder("Hugging Face", tmp_path / "hub")])
    assert (one.info.name, one.info.path, one.info.title) == ("org/tiny-GGUF/tiny-Q4_K_M.gguf", str(link), "Hub")
    assert one.sha256 == sha256(link)
    assert not one.problem


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("registry.ollama.ai/library/tiny/3b", "tiny:3b"),
        ("registry.ollama.ai/someone/tiny/latest", "someone/tiny:latest"),
        ("hf.co/org/tiny-GGUF/Q4_K_M", "hf.co/org/tiny-GGUF:Q4_K_M"),
    ],
)
def test_a_model_of_ollama_is_found_by_its_manifest(where: str, name: str, tmp_path: Path) -> None:
    blob = ollama_model(tmp_path / "ollama", tiny_gguf(tmp_path / "m.gguf"), where)
    (one,) = discover([Folder("Ollama", tmp_path / "ollama")])
    assert (one.info.name, one.info.path) == (name, str(blob))
    assert one.sha256 == blob.name.removeprefix("sha256-")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"layers": 3}',
        '{"layers": [3, {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:../../../etc/passwd"}]}',
        '{"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": 7, "size": 1}]}',
        "[" * 100_000,
    ],
)
def test_an_odd_manifest_is_stepped_over(content: str, tmp_path: Path) -> None:
    manifest = tmp_path / "manifests" / "registry.ollama.ai" / "library" / "odd" / "1b"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(content, encoding="utf-8")
    ollama_model(tmp_path, tiny_gguf(tmp_path / "m.gguf"))
    assert [one.info.name for one in discover([Folder("Ollama", tmp_path)])] == ["tiny:3b"]


def test_a_blob_that_is_not_whole_is_not_shown(tmp_path: Path) -> None:
    blob = ollama_model(tmp_path, tiny_gguf(tmp_path / "m.gguf"))
    blob.write_bytes(blob.read_bytes()[:-1])
    assert discover([Folder("Ollama", tmp_path)]) == []


def test_a_model_of_jan_is_called_by_its_folder_and_known_by_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "org" / "tiny" / "model.gguf"
    path.parent.mkdir(parents=True)
    tiny_gguf(path)
    path.with_name("model.yml").write_text(f"name: tiny\nmodel_sha256: {sha256(path)}\nsize_bytes: 3\n")
    (one,) = discover([Folder("Jan", tmp_path)])
    assert (one.info.name, one.sha256) == ("org/tiny", sha256(path))


def test_half_downloads_parts_and_what_sees_pictures_are_left_out(tmp_path: Path) -> None:
    for name in ("incomplete-a.gguf", "mmproj-a.gguf", "a.gguf.part", "a-00002-of-00003.gguf", ".a.gguf", "a.bin"):
        tiny_gguf(tmp_path / name)
    (tmp_path / "small.gguf").write_bytes(b"GGUF")
    os.mkfifo(tmp_path / "pipe.gguf")
    assert discover([Folder("GPT4All", tmp_path)]) == []


def test_a_file_that_cannot_be_used_is_shown_with_the_reason(tmp_path: Path) -> None:
    path = tiny_gguf(tmp_path / "cut.gguf")
    path.write_bytes(path.read_bytes()[:-1])
    (one,) = discover([Folder("LM Studio", tmp_path)])
    assert "cut short" in one.problem
    assert (one.info.name, one.info.size) == ("cut.gguf", path.stat().st_size)


def test_links_that_leave_the_folder_are_not_followed(tmp_path: Path) -> None:
    outside = tiny_gguf(tmp_path / "outside.gguf")
    root = tmp_path / "studio"
    root.mkdir()
    (root / "link.gguf").symlink_to(outside)
    (root / "up").symlink_to(tmp_path)
    assert discover([Folder("LM Studio", root)]) == []


@pytest.mark.parametrize("share", [os.link, os.symlink, shutil.copy], ids=["hard link", "symbolic link", "copy"])
def test_a_file_under_two_programs_is_shown_once(share: Callable[[Path, Path], object], tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    other.mkdir()
    tiny_gguf(one / "a.gguf")
    share(one / "a.gguf", (one if share is os.symlink else other) / "b.gguf")
    found = discover([Folder("LM Studio", one), Folder("GPT4All", other)])
    assert [[place.path.name for place in model.places] for model in found] == [["a.gguf", "b.gguf"]]


def test_models_of_one_size_are_told_apart(tmp_path: Path) -> None:
    tiny_gguf(tmp_path / "a.gguf", name="One")
    tiny_gguf(tmp_path / "b.gguf", name="Two")
    changed = bytearray((tmp_path / "a.gguf").read_bytes())
    changed[-1] ^= 1  # of the same header
    (tmp_path / "c.gguf").write_bytes(changed)
    assert len(discover([Folder("GPT4All", tmp_path)])) == 3


def test_looking_changes_nothing(tmp_path: Path) -> None:
    hub_model(tmp_path / "hub")
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    discover([Folder("Hugging Face", tmp_path / "hub")])
    assert {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_folders_that_are_not_there_hold_nothing(tmp_path: Path) -> None:
    assert discover(program_folders({}, "linux", tmp_path / "nobody")[:-1]) == []


@pytest.mark.parametrize(
    ("system", "environment", "program", "path"),
    [
        ("linux", {}, "Hugging Face", ".cache/huggingface/hub"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "Hugging Face", "/x/huggingface/hub"),
        ("linux", {"HF_HOME": "/hf"}, "Hugging Face", "/hf/hub"),
        ("win32", {"HF_HUB_CACHE": "/hub"}, "Hugging Face", "/hub"),
        ("linux", {}, "llama.cpp", ".cache/llama.cpp"),
        ("darwin", {}, "llama.cpp", "Library/Caches/llama.cpp"),
        ("win32", {"LOCALAPPDATA": "/local"}, "llama.cpp", "/local/llama.cpp"),
        ("linux", {"LLAMA_CACHE": "/c"}, "llama.cpp", "/c"),
        ("linux", {}, "Ollama", ".ollama/models"),
        ("linux", {}, "Ollama", "/usr/share/ollama/.ollama/models"),
        ("darwin", {"OLLAMA_MODELS": "/o"}, "Ollama", "/o"),
        ("darwin", {}, "LM Studio", ".lmstudio/models"),
        ("linux", {}, "LM Studio", ".cache/lm-studio/models"),
        ("linux", {}, "GPT4All", ".local/share/nomic.ai/GPT4All"),
        ("darwin", {}, "GPT4All", "Library/Application Support/nomic.ai/GPT4All"),
        ("win32", {}, "GPT4All", "AppData/Local/nomic.ai/GPT4All"),
        ("linux", {}, "Jan", ".local/share/Jan/data/llamacpp/models"),
        ("darwin", {}, "Jan", "Library/Application Support/Jan/data/llamacpp/models"),
        ("win32", {}, "Jan", "AppData/Roaming/Jan/data/llamacpp/models"),
    ],
)
def test_each_program_is_looked_for_where_it_keeps_models(
    system: str, environment: dict[str, str], program: str, path: str, tmp_path: Path
) -> None:
    found = [folder.path for folder in program_folders(environment, system, tmp_path) if folder.program == program]
    assert tmp_path / path in found


def test_lm_studio_is_looked_for_where_its_settings_say(tmp_path: Path) -> None:
    home = tmp_path / "studio"
    home.mkdir()
    (tmp_path / ".lmstudio-home-pointer").write_text(f"{home}\n")
    (home / "settings.json").write_text(json.dumps({"downloadsFolder": str(tmp_path / "elsewhere")}))
    assert Folder("LM Studio", tmp_path / "elsewhere") in program_folders({}, "linux", tmp_path)


def test_a_file_is_hashed_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, hashes = tiny_gguf(tmp_path / "m.gguf"), Hashes(tmp_path / "home" / "hashes.json")
    first = hashes.sha256(path)
    assert first == sha256(path)
    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("it was read again"))
        assert Hashes(tmp_path / "home" / "hashes.json").sha256(path) == first
    tiny_gguf(path, name="Other")
    assert hashes.sha256(path) == sha256(path) != first


def test_a_damaged_list_of_hashes_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "hashes.json").write_text('{"x": ')
    path = tiny_gguf(tmp_path / "m.gguf")
    assert Hashes(tmp_path / "hashes.json").sha256(path) == sha256(path)
    with pytest.raises(ModelError, match="cannot be read"):
        Hashes(tmp_path / "hashes.json").sha256(tmp_path / "gone.gguf")
