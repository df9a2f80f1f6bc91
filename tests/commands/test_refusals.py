"""The examples refuse what would lose results."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(script: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


@pytest.mark.parametrize("script", ["tools/demo.py", "examples/matte_photo.py"])
def test_a_video_is_no_photo(script, tmp_path):
    path = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 64))
    writer.write(np.zeros((64, 64, 3), np.uint8))
    writer.release()
    done = run(script, path)
    assert done.returncode != 0
    assert "is a video: docs/videos-and-folders.md shows" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["video.avi"]


@pytest.mark.parametrize("inside", ["", "results", "sub/results"])
def test_results_do_not_go_into_the_folder_of_photos(inside, tmp_path):
    done = run("examples/matte_folder.py", tmp_path, tmp_path / inside)
    assert done.returncode == 2
    assert "results would be matted again" in done.stderr


def test_a_name_that_is_no_utf_8_is_listed_by_the_cluster(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / os.fsdecode(b"Andr\xe9.png")).write_bytes(b"x")
    done = run("examples/matte_with_ray.py", tmp_path / "in", tmp_path / "out")
    assert done.returncode == 1
    assert "Andr\\xe9.png: its name is not UTF-8" in done.stderr
