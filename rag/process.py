"""What a model's own process does first, and how it answers: one JSON object a line."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any, BinaryIO


def own_standard_output() -> BinaryIO:
    """Our replies' channel. Whatever a library prints goes to standard error instead."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return replies


def be_the_first_to_go() -> None:
    """When memory runs out, Linux is to end this process and not the one that started it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def send(replies: BinaryIO, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message).encode() + b"\n")
    replies.flush()
