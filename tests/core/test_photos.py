"""A photo may be a path, the bytes of a file, a PIL image or an array."""

import io
import sys
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from infer_p3m_portrait_matting.p3m import (
    TemporalFilter,
    blurred_background,
    composite,
    crop_to_fill,
    cutout,
    estimate_foreground,
    hide_faces,
    load_photo,
)
from infer_p3m_portrait_matting.p3m.imaging.encode import encode_picture
from infer_p3m_portrait_matting.p3m.imaging.photos import decode_photo

pillow_heif.register_heif_opener()


@pytest.fixture(scope="module")
def photo(astronaut):
    return astronaut[:97, 100:231].copy()


def encoded(picture, form, **options) -> bytes:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, form, **options)
    return content.getvalue()


def test_path_bytes_pil_image_and_array_are_one_photo(photo, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(photo, "PNG"))
    assert load_photo(photo) is photo
    for other in (path, str(path), path.read_bytes(), bytearray(path.read_bytes()), Image.open(path)):
        np.testing.assert_array_equal(load_photo(other), photo)


@pytest.mark.parametrize("form", ["HEIF", "AVIF", "GIF", "JPEG", "WEBP", "TIFF", "BMP", "JPEG2000"])
def test_formats(photo, form):
    got = load_photo(encoded(photo, form, **({"quality": 90} if form in ("HEIF", "AVIF", "JPEG") else {})))
    assert got.dtype == np.uint8
    assert got.shape == photo.shape
    assert np.abs(got.astype(int) - photo).mean() < 6


@pytest.mark.parametrize("form", ["JPEG", "PNG", "HEIF", "AVIF"])
def test_the_orientation_of_exif_counts(photo, form):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(np.ascontiguousarray(np.rot90(photo)), form, exif=exif.tobytes())
    for turned in (content, Image.open(io.BytesIO(content))):
        got = load_photo(turned)
        assert got.shape == photo.shape
        assert np.abs(got.astype(int) - photo).mean() < 8


@pytest.mark.parametrize(
    ("mode", "shape"),
    [
        ("L", (97, 131)),
        ("1", (97, 131)),
        ("RGB", (97, 131, 3)),
        ("RGBA", (97, 131, 4)),
        ("LA", (97, 131, 4)),
        ("P", (97, 131, 3)),
        ("CMYK", (97, 131, 3)),
        ("YCbCr", (97, 131, 3)),
    ],
)
def test_modes_of_pil_images(photo, mode, shape):
    got = load_photo(Image.fromarray(photo).convert(mode))
    assert (got.shape, got.dtype) == (shape, np.uint8)


def test_16_bits_of_a_pil_image_stay(photo):
    grey = photo[..., 0].astype(np.uint16) * 257
    got = load_photo(Image.fromarray(grey))
    np.testing.assert_array_equal(got, grey)
    with pytest.raises(ValueError, match="32 bits"):
        load_photo(Image.fromarray(photo[..., 0].astype(np.float32)))


def test_what_is_no_photo_is_named(tmp_path, photo):
    with pytest.raises(TypeError, match="PIL image, got int"):
        load_photo(3)
    with pytest.raises(FileNotFoundError):
        load_photo(tmp_path / "missing.jpg")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"broken\.jpg cannot be read as an image$"):
        load_photo(broken)
    with pytest.raises(ValueError, match="cannot be read"):
        load_photo(b"")
    with pytest.raises(ValueError, match=r"a\.avif cannot be read as an image"):
        decode_photo(encoded(photo, "AVIF")[:-400], "a.avif")


def test_heic_without_its_package_names_the_package(photo, monkeypatch):
    from infer_p3m_portrait_matting.p3m.imaging import photos

    content = encoded(photo, "HEIF")
    photos._register_heif.cache_clear()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    # As in a process in which nothing has registered it.
    monkeypatch.delitem(Image.OPEN, "HEIF")
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])
    with pytest.raises(ValueError, match='pip install "pillow-heif'):
        decode_photo(content, "a.heic")
    photos._register_heif.cache_clear()


def test_every_function_that_takes_a_photo_takes_a_file(photo, tmp_path, mobile):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(photo, "PNG"))
    alpha = mobile.matte(photo, "HYBRID", 64)
    for other in (path, path.read_bytes(), Image.open(path)):
        np.testing.assert_array_equal(mobile.matte(other, "HYBRID", 64), alpha)
        np.testing.assert_array_equal(mobile.matte(image=other, method="HYBRID", input_size=64), alpha)
        np.testing.assert_array_equal(mobile.matte_batch([other], "HYBRID", 64)[0], alpha)
        np.testing.assert_array_equal(estimate_foreground(other, alpha), estimate_foreground(photo, alpha))
        np.testing.assert_array_equal(cutout(other, alpha), cutout(photo, alpha))
        np.testing.assert_array_equal(composite(other, alpha), composite(photo, alpha))
        np.testing.assert_array_equal(blurred_background(other, alpha), blurred_background(photo, alpha))
        np.testing.assert_array_equal(crop_to_fill(other, 50, 50), crop_to_fill(photo, 50, 50))
        np.testing.assert_array_equal(TemporalFilter()(other, alpha), alpha)
        np.testing.assert_array_equal(hide_faces(other, alpha, [], "blur"), photo)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".TIFF"])
def test_formats_without_loss(photo, suffix):
    alpha = np.linspace(0, 255, photo[..., 0].size).reshape(photo.shape[:2]).astype(np.uint8)
    for picture in (photo, np.dstack([photo, alpha])):
        got = np.asarray(Image.open(io.BytesIO(encode_picture(picture, suffix))))
        np.testing.assert_array_equal(got, picture)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode_picture(alpha, suffix))).convert("L")), alpha)


def test_jpeg_holds_no_alpha(photo):
    got = cv2.imdecode(np.frombuffer(encode_picture(photo, ".jpg"), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(got.astype(int) - photo).mean() < 3
    with pytest.raises(ValueError, match="no alpha"):
        encode_picture(np.dstack([photo, photo[..., 0]]), ".jpg")
    with pytest.raises(ValueError, match="can be written as"):
        encode_picture(photo, Path("a.xyz").suffix)
