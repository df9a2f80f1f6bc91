"""Pictures made from a photo and its matte."""

import re

import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m import composite, cutout, parse_color, to_uint8

DTYPES = (np.uint8, np.uint16, np.float16, np.float32, np.float64)


def image_of(values, dtype):
    """8-bit values in another dtype's range."""
    values = np.asarray(values, np.uint8)
    if dtype == np.uint8:
        return values
    if dtype == np.uint16:
        return values.astype(np.uint16) * 257
    return (values / 255).astype(dtype)


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


@pytest.fixture
def alpha():
    return np.random.default_rng(1).random((6, 9), dtype=np.float32)


def test_known_pixels_of_a_composite():
    image = np.array([[[200, 100, 0], [10, 20, 30], [0, 255, 128], [0, 0, 0]]], np.uint8)
    alpha = np.array([[0.5, 1, 0, 0.25]], np.float32)
    assert composite(image, alpha).tolist() == [[[228, 178, 128], [10, 20, 30], [255, 255, 255], [191, 191, 191]]]
    # 0.5 * 200 + 0.5 * 1 = 100.5 goes up; 0.25 * 0 + 0.75 * 2 = 1.5 goes up; 0.75 * 3 = 2.25 goes down.
    assert composite(image, alpha, (1, 2, 3)).tolist() == [[[101, 51, 2], [10, 20, 30], [1, 2, 3], [1, 2, 2]]]


def test_known_pixels_of_a_cutout():
    image = np.array([[[200, 100, 0], [10, 20, 30]]], np.uint8)
    out = cutout(image, np.array([[0.5, 1]], np.float32))
    assert out.dtype == np.uint8
    assert out.tolist() == [[[200, 100, 0, 128], [10, 20, 30, 255]]]


def test_composite_equals_exact_arithmetic(photo, alpha):
    background = (12, 200, 77)
    a = alpha[..., None].astype(np.float64)
    exact = a * photo + (1 - a) * np.array(background, np.float64)
    out = composite(photo, alpha, background)
    assert out.shape == (6, 9, 3)
    assert out.dtype == np.uint8
    assert np.abs(out - exact).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("dtype", DTYPES)
def test_full_alpha_keeps_the_photo_and_zero_alpha_the_background(dtype, photo):
    image = image_of(photo, dtype)
    eight_bits = to_uint8(image)
    assert np.array_equal(composite(image, np.ones((6, 9), np.float32), (1, 2, 3)), eight_bits)
    assert (composite(image, np.zeros((6, 9), np.float32), (1, 2, 3)) == (1, 2, 3)).all()
    assert np.array_equal(cutout(image, np.ones((6, 9), np.float32))[..., :3], eight_bits)
    assert np.abs(eight_bits.astype(int) - photo).max() <= (1 if dtype == np.float16 else 0)


@pytest.mark.parametrize("alpha_dtype", [np.float16, np.float32, np.float64])
def test_any_float_will_do_for_the_matte(alpha_dtype, photo):
    alpha = np.full((6, 9), 0.5, alpha_dtype)
    assert np.array_equal(composite(photo, alpha), composite(photo, alpha.astype(np.float32)))
    assert (cutout(photo, alpha)[..., 3] == 128).all()


@pytest.mark.parametrize("shape", [(6, 9), (6, 9, 1)])
def test_grey_is_repeated(shape, photo, alpha):
    grey = np.ascontiguousarray(photo[..., 0])
    rgb = np.dstack([grey] * 3)
    assert np.array_equal(composite(grey.reshape(shape), alpha), composite(rgb, alpha))
    assert np.array_equal(cutout(grey.reshape(shape), alpha), cutout(rgb, alpha))


def test_alpha_of_an_rgba_photo_is_left_out(photo, alpha):
    rgba = np.dstack([photo, np.full((6, 9), 7, np.uint8)])
    assert np.array_equal(composite(rgba, alpha), composite(photo, alpha))
    assert np.array_equal(cutout(rgba, alpha), cutout(photo, alpha))


@pytest.mark.parametrize("make", [composite, cutout])
def test_inputs_stay_as_they_are(make, photo, alpha):
    before = photo.copy(), alpha.copy()
    out = make(photo, alpha)
    out[:] = 0
    assert np.array_equal(photo, before[0])
    assert np.array_equal(alpha, before[1])


@pytest.mark.parametrize("make", [composite, cutout])
def test_views_and_read_only_arrays_will_do(make, photo, alpha):
    view, matte = photo[::-2, ::-1], alpha[::-2, ::-1]
    expected = make(view.copy(), matte.copy())
    photo.setflags(write=False)
    alpha.setflags(write=False)
    assert np.array_equal(make(view, matte), expected)


@pytest.mark.parametrize("make", [composite, cutout])
@pytest.mark.parametrize("shape", [(9, 6), (6, 8), (6, 9, 1), (1, 1), (54,)])
def test_other_sizes_are_refused(make, shape, photo):
    with pytest.raises(ValueError, match="one size"):
        make(photo, np.zeros(shape, np.float32))


@pytest.mark.parametrize("make", [composite, cutout])
def test_what_is_no_image_is_refused(make, alpha):
    with pytest.raises(ValueError, match="channels"):
        make(np.zeros((6, 9, 2), np.uint8), alpha)
    with pytest.raises(TypeError, match="int32"):
        make(np.zeros((6, 9, 3), np.int32), alpha)


