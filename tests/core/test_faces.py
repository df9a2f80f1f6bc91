"""Faces that are hard to find: turned in the picture, or small in a large photo."""

import cv2
import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m import face_area, find_faces
from infer_p3m_portrait_matting.p3m.imaging.anonymize import _areas


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
    assert covered[inner].mean() >= 0.97
    assert covered[whole].mean() >= 0.93
    assert covered.sum() <= 1.8 * whole.sum()
    # Eyes, nose and mouth, with what is around them.
    points = np.array(face.points) @ turn[:, :2].T + turn[:, 2]
    core = np.zeros((544, 544), np.uint8)
    cv2.fillConvexPoly(core, cv2.convexHull(points.round().astype(np.int32)), 1)
    core = cv2.dilate(core, np.ones((15, 15), np.uint8)).astype(bool)
    assert covered[core].all()
    assert min(abs((one.roll - face.roll - roll + 180) % 360 - 180) for one in found) < 15


def test_landmarks_are_where_they_belong(portrait, upright):
    face, *_ = upright
    right_eye, left_eye, nose, right_mouth, left_mouth = face.points
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_mouth[0] < left_mouth[0]
    assert right_eye[1] < nose[1] < right_mouth[1]


@pytest.mark.parametrize(("size", "face_height"), [((4000, 6000), 90), ((2666, 4000), 60), ((2666, 4000), 40)])
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
