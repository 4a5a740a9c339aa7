"""Models: list, add, use, show, discover. catalogue.py has those that are to be fetched."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.opening import load_settings, opened_engine
from cli.options import Json
from cli.writing import (
    clean,
    clean_name,
    pick,
    print_json,
    print_line,
    print_pairs,
    print_table,
    say,
    size_words,
    wrapped,
)
from errors import CitaError, ModelNotFoundError, UsageError

if TYPE_CHECKING:
    from models.fit import Memory
    from models.runtime import Runtime
    from models.types import ModelInfo

app = typer.Typer()

KEYS = (
    "name",
    "title",
    "path",
    "size",
    "architecture",
    "quantisation",
    "parameters",
    "context",
    "active",
    "ranks",
    "adapter",
    "scale",
)


@app.callback()
def models() -> None:
    """The models that write the answers: list, find, fetch, add, use."""


@app.command(name="list")
def list_models(context: typer.Context, as_json: Json = False) -> None:
    """List the models; a star marks the one that answers.

    JSON: {"models": [{"name", "title", "path", "size", "architecture", "quantisation", "parameters", "context",
    "active", "ranks", "adapter", "scale"}]}; `size` is bytes, `context` tokens; one that `ranks` is a reranker and
    answers nothing; `adapter` is the file of a LoRA adapter that is applied with the weight `scale`, "" for none.
    """
    with opened_engine(context) as engine:
        _print_models(engine.models(), as_json)


@app.command(name="add")
def add_model(
    context: typer.Context,
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A GGUF file, or a folder of them; they stay where they are.")
    ],
    base: Annotated[
        str, typer.Option("--to", metavar="MODEL", help="It is a LoRA adapter for this model, as the list names it.")
    ] = "",
    scale: Annotated[
        float,
        typer.Option(metavar="X", min=0, max=10, help="The weight of what the adapter adds (1).", show_default=False),
    ] = 1.0,
    as_json: Json = False,
) -> None:
    """Make a GGUF file known; `cita models use NAME` makes it answer.

    A LoRA adapter (a GGUF, as llama.cpp's convert_lora_to_gguf.py makes it) is applied to the model that it was made
    for: both together are a model of their own. Add it again to change its weight.

    A file that has the size of one of the catalogue's (`cita models available`) is read whole, to say whether it is
    that one, byte for byte.

    JSON: {"models": [...]} as `cita models list` has it.
    """
    from models.discover import gguf_files

    folder = path.is_dir() and not base
    paths = gguf_files(path) if folder else [path]
    if not paths:
        raise ModelNotFoundError(f"There is no GGUF in {str(path)!r}.", hint="Name a file that ends in .gguf.")
    with opened_engine(context) as engine:
        for file in paths:
            try:
                say_added(engine.add_model(file.absolute(), base, scale))
            except CitaError as error:
                if not folder:
                    raise
                say(f"{clean(str(file))}: {error}")
                continue
            if not base:
                _say_recognised(file, load_settings(context).models)
        _print_models(engine.models(), as_json)


def say_added(added: "ModelInfo") -> None:
    """What can be done with it now."""
    if added.ranks:
        say(f"Added reranker {clean_name(added.name)}. Measure whether it helps: cita eval FILE")
    else:
        say(f"Added {clean_name(added.name)}. Let it answer: cita models use {clean_name(added.name)}")


def _say_recognised(file: Path, folder: Path) -> None:
    from models.catalogue import read_catalogue, recognise, same_size
    from models.discover import HASHES, Hashes

    entries = read_catalogue()
    alike = same_size(file.stat().st_size, entries)
    if not alike:
        return
    if found := recognise(Hashes(folder / HASHES).sha256(file), entries):
        entry, variant = found
        say(f"It is {entry.title} ({variant.quantisation}) as the catalogue knows it, byte for byte.")
    else:
        say(f"It has the size of {alike.name} in the catalogue and other bytes: it was changed, or is damaged.")


@app.command(name="use")
def use_model(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name that `cita models list` shows.")],
    as_json: Json = False,
) -> None:
    """Choose the model that answers from now on.

    JSON: {"models": [...]} as `cita models list` has it.
    """
    with opened_engine(context) as engine:
        engine.use_model(name)
        _print_models(engine.models(), as_json)


@app.command(name="show")
def show_model(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A name of `cita models list`, or a GGUF file.")],
    tokens: Annotated[
        int | None, typer.Option("--context", metavar="N", min=256, help="With another context than generate.context.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what a model is, how it is prompted and why, and what memory it takes here; nothing of it is loaded.

    How it runs is set in cita.toml, under [generate]: context, cache, batch, gpu_layers, flash_attention, threads.

    JSON: {"model": as `cita models list` has it, "tokenizer", "tokens", "family", "why": "file" (one of yours), "chat
    template", "vocabulary", "architecture", "own template" or "nothing", "reason": that in words, "left_out": what is
    wrong with family files of yours, "runtime", "memory", "problem": as `cita doctor` has them}.
    """
    from models.types import EXTRACTIVE, ModelInfo
    from rag.about_model import about_model

    with opened_engine(context) as engine:
        known = {info.name: info for info in engine.models()}
    info = known.get(model) or ModelInfo(Path(model).stem, str(Path(model).expanduser()))
    if info.path and model not in known and not Path(info.path).exists():
        raise ModelNotFoundError(
            f"There is no model and no file {model!r}.", hint="`cita models list` names the models there are."
        )
    if info.name == EXTRACTIVE.name:
        raise UsageError(
            "`extractive` is no model: it quotes the documents.", hint="Name another of `cita models list`."
        )
    settings = load_settings(context)
    if tokens:
        generate = settings.generate.model_copy(update={"context": tokens})
        settings = settings.model_copy(update={"generate": generate})
    about = about_model(info, settings)
    info, running = about.info, about.generation
    if as_json:
        print_json(
            {
                "model": pick(info, KEYS),
                **pick(about, ("tokenizer", "tokens", "family", "why", "reason", "left_out")),
                **pick(running, ("runtime", "memory", "problem")),
            }
        )
        return
    pairs = [
        ("Name", clean_name(info.name)),
        ("Title", clean(info.title)),
        ("File", f"{clean(info.path)}\n{size_words(info.size)}"),
        ("Kind", " ".join(filter(None, (clean(info.architecture), info.quantisation)))),
        ("Parameters", f"{info.parameters:,}"),
        ("Context", f"{info.context:,} tokens" if info.context else "not given"),
        ("Tokenizer", f"{clean(about.tokenizer)}, {about.tokens:,} tokens"),
        ("Prompt", f"{clean(about.family)}: {clean(about.reason)}" if about.family else "reranker"),
    ]
    if running.memory and running.runtime:
        pairs.append(("Memory", _memory_words(running.memory, running.runtime)))
    print_pairs([(name, value) for name, value in pairs if value])
    for problem in filter(None, (running.problem, *about.left_out)):
        print_line("\n" + wrapped(clean(problem), "! ", "  "), "bold yellow")


def _memory_words(memory: "Memory", runtime: "Runtime") -> str:
    parts = {
        "weights": memory.weights,
        "laid out for the processor": memory.repacked,
        f"cache of {runtime.context:,} tokens as {runtime.cache}": memory.cache,
        "computing": memory.compute,
        "its process": memory.process,
    }
    lines = [f"{size_words(size)} {name}" for name, size in parts.items() if size]
    card = f", {size_words(memory.card)} of it on the graphics card" if memory.card else ""
    return f"{size_words(memory.total)}{card}\n" + "\n".join(lines)


@app.command(name="discover")
def discover_models(
    context: typer.Context,
    hashes: Annotated[
        bool, typer.Option("--hash", help="Read each file whole for its sha256, where its program does not say it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Find the models that other programs keep on this computer: the Hugging Face cache, LM Studio, Ollama, GPT4All,
    Jan, llama.cpp. They are used where they are: `cita models add PATH`.

    JSON: {"models": [{"name", "title", "path", "size", "architecture", "quantisation", "parameters", "context",
    "ranks", "sha256", "catalogue": the name it has in `cita models available`, where its hash says so, or "", "known":
    the name it has in `cita models list` or "", "problem": why it cannot be used or "", "places": [{"program", "name",
    "path"}]}]}.
    """
    from models.catalogue import read_catalogue, recognise
    from models.discover import HASHES, Hashes, discover

    with opened_engine(context) as engine:
        names = {info.path: info.name for info in engine.models() if not info.adapter}
    settings = load_settings(context)
    kept = Hashes(settings.models / HASHES)
    rows = []
    for found in discover():
        paths = [str(place.path) for place in found.places]
        sha256 = found.sha256 or (kept.sha256(Path(found.info.path)) if hashes else "")
        recognised = recognise(sha256, read_catalogue())
        rows.append(
            {
                **pick(found.info, [key for key in KEYS if key not in ("active", "adapter", "scale")]),
                "sha256": sha256,
                "catalogue": f"{recognised[0].name}:{recognised[1].quantisation}" if recognised else "",
                "known": next((names[path] for path in paths if path in names), ""),
                "problem": found.problem,
                "places": [
                    {"program": place.program, "name": place.name, "path": str(place.path)} for place in found.places
                ],
            }
        )
    if as_json:
        print_json({"models": rows})
        return
    if not rows:
        print_line("No other program keeps a model on this computer where it is usually kept.")
    for row in rows:
        kind = " ".join(filter(None, (row["architecture"], row["quantisation"], size_words(row["size"]))))
        print_line(
            f"{clean(row['name'])}: {clean(kind)}" + (f" (here: {clean_name(row['known'])})" if row["known"] else "")
        )
        if row["catalogue"]:
            print_line(f"  {row['catalogue']} of the catalogue, byte for byte")
        for place in row["places"]:
            print_line(f"  {place['program']}: {clean(place['path'])}")
        if row["sha256"] and hashes:
            print_line(f"  sha256 {row['sha256']}")
        if row["problem"]:
            print_line(wrapped(clean(row["problem"]), "  ! ", "    "), "bold yellow")


def _print_models(models: Sequence["ModelInfo"], as_json: bool) -> None:
    if as_json:
        print_json({"models": [pick(model, KEYS) for model in models]})
        return
    rows = [
        (
            "*" if model.active else "",
            clean_name(model.name),
            size_words(model.size) if model.size else "",
            clean(_kind(model)),
            str(model.context or ""),
        )
        for model in models
    ]
    print_table(("", "Name", "Size", "Kind", "Context"), rows)


def _kind(model: "ModelInfo") -> str:
    parts = [model.architecture, model.quantisation, "reranker" if model.ranks else ""]
    parts += [f"+ {Path(model.adapter).name} x {model.scale:g}" if model.adapter else ""]
    return " ".join(filter(None, parts))
