"""What lies under an alpha of 0: nothing of the photo's background."""

import cv2
import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m import OBFUSCATIONS, Face, cutout, estimate_foreground, hide_faces, to_uint8
from infer_p3m_portrait_matting.p3m.files.encode import encode_png
from infer_p3m_portrait_matting.p3m.imaging.alpha_bleeding import FAINT, REACH, replace_hidden_colors

MODES = {"original": lambda photo, alpha: photo, "estimated": estimate_foreground}


def scene(seed: int, person=(200, 120, 60), size=(240, 320)):
    """A soft disc of one colour before noise of all colours, and its matte."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    distance = np.hypot(y - 120, x - 150)
    alpha = np.clip((80 - distance) / 6, 0, 1).astype(np.float32)
    background = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    photo = alpha[..., None] * np.array(person, np.float32) + (1 - alpha[..., None]) * background
    return (photo + 0.5).astype(np.uint8), alpha, distance


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("obfuscation", [None, *OBFUSCATIONS])
def test_nothing_of_the_background_is_left(mode, obfuscation):
    photo, alpha, distance = scene(0)
    shown = photo if obfuscation is None else hide_faces(photo, alpha, [Face(90, 60, 210, 180, 0, 1)], obfuscation)
    person = cutout(MODES[mode](shown, alpha), alpha)
    assert (person[distance > 80 + REACH * 2**0.5 + 1, :3] == 0).all()
    hidden = person[..., 3] <= FAINT
    # Close by, the person's own colour; the noise is 74 off it on average.
    close = hidden & (distance < 80 + REACH - 1)
    assert close.sum() > 5000
    assert np.abs(person[close, :3].astype(int) - (200, 120, 60)).max() <= 12
    # Another background under the same matte, and the hidden colours are the same within rounding.
    other_photo, _, _ = scene(1)
    other = cutout(MODES[mode](other_photo, alpha), alpha)
    assert np.abs(other[hidden, :3].astype(int) - person[hidden, :3]).max() <= 12


@pytest.mark.parametrize("mode", MODES)
def test_what_is_seen_stays(mode):
    photo, alpha, _ = scene(0)
    colors = MODES[mode](photo, alpha)
    person = cutout(colors, alpha)
    seen = to_uint8(alpha) > FAINT
    np.testing.assert_array_equal(person[seen, :3], colors[seen])
    np.testing.assert_array_equal(person[..., 3], to_uint8(alpha))


def test_another_person_in_the_background_is_gone(astronaut, mobile):
    alone = astronaut[:384, 40:424]
    alpha = mobile.matte(alone, "HYBRID", 384)
    photo = np.hstack([alone, alone[:, ::-1]])
    alpha = np.hstack([alpha, np.zeros_like(alpha)])
    person = cutout(photo, alpha)
    assert (person[:, 384 + REACH :, :3] == 0).all()


def test_a_resized_cutout_has_no_dark_rim():
    _, alpha, _ = scene(0)
    person = cutout(np.where(alpha[..., None] > 0, np.array((200, 120, 60), np.uint8), np.uint8(0)), alpha)
    small = cv2.resize(person, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA)
    rim = (small[..., 3] > 8) & (small[..., 3] < 250)
    assert rim.sum() > 30
    assert np.abs(small[rim, :3].astype(int) - (200, 120, 60)).max() <= 2


def test_the_continuation_is_smooth_and_strips_join_without_a_seam():
    alpha = np.zeros((1100, 90), np.float32)
    alpha[:, 20:50] = 1
    photo = np.zeros((1100, 90, 3), np.uint8)
    photo[:] = np.linspace(20, 230, 1100)[:, None, None]
    beside = cutout(photo, alpha)[:, 50 : 50 + REACH, 0].astype(int)
    assert np.abs(np.diff(beside, axis=0)).max() <= 2
    assert np.abs(beside - photo[:, 50 : 50 + REACH, 0])[16:-16].max() <= 4


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (3, 2), (33, 65), (257, 5), (260, 1030)])
@pytest.mark.parametrize("value", [0, FAINT, FAINT + 1, 127, 255])
def test_every_size_and_every_plain_matte(size, value):
    rgba = np.random.default_rng(0).integers(0, 256, (*size, 4), dtype=np.uint8)
    rgba[..., 3] = value
    before = rgba.copy()
    replace_hidden_colors(rgba)
    np.testing.assert_array_equal(rgba[..., 3], before[..., 3])
    np.testing.assert_array_equal(rgba[..., :3], before[..., :3] if value > FAINT else 0)


def test_a_lone_strand_gets_the_colour_of_the_person():
    rgba = np.zeros((200, 400, 4), np.uint8)
    rgba[..., :3] = np.random.default_rng(0).integers(0, 256, (200, 400, 3))
    rgba[:, :60] = (90, 60, 30, 255)
    # Half transparent, and far from all that is opaque.
    rgba[:, 300, 3] = 60
    replace_hidden_colors(rgba)
    assert np.abs(rgba[:, 302:310, :3].astype(int) - (90, 60, 30)).max() <= 2


def test_a_cutout_packs_nearly_as_well_as_with_zeros(astronaut, mobile):
    alpha = mobile.matte(astronaut, "HYBRID", 512)
    untouched = np.dstack([astronaut, to_uint8(alpha)])
    zeros = untouched.copy()
    zeros[zeros[..., 3] == 0] = 0
    most, least, got = (len(encode_png(picture)) for picture in (untouched, zeros, cutout(astronaut, alpha)))
    # The continuation is as wide as in a large photo, so that it counts for more here.
    assert most - got > 0.6 * (most - least)
