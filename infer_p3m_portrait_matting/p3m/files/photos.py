"""Load a photo as an array from a path, the bytes of a file, a PIL image, or an array."""

from os import PathLike
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from .decode import BROKEN, decode_image, from_pillow, rgb_of

#: What :func:`load_photo` and :class:`~..inference.portrait_matting.PortraitMatting` take for a photo. The EXIF
#: orientation of files and PIL images is applied.
Photo: TypeAlias = np.ndarray | str | PathLike[str] | bytes | Image.Image

#: uint16 of the other byte order.
_FOREIGN = np.dtype(np.uint16).newbyteorder("S")


def load_photo(photo: Photo) -> np.ndarray:
    """Return a photo as an array.

    >>> photo = load_photo("portrait.jpg")  # or its bytes, or a PIL image
    >>> photo.shape, photo.dtype.name
    ((512, 512, 3), 'uint8')

    Args:
        photo: an array, which is returned unchanged (but for uint16 of a foreign byte order, which becomes the
            machine's); the path of an image file; the bytes of one; or a PIL image.

    Returns:
        The array itself; or uint8 [H, W, 3] RGB from a file; or, from a PIL image, according to its mode, uint8
        [H, W], [H, W, 3] RGB, [H, W, 4] RGBA if it has transparency, or uint16 [H, W]. Colours with an embedded profile
        become sRGB.

    Raises:
        TypeError: the photo is none of these.
        OSError: the file cannot be read.
        ValueError: the bytes or the file are not an image, or the image cannot be decoded.
    """
    if isinstance(photo, np.ndarray):
        # Code that compares with np.uint16, and Torch, know the machine's byte order alone.
        return photo.astype(np.uint16) if photo.dtype == _FOREIGN else photo
    if isinstance(photo, Image.Image):
        return _from_pil(photo, "the PIL image")
    if isinstance(photo, (bytes, bytearray, memoryview)):
        return rgb_of(decode_image(bytes(photo), "the photo"))
    if isinstance(photo, (str, PathLike)):
        return rgb_of(decode_image(Path(photo).read_bytes(), str(photo)))
    raise TypeError(
        "the photo must be a numpy array, a path, the bytes of an image file or a PIL image, "
        f"got {type(photo).__name__}"
    )


def _from_pil(image: Image.Image, name: str) -> np.ndarray:
    if image.mode in ("I", "F"):
        raise ValueError(f"{name} has 32 bits a pixel (mode {image.mode}): convert it to 8 or 16 bits first")
    try:
        return from_pillow(image, name)
    except BROKEN as error:
        raise ValueError(f"{name} cannot be read as an image: {error}") from error
