"""The examples for folders and clusters, as processes of their own."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from ikomia_plugin import ROOT

from infer_p3m_portrait_matting.p3m import PortraitMatting, cutout, estimate_foreground

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def photos(tmp_path_factory, astronaut):
    """Five photos, three of one name, and a broken one."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "sub").mkdir()
    for shift, name in enumerate(("a.png", "a.jpg", "sub/a.png", "b.png", "c.png")):
        cv2.imwrite(str(folder / name), astronaut[: 160 + 8 * shift, 128:320, ::-1])
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("not a photo")
    return folder


def run(script: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "examples" / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=600)


def test_a_folder_through_ikomia_ends_with_a_summary(installed_home, photos, tmp_path):
    done = run("matte_folder.py", photos, tmp_path / "out", "--model", "mobile", HOME=str(installed_home))
    assert done.returncode == 1, done.stderr
    assert "5 of 6 photos done" in done.stdout
    assert "Ikomia opens them as no photos: notes.txt" in done.stderr
    assert "1 failed:" in done.stderr
    assert "broken.jpg could not be read as an image" in done.stderr
    assert len(list((tmp_path / "out").rglob("*_cutout.png"))) == 5


def test_a_cluster_of_two_workers_mattes_restarts_and_lists_failures(photos, tmp_path):
    out = tmp_path / "out"
    arguments = [photos, out, "--input-size", 128, "--workers", 2, "--batch", 2]
    environment = {"PYTHONPATH": str(ROOT), "RAY_DATA_DISABLE_PROGRESS_BARS": "1", "OMP_NUM_THREADS": "1"}
    done = run("matte_with_ray.py", *arguments, **environment)
    assert done.returncode == 1, done.stderr
    assert "5 of 6 photos done" in done.stdout
    assert "broken.jpg cannot be read as an image" in done.stderr
    results = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert results == ["a_jpg_cutout.png", "a_png_cutout.png", "b_cutout.png", "c_cutout.png", "sub/a_cutout.png"]
    photo = np.ascontiguousarray(cv2.imread(str(photos / "b.png"))[..., ::-1])
    alpha = PortraitMatting("mobile", "cpu").matte(photo, "HYBRID", 128)
    wanted = cutout(estimate_foreground(photo, alpha), alpha)
    got = cv2.cvtColor(cv2.imread(str(out / "b_cutout.png"), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)
    assert np.abs(got[..., 3].astype(int) - wanted[..., 3]).max() <= 1
    # What is there is not made again; what is missing is.
    kept = (out / "a_png_cutout.png").stat().st_mtime_ns
    (out / "c_cutout.png").unlink()
    (photos / "broken.jpg").unlink()
    again = run("matte_with_ray.py", *arguments, **environment)
    assert again.returncode == 0, again.stderr
    assert "1 of 1 photos done" in again.stdout
    assert (out / "a_png_cutout.png").stat().st_mtime_ns == kept
    assert "nothing to do" in run("matte_with_ray.py", *arguments, **environment).stdout
