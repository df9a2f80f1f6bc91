"""Adjusting a matte: invert, feather, shift, despeckle."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer_p3m_portrait_matting.p3m import adjust
from infer_p3m_portrait_matting.p3m.imaging.adjust import despeckle_matte, feather_matte, invert_matte, shift_matte


def disc(radius: float, side: int = 121, softness: float = 1.0) -> np.ndarray:
    """A disc with an edge of so many pixels: float32 [side, side]."""
    y, x = np.mgrid[:side, :side] - side // 2
    return np.clip((radius - np.hypot(x, y)) / softness + 0.5, 0, 1).astype(np.float32)


def radius_of(alpha: np.ndarray) -> float:
    return float(np.sqrt(alpha.sum() / np.pi))


def test_the_steps_are_taken_in_their_order():
    alpha = disc(30, softness=5)
    alpha[2:6, 2:6] = 0.7
    by_hand = despeckle_matte(shift_matte(feather_matte(invert_matte(alpha), 3), 2), 0.01)
    np.testing.assert_array_equal(adjust(alpha, True, 3, 2, 0.01), by_hand)


@given(
    seed=st.integers(0, 2**32 - 1),
    invert=st.booleans(),
    feather=st.integers(0, 60).map(lambda halves: halves / 2),
    shift=st.integers(-12, 12),
    despeckle=st.integers(0, 100).map(lambda percent: percent / 100),
)
def test_every_adjustment_gives_a_matte_and_leaves_its_own_alone(seed, invert, feather, shift, despeckle):
    rng = np.random.default_rng(seed)
    alpha = rng.random(rng.integers(1, 60, 2))
    before = alpha.copy()
    got = adjust(alpha, invert, feather, shift, despeckle)
    np.testing.assert_array_equal(alpha, before)
    assert got.shape == alpha.shape
    assert got.dtype == np.float32
    assert got.min() >= 0
    assert got.max() <= 1


def test_nothing_asked_changes_nothing_and_copies_nothing():
    alpha = disc(20)
    assert adjust(alpha) is alpha
    got = adjust(alpha.astype(np.float64))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, alpha)


@pytest.mark.parametrize("options", [{"invert": True}, {"feather": 2}, {"shift": 3}, {"shift": -3}, {"despeckle": 0.5}])
def test_an_adjusted_matte_is_a_new_one(options):
    alpha = disc(20)
    alpha[2:5, 2:5] = 1  # an island
    before = alpha.copy()
    got = adjust(alpha, **options)
    assert (got != before).any()
    assert not np.shares_memory(got, alpha)
    np.testing.assert_array_equal(alpha, before)


def test_invert_swaps_person_and_background():
    alpha = disc(20, softness=9)
    np.testing.assert_allclose(invert_matte(alpha) + alpha, 1, atol=1e-6)
    np.testing.assert_allclose(invert_matte(invert_matte(alpha)), alpha, atol=1e-6)


@pytest.mark.parametrize("feather", [1.0, 4.0, 10.0])
def test_feather_softens_an_edge_over_that_many_pixels_to_either_side(feather):
    alpha = np.zeros((9, 101), np.float32)
    alpha[:, 50:] = 1
    line = feather_matte(alpha, feather)[4]
    # The Gaussian's integral: 2.3 % and 97.7 % at two standard deviations.
    at = np.interp([0.0228, 0.5, 0.9772], line, np.arange(101) - 49.5)
    np.testing.assert_allclose(at, [-feather, 0, feather], atol=0.3)


@pytest.mark.parametrize("feather", [33.0, 70.0])
def test_a_wide_feather_is_the_same_blur_on_a_smaller_copy(feather):
    alpha = disc(90, side=403)
    alpha[200:, :150] = 1
    whole = cv2.GaussianBlur(alpha, (0, 0), feather / 2, borderType=cv2.BORDER_REPLICATE)
    assert np.abs(feather_matte(alpha, feather) - whole).max() < 0.01


def test_feather_leaves_a_person_opaque_where_the_picture_cuts_them_off():
    alpha = np.ones((40, 40), np.float32)
    np.testing.assert_allclose(feather_matte(alpha, 20), 1, atol=1e-6)


@pytest.mark.parametrize("shift", [-17, -8, -3, -1, 1, 2, 5, 11, 20])
def test_shift_moves_the_edge_by_that_many_pixels_in_every_direction(shift):
    got = shift_matte(disc(30), shift)
    assert radius_of(got) == pytest.approx(30 + shift, abs=0.35 + 0.04 * abs(shift))
    ray = got[60, 60:]
    assert ray.sum() - 0.5 == pytest.approx(30 + shift, abs=0.75)
    diagonal = got[np.arange(60, 121), np.arange(60, 121)]
    assert (diagonal.sum() - 0.5) * np.sqrt(2) == pytest.approx(30 + shift, abs=1 + 0.06 * abs(shift))


@pytest.mark.parametrize("shift", [10**12, 10**400])
def test_a_shift_beyond_the_picture_ends_when_nothing_changes_any_more(shift):
    alpha = np.zeros((30, 70), np.float32)
    alpha[0, 0] = 0.75
    np.testing.assert_array_equal(shift_matte(alpha, shift), np.full_like(alpha, 0.75))
    np.testing.assert_array_equal(shift_matte(1 - alpha, -shift), np.full_like(alpha, 0.25))


def test_shift_keeps_soft_edges_soft():
    alpha = disc(30, softness=8)
    for shift in (-6, 6):
        got = shift_matte(alpha, shift)
        soft = ((got > 0.02) & (got < 0.98)).sum() / (2 * np.pi * (30 + shift))
        assert soft == pytest.approx(8, abs=1)


def test_a_person_does_not_shrink_away_from_the_picture_s_border():
    alpha = np.zeros((40, 40), np.float32)
    alpha[20:, 10:30] = 1
    got = shift_matte(alpha, -4)
    np.testing.assert_array_equal(got[-1, 14:26], 1)
    assert got[:24].max() == got[:, :14].max() == 0


def test_despeckle_drops_islands_with_their_fringe_and_keeps_strands():
    alpha = disc(30)
    strand = (60, slice(88, 110))
    alpha[strand] = 0.2
    alpha[5:9, 5:9] = 1
    alpha[4, 5:9] = 0.02
    alpha[100:112, 100:112] = 1
    small = despeckle_matte(alpha, 0.01)
    assert small[:12, :12].max() == 0
    np.testing.assert_array_equal(small[12:], alpha[12:])
    large = despeckle_matte(alpha, 0.1)
    assert large[95:, 95:].max() == 0
    np.testing.assert_array_equal(large[60], alpha[60])
    np.testing.assert_array_equal(despeckle_matte(alpha, 0), alpha)


def test_despeckle_of_nobody_and_of_everybody():
    for value in (0.0, 1.0):
        alpha = np.full((5, 7), value, np.float32)
        np.testing.assert_array_equal(despeckle_matte(alpha, 1), alpha)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda a: adjust(a, feather=-1), ValueError, "feather must be finite and at least 0 px, got -1"),
        (lambda a: feather_matte(a, np.inf), ValueError, "feather must be finite .* got inf"),
        (lambda a: feather_matte(a, np.nan), ValueError, "feather must be finite .* got nan"),
        (lambda a: shift_matte(a, np.inf), ValueError, "shift must be a finite number of px, got inf"),
        (lambda a: shift_matte(a, np.nan), ValueError, "shift must be a finite number of px, got nan"),
        (lambda a: invert_matte(a.tolist()), TypeError, "must be a numpy array, got list"),
        (lambda a: invert_matte(a * 255), ValueError, r"must lie in \[0, 1\], got \[0, 255\]"),
        (lambda a: adjust(a, despeckle=1.5), ValueError, "despeckle must lie between 0 and 1"),
        (lambda a: adjust(a[None]), ValueError, r"must be \[H, W\]"),
        (lambda a: adjust((a * 255).astype(np.uint8)), TypeError, "must be floating point"),
    ],
)
def test_bad_calls_are_refused(call, error, words):
    with pytest.raises(error, match=words):
        call(disc(10, 31))
