"""Python runs this at the start of every process that a test starts (see no_network.py)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import no_network

sys.path.pop(0)
no_network.install()
