"""Pictures in bands are what they are as a whole."""

import cv2
import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m import blurred_background, composite, estimate_foreground
from infer_p3m_portrait_matting.p3m.imaging import bands as module


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


def test_pictures_do_not_show_their_bands(astronaut, mobile, monkeypatch):
    photo = astronaut[:200, 100:333]
    alpha = mobile.matte(photo, input_size=128)
    steps = (
        lambda: estimate_foreground(photo, alpha),
        lambda: blurred_background(photo, alpha),
        lambda: composite(photo, alpha, photo[::-1]),
        lambda: composite(photo, alpha, (1, 200, 3)),
    )
    whole = [step() for step in steps]
    monkeypatch.setattr(module, "_PIXELS", 1500)
    for step, wanted in zip(steps, whole, strict=True):
        assert np.abs(step().astype(int) - wanted).max() <= 1
