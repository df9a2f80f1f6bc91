"""Load a photo as an array from a path, a file or its bytes, a PIL image, a torch tensor, or an array."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, Union, cast

import numpy as np
from PIL import Image

from .decode import decode_image, photo_of
from .formats import READ
from .limits import max_bytes
from .pil_images import BROKEN, from_pillow
from .read import read_content

if TYPE_CHECKING:
    from torch import Tensor

#: What :func:`load_photo` and :class:`~..inference.portrait_matting.PortraitMatting` take for a photo. The EXIF
#: orientation of files and PIL images is applied.
Photo: TypeAlias = Union[np.ndarray, str, PathLike[str], bytes, BinaryIO, Image.Image, "Tensor"]

#: uint16 of the other byte order.
_FOREIGN = np.dtype(np.uint16).newbyteorder("S")


def load_photo(photo: Photo) -> np.ndarray:
    """Return a photo as an array.

    >>> photo = load_photo("portrait.jpg")  # or its bytes, an open file, a PIL image or a torch tensor
    >>> photo.shape, photo.dtype.name
    ((512, 512, 3), 'uint8')

    Args:
        photo: an array, which is returned unchanged (but for uint16 of a foreign byte order, which becomes the
            machine's); the path of an image file; the bytes of one; a file that is open in binary mode, such as
            ``io.BytesIO``, which is read from where it stands; a PIL image; or a torch tensor [C, H, W] as torchvision
            gives it, C 1, 3 or 4, uint8 or floating point in [0, 1], on any device.

    Returns:
        The array itself; or, from a file, uint8 [H, W, 3] RGB, or [H, W, 4] RGBA unless it is opaque everywhere; or
        [H, W, C] from a tensor, of the tensor's dtype (float32 if that is floating point); or, from a PIL image, by its
        mode, uint8 [H, W], [H, W, 3] RGB, [H, W, 4] RGBA if it has transparency, or uint16 [H, W]. Colours become sRGB
        (:func:`~.decode.decode`).

    Raises:
        TypeError: the photo is none of these.
        OSError: the file cannot be read.
        ValueError: the bytes or the file are not an image or cannot be decoded, or the tensor has another shape.
    """
    if isinstance(photo, np.ndarray):
        # Comparisons with np.uint16, and PyTorch, accept only the machine's byte order.
        return photo.astype(np.uint16) if photo.dtype == _FOREIGN else photo
    if isinstance(photo, Image.Image):
        return _from_pil(photo, "the PIL image")
    if isinstance(photo, (bytes, bytearray, memoryview)):
        return photo_of(decode_image(bytes(photo), "the photo"))
    if isinstance(photo, (str, PathLike)):
        return photo_of(decode_image(read_content(Path(photo)), str(photo)))
    if hasattr(photo, "permute"):
        return _from_tensor(cast("Tensor", photo))
    content = photo.read(max_bytes() + 1) if hasattr(photo, "read") else None
    if isinstance(content, bytes):
        return photo_of(decode_image(content, "the photo"))
    if isinstance(content, str):
        raise TypeError("the photo is a file that is open as text: open it in binary mode, 'rb'")
    raise TypeError(
        "the photo must be a numpy array, a path, an image file or its bytes, a torch tensor or a PIL image, "
        f"got {type(photo).__name__}"
    )


def _from_tensor(photo: "Tensor") -> np.ndarray:
    """Return a torch tensor [C, H, W] as an array; without importing torch, which may not be installed."""
    if photo.ndim != 3 or photo.shape[0] not in (1, 3, 4):
        raise ValueError(
            f"a photo as a torch tensor must be [C, H, W] with 1, 3 or 4 channels, got {list(photo.shape)}: "
            "one photo, channels first"
        )
    pixels = photo.detach().cpu().permute(1, 2, 0)
    return np.ascontiguousarray((pixels.float() if pixels.is_floating_point() else pixels).numpy())


def _from_pil(image: Image.Image, name: str) -> np.ndarray:
    if image.format not in (None, "MPO", *READ):
        # Loading it may start another program, as for EPS.
        raise ValueError(f"{name} is {image.format}, a format that is not read: convert it to RGB first")
    if image.mode in ("I", "F"):
        raise ValueError(f"{name} has 32 bits a pixel (mode {image.mode}): convert it to 8 or 16 bits first")
    try:
        return from_pillow(image, name)
    except BROKEN as error:
        raise ValueError(f"{name} cannot be read as an image: {error}") from error
