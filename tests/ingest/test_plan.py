"""The planner: whatever lies on the disk and in the catalogue, carrying out the plan makes them equal.

Pairs of disk and catalogue are drawn from seeds, so a failure names the seed that repeats it. CITA_LONG=1 draws
100,000 of them.
"""

import os
import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ingest.discover import Found
from ingest.plan import MANY, Disk, Keep, Key, Known, Move, Plan, Read, Refuse, Remove, Rules, Touch, plan, undecided
from ingest.types import Source

PAIRS = 100_000 if os.environ.get("CITA_LONG") else 3_000

FOLDERS = ("/one", "/two")
PATHS = ("a.md", "b.md", "A.md", "deep/a.md", "deep/c.txt", "deep/er/d.pdf", "café.md", "cafe\u0301.md", "e\n.md")
CONTENTS = {"11": 10, "22": 10, "33": 30, "44": 40, "huge": 5_000}  # sha256 and size: two of one size
RULES = Rules(lambda source: source.parser == "now", lambda path: path.rpartition(".")[2], max_size=1_000)


@dataclass
class World:
    """A disk and a catalogue, with what the files really hold."""

    disk: Disk
    known: Known
    contents: dict[Key, str]

    def plan(self, *, confirm: bool = True, read_data: bool = False) -> Plan:
        wanted = undecided(self.disk, self.known, RULES, read_data=read_data)
        hashes = {file.key: self.contents[file.key] for file in wanted}
        return plan(self.disk, self.known, RULES, hashes, confirm=confirm, read_data=read_data)

    def after(self, made: Plan, shuffled: random.Random | None = None) -> dict[Key, Source]:
        """The catalogue when the operations were carried out, in their order or any other."""
        state = {(source.folder, source.path): source for source in self.known.sources}
        operations = list(made.operations)
        if shuffled:
            shuffled.shuffle(operations)
        for operation in operations:
            match operation:
                case Touch(source, file):
                    state[file.key] = as_source(file, source.sha256)
                case Read(file):
                    state[file.key] = as_source(file, self.contents[file.key])
                case Refuse(file):
                    state[file.key] = replace(as_source(file, ""), status="too-large")
                case Move(source, file):
                    state[file.key] = as_source(file, source.sha256)
                    if state.get((source.folder, source.path)) is source:
                        del state[source.folder, source.path]
                case Remove(source):
                    if state.get((source.folder, source.path)) is source:
                        del state[source.folder, source.path]
        return state


def as_source(file: Found, sha256: str) -> Source:
    folder, path = file.key
    return Source(
        folder, path, file.size, file.mtime_ns, sha256, "indexed", parser="now", changed_ns=file.changed_ns
    )  # fmt: skip


def draw(seed: int, *, honest: bool = True) -> World:
    """A random world. In an `honest` one a change of content always changes size, time or change time."""
    dice = random.Random(seed)
    keys = [(folder, path) for folder in FOLDERS for path in PATHS]
    contents: dict[Key, str] = {}
    files: dict[Key, Found] = {}
    unreachable = {folder for folder in FOLDERS if dice.random() < 0.05}
    for folder, path in dice.sample(keys, dice.randint(0, len(keys))):
        if folder in unreachable:
            continue
        content = dice.choice(list(CONTENTS))
        changed = dice.choice((0, 7, 8))
        contents[folder, path] = content
        files[folder, path] = Found(Path(folder), path, CONTENTS[content], dice.choice((5, 6)), changed)
    sources = []
    for folder, path in dice.sample(keys, dice.randint(0, len(keys))):
        content = dice.choice(list(CONTENTS))
        file = files.get((folder, path))
        if file and dice.random() < 0.5:  # unchanged, perhaps
            times = file.mtime_ns, file.changed_ns
            content = contents[folder, path] if honest or dice.random() < 0.5 else content
        else:
            times = dice.choice((5, 6)), 9
        status = "too-large" if CONTENTS[content] > RULES.max_size else dice.choice(("indexed", "indexed", "failed"))
        sha256 = "" if status == "too-large" or (status == "failed" and dice.random() < 0.5) else content
        parser = dice.choice(("now", "now", "now", "before"))
        sources.append(
            Source(folder, path, CONTENTS[content], times[0], sha256, status, parser=parser, changed_ns=times[1])  # type: ignore[arg-type]
        )
    unseen = {"/one": [path for path in PATHS if dice.random() < 0.1 and ("/one", path) not in files]}
    wanted = [folder for folder in FOLDERS if dice.random() < 0.9]
    files = {key: file for key, file in files.items() if key[0] in wanted}
    unreachable &= set(wanted)
    disk = Disk(files, unseen, unreachable, dict.fromkeys(wanted, 1))
    return World(disk, Known(sources, wanted, dict.fromkeys(wanted, 1)), contents)


