"""Hiding faces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer_p3m_portrait_matting.p3m import (
    OBFUSCATIONS,
    Face,
    face_area,
    find_faces,
    hide_faces,
)

FACE = Face(16.0, 16.0, 80.0, 80.0, 0.0, 1.0)


OPAQUE = np.ones((96, 96), np.float32)


@pytest.fixture(scope="module")
def portrait(astronaut):
    """One face, at about (180, 60) to (270, 180)."""
    return astronaut[:384, 40:424].copy()


def test_the_area_turns_with_the_eyes():
    upright = face_area(Face(20, 10, 60, 90, 0, 1), 100, 100)
    lying = face_area(Face(20, 10, 60, 90, 90, 1), 100, 100)
    assert upright.any(1).sum() == pytest.approx(80, abs=2)
    assert lying.any(0).sum() == pytest.approx(80, abs=2)
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
    np.testing.assert_array_equal(hidden[:, 70:], image[:, 70:])
    assert (hidden[40:50, 30:50] != image[40:50, 30:50]).any(-1).mean() > 0.95
    everywhere = hide_faces(image, np.full_like(alpha, 0.5), [FACE], "blur")
    assert (everywhere[area] != image[area]).any(-1).mean() > 0.95


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
