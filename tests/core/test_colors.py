"""Colours that a file describes by numbers, by a gamma or by a grey profile become sRGB."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from infer_p3m_portrait_matting.p3m.files import colors, heif
from infer_p3m_portrait_matting.p3m.files.decode import decode, rgb_of
from infer_p3m_portrait_matting.p3m.files.read import read_grey, read_matte


@pytest.fixture(scope="module")
def photo(astronaut) -> np.ndarray:
    return np.ascontiguousarray(astronaut[:96, 100:228])


def encoded(array: np.ndarray, form: str = "PNG", **options) -> bytes:
    content = io.BytesIO()
    Image.fromarray(array).save(content, form, **options)
    return content.getvalue()


def with_chunks(content: bytes, **chunks: bytes) -> bytes:
    """A PNG with chunks behind its header."""
    more = b""
    for name, data in chunks.items():
        kind = name.encode()
        more += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return content[:33] + more + content[33:]


def light_of(srgb: np.ndarray) -> np.ndarray:
    x = srgb / 255
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def value_of(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def pq(light: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084, for light that is 1 for white at 203 cd/m2."""
    power = (light * 203 / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg(light: np.ndarray) -> np.ndarray:
    """ITU-R BT.2100: light of a display of 1000 cd/m2, 1 for white at 203 cd/m2, back to the values of a signal."""
    shown = light * 0.203
    luma = shown @ np.array([0.2627, 0.6780, 0.0593])
    scene = shown * np.maximum(luma, 1e-9)[..., None] ** (1 / 1.2 - 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


#: From light of sRGB to that of BT.2020 (ITU-R BT.2087) and of Display P3 (SMPTE EG 432-1).
TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
TO_P3 = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])

NUMBERS = {
    "Display P3": (12, 13, lambda light: value_of(light @ TO_P3.T), 1),
    "BT.2020": (9, 14, lambda light: value_of(light @ TO_2020.T), 1),
    "linear": (1, 8, lambda light: light, 3),
    "gamma 2.2": (1, 4, lambda light: light ** (1 / 2.2), 1),
    "PQ": (9, 16, lambda light: pq(light @ TO_2020.T), 2),
    "HLG": (9, 18, lambda light: hlg(light @ TO_2020.T), 2),
}


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("alpha", [False, True])
def test_numbers_in_a_png_become_srgb(alpha, kind, photo):
    primaries, transfer, store, most = NUMBERS[kind]
    stored = np.rint(store(light_of(photo)).clip(0, 1) * 255).astype(np.uint8)
    own = np.full((*photo.shape[:2], 1), 77, np.uint8)
    content = encoded(np.dstack([stored, own]) if alpha else stored)
    image, warnings = decode(with_chunks(content, cICP=bytes([primaries, transfer, 0, 1])), "a.png")
    assert warnings == []
    assert np.abs(image[..., :3].astype(int) - photo).mean() < most
    assert np.abs(stored.astype(int) - photo).mean() > 1
    if alpha:
        assert (image[..., 3] == 77).all()


@pytest.mark.parametrize("kind", ["PQ", "HLG", "linear"])
@pytest.mark.parametrize("deep", [False, True])
def test_numbers_of_grey(deep, kind, photo):
    primaries, transfer, store, most = NUMBERS[kind]
    grey = photo[..., 1]
    values = store(light_of(np.dstack([grey] * 3))).clip(0, 1)[..., 0]
    stored = np.rint(values * 65535).astype(np.uint16) if deep else np.rint(values * 255).astype(np.uint8)
    image, warnings = decode(with_chunks(encoded(stored), cICP=bytes([primaries, transfer, 0, 1])), "a.png")
    assert (image.dtype, image.shape, warnings) == (stored.dtype, grey.shape, [])
    assert np.abs(rgb_of(image)[..., 0].astype(int) - grey).mean() < (1 if deep else most)


