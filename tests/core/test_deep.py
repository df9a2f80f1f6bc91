"""16 bits of photos, mattes and cut-outs."""

import cv2
import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m.files.decode import decode, photo_of
from infer_p3m_portrait_matting.p3m.files.deep import deep_cutout, deep_matte, deep_photo
from infer_p3m_portrait_matting.p3m.files.encode import encode_picture


@pytest.fixture
def deep():
    return np.random.default_rng(0).integers(0, 65536, (20, 30, 3), np.uint16)


def file_of(suffix, pixels):
    return cv2.imencode(suffix, pixels[..., ::-1] if pixels.ndim == 3 else pixels)[1].tobytes()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_colours_of_16_bits_are_read_as_they_are(deep, suffix):
    content = file_of(suffix, deep)
    image = photo_of(decode(content, "photo").image)
    np.testing.assert_array_equal(deep_photo(content, image), deep)
    # What was turned or converted is not what the file holds.
    assert deep_photo(content, np.ascontiguousarray(image[::-1])) is None
    assert deep_photo(content, np.ascontiguousarray(image.transpose(1, 0, 2))) is None


def test_grey_is_three_times_the_same_and_8_bits_are_none(deep):
    content = file_of(".png", deep[..., 0])
    image = photo_of(decode(content, "photo").image)
    np.testing.assert_array_equal(deep_photo(content, image), np.dstack([deep[..., 0]] * 3))
    for suffix in (".png", ".tif", ".jpg"):
        content = file_of(suffix, (deep >> 8).astype(np.uint8))
        assert deep_photo(content, photo_of(decode(content, "photo").image)) is None


def test_a_cutout_keeps_16_bits_only_where_it_shows_the_photo_as_it_is(deep):
    image = ((deep.astype(np.uint32) + 128) // 257).astype(np.uint8)
    person = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    # As a face is hidden.
    person[5:9, 5:9, :3] = 77
    alpha = np.linspace(0, 1, 600).reshape(20, 30)
    made = deep_cutout(person, alpha, image, deep)
    hidden = np.zeros((20, 30), bool)
    hidden[5:9, 5:9] = True
    np.testing.assert_array_equal(made[..., :3][~hidden], deep[~hidden])
    assert (made[..., :3][hidden] == 77 * 257).all()
    np.testing.assert_array_equal(made[..., 3], deep_matte(alpha))
    assert len(np.unique(made[..., 3])) == 600
    back = cv2.imdecode(np.frombuffer(encode_picture(made, ".png"), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(cv2.cvtColor(back, cv2.COLOR_BGRA2RGBA), made)
    with pytest.raises(ValueError, match="must be uint8"):
        encode_picture(made, ".webp")