def truth(world: World) -> dict[Key, str]:
    """What the catalogue should hold: all that is on the disk, and what could not be looked at."""
    hidden = {
        (source.folder, source.path): source.sha256
        for source in world.known.sources
        if source.folder in world.disk.unreachable
        or any(
            source.path == path or source.path.startswith(f"{path}/")
            for path in world.disk.unseen.get(source.folder, ())
        )
    }
    seen = {key: "" if file.size > RULES.max_size else world.contents[key] for key, file in world.disk.files.items()}
    return hidden | seen


@pytest.mark.parametrize("portion", range(10))
def test_a_plan_carried_out_makes_the_catalogue_equal_to_the_disk(portion: int) -> None:
    for seed in range(portion, PAIRS, 10):
        world = draw(seed)
        state = world.after(world.plan())
        assert {key: source.sha256 for key, source in state.items()} == truth(world), f"seed {seed}"


@pytest.mark.parametrize("portion", range(10))
def test_planning_again_finds_nothing_to_do(portion: int) -> None:
    for seed in range(portion, PAIRS, 10):
        world = draw(seed)
        state = world.after(world.plan())
        again = World(world.disk, replace(world.known, sources=list(state.values())), world.contents).plan()
        assert all(isinstance(operation, Keep) for operation in again.operations), f"seed {seed}"


@pytest.mark.parametrize("portion", range(10))
def test_the_order_of_operations_and_of_what_was_seen_changes_nothing(portion: int) -> None:
    for seed in range(portion, PAIRS, 10):
        world, dice = draw(seed), random.Random(seed)
        made = world.plan()
        assert world.after(made, dice) == world.after(made), f"seed {seed}"
        files = list(world.disk.files.items())
        sources = list(world.known.sources)
        dice.shuffle(files)
        dice.shuffle(sources)
        mixed = World(replace(world.disk, files=dict(files)), replace(world.known, sources=sources), world.contents)
        assert mixed.plan() == made, f"seed {seed}"


