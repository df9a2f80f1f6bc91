"""Where to crop."""

import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m import person_window


@pytest.fixture
def alpha():
    alpha = np.zeros((100, 200), np.float32)
    alpha[40:80, 50:150] = 0.5
    return alpha


@pytest.mark.parametrize(
    ("margin", "rows", "columns"),
    [(0, (40, 80), (50, 150)), (10, (36, 84), (40, 160)), (100, (0, 100), (0, 200)), (2.5, (39, 81), (48, 152))],
)
def test_the_margin_is_a_share_of_the_person_and_stays_in_the_picture(alpha, margin, rows, columns):
    assert person_window(alpha, margin) == (slice(*rows), slice(*columns))


def test_what_cannot_be_seen_does_not_count(alpha):
    alpha[5, 5] = 3 / 255
    assert person_window(alpha) == (slice(40, 80), slice(50, 150))


def test_nobody_is_nowhere():
    assert person_window(np.zeros((5, 5), np.float32), 10) is None


def test_a_margin_below_0_is_refused(alpha):
    with pytest.raises(ValueError, match="at least 0 percent, got -1"):
        person_window(alpha, -1)
