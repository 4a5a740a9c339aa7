"""python -m prompts > docs/prompts.md      writes the table of the families anew"""

import sys
from importlib import resources

from rag.template import ChatTemplate, load_family

HEAD = """# How each family of models is prompted

Made from `prompts/families/` by `python -m prompts > docs/prompts.md`; [prompts/README.md](../prompts/README.md) says
how the files are written, how a family is chosen for a model, and how to add one of your own. In a turn, `⏎` is a
newline and `…` the text; `cita models show NAME` says which family a model gets and why.

"""
COLUMNS = (
    "family", "models", "a question and an answer", "what opens an answer", "BOS", "ends an answer", "system text",
    "thinking is kept off by", "passages",
)  # fmt: skip


def families() -> list[str]:
    """The names of all families, in alphabetical order."""
    folder = resources.files("prompts") / "families"
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))


def table() -> str:
    """The page docs/prompts.md."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(_row(load_family(name)) for name in families())]
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(template: ChatTemplate) -> tuple[str, ...]:
    turns = template.user.replace("$user", "…") + template.assistant.replace("$assistant", "…")
    return (
        f"`{template.family}`",
        template.models,
        _code(turns),
        _code(template.generation) if template.generation else "nothing",
        "yes" if template.bos else "as the model's template has it",
        ", ".join(_code(text) for text in template.stop),
        _system(template),
        template.thinking or "–",
        _passages(template),
    )


def _system(template: ChatTemplate) -> str:
    before, _, rest = template.first.partition("$system")
    between = rest.partition("$user")[0]
    opens_user = template.user.partition("$user")[0].removeprefix("<s>").strip()
    if opens_user not in between:
        return "in the first user turn"
    return "a turn of its own" if before.strip() else "before the first turn"


def _passages(template: ChatTemplate) -> str:
    if not template.document:
        return "in the user turn"
    place = "after the system text" if template.documents_in_system else "behind the question"
    return f"its own form, {place}"


def _code(text: str) -> str:
    return f"`{text.replace('$eos', 'EOS').replace('|', chr(92) + '|').replace(chr(10), '⏎')}`"


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    print(table(), end="")
