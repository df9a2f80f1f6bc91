"""What ``make demo`` and ``make install`` run, as processes of their own with an empty home."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from check_python import problem
from ikomia_plugin import NAME, ROOT


def run(script: str, *arguments: object, home, cwd=None) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    # Nothing listens at that proxy: what works here works without the internet.
    environment = {**os.environ, "HOME": str(home), "HTTPS_PROXY": "http://127.0.0.1:9"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd, timeout=600)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    done = run("tools/link_plugin.py", home=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_link_points_to_the_package_and_can_be_made_again(home):
    link = home / "Ikomia" / "Plugins" / "Python" / NAME
    assert link.is_symlink()
    assert link.resolve() == ROOT / NAME
    assert run("tools/link_plugin.py", home=home).returncode == 0


def test_another_plugin_of_that_name_is_never_replaced(tmp_path):
    other = tmp_path / "Ikomia" / "Plugins" / "Python" / NAME
    other.mkdir(parents=True)
    (other / "precious.py").write_text("kept")
    done = run("tools/link_plugin.py", home=tmp_path)
    assert done.returncode == 1
    assert "is another plugin" in done.stderr
    assert (other / "precious.py").read_text() == "kept"


def test_demo_mattes_a_photo_through_ik(home, tmp_path, astronaut):
    photo = tmp_path / "my photo.jpg"
    cv2.imwrite(str(photo), astronaut[:360, :, ::-1])
    done = run("examples/matte_photo.py", photo, "--output", tmp_path / "out", home=home, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.strip().splitlines()[-2:]
    assert first.startswith("weights: mobile, ")
    assert first.endswith("p3m_mobile.safetensors, on cpu")
    assert second.startswith("time: ")
    assert "512 x 360 px" in second
    pictures = {p.name: cv2.imread(str(p), cv2.IMREAD_UNCHANGED) for p in (tmp_path / "out").iterdir()}
    assert set(pictures) == {"matte.png", "cutout.png", "composite.png", "preview.png"}
    assert pictures["matte.png"].shape == (360, 512)
    assert pictures["composite.png"].shape == (360, 512, 3)
    np.testing.assert_array_equal(pictures["cutout.png"][..., 3], pictures["matte.png"])
    assert pictures["preview.png"].shape == (360, 4 * 512 + 3 * 8, 3)


def test_demo_runs_without_a_photo(home, tmp_path):
    done = run("examples/matte_photo.py", "--output", tmp_path, "--method", "RESIZE", home=home, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert cv2.imread(str(tmp_path / "matte.png"), cv2.IMREAD_UNCHANGED).shape == (512, 512)


def test_demo_says_what_is_wrong_in_one_line(home, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    done = run("examples/matte_photo.py", tmp_path / "broken.jpg", "--output", tmp_path / "out", home=home)
    assert done.returncode == 1
    assert "broken.jpg could not be read as an image" in done.stderr
    assert not (tmp_path / "out").exists()
    done = run("examples/matte_photo.py", tmp_path / "none.jpg", home=home)
    assert done.returncode == 2
    assert "there is no photo" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (((3, 11), "Linux", "x86_64", ("glibc", "2.36")), ""),
        (((3, 13), "Windows", "AMD64", ("", "")), ""),
        (((3, 9), "Linux", "x86_64", ("glibc", "2.36")), "Python 3.10 to 3.13, this is Python 3.9"),
        (((3, 14), "Linux", "x86_64", ("glibc", "2.36")), "Python 3.10 to 3.13, this is Python 3.14"),
        (((3, 11), "Darwin", "arm64", ("", "")), "no wheel for macOS"),
        (((3, 11), "Linux", "aarch64", ("glibc", "2.36")), "no Linux wheel for aarch64"),
        (((3, 11), "Linux", "x86_64", ("glibc", "2.31")), "need glibc 2.35 or newer, this is 2.31"),
    ],
)
def test_an_unfit_python_is_one_clear_error(arguments, words):
    text = problem(*arguments)
    assert words in text
    assert bool(text) == bool(words)
