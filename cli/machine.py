"""The app, and what this machine can run: app, doctor."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from cli.group import explained
from cli.index import status_pairs
from cli.opening import cita_version, load_settings, opened_engine
from cli.options import Json
from cli.writing import clean, print_json, print_line, print_pairs, size_words, wrapped
from errors import CitaError

app = typer.Typer()


@app.command(name="app")
def run_app(
    context: typer.Context,
    port: Annotated[
        int | None, typer.Option(metavar="PORT", min=1, max=65535, help="Where the app listens (8501).")
    ] = None,
) -> None:
    """Open the app for the browser, on this machine only, until Ctrl-C."""
    from ui.launch import run_app

    settings = load_settings(context)
    run_app(settings, port or settings.app.port)


@app.command()
def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Show what this machine can run, what is slow or wrong, and what to do.

    JSON: {"version", "machine": {"system", "processor", "cores", "memory", "memory_available", "disk_free", "python",
    "sqlite", "libraries", "embedder", "embedder_runtime", "llama_cpp": {"loads", "gpu", "detail", "card"}, "runtimes":
    [{"name", "version", "devices", "features", "problem"}], "cards": [{"name", "maker"}],
    "generation": {"model", "runtime": {"context", "threads", "batch", "gpu_layers", "flash_attention", "cache",
    "repack", "window_only"} or null, "memory": {"weights", "repacked", "cache", "compute", "process", "card"} or null,
    "problem"}, "speed": {"memory", "model", "tokens_per_second": [from, to] or null}, "recommended": {"name", "why"},
    "faster": [{"reason", "remedy", "gain"}], "ocr": {"works", "version", "languages", "missing"}, "isolation":
    {"network", "files", "processes", "memory", "detail"}}, "home": what `cita status` has, or null, "ok", "problems":
    [{"problem", "remedy"}]}; sizes are bytes; "runtimes": what each was built with; "cards": graphics cards, used or
    not; "generation": the model that answers, how a GGUF is run here and what memory it takes; "speed": bytes of memory
    read in a second, measured, and what a model writes by that; "recommended": a model of `cita models available`, ""
    for none; "gain": what is known of it, or ""; "ocr": text recognition; "isolation": what the readers of documents
    are kept from.
    """
    from models.doctor import examine

    machine = asdict(examine(load_settings(context)))
    problems = list(machine.pop("problems"))
    home = None
    try:
        with opened_engine(context) as engine:
            home = engine.status()
    except (CitaError, OSError) as error:
        reason = explained(error)
        problems.append({"problem": reason.message, "remedy": reason.hint})
    else:
        remedy = "`cita verify` shows more; `cita index` puts right what it can."
        problems += [{"problem": problem, "remedy": remedy} for problem in home.problems]
    if as_json:
        of_home = asdict(home) if home else None
        print_json(
            {"version": cita_version(), "machine": machine, "home": of_home, "ok": not problems, "problems": problems}
        )
        return
    print_pairs([("Cita", cita_version()), *_machine_pairs(machine), *(status_pairs(home) if home else ())])
    print_line("\n" + wrapped(clean(machine["recommended"]["why"]), "", "  "))
    for advice in machine["faster"]:
        print_line("\n" + wrapped(f"Faster: {clean(advice['reason'])}", "> ", "  "), "bold")
        print_line(wrapped(clean(advice["remedy"]), "  ", "  "))
        if advice["gain"]:
            print_line(wrapped(f"Gain: {clean(advice['gain'])}", "  ", "  "))
    for problem in problems:
        print_line("\n" + wrapped(clean(problem["problem"]), "! ", "  "), "bold yellow")
        print_line(wrapped(clean(problem["remedy"]), "  ", "  "))
    if not problems:
        print_line("\nNothing is wrong.")


def _machine_pairs(machine: dict[str, Any]) -> list[tuple[str, str]]:
    llama_cpp = machine["llama_cpp"]
    gpu = llama_cpp["card"] or ("with a GPU" if llama_cpp["gpu"] else "on the processor")
    here = ", ".join(clean(card["name"]) for card in machine["cards"]) or "none with memory of its own"
    return [
        ("System", machine["system"]),
        ("Processor", f"{machine['processor']}, {machine['cores']} cores"),
        ("Memory", f"{size_words(machine['memory'])}, {size_words(machine['memory_available'])} free"),
        ("Graphics", here),
        ("Disk", f"{size_words(machine['disk_free'])} free"),
        ("Python", f"{machine['python']}, SQLite {machine['sqlite']}"),
        ("Embedding", f"{machine['embedder']} on {machine['embedder_runtime'] or 'nothing'}"),
        ("llama.cpp", f"loads, {gpu}" if llama_cpp["loads"] else f"does not load: {clean(llama_cpp['detail'])}"),
        ("Runtimes", "\n".join(_runtime_words(runtime) for runtime in machine["runtimes"])),
        ("Model", _generation_words(machine["generation"])),
        ("Speed", _speed_words(machine["speed"])),
        ("OCR", _ocr_words(machine["ocr"])),
        ("Isolation", _isolation_words(machine["isolation"])),
        ("Libraries", "\n".join(f"{name} {version or 'missing'}" for name, version in machine["libraries"].items())),
    ]


def _generation_words(generation: dict[str, Any]) -> str:
    """The model that answers, and what was chosen for it, in the settings' own names."""
    runtime = generation["runtime"]
    if not runtime:
        return clean(generation["model"])
    values = {name: ("on" if value else "off") if isinstance(value, bool) else value for name, value in runtime.items()}
    chosen = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
    takes = sum(generation["memory"].values()) - generation["memory"]["card"]
    return f"{clean(generation['model'])}\n{chosen}\ntakes {size_words(takes)} of memory"


def _runtime_words(runtime: dict[str, Any]) -> str:
    """'PyTorch 2.13.0: CPU; AVX512, MKL'"""
    if runtime["problem"]:
        return f"{runtime['name']} does not load"
    built = "; ".join(filter(None, (", ".join(runtime["devices"]), ", ".join(runtime["features"]))))
    return clean(f"{runtime['name']} {runtime['version']}: {built}")


def _speed_words(speed: dict[str, Any]) -> str:
    from models.speed import rate_words

    if not speed["memory"]:
        return "that of the graphics card"
    read = f"memory is read at {speed['memory'] / 1e9:.1f} GB/s"
    rate = speed["tokens_per_second"]
    return f"{read}: about {rate_words(rate)} tokens a second with {clean(speed['model'])}" if rate else read


def _ocr_words(ocr: dict[str, Any]) -> str:
    if not ocr["works"]:
        return "off"
    missing = f"; no data for {', '.join(ocr['missing'])}" if ocr["missing"] else ""
    return f"Tesseract {ocr['version']}, {', '.join(ocr['languages'])}{missing}"


def _isolation_words(isolation: dict[str, Any]) -> str:
    """What the readers of documents are kept from, what they are not, and by which layers."""
    names = [name for name in isolation if name != "detail"]
    on, off = [name for name in names if isolation[name]], [name for name in names if not isolation[name]]
    kept = "; ".join(f"{word}: {', '.join(group)}" for word, group in (("on", on), ("off", off)) if group)
    return f"{kept}\nby {clean(isolation['detail'])}"
