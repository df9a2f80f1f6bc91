"""TIFFs of unusual layouts are read right, or refused by name."""

import zlib

import numpy as np
import pytest
from PIL import Image
from tiffs import packed, tiff

from infer_p3m_portrait_matting.p3m.arrays import to_uint8
from infer_p3m_portrait_matting.p3m.files.decode import decode

SIZE = (64, 48)
ORDERS, COMPRESSIONS = ("<", ">"), {1: lambda data: data, 8: zlib.compress}


@pytest.fixture(scope="module")
def rgb() -> np.ndarray:
    y, x = np.mgrid[:48, :64]
    return np.stack([x * 4, y * 5, (x + y) * 2], -1).astype(np.uint8)


def read(content: bytes) -> np.ndarray:
    image, warnings = decode(content, "a.tif")
    assert warnings == []
    return image


def planes(array: np.ndarray, dtype: str) -> list[bytes]:
    return [np.ascontiguousarray(array[..., i]).astype(dtype).tobytes() for i in range(array.shape[2])]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("white", [False, True])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_deep_grey_spans_16_bits_and_white_may_be_0(bits, white, compression, order, rgb):
    grey = rgb[..., 0].astype(np.uint16) * 257
    values = np.rint(grey / 65535 * (2**bits - 1)).astype(np.uint16)
    stored = 2**bits - 1 - values if white else values
    data = stored.astype(f"{order}u2").tobytes() if bits == 16 else packed(stored, bits)
    strips = [COMPRESSIONS[compression](data)]
    got = read(tiff(strips, SIZE, (bits,), 0 if white else 1, compression=compression, order=order))
    assert got.dtype == np.uint16
    assert np.abs(got.astype(int) - np.rint(values / (2**bits - 1) * 65535)).max() <= 1


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("channels", [3, 4])
def test_16_bits_in_planes(channels, compression, order, rgb):
    picture = np.dstack([rgb, rgb[..., 0]])[..., :channels]
    strips = [COMPRESSIONS[compression](plane) for plane in planes(picture.astype(np.uint16) * 257, f"{order}u2")]
    more = {338: (3, [2])} if channels == 4 else None
    content = tiff(strips, SIZE, (16,) * channels, 2, 2, compression, order, more)
    np.testing.assert_array_equal(read(content), picture)


def test_16_bits_of_cmyk_in_planes(rgb):
    cmyk = 255 - np.dstack([rgb, np.full_like(rgb[..., 0], 255)])
    strips = planes(cmyk.astype(np.uint16) * 257, "<u2")
    np.testing.assert_array_equal(read(tiff(strips, SIZE, (16,) * 4, 5, 2)), rgb)


def test_12_bits_of_rgb(rgb):
    values = np.rint(rgb / 255 * 4095).astype(np.uint16)
    content = tiff([packed(values.reshape(48, -1), 12)], SIZE, (12,) * 3, 2)
    np.testing.assert_array_equal(read(content), rgb)


