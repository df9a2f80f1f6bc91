"""What counts as an image, and its 8 bits."""

import numpy as np
import pytest
import torch

from infer_p3m_portrait_matting.p3m import to_uint8


def image_of(values, dtype):
    """8-bit values in another dtype's range."""
    values = np.asarray(values, np.uint8)
    if dtype == np.uint8:
        return values
    if dtype == np.uint16:
        return values.astype(np.uint16) * 257
    return (values / 255).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_to_uint8_gives_every_8_bit_value_back(dtype):
    values = np.arange(256, dtype=np.uint8)
    out = to_uint8(image_of(values, dtype))
    assert out.dtype == np.uint8
    assert np.array_equal(out, values)


def test_to_uint8_rounds_to_the_nearest():
    words = np.arange(65536, dtype=np.uint16)
    assert np.array_equal(to_uint8(words), np.rint(words / 257))
    floats = np.array([0, 0.49 / 255, 0.51 / 255, 1.49 / 255, 254.51 / 255, 1])
    assert to_uint8(floats).tolist() == [0, 0, 1, 1, 255, 255]


def test_to_uint8_gives_new_memory():
    x = np.zeros((2, 2), np.uint8)
    assert not np.shares_memory(to_uint8(x), x)


@pytest.mark.parametrize("image", [[[0, 0], [0, 0]], None, torch.zeros(32, 32, 3)])
def test_what_is_no_array_is_refused(image, mobile):
    with pytest.raises(TypeError, match="numpy array"):
        mobile.matte(image)


def test_a_path_without_a_file_is_an_error_that_names_it(mobile):
    with pytest.raises(FileNotFoundError, match=r"photo\.png"):
        mobile.matte("photo.png")


@pytest.mark.parametrize("dtype", [np.int32, np.int8, np.uint32, np.bool_, np.complex64, object])
def test_other_dtypes_are_refused(dtype, mobile):
    with pytest.raises(TypeError, match=np.dtype(dtype).name):
        mobile.matte(np.zeros((32, 32, 3), dtype))


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((), "shape"),
        ((32,), "shape"),
        ((1, 32, 32, 3), "shape"),
        ((32, 32, 2), "got 2"),
        ((32, 32, 5), "got 5"),
        ((32, 32, 0), "got 0"),
        ((0, 32, 3), "empty"),
        ((32, 0), "empty"),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_other_shapes_are_refused(dtype, shape, words, mobile):
    with pytest.raises(ValueError, match=words):
        mobile.matte(np.zeros(shape, dtype))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.nan, "NaN"),
        (np.inf, "infinite"),
        (-np.inf, "infinite"),
        (-0.01, r"\[0, 1\]"),
        (1.01, r"\[0, 1\]"),
        (255, r"\[0, 1\]"),
    ],
)
def test_floats_out_of_range_are_refused(value, words, mobile):
    image = np.full((32, 32, 3), 0.5, np.float32)
    image[3, 4, 1] = value
    with pytest.raises(ValueError, match=words):
        mobile.matte(image)
