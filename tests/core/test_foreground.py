"""Estimated foreground colours, on composites whose foreground is known."""

import cv2
import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m import composite, estimate_foreground, to_uint8
from infer_p3m_portrait_matting.p3m.imaging.foreground import _enlarge


@pytest.fixture(scope="module")
def known(mobile, astronaut):
    """Foreground, matte with strands of hair, and a background of another colour."""
    alpha = mobile.matte(astronaut)
    rng = np.random.default_rng(0)
    hair = np.zeros(alpha.shape, np.uint8)
    for _ in range(250):
        start, end = (tuple(int(v) for v in rng.normal((256, 150), 90)) for _ in range(2))
        cv2.line(hair, start, end, 255, 1, cv2.LINE_AA)
    alpha = np.maximum(alpha, 0.8 * cv2.GaussianBlur(hair.astype(np.float32) / 255, (0, 0), 0.8))
    # A foreground that is known everywhere, brownish like hair.
    foreground = cv2.GaussianBlur(astronaut, (0, 0), 12) // 2 + np.array([40, 20, 10], np.uint8)
    background = np.zeros_like(astronaut)
    background[..., 1] = 220
    background[::16] = 255
    return foreground, alpha, background


def errors(estimate, foreground, alpha) -> float:
    edge = (alpha > 0) & (alpha < 1)
    return np.abs(estimate.astype(float) - foreground)[edge].mean()


def test_the_colour_error_is_at_most_half_of_the_photo_s_own(known):
    foreground, alpha, background = known
    photo = composite(foreground, alpha, background)
    estimated = estimate_foreground(photo, alpha)
    assert errors(estimated, foreground, alpha) <= 0.5 * errors(photo, foreground, alpha)
    # And what a user sees: the person on another background.
    new = (30, 30, 200)
    wanted = composite(foreground, alpha, new)
    assert errors(composite(estimated, alpha, new), wanted, alpha) <= 0.5 * errors(
        composite(photo, alpha, new), wanted, alpha
    )


def test_the_photo_s_colours_stay_where_the_person_is_opaque(known):
    foreground, alpha, background = known
    photo = composite(foreground, alpha, background)
    opaque = alpha == 1
    assert opaque.mean() > 0.1
    np.testing.assert_array_equal(estimate_foreground(photo, alpha)[opaque], photo[opaque])


def test_the_person_s_colours_reach_beyond_the_matte(known):
    foreground, _, background = known
    alpha = np.zeros(foreground.shape[:2], np.float32)
    alpha[:, :256] = 1
    photo = composite(np.full_like(foreground, 200), alpha, background)
    assert (np.abs(estimate_foreground(photo, alpha)[:, 256:260].astype(int) - 200) <= 2).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (3, 2), (33, 65)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_every_size_and_dtype(size, dtype):
    rng = np.random.default_rng(0)
    photo = rng.random((*size, 3))
    photo = photo.astype(dtype) if dtype == np.float32 else (photo * np.iinfo(dtype).max).astype(dtype)
    before = photo.copy()
    alpha = rng.random(size, dtype=np.float32)
    estimated = estimate_foreground(photo, alpha)
    assert estimated.shape == (*size, 3)
    assert estimated.dtype == np.uint8
    np.testing.assert_array_equal(photo, before)
    np.testing.assert_array_equal(estimate_foreground(photo, np.ones(size, np.float32)), to_uint8(photo))
    assert estimate_foreground(photo, np.zeros(size, np.float32)).shape == (*size, 3)


def test_grey_is_repeated_and_rgba_is_seen_on_white():
    rng = np.random.default_rng(1)
    grey, alpha = rng.integers(0, 256, (20, 30), dtype=np.uint8), rng.random((20, 30), dtype=np.float32)
    three = np.dstack([grey] * 3)
    wanted = estimate_foreground(three, alpha)
    np.testing.assert_array_equal(estimate_foreground(grey, alpha), wanted)
    opaque, gone = np.full_like(grey, 255), np.zeros_like(grey)
    np.testing.assert_array_equal(estimate_foreground(np.dstack([three, opaque]), alpha), wanted)
    white = np.full_like(three, 255)
    np.testing.assert_array_equal(
        estimate_foreground(np.dstack([three, gone]), alpha), estimate_foreground(white, alpha)
    )


def test_sizes_that_differ_are_refused():
    with pytest.raises(ValueError, match="one size"):
        estimate_foreground(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), np.float32))


@pytest.mark.parametrize("lying", [False, True])
def test_a_picture_longer_than_opencv_warps_is_handled_as_one_that_is_not(lying):
    rng = np.random.default_rng(0)
    part = cv2.blur(rng.integers(0, 256, (6, 400, 3), dtype=np.uint8), (9, 9))
    alpha = np.zeros((6, 400), np.float32)
    alpha[:, 50:350] = 0.4
    alpha[:, 120:270] = 1

    def repeated(times):
        inputs = np.tile(part, (1, times, 1)), np.tile(alpha, (1, times))
        estimated = estimate_foreground(*(x if lying else x.swapaxes(0, 1) for x in inputs))
        return (estimated if lying else estimated.swapaxes(0, 1)).astype(int)

    # A quarter of the longer one has more than 32767 px.
    wanted, got = repeated(300), repeated(350)
    assert np.abs(got[:, :100000] - wanted[:, :100000]).max() <= 1
    assert np.abs(got[:, -2000:] - wanted[:, -2000:]).max() <= 2


def test_every_tile_of_an_enlarged_map_is_in_its_place():
    across, down = np.meshgrid(np.arange(131, dtype=np.float32), np.arange(75, dtype=np.float32))
    small, size = np.dstack([across, down, across]), (301, 527)
    for rows, columns in (((0, 10), (500, 527)), ((250, 301), (0, 40)), ((13, 269), (243, 527)), ((100, 101), (7, 8))):
        got = _enlarge(small, size, (slice(*rows), slice(*columns)))
        x = np.clip((np.arange(*columns) + 0.5) * 131 / 527 - 0.5, 0, 130)
        y = np.clip((np.arange(*rows) + 0.5) * 75 / 301 - 0.5, 0, 74)
        # OpenCV rounds places to 1/32 px.
        np.testing.assert_allclose(got[..., 0], np.broadcast_to(x, got.shape[:2]), atol=0.04)
        np.testing.assert_allclose(got[..., 1], np.broadcast_to(y[:, None], got.shape[:2]), atol=0.04)
