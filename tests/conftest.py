"""Fixtures shared by all tests. HOME is a fresh folder: no test reads or writes the real one."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

_HOME = tempfile.mkdtemp(prefix="p3m_home_")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
# Before anything is imported that looks for its settings or caches.
os.environ["HOME"] = os.environ["USERPROFILE"] = _HOME
os.environ["QT_QPA_PLATFORM"] = "offscreen"
# Decimal points, and servers of our own that no proxy stands before.
os.environ["LC_ALL"] = "C.UTF-8"
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
for _name in ("P3M_WEIGHTS_DIR", "TORCH_HOME", "HF_HOME", *(name for name in os.environ if name.startswith("XDG_"))):
    os.environ.pop(_name, None)

import numpy as np  # noqa: E402
import published_rule  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402
from skimage import data  # noqa: E402

from infer_p3m_portrait_matting.p3m import PortraitMatting  # noqa: E402
from infer_p3m_portrait_matting.pipeline.settings import Settings  # noqa: E402
from infer_p3m_portrait_matting.plugin.openmp import all_threads  # noqa: E402

# The same examples on every run, however slow the machine.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def home() -> Path:
    """The folder that stands in for the real HOME."""
    assert Path.home() == Path(_HOME)
    return Path(_HOME)


@pytest.fixture(scope="session", autouse=True)
def threads():
    """Tests that import Ikomia leave its dynamic teams on for all others, and these would hang on a busy machine."""
    with all_threads():
        yield


@pytest.fixture(scope="session")
def installed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home where ``make install`` was run, from a user's shell and without the internet."""
    folder = tmp_path_factory.mktemp("installed_home")
    environment = {**os.environ, "HOME": str(folder), "HTTPS_PROXY": "http://127.0.0.1:9"}
    # pytest's own Qt settings are not a user's.
    del environment["QT_QPA_PLATFORM"]
    link = [sys.executable, str(ROOT / "tools" / "link_plugin.py")]
    done = subprocess.run(link, capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory):
    """Checkpoints of the published layout, filled by the rule behind the golden numbers: variant -> path."""
    folder = tmp_path_factory.mktemp("published")
    yield {name: published_rule.save(name, folder / f"{name}.pth") for name in published_rule.GAIN}
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def golden() -> Callable[[str], dict[str, np.ndarray]]:
    """Look up what a published network gives for a picture: variant -> named arrays."""

    @cache
    def read(variant: str) -> dict[str, np.ndarray]:
        with np.load(published_rule.GOLDEN / f"{variant}.npz") as file:
            return dict(file)

    return read


@pytest.fixture(scope="session")
def matting(checkpoints, golden) -> Callable[[str], PortraitMatting]:
    """Load a published variant as inference runs it: variant -> PortraitMatting, with the golden Performer features."""

    @cache
    def load(variant: str) -> PortraitMatting:
        loaded = PortraitMatting(variant, "cpu", checkpoints[variant], "float32")
        published_rule.use_golden_features(loaded.model, golden(variant))
        return loaded

    return load


@pytest.fixture(scope="session")
def mobile() -> PortraitMatting:
    """The bundled model in PyTorch, in the precision that gives the same numbers on every machine."""
    return PortraitMatting("mobile", "cpu", precision="float32", runtime="torch")


@pytest.fixture(scope="session")
def in_task() -> PortraitMatting:
    """The bundled model in float32, in the runtime that the task takes."""
    return PortraitMatting("mobile", "cpu", precision="float32")


@pytest.fixture(scope="session")
def samples() -> list[Settings]:
    """Sets of parameters for tests that go through all of them: in the first, each differs from its default."""
    return [
        Settings(
            model_name="vitae-s",
            input_size=800,
            method="RESIZE",
            cuda="False",
            precision="bfloat16",
            model_weight_file="/tmp/weights.pth",
            subject="box",
            box="10,20,300,400",
            band="7.5",
            invert=True,
            feather=2.5,
            shift=-3,
            despeckle=0.0125,
            crop="12.5",
            background="image",
            background_file="/tmp/beach.jpg",
            foreground="original",
            anonymize="pixelate",
            anonymize_strict=True,
            temporal=True,
            allow_fallback=False,
        ),
        Settings(model_name="mobile", subject="largest", cuda="True", background="steelblue", despeckle=0.07, crop="0"),
        Settings(),
    ]


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """A public-domain portrait: uint8 [512, 512, 3] RGB, read-only."""
    image = data.astronaut()
    image.setflags(write=False)
    return image
