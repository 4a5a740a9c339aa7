"""Documents of the old binary kind (DOC, PPT), turned into their successors (DOCX, PPTX) by LibreOffice.

A parser's process may start no program, so the engine's side does this before it hands the file to one. LibreOffice
runs as a process of its own, on a copy of the document, with a profile that is made for it and gone afterwards.

Covered: it has no network (Linux, where the system allows a namespace), limits on time, memory and what it writes; no
macro runs, no link in the document is followed; it ends with the process that started it.
Not covered: a LibreOffice taken over by its document can read the user's other files (not send them, see above).
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from errors import ParseError, ParserDiedError, UnsupportedError
from ingest import confine
from ingest.parse.package import OLE

SUCCESSORS = {".doc": "docx", ".dot": "docx", ".ppt": "pptx", ".pps": "pptx", ".pot": "pptx"}
HOW_TO_INSTALL = "apt install libreoffice-writer-nogui libreoffice-impress-nogui"
SECONDS = 120.0
MEMORY = 4_000_000_000  # bytes of address space
MAX_WRITTEN = 500_000_000  # bytes of one file

_ELSEWHERE = (
    "/Applications/LibreOffice.app/Contents/MacOS/soffice",
    r"C:\Program Files\LibreOffice\program\soffice.exe",
)
# Macros are off whatever the document says, links are never updated.
_PROFILE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema">
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="MacroSecurityLevel" oor:op="fuse">
<value>3</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="DisableMacrosExecution"
 oor:op="fuse"><value>true</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="BlockUntrustedRefererLinks"
 oor:op="fuse"><value>true</value></prop></item>
<item oor:path="/org.openoffice.Office.Writer/Content/Update"><prop oor:name="Link" oor:op="fuse">
<value>2</value></prop></item>
</oor:items>
"""


def libreoffice() -> str:
    """The program's path; "" where it is not installed."""
    found = shutil.which("soffice") or shutil.which("libreoffice")
    return found or next((path for path in _ELSEWHERE if Path(path).is_file()), "")


@contextmanager
def readable(path: Path) -> Iterator[Path]:
    """A file that a parser can read: the document's successor, gone afterwards, where it is of the old kind and
    LibreOffice can convert it; else `path` itself, of which the parser says why it cannot be read."""
    to = SUCCESSORS.get(path.suffix.lower(), "")
    if not to or not _is_old(path) or not libreoffice():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="cita-") as folder:
        try:
            converted = convert(path, to, Path(folder))
        except ParserDiedError:
            raise
        except ParseError:
            converted = path
        yield converted


def convert(path: Path, to: str, folder: Path, *, seconds: float = SECONDS) -> Path:
    """The document as a file of the kind `to` ("docx"), in `folder`, which must be private and empty.

    Raises UnsupportedError without LibreOffice, ParserDiedError if it takes longer than `seconds`, ParseError if it
    cannot read the document.
    """
    program = libreoffice()
    if not program:
        raise UnsupportedError("It needs LibreOffice.", hint=f"Install it ({HOW_TO_INSTALL}) and index again.")
    source, target = folder / f"document{path.suffix.lower()}", folder / f"document.{to}"
    profile = folder / "profile" / "user"
    profile.mkdir(parents=True)
    (profile / "registrymodifications.xcu").write_text(_PROFILE, encoding="utf-8")
    shutil.copyfile(path, source)
    said = _run(program, source, to, folder, seconds)
    if not target.is_file() or not target.stat().st_size:
        raise ParseError(
            f"LibreOffice cannot read the file: {said or 'it says no more'}.", hint="Open it and save it anew."
        )
    return target


def _run(program: str, source: Path, to: str, folder: Path, seconds: float) -> str:
    """What LibreOffice says of a failure."""
    command = confine.command("ingest.convert", program, str(source), to, str(folder), str(int(seconds)))
    environment = confine.environment() | {"HOME": str(folder), "TMPDIR": str(folder), "SAL_USE_VCLPLUGIN": "svp"}
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise ParserDiedError(
            f"LibreOffice took longer than {seconds:.0f} s over it.", hint="Open it and save it anew."
        ) from error
    finally:
        _end(process)
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:200].rstrip(".") if lines else ""


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ends it and what it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stderr is not None:
        process.stderr.close()


def _is_old(path: Path) -> bool:
    """Whether it is of the old kind, whatever its name says."""
    try:
        with path.open("rb") as file:
            return file.read(len(OLE)) == OLE
    except OSError:
        return False


@cache
def _limits() -> tuple[tuple[int, int], ...]:
    try:
        import resource
    except ImportError:  # Windows
        return ()
    return (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, MAX_WRITTEN),
        (resource.RLIMIT_AS, MEMORY),
    )


def _main() -> None:
    """In the process that becomes LibreOffice."""
    program, source, to, folder, seconds = sys.argv[1:]
    confine.end_with_parent()
    confine.cut_network()
    if sys.platform != "win32":
        import resource

        for limit, value in (*_limits(), (resource.RLIMIT_CPU, int(seconds))):
            resource.setrlimit(limit, (value, value))
    options = ["--headless", "--norestore", "--nodefault", "--nolockcheck", "--nologo"]
    profile = f"-env:UserInstallation={(Path(folder) / 'profile').as_uri()}"
    os.execv(program, [program, *options, profile, "--convert-to", to, "--outdir", folder, source])


if __name__ == "__main__":
    _main()
