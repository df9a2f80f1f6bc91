"""Image files become upright sRGB arrays, whole or not at all."""

import io
import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from infer_p3m_portrait_matting.p3m.arrays import MAX_PIXELS
from infer_p3m_portrait_matting.p3m.files.decode import decode_image, matte_of, rgb_of
from infer_p3m_portrait_matting.p3m.files.encode import encode_png
from infer_p3m_portrait_matting.p3m.files.read import read_grey, read_matte, read_rgb


@pytest.fixture(scope="module")
def photo(astronaut):
    return np.ascontiguousarray(astronaut[:96, 100:228])


def encoded(array, form, **options) -> bytes:
    content = io.BytesIO()
    Image.fromarray(array).save(content, form, **options)
    return content.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_files_are_turned_upright(form, orientation, photo):
    exif = Image.Exif()
    exif[0x0112] = orientation
    got = rgb_of(decode_image(encoded(photo, form, exif=exif), "a"))
    # What a camera stores for this orientation, undone.
    undo = {
        1: photo,
        2: photo[:, ::-1],
        3: photo[::-1, ::-1],
        4: photo[::-1],
        5: photo.transpose(1, 0, 2),
        6: np.rot90(photo, -1),
        7: photo[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(photo),
    }[orientation]
    assert got.shape == undo.shape
    assert np.abs(got.astype(int) - undo).mean() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bit_colours_are_turned_like_8_bit_ones(orientation, photo):
    exif = Image.Exif()
    exif[0x0112] = orientation
    chunk = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    plain, deep = (cv2.imencode(".png", x[..., ::-1])[1].tobytes() for x in (photo, photo.astype(np.uint16) * 257))
    expected, got = (rgb_of(decode_image(x[:33] + chunk + x[33:], "a")) for x in (plain, deep))
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9])
def test_files_that_are_cut_off_are_named(form, share, photo):
    whole = encoded(photo, form)
    with pytest.raises(ValueError, match=r"a\.x cannot be read as an image"):
        decode_image(whole[: int(share * len(whole))], "a.x")


@pytest.mark.parametrize("form", ["AVIF", "GIF", "ICO", "BMP", "PPM"])
def test_other_formats_are_read(form, photo):
    try:
        content = encoded(photo, form, **({"sizes": [photo.shape[1::-1]]} if form == "ICO" else {}))
    except (OSError, KeyError):
        pytest.skip(f"this Pillow does not write {form}")
    got = rgb_of(decode_image(content, "a"))
    assert np.abs(got.astype(int) - photo).mean() < 12


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """A profile whose red and green are sRGB's green and red: what becomes of it is easily said."""
    other = srgb_profile().replace(b"rXYZ", b"tXYZ", 1)
    return other.replace(b"gXYZ", b"rXYZ", 1).replace(b"tXYZ", b"gXYZ", 1)


def linear_profile() -> bytes:
    """sRGB's profile, name and all, but for values that are proportional to light."""
    profile = srgb_profile()
    curve = profile.index(b"para")
    return profile[:curve] + struct.pack(">4sIHHi", b"para", 0, 0, 0, 2**16) + profile[curve + 16 :]


def test_colours_of_a_wider_space_become_srgb():
    other = swapped_profile()
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[..., 0] = 200
    plain = rgb_of(decode_image(encoded(picture, "PNG", icc_profile=srgb_profile()), "a"))
    np.testing.assert_array_equal(plain, picture)
    swapped = rgb_of(decode_image(encoded(picture, "PNG", icc_profile=other), "a"))
    assert swapped[0, 0, 1] > 150 > 60 > swapped[0, 0, 0]
    rgba = np.dstack([picture, np.full((8, 8), 77, np.uint8)])
    got = decode_image(encoded(rgba, "PNG", icc_profile=other), "a")
    assert (got[..., 3] == 77).all()
    np.testing.assert_array_equal(got[..., :3], swapped)


def test_linear_colours_become_srgb_whatever_their_profile_is_called():
    picture = np.full((8, 8, 3), 128, np.uint8)
    got = rgb_of(decode_image(encoded(picture, "PNG", icc_profile=linear_profile()), "a"))
    # Half of the light is 188 of 255 in sRGB (IEC 61966-2-1).
    assert np.abs(got.astype(int) - 188).max() <= 1


@pytest.mark.parametrize("transparent", [False, True])
def test_the_profile_of_a_palette_counts(transparent):
    image = Image.new("P", (8, 8))
    image.putpalette([200, 0, 0, 0, 0, 200])
    image.putpixel((1, 0), 1)
    content = io.BytesIO()
    image.save(content, "PNG", icc_profile=swapped_profile(), **({"transparency": 1} if transparent else {}))
    got = decode_image(content.getvalue(), "a")
    assert got[0, 0, 1] > 150 > 60 > got[0, 0, 0]
    assert got.shape == (8, 8, 4 if transparent else 3)
    if transparent:
        assert got[0, :3, 3].tolist() == [255, 0, 255]


def test_a_profile_that_is_none_is_said_and_colours_stay(photo, caplog):
    got = decode_image(encoded(photo, "PNG", icc_profile=b"no profile" * 20), "a.png")
    np.testing.assert_array_equal(rgb_of(got), photo)
    assert "a.png: its colour profile cannot be used" in caplog.text


