"""Windows hold every place where a result is wanted, and not much else."""

import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m.arrays import strips
from infer_p3m_portrait_matting.p3m.model.kernels.windows import windows

HEIGHT, WIDTH = 160, 224


def covered(rows, wanted=None):
    """How many windows cover each pixel."""
    count = np.zeros((HEIGHT, WIDTH), int)
    for part in windows(strips(HEIGHT, 1, rows), WIDTH, wanted):
        count[part] += 1
    return count


@pytest.mark.parametrize("rows", [1, 48, 1000])
def test_windows_cover_everything_once(rows):
    assert (covered(rows) == 1).all()
    assert (covered(rows, np.ones((2, 5, 7), bool)) == 1).all()
    assert not covered(rows, np.zeros((1, 5, 7), bool)).any()


@pytest.mark.parametrize("rows", [1, 7, 48])
@pytest.mark.parametrize("size", [(160, 224), (60, 84), (33, 47), (320, 500)])
def test_windows_hold_every_wanted_place_of_every_picture(size, rows):
    h, w = size
    wanted = np.random.default_rng(h).random((2, *size)) > 1 - 3 / h
    assert 0 < wanted.mean() < 0.1
    found = covered(rows, wanted)
    assert found.max() == 1
    y, x = np.ix_((np.arange(HEIGHT) + 0.5) * h / HEIGHT, (np.arange(WIDTH) + 0.5) * w / WIDTH)
    assert (found[wanted.any(0)[y.astype(int), x.astype(int)]] == 1).all()


def test_what_lies_far_from_all_wanted_places_is_left_out():
    wanted = np.zeros((1, HEIGHT, WIDTH), bool)
    wanted[..., 70:72, 40] = wanted[..., 70:72, 180] = True
    rows, columns = covered(16, wanted).nonzero()
    assert np.unique(rows).tolist() == list(range(64, 80))
    assert np.unique(columns).tolist() == [*range(32, 48), *range(176, 192)]


def test_places_that_lie_close_together_share_a_window():
    wanted = np.zeros((1, HEIGHT, WIDTH), bool)
    wanted[..., 10, 40] = wanted[..., 10, 100] = True
    assert list(windows(strips(HEIGHT, 1, 16), WIDTH, wanted)) == [(slice(0, 16), slice(32, 112))]
