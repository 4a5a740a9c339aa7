"""A model as Hugging Face's Transformers keeps it: a folder with config.json, a tokenizer and weights as safetensors.

Read here are its texts and the headers of its weights; nothing is loaded. Refused are weights as pickles, which can run
programs, and models that need code of their own. Not covered: what is wrong with the weights themselves.
"""

import json
import math
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from errors import ModelNotFoundError, NotAModelError
from models.types import ModelInfo

LONGEST_TEXT = 64 << 20  # bytes of a JSON file: tokenizers of 250,000 tokens have 30 MB
LONGEST_HEADER = 100 << 20  # bytes, what safetensors itself allows
WRITES = re.compile(r"(ForCausalLM|LMHeadModel|ForConditionalGeneration)$")


def is_weights_folder(path: Path) -> bool:
    """Whether it looks like one, be it of use or not."""
    return (path / "config.json").is_file()


def read_folder(path: Path) -> ModelInfo:
    """What the folder says of its model; its name is that of the folder.

    Raises ModelNotFoundError if it is gone, NotAModelError if it is none that can be used, with the reason.
    """
    if not is_weights_folder(path):
        raise ModelNotFoundError(
            f"There is no model in the folder {str(path)!r}.", hint="It needs config.json, a tokenizer and safetensors."
        )
    try:
        return _read(path)
    except OSError as error:
        raise _unusable(path, f"it cannot be read ({error.strerror})", "Check its permissions and its disk.") from error


def _read(path: Path) -> ModelInfo:
    config = _object(path / "config.json")
    architectures = config.get("architectures")
    kinds = [str(kind) for kind in architectures] if isinstance(architectures, list) else []
    if not any(WRITES.search(kind) for kind in kinds):
        raise _unusable(path, f"it writes no text ({', '.join(kinds) or 'it does not say what it is'})")
    if "auto_map" in config:
        raise _unusable(path, "it needs code of its own, which Cita does not run", "Use one without, or a GGUF of it.")
    files = sorted(path.glob("*.safetensors"))
    if not files:
        pickled = any(path.glob("*.bin")) or any(path.glob("*.pt"))
        reason = "its weights are pickles, which can run programs" if pickled else "it has no weights"
        raise _unusable(path, reason, "Use one with .safetensors files, or a GGUF of it.")
    told = _object(path / "tokenizer_config.json") if (path / "tokenizer_config.json").is_file() else {}
    text = config.get("text_config")
    inner = text if isinstance(text, dict) else config
    length = next((inner.get(key) for key in ("max_position_embeddings", "n_positions", "n_ctx") if key in inner), 0)
    return ModelInfo(
        name=path.name,
        path=str(path),
        size=sum(file.stat().st_size for file in files),
        architecture=str(config.get("model_type", "")),
        title=path.name,
        quantisation=str(config.get("dtype") or config.get("torch_dtype") or ""),
        parameters=sum(_parameters(file) for file in files),
        context=length if isinstance(length, int) and length > 0 else 0,
        chat_template=_chat_template(path, told),
        bos_token=_token(told.get("bos_token")),
        eos_token=_token(told.get("eos_token")),
        special_tokens=_special_tokens(path, told),
        protocol="transformers",
        program="Transformers",
    )


def _chat_template(path: Path, told: dict[str, Any]) -> str:
    """That of its own file, else of the tokenizer's; of several the one that is called default."""
    file = path / "chat_template.jinja"
    if file.is_file() and file.stat().st_size <= LONGEST_TEXT:
        return file.read_text("utf-8", errors="replace")
    template = told.get("chat_template")
    if isinstance(template, list):
        named = {one.get("name"): one.get("template") for one in template if isinstance(one, dict)}
        template = named.get("default")
    return template if isinstance(template, str) else ""


def _token(value: Any) -> str:
    """As a text, or as the object that older tokenizers write."""
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else ""


def _special_tokens(path: Path, told: dict[str, Any]) -> tuple[str, ...]:
    """As tokenizer_config.json has them, or tokenizer.json."""
    added = told.get("added_tokens_decoder")
    tokens = [one for one in added.values() if isinstance(one, dict)] if isinstance(added, dict) else []
    found = [_token(one) for one in tokens if one.get("special")]
    file = path / "tokenizer.json"
    if not found and file.is_file():
        known = file.stat()
        found += _added_tokens(file, known.st_size, known.st_mtime_ns)
    for name in ("additional_special_tokens", "extra_special_tokens"):
        also = told.get(name)
        found += [_token(one) for one in also] if isinstance(also, list) else []
    found += [_token(told.get(name)) for name in ("bos_token", "eos_token", "unk_token", "pad_token")]
    return tuple(dict.fromkeys(filter(None, found)))


@lru_cache(maxsize=8)
def _added_tokens(file: Path, size: int, changed: int) -> tuple[str, ...]:  # noqa: ARG001 - one that changed is read again
    added = _object(file).get("added_tokens")
    tokens = [one for one in added if isinstance(one, dict)] if isinstance(added, list) else []
    return tuple(_token(one) for one in tokens if one.get("special"))


def _parameters(file: Path) -> int:
    """As the header of a safetensors file has it: eight bytes of length, then JSON."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if not 0 < length <= min(LONGEST_HEADER, file.stat().st_size):
            raise _unusable(file, "it is no safetensors file")
        try:
            header = json.loads(opened.read(length))
            shapes = [one["shape"] for name, one in header.items() if name != "__metadata__"]
            return sum(math.prod(shape) for shape in shapes)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise _unusable(file, "its header is damaged") from None


def _object(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > LONGEST_TEXT:
            raise _unusable(file, "it is too long")
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _unusable(file, f"it cannot be read ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise _unusable(file, "it holds no settings")
    return content


def _unusable(path: Path, reason: str, hint: str = "Fetch the model again, or use another one.") -> NotAModelError:
    return NotAModelError(f"{str(path)!r} cannot be used: {reason}.", hint=hint)
