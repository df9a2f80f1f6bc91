"""List and read image files."""

import os
from pathlib import Path

import numpy as np
from PIL import Image, TiffImagePlugin

from ..errors import printable
from . import heif, tiff
from .decode import decode_image, matte_of, rgb_of
from .formats import SUFFIXES, readable
from .limits import check_bytes, max_bytes

#: Bytes at the beginning of a file that tell HEIC, AVIF and raw files from others.
_HEAD = 1024


def list_images(folder: Path) -> list[Path]:
    """List the image files in a folder, sorted by name; leave out its subfolders."""
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES and path.is_file()]


def is_image_file(path: Path) -> bool:
    """Tell whether a file is an image in a format that is read: by its suffix, or else by its content.

    A camera's raw file is not, although Pillow opens the preview in it. HEIC and AVIF are, even if the package that
    they need is missing; the functions that read files name that package.
    """
    if path.suffix.lower() in SUFFIXES:
        return True
    if not path.is_file():  # looking into a pipe would take bytes from its reader
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            if heif.kind_of(head):
                return True
            with Image.open(file, formats=readable()) as image:
                return not (isinstance(image, TiffImagePlugin.TiffImageFile) and tiff.is_raw(image.tag_v2, head))
    except Image.DecompressionBombError:
        return True  # the functions that read files have another limit, and name it
    except Exception:  # a damaged file can make Pillow raise anything
        return False


def read_rgb(path: Path) -> np.ndarray:
    """Read a file as uint8 [H, W, 3] RGB in sRGB, upright; alpha is put on white (see :mod:`.decode`).

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not an image, is damaged, or is too large.
    """
    return rgb_of(_decode(path))


def read_matte(path: Path) -> np.ndarray:
    """Read a matte as uint8 [H, W]: the file's alpha channel unless it is opaque everywhere, else its grey.

    Its values are not colours: profiles and gammas change nothing.

    Raises:
        OSError, ValueError: as :func:`read_rgb`.
    """
    return matte_of(_decode(path, as_data=True))


def read_grey(path: Path) -> np.ndarray:
    """Read a file as uint8 [H, W], whatever its alpha; otherwise as :func:`read_matte`."""
    array = _decode(path, as_data=True)
    return matte_of(array[..., :3] if array.ndim == 3 else array)


def read_data(path: Path) -> np.ndarray:
    """Read a file as it is, such as strokes in colour: uint8 [H, W], [H, W, 3] or [H, W, 4], or uint16 [H, W].

    Raises:
        OSError, ValueError: as :func:`read_rgb`.
    """
    return _decode(path, as_data=True)


def read_rgba(path: Path) -> np.ndarray:
    """Read a file with an alpha channel as uint8 [H, W, 4] RGBA.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not an image or has no alpha channel.
    """
    image = _decode(path)
    if image.ndim != 3 or image.shape[2] != 4:
        raise ValueError(f"{path} is not an image with an alpha channel")
    return image


def read_content(path: Path) -> bytes:
    """Read an image file whole, unless it has more bytes than any picture needs (:mod:`.limits`).

    Raises:
        OSError: the file cannot be read.
        ValueError: it is too large.
    """
    with open(path, "rb") as file:
        check_bytes(os.fstat(file.fileno()).st_size, printable(path))
        # A pipe has no size: read one byte more than possible, which decode refuses.
        return file.read(max_bytes() + 1)


def _decode(path: Path, as_data: bool = False) -> np.ndarray:
    # Pass bytes, not names: the readers of OpenCV and Pillow do not accept every file name.
    return decode_image(read_content(path), str(path), as_data)
