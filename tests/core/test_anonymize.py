"""Hiding faces."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer_p3m_portrait_matting.p3m import OBFUSCATIONS, Face, find_faces, hide_faces
from infer_p3m_portrait_matting.p3m.faces.hide import face_area

FACE = Face(16.0, 16.0, 80.0, 80.0, 0.0, 1.0)


OPAQUE = np.ones((96, 96), np.float32)


@pytest.fixture(scope="module")
def portrait(astronaut):
    """One face, at about (180, 60) to (270, 180)."""
    return astronaut[:384, 40:424].copy()


def test_the_area_turns_with_the_eyes():
    upright = face_area(Face(20, 10, 60, 90, 0, 1), 100, 100)
    lying = face_area(Face(10, 40, 90, 80, 90, 1), 100, 100)
    # The chin may reach a little beyond the box.
    assert upright.any(1).sum() == pytest.approx(83, abs=4)
    assert lying.any(0).sum() == pytest.approx(83, abs=4)
    assert face_area(Face(-50, -50, -10, -10, 0, 1), 100, 100).sum() == 0


@pytest.mark.slow
@pytest.mark.parametrize("obfuscation", OBFUSCATIONS)
@given(seed=st.integers(0, 2**32 - 1))
def test_faces_with_equal_averages_look_alike(obfuscation, seed):
    # The ellipse's window is 65 px or so: find it, and change the face inside its cells without changing their means.
    area = face_area(FACE, 96, 96)
    rows, columns = np.flatnonzero(area.any(1)), np.flatnonzero(area.any(0))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    rng = np.random.default_rng(seed)
    one = np.full((96, 96, 3), 128, np.uint8)
    means = rng.integers(64, 192, (8, 8, 3)).astype(np.uint8)
    cells = np.ix_(np.arange(height) * 8 // height, np.arange(width) * 8 // width)
    one[rows[0] : rows[0] + height, columns[0] : columns[0] + width] = means[cells]
    two = one.copy()
    # Opposite changes of pairs of pixels well inside one cell.
    for _ in range(200):
        i, j = rng.integers(0, 8, 2)
        y, x = rows[0] + (i * height) // 8 + 2, columns[0] + (j * width) // 8 + 2
        change = int(rng.integers(0, 30))
        pixels = [(y, x), (y + 1, x + 2)]
        if int(two[pixels[0]].max()) + change < 256 and int(two[pixels[1]].min()) - change >= 0:
            two[pixels[0]] += np.uint8(change)
            two[pixels[1]] -= np.uint8(change)
    assert (one[area] != two[area]).any()
    hidden = [hide_faces(face, OPAQUE, [FACE], obfuscation) for face in (one, two)]
    np.testing.assert_array_equal(hidden[0][area], hidden[1][area])


@pytest.mark.parametrize("obfuscation", OBFUSCATIONS)
def test_a_hidden_face_has_few_values_and_everything_else_stays(portrait, obfuscation):
    faces = find_faces(portrait)
    alpha = np.ones(portrait.shape[:2], np.float32)
    before = portrait.copy()
    hidden = hide_faces(portrait, alpha, faces, obfuscation)
    area = face_area(faces[0], *alpha.shape)
    np.testing.assert_array_equal(portrait, before)
    np.testing.assert_array_equal(hidden[~area], portrait[~area])
    assert not np.array_equal(hidden[area], portrait[area])
    if obfuscation == "pixelate":
        assert len(np.unique(hidden[area].reshape(-1, 3), axis=0)) <= 64
    # Hiding it twice adds nothing that was not hidden.
    assert np.abs(np.diff(hidden[area].mean(1))).mean() < np.abs(np.diff(portrait[area].mean(1))).mean()


def test_the_transition_area_is_spared_but_a_bad_matte_hides_nothing_less():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)
    area = face_area(FACE, 96, 96)
    alpha = OPAQUE.copy()
    alpha[:, 70:90], alpha[:, 90:] = 0.5, 0
    # Uncertain in the middle of the face: no hair, but a matte that is wrong.
    alpha[40:50, 30:50] = 0.5
    hidden = hide_faces(image, alpha, [FACE], "blur")
    # The rim of the face is spared on that side; brows to chin end before.
    np.testing.assert_array_equal(hidden[:, 73:], image[:, 73:])
    assert (hidden[40:50, 30:50] != image[40:50, 30:50]).any(-1).mean() > 0.95
    everywhere = hide_faces(image, np.full_like(alpha, 0.5), [FACE], "blur")
    assert (everywhere[area] != image[area]).any(-1).mean() > 0.95


def drawn_face(roll: float):
    """A drawn face of 120 x 150 px in the middle, turned clockwise, and what the detector would say of it."""
    picture = np.full((320, 320, 3), 90, np.uint8)
    cv2.ellipse(picture, (160, 160), (60, 75), 0, 0, 360, (220, 180, 150), -1)
    points = [(135, 145), (185, 145), (160, 172), (140, 198), (180, 198)]
    for x, y in points[:2]:
        cv2.circle(picture, (x, y), 8, (30, 60, 120), -1)
        cv2.line(picture, (x - 14, y - 18), (x + 14, y - 18), (40, 20, 10), 5)
    cv2.line(picture, points[3], points[4], (160, 30, 40), 7)
    turn = cv2.getRotationMatrix2D((160, 160), -roll, 1)
    picture = cv2.warpAffine(picture, turn, (320, 320), borderValue=(90, 90, 90))
    x, y = turn @ np.array([*zip(*points, strict=True), (1,) * 5])
    angle = np.radians(roll)
    half = np.hypot(60 * np.cos(angle), 75 * np.sin(angle)), np.hypot(60 * np.sin(angle), 75 * np.cos(angle))
    box = (160 - half[0], 160 - half[1], 160 + half[0], 160 + half[1])
    outline = np.zeros((320, 320), np.uint8)
    cv2.ellipse(outline, (160, 160), (60, 75), roll, 0, 360, 1, -1)
    return picture, Face(*box, (roll + 180) % 360 - 180, 1, tuple(zip(x, y, strict=True))), outline.astype(bool)


def made_up_mattes(face: Face):
    """Mattes that are wrong about a face in 320 x 320 px: transitions where none are, and they reach the background."""
    eyes = np.mean(face.points[:2], 0)
    y, x = np.mgrid[:320, :320].astype(np.float32)
    roll = np.radians(face.roll)
    down = -(x - eyes[0]) * np.sin(roll) + (y - eyes[1]) * np.cos(roll)
    yield np.where(np.abs(down) < 14, 0.5, 1)
    yield np.where(np.abs(down) < 14, np.where(x < 20, 0, 0.5), np.where(x < 20, 0, 1))
    yield np.where(down < 0, 0.3, 0)
    yield np.where((x // 5) % 2 == 0, 0.5, np.where(x < 20, 0, 1))
    yield np.where(x < 170, 0.9, 0)
    yield np.full((320, 320), 0.5)
    yield np.clip((x - 60) / 200, 0, 1)


@pytest.mark.parametrize("roll", range(0, 360, 45))
@pytest.mark.parametrize("obfuscation", OBFUSCATIONS)
def test_no_matte_opens_anything_between_brows_and_chin(roll, obfuscation):
    picture, face, _ = drawn_face(roll)
    # Grain tells what is left as it was from what happens to have its colour.
    picture = picture // 2 + np.random.default_rng(0).integers(0, 128, picture.shape, dtype=np.uint8)
    # Brows, eyes, nose, mouth and the chin below it, in the face's own directions.
    angle = np.radians(face.roll)
    right, down = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    corners = [(-42, -36), (42, -36), (42, 0), (30, 55), (12, 73), (-12, 73), (-30, 55), (-42, 0)]
    corners = np.array([np.array([160, 160]) + a * right + b * down for a, b in corners])
    inner = np.zeros((320, 320), np.uint8)
    cv2.fillConvexPoly(inner, corners.round().astype(np.int32), 1)
    for number, alpha in enumerate(made_up_mattes(face)):
        hidden = hide_faces(picture, alpha.astype(np.float32), [face], obfuscation)
        left_open = (hidden == picture).all(-1)[inner > 0]
        assert left_open.mean() < 0.001, number


@pytest.mark.parametrize("roll", range(0, 360, 15))
def test_a_drawn_face_is_covered_at_every_roll(roll):
    _, face, outline = drawn_face(roll)
    assert (face_area(face, 320, 320) & outline).sum() >= 0.97 * outline.sum()


def test_a_face_without_landmarks_has_them_guessed_from_its_box():
    for roll in range(0, 360, 90):
        _, face, outline = drawn_face(roll)
        bare = face._replace(points=())
        assert (face_area(bare, 320, 320) & outline).sum() >= 0.97 * outline.sum()
        eyes_and_mouth = np.array(face.points).round().astype(int)
        hidden = hide_faces(np.zeros((320, 320, 3), np.uint8) + 9, np.full((320, 320), 0.5), [bare], "blur")
        assert hidden.shape == (320, 320, 3)
        assert face_area(bare, 320, 320)[eyes_and_mouth[:, 1], eyes_and_mouth[:, 0]].all()


def test_a_face_in_the_background_is_hidden_too(astronaut):
    faces = find_faces(astronaut)
    hidden = hide_faces(astronaut, np.zeros(astronaut.shape[:2], np.float32), faces, "pixelate")
    area = face_area(faces[0], 512, 512)
    assert (hidden[area] != astronaut[area]).any(-1).mean() > 0.9


def test_bad_calls_are_refused(portrait):
    with pytest.raises(ValueError, match="blur or pixelate, got 'swap'"):
        hide_faces(portrait, np.ones(portrait.shape[:2], np.float32), [], "swap")
    with pytest.raises(ValueError, match="one size"):
        hide_faces(portrait, np.ones((4, 4), np.float32), [], "blur")
