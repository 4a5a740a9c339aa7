"""What runtimes were built with is what they say, and what a machine has is read from where its system says it."""

import platform
from pathlib import Path

import pytest

from models.builds import (
    Build,
    Card,
    Loaded,
    Loading,
    graphics_cards,
    llama_build,
    load_llama,
    other_builds,
    parse_system_info,
    processor_features,
)

GIB = 1 << 30


@pytest.mark.parametrize(
    ("text", "devices", "features"),
    [
        ("CPU : SSE3 = 1 | AVX = 1 | AVX2 = 0 | REPACK = 1 | ", ("CPU",), ("SSE3", "AVX", "REPACK")),
        (
            "CUDA : ARCHS = 890 | USE_GRAPHS = 1 | CPU : AVX2 = 1 | FMA = 1 | ",
            ("CUDA", "CPU"), ("ARCHS 890", "USE_GRAPHS", "AVX2", "FMA"),
        ),
        ("Metal : EMBED_LIBRARY = 1 | CPU : NEON = 1 | ", ("Metal", "CPU"), ("EMBED_LIBRARY", "NEON")),
        ("", (), ()),
    ],
)  # fmt: skip
def test_llama_cpps_system_information_is_taken_apart(
    text: str, devices: tuple[str, ...], features: tuple[str, ...]
) -> None:
    assert parse_system_info(text) == (devices, features)


def test_the_installed_runtimes_say_what_they_are() -> None:
    llama = llama_build(load_llama())
    assert "CPU" in llama.devices
    assert llama.features
    assert "llama.cpp" in llama.version
    onnx, torch = other_builds()
    assert (onnx.name, "CPU" in onnx.devices, onnx.problem) == ("ONNX Runtime", True, "")
    assert (torch.name, "CPU" in torch.devices, torch.problem) == ("PyTorch", True, "")
    assert onnx.version
    assert torch.features


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import os; os.kill(os.getpid(), 4)", "was ended by signal 4"),
        ("raise ImportError('libcuda.so.1 is missing')", "ImportError: libcuda.so.1 is missing"),
        ("raise SystemExit(3)", "gave no reason"),
    ],
)
def test_a_runtime_that_does_not_load_says_why(code: str, problem: str) -> None:
    loaded = Loading(code).wait()
    assert loaded == Loaded({}, problem)
    assert llama_build(loaded) == Build("llama.cpp", problem=problem)


def test_one_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.builds.LOAD_SECONDS", 0.3)
    assert "did not load within" in Loading("import time; time.sleep(60)").wait().problem


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file system of a made-up Linux machine."""
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("flags\t\t: fpu sse4_2 avx f16c fma avx2 avx512f avx512_vnni", "AVX F16C FMA AVX2 AVX512 AVX512_VNNI"),
        ("Features\t: fp asimd asimddp i8mm sve", "NEON DOTPROD MATMUL_INT8 SVE"),
        ("isa\t: rv64gc", ""),
    ],
    ids=["x86", "ARM", "another"],
)
def test_what_the_processor_has_is_named_as_llama_cpp_names_it(root: Path, line: str, found: str) -> None:
    write(root / "proc" / "cpuinfo", f"processor\t: 0\n{line}\n\nprocessor\t: 1\n{line}\n")
    assert processor_features(root) == frozenset(found.split())


def test_a_machine_that_says_nothing_has_no_known_features_and_no_card(root: Path) -> None:
    assert processor_features(root) == frozenset()
    assert graphics_cards(root) == ()


def card(root: Path, number: int, vendor: str, address: str, memory: int = 0) -> None:
    device = root / "sys" / "devices" / "pci0000:00" / address
    write(device / "vendor", f"{vendor}\n")
    if memory:
        write(device / "mem_info_vram_total", f"{memory}\n")
    entry = root / "sys" / "class" / "drm" / f"card{number}"
    entry.mkdir(parents=True)
    (entry / "device").symlink_to(device)
    (entry.parent / f"card{number}-HDMI-A-1").mkdir()


def test_cards_with_memory_of_their_own_are_found_and_those_within_a_processor_are_not(root: Path) -> None:
    card(root, 0, "0x8086", "0000:00:02.0")
    card(root, 1, "0x1002", "0000:05:00.0", GIB // 2)
    card(root, 2, "0x1af4", "0000:06:00.0")
    assert graphics_cards(root) == ()
    card(root, 3, "0x1002", "0000:07:00.0", 16 * GIB)
    card(root, 4, "0x8086", "0000:03:00.0")
    card(root, 5, "0x10de", "0000:01:00.0")
    assert graphics_cards(root) == (Card("AMD card", "AMD"), Card("Intel card", "Intel"), Card("NVIDIA card", "NVIDIA"))


def test_nvidias_driver_names_the_card_once(root: Path) -> None:
    card(root, 0, "0x10de", "0000:01:00.0")
    write(root / "proc" / "driver" / "nvidia" / "gpus" / "0000:01:00.0" / "information", "Model: \t NVIDIA RTX 4090\n")
    assert graphics_cards(root) == (Card("NVIDIA RTX 4090", "NVIDIA"),)


@pytest.mark.parametrize(("machine", "found"), [("arm64", (Card("Apple GPU", "Apple"),)), ("x86_64", ())])
def test_a_mac_has_a_card_where_its_processor_is_apples(
    machine: str, found: tuple[Card, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert graphics_cards() == found
