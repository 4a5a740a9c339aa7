"""What every test gets: no network, a clean environment, a home of its own."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from ingest.embed import Embedder, OnnxEmbedder, open_embedder
from settings import Settings
from tests import no_network

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

OWN = ("CITA_", "XDG_", "HF_", "STREAMLIT_")
# With these set some libraries keep quiet on their own, and a test would not see that they report.
SILENCING = {
    "CI", "BITBUCKET_BUILD_NUMBER", "BUILDKITE", "CODEBUILD_BUILD_ID", "GITHUB_ACTIONS", "JENKINS_URL", "TF_BUILD",
    "DO_NOT_TRACK", "SCARF_NO_ANALYTICS", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS",
}  # fmt: skip

no_network.install()

# Started in the background (`make test &`) we would hand on that Ctrl-C is ignored, and tests that send it would hang.
signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("cita", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("cita")


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No setting of the developer's own, no model hub, an empty home folder; yields the log of network attempts."""
    folder = tmp_path_factory.mktemp("user")
    log = tmp_path_factory.mktemp("network") / "log"
    log.touch()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(OWN) or name in SILENCING]:
            patch.delenv(name)
        patch.setenv("HOME", str(folder))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("PYTHONPATH", str(ROOT / "tests" / "site"), prepend=os.pathsep)
        patch.setenv(no_network.LOG, str(log))
        yield log


@pytest.fixture(autouse=True)
def network_log(clean_environment: Path) -> Iterator[Path]:
    """Fails the test when it, a library or a process it started tried to leave the machine, swallowed or not."""
    yield clean_environment
    attempts = clean_environment.read_text(encoding="utf-8").splitlines()
    clean_environment.write_text("", encoding="utf-8")
    assert not attempts, f"Something tried to leave this machine: {'; '.join(attempts)}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where a test's library, index and models lie; made by whoever uses it first."""
    return tmp_path / "home"


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings.load(home)


@pytest.fixture(scope="session")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    """The real default embedder on ONNX Runtime, exported once for all tests."""
    return open_embedder(Settings.load(tmp_path_factory.mktemp("embedder")))


@pytest.fixture
def ready_settings(settings: Settings, embedder: Embedder) -> Settings:
    """Settings of a home in which the embedder need not be exported again."""
    assert isinstance(embedder, OnnxEmbedder)
    graphs = settings.models / "embedder"
    graphs.mkdir(parents=True)
    (graphs / embedder.graph.name).symlink_to(embedder.graph)
    return settings


def shared_data(*parts: str) -> Path:
    """A file or folder of the shared data beside the checkout; skips the test, saying so, where it is absent."""
    path = SHARED.joinpath("data", *parts)
    if not path.exists():
        pytest.skip(f"SHARED DATA ABSENT: {Path('../shared/data', *parts)} is not on this machine")
    return path
