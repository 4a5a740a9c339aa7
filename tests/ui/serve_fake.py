"""Serves the app over the fake engine, as `cita app` does over the real one: serve_fake.py HOME PORT."""

import sys
from pathlib import Path

from settings import Settings
from tests.fakes import FakeEngine
from ui import launch


def main() -> None:
    settings = Settings.load(Path(sys.argv[1]))
    engine = FakeEngine([settings.library])
    launch.open_engine = lambda _: engine
    launch.run_app(settings, int(sys.argv[2]))
    watched = "watched" if engine.watches and all(watch.closed for watch in engine.watches) else "not watched"
    print(watched, "closed" if engine.closed else "left open", flush=True)


if __name__ == "__main__":
    main()
