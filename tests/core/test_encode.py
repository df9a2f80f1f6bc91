"""PNGs say in which space their colours are."""

import io

import numpy as np
import pytest
from PIL import Image

from infer_p3m_portrait_matting.p3m.files.encode import encode_png


@pytest.mark.parametrize("channels", [None, 3, 4])
def test_colours_say_that_they_are_srgb(channels):
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, channels) if channels else (20, 30), np.uint8)
    with Image.open(io.BytesIO(encode_png(picture))) as image:
        np.testing.assert_array_equal(np.array(image), picture)
        assert ("srgb" in image.info) == bool(channels)
