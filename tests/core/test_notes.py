"""What a photo says besides its pixels: the resolution stays, notes only if wanted, and never what shows too much."""

import io

import numpy as np
import pytest
from PIL import Image

from infer_p3m_portrait_matting.p3m.files.encode import PHOTO_FORMATS, encode_picture
from infer_p3m_portrait_matting.p3m.files.notes import Notes, read_notes

XMP = b"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:RDF><rdf:Description rdf:about=""
 xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
 xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" exif:GPSLatitude="48,51N" tiff:Orientation="6" photoshop:City="Paris">
 <dc:creator><rdf:Seq><rdf:li>Ann</rdf:li></rdf:Seq></dc:creator><xmp:Thumbnails>small face</xmp:Thumbnails>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


@pytest.fixture
def photo():
    exif = Image.Exif()
    exif[0x0112], exif[315] = 6, "Ann"
    exif.get_ifd(0x8769).update({0x9003: "2026:01:01 00:00:00", 0x927C: b"maker's secret"})
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 24.0)})
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "JPEG", exif=exif.tobytes(), xmp=XMP, dpi=(300, 200))
    return content.getvalue()


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".jpg"])
@pytest.mark.parametrize("keep_place", [False, True])
def test_notes_come_along_without_what_shows_too_much(photo, suffix, keep_place):
    picture = np.zeros((4, 4, 3), np.uint8)
    written = encode_picture(picture, suffix, notes=read_notes(photo, keep=True, keep_place=keep_place))
    with Image.open(io.BytesIO(written)) as image:
        image.load()
        exif = image.getexif()
        assert exif[315] == "Ann"
        assert exif.get_ifd(0x8769) == ({0x9003: "2026:01:01 00:00:00"} if suffix != ".tif" else {})
        assert exif.get(0x0112, 1) == 1
        assert (exif.get_ifd(0x8825).get(1) == "N") is (keep_place and suffix != ".tif")
        # The photo is turned, and its resolution with it.
        dpi = image.info.get("dpi") or (exif[282], exif[283])
        assert [round(float(value)) for value in dpi] == [200, 300]
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), picture)
    assert b"Ann</" in written
    for secret in (b"Orientation", b"secret", b"small face", b"48,51N"):
        assert secret not in written
    assert (b"Paris" in written) is keep_place


@pytest.mark.parametrize("suffix", list(PHOTO_FORMATS))
def test_without_a_wish_only_the_resolution_comes_along(photo, suffix):
    notes = read_notes(photo)
    assert notes == Notes((200, 300))
    written = encode_picture(np.zeros((4, 4), np.uint8), suffix, notes=notes)
    assert b"Ann" not in written
    with Image.open(io.BytesIO(written)) as image:
        dpi = image.info.get("dpi") or (image.getexif()[282], image.getexif()[283])
        assert [round(float(value)) for value in dpi] == [200, 300]


@pytest.mark.parametrize("xmp", [b"<x", b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', b"\0", b"<x/>"])
def test_what_cannot_be_read_is_left_out(xmp):
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "JPEG", xmp=xmp)
    assert read_notes(content.getvalue(), keep=True).xmp == b""
    assert read_notes(b"no picture", keep=True) == Notes()
    assert read_notes(b"", keep=True) == Notes()


def test_quality_is_that_of_jpeg_and_webp():
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    for suffix in (".jpg", ".webp"):
        sizes = [len(encode_picture(noise, suffix, quality)) for quality in (10, 60, None)]
        assert sizes == sorted(sizes)
        assert sizes[0] < sizes[2] / 2
    assert encode_picture(noise, ".png", 10) == encode_picture(noise, ".png")
