"""Several models are held in memory while there is room; none is let go of in the middle of an answer."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from errors import NotAModelError
from models.fit import Weights, memory_needed
from models.gguf import read_model
from models.runtime import SPARE, Hardware, choose_runtime
from models.types import ModelInfo
from rag.generate import Generator, LlamaGenerator, Tuned
from rag.loaded import LoadedModels, fits_whole
from rag.prompt import Prompt
from settings import Generate
from tests.gguf_files import ANSWER, tiny_gguf

HELLO = Prompt("", "en", (), "Hello", ("<|im_end|>",), "chatml")
SETTINGS = Generate(context=512, threads=1)
SOON = 0.01


class Opened:
    """Generators that write nothing, and when they were closed."""

    def __init__(self) -> None:
        self.open: list[str] = []

    def __call__(self, info: ModelInfo, _settings: Generate) -> Generator:
        self.open.append(info.name)
        outer = self

        class Silent:
            def __init__(self) -> None:
                self.info = info

            def count_tokens(self, text: str) -> int:
                return len(text)

            def generate(self, _prompt: Prompt) -> Iterator[str]:
                yield ""

            def close(self) -> None:
                outer.open.remove(info.name)

        return Silent()


def model(name: str, **what: Any) -> ModelInfo:
    return ModelInfo(name, f"/models/{name}.gguf", **what)


@pytest.fixture
def opened() -> Opened:
    return Opened()


def always(_info: ModelInfo, _settings: Generate, _card: int) -> bool:
    return True


def use(models: LoadedModels, name: str, settings: Generate = SETTINGS) -> None:
    with models.lend(model(name), settings) as loan:
        assert loan.wait(SOON)


def test_as_many_as_may_be_are_kept_and_the_one_not_used_for_longest_goes(opened: Opened) -> None:
    models = LoadedModels(2, opened, always)
    for name in ("a", "b", "a", "c"):
        use(models, name)
    assert opened.open == ["a", "c"]
    assert models.names() == ["a", "c"]
    models.close()
    assert opened.open == []


def test_where_memory_is_short_one_makes_room_for_another_however_many_may_be(opened: Opened) -> None:
    asked: list[str] = []

    def fits(info: ModelInfo, _settings: Generate, _card: int) -> bool:
        asked.append(info.name)
        return not opened.open or info.name == "small"

    models = LoadedModels(4, opened, fits)
    use(models, "a")
    use(models, "small")
    assert opened.open == ["a", "small"]
    use(models, "large")
    assert opened.open == ["large"]
    assert asked == ["small", "large", "large"]  # with nothing held there is nothing to make room


def test_a_model_that_is_lent_is_not_let_go_of_and_who_wants_another_waits(opened: Opened) -> None:
    models = LoadedModels(1, opened, always)
    with models.lend(model("a"), SETTINGS) as first, models.lend(model("b"), SETTINGS) as second:
        assert first.wait(SOON)
        assert second.wait(SOON) is None
        assert opened.open == ["a"]
        got: list[Generator | None] = []
        waiting = threading.Thread(target=lambda: got.append(second.wait(20)))
        waiting.start()
        first.end()
        waiting.join(20)
        assert got[0] is not None
        assert got[0].info.name == opened.open[0] == "b"


def test_two_may_have_the_same_model_and_it_stays_until_both_are_done(opened: Opened) -> None:
    models = LoadedModels(1, opened, always)
    with models.lend(model("b"), SETTINGS) as other, models.lend(model("a"), SETTINGS) as first:
        with models.lend(model("a"), SETTINGS) as second:
            assert first.wait(SOON) is second.wait(SOON)
        assert other.wait(SOON) is None
        first.end()
        assert other.wait(SOON)


def test_many_at_once_never_hold_more_than_may_be_and_never_lose_what_they_have(opened: Opened) -> None:
    models, most, wrong = LoadedModels(2, opened, always), 2, list[object]()

    def ask(number: int) -> None:
        for turn in range(20):
            with models.lend(model("abcd"[(number + turn) % 4]), SETTINGS) as loan:
                while (generator := loan.wait(SOON)) is None:
                    pass
                for _ in range(5):
                    held = list(opened.open)
                    if len(held) > most or generator.info.name not in held:
                        wrong.append((generator.info.name, held))
                    threading.Event().wait(0.0005)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def test_only_what_a_model_is_loaded_with_makes_it_another_in_memory(opened: Opened) -> None:
    models = LoadedModels(4, opened, always)
    use(models, "a", Generate(context=512, temperature=0.5))
    use(models, "a", Generate(context=512, max_tokens=7))
    assert opened.open == ["a"]
    use(models, "a", Generate(context=1024))
    with models.lend(model("a", adapter="/models/lora.gguf"), SETTINGS) as loan:
        assert loan.wait(SOON)
    assert opened.open == ["a", "a", "a"]


def test_a_model_on_a_server_takes_no_room_and_is_closed_with_its_answer(opened: Opened) -> None:
    models = LoadedModels(1, opened, always)
    use(models, "a")
    with models.lend(ModelInfo("served", server="http://127.0.0.1:1", protocol="openai"), SETTINGS) as loan:
        assert loan.wait(SOON)
        assert opened.open == ["a", "served"]
    assert opened.open == ["a"]


def test_after_models_gave_way_the_card_has_what_they_took(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is free is what the last one found when it was loaded, and what was freed since."""
    cards: list[int] = []

    def fits(info: ModelInfo, _settings: Generate, card: int) -> bool:
        cards.append(card)
        return info.name == "b" or card >= 1000

    def open_on_card(info: ModelInfo, settings: Generate) -> Generator:
        generator = opened(info, settings)
        generator.card_free = 100  # type: ignore[attr-defined]
        return generator

    monkeypatch.setattr("rag.loaded._on_card", lambda _: 900)
    models = LoadedModels(4, open_on_card, fits)
    with models.lend(model("a"), SETTINGS) as lent:
        assert lent.wait(SOON)
        use(models, "b")
        use(models, "c")
    assert cards == [100, 100, 1000]
    assert opened.open == ["a", "c"]


