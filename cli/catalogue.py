"""Models that are not here yet: which there are, and fetching one."""

import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.models import say_added
from cli.opening import load_settings, opened_engine
from cli.options import Json
from cli.writing import (
    Show,
    clean,
    confirm,
    duration_words,
    pick,
    print_json,
    print_line,
    print_table,
    progress,
    say,
    size_words,
)
from errors import SettingsError

if TYPE_CHECKING:
    from models.catalogue import Entry, Offer, Variant

app = typer.Typer()


@app.command(name="available")
def available_models(
    context: typer.Context,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that others have superseded, and every quantisation.")
    ] = False,
    language: Annotated[str, typer.Option("--lang", metavar="CODE", help="Only those that write it: es.")] = "",
    tokens: Annotated[
        int | None,
        typer.Option("--context", metavar="N", min=256, help="With another context than generate.context."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the models that can be fetched, what each takes here, and the one that suits this machine. Asks no other
    machine.

    Memory is a rule of thumb: `cita models show` reckons it from a file that is here. Tokens a second are estimated
    from how fast this machine reads its memory, which is measured; with a graphics card they are left out.

    JSON: {"recommended": a name or null, "context", "models": [{"name", "title", "kind", "quantisation", "size",
    "exact": is that its very size, "memory", "fits": "yes", "alone" (when nothing else runs) or "no", "here",
    "tokens_per_second": [from, to] or null,
    "parameters", "active", "context", "languages", "licence", "terms", "family", "thinks", "strengths", "superseded",
    "known", "repository", "revision", "file", "sha256", "sources"}]}; sizes are bytes; models/catalogue.toml says what
    each means.
    """
    from models.advice import recommendation
    from models.catalogue import offers, read_catalogue, recommend
    from models.doctor import hardware_here
    from models.speed import memory_speed

    settings = load_settings(context)
    tokens = tokens or settings.generate.context
    entries, (hardware, memory) = read_catalogue(), hardware_here()
    speed = 0.0 if hardware.card else memory_speed(hardware.cores)
    best = recommend(entries, hardware, tokens, language)
    offered = [
        offer
        for offer in offers(entries, hardware, memory, tokens, settings.models)
        if (everything or (not offer.entry.superseded and offer.variant == offer.entry.variants[0]))
        and (not language or offer.entry.speaks(language))
    ]
    if as_json:
        name = best.name if best else None
        print_json({"recommended": name, "context": tokens, "models": [_offer_row(offer, speed) for offer in offered]})
        return
    rows = [
        (
            "*" if best == offer.entry and offer.variant == best.variants[0] else "here" if offer.here else "",
            offer.name,
            ("" if offer.variant.bytes else "~") + size_words(offer.variant.size),
            f"~{size_words(offer.memory)}",
            offer.fits,
            _speed_words(offer, speed),
            "many" if "*" in offer.entry.languages else " ".join(offer.entry.languages),
            offer.entry.licence,
            offer.entry.strengths + (f" Better: {offer.entry.superseded}." if offer.entry.superseded else ""),
        )
        for offer in sorted(offered, key=lambda offer: (offer.entry.kind != "model", offer.variant.size))
    ]
    print_table(("", "Name", "Size", "Memory", "Fits", "Tokens/s", "Languages", "Licence", "What for"), rows)
    told = recommendation(best, hardware, tokens, speed)
    print_line(f"\n{told.why}" + (f" Fetch it: cita models pull {told.name}" if told.name else ""))


def _speed(offer: "Offer", speed: float) -> tuple[float, float] | None:
    from models.speed import tokens_per_second

    return tokens_per_second(offer.entry, offer.variant, speed) if speed and offer.entry.kind == "model" else None


def _speed_words(offer: "Offer", speed: float) -> str:
    from models.speed import rate_words

    found = _speed(offer, speed)
    return rate_words(found) if found else ""


def _offer_row(offer: "Offer", speed: float) -> dict[str, object]:
    entry, variant = asdict(offer.entry), asdict(offer.variant)
    del entry["variants"], entry["tier"], entry["cache"], variant["also"], variant["about"], variant["bytes"]
    here: dict[str, object] = {"name": offer.name, "size": offer.variant.size, "exact": bool(offer.variant.bytes)}
    here["tokens_per_second"] = _speed(offer, speed)
    return {**entry, **variant, **here, **pick(offer, ("memory", "fits", "here"))}


@app.command(name="pull")
def pull_model(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME[:QUANT]", help="As `cita models available` shows it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Fetch a model from its hub: the only command that goes online, and it says first where to.

    It goes on where an earlier one was cut, and a file gets its name when its size and hash are right. HF_ENDPOINT
    names a mirror, HF_TOKEN who asks (it goes to the hub alone), HTTPS_PROXY a proxy.

    JSON: {"name": in `cita models list` or "" for an embedder, "path", "size"}.
    """
    from models.catalogue import find, is_here, read_catalogue
    from models.pull import Hub, pull

    folder = load_settings(context).models
    entry, variant = find(name, read_catalogue())
    hub = Hub.of(os.environ)
    if not is_here(entry, variant, folder):
        _say_plan(entry, variant, folder, hub.endpoint)
        confirm("Go online and fetch it?", yes, otherwise="Nothing was fetched")
    with progress("Fetching", "MB", clean(variant.file)) as show:
        place = pull(entry, variant, folder, hub, _shown(show))
    known, file = "", place / variant.file if variant.also else place
    if entry.kind == "embedder":
        say(f"It is in {place}. Let it find passages: cita models embedder {clean(entry.name)}")
    else:
        with opened_engine(context) as engine:
            added = engine.add_model(place)
            known = added.name
            say_added(added)
    if as_json:
        print_json({"name": known, "path": str(place), "size": file.stat().st_size})


@app.command(name="embedder")
def choose_embedder(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="One that the list shows, or a folder of sentence-transformers.")
    ] = "",
    as_json: Json = False,
) -> None:
    """List the embedders, which find passages by meaning, or choose the one that works from now on.

    It is written to cita.toml (embed.model). The next `cita index` reads every file anew with it, and until that is
    done the old one answers. An app that runs takes it when it is started again.

    JSON: {"embedders": [{"name", "path", "size", "window", "active", "problem"}]}; `size` is bytes, `window` the tokens
    that it reads at once, "problem" why it cannot be used, or "".
    """
    from models.embedders import choosing, embedders, find_embedder
    from ui.save import save_settings

    settings = load_settings(context)
    if name:
        chosen = find_embedder(name, settings)
        wanted, settings = settings, save_settings(settings, choosing(chosen))
        if settings.embed.model != chosen.name:
            raise SettingsError(
                f"embed.model is still {settings.embed.model!r}: a CITA_ variable goes before cita.toml.",
                hint="Unset CITA_EMBED__MODEL.",
            )
        if chosen.name != wanted.embed.model:
            say("From the next `cita index` on, which reads every file anew; until then the old one answers.")
    found = embedders(settings)
    if as_json:
        print_json({"embedders": [asdict(one) for one in found]})
        return
    rows = [
        ("*" if one.active else "", one.name, size_words(one.size) if one.size else "", str(one.window or ""),
         one.problem or one.path)
        for one in found
    ]  # fmt: skip
    print_table(("", "Name", "Size", "Window", "Where"), [tuple(map(clean, row)) for row in rows])


