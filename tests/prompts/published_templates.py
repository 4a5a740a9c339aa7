"""The chat templates in published/, and what they write, as Transformers renders them."""

import json
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import jinja2.ext
import jinja2.sandbox

from models.types import ModelInfo

FOLDER = Path(__file__).with_name("published")
DAY = "2026-01-31"


@cache
def published(name: str) -> str:
    """The chat template in published/`name`.jinja."""
    return (FOLDER / f"{name}.jinja").read_text("utf-8")


@cache
def models() -> dict[str, tuple[ModelInfo, str]]:
    """The models of models.toml by name: what their GGUFs say of themselves, and the family each must get."""
    rows = tomllib.loads(Path(__file__).with_name("models.toml").read_text("utf-8"))["model"]
    return {row["name"]: (_info(row), row["family"]) for row in rows}


def _info(row: dict[str, Any]) -> ModelInfo:
    return ModelInfo(
        name=row["name"].lower(),
        path=f"/models/{row['name']}.Q4_K_M.gguf",
        title=row["name"],
        architecture=row["architecture"],
        chat_template=published(row["template"]) if "template" in row else row.get("excerpt", ""),
        bos_token=row["bos_token"],
        eos_token=row["eos_token"],
        special_tokens=tuple(row["special_tokens"]),
    )


def written(template: str, messages: Sequence[tuple[str, str]], bos: str, eos: str, **given: Any) -> str:
    """What a chat template writes of messages, (role, text), before the answer."""
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols]
    )
    environment.globals |= {"raise_exception": _fail, "strftime_now": lambda _form: DAY}
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    return environment.from_string(template).render(
        messages=[{"role": role, "content": text} for role, text in messages],
        add_generation_prompt=True,
        bos_token=bos,
        eos_token=eos,
        **{"tools": None, "documents": None, **given},
    )


def _fail(message: str) -> None:
    raise jinja2.TemplateError(message)
