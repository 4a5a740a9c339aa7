"""What a person wants to know of a model: what it is, how it is prompted and why, and how it would run here."""

from dataclasses import dataclass, replace
from pathlib import Path

from models.doctor import Generation, how_it_runs
from models.gguf import model_of, read_header
from models.types import ModelInfo
from models.weights_folder import read_folder
from rag.template import Why, choose
from settings import Settings


@dataclass(frozen=True, slots=True)
class AboutModel:
    """`tokenizer` is as llama.cpp names its kind, with `tokens` of them. `family` is that of the prompt, chosen by what
    `why` names, for the `reason` told in words; '' for a reranker. `left_out` says of each of the user's own family
    files that cannot be used what is wrong with it. `generation` is how the model runs on this machine, or why not."""

    info: ModelInfo
    tokenizer: str
    tokens: int
    family: str
    why: Why
    reason: str
    left_out: tuple[str, ...]
    generation: Generation


def about_model(info: ModelInfo, settings: Settings) -> AboutModel:
    """Of the GGUF or the folder of Transformers that `info` names, from its header, read anew; no weight is
    loaded. Of a model that another program runs only what is known without asking that: nothing is connected to.

    Raises ModelNotFoundError or NotAModelError.
    """
    if info.is_ours and Path(info.path).is_dir():
        info = replace(read_folder(Path(info.path)), prompts=str(settings.prompts))
    if not info.is_ours:
        choice = choose(info)
        known = (choice.template.family, choice.why, choice.reason, tuple(map(str, choice.problems)))
        return AboutModel(info, "", 0, *known, generation=Generation(info.name, None, None))
    header = read_header(Path(info.path))
    read = model_of(header, Path(info.path))
    own = str(settings.prompts)
    info = replace(read, name=info.name, active=info.active, adapter=info.adapter, scale=info.scale, prompts=own)
    kind, before = header.text("tokenizer.ggml.model"), header.text("tokenizer.ggml.pre")
    choice = choose(info)
    return AboutModel(
        info=info,
        tokenizer=f"{kind} ({before})" if before else kind,
        tokens=len(header.values("tokenizer.ggml.tokens")),
        family="" if info.ranks else choice.template.family,
        why="nothing" if info.ranks else choice.why,
        reason="" if info.ranks else choice.reason,
        left_out=tuple(str(problem) for problem in choice.problems),
        generation=how_it_runs(settings, info),
    )
