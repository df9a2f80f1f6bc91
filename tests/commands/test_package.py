"""The zip for the HUB: its contents, its bytes, and that Ikomia installs and runs it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ikomia_plugin import NAME, ROOT
from package_plugin import PAGE, build, build_page
from packaging.requirements import Requirement

from infer_p3m_portrait_matting.p3m import PortraitMatting, __version__, to_uint8
from infer_p3m_portrait_matting.p3m.inference.onnx_network import PARTS
from infer_p3m_portrait_matting.pipeline.settings import Settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return build(tmp_path_factory.mktemp("dist") / f"{NAME}.zip")


def test_the_zip_holds_the_plugin_and_nothing_else(archive):
    with zipfile.ZipFile(archive) as file:
        assert file.testzip() is None
        names = set(file.namelist())
        contents = {name: file.read(name) for name in ("README.md", "LICENSE", "requirements.txt", "icon.png")}
    for name in (
        f"{NAME}.py",
        f"{NAME}_process.py",
        f"{NAME}_widget.py",
        "__init__.py",
        "p3m/inference/portrait_matting.py",
    ):
        assert name in names
    assert "weights/p3m_mobile.safetensors" in names
    assert "weights/MODEL_CARD.md" in names
    assert {f"weights/p3m_mobile_{part}.onnx" for part in PARTS} <= names
    assert archive.stat().st_size < 15e6
    for name, content in contents.items():
        assert content == (ROOT / NAME / name).read_bytes()
    assert contents["LICENSE"] == (ROOT / "LICENSE").read_bytes()
    allowed = (".py", ".md", ".txt", ".png", ".safetensors", ".onnx", "LICENSE")
    assert [n for n in names if not n.endswith(allowed) or "__pycache__" in n or n.startswith(("/", ".."))] == []
    # Ikomia, loading a plugin again, drops all modules whose name contains that of a folder with an __init__.py.
    assert {n for n in names if n.endswith("__init__.py")} == {"__init__.py", "p3m/__init__.py"}
    assert {"pipeline/settings.py", "evaluate/__main__.py", "p3m/model/encoders/mobile.py"} <= names
    # Ikomia installs every top-level file that looks like a requirements file.
    assert [n for n in names if "requirements" in n.lower()] == ["requirements.txt"]


def test_the_zip_of_the_page_holds_each_file_of_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="make page"):
        build_page(tmp_path / "page.zip", tmp_path)
    if not (PAGE / "index.html").is_file():
        pytest.skip("the page is not built: run `make page` once")
    archive = build_page(tmp_path / "page.zip")
    assert archive.read_bytes() == build_page(tmp_path / "again.zip").read_bytes()
    with zipfile.ZipFile(archive) as file:
        assert file.testzip() is None
        listed = json.loads(re.search(r"const FILES = (\{.*?\});", file.read("service-worker.js").decode(), re.S)[1])
        assert {*listed, "service-worker.js"} == set(file.namelist())
        for name, (digest, size) in listed.items():
            content = file.read(name)
            assert hashlib.sha256(content).hexdigest().startswith(digest)
            assert len(content) == size
        # It is under CC BY-SA, and the page does not name its author and licence.
        assert (ROOT / "examples" / "portrait.jpg").read_bytes() not in map(file.read, listed)


def test_the_same_contents_give_the_same_bytes(archive, tmp_path):
    copy = tmp_path / NAME
    with zipfile.ZipFile(archive) as file:
        file.extractall(copy)
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "x.pyc").write_bytes(b"left at home")
    assert build(tmp_path / "again.zip", copy).read_bytes() == archive.read_bytes()


def test_ikomia_installs_the_zip_and_runs_it(archive, tmp_path, astronaut):
    environment = {**os.environ, "HOME": str(tmp_path), "PIP_NO_INDEX": "1"}
    command = [
        sys.executable,
        str(ROOT / "tests" / "scripts" / "hub_install.py"),
        str(archive),
        str(tmp_path / "matte.npy"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    installed = tmp_path / "Ikomia" / "Plugins" / "Python" / NAME
    assert f"plugin {installed}" in done.stdout
    assert f"weights {installed}" in done.stdout
    assert "Could not" not in done.stdout + done.stderr, "pip had something to install"
    alpha = PortraitMatting("mobile", "cpu", precision="float32").matte(astronaut[:256, :256], "HYBRID", 256)
    np.testing.assert_array_equal(np.load(tmp_path / "matte.npy"), to_uint8(alpha))


def environment_of_its_own(folder: Path) -> Path:
    """A new environment in which the packages of this one can be imported; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=600)
    (site_packages,) = folder.glob("lib/python3.*/site-packages")
    (site_packages / "outer.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin" / "python"


def install(python: Path, *requirements: str) -> subprocess.CompletedProcess:
    """Let this environment's pip install into that of another Python."""
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", *requirements]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def test_pip_installs_the_library_with_its_weights(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(ROOT / NAME, source / NAME, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, source)
    python = environment_of_its_own(tmp_path / "environment")
    done = install(python, "--no-deps", "--no-build-isolation", str(source))
    assert done.returncode == 0, done.stderr
    shutil.rmtree(source)
    code = (
        "from importlib.metadata import metadata, requires\n"
        "import infer_p3m_portrait_matting.pipeline.settings, infer_p3m_portrait_matting.evaluate.__main__ as command\n"
        "from infer_p3m_portrait_matting.p3m import PortraitMatting\n"
        "import infer_p3m_portrait_matting as package\n"
        "from pathlib import Path\n"
        "assert Path(package.__file__).with_name('py.typed').is_file()\n"
        f"print(PortraitMatting('mobile').weights, metadata({NAME!r})['Version'], *requires({NAME!r}), sep='\\n')\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=600
    )
    assert done.returncode == 0, done.stderr
    weights, version, *requirements = done.stdout.splitlines()
    assert Path(weights).is_relative_to(tmp_path / "environment")
    assert version == __version__
    wanted = [line for line in (ROOT / NAME / "requirements.txt").read_text().splitlines() if line[0] != "#"]
    found = [
        line.partition(";")[0] for line in requirements if "extra" not in line or line.endswith('extra == "torch"')
    ]
    # With PyTorch, the plugin needs no ONNX Runtime.
    found = {Requirement(line).name: Requirement(line) for line in found if not line.startswith("onnxruntime")}
    assert found == {Requirement(line).name: Requirement(line) for line in wanted}
    program = [python.with_name("p3m"), "--help"]
    done = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "--model" in done.stdout


@pytest.fixture(scope="module")
def ikcli(tmp_path_factory):
    """A Python that has ikcli: what it pins goes into an environment of its own, the rest comes from this one."""
    python = environment_of_its_own(tmp_path_factory.mktemp("ikcli"))
    done = install(python, "--disable-pip-version-check", "ikomia-cli[full]>=0.9,<1")
    if done.returncode:
        pytest.skip(f"ikcli cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    return python


def test_the_hub_publisher_reads_the_plugin(ikcli, archive, tmp_path):
    installed = tmp_path / "Ikomia" / "Plugins" / "Python" / NAME
    with zipfile.ZipFile(archive) as file:
        file.extractall(installed)
        names = set(file.namelist())
    environment = {**os.environ, "HOME": str(tmp_path), "HTTPS_PROXY": "http://127.0.0.1:9"}
    command = [ikcli, str(ROOT / "tests" / "scripts" / "hub_publish.py")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    read = json.loads(done.stdout.splitlines()[-1])
    info = read["info"]
    assert (info["name"], info["language"], info["algo_type"]) == (NAME, "PYTHON", "INFER")
    assert info["algo_task"] == ["IMAGE_MATTING"]
    assert set(info["os"]) == {"LINUX", "WINDOWS"}
    assert info["description"] == (ROOT / NAME / "README.md").read_text()
    assert info["short_description"]
    assert info["paper"]["link"].startswith("https://arxiv.org/")
    assert (info["paper"]["year"], info["python_min_version"]) == (2023, "3.10")
    assert read["icon"] == str(installed / "icon.png")
    assert set(read["files"]) == names
    assert read["files"]["weights/p3m_mobile.safetensors"] > 8e6
    (task,) = (t for t in read["workflow"]["tasks"] if t["task_data"]["name"] == NAME)
    assert {p["name"] for p in task["task_data"]["parameters"]} == set(Settings.names())


def test_no_program_changes_where_python_looks_for_modules():
    programs = [
        path for folder in ("tools", "benchmarks", "examples", "training") for path in (ROOT / folder).iterdir()
    ]
    texts = {path.name: path.read_text() for path in programs if path.suffix in {".py", ".ipynb"}}
    assert {"vs_published.py", "demo.py", "matte_photo.py", "quickstart.ipynb"} <= set(texts)
    assert [name for name, text in texts.items() if "sys.path" in text] == []


def test_the_top_level_names_the_plugins_own_requirements_and_icon():
    assert (ROOT / "requirements.txt").read_text().split() == ["-r", f"{NAME}/requirements.txt"]
    assert (ROOT / "icon.png").read_bytes() == (ROOT / NAME / "icon.png").read_bytes()
