"""Models: list, add, use, show, discover. catalogue.py has those that are to be fetched."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast
from urllib.parse import urlsplit

import typer

from cli.opening import load_settings, opened_engine
from cli.options import Json
from cli.writing import (
    clean,
    clean_name,
    confirm,
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
    from models.types import ModelInfo, ModelProtocol

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
    "protocol",
    "server",
    "served_as",
    "program",
    "off_machine",
)


FOUND_KEYS = ("name", "title", "path", "size", "architecture", "quantisation", "parameters", "context", "ranks")


@app.callback()
def models() -> None:
    """The models that write the answers: list, find, fetch, add, use."""


@app.command(name="list")
def list_models(context: typer.Context, as_json: Json = False) -> None:
    """List the models; a star marks the one that answers.

    JSON: {"models": [{"name", "title", "path", "size", "architecture", "quantisation", "parameters", "context",
    "active", "ranks", "adapter", "scale", "protocol", "server", "served_as", "program", "off_machine"}]}; `size` is
    bytes, `context` tokens; one that `ranks` is a reranker and answers nothing; `adapter` is the file of a LoRA adapter
    that is applied with the weight `scale`, "" for none. `protocol` is "" for a GGUF that Cita runs itself, else how
    the `program` at the address `server` is spoken to, which calls the model `served_as`; `off_machine`: not here.
    """
    with opened_engine(context) as engine:
        _print_models(engine.models(), as_json)


@app.command(name="add")
def add_model(
    context: typer.Context,
    place: Annotated[
        str,
        typer.Argument(
            metavar="PATH|URL",
            help="A GGUF file, a folder of them, or one of Transformers (config.json, safetensors); they stay where "
            "they are. Or a server's address.",
        ),
    ],
    base: Annotated[
        str, typer.Option("--to", metavar="MODEL", help="It is a LoRA adapter for this model, as the list names it.")
    ] = "",
    scale: Annotated[
        float,
        typer.Option(metavar="X", min=0, max=10, help="The weight of what the adapter adds (1).", show_default=False),
    ] = 1.0,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="Of the server's models only this one, as it is called there.")
    ] = "",
    key: Annotated[
        bool, typer.Option("--key", help="The server asks for a key: CITA_SERVER_KEY has it, or it is asked for.")
    ] = False,
    off_machine: Annotated[
        bool,
        typer.Option("--off-this-machine", help="Agree that questions and passages go to a server on another machine."),
    ] = False,
    protocol: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="How it is spoken to: openai or llamafile, of a server; gpt4all, of a file: by that package.",
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Make a GGUF file, or the models of a server, known; `cita models use NAME` makes one answer.

    A server is Ollama, LM Studio, llama-server, llamafile, GPT4All, text-generation-webui, vLLM, Jan or another with
    OpenAI's protocol; `cita models discover` finds those that run. One on another machine is used only if you say
    --off-this-machine: your questions and the passages that are to answer them are then sent there. A key is kept in
    models/keys.json of the home, which only you can read.

    A LoRA adapter (a GGUF, as llama.cpp's convert_lora_to_gguf.py makes it) is applied to the model that it was made
    for: both together are a model of their own. Add it again to change its weight.

    A file that has the size of one of the catalogue's (`cita models available`) is read whole, to say whether it is
    that one, byte for byte.

    JSON: {"models": [...]} as `cita models list` has it.
    """
    if "://" in place:
        _add_server(context, place, model, key, off_machine, protocol or "openai")
    else:
        _add_files(context, Path(place).expanduser(), base, scale, protocol)
    with opened_engine(context) as engine:
        _print_models(engine.models(), as_json)


def _add_files(context: typer.Context, path: Path, base: str, scale: float, protocol: str) -> None:
    from models.discover import models_at

    if protocol not in ("", "gpt4all"):
        raise UsageError(f"No file is spoken to by {protocol!r}.", hint="There is gpt4all; leave it out for llama.cpp.")
    paths = [path] if base else models_at(path)
    folder = paths != [path]
    if not paths:
        raise ModelNotFoundError(f"There is no GGUF in {str(path)!r}.", hint="Name a file that ends in .gguf.")
    with opened_engine(context) as engine:
        for file in paths:
            try:
                say_added(engine.add_model(file.absolute(), base, scale, cast("ModelProtocol", protocol)))
            except CitaError as error:
                if not folder:
                    raise
                say(f"{clean(str(file))}: {error}")
                continue
            if not base and file.is_file():
                _say_recognised(file, load_settings(context).models)


def _add_server(
    context: typer.Context, place: str, model: str, asks_key: bool, off_machine: bool, protocol: str
) -> None:
    from models.servers import consent_needed, server_url

    url = server_url(place)
    if protocol not in ("openai", "llamafile"):
        raise UsageError(f"No server is spoken to by {protocol!r}.", hint="There are openai and llamafile.")
    if not off_machine and (sentence := consent_needed(url)) and sys.stdin.isatty():
        confirm(f"{sentence} Add it?", yes=False, otherwise="Nothing was added")
        off_machine = True
    key = _key_of(url) if asks_key else ""
    with opened_engine(context) as engine:
        for added in engine.add_server(url, model, key, off_machine, cast("ModelProtocol", protocol)):
            say_added(added)
            if added.host:
                say(f"While {clean_name(added.name)} answers, questions and passages are sent to {clean(added.host)}.")


