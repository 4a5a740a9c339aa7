"""Models: list, add, use."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.opening import opened_engine
from cli.options import Json
from cli.writing import clean, clean_name, pick, print_json, print_table, say, size_words

if TYPE_CHECKING:
    from models.types import ModelInfo

app = typer.Typer()


@app.callback()
def models() -> None:
    """The models that write the answers: list, add, use."""


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
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A GGUF file; it stays where it is.")],
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

    JSON: {"models": [...]} as `cita models list` has it.
    """
    with opened_engine(context) as engine:
        added = engine.add_model(path.absolute(), base, scale)
        if added.ranks:
            say(f"Added reranker {clean_name(added.name)}. Measure whether it helps: cita eval FILE")
        else:
            say(f"Added {clean_name(added.name)}. Let it answer: cita models use {clean_name(added.name)}")
        _print_models(engine.models(), as_json)


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


def _print_models(models: Sequence["ModelInfo"], as_json: bool) -> None:
    if as_json:
        keys = ("name", "title", "path", "size", "architecture", "quantisation", "parameters", "context", "active")
        print_json({"models": [pick(model, (*keys, "ranks", "adapter", "scale")) for model in models]})
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
