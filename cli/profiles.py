"""Profiles: the ways to answer that have names."""

from typing import Any

import typer

from cli.opening import load_settings, opened_engine
from cli.options import Json
from cli.writing import clean, clean_name, print_json, print_line, print_table

app = typer.Typer()


@app.command(name="profiles")
def list_profiles(context: typer.Context, as_json: Json = False) -> None:
    """List the profiles: ways to answer under a name, for `cita ask --profile NAME`.

    One is a table of cita.toml, which the app's page Settings writes too:

    [profiles.deep]
    model = "qwen3-8b"
    k = 16
    temperature = 0.3
    tone = "technical"

    It may set: model, k (passages), abstain, persona, tone, length, language, and what [generate] has. `answer.profile`
    is the one that answers by itself, `answer.deeper` the one that the app offers below an answer.

    JSON: {"profiles": [{"name", "default", "deeper", "sets": {name: value}, "problem": why it cannot answer, or ""}]}.
    """
    settings = load_settings(context)
    with opened_engine(context) as engine:
        known = {model.name for model in engine.models()}
    rows: list[dict[str, Any]] = []
    for name, profile in settings.profiles.items():
        missing = profile.model and profile.model not in known
        rows.append(
            {
                "name": name,
                "default": name == settings.answer.profile,
                "deeper": name == settings.answer.deeper,
                "sets": profile.chosen,
                "problem": f"There is no model {profile.model!r}." if missing else "",
            }
        )
    if as_json:
        print_json({"profiles": rows})
        return
    if not rows:
        print_line("There are no profiles. `cita models profiles --help` says how to make one.")
        return
    print_table(
        ("", "Name", "Sets", ""),
        [
            (
                "*" if row["default"] else "",
                clean_name(row["name"]),
                clean(", ".join(f"{key} {value}" for key, value in row["sets"].items())),
                clean(" ".join(filter(None, ("deeper" if row["deeper"] else "", row["problem"])))),
            )
            for row in rows
        ],
    )