# What a camera stores for an orientation, undone.
UPRIGHT = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: np.rot90(x, 2),
    4: lambda x: x[::-1],
    5: lambda x: np.swapaxes(x, 0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: np.swapaxes(np.rot90(x, 2), 0, 1),
    8: lambda x: np.rot90(x),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["f4", "f8", "u2", "12"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_kind_is_turned_once(channels, kind, orientation, rgb):
    picture = rgb[..., 0] if channels == 1 else rgb
    more = {274: (3, [orientation])}
    if kind.startswith("f"):
        more[339] = (3, [3] * channels)
        data, bits = (picture / 255).astype(kind).tobytes(), 8 * int(kind[1])
    elif kind == "u2":
        data, bits = (picture.astype(np.uint16) * 257).tobytes(), 16
    else:
        data, bits = packed(np.rint(picture / 255 * 4095).astype(np.uint16).reshape(48, -1), 12), 12
    got = read(tiff([data], SIZE, (bits,) * channels, 1 if channels == 1 else 2, more=more))
    np.testing.assert_array_equal(to_uint8(got), UPRIGHT[orientation](picture))


def test_floats_whose_0_is_white(rgb):
    data = (1 - rgb[..., 0] / 255).astype("<f4").tobytes()
    np.testing.assert_array_equal(read(tiff([data], SIZE, (32,), 0, more={339: (3, [3])})), rgb[..., 0])


def test_floats_with_premultiplied_alpha(rgb):
    half = np.dstack([rgb / 255 / 2, np.full(rgb.shape[:2], 0.5)]).astype("<f4")
    got = read(tiff([half.tobytes()], SIZE, (32,) * 4, 2, more={338: (3, [1]), 339: (3, [3] * 4)}))
    assert np.abs(got[..., :3].astype(int) - rgb).max() <= 1
    assert (got[..., 3] == 128).all()


@pytest.mark.parametrize(
    ("bits", "photometric", "dtype", "more", "words"),
    [
        ((16,), 1, "<f2", {339: (3, [3])}, "half-float"),
        ((16,) * 3, 2, "<f2", {339: (3, [3] * 3)}, "half-float"),
        ((32,), 1, "<u4", {}, "values of 32 bits"),
        ((16,), 1, "<i2", {339: (3, [2])}, "signed"),
        ((8,), 1, "i1", {339: (3, [2])}, "signed"),
        ((16, 16), 1, "<u2", {338: (3, [2])}, "16 bits a value, in an unusual order or with unusual channels"),
        ((16,) * 3, 8, "<u2", {}, "16 bits a value, in an unusual"),
    ],
)
def test_what_cannot_be_read_is_named(bits, photometric, dtype, more, words):
    content = tiff([np.zeros((48, 64, len(bits)), dtype).tobytes()], SIZE, bits, photometric, more=more)
    with pytest.raises(ValueError, match=rf"a\.tif is a TIFF with {words}.*, which cannot be read: save it as 8-bit"):
        decode(content, "a.tif")


@pytest.mark.parametrize(("code", "called"), [(50001, "WebP"), (50002, "JPEG XL"), (34887, "LERC")])
def test_compressions_that_cannot_be_read_are_named(code, called):
    content = tiff([bytes(100)], SIZE, (8,) * 3, 2, compression=code)
    with pytest.raises(ValueError, match=f"a.tif is a TIFF with compression by {called}"):
        decode(content, "a.tif")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_tags_of_wrong_types_and_damaged_directories_end_in_one_error_or_a_picture(rgb):
    content = tiff([rgb.tobytes()], SIZE, (8,) * 3, 2, more={254: (2, [97, 98, 99, 0])})
    np.testing.assert_array_equal(read(content), rgb)
    rng = np.random.default_rng(3)
    for _ in range(300):
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[rng.integers(0, 200, 3)] = rng.integers(0, 256, 3)
        said = ""
        try:
            decode(damaged.tobytes(), "a.tif")
        except ValueError as error:
            said = str(error)
        assert said.startswith("a.tif") or not said


def test_a_size_that_the_data_do_not_fill_is_refused_before_memory_is_taken(monkeypatch):
    monkeypatch.setattr("cv2.imdecode", lambda *_: pytest.fail("OpenCV was asked to decode the file"))
    content = tiff([bytes(9000)], (9000, 9000), (12,) * 3, 2)
    with pytest.raises(ValueError, match=r"a\.tif cannot be read as an image; it is damaged or cut off"):
        decode(content, "a.tif")


def test_pages_are_counted_but_not_their_smaller_copies(rgb, tmp_path):
    pages = [Image.fromarray(rgb) for _ in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    image, warnings = decode((tmp_path / "a.tif").read_bytes(), "a.tif")
    np.testing.assert_array_equal(image, rgb)
    assert warnings == ["a.tif has 3 pictures; the first was taken"]