def _say_plan(entry: "Entry", variant: "Variant", folder: Path, endpoint: str) -> None:
    """What would be fetched, from where, under which licence, and what is not known of it."""
    from models.pull import part_size

    size = ("" if variant.bytes else "about ") + size_words(variant.size)
    say(f"{entry.title}, {variant.quantisation}: {variant.file}, {size}.")
    say(f"From {endpoint}/{variant.repository}, to {folder}.")
    say(f"Licence: {entry.licence}. {entry.terms}".strip())
    if kept := part_size(entry, variant, folder):
        say(f"{size_words(kept)} of it were fetched before and are kept.")
    if not variant.sha256:
        say("Its sha256 is not known to the catalogue: what comes is checked against what the hub itself says.")
    if not variant.revision:
        say("It is fetched as it is there now: the catalogue names no revision of it.")
    if entry.superseded:
        say(f"A better one is {entry.superseded}.")


def _shown(show: Show) -> Callable[[str, int, int], None]:
    """Bytes as megabytes, with the speed of this run and the time that is left, some times a second."""
    begun: list[tuple[float, int]] = []
    last = 0.0

    def shown(stage: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if not begun:
            begun.append((now, done))
        if now - last < 0.2 and done != total:
            return
        last = now
        said = "checking what came"
        if stage == "fetch":
            speed = (done - begun[0][1]) / max(now - begun[0][0], 0.001)
            left = f", {duration_words((total - done) / speed)} left" if speed and total else ""
            said = f"{speed / 1e6:.1f} MB/s{left}"
        show(round(done / 1e6), round(total / 1e6), said)

    return shown
