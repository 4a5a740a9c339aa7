"""What is known of a model. Plain values; nothing heavy is imported here."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

# How a model is spoken to: ours is llama.cpp in a process of our own, of a GGUF ('').
ModelProtocol = Literal["", "openai", "llamafile", "gpt4all", "transformers"]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model as its own metadata describes it; `name` is what the user types.

    For `extractive` everything but the name is empty. Sizes are bytes, `context` is tokens. One that `ranks` is a
    reranker: it writes no answers. `adapter` is the path of the LoRA adapter that is applied to it, with the weight
    `scale`; '' for none.

    `protocol` is how it is spoken to. One behind a `server`, whose address that is, is called `served_as` there;
    `program` is what runs it, where that is known. Those `off_machine` are elsewhere, with the user's consent.
    `prompts` is the folder of the user's own families of templates (prompts/README.md), '' for none.
    """

    name: str
    path: str = ""
    size: int = 0
    architecture: str = ""
    title: str = ""
    quantisation: str = ""
    parameters: int = 0
    context: int = 0
    chat_template: str = ""
    bos_token: str = ""
    eos_token: str = ""
    special_tokens: tuple[str, ...] = ()
    active: bool = False
    ranks: bool = False
    adapter: str = ""
    scale: float = 1.0
    protocol: ModelProtocol = ""
    server: str = ""
    served_as: str = ""
    program: str = ""
    off_machine: bool = False
    prompts: str = ""

    @property
    def is_ours(self) -> bool:
        """Is it a GGUF that Cita runs itself?"""
        return bool(self.path) and not self.protocol

    @property
    def host(self) -> str:
        """The machine that it is on; '' if that is this one."""
        return urlsplit(self.server).netloc if self.off_machine else ""


EXTRACTIVE = ModelInfo(name="extractive")
