"""Files with odd parts whose picture is whole are read, with a word where something is left out."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from infer_p3m_portrait_matting.p3m.files import heif
from infer_p3m_portrait_matting.p3m.files.decode import decode, rgb_of


@pytest.fixture(scope="module")
def photo(astronaut) -> np.ndarray:
    return np.ascontiguousarray(astronaut[:128, 100:292])


def encoded(array: np.ndarray, form: str, **options) -> bytes:
    content = io.BytesIO()
    Image.fromarray(array).save(content, form, **options)
    return content.getvalue()


JPEGS = {
    "plain": {},
    "progressive": {"progressive": True},
    "with restarts": {"restart_marker_rows": 1},
    "grey": {},
}


def jpeg(photo: np.ndarray, kind: str) -> bytes:
    return encoded(photo[..., 0] if kind == "grey" else photo, "JPEG", quality=90, **JPEGS[kind])


@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("tail", [b"", b"\xff", b"\xff\x10garbageSEFT", b"\xff\xe1\x40\0begun", b"\0\0\0"])
def test_a_jpeg_without_its_end_is_read_if_no_row_is_missing(tail, kind, photo):
    content = jpeg(photo, kind)
    image, warnings = decode(content[:-2] + tail, "a.jpg")
    np.testing.assert_array_equal(image, decode(content, "a.jpg").image)
    assert warnings == ["a.jpg does not end as a JPEG should; none of its picture is missing"]


@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("tail", [b"", b"\xff\x10garbage"])
@pytest.mark.parametrize("share", [0.4, 0.9, 0.98])
def test_a_jpeg_that_is_cut_off_stays_refused(share, tail, kind, photo):
    content = jpeg(photo, kind)
    with pytest.raises(ValueError, match=r"a\.jpg cannot be read as an image"):
        decode(content[: int(share * len(content))] + tail, "a.jpg")


@pytest.mark.parametrize("start", [b"\r\n\xff\xd8", b"\xff\xd8\0\0\0", b"\xff\xd8\xff\xd8", b"\xff\xd8junk"])
def test_a_jpeg_with_an_odd_beginning_is_read(start, photo):
    content = jpeg(photo, "plain")
    image, warnings = decode(start + content[2:], "a.jpg")
    np.testing.assert_array_equal(image, decode(content, "a.jpg").image)
    assert warnings == ["a.jpg does not begin as a JPEG should; its picture was found further on"]


@pytest.mark.parametrize("form", ["BMP", "WEBP", "GIF", "PPM"])
def test_bytes_within_other_formats_are_not_the_beginning_of_a_jpeg(form):
    # Rows of pixels, or compressed data, may hold by chance what a JPEG begins with.
    rows = np.full((8, 8, 3), (0xFF, 0xD8, 0xFF), np.uint8)
    content = encoded(rows, form, **({"lossless": True, "exif": b"Exif\0\0\xff\xd8\xff"} if form == "WEBP" else {}))
    assert b"\xff\xd8\xff" in content[:1024]
    np.testing.assert_array_equal(rgb_of(decode(content, "a").image), rows)


def test_what_follows_the_end_of_a_jpeg_is_nobodys_business(photo):
    content = jpeg(photo, "plain")
    image, warnings = decode(content + b"\xff\xd8\xff more" + bytes(5000), "a.jpg")
    np.testing.assert_array_equal(image, decode(content, "a.jpg").image)
    assert warnings == []


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("late", [False, True])
def test_large_notes_of_a_png_do_not_matter(late, compressed, photo):
    notes = PngImagePlugin.PngInfo()
    notes.add_itxt("Comment", "a" * 3_000_000, zip=compressed)
    notes.add_text("Title", "b" * 3_000_000, zip=compressed)
    content = encoded(photo, "PNG", pnginfo=notes)
    if late:
        plain, text = encoded(photo, "PNG"), content[33 : content.index(b"IDAT") - 4]
        content = plain[:-12] + text + plain[-12:]
    image, warnings = decode(content, "a.png")
    np.testing.assert_array_equal(image, photo)
    assert warnings == []


@pytest.mark.parametrize("kind", [b"tEXt", b"gAMA", b"pHYs", b"iCCP", b"eXIf", b"tIME", b"teSt"])
def test_a_chunk_of_a_png_that_is_damaged_and_not_needed_is_left_out(kind, photo):
    plain = encoded(photo, "PNG")
    image, warnings = decode(plain[:33] + struct.pack(">I4s", 3, kind) + b"abc" + bytes(4) + plain[33:], "a.png")
    np.testing.assert_array_equal(image, photo)
    assert warnings == []


def test_a_png_without_its_end_is_whole(photo):
    np.testing.assert_array_equal(decode(encoded(photo, "PNG")[:-12], "a.png").image, photo)


def test_a_large_profile_of_a_png_counts(photo):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"tXYZ", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"tXYZ", b"gXYZ", 1)
    small = decode(encoded(photo, "PNG", icc_profile=swapped), "a.png").image
    assert np.abs(small.astype(int) - photo).mean() > 5
    padded = swapped + bytes(2 * 2**20)
    padded = struct.pack(">I", len(padded)) + padded[4:]
    np.testing.assert_array_equal(decode(encoded(photo, "PNG", icc_profile=padded), "a.png").image, small)


def test_the_orientation_in_the_notes_of_a_png_counts(photo):
    notes = PngImagePlugin.PngInfo()
    notes.add_itxt("XML:com.adobe.xmp", '<x:xmpmeta tiff:Orientation="6"/>', zip=True)
    image, _ = decode(encoded(photo, "PNG", pnginfo=notes), "a.png")
    np.testing.assert_array_equal(image, np.rot90(photo, -1))


def rebranded(content: bytes, major: bytes, compatible: tuple[bytes, ...]) -> bytes:
    """Exchange the brands; places in the file stay, since a box fills what is left."""
    size = struct.unpack(">I", content[:4])[0]
    brands = b"".join(compatible)[: size - 16].ljust(size - 16, b"\0")
    return content[:8] + major + content[12:16] + brands + content[size:]


@pytest.mark.parametrize("form", ["AVIF", "HEIF"])
@pytest.mark.parametrize("major", [b"mif1", b"msf1", b"miaf"])
@pytest.mark.parametrize("told", [True, False])
def test_avif_and_heic_are_known_by_compatible_brands(told, major, form, photo):
    heif_opener = pytest.importorskip("pillow_heif")
    heif_opener.register_heif_opener()
    content = encoded(photo, form, quality=90)
    own = {"AVIF": b"avif", "HEIF": b"heic"}[form]
    image, warnings = decode(rebranded(content, major, (own, b"mif1") if told else (b"mif1",)), "a")
    np.testing.assert_array_equal(image, decode(content, "a").image)
    assert warnings == []


def test_the_brands_of_a_video_are_none_of_a_picture():
    assert heif.kind_of(b"\0\0\0\x18ftypisom\0\0\0\0isomiso2") == ""
    assert heif.kind_of(b"\0\0\0") == ""


@pytest.mark.parametrize("form", ["AVIF", "HEIF"])
def test_the_orientation_in_xmp_does_not_turn_avif_and_heic(form, photo):
    heif_opener = pytest.importorskip("pillow_heif")
    heif_opener.register_heif_opener()
    xmp = b'<x:xmpmeta xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="1"></x:xmpmeta>'
    content = encoded(photo, form, quality=90, xmp=xmp)
    assert content.count(b'Orientation="1"') == 1
    image, _ = decode(content.replace(b'Orientation="1"', b'Orientation="3"'), "a")
    assert np.abs(image.astype(int) - photo).mean() < 6


def animation(photo: np.ndarray, form: str, count: int) -> bytes:
    frames = [Image.fromarray(np.roll(photo, 5 * i, 1)) for i in range(count)]
    content = io.BytesIO()
    options = {"quality": 90} if form == "AVIF" else {"lossless": True} if form == "WEBP" else {}
    frames[0].save(content, form, save_all=True, append_images=frames[1:], **options)
    return content.getvalue()


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_several_pictures_are_said_and_the_first_is_taken(form, photo):
    image, warnings = decode(animation(photo, form, 4), "a")
    assert np.abs(rgb_of(image).astype(int) - photo).mean() < 6
    assert warnings == ["a has 4 pictures; the first was taken"]
    assert decode(animation(photo, form, 1), "a").warnings == []


def test_the_main_picture_of_a_heic_is_taken(photo):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    frames, content = [Image.fromarray(np.roll(photo, 9 * i, 1)) for i in range(3)], io.BytesIO()
    frames[0].save(content, "HEIF", save_all=True, append_images=frames[1:], primary_index=1, quality=90)
    image, warnings = decode(content.getvalue(), "a.heic")
    assert np.abs(image.astype(int) - np.asarray(frames[1])).mean() < 6
    assert warnings == ["a.heic has 3 pictures; the main one was taken"]


def test_an_animation_of_16_bits_is_not_black(photo):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = photo.shape[:2]
    rows = np.insert((photo.astype(">u2") * 257).reshape(height, -1).view(np.uint8), 0, 0, axis=1).tobytes()
    control = struct.pack(">IIIIHHBB", width, height, 0, 0, 1, 10, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    content += chunk(b"acTL", struct.pack(">II", 2, 0)) + chunk(b"fcTL", struct.pack(">I", 0) + control)
    content += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"fcTL", struct.pack(">I", 1) + control)
    content += chunk(b"fdAT", struct.pack(">I", 2) + zlib.compress(rows)) + chunk(b"IEND", b"")
    image, warnings = decode(content, "a.png")
    np.testing.assert_array_equal(rgb_of(image), photo)
    assert warnings == ["a.png has 2 pictures; the first was taken"]
