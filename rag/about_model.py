"""What a person wants to know of a model: what it is, how it is prompted and why, and how it would run here."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from models.doctor import Generation, how_it_runs
from models.gguf import model_of, read_header
from models.types import ModelInfo
from rag.prompt import PLAIN, choose_template
from settings import Settings

Why = Literal["chat template", "vocabulary", "architecture", "nothing"]
BY_ARCHITECTURE = {"phi2", "falcon"}  # of the families that a model without a chat template can have


@dataclass(frozen=True, slots=True)
class AboutModel:
    """`tokenizer` is as llama.cpp names its kind, with `tokens` of them. `family` is that of the prompt, chosen by what
    `why` names. `generation` is how the model runs on this machine, or why it does not."""

    info: ModelInfo
    tokenizer: str
    tokens: int
    family: str
    why: Why
    generation: Generation


def about_model(info: ModelInfo, settings: Settings) -> AboutModel:
    """Of the GGUF that `info` names, from its header, read anew; no weight is loaded.

    Raises ModelNotFoundError or NotAModelError.
    """
    header = read_header(Path(info.path))
    read = model_of(header, Path(info.path))
    info = replace(read, name=info.name, active=info.active, adapter=info.adapter, scale=info.scale)
    kind, before = header.text("tokenizer.ggml.model"), header.text("tokenizer.ggml.pre")
    family = "" if info.ranks else choose_template(info).family
    return AboutModel(
        info=info,
        tokenizer=f"{kind} ({before})" if before else kind,
        tokens=len(header.values("tokenizer.ggml.tokens")),
        family=family,
        why=_why(info, family),
        generation=how_it_runs(settings, info),
    )


def _why(info: ModelInfo, family: str) -> Why:
    if family in ("", PLAIN):
        return "nothing"
    if info.chat_template:
        return "chat template"
    return "architecture" if family in BY_ARCHITECTURE else "vocabulary"
