"""The language identifier of py3langid (Lui and Baldwin 2012), which stops here.

Its model comes packed. To unpack it takes each process half a second and 50 MB, so it is laid out once as plain arrays
in the environment, which are mapped and not read: `python -m ingest.languages`, a step of `make install`. Where that
was not done, or for another model than there is now, py3langid unpacks its own.
"""

import json
import shutil
import sys
import tempfile
import threading
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

LAID_OUT = Path(sys.prefix) / "share" / "cita" / "languages"
_ARRAYS = ("table", "priors", "moves", "rows", "features")

_loading = threading.Lock()


def language_identifier() -> Any:  # py3langid has no types
    """Loaded once, whichever thread comes first."""
    with _loading:
        return _loaded_identifier()


@lru_cache(maxsize=1)
def _loaded_identifier() -> Any:
    from py3langid.langid import LanguageIdentifier

    with suppress(OSError, ValueError, KeyError):
        return mapped_identifier(LAID_OUT)
    return LanguageIdentifier.from_model_file(_packed(), norm_probs=True)


def mapped_identifier(folder: Path) -> Any:
    """Of the arrays that lay_out() wrote. Raises OSError, ValueError or KeyError where they are not those of the model
    that py3langid comes with, or are no arrays."""
    from py3langid.langid import LanguageIdentifier

    described = json.loads((folder / "model.json").read_bytes())
    if described["model"] != _version():
        raise ValueError(f"{str(folder)!r} was laid out from another model")
    table, priors, moves, rows, features = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS)
    return LanguageIdentifier(
        table,
        np.array(priors),
        described["languages"],
        memoryview(moves),  # it is walked byte by byte: a number of an array would be an object of NumPy's
        features.tolist(),
        norm_probs=True,
        tk_row=rows.tolist(),
    )


def lay_out(folder: Path) -> None:
    """Writes the model as plain arrays, in place of what is in the folder. Raises OSError."""
    from py3langid.modelio import load_model

    table, priors, languages, moves, rows, features = load_model(_packed())
    arrays = (table, priors, np.asarray(moves), np.asarray(rows), np.asarray(features, np.int32))
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    try:
        for name, values in zip(_ARRAYS, arrays, strict=True):
            np.save(draft / f"{name}.npy", values)
        (draft / "model.json").write_text(json.dumps({"model": _version(), "languages": languages}), encoding="utf-8")
        draft.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _packed() -> Path:
    from py3langid.langid import MODEL_DIR, MODEL_FILE

    return Path(MODEL_DIR / MODEL_FILE)


def _version() -> list[int]:
    """Tells the packed model from that of another release."""
    known = _packed().stat()
    return [known.st_size, known.st_mtime_ns]


if __name__ == "__main__":
    lay_out(LAID_OUT)
