"""What is known of a model. Plain values; nothing heavy is imported here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model as its own metadata describes it; `name` is what the user types.

    For `extractive` everything but the name is empty. Sizes are bytes, `context` is tokens. One that `ranks` is a
    reranker: it writes no answers. `adapter` is the path of the LoRA adapter that is applied to it, with the weight
    `scale`; '' for none.
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


EXTRACTIVE = ModelInfo(name="extractive")
