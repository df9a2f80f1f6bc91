"""List and read image files."""

from pathlib import Path

import cv2
import numpy as np

from .images import to_uint8

#: Suffixes of image files, in lower case; files may have them in any case.
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def list_images(folder: Path) -> list[Path]:
    """List the image files of a folder, sorted by name, without those of its subfolders."""
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES]


def read_rgb(path: Path) -> np.ndarray:
    """Read a file as uint8 [H, W, 3] RGB, rotated according to its EXIF orientation.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is no image.
    """
    return np.ascontiguousarray(_decode(path, cv2.IMREAD_COLOR)[..., ::-1])


def read_grey(path: Path) -> np.ndarray:
    """Read a file as uint8 [H, W]; everything else is as in :func:`read_rgb`."""
    return _decode(path, cv2.IMREAD_GRAYSCALE)


def read_rgba(path: Path) -> np.ndarray:
    """Read a file with an alpha channel as uint8 [H, W, 4] RGBA.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is no image or has no alpha channel.
    """
    image = _decode(path, cv2.IMREAD_UNCHANGED)
    if image.ndim != 3 or image.shape[2] != 4:
        raise ValueError(f"{path} is no image with an alpha channel")
    return to_uint8(cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA))


def _decode(path: Path, flags: int) -> np.ndarray:
    # cv2.imread ends the whole process at a file name that is not UTF-8.
    content = path.read_bytes()
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    except cv2.error:
        image = None
    if image is None:
        raise ValueError(f"{path} cannot be read as an image")
    return image
