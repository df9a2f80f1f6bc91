"""What ``make demo`` and ``make install`` run, as processes of their own with an empty home."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from check_python import LIBRARIES, missing_libraries, other_version, problem
from ikomia_plugin import NAME, ROOT
from link_plugin import MARK, put
from PIL import Image
from pillow_heif import register_heif_opener
from setup_environment import cpu_pair, has_nvidia_gpu, offered_versions


def run(script: str, *arguments: object, home, cwd=None) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    # Nothing listens at that proxy: what works here works without the internet.
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT), "HTTPS_PROXY": "http://127.0.0.1:9"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd, timeout=600)


@pytest.mark.slow
def test_link_points_to_the_package_and_can_be_made_again(installed_home):
    link = installed_home / "Ikomia" / "Plugins" / "Python" / NAME
    assert link.is_symlink()
    assert link.resolve() == ROOT / NAME
    assert run("tools/link_plugin.py", home=installed_home).returncode == 0


@pytest.mark.slow
def test_another_plugin_of_that_name_is_never_replaced(tmp_path):
    other = tmp_path / "Ikomia" / "Plugins" / "Python" / NAME
    other.mkdir(parents=True)
    (other / "precious.py").write_text("kept")
    done = run("tools/link_plugin.py", home=tmp_path)
    assert done.returncode == 1
    assert "is another plugin" in done.stderr
    assert (other / "precious.py").read_text() == "kept"


@pytest.fixture
def no_links(monkeypatch):
    """A system where links are not allowed, as Windows by default."""

    def symlink_to(self, *_, **__):
        raise OSError("a required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", symlink_to)


def test_where_links_are_not_allowed_the_plugin_is_copied_and_brought_up_to_date(tmp_path, no_links, capsys):
    package = tmp_path / NAME
    (package / "plugin").mkdir(parents=True)
    (package / "plugin" / "old.py").write_text("old")
    target = put(package, tmp_path)
    assert "cannot be a link" in capsys.readouterr().out
    assert (target / "plugin" / "old.py").read_text() == "old"
    assert (target / MARK).read_text() == str(package)
    (package / "plugin" / "old.py").rename(package / "plugin" / "new.py")
    assert put(package, tmp_path) == target
    assert [path.name for path in (target / "plugin").iterdir()] == ["new.py"]
    assert [path.name for path in target.parent.iterdir()] == [NAME]


def test_a_copy_of_another_package_is_never_replaced(tmp_path, no_links):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "plugin.py").write_text(name)
    target = put(tmp_path / "one", tmp_path)
    with pytest.raises(FileExistsError, match="is another plugin"):
        put(tmp_path / "two", tmp_path)
    assert (target / "plugin.py").read_text() == "one"


@pytest.mark.slow
def test_demo_mattes_a_photo_through_ik(installed_home, tmp_path, astronaut):
    photo = tmp_path / "my photo.jpg"
    cv2.imwrite(str(photo), astronaut[:360, :, ::-1])
    done = run("tools/demo.py", photo, "--output", tmp_path / "out", home=installed_home, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.strip().splitlines()[-2:]
    assert first.startswith("weights: mobile, ")
    assert first.endswith(("p3m_mobile.safetensors, on cpu", "p3m_mobile.safetensors, on cuda"))
    assert second.startswith("time: ")
    assert "512 x 360 px" in second
    pictures = {p.name: cv2.imread(str(p), cv2.IMREAD_UNCHANGED) for p in (tmp_path / "out").iterdir()}
    assert set(pictures) == {f"my photo_{name}.png" for name in ("matte", "cutout", "composite", "preview")}
    assert pictures["my photo_matte.png"].shape == (360, 512)
    assert pictures["my photo_composite.png"].shape == (360, 512, 3)
    np.testing.assert_array_equal(pictures["my photo_cutout.png"][..., 3], pictures["my photo_matte.png"])
    assert pictures["my photo_preview.png"].shape == (360, 4 * 512 + 3 * 8, 3)


@pytest.mark.slow
def test_demo_runs_without_a_photo(installed_home, tmp_path):
    done = run("tools/demo.py", "--output", tmp_path, "--method", "RESIZE", home=installed_home, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert cv2.imread(str(tmp_path / "portrait_matte.png"), cv2.IMREAD_UNCHANGED).shape == (800, 1200)


@pytest.mark.slow
def test_demo_reads_what_ikomia_does_not_open(installed_home, tmp_path, astronaut):
    register_heif_opener()
    Image.fromarray(astronaut[:200]).save(tmp_path / "IMG_0001.HEIC", "HEIF")
    done = run("tools/demo.py", tmp_path / "IMG_0001.HEIC", "--output", tmp_path / "out", home=installed_home)
    assert done.returncode == 0, done.stderr
    assert cv2.imread(str(tmp_path / "out" / "IMG_0001_matte.png"), cv2.IMREAD_UNCHANGED).shape == (200, 512)
    (tmp_path / "IMG_0001.MOV").write_bytes(b"moving")
    done = run("tools/demo.py", tmp_path / "IMG_0001.MOV", "--output", tmp_path / "none", home=installed_home)
    assert done.returncode == 1
    assert "IMG_0001.MOV cannot be read as an image" in done.stderr


@pytest.mark.slow
def test_demo_says_what_is_wrong_in_one_line(installed_home, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    done = run("tools/demo.py", tmp_path / "broken.jpg", "--output", tmp_path / "out", home=installed_home)
    assert done.returncode == 1
    assert "broken.jpg could not be read as an image" in done.stderr
    assert not (tmp_path / "out").exists()
    done = run("tools/demo.py", tmp_path / "none.jpg", home=installed_home)
    assert done.returncode == 2
    assert "there is no photo" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (((3, 11), "Linux", "x86_64", ("glibc", "2.36")), ""),
        (((3, 13), "Windows", "AMD64", ("", "")), ""),
        (
            ((3, 9), "Linux", "x86_64", ("glibc", "2.36")),
            "3.10 to 3.13, this is Python 3.9: make PYTHON=python3.11",
        ),
        (((3, 14), "Linux", "x86_64", ("glibc", "2.36")), "Python 3.10 to 3.13, this is Python 3.14"),
        (((3, 11), "Darwin", "arm64", ("", "")), "no wheel for macOS: the library and the command p3m need no Ikomia"),
        (((3, 11), "Linux", "aarch64", ("glibc", "2.36")), "no Linux wheel for aarch64"),
        (((3, 11), "Linux", "x86_64", ("glibc", "2.31")), "need glibc 2.35 or newer, this is 2.31"),
    ],
)
def test_an_unfit_python_is_one_clear_error(arguments, words):
    text = problem(*arguments)
    assert words in text
    assert bool(text) == bool(words)


NEWEST_FIRST = ["2.15.0", "2.14.1", "2.13.0+cpu", "2.13.0", "2.5.0+cpu", "2.4.0+cpu"]


@pytest.mark.parametrize(
    ("torch", "torchvision", "pair"),
    [
        (NEWEST_FIRST, ["0.30.0", "0.28.0+cpu", "0.20.1+cpu"], ("2.13.0+cpu", "0.28.0+cpu")),
        (NEWEST_FIRST, ["0.30.0", "0.20.1+cpu"], ("2.5.0+cpu", "0.20.1+cpu")),
        (NEWEST_FIRST, ["0.30.0", "0.28.0"], None),
        (["2.15.0", "2.4.0+cpu"], ["0.30.0+cpu", "0.19.0+cpu"], None),
        (["2.15.0+cu130"], ["0.30.0+cu130"], None),
        ([], [], None),
    ],
    ids=["newest", "an older pair", "no torchvision", "too old", "CUDA alone", "pip cannot say"],
)
def test_cpu_builds_are_taken_in_pairs(torch, torchvision, pair):
    assert cpu_pair(torch, torchvision) == pair


def test_the_index_is_asked_by_pip_itself(tmp_path, monkeypatch):
    """A real index, as a folder of files: its newest version comes first, and no index at all gives no version."""
    for version in ("2.5.0+cpu", "2.6.0"):
        wheel = tmp_path / f"torch-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as file:
            file.writestr(
                f"torch-{version}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n"
            )
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert offered_versions("torch") == []
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert offered_versions("torch") == ["2.6.0", "2.5.0+cpu"]


@pytest.mark.parametrize(("status", "output", "found"), [(0, "GPU 0: NVIDIA X", True), (9, "no devices", False)])
def test_a_gpu_is_what_the_driver_says(tmp_path, monkeypatch, status, output, found):
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not has_nvidia_gpu()
    program.write_text(f"#!/bin/sh\necho '{output}'\nexit {status}\n")
    program.chmod(0o755)
    assert has_nvidia_gpu() == found


def test_a_link_to_a_folder_that_is_gone_is_replaced(tmp_path):
    """An older version that was deleted, or a checkout that was moved."""
    (tmp_path / "old" / NAME).mkdir(parents=True)
    (tmp_path / "new" / NAME).mkdir(parents=True)
    put(tmp_path / "old" / NAME, tmp_path)
    with pytest.raises(FileExistsError):
        put(tmp_path / "new" / NAME, tmp_path)
    (tmp_path / "old").rename(tmp_path / "moved")
    assert put(tmp_path / "new" / NAME, tmp_path).resolve() == tmp_path / "new" / NAME


@pytest.mark.parametrize("key", ["version", "version_info"])
def test_an_environment_of_another_python_is_named_before_anything_is_downloaded(tmp_path, key):
    assert other_version(tmp_path / "none", (3, 11)) == ""
    (tmp_path / "pyvenv.cfg").write_text(f"home = /usr/bin\n{key} = 3.14.0\n")
    assert other_version(tmp_path, (3, 14)) == ""
    said = other_version(tmp_path, (3, 11))
    assert said == f"{tmp_path} is of Python 3.14, this is Python 3.11: run make clean first"


def test_libraries_that_a_server_lacks_are_named_before_anything_is_downloaded():
    assert missing_libraries() == ""

    def load(name):
        if name == "libGL.so.1":
            raise OSError(name)

    said = "OpenCV needs libGL.so.1: on Debian and Ubuntu, apt-get install libgl1"
    assert missing_libraries(load) == said
    assert list(LIBRARIES) == ["libGL.so.1", "libgthread-2.0.so.0"]