@pytest.mark.parametrize("transfer", [16, 18])
def test_what_is_brighter_than_white_is_dimmed_and_keeps_its_shape(transfer):
    light = np.repeat(np.linspace(0, 4, 256)[None, :, None], 64, 0).repeat(3, 2)
    stored = np.rint((pq(light) if transfer == 16 else hlg(light)) * 255).astype(np.uint8)
    row = colors.from_numbers(stored, 9, transfer, "a", [])[0, :, 1].astype(int)
    assert (np.diff(row) >= 0).all()
    assert row[-1] >= 254
    assert np.unique(row[64:]).size > 10
    assert (row == 255).mean() < 0.2
    dark = light[0, :, 1] < 0.7
    assert np.abs(row[dark] - value_of(light[0, dark, 1]) * 255).mean() < 3


def test_unknown_numbers_are_said(photo):
    image, warnings = decode(with_chunks(encoded(photo), cICP=bytes([200, 13, 0, 1])), "a.png")
    np.testing.assert_array_equal(image, photo)
    assert warnings == [
        "a.png: its colours (primaries 200, transfer 13) are unknown and taken as sRGB: convert it to sRGB first"
    ]


def nclx(content: bytes, primaries: int, transfer: int) -> bytes:
    """Exchange the numbers in the only box of them."""
    assert content.count(b"colrnclx") == 1
    place = content.index(b"colrnclx") + 8
    return content[:place] + struct.pack(">HH", primaries, transfer) + content[place + 4 :]


@pytest.mark.parametrize("form", ["AVIF", "HEIF"])
@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_in_avif_and_heic_become_srgb(kind, form, photo):
    opener = pytest.importorskip("pillow_heif")
    opener.register_heif_opener()
    primaries, transfer, store, _ = NUMBERS[kind]
    stored = np.rint(store(light_of(photo)).clip(0, 1) * 255).astype(np.uint8)
    content = nclx(encoded(stored, form, quality=95), primaries, transfer)
    assert heif.color_numbers(content) == (primaries, transfer)
    image, warnings = decode(content, "a")
    assert warnings == []
    plain = decode(encoded(stored, form, quality=95), "a").image
    np.testing.assert_array_equal(image, colors.from_numbers(plain, primaries, transfer, "a", []))
    assert np.abs(image.astype(int) - photo).mean() < 0.6 * max(np.abs(plain.astype(int) - photo).mean(), 8)


def test_the_boxes_of_damaged_heif_end_in_nothing(photo):
    content = encoded(photo, "AVIF")
    end = content.index(b"mdat")
    rng = np.random.default_rng(0)
    for _ in range(2000):
        damaged = np.frombuffer(content[:end], np.uint8).copy()
        damaged[rng.integers(0, end, 4)] = rng.integers(0, 256, 4)
        found = heif.color_numbers(damaged.tobytes())
        assert found is None or len(found) == 2


GAMAS = {
    "linear": (100_000, lambda light: light, 3),
    "1.8": (55_556, lambda light: light ** (1 / 1.8), 1),
    "2.2": (45_455, value_of, 0.01),
}


@pytest.mark.parametrize("kind", GAMAS)
def test_the_gamma_of_a_png_counts_as_in_browsers(kind, photo):
    gamma, store, most = GAMAS[kind]
    stored = np.rint(store(light_of(photo)) * 255).astype(np.uint8)
    content = with_chunks(encoded(stored), gAMA=struct.pack(">I", gamma))
    assert np.abs(decode(content, "a.png").image.astype(int) - photo).mean() < most
    # What says that it is sRGB is that, whatever gamma stands beside it.
    content = with_chunks(encoded(stored), gAMA=struct.pack(">I", gamma), sRGB=b"\0")
    np.testing.assert_array_equal(decode(content, "a.png").image, stored)


