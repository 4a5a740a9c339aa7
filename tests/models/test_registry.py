"""The list of models: what is added stays where it is, names are unique, and what is gone is said to be gone."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from errors import ModelError, ModelNotFoundError, NotAModelError
from models.registry import Registry
from models.types import ModelInfo
from tests.gguf_files import tiny_gguf
from tests.lora_gguf import lora_gguf, saying_instead
from tests.reranker_gguf import reranker_gguf


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "home" / "models")


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "home" / "models"
    folder.mkdir(parents=True)
    return folder


def test_a_fresh_home_answers_extractively_and_writes_nothing(registry: Registry, tmp_path: Path) -> None:
    (extractive,) = registry.list()
    assert extractive.name == "extractive"
    assert extractive.active
    assert registry.active_name() == "extractive"
    assert not (tmp_path / "home").exists()


def test_an_added_model_is_used_in_place_under_its_own_title(registry: Registry, tmp_path: Path) -> None:
    path = tiny_gguf(tmp_path / "some-file.gguf", name="Tiny Chat 1.5")
    info = registry.add(path)
    assert (info.name, info.path, info.active) == ("tiny-chat-1.5", str(path), False)
    assert [model.name for model in registry.list()] == ["extractive", "tiny-chat-1.5"]
    assert sorted(file.name for file in (tmp_path / "home" / "models").iterdir()) == ["registry.json"]


def test_models_of_one_title_get_names_of_their_own(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    names = [
        registry.add(tiny_gguf(tmp_path / place, name="Same")).name for place in ("a.gguf", "b.gguf", "other/b.gguf")
    ]
    assert names == ["same", "b", "b-2"]


def test_no_model_can_take_the_name_of_the_extractive_one(registry: Registry, tmp_path: Path) -> None:
    assert registry.add(tiny_gguf(tmp_path / "mine.gguf", name="Extractive")).name == "mine"


def test_adding_a_model_twice_keeps_its_name(registry: Registry, tmp_path: Path) -> None:
    path = tiny_gguf(tmp_path / "a.gguf")
    assert registry.add(path) == registry.add(path)
    assert len(registry.list()) == 2


def test_the_model_in_use_is_remembered_by_the_next_process(registry: Registry, tmp_path: Path) -> None:
    registry.add(tiny_gguf(tmp_path / "a.gguf"))
    assert registry.use("tiny").active
    again = Registry(tmp_path / "home" / "models")
    assert again.active_name() == "tiny"
    assert [(model.name, model.active) for model in again.list()] == [("extractive", False), ("tiny", True)]
    again.use("extractive")
    assert registry.active_name() == "extractive"


def test_a_gguf_that_lies_in_the_folder_is_listed_and_keeps_its_name_once_used(
    registry: Registry, models_dir: Path
) -> None:
    tiny_gguf(models_dir / "m.gguf", name="Same")
    assert [model.name for model in registry.list()] == ["extractive", "same"]
    registry.use("same")
    tiny_gguf(models_dir / "a.gguf", name="Same")
    assert registry.get(registry.active_name()).path == str(models_dir / "m.gguf")
    assert [model.name for model in registry.list()] == ["extractive", "same", "a"]


def test_a_model_whose_file_is_gone_is_listed_and_said_to_be_gone(registry: Registry, tmp_path: Path) -> None:
    path = tiny_gguf(tmp_path / "a.gguf")
    registry.use(registry.add(path).name)
    path.unlink()
    assert [(model.name, model.active) for model in registry.list()] == [("extractive", False), ("tiny", True)]
    for call in (lambda: registry.use("tiny"), lambda: registry.get("tiny")):
        with pytest.raises(ModelNotFoundError, match="The file of model 'tiny' is gone") as error:
            call()
        assert str(path) in error.value.message


def test_a_model_whose_file_was_damaged_is_listed_and_refused_on_use(registry: Registry, tmp_path: Path) -> None:
    path = tiny_gguf(tmp_path / "a.gguf")
    registry.add(path)
    path.write_bytes(b"PK\x03\x04")
    assert registry.list()[1].name == "tiny"
    with pytest.raises(NotAModelError, match="is not a GGUF file"):
        registry.use("tiny")


def test_an_unknown_name_says_where_to_find_the_known_ones(registry: Registry) -> None:
    with pytest.raises(ModelNotFoundError, match="There is no model 'gpt-5'") as error:
        registry.use("gpt-5")
    assert "cita models list" in error.value.hint


def test_a_file_that_is_no_model_is_not_added(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "archive.gguf"
    path.write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(NotAModelError, match="it begins with b'PK"):
        registry.add(path)
    assert len(registry.list()) == 1


def test_a_damaged_list_is_an_error_that_says_what_to_do(registry: Registry, models_dir: Path) -> None:
    (models_dir / "registry.json").write_text('{"active": "x"', encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be read") as error:
        registry.list()
    assert "cita models add" in error.value.hint


def test_a_list_that_cannot_be_written_leaves_the_old_one_whole(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.add(tiny_gguf(tmp_path / "a.gguf"))
    file = tmp_path / "home" / "models" / "registry.json"
    before = file.read_text(encoding="utf-8")

    def no_space(self: Path, target: object) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", no_space)
        with pytest.raises(ModelError, match="cannot be written: No space left on device"):
            registry.use("tiny")
    assert file.read_text(encoding="utf-8") == before
    assert [path.name for path in file.parent.iterdir()] == ["registry.json"]


def test_a_path_with_odd_bytes_comes_back_as_it_was(registry: Registry, tmp_path: Path) -> None:
    odd = tmp_path / "mod\udc9aelo ñ.gguf"
    shutil.copy(tiny_gguf(tmp_path / "a.gguf"), odd)
    registry.use(registry.add(odd).name)
    assert registry.get(registry.active_name()).path == str(odd)
    assert json.loads((tmp_path / "home" / "models" / "registry.json").read_text(encoding="utf-8"))


def test_a_reranker_is_known_by_its_name_and_does_not_answer(registry: Registry, tmp_path: Path) -> None:
    reranker_gguf(tmp_path / "ranker.gguf")
    name = registry.add(tmp_path / "ranker.gguf").name
    assert [(model.name, model.ranks) for model in registry.list()] == [("extractive", False), (name, True)]
    assert registry.reranker(name).path == str(tmp_path / "ranker.gguf")
    for pick in (registry.use, registry.get):
        with pytest.raises(NotAModelError, match="ranks passages and writes no answers"):
            pick(name)
    with pytest.raises(NotAModelError, match="no reranker"):
        registry.reranker(registry.add(tiny_gguf(tmp_path / "writer.gguf")).name)


def test_a_file_that_changed_is_described_anew(registry: Registry, models_dir: Path) -> None:
    tiny_gguf(models_dir / "m.gguf", context=1024)
    assert registry.list()[1].context == 1024
    tiny_gguf(models_dir / "m.gguf", context=2048)
    assert registry.list()[1].context == 2048


def adapter_of(base: Path, path: Path, name: str = "") -> Path:
    return lora_gguf(path, saying_instead(base, "\u2581thirty", "\u2581days"), name=name)


def test_a_model_with_an_adapter_is_a_model_of_its_own_beside_its_base(registry: Registry, tmp_path: Path) -> None:
    path = tiny_gguf(tmp_path / "a.gguf", name="Tiny Chat 1.5")
    base = registry.add(path).name
    adapter = adapter_of(path, tmp_path / "curt.gguf")
    info = registry.add_adapter(adapter, base, 0.5)
    assert (info.name, info.path, info.adapter, info.scale) == ("tiny-chat-1.5-curt", str(path), str(adapter), 0.5)
    assert registry.use(info.name).active
    assert [(model.name, model.adapter, model.active) for model in registry.list()] == [
        ("extractive", "", False), (base, "", False), (info.name, str(adapter), True),
    ]  # fmt: skip
    assert registry.get(base).adapter == ""


def test_an_adapter_added_again_keeps_its_name_and_takes_the_new_scale(registry: Registry, tmp_path: Path) -> None:
    path = tiny_gguf(tmp_path / "a.gguf")
    base = registry.add(path).name
    adapter = adapter_of(path, tmp_path / "a2.gguf", name="Curt voice")
    first, second = registry.add_adapter(adapter, base), registry.add_adapter(adapter, base, 2.0)
    assert (first.name, first.scale, second.name, second.scale) == ("tiny-curt-voice", 1.0, "tiny-curt-voice", 2.0)
    assert len(registry.list()) == 3


def test_an_adapter_that_lies_in_the_folder_is_not_listed_as_a_model(registry: Registry, models_dir: Path) -> None:
    path = tiny_gguf(models_dir / "m.gguf")
    adapter = adapter_of(path, models_dir / "style.gguf")
    assert [model.name for model in registry.list()] == ["extractive", "tiny"]
    assert registry.add_adapter(adapter, "tiny").name == "tiny-style"
    tiny_gguf(models_dir / "other.gguf", name="Tiny style")  # comes later: its name is taken
    assert [model.name for model in registry.list()] == ["extractive", "tiny", "other", "tiny-style"]


@pytest.mark.parametrize("base", ["extractive", "adapted"])
def test_only_a_gguf_without_an_adapter_takes_one(registry: Registry, tmp_path: Path, base: str) -> None:
    path = tiny_gguf(tmp_path / "a.gguf")
    adapter = adapter_of(path, tmp_path / "curt.gguf")
    adapted = registry.add_adapter(adapter, registry.add(path).name).name
    with pytest.raises(NotAModelError, match="takes no adapter"):
        registry.add_adapter(adapter, adapted if base == "adapted" else base)


def test_an_adapter_for_another_model_changes_nothing(registry: Registry, tmp_path: Path) -> None:
    wide = tiny_gguf(tmp_path / "wide.gguf", width=128, name="Wide")
    base = registry.add(tiny_gguf(tmp_path / "a.gguf")).name
    with pytest.raises(NotAModelError, match="is of another size"):
        registry.add_adapter(adapter_of(wide, tmp_path / "curt.gguf"), base)
    assert len(registry.list()) == 2


def test_an_adapter_or_its_base_that_is_gone_is_said_to_be_gone(registry: Registry, tmp_path: Path) -> None:
    path = tiny_gguf(tmp_path / "a.gguf")
    adapter = adapter_of(path, tmp_path / "curt.gguf")
    name = registry.add_adapter(adapter, registry.add(path).name).name
    adapter.rename(tmp_path / "away.gguf")
    with pytest.raises(ModelNotFoundError, match=r"curt\.gguf"):
        registry.get(name)
    (tmp_path / "away.gguf").rename(adapter)
    path.unlink()
    with pytest.raises(ModelNotFoundError, match=r"a\.gguf"):
        registry.get(name)
    assert [model.name for model in registry.list()] == ["extractive", "tiny", name]


def test_headers_of_an_adapter_and_its_base_are_compared_once_until_one_changes(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny_gguf(tmp_path / "a.gguf")
    adapter = adapter_of(path, tmp_path / "curt.gguf")
    name = registry.add_adapter(adapter, registry.add(path).name).name
    registry.get(name)
    with monkeypatch.context() as patch:
        patch.setattr("models.registry.check_adapter", lambda *_: pytest.fail("compared again"))
        assert registry.get(name).adapter == str(adapter)
    wide = tiny_gguf(tmp_path / "wide.gguf", width=128, name="Wide")
    adapter_of(wide, adapter)
    with pytest.raises(NotAModelError, match="is of another size"):
        registry.get(name)


def test_a_model_that_is_removed_is_forgotten_and_its_file_stays(registry: Registry, tmp_path: Path) -> None:
    path = tiny_gguf(tmp_path / "a.gguf")
    name = registry.use(registry.add(path).name).name
    registry.remove(name)
    assert [model.name for model in registry.list() if model.active] == ["extractive"]
    assert len(registry.list()) == 1
    assert path.exists()


def test_a_file_in_the_home_s_folder_goes_only_where_that_is_said(registry: Registry, models_dir: Path) -> None:
    path = tiny_gguf(models_dir / "tiny.gguf", name="Tiny")
    registry.use("tiny")
    with pytest.raises(ModelError, match="in the home's own folder") as refused:
        registry.remove("tiny")
    assert "cita models remove tiny --delete" in (refused.value.hint or "")
    assert registry.get("tiny").active
    registry.remove("tiny", delete=True)
    assert not path.exists()
    assert [model.name for model in registry.list()] == ["extractive"]


def test_delete_deletes_nothing_outside_the_home_s_folder(registry: Registry, tmp_path: Path) -> None:
    path = tiny_gguf(tmp_path / "a.gguf")
    registry.remove(registry.add(path).name, delete=True)
    assert path.exists()


def test_a_model_whose_file_is_gone_is_removed(registry: Registry, tmp_path: Path) -> None:
    path = tiny_gguf(tmp_path / "a.gguf")
    name = registry.add(path).name
    path.unlink()
    registry.remove(name)
    assert len(registry.list()) == 1


def test_the_base_of_an_adapter_is_removed_after_it(registry: Registry, tmp_path: Path) -> None:
    path = tiny_gguf(tmp_path / "a.gguf")
    base = registry.add(path).name
    adapted = registry.add_adapter(adapter_of(path, tmp_path / "curt.gguf"), base).name
    with pytest.raises(ModelError, match=f"is the base of '{adapted}'"):
        registry.remove(base)
    registry.remove(adapted)
    registry.remove(base)
    assert len(registry.list()) == 1


@pytest.mark.parametrize("name", ["nothing", "extractive"])
def test_what_is_no_model_is_not_removed(registry: Registry, name: str) -> None:
    with pytest.raises(ModelNotFoundError, match=name):
        registry.remove(name)


def test_a_served_model_is_removed(registry: Registry) -> None:
    (added,) = registry.add_served([SERVED])
    registry.remove(added.name)
    assert len(registry.list()) == 1


SERVED = ModelInfo("", protocol="openai", server="http://127.0.0.1:11434", served_as="llama3.2:3b", program="Ollama",
                   context=4096)  # fmt: skip


def test_a_served_model_is_kept_with_its_server_under_a_name_that_says_both(tmp_path: Path) -> None:
    (added,) = Registry(tmp_path).add_served([SERVED])
    assert added.name == "ollama-llama3.2-3b"
    Registry(tmp_path).use(added.name)
    again = Registry(tmp_path).get(added.name)
    assert again == replace(SERVED, name=added.name, active=True, prompts=again.prompts)
    assert [info.name for info in Registry(tmp_path).list() if info.active] == [added.name]


def test_a_served_model_that_is_added_again_keeps_its_name_and_gets_what_is_known_now(registry: Registry) -> None:
    registry.add_served([SERVED])
    (again,) = registry.add_served([replace(SERVED, context=8192)])
    (other,) = registry.add_served([replace(SERVED, server="http://127.0.0.1:9999")])
    assert (again.name, again.context, other.name) == ("ollama-llama3.2-3b", 8192, "ollama-llama3.2-3b-2")


@pytest.mark.parametrize(
    ("program", "served_as", "name"),
    [
        ("llama-server", "/models/Granite-4.1.gguf", "llama-server-granite-4.1"),
        ("llama-server", "C:\\models\\tiny.gguf", "llama-server-tiny"),
        ("vLLM", "Qwen/Qwen3-4B", "vllm-qwen3-4b"),
        ("", "...", "served"),
        ("", "extractive", "extractive-2"),
    ],
)
def test_a_served_model_gets_a_name_to_type(registry: Registry, program: str, served_as: str, name: str) -> None:
    assert registry.add_served([replace(SERVED, program=program, served_as=served_as)])[0].name == name


def test_a_list_of_models_with_a_field_of_the_wrong_kind_is_refused(registry: Registry, models_dir: Path) -> None:
    served = {"active": "extractive", "models": {}, "served": {"x": {"off_machine": "no"}}}
    (models_dir / "registry.json").write_text(json.dumps(served))
    with pytest.raises(ModelError, match="off_machine 'no'"):
        registry.list()


def test_a_list_of_models_written_before_there_were_servers_is_read(registry: Registry, models_dir: Path) -> None:
    path = tiny_gguf(models_dir / "tiny.gguf", name="Tiny")
    (models_dir / "registry.json").write_text(json.dumps({"active": "tiny", "models": {"tiny": str(path)}}))
    assert registry.get("tiny").is_ours


def test_the_machines_that_models_are_on_are_known_each_once(registry: Registry) -> None:
    assert registry.hosts() == ()
    elsewhere = replace(SERVED, server="http://192.0.2.7:8000", off_machine=True)
    registry.add_served([SERVED, elsewhere, replace(elsewhere, served_as="other")])
    assert registry.hosts() == ("192.0.2.7:8000",)


def test_a_model_is_off_this_machine_only_where_that_was_agreed_to() -> None:
    elsewhere = replace(SERVED, server="https://models.example:8000")
    assert (elsewhere.host, replace(elsewhere, off_machine=True).host) == ("", "models.example:8000")
