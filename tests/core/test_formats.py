"""Only the documented formats are opened, within limits; all others are called by name."""

import io
import os
import struct
import sys
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from infer_p3m_portrait_matting.p3m import load_photo
from infer_p3m_portrait_matting.p3m.files import limits
from infer_p3m_portrait_matting.p3m.files.decode import decode
from infer_p3m_portrait_matting.p3m.files.formats import READ
from infer_p3m_portrait_matting.p3m.files.read import read_grey, read_matte, read_rgb, read_rgba

#: What the audit hook saw, which can never be taken off again.
STARTED: list[str] = []


def _note(event: str, _: tuple) -> None:
    if event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.fork"):
        STARTED.append(event)


sys.addaudithook(_note)


def encoded(array: np.ndarray, form: str, **options) -> bytes:
    content = io.BytesIO()
    Image.fromarray(array).save(content, form, **options)
    return content.getvalue()


@pytest.fixture(scope="module")
def photo(astronaut) -> np.ndarray:
    return np.ascontiguousarray(astronaut[:64, 100:196])


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 60 60\n%%EndComments\n0.5 setgray 0 0 60 60 rectfill\n%%EOF\n"


@pytest.mark.parametrize("read", [load_photo, read_rgb, read_rgba, read_matte, read_grey])
def test_postscript_in_a_photo_starts_no_program(read, tmp_path, monkeypatch):
    program, trace = tmp_path / "gs", tmp_path / "started"
    program.write_text(f"#!/bin/sh\ntouch {trace}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    path = tmp_path / "photo.jpg"
    path.write_bytes(EPS)
    STARTED.clear()
    with pytest.raises(ValueError, match=r"photo\.jpg is PostScript, which cannot be read"):
        read(path)
    assert STARTED == []
    assert not trace.exists()
    # The watch is none that cannot see: Pillow alone does start it.
    with Image.open(path) as image, pytest.raises(OSError, match=r"."):
        image.load()
    assert STARTED
    assert trace.exists()


def test_a_pil_image_that_would_start_a_program_is_refused(tmp_path):
    path = tmp_path / "a.eps"
    path.write_bytes(EPS)
    STARTED.clear()
    with Image.open(path) as image, pytest.raises(ValueError, match="the PIL image is EPS, a format that is not read"):
        load_photo(image)
    assert STARTED == []


@pytest.mark.parametrize("form", sorted({"BLP", "DDS", "EPS", "ICNS", "IM", "PCX", "SGI", "TGA", "MSP", "QOI", "PDF"}))
def test_what_only_pillow_knows_is_not_opened(form, photo):
    picture = np.where(photo[..., 0] > 100, 255, 0).astype(np.uint8)
    try:
        image = Image.fromarray(picture)
        content = io.BytesIO()
        {"MSP": image.convert("1"), "BLP": image.convert("P")}.get(form, image.convert("RGB")).save(content, form)
    except (KeyError, OSError, ValueError):
        pytest.skip(f"this Pillow does not write {form}")
    with pytest.raises(ValueError, match=r"a\.jpg .*cannot be read"):
        decode(content.getvalue(), "a.jpg")


@pytest.mark.parametrize(
    ("start", "called"),
    [
        (b"\xff\x0a", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\x76\x2f\x31\x01", "OpenEXR"),
        (b"#?RADIANCE\n", "Radiance HDR"),
        (b"8BPS\0\x01", "a Photoshop document"),
        (b"%PDF-1.7", "PDF"),
        (b'<?xml version="1.0"?>\n<svg ', "SVG"),
        (b"<!doctype html><html>", "a web page"),
        (b"\0\0\0\x20ftypisom", "a video"),
        (b"\x1a\x45\xdf\xa3", "a video"),
        (b"FUJIFILMCCD-RAW 0201", "a camera's raw file"),
    ],
)
def test_other_formats_are_called_by_name(start, called):
    with pytest.raises(ValueError, match=rf"^a\.jpg is {called}, which cannot be read: save it as PNG or JPEG first$"):
        decode(start + bytes(2000), "a.jpg")


def test_an_arithmetic_jpeg_is_called_by_name(photo):
    content = encoded(photo, "JPEG").replace(b"\xff\xc0", b"\xff\xc9", 1)
    with pytest.raises(ValueError, match=r"a\.jpg is a JPEG with arithmetic coding, which cannot be read"):
        decode(content, "a.jpg")


@pytest.mark.parametrize(
    ("old", "new", "called"),
    [
        (b"\xff\xc0", b"\xff\xc3", "lossless"),
        (b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c", "12-bit"),
    ],
)
def test_rare_kinds_of_jpeg_are_called_by_name(old, new, called, photo):
    content = encoded(photo, "JPEG")
    assert content.count(old) == 1
    with pytest.raises(ValueError, match=rf"a\.jpg is a {called} JPEG, which cannot be read"):
        decode(content.replace(old, new), "a.jpg")


def test_the_documents_list_the_formats():
    text = (Path(__file__).parents[2] / "docs" / "command_line.md").read_text()
    listed = text[text.index("These formats are read") :].split("\n\n")[0]
    names = {"WEBP": "WebP", "JPEG2000": "JPEG 2000", "HEIF": "HEIC"}
    assert [name for name in READ if names.get(name, name) not in listed] == []


def png_header(width: int, height: int, bits: int = 8) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100)))


