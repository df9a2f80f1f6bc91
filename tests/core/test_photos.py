"""A photo may be a path, the bytes of a file, a PIL image or an array; every function but the model takes an array."""

import io
import sys
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
import torch
from PIL import Image, ImageCms, TiffImagePlugin, TiffTags

from infer_p3m_portrait_matting.p3m import (
    Box,
    FaceTracker,
    TemporalFilter,
    blurred_background,
    composite,
    crop_to_fill,
    cutout,
    estimate_foreground,
    find_faces,
    hide_faces,
    load_photo,
    matte_person,
)
from infer_p3m_portrait_matting.p3m.files import decode
from infer_p3m_portrait_matting.p3m.files.decode import decode_image
from infer_p3m_portrait_matting.p3m.files.encode import encode_picture
from infer_p3m_portrait_matting.p3m.files.read import read_rgb

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


@pytest.mark.parametrize(("mode", "dtype"), [("I;16", "<u2"), ("I;16L", "<u2"), ("I;16B", ">u2"), ("I;16N", "=u2")])
def test_16_bits_of_a_pil_image_stay_in_either_byte_order(photo, mode, dtype):
    grey = photo[..., 0].astype(np.uint16) * 257
    got = load_photo(Image.frombytes(mode, grey.shape[::-1], grey.astype(dtype).tobytes()))
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, grey)


def test_an_array_of_16_bits_gets_the_byte_order_of_the_machine(photo):
    deep = photo.astype(np.uint16) * 257
    got = load_photo(deep.astype(deep.dtype.newbyteorder()))
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, deep)
    assert load_photo(deep) is deep


@pytest.mark.parametrize("mode", ["RGB", "P", "CMYK", "RGBA"])
def test_the_profile_of_a_pil_image_counts_as_that_of_its_file(photo, mode):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # Red and green in each other's place.
    other = profile.replace(b"rXYZ", b"tXYZ", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"tXYZ", b"gXYZ", 1)
    content = io.BytesIO()
    Image.fromarray(photo).convert(mode).save(content, "TIFF", icc_profile=other)
    image = Image.open(content)
    assert image.mode == mode
    before, rgb = np.asarray(image).copy(), np.asarray(image.convert("RGB")).astype(int)
    got = load_photo(image)
    np.testing.assert_array_equal(got[..., :3], load_photo(content.getvalue()))
    if mode != "CMYK":  # which no profile for RGB describes
        assert np.abs(got[..., :3] - rgb[..., [1, 0, 2]]).max() <= 2
    np.testing.assert_array_equal(np.asarray(image), before)
    assert image.mode == mode


def test_grey_with_a_profile_stays_grey(photo):
    content = encoded(
        photo[..., 0], "PNG", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    )
    np.testing.assert_array_equal(load_photo(Image.open(io.BytesIO(content))), photo[..., 0])


def test_a_pil_image_that_is_cut_off_is_named(photo):
    with pytest.raises(ValueError, match="the PIL image cannot be read as an image"):
        load_photo(Image.open(io.BytesIO(encoded(photo, "PNG")[:9000])))


def test_an_open_file_is_read_from_where_it_stands(tmp_path, photo):
    content = encoded(photo, "PNG")
    file = io.BytesIO(b"before" + content)
    file.seek(6)
    np.testing.assert_array_equal(load_photo(file), photo)
    (tmp_path / "photo.png").write_bytes(content)
    with (tmp_path / "photo.png").open("rb") as opened:
        np.testing.assert_array_equal(load_photo(opened), photo)
    with (tmp_path / "text").open("w+") as text, pytest.raises(TypeError, match="open it in binary mode"):
        load_photo(text)
    with pytest.raises(ValueError, match="the photo"):
        load_photo(io.BytesIO())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64, torch.bfloat16])
def test_a_tensor_has_its_channels_first(dtype, photo):
    tensor = torch.from_numpy(photo).permute(2, 0, 1)
    if dtype != torch.uint8:
        tensor = (tensor / 255).to(dtype).requires_grad_()
    got = load_photo(tensor)
    assert got.dtype == (np.uint8 if dtype == torch.uint8 else np.float32)
    assert got.flags.c_contiguous
    np.testing.assert_allclose(got / (255 if dtype == torch.uint8 else 1), photo / 255, atol=2e-3)


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3), (1, 3, 20, 30), (2, 20, 30)])
def test_a_tensor_of_another_shape_is_refused_by_name(shape):
    with pytest.raises(ValueError, match=r"torch tensor must be \[C, H, W\]"):
        load_photo(torch.zeros(shape, dtype=torch.uint8))


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
        decode_image(encoded(photo, "AVIF")[:-400], "a.avif")