# With llama.cpp


Write = Callable[[str], ModelInfo]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return lambda name: read_model(tiny_gguf(tmp_path / f"{name}.gguf", endless=name == "endless"))


@pytest.fixture
def models() -> Iterator[LoadedModels]:
    with ExitStack() as stack:
        models = LoadedModels(2, LlamaGenerator)
        stack.callback(models.close)
        yield models


def pid(generator: Generator | None) -> int:
    assert isinstance(generator, Tuned)
    return generator._loaded.pid


def test_two_models_answer_in_turn_and_each_is_loaded_once(models: LoadedModels, write: Write) -> None:
    infos = [write("one"), write("two")]
    pids = []
    for info in (*infos, *infos):
        with models.lend(info, SETTINGS) as loan:
            generator = loan.wait(20)
            assert generator is not None
            assert "".join(generator.generate(HELLO)) == ANSWER
            pids.append(pid(generator))
    assert pids[:2] == pids[2:]
    assert len(set(pids)) == 2


def test_an_answer_is_written_to_its_end_while_other_models_come_and_go(models: LoadedModels, write: Write) -> None:
    limited = SETTINGS.model_copy(update={"max_tokens": 60})
    with models.lend(write("endless"), limited) as loan:
        generator = loan.wait(20)
        assert generator is not None
        pieces = generator.generate(HELLO)
        written = [next(filter(None, pieces))]
        for name in ("one", "two", "three"):
            with models.lend(write(name), SETTINGS) as other:
                brief = other.wait(20)
                assert brief is not None
                assert "".join(brief.generate(HELLO)) == ANSWER
        written += pieces
    assert "".join(written).count("The notice") > 1
    assert models.names() == ["endless", "three"]


def test_what_fits_is_what_the_memory_that_is_free_holds_at_its_best(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = write("one")
    weights = Weights.read(Path(info.path))
    best = choose_runtime(SETTINGS, weights, Hardware(1, 1 << 50, 0, "", amx=False))
    needed = memory_needed(weights, best).main + SPARE
    for free, fits in ((needed, True), (needed - 1, False)):
        monkeypatch.setattr("rag.loaded.free_memory", lambda free=free: free)
        assert fits_whole(info, SETTINGS, 0) is fits
    monkeypatch.setattr("rag.loaded.free_memory", lambda: 1 << 50)
    assert not fits_whole(info, SETTINGS, SPARE)  # on a card, but not all of it
    assert fits_whole(info, SETTINGS, 1 << 40)


def test_a_file_that_is_damaged_by_now_is_told(models: LoadedModels, write: Write) -> None:
    with models.lend(write("one"), SETTINGS) as loan:
        assert loan.wait(20)
    damaged = write("two")
    Path(damaged.path).write_bytes(b"GGUF")
    with pytest.raises(NotAModelError), models.lend(damaged, SETTINGS) as loan:
        loan.wait(20)
    assert models.names() == ["one"]


def test_what_is_in_memory_is_told_with_what_its_process_takes(tmp_path: Path) -> None:
    info = read_model(tiny_gguf(tmp_path / "m.gguf", width=1024, blocks=2))
    models = LoadedModels(2, LlamaGenerator, always)
    assert models.live() == []
    with models.lend(info, SETTINGS) as loan:
        generator = loan.wait(10)
        assert generator
        assert models.live() == []  # it is loaded when it is asked first
        assert "".join(generator.generate(HELLO)) == ANSWER
        (now,) = models.live()
        assert (now.name, now.answering, now.runtime and now.runtime.context) == (info.name, True, 512)
        assert now.memory > info.size
    assert [(one.name, one.answering) for one in models.live()] == [(info.name, False)]
    models.close()
    assert models.live() == []
