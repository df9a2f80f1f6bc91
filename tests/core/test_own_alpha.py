"""What an editor rubbed out of a photo is in no result."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infer_p3m_portrait_matting.p3m import blurred_background, crop_to_fill, find_faces, load_photo
from infer_p3m_portrait_matting.p3m.arrays import check_alpha, check_image, on_white, opacity
from infer_p3m_portrait_matting.p3m.files.decode import decode
from infer_p3m_portrait_matting.p3m.files.read import read_rgb


def saved(array: np.ndarray, path: Path) -> Path:
    Image.fromarray(array).save(path)
    return path


@pytest.fixture(scope="module")
def rubbed_out(astronaut) -> np.ndarray:
    """A photo of which the right half is gone, and a stripe half."""
    own = np.full((128, 128), 255, np.uint8)
    own[:, 64:] = 0
    own[:, 60:64] = 51
    return np.dstack([astronaut[:128, 160:288], own])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, ">u2"])
def test_a_photo_is_seen_on_white(dtype, rubbed_out):
    scale = {"u1": 1, "u2": 257, "f4": 1 / 255}[np.dtype(dtype).str[1:]]
    given = (rubbed_out.astype(np.float64) * scale).astype(dtype)
    seen = on_white(given)
    assert seen.dtype == np.dtype(dtype).newbyteorder("=")
    white = 255 * scale
    np.testing.assert_allclose(seen[:, 64:], white, rtol=1e-6)
    np.testing.assert_array_equal(seen[:, :60], given[:, :60, :3])
    mixed = white + (given[:, 60:64, :3].astype(np.float64) - white) / 5
    np.testing.assert_allclose(seen[:, 60:64], mixed, atol=0.51 if scale >= 1 else 1e-6)
    np.testing.assert_allclose(opacity(given), rubbed_out[..., 3] / 255, atol=1e-6)


def test_what_is_opaque_is_not_copied(astronaut):
    opaque = np.dstack([astronaut, np.full(astronaut.shape[:2], 255, np.uint8)])
    assert opacity(opaque) is None
    assert np.shares_memory(on_white(opaque), opaque)
    for other in (astronaut, astronaut[..., 0], astronaut[..., :1]):
        assert opacity(other) is None
        assert np.shares_memory(on_white(other), other)


def test_a_file_keeps_its_alpha_unless_it_is_opaque(rubbed_out, tmp_path):
    path = saved(rubbed_out, tmp_path / "a.png")
    np.testing.assert_array_equal(load_photo(path), rubbed_out)
    np.testing.assert_array_equal(read_rgb(path), on_white(rubbed_out))
    opaque = rubbed_out.copy()
    opaque[..., 3] = 255
    np.testing.assert_array_equal(load_photo(saved(opaque, tmp_path / "b.png")), rubbed_out[..., :3])


def test_no_function_of_a_photo_sees_what_is_gone(rubbed_out):
    other = rubbed_out.copy()
    other[:, 64:, :3] = np.random.default_rng(0).integers(0, 256, (128, 64, 3))
    alpha = np.zeros(rubbed_out.shape[:2], np.float32)
    np.testing.assert_array_equal(blurred_background(rubbed_out, alpha), blurred_background(other, alpha))
    np.testing.assert_array_equal(crop_to_fill(rubbed_out, 60, 50), crop_to_fill(other, 60, 50))
    assert find_faces(rubbed_out) == find_faces(other)


def test_a_photo_of_which_nothing_is_left_says_so(rubbed_out, tmp_path):
    gone = rubbed_out.copy()
    gone[..., 3] = 0
    assert decode(saved(gone, tmp_path / "a.png").read_bytes(), "a.png").warnings == [
        "a.png is transparent everywhere, so nothing of it is left: save it without transparency"
    ]
    assert decode(saved(rubbed_out, tmp_path / "b.png").read_bytes(), "b.png").warnings == []


def test_a_grey_picture_with_alpha_keeps_it(rubbed_out):
    content = io.BytesIO()
    Image.fromarray(rubbed_out[..., [0, 3]]).save(content, "PNG")
    np.testing.assert_array_equal(load_photo(content.getvalue())[..., 3], rubbed_out[..., 3])


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_transparent_colour_of_a_png_is_gone(channels, bits):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    dtype, scale = (">u2", 257) if bits == 16 else (">u1", 1)
    stored = np.full((8, 8, channels), 100 * scale + 3, dtype)
    stored[:, 4:] = 200 * scale + 3
    rows = np.insert(stored.reshape(8, -1).view(np.uint8), 0, 0, axis=1).tobytes()
    key = struct.pack(f">{channels}H", *stored[0, 7].tolist())
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, bits, 0 if channels == 1 else 2, 0, 0, 0))
    content = b"\x89PNG\r\n\x1a\n" + head + chunk(b"tRNS", key) + chunk(b"IDAT", zlib.compress(rows))
    got = load_photo(content + chunk(b"IEND", b""))
    assert got[0, :, 3].tolist() == [255] * 4 + [0] * 4
    assert np.abs(got[0, 0, :3].astype(int) - stored[0, 0, 0] // scale).max() <= 1


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_matrix_is_named():
    with pytest.raises(TypeError, match=r"the image must be a numpy array, got a numpy matrix: np\.asarray"):
        check_image(np.matrix(np.zeros((4, 4), np.uint8)))
    with pytest.raises(TypeError, match=r"the matte must be a numpy array, got a numpy matrix: np\.asarray"):
        check_alpha(np.matrix(np.zeros((4, 4), np.float32)))
