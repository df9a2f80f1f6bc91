"""The wheel in an empty environment, as ``pip install`` makes it: it mattes without PyTorch, and it is small."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pytest
from command_line import read
from ikomia_plugin import NAME, ROOT
from PIL import Image
from videos import make_video

pytestmark = pytest.mark.slow

PAGE = ROOT / "page" / "dist"
#: Most megabytes of the environment, and of the wheel.
_LARGEST, _WHEEL = 450, 15
#: Notes whether a program has imported torch, on standard error.
_NOTE = (
    "import atexit, sys\natexit.register(lambda: print('torch imported:', 'torch' in sys.modules, file=sys.stderr))\n"
)


def run(*command: object, folder: Path) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PIP_NO_INDEX")}
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, cwd=folder, env=environment, timeout=600
    )


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Path:
    """A new environment with the wheel and what it requires."""
    folder = tmp_path_factory.mktemp("light")
    source = folder / "source"
    shutil.copytree(ROOT / NAME, source / NAME, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "LICENSE"):
        shutil.copy(ROOT / name, source)
    # Where the page is not built, the wheel must do without.
    if PAGE.is_dir():
        shutil.copytree(PAGE, source / "page" / "dist")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, source]
    assert (done := run(*build, folder=folder)).returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    assert wheel.stat().st_size < _WHEEL * 1e6
    assert (done := run(sys.executable, "-m", "venv", folder / "venv", folder=folder)).returncode == 0, done.stderr
    done = run(folder / "venv" / "bin" / "pip", "install", "--quiet", wheel, folder=folder)
    if done.returncode:
        pytest.skip(f"the packages cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    (packages,) = folder.glob("venv/lib/python3.*/site-packages")
    (packages / "note.pth").write_text("import note\n")
    (packages / "note.py").write_text(_NOTE)
    return folder


@pytest.fixture(scope="module")
def p3m(environment):
    """Run p3m in that environment; each of its processes must have got by without torch."""

    def call(*arguments: object) -> None:
        done = run(environment / "venv" / "bin" / "p3m", *arguments, folder=environment)
        assert done.returncode == 0, done.stderr
        assert set(re.findall("torch imported: .*", done.stderr)) == {"torch imported: False"}

    return call


@pytest.fixture(scope="module")
def photo(environment, astronaut) -> Path:
    path = environment / "photo.png"
    Image.fromarray(astronaut).save(path)
    return path


def test_the_environment_is_small(environment, p3m, photo):
    p3m(photo, "--write", "matte", "--force")
    size = sum(path.lstat().st_size for path in (environment / "venv").rglob("*") if path.is_file())
    assert size / 1e6 < _LARGEST


def test_a_photo_is_matted_as_torch_does(p3m, photo, mobile, astronaut):
    p3m("-v", photo, "--write", "matte", "--force")
    off = np.abs(read(photo.with_name("photo_matte.png")) / 255 - mobile.matte(astronaut))
    assert (off <= 1.6 / 255).mean() > 0.999


def test_a_folder_is_matted_by_several_processes(environment, p3m, astronaut):
    photos = environment / "photos"
    photos.mkdir()
    for number in range(3):
        Image.fromarray(astronaut[: 200 + number]).save(photos / f"{number}.jpg")
    p3m(photos, "results", "--jobs", "2")
    assert sorted(path.name for path in (environment / "results").glob("*.png")) == [
        f"{i}_cutout.png" for i in range(3)
    ]


def test_a_video_is_matted(environment, p3m):
    done = run(environment / "venv" / "bin" / "pip", "install", "--quiet", "av>=17.1,<19", folder=environment)
    if done.returncode:
        pytest.skip(f"PyAV cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    make_video(environment / "clip.mp4")
    p3m("clip.mp4", "clip.mov")
    assert (environment / "clip.mov").stat().st_size > 1000


def test_p3m_serve_gives_the_page_and_a_cutout(environment, p3m, photo):
    done = run(
        environment / "venv/bin/pip", "install", "--quiet", "starlette>=1,<2", "uvicorn>=0.30,<1", folder=environment
    )
    if done.returncode:
        pytest.skip(f"starlette and uvicorn cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    home = environment / "home"
    home.mkdir()
    p3m(photo, "-o", "served", "--force")
    serve = [environment / "venv/bin/p3m", "serve", "--port", "0"]
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"HOME": str(home)}
    with subprocess.Popen(serve, stderr=subprocess.PIPE, text=True, cwd=home, env=alone) as serving:
        try:
            address = next(found[0] for line in serving.stderr if (found := re.search(r"http://\S+/", line)))
            with urlopen(Request(address + "api/matte", photo.read_bytes()), timeout=120) as answer:
                assert answer.read() == (environment / "served" / "photo_cutout.png").read_bytes()
            with urlopen(address, timeout=60) as answer:
                assert ("src/main.js" in answer.read().decode()) == PAGE.is_dir()
            if PAGE.is_dir():
                with urlopen(address + "service-worker.js", timeout=60) as answer:
                    (listed,) = re.findall(r"const FILES = (\{.*?\});", answer.read().decode(), re.S)
                # The page and the package share the weights.
                for name, (digest, _) in json.loads(listed).items():
                    if name != "index.html":
                        with urlopen(address + name, timeout=60) as answer:
                            assert hashlib.sha256(answer.read()).hexdigest().startswith(digest), name
        finally:
            serving.terminate()
    assert serving.returncode == 0
    assert list(home.iterdir()) == []


def test_what_needs_torch_says_so(environment, photo):
    weights = Path(environment) / "p3mnet_pretrained_on_p3m10k.pth"
    weights.write_bytes(b"weights")
    program = environment / "venv" / "bin" / "p3m"
    for arguments in (
        [photo, "--model", "resnet34", "--model-weight-file", weights, "--force"],
        [photo, "--precision", "bfloat16", "--force"],
        ["export", "onnx"],
        ["check-weights", weights],
    ):
        done = run(program, *arguments, folder=environment)
        assert done.returncode == 1
        assert "pip install torch torchvision timm" in done.stderr
        assert "Traceback" not in done.stderr