@pytest.mark.parametrize(
    ("text", "color"),
    [
        ("#000000", (0, 0, 0)),
        ("#ffFFfF", (255, 255, 255)),
        ("#0180fe", (1, 128, 254)),
        ("white", (255, 255, 255)),
        ("SteelBlue", (70, 130, 180)),
        (" white\n", (255, 255, 255)),
        ("#f80", (255, 136, 0)),
        ("#f808", (255, 136, 0, 136)),
        ("#0180fe40", (1, 128, 254, 64)),
        ("#0180FEff", (1, 128, 254)),
        ("rgb(1, 2, 3)", (1, 2, 3)),
        ("rgb(100%, 0%, 0%)", (255, 0, 0)),
        ("rgba(1, 2, 3, 4)", (1, 2, 3, 4)),
        ("hsl(120, 100%, 50%)", (0, 255, 0)),
        ("hsv(240, 100%, 100%)", (0, 0, 255)),
    ],
)
def test_parse_color_reads(text, color):
    assert parse_color(text) == color


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whitish",
        "transparent",
        "ffffff",
        "#fffffff",
        "rgb(1, 2)",
        "rgb(1, 2, 300)",
        "#ggffff",
        "#١٢٣٤٥٦",
        "#-1ffff",
    ],
)
def test_parse_color_refuses(text):
    with pytest.raises(ValueError, match=f"colour must.*got {re.escape(repr(text))}"):
        parse_color(text)


def test_a_translucent_background_makes_rgba_that_looks_as_it_should_on_anything(photo, alpha):
    got = composite(photo, alpha, (10, 200, 90, 128))
    assert got.shape == (6, 9, 4)
    np.testing.assert_array_equal(got[..., 3], to_uint8(alpha + (1 - alpha) * np.float32(128 / 255)))
    # Laid on white, it is the person on (the colour on white).
    share = got[..., 3:] / 255
    on_white = got[..., :3] * share + 255 * (1 - share)
    behind = np.array([10, 200, 90]) * 128 / 255 + 255 * (127 / 255)
    a = alpha[..., None]
    np.testing.assert_allclose(on_white, photo * a + behind * (1 - a), atol=1.5)
    nobody = composite(photo, np.zeros_like(alpha), (10, 200, 90, 0))
    assert nobody[..., 3].max() == 0
    # What is rounded past 0 and 1 counts as 0 and 1.
    rounded = np.where(alpha < 0.5, np.float32(-0.0009), np.float32(1.0009))
    wanted = composite(photo, rounded.clip(0, 1), (255, 255, 255, 1))
    np.testing.assert_array_equal(composite(photo, rounded, (255, 255, 255, 1)), wanted)


@pytest.mark.parametrize("make", [composite, cutout])
def test_a_matte_in_bytes_is_refused(make):
    with pytest.raises(TypeError, match="must be floating point"):
        make(np.zeros((4, 4, 3), np.uint8), np.full((4, 4), 255, np.uint8))


@pytest.mark.parametrize("make", [composite, cutout])
@pytest.mark.parametrize(
    ("alpha", "error", "words"),
    [
        ([[0.5] * 9] * 6, TypeError, "the matte must be a numpy array, got list"),
        (None, TypeError, "the matte must be a numpy array, got NoneType"),
        (np.full((6, 9), 255.0), ValueError, r"must lie in \[0, 1\], got \[255, 255\].*divide 8-bit values by 255"),
        (np.full((6, 9), -0.01), ValueError, r"must lie in \[0, 1\]"),
        (np.full((6, 9), np.nan, np.float32), ValueError, r"must lie in \[0, 1\], got \[nan"),
        (np.full((6, 9), np.inf, np.float32), ValueError, r"must lie in \[0, 1\], got \[inf"),
    ],
)
def test_what_is_no_matte_is_refused(make, alpha, error, words, photo):
    with pytest.raises(error, match=words):
        make(photo, alpha)


def test_a_matte_may_leave_0_to_1_by_rounding(photo):
    edge = np.where(np.arange(9) < 4, -1e-4, 1 + 1e-4) * np.ones((6, 1))
    np.testing.assert_array_equal(cutout(photo, edge)[..., 3], to_uint8(edge.clip(0, 1)))


@pytest.mark.parametrize(
    ("background", "error"),
    [
        (np.ones((6, 9, 3), np.float32), TypeError),
        (np.ones((6, 9, 3), np.uint16), TypeError),
        ([[[1, 2, 3]] * 9] * 6, TypeError),
        (np.ones((6, 9), np.uint8), ValueError),
        (np.ones((6, 9, 4), np.uint8), ValueError),
        (np.ones((9, 6, 3), np.uint8), ValueError),
        ((1, 2), ValueError),
        (None, ValueError),
    ],
)
def test_what_is_no_background_is_refused(background, error, photo, alpha):
    with pytest.raises(error, match=r"the background must be a colour .* or a picture \(uint8 \[6, 9, 3\]"):
        composite(photo, alpha, background)


@pytest.mark.parametrize("color", [(0, 0, 256), (-1, 0, 0), (1, 2, 3, 300), (np.nan, 0, 0)])
def test_a_colour_outside_0_to_255_is_refused(color, photo, alpha):
    with pytest.raises(ValueError, match="each part of a colour"):
        composite(photo, alpha, color)


@pytest.mark.parametrize("text", ["blue", "#ff800080", "rgb(255, 128, 0)"])
def test_a_colour_may_be_named(text, photo, alpha):
    np.testing.assert_array_equal(composite(photo, alpha, text), composite(photo, alpha, parse_color(text)))
    with pytest.raises(ValueError, match="a colour must be like"):
        composite(photo, alpha, f"no {text}")


def test_colours_and_pictures_as_backgrounds(photo, alpha):
    behind = np.full((6, 9, 3), (10, 20, 30), np.uint8)
    wanted = composite(photo, alpha, (10, 20, 30))
    for other in (behind, behind[::-1, ::-1], [10, 20, 30], np.array((10, 20, 30), np.uint8), (10.0, 20.0, 30.0)):
        np.testing.assert_array_equal(composite(photo, alpha, other), wanted)