def test_opencv_never_sees_what_pillow_knows(photo, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("OpenCV was asked to decode the file"))
    deep = cv2.imencode(".png", photo[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    np.testing.assert_array_equal(decode(deep, "a.png").image, photo)
    place = deep.index(b"IDAT") - 4
    damaged = deep[:place] + b"\xff" + deep[place + 1 :]
    for content in (damaged, png_header(90, 100, 16), photo.tobytes(), encoded(photo, "JPEG")[:500]):
        with pytest.raises(ValueError, match=r"a\.png cannot be read as an image"):
            decode(content, "a.png")


@pytest.mark.parametrize("form", ["PNG", "WEBP", "JPEG", "TIFF", "BMP", "AVIF", "GIF"])
def test_pixels_are_limited_before_decoding_and_the_limit_can_be_raised(form, photo, monkeypatch):
    content = encoded(photo, form)
    monkeypatch.setenv(limits.MEGAPIXELS_VARIABLE, "0.005")
    with pytest.raises(ValueError, match=r"more than the 0\.005 megapixels that are read: .* P3M_MAX_MEGAPIXELS"):
        decode(content, "a")
    monkeypatch.setenv(limits.MEGAPIXELS_VARIABLE, "0.01")
    assert decode(content, "a").image.shape == photo.shape


def test_the_picture_in_an_icon_is_limited(photo, monkeypatch):
    content = encoded(photo, "ICO", sizes=[(32, 32)])
    place = content.index(b"IHDR")
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(ValueError, match=r"a\.ico is 16000 x 16000 px, more than the 100 megapixels"):
        decode(content[: place + 4] + struct.pack(">II", 16000, 16000) + content[place + 12 :], "a.ico")


def test_bytes_are_limited_before_reading(photo, tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(photo, "PNG") + bytes(100_000))
    monkeypatch.setenv(limits.MEGAPIXELS_VARIABLE, "0.01")
    for read in (load_photo, read_rgb):
        with pytest.raises(ValueError, match=r"a\.png has more than the 0 megabytes that are read"):
            read(path)
    with pytest.raises(ValueError, match="megabytes"):
        load_photo(path.read_bytes())


@pytest.mark.parametrize("text", ["many", "0", "-1", "nan", "inf"])
def test_a_limit_that_is_no_number_is_named(text, photo, monkeypatch):
    monkeypatch.setenv(limits.MEGAPIXELS_VARIABLE, text)
    with pytest.raises(ValueError, match=f"P3M_MAX_MEGAPIXELS must be a number above 0, got '{text}'"):
        decode(encoded(photo, "PNG"), "a")


def test_scans_of_a_jpeg_are_limited(photo):
    content = encoded(np.zeros((1600, 1600), np.uint8), "JPEG", progressive=True)
    assert decode(content, "a.jpg").warnings == []
    last = content.rindex(b"\xff\xda")
    many = content[:last] + content[last:-2] * 3000 + content[-2:]
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"a\.jpg has 30\d\d scans, more than the 100 that are read"):
        decode(many, "a.jpg")
    assert time.perf_counter() - start < 2


def test_segments_of_a_jpeg_are_limited(photo):
    content = encoded(photo, "JPEG")
    with pytest.raises(ValueError, match=r"a\.jpg has more than 100000 segments"):
        decode(content[:2] + b"\xff\xfe\0\2" * 100_001 + content[2:], "a.jpg")


def test_too_little_memory_is_one_line(photo, monkeypatch):
    def full(*_, **__):
        raise MemoryError

    content = encoded(photo, "PNG")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", full)
    with pytest.raises(ValueError, match=r"^a\.png needs more memory than there is: make it smaller first$"):
        decode(content, "a.png")


def test_names_in_messages_move_no_cursor(tmp_path):
    path = tmp_path / "a\x1b[31m\nb\udce9.jpg"
    path.write_bytes(b"no picture")
    for read in (load_photo, read_rgb):
        with pytest.raises(ValueError, match="cannot be read as an image") as caught:
            read(path)
        assert r"a\x1b[31m\nb\xe9.jpg" in str(caught.value)
        assert str(caught.value).isprintable()
