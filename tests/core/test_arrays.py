"""What counts as an image, and its 8 bits."""

import tracemalloc

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


@pytest.mark.parametrize("dtype", [">u2", "<u2", ">f4", "<f4", ">f8"])
def test_the_byte_order_changes_nothing(dtype, mobile, astronaut):
    photo = astronaut[:64, 200:264]
    native = image_of(photo, np.dtype(dtype).newbyteorder("=").type)
    foreign = native.astype(dtype)
    np.testing.assert_array_equal(to_uint8(foreign), photo)
    wanted = mobile.matte(native, "HYBRID", 64)
    np.testing.assert_array_equal(mobile.matte(foreign, "HYBRID", 64), wanted)
    np.testing.assert_array_equal(mobile.matte_batch([foreign], "HYBRID", 64)[0], wanted)


@pytest.mark.parametrize("dtype", [np.int32, np.int8, np.uint32, np.bool_, np.complex64, object])
def test_to_uint8_takes_no_other_dtypes(dtype):
    with pytest.raises(TypeError, match=f"got {np.dtype(dtype).name}"):
        to_uint8(np.zeros((2, 2), dtype))


VIEWS = {
    "whole": lambda x: x,
    "mirrored": lambda x: x[:, ::-1],
    "turned": lambda x: x.swapaxes(0, 1),
    "other channels": lambda x: x[..., ::-1],
    "a part": lambda x: x[::2, 3:-5],
    "one long row": lambda x: x.reshape(1, -1)[:, ::2],
    "long rows": lambda x: x.reshape(2, -1, 3)[..., ::-1],
    "grey as RGB": lambda x: np.broadcast_to(x[..., :1], x.shape),
    "empty": lambda x: x[:0, ::2],
    "one value": lambda x: x[0, 0, 0, ...],
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_to_uint8_of_a_view_is_that_of_its_copy(view, dtype):
    values = np.random.default_rng(0).integers(0, 256, (500, 700, 3), dtype=np.uint8)
    got = to_uint8(VIEWS[view](image_of(values, dtype)))
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, VIEWS[view](values))


@pytest.mark.parametrize("view", ["whole", "other channels", "one long row", "long rows"])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_to_uint8_takes_little_memory_beside_its_result(view, dtype):
    x = VIEWS[view](np.zeros((2000, 1500, 3), dtype))
    if view == "one long row":
        x = x.reshape(-1, 3)[:, ::-1]
    tracemalloc.start()
    try:
        out = to_uint8(x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < out.nbytes + 4e6


@pytest.mark.parametrize("image", [[[0, 0], [0, 0]], None])
def test_what_is_no_array_is_refused(image, mobile):
    with pytest.raises(TypeError, match="numpy array"):
        mobile.matte(image)


def test_a_tensor_with_its_channels_last_is_refused(mobile):
    with pytest.raises(ValueError, match=r"torch tensor must be \[C, H, W\].*got \[32, 32, 3\]"):
        mobile.matte(torch.zeros(32, 32, 3))


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
        (255, "scale to .0, 1., for example divide 8-bit values by 255"),
        (-1, r"got \[-1, 0.5\]: scale to"),
    ],
)
def test_floats_out_of_range_are_refused(value, words, mobile):
    image = np.full((32, 32, 3), 0.5, np.float32)
    image[3, 4, 1] = value
    with pytest.raises(ValueError, match=words):
        mobile.matte(image)
