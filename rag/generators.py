"""open_generator(): what writes with a model, whichever way that is spoken to."""

from functools import partial
from pathlib import Path

from errors import ModelError
from models.servers import Keys
from models.types import ModelInfo
from rag.generate import Generator, LlamaGenerator
from settings import Generate


def open_generator(info: ModelInfo, settings: Generate, models_dir: Path) -> Generator:
    """The generator of a model; whoever opens it closes it. Nothing is loaded or connected to before it is asked.
    `models_dir` is the home's, which has the keys of servers.

    Raises ModelError if this Cita does not know how to speak to it, SettingsError if the keys cannot be read.
    """
    if info.is_ours:
        return LlamaGenerator(info, settings, partial(_instead, info, settings, models_dir))
    if info.protocol == "openai":
        from rag.served import ServedGenerator

        return ServedGenerator(info, settings, Keys(models_dir).server(info))
    if info.protocol == "llamafile":
        from rag.llamafile import LlamafileGenerator

        return LlamafileGenerator(info, settings, Keys(models_dir).server(info))
    if info.protocol == "gpt4all":
        from rag.gpt4all_model import Gpt4AllGenerator

        return Gpt4AllGenerator(info, settings)
    if info.protocol == "transformers":
        from rag.transformers_model import TransformersGenerator

        return TransformersGenerator(info, settings)
    raise ModelError(
        f"Model {info.name!r} is spoken to by {info.protocol!r}, which this Cita does not know.",
        hint="It was added by another version: add it again, or pick another with `cita models use NAME`.",
    )


def _instead(info: ModelInfo, settings: Generate, models_dir: Path) -> str:
    """What fits where it does not."""
    from models.doctor import hardware_here
    from models.nearest import fits_instead

    return fits_instead(info, settings, models_dir, hardware_here()[0])