def _key_of(url: str) -> str:
    """As the environment has it, else as it is typed, unseen."""
    from models.servers import KEY_VARIABLE, key_from

    if key := key_from(os.environ):
        return key
    if not sys.stdin.isatty():
        raise UsageError(f"The key of {url} is asked for on a terminal.", hint=f"Or set it in {KEY_VARIABLE}.")
    return str(typer.prompt(f"Key of {url}", hide_input=True, err=True)).strip()


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


@app.command(name="remove")
def remove_model(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name that `cita models list` shows.")],
    delete: Annotated[bool, typer.Option("--delete", help="Delete its file too, if that is in the home.")] = False,
    as_json: Json = False,
) -> None:
    """Forget a model. A file outside the home stays where it is.

    If it was the one that answers, quotation answers from now on.

    JSON: {"models": [...]} as `cita models list` has it.
    """
    with opened_engine(context) as engine:
        engine.remove_model(name, delete)
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
        ("File", f"{clean(info.path)}\n{size_words(info.size)}" if info.path else ""),
        ("Server", _server_words(info)),
        ("Kind", " ".join(filter(None, (clean(info.architecture), info.quantisation)))),
        ("Parameters", f"{info.parameters:,}" if info.parameters else ""),
        ("Context", f"{info.context:,} tokens" if info.context else "not given"),
        ("Tokenizer", f"{clean(about.tokenizer)}, {about.tokens:,} tokens" if about.tokens else ""),
        ("Prompt", f"{clean(about.family)}: {clean(about.reason)}" if about.family else "reranker"),
    ]
    if running.memory and running.runtime:
        pairs.append(("Memory", _memory_words(running.memory, running.runtime)))
    print_pairs([(name, value) for name, value in pairs if value])
    for problem in filter(None, (running.problem, *about.left_out)):
        print_line("\n" + wrapped(clean(problem), "! ", "  "), "bold yellow")


def _server_words(info: "ModelInfo") -> str:
    if not info.server:
        return ""
    lines = [clean(info.server), f"{clean(info.served_as)} of {clean(info.program) or 'a program that is not known'}"]
    if info.host:
        lines.append("not this machine: questions and passages are sent there")
    return "\n".join(lines)


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
    Jan, llama.cpp. They are used where they are: `cita models add PATH`. And the servers that run here, where they
    usually listen: `cita models add URL`.

    JSON: {"models": [{"name", "title", "path", "size", "architecture", "quantisation", "parameters", "context",
    "ranks", "sha256", "catalogue": the name it has in `cita models available`, where its hash says so, or "", "known":
    the name it has in `cita models list` or "", "problem": why it cannot be used or "", "places": [{"program", "name",
    "path"}]}], "servers": [{"url", "program", "problem", "models": [{"served_as", "context", "known"}]}]}.
    """
    from models.catalogue import read_catalogue, recognise
    from models.discover import HASHES, Hashes, discover
    from models.servers import find_servers

    with opened_engine(context) as engine:
        known = engine.models()
    names = {info.path: info.name for info in known if info.is_ours and not info.adapter}
    served = {(info.server, info.served_as): info.name for info in known if info.server}
    settings = load_settings(context)
    kept = Hashes(settings.models / HASHES)
    rows = []
    for found in discover():
        paths = [str(place.path) for place in found.places]
        sha256 = found.sha256 or (kept.sha256(Path(found.info.path)) if hashes else "")
        recognised = recognise(sha256, read_catalogue())
        rows.append(
            {
                **pick(found.info, FOUND_KEYS),
                "sha256": sha256,
                "catalogue": f"{recognised[0].name}:{recognised[1].quantisation}" if recognised else "",
                "known": next((names[path] for path in paths if path in names), ""),
                "problem": found.problem,
                "places": [
                    {"program": place.program, "name": place.name, "path": str(place.path)} for place in found.places
                ],
            }
        )
    running = [
        {
            **pick(server, ("url", "program", "problem")),
            "models": [
                {**pick(model, ("served_as", "context")), "known": served.get((server.url, model.served_as), "")}
                for model in server.models
            ],
        }
        for server in find_servers()
    ]
    if as_json:
        print_json({"models": rows, "servers": running})
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
    for server in running:
        print_line(f"Running: {server['program'] or 'a server'} at {server['url']} (cita models add {server['url']})")
        for model in server["models"]:
            here = f" (here: {clean_name(model['known'])})" if model["known"] else ""
            print_line(f"  {clean(model['served_as'])}{here}")
        if server["problem"]:
            print_line(wrapped(clean(server["problem"]), "  ! ", "    "), "bold yellow")


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
    if model.server:
        parts.append(f"at {urlsplit(model.server).netloc}" + (", not this machine" if model.off_machine else ""))
    return " ".join(filter(None, parts))
