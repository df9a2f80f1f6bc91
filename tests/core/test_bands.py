"""Pictures in bands are what they are as a whole."""

import cv2
import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m import blurred_background
from infer_p3m_portrait_matting.p3m.imaging import backgrounds as module


@pytest.mark.parametrize("size", [(97, 131), (64, 64), (3, 200), (200, 3), (1, 1)])
def test_shrinking_and_enlarging_in_bands_is_opencvs(size, monkeypatch):
    monkeypatch.setattr(module, "_PIXELS", 700)
    height, width = size
    picture = np.random.default_rng(0).random((height, width, 3), np.float32)
    small = (max(width // 4, 1), max(height // 4, 1))
    got = module.shrink(lambda band: picture[band], height, width, small)
    np.testing.assert_allclose(got, cv2.resize(picture, small, interpolation=cv2.INTER_AREA), atol=1e-5)
    enlarged = module.Enlarged(got, height, width)
    whole = np.concatenate([enlarged[band] for band in module.bands(height, width)])
    np.testing.assert_allclose(whole, cv2.resize(got, (width, height)), atol=1e-5)


def test_a_blurred_background_does_not_show_its_bands(astronaut, mobile, monkeypatch):
    photo = astronaut[:200, 100:333]
    alpha = mobile.matte(photo, input_size=128)
    whole = blurred_background(photo, alpha)
    monkeypatch.setattr(module, "_PIXELS", 1500)
    assert np.abs(blurred_background(photo, alpha).astype(int) - whole).max() <= 1