def test_grey_of_16_bits_keeps_its_values(photo):
    deep = photo[..., 0].astype(np.uint16) * 257
    for content in (cv2.imencode(".png", deep)[1].tobytes(), cv2.imencode(".tif", deep)[1].tobytes()):
        np.testing.assert_array_equal(decode_image(content, "a"), deep)
        np.testing.assert_array_equal(rgb_of(decode_image(content, "a"))[..., 1], photo[..., 0])


def test_the_alpha_of_a_matte_is_the_matte(photo, tmp_path):
    alpha = photo[..., 0]
    rgba = np.dstack([photo, alpha])
    (tmp_path / "rgba.png").write_bytes(encode_png(rgba))
    (tmp_path / "grey.png").write_bytes(encode_png(np.ascontiguousarray(alpha)))
    (tmp_path / "opaque.png").write_bytes(encode_png(np.dstack([alpha] * 3 + [np.full_like(alpha, 255)])))
    (tmp_path / "la.png").write_bytes(encoded(np.dstack([photo[..., 1], alpha]), "PNG"))
    for name in ("rgba", "grey", "opaque", "la"):
        np.testing.assert_array_equal(read_matte(tmp_path / f"{name}.png"), alpha)
    np.testing.assert_array_equal(matte_of(rgba), alpha)
    assert not np.array_equal(read_grey(tmp_path / "rgba.png"), alpha)


@pytest.fixture
def no_opencv(monkeypatch):
    """OpenCV must not decode anything."""
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("OpenCV was asked to decode the file"))


# The smaller of the sides is Pillow's to warn of, the larger one Pillow's to refuse.
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [int(MAX_PIXELS**0.5) + 1, 60000])
def test_a_picture_that_is_too_large_is_refused_by_its_header(side, no_opencv):
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    png += struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    with pytest.raises(ValueError, match=r"large\.png .*more than the 100 megapixels"):
        decode_image(png, "large.png")


# Pillow looks at the size once more when it loads a TIFF.
@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_pictures_beyond_the_limit_of_pillow_are_upright_and_in_srgb_like_all_others(
    form, photo, monkeypatch, no_opencv
):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(photo, form, exif=exif, icc_profile=swapped_profile())
    wanted = decode_image(content, "a")
    assert wanted.shape[:2] == photo.shape[1::-1]
    # Its red and green have changed places.
    assert np.abs(wanted.astype(int) - np.rot90(photo, -1)[..., [1, 0, 2]]).mean() < 8
    assert np.abs(wanted.astype(int) - np.rot90(photo, -1)).mean() > 9
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with ThreadPoolExecutor(4) as threads:
        for got in threads.map(lambda _: decode_image(content, "a"), range(20)):
            np.testing.assert_array_equal(got, wanted)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_the_limit_of_pillow_comes_back_after_an_error(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="cannot be read"):
        decode_image(b"no picture", "a")
    assert Image.MAX_IMAGE_PIXELS == 100


def test_a_damaged_avif_is_named(photo):
    content = encoded(photo, "AVIF")
    start = content.index(b"mdat") + 4
    with pytest.raises(ValueError, match=r"a\.avif cannot be read as an image"):
        decode_image(content[:start] + bytes(len(content) - start), "a.avif")


def test_names_that_are_no_utf_8_can_be_printed(photo, tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/Andr\xe9.png"))
    path.write_bytes(encode_png(photo))
    np.testing.assert_array_equal(read_rgb(path), photo)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="Andr") as caught:
        read_rgb(path)
    str(caught.value).encode()


# What Pillow cannot write again: a height below the sea whose sign belongs to another tag, a time in letters.
@pytest.mark.parametrize(("tag", "kind", "value"), [(6, 10, struct.pack(">ii", -5, 1)), (7, 2, b"12:30:11")])
def test_a_turned_photo_is_read_whatever_else_its_exif_says(tag, kind, value, photo):
    count = 1 if kind == 10 else len(value)
    gps = struct.pack(">HHHII", 1, tag, kind, count, 56) + struct.pack(">I", 0)
    main = struct.pack(">HHHIHH", 2, 0x0112, 3, 1, 6, 0) + struct.pack(">HHII", 0x8825, 4, 1, 38) + struct.pack(">I", 0)
    exif = b"Exif\0\0MM\0*" + struct.pack(">I", 8) + main + gps + value
    content = encoded(photo, "JPEG", exif=exif, quality=95)
    with Image.open(io.BytesIO(content)) as image:
        assert tag in image.getexif().get_ifd(0x8825)
    got = decode_image(content, "a")
    assert np.abs(got.astype(int) - np.rot90(photo, -1)).mean() < 4


def test_a_photo_whose_exif_cannot_be_read_is_taken_as_upright(photo, caplog):
    content = encoded(photo, "JPEG", quality=95, dpi=(72, 72), exif=b"Exif\0\0" + bytes(20))
    got = decode_image(content, "holiday.jpg")
    assert np.abs(got.astype(int) - photo).mean() < 4
    assert "holiday.jpg: its EXIF data cannot be read" in caplog.text