def test_comparing_bytes_finds_what_sizes_and_times_hide() -> None:
    for seed in range(PAIRS // 10):
        world = draw(seed, honest=False)
        state = world.after(world.plan(read_data=True))
        assert {key: source.sha256 for key, source in state.items()} == truth(world), f"seed {seed}"


def test_every_file_and_every_source_is_settled_once() -> None:
    for seed in range(PAIRS // 10):
        world = draw(seed)
        operations = world.plan().operations
        files = [operation.file.key for operation in operations if isinstance(operation, Touch | Move | Read | Refuse)]
        kept = [operation.source for operation in operations if isinstance(operation, Keep | Remove)]
        settled = files + [(source.folder, source.path) for source in kept]
        assert len(settled) == len(set(settled)), f"seed {seed}"
        assert set(world.disk.files) <= set(settled), f"seed {seed}"


def found(path: str, content: str = "11", mtime: int = 5, changed: int = 7) -> Found:
    return Found(Path("/one"), path, CONTENTS[content], mtime, changed)


def planned(files: Mapping[str, str], sources: Collection[Source], *, confirm: bool = False, device: int = 1) -> Plan:
    contents = {("/one", path): content for path, content in files.items()}
    disk = Disk({key: found(key[1], content, changed=8) for key, content in contents.items()}, devices={"/one": device})
    known = Known(list(sources), ["/one"], {"/one": 1})
    return World(disk, known, contents).plan(confirm=confirm)


def known(path: str, content: str = "11") -> Source:
    return as_source(found(path, content), content)


def test_a_rename_is_a_move_and_nothing_is_read() -> None:
    (move,) = planned({"new.md": "11"}, [known("old.md")]).operations
    assert isinstance(move, Move)
    assert (move.source.path, move.file.path) == ("old.md", "new.md")


def test_two_files_that_swap_names_are_two_moves() -> None:
    made = planned({"a.md": "22", "b.md": "11"}, [known("a.md", "11"), known("b.md", "22")])
    assert [(move.source.path, move.file.path) for move in made.operations if isinstance(move, Move)] == [
        ("b.md", "a.md"),
        ("a.md", "b.md"),
    ]


def test_a_renamed_folder_moves_each_file_to_its_own_name() -> None:
    before = [known("old/a.md"), known("old/b.md"), known("old/c.md", "33")]
    made = planned({"new/b.md": "11", "new/a.md": "11", "new/c.md": "33"}, before)
    moved = {move.source.path: move.file.path for move in made.operations if isinstance(move, Move)}
    assert moved == {"old/a.md": "new/a.md", "old/b.md": "new/b.md", "old/c.md": "new/c.md"}


def test_the_same_bytes_under_another_kind_of_name_are_read_anew() -> None:
    made = planned({"a.txt": "11"}, [known("a.md")])
    assert [type(operation) for operation in made.operations] == [Remove, Read]


def test_a_file_that_became_a_folder_is_removed_and_what_lies_in_it_is_read() -> None:
    made = planned({"notes.md/a.md": "22"}, [known("notes.md", "11")])
    assert [type(operation) for operation in made.operations] == [Remove, Read]


def test_nothing_is_hashed_that_could_not_be_a_rename() -> None:
    new = {("/one", "new.md"): found("new.md", "33")}
    assert undecided(Disk(new), Known([], ["/one"]), RULES) == []
    assert undecided(Disk(new), Known([known("gone.md", "11")], ["/one"]), RULES) == []
    assert undecided(Disk(new), Known([known("gone.md", "33")], ["/one"]), RULES) == list(new.values())


def test_a_folder_that_suddenly_lacks_most_of_its_files_waits_for_a_person() -> None:
    sources = [known(f"{n}.md") for n in range(MANY + 2)]
    made = planned({"0.md": "11"}, sources)
    assert len(made.held["/one"]) == MANY + 1
    assert not any(isinstance(operation, Remove) for operation in made.operations)
    confirmed = planned({"0.md": "11"}, sources, confirm=True)
    assert sum(isinstance(operation, Remove) for operation in confirmed.operations) == MANY + 1
    assert not confirmed.held


def test_a_few_deletions_and_the_smaller_half_of_many_need_nobody() -> None:
    assert not planned({}, [known(f"{n}.md") for n in range(MANY - 1)]).held
    most = {f"{n}.md": "11" for n in range(MANY + 1)}
    assert not planned(most, [known(f"{n}.md") for n in range(2 * MANY + 2)]).held


def test_a_folder_on_another_device_keeps_even_its_few_files() -> None:
    sources = [known("a.md"), known("b.md")]
    assert planned({}, sources, device=2).held == {"/one": tuple(sources)}


def test_moved_files_are_not_missed() -> None:
    sources = [known(f"{n}.md") for n in range(MANY + 2)]
    made = planned({f"archive/{n}.md": "11" for n in range(MANY + 2)}, sources)
    assert not made.held
    assert all(isinstance(operation, Move) for operation in made.operations)
