"""Photos with mattes on disk, in every layout."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from infer_p3m_portrait_matting.evaluate.dataset import list_photos, pair_of, two_folders


def test_mattes_may_lie_beside_the_photos(tmp_path):
    for name in ("a.jpg", "a.true.png", "b.jpg", "b.true.png", "c.jpg"):
        (tmp_path / name).write_bytes(b"")
    pairs = two_folders(tmp_path, tmp_path, suffix=".true")
    assert [(pair.name, pair.photo.name, pair.matte.name) for pair in pairs] == [
        ("a", "a.jpg", "a.true.png"),
        ("b", "b.jpg", "b.true.png"),
    ]


def test_file_names_in_any_case_and_encoding_are_read(astronaut, tmp_path):
    for folder in ("photos", "mattes"):
        (tmp_path / folder).mkdir()
    small = np.ascontiguousarray(astronaut[:64, :48, ::-1])
    stem = os.fsdecode(b"Andr\xe9")  # Latin-1, which is no UTF-8
    for path, picture in ((f"photos/{stem}.JPG", small), (f"mattes/{stem}.png", small[..., 1])):
        (tmp_path / path).write_bytes(cv2.imencode(Path(path).suffix.lower(), picture)[1].tobytes())
    (pair,) = two_folders(tmp_path / "photos", tmp_path / "mattes")
    photo, true, trimap = pair.read()
    assert pair.name == stem
    assert photo.shape == (*true.shape, 3) == (*trimap.shape, 3) == (64, 48, 3)
    assert np.abs(photo.astype(int) - small[..., ::-1]).mean() < 10
    np.testing.assert_array_equal(true, small[..., 1].astype(np.float32) / 255)


def test_the_alpha_channel_of_a_photo_is_its_matte(astronaut, tmp_path):
    rgba = np.dstack([astronaut[:64, :48], astronaut[:64, :48, 0]])
    cv2.imwrite(str(tmp_path / "a.png"), cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA))
    cv2.imwrite(str(tmp_path / "b.png"), rgba[..., :3])
    first, second = map(pair_of, list_photos(tmp_path))
    photo, matte = first.read_8bit()
    np.testing.assert_array_equal(np.dstack([photo, matte]), rgba)
    with pytest.raises(ValueError, match=r"b\.png is not an image with an alpha channel"):
        second.read()
