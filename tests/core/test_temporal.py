"""Mattes of frames that follow one another."""

from itertools import pairwise

import cv2
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
    # A moving average with a share of 1/4 leaves 1/4 / sqrt(7/8) of the steps of independent noise.
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
        # The edge moves along, and is exact to a fraction of a pixel.
        square = np.ones((5, 5), np.uint8)
        edge = cv2.dilate(alpha, square) != cv2.erode(alpha, square)
        assert np.abs(out - alpha)[~edge].max() < 0.02, step
        assert np.abs(out - alpha).mean() < 0.002, step


def scene(step: int, width: int = 240) -> tuple[np.ndarray, np.ndarray]:
    """A camera that pans by 3 px a frame over a picture, 160 px high, and the matte of a person in it."""
    rng = np.random.default_rng(5)
    picture = cv2.resize(rng.integers(0, 255, (20, 60, 3), dtype=np.uint8), (480, 160), interpolation=cv2.INTER_CUBIC)
    matte = np.zeros((160, 480), np.float32)
    matte[40:, 120:200] = 1
    left = 3 * step
    return np.ascontiguousarray(picture[:, left : left + width]), matte[:, left : left + width].copy()


def without_arm(alpha: np.ndarray) -> np.ndarray:
    """The matte without a part of 40 x 30 px at the person's right side."""
    right = int(np.flatnonzero(alpha[100])[-1]) + 1
    alpha = alpha.copy()
    alpha[80:120, right - 30 : right] = 0
    return alpha


def in_order(steady, frames) -> list[np.ndarray]:
    """Steady frames and mattes that all are known."""
    following = [*frames[1:], None]
    return [steady(*frame, then) for frame, then in zip(frames, following, strict=True)]


def off_in_the_part(frames, out, right) -> list[float]:
    """How far each matte is off inside the arm."""
    errors = []
    for (_, alpha), matte, (_, true) in zip(frames, out, right, strict=True):
        arm = cv2.erode((alpha != without_arm(alpha)).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        errors.append(float(np.abs(matte - true)[arm].mean()))
    return errors


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_part_that_comes_or_goes_for_one_frame_does_so_by_less_than_half(is_lost):
    frames = [scene(step) for step in range(9)]
    odd = [(frame, without_arm(alpha)) for frame, alpha in frames]
    right, wrong = (frames, odd) if is_lost else (odd, frames)
    out = in_order(TemporalFilter(), [wrong[step] if step == 5 else right[step] for step in range(9)])
    off = off_in_the_part(frames, out, right)
    assert max(off) < 0.4
    assert max(off[:4]) < 0.05


@pytest.mark.parametrize("knows_the_next", [True, False])
def test_a_part_that_is_gone_fades_and_is_soon_gone(knows_the_next):
    frames = [scene(step) for step in range(16)]
    lost = [*frames[:5], *((frame, without_arm(alpha)) for frame, alpha in frames[5:])]
    steady = TemporalFilter()
    out = in_order(steady, lost) if knows_the_next else [steady(*frame) for frame in lost]
    off = off_in_the_part(frames, out, frames)
    assert max(off[:4]) < 0.05
    assert max(np.diff(off)) < 0.5
    assert off[-1] > 0.9


def test_the_next_frame_changes_nothing_across_a_cut(rng):
    frames = [scene(step) for step in range(3)]
    others = [(255 - frame[::-1], alpha[::-1].copy()) for frame, alpha in frames]
    out = in_order(TemporalFilter(), frames + others)
    for half, apart in ((out[:3], frames), (out[3:], others)):
        np.testing.assert_array_equal(half, in_order(TemporalFilter(), apart))


def test_no_matte_from_before_a_cut_reaches_what_follows():
    before, after = [scene(step)[0] for step in range(3)], [scene(step) for step in range(3, 6)]
    after = [(255 - frame[::-1], alpha[::-1].copy()) for frame, alpha in after]

    def steadied(value):
        mattes = [(frame, np.full(frame.shape[:2], value, np.float32)) for frame in before]
        return in_order(TemporalFilter(), mattes + after)[3:]

    np.testing.assert_array_equal(steadied(0), steadied(1))


def test_frames_that_were_looked_at_ahead_give_the_same_as_new_ones():
    frames = [scene(step) for step in range(5)]
    steady, out = TemporalFilter(), []
    for frame, then in zip(frames, [*frames[1:], None], strict=True):
        out.append(steady(frame[0].copy(), frame[1], then))
    np.testing.assert_array_equal(out, in_order(TemporalFilter(), frames))


def test_what_enters_the_picture_is_there_at_once():
    """A hand before the face: the picture changes there, so that the past says nothing."""
    steady = TemporalFilter()
    for step in range(5):
        steady(*scene(step))
    frame, alpha = scene(5)
    frame[60:120, 10:60] = (230, 180, 160)
    alpha[60:120, 10:60] = 1
    out = steady(frame, alpha)
    inside = out[64:116, 14:56]
    # A few pixels find their colour beside the hand.
    assert (inside < 0.95).mean() < 0.01
    assert inside.mean() > 0.995
    assert np.abs(out - alpha)[:, 70:].max() < 0.2


def test_the_same_frames_give_the_same_bits_with_any_number_of_threads():
    def run():
        return np.stack(in_order(TemporalFilter(), [scene(step) for step in range(6)]))

    threads, first = cv2.getNumThreads(), run()
    try:
        for number in (1, 3, threads):
            cv2.setNumThreads(number)
            np.testing.assert_array_equal(run(), first)
    finally:
        cv2.setNumThreads(threads)


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
    with pytest.raises(ValueError, match="one size"):
        steady(frame, alpha, (frame, alpha[:, :5]))
