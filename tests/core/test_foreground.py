"""Estimated foreground colours, on composites whose foreground is known."""

import cv2
import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m import composite, estimate_foreground, to_uint8


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


def test_grey_and_rgba_are_taken_as_they_are_elsewhere():
    rng = np.random.default_rng(1)
    grey, alpha = rng.integers(0, 256, (20, 30), dtype=np.uint8), rng.random((20, 30), dtype=np.float32)
    three = np.dstack([grey] * 3)
    wanted = estimate_foreground(three, alpha)
    np.testing.assert_array_equal(estimate_foreground(grey, alpha), wanted)
    np.testing.assert_array_equal(estimate_foreground(np.dstack([three, grey]), alpha), wanted)


def test_sizes_that_differ_are_refused():
    with pytest.raises(ValueError, match="one size"):
        estimate_foreground(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), np.float32))
