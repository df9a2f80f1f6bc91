"""Load a photo as an array from a path, the bytes of a file, a PIL image, or an array."""

import functools
import inspect
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
from PIL import Image

from .decode import BROKEN, decode_image, from_pillow, rgb_of

#: The types that every function accepts for a photo. The EXIF orientation of files and PIL images is applied.
Photo: TypeAlias = np.ndarray | str | PathLike[str] | bytes | Image.Image

Result = TypeVar("Result")

#: uint16 of the other byte order.
_FOREIGN = np.dtype(np.uint16).newbyteorder("S")

#: File formats that Pillow reads and OpenCV may not: HEIC with the package pillow-heif, the others by itself.
HEIF_SUFFIXES = (".heic", ".heif", ".hif")
PILLOW_SUFFIXES = (*HEIF_SUFFIXES, ".avif", ".gif", ".jfif", ".ico")

_INSTALL_HEIF = 'pip install "pillow-heif>=1,<2"'


def load_photo(photo: Photo) -> np.ndarray:
    """Return a photo as an array.

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
        return decode_photo(bytes(photo), "the photo")
    if isinstance(photo, (str, PathLike)):
        return decode_photo(Path(photo).read_bytes(), str(photo))
    raise TypeError(
        "the photo must be a numpy array, a path, the bytes of an image file or a PIL image, "
        f"got {type(photo).__name__}"
    )


def decode_photo(content: bytes, name: str) -> np.ndarray:
    """Decode the content of an image file: whole, upright and in sRGB, as :func:`~.decode.decode_image` does.

    Args:
        content: the whole file.
        name: its name in messages.

    Returns:
        uint8 [H, W, 3] RGB, upright and in sRGB.

    Raises:
        ValueError: it is not an image, or cannot be decoded; the message names a package that would help, if any.
    """
    if _is_heif(content) and not _register_heif():
        raise ValueError(f"{name} is HEIC: reading it needs the package pillow-heif: {_INSTALL_HEIF}")
    return rgb_of(decode_image(content, name))


def takes_photo(name: str) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Decorate a function so that one of its arguments may be any :data:`Photo`; the function itself sees an array.

    Args:
        name: of the argument.
    """

    def decorate(function: Callable[..., Result]) -> Callable[..., Result]:
        signature = inspect.signature(function)
        place = list(signature.parameters).index(name)

        @functools.wraps(function)
        def with_array(*args: Any, **kwargs: Any) -> Result:
            if len(args) > place:
                args = (*args[:place], load_photo(args[place]), *args[place + 1 :])
            elif name in kwargs:
                kwargs[name] = load_photo(kwargs[name])
            return function(*args, **kwargs)

        shown = [p.replace(annotation=Photo) if p.name == name else p for p in signature.parameters.values()]
        with_array.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
        return with_array

    return decorate


def _from_pil(image: Image.Image, name: str) -> np.ndarray:
    if image.mode in ("I", "F"):
        raise ValueError(f"{name} has 32 bits a pixel (mode {image.mode}): convert it to 8 or 16 bits first")
    try:
        return from_pillow(image, name)
    except BROKEN as error:
        raise ValueError(f"{name} cannot be read as an image: {error}") from error


@functools.cache
def _register_heif() -> bool:
    """Let Pillow read HEIC, if the package for it is installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def _is_isobmff(content: bytes) -> bool:
    """Tell whether a file is HEIC or AVIF, or of their family (ISO/IEC 14496-12)."""
    return content[4:8] == b"ftyp"


def _is_heif(content: bytes) -> bool:
    """Tell whether a file says that it is HEIC (ISO/IEC 23008-12, annex B)."""
    return _is_isobmff(content) and content[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
