"""Mattes of frames that follow one another."""

from itertools import pairwise

import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m import TemporalFilter


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def still_frames(rng, count, noise=6.0):
    """A still picture with sensor noise, and a matte that trembles at the edge."""
    base = np.zeros((80, 100, 3))
    base[:, 40:] = (180, 120, 90)
    true = np.clip((np.arange(100) - 35) / 10, 0, 1)[None].repeat(80, 0)
    edge = (true > 0) & (true < 1)
    for _ in range(count):
        frame = np.clip(base + rng.normal(0, noise, base.shape), 0, 255).astype(np.uint8)
        yield frame, np.clip(true + edge * rng.normal(0, 0.1, true.shape), 0, 1)


def flicker(mattes) -> float:
    return float(np.mean([np.abs(b - a).mean() for a, b in pairwise(mattes)]))


def test_a_still_scene_flickers_much_less(rng):
    frames = list(still_frames(rng, 20))
    steady = TemporalFilter()
    filtered = [steady(*frame) for frame in frames]
    # A moving average with a share of 1/4 leaves sqrt(2/7) of independent noise's steps... and less of each step.
    assert flicker(filtered[5:]) < 0.45 * flicker([alpha for _, alpha in frames[5:]])
    truth = np.clip((np.arange(100) - 35) / 10, 0, 1)
    assert np.abs(np.mean(filtered[5:], axis=0) - truth).mean() < 0.01


def test_the_first_frame_and_a_cut_show_nothing_of_the_past(rng):
    steady = TemporalFilter()
    (frame, alpha), *_ = still_frames(rng, 1)
    np.testing.assert_array_equal(steady(frame, alpha), alpha.astype(np.float32))
    other, new = 255 - frame, rng.random(alpha.shape)
    np.testing.assert_array_equal(steady(other, new), new.astype(np.float32))


def test_what_moves_leaves_no_ghost():
    steady = TemporalFilter()
    for step in range(12):
        frame, alpha = np.full((60, 200, 3), 40, np.uint8), np.zeros((60, 200), np.float32)
        frame[10:50, 10 * step : 10 * step + 40] = (200, 160, 140)
        alpha[10:50, 10 * step : 10 * step + 40] = 1
        out = steady(frame, alpha)
        assert np.abs(out - alpha).max() < 0.02, step


def test_another_size_starts_anew(rng):
    steady = TemporalFilter()
    steady(np.zeros((20, 20, 3), np.uint8), np.ones((20, 20), np.float32))
    alpha = rng.random((20, 30), dtype=np.float32)
    np.testing.assert_array_equal(steady(np.zeros((20, 30, 3), np.uint8), alpha), alpha)


def test_reset_forgets(rng):
    steady = TemporalFilter()
    frame = np.zeros((20, 20, 3), np.uint8)
    steady(frame, np.ones((20, 20), np.float32))
    alpha = rng.random((20, 20), dtype=np.float32)
    assert not np.array_equal(steady(frame, alpha), alpha)
    steady.reset()
    np.testing.assert_array_equal(steady(frame, alpha), alpha)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_inputs_are_left_alone_and_every_dtype_is_taken(dtype, rng):
    steady = TemporalFilter()
    frame = (
        rng.random((20, 20)) * {"u": np.iinfo(dtype).max if dtype != np.float32 else 1, "f": 1}[np.dtype(dtype).kind]
    )
    frame, alpha = frame.astype(dtype), rng.random((20, 20), dtype=np.float32)
    before = frame.copy(), alpha.copy()
    for _ in range(2):
        out = steady(frame, alpha)
    np.testing.assert_array_equal(frame, before[0])
    np.testing.assert_array_equal(alpha, before[1])
    assert out.dtype == np.float32
    with pytest.raises(ValueError, match="one size"):
        steady(frame, alpha[:, :5])
