"""Photos much smaller than what the networks were trained on, and very long ones, keep their person."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m.inference.long_photos import matte_in_pieces, pieces


@pytest.fixture(scope="module")
def full(mobile, astronaut):
    """The matte of the photo at 512 px."""
    return mobile.matte(astronaut)


@pytest.mark.slow
@pytest.mark.parametrize("side", [48, 96, 160, 256])
@pytest.mark.parametrize("method", ["HYBRID", "RESIZE"])
def test_a_small_photo_keeps_its_person(method, side, mobile, astronaut, full):
    small = cv2.resize(astronaut, (side, side), interpolation=cv2.INTER_AREA)
    wanted = cv2.resize(full, (side, side), interpolation=cv2.INTER_AREA)
    by_hand = mobile.matte(cv2.resize(small, (512, 512), interpolation=cv2.INTER_LINEAR), method)
    by_hand = cv2.resize(by_hand, (side, side), interpolation=cv2.INTER_AREA)
    got = mobile.matte(small, method)
    assert got.shape == (side, side)
    # As good as the photo enlarged by hand; and the person is there at all.
    assert np.abs(got - wanted).mean() < np.abs(by_hand - wanted).mean() + 0.02
    assert abs(got.mean() - wanted.mean()) < 0.12


@pytest.mark.slow
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("ratio", [4, 9])
def test_a_long_photo_keeps_its_person(ratio, axis, mobile, astronaut, full):
    before = int((ratio - 1) * 512 * 0.4)
    pad = [(0, 0)] * 3
    pad[axis] = (before, (ratio - 1) * 512 - before)
    alpha = mobile.matte(np.pad(astronaut, pad, constant_values=120))
    person = alpha[before : before + 512] if axis == 0 else alpha[:, before : before + 512]
    assert np.abs(person - full).mean() < 0.1
    assert alpha.min() >= 0
    assert alpha.max() <= 1


def test_pieces_cover_a_strip_evenly():
    for long, short in ((310, 100), (1600, 100), (8000, 1), (301, 100), (65535, 3)):
        cut = pieces(long, short)
        assert cut[0][0] == 0
        assert cut[-1][1] == long
        assert len({end - start for start, end in cut}) == 1
        length = cut[0][1]
        assert all(b[0] - a[0] <= length / 2 + 1 for a, b in pairwise(cut))
        assert len(cut) <= 33


@pytest.mark.parametrize("shape", [(100, 950, 3), (950, 100, 3)])
def test_pieces_that_agree_are_mixed_without_a_seam(shape):
    picture = np.random.default_rng(0).random(shape, np.float32)
    seen = []

    def matte(piece):
        seen.append(piece.shape)
        return piece[..., 0]

    np.testing.assert_allclose(
        matte_in_pieces(*picture.shape[:2], lambda window: matte(picture[window])), picture[..., 0], atol=1e-6
    )
    assert len(seen) > 2
    assert all(max(size) <= 3 * min(size[:2]) for size in seen)


def test_a_picture_of_3_to_1_stays_whole():
    picture = np.zeros((10, 30, 3), np.uint8)
    assert matte_in_pieces(*picture.shape[:2], lambda window: picture[window][..., 0]).base is picture
