"""List and read image files."""

import os
from pathlib import Path

import numpy as np

from .decode import decode_image, matte_of, rgb_of

#: Suffixes of image files, in lower case; files may have them in any case. HEIC needs the package pillow-heif.
SUFFIXES = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff"),
    *(".jp2", ".heic", ".heif", ".hif", ".avif", ".gif", ".ico"),
)


def list_images(folder: Path) -> list[Path]:
    """List the image files in a folder, sorted by name; leave out its subfolders."""
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES and path.is_file()]


def read_rgb(path: Path) -> np.ndarray:
    """Read a file as uint8 [H, W, 3] RGB in sRGB, rotated according to its EXIF orientation (see :mod:`.decode`).

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not an image, is damaged, or is too large.
    """
    return rgb_of(_decode(path))


def read_matte(path: Path) -> np.ndarray:
    """Read a matte as uint8 [H, W]: the file's alpha channel unless it is opaque everywhere, else its grey.

    Raises:
        OSError, ValueError: as :func:`read_rgb`.
    """
    return matte_of(_decode(path))


def read_grey(path: Path) -> np.ndarray:
    """Read a file as uint8 [H, W], whatever its alpha; otherwise as :func:`read_rgb`."""
    array = _decode(path)
    return matte_of(array[..., :3] if array.ndim == 3 else array)


def read_rgba(path: Path) -> np.ndarray:
    """Read a file with an alpha channel as uint8 [H, W, 4] RGBA.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not an image or has no alpha channel.
    """
    image = _decode(path)
    if image.ndim != 3 or image.shape[2] != 4:
        raise ValueError(f"{path} is no image with an alpha channel")
    return image


def _decode(path: Path) -> np.ndarray:
    # Pass bytes, not names: the readers of OpenCV and Pillow do not accept every file name.
    return decode_image(path.read_bytes(), printable(path))


def printable(path: Path | str) -> str:
    """Return a file's name for messages, with bytes that are not UTF-8 as escapes, which print would fail on."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
