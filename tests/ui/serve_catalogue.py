"""Serves the app with a catalogue of one model, which HF_ENDPOINT has: serve_catalogue.py HOME PORT FILE."""

import hashlib
import sys
from pathlib import Path

import models.pull
import ui.fetch
from models.catalogue import Entry, Variant
from settings import Settings
from ui import launch


def main() -> None:
    content = Path(sys.argv[3]).read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    variant = Variant("Q4_K_M", "org/tiny-GGUF", "fetched.gguf", 2, bytes=len(content), sha256=sha256)
    entry = Entry("tiny", "Tiny", "model", 0.1, "MIT", ("*",), "Small.", "listed", (variant,), tier=1)
    ui.fetch.read_catalogue = lambda: (entry,)
    models.pull.BLOCK = 4096
    launch.run_app(Settings.load(Path(sys.argv[1])), int(sys.argv[2]))


if __name__ == "__main__":
    main()