@pytest.mark.parametrize("tags", [{254: 1}, {50706: b"\x01\x04\x00\x00"}])
def test_the_preview_in_a_raw_file_is_not_taken_for_the_photo(tags, photo, tmp_path):
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        directory.tagtype[tag] = TiffTags.LONG if tag == 254 else TiffTags.BYTE
        directory[tag] = value
    Image.fromarray(photo).save(tmp_path / "a.nef", "TIFF", tiffinfo=directory)
    with pytest.raises(ValueError, match=r"a\.nef is a camera's raw file"):
        load_photo(tmp_path / "a.nef")


@pytest.mark.parametrize("read", [load_photo, read_rgb])
def test_heic_is_read_whoever_asks_first(read, photo, tmp_path, monkeypatch):
    path = tmp_path / "photo.heic"
    path.write_bytes(encoded(photo, "HEIF", quality=90))
    without_heic(monkeypatch)
    assert np.abs(read(path).astype(int) - photo).mean() < 6


def without_heic(monkeypatch):
    """Make this process one in which nothing has told Pillow of HEIC yet."""
    decode._register_heif.cache_clear()
    monkeypatch.delitem(Image.OPEN, "HEIF")
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])


def test_heic_without_its_package_names_the_package(photo, monkeypatch):
    content = encoded(photo, "HEIF")
    without_heic(monkeypatch)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ValueError, match='pip install "pillow-heif'):
        decode_image(content, "a.heic")
    decode._register_heif.cache_clear()


def test_a_model_takes_a_file(photo, tmp_path, mobile):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(photo, "PNG"))
    alpha = mobile.matte(photo, "HYBRID", 64)
    for other in (path, path.read_bytes(), Image.open(path)):
        np.testing.assert_array_equal(mobile.matte(other, "HYBRID", 64), alpha)
        np.testing.assert_array_equal(mobile.matte(image=other, method="HYBRID", input_size=64), alpha)
        np.testing.assert_array_equal(mobile.matte_batch([other], "HYBRID", 64)[0], alpha)
        np.testing.assert_array_equal(mobile.local_alpha(other, 64), mobile.local_alpha(photo, 64))


@pytest.mark.parametrize(
    "function",
    [
        lambda photo, alpha: estimate_foreground(photo, alpha),
        lambda photo, alpha: cutout(photo, alpha),
        lambda photo, alpha: composite(photo, alpha),
        lambda photo, alpha: blurred_background(photo, alpha),
        lambda photo, alpha: crop_to_fill(photo, 50, 50),
        lambda photo, alpha: TemporalFilter()(photo, alpha),
        lambda photo, alpha: hide_faces(photo, alpha, [], "blur"),
        lambda photo, alpha: FaceTracker()(photo, []),
        lambda photo, alpha: find_faces(photo),
        lambda photo, alpha: matte_person(lambda image: alpha, photo, Box(30, 20, 60, 70)),
    ],
)
@pytest.mark.parametrize("given", ["photo.png", Path("photo.png"), b"PNG", Image.new("RGB", (9, 9))])
def test_every_other_function_takes_an_array_and_says_what_reads_files(function, given):
    with pytest.raises(TypeError, match=rf"numpy array, got {type(given).__name__}: load_photo\(path\) reads files"):
        function(given, np.zeros((97, 131), np.float32))


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


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".jpg"])
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((3, 3, 2), np.uint8),
        ((3, 3, 1), np.uint8),
        ((3, 3, 5), np.uint8),
        ((3,), np.uint8),
        ((0, 3), np.uint8),
        ((3, 0, 3), np.uint8),
        ((3, 3, 3), np.int16),
    ],
)
def test_what_is_no_picture_is_not_encoded(suffix, shape, dtype):
    with pytest.raises(ValueError, match="a picture must be uint8"):
        encode_picture(np.zeros(shape, dtype), suffix)


@pytest.mark.parametrize("suffix", [".webp", ".tif", ".jpg"])
def test_png_alone_holds_16_bits(suffix):
    with pytest.raises(ValueError, match="a picture must be uint8"):
        encode_picture(np.zeros((3, 3, 3), np.uint16), suffix)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_a_picture_that_is_too_long_for_its_format_is_refused(suffix):
    with pytest.raises(ValueError, match="the picture cannot be written as"):
        encode_picture(np.zeros((1, 1000001, 3), np.uint8), suffix)