def test_the_primaries_of_a_png_count_with_its_gamma(photo):
    stored = np.rint(value_of((light_of(photo) @ TO_P3.T).clip(0, 1)) * 255).astype(np.uint8)
    p3 = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
    alone = decode(with_chunks(encoded(stored), cHRM=p3), "a.png").image
    np.testing.assert_array_equal(alone, stored)
    both = decode(with_chunks(encoded(stored), gAMA=struct.pack(">I", 45455), cHRM=p3), "a.png").image
    assert np.abs(both.astype(int) - photo).mean() < 1


@pytest.mark.parametrize("gamma", [0, 1, 4_000_000_000])
@pytest.mark.parametrize("chroma", [bytes(32), b"\xff" * 32, struct.pack(">8I", *[33333] * 8)])
def test_a_gamma_that_makes_no_sense_changes_nothing(chroma, gamma, photo):
    content = with_chunks(encoded(photo), gAMA=struct.pack(">I", gamma), cHRM=chroma)
    np.testing.assert_array_equal(decode(content, "a.png").image, photo)
    content = with_chunks(encoded(photo), gAMA=struct.pack(">I", 45455), cHRM=chroma)
    np.testing.assert_array_equal(decode(content, "a.png").image, photo)


def grey_profile(gamma: float) -> bytes:
    """An ICC profile of grey with this gamma (ICC.1:2010)."""
    white = struct.pack(">4siIII", b"XYZ ", 0, 63190, 65536, 54061)
    curve = struct.pack(">4siIH", b"curv", 0, 1, round(gamma * 256)) + bytes(2)
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"grey\0" + bytes(78) + bytes(1)
    parts = [(b"desc", text), (b"wtpt", white), (b"kTRC", curve)]
    place, table, body = 128 + 4 + 12 * len(parts), b"", b""
    for name, data in parts:
        table += struct.pack(">4sII", name, place + len(body), len(data))
        body += data.ljust(-(-len(data) // 4) * 4, b"\0")
    size = place + len(body)
    head = struct.pack(">I4sI4s4s4s12s4s", size, b"lcms", 0x02400000, b"mntr", b"GRAY", b"XYZ ", bytes(12), b"acsp")
    head = head.ljust(68, b"\0") + struct.pack(">III", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(parts)) + table + body


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_the_profile_of_a_grey_picture_counts(form, photo, tmp_path):
    grey, profile = photo[..., 0], grey_profile(1.8)
    stored = np.rint(light_of(grey) ** (1 / 1.8) * 255).astype(np.uint8)
    options = {"quality": 98} if form == "JPEG" else {}
    image, warnings = decode(encoded(stored, form, icc_profile=profile, **options), "a")
    assert (image.shape, warnings) == (grey.shape, [])
    assert np.abs(image.astype(int) - grey).mean() < 2
    assert np.abs(stored.astype(int) - grey).mean() > 3
    if form == "JPEG":
        return
    both = np.dstack([stored, grey])
    image, _ = decode(encoded(both, form, icc_profile=profile), "a")
    assert np.abs(image[..., :3].astype(int) - grey[..., None]).mean() < 2
    np.testing.assert_array_equal(image[..., 3], grey)
    deep = np.rint(light_of(grey) ** (1 / 1.8) * 65535).astype(np.uint16)
    image, _ = decode(encoded(deep, form, icc_profile=profile), "a")
    assert image.dtype == np.uint16
    assert np.abs(image / 257 - grey).mean() < 1
    # A matte is no colour.
    path = tmp_path / "matte"
    path.write_bytes(encoded(stored, form, icc_profile=profile))
    np.testing.assert_array_equal(read_matte(path), stored)
    np.testing.assert_array_equal(read_grey(path), stored)


def test_a_grey_picture_with_the_profile_of_colours_stays(photo):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image, warnings = decode(encoded(photo[..., 0], "JPEG", quality=95, icc_profile=profile), "a")
    assert warnings == []
    assert np.abs(image.astype(int) - photo[..., 0]).mean() < 2
