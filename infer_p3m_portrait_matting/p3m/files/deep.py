"""Make pictures of 16 bits from photos of 16 bits; all other modules compute colours in 8 bits."""

import cv2
import numpy as np

from ..arrays import to_uint8
from . import png, tiff

#: Where a PNG says how many bits its values have.
_PNG_DEPTH = 24


def has_16_bits(content: bytes) -> bool:
    """Tell whether an image file, which decode accepts, holds 16 bits per value."""
    if png.is_png(content):
        return content[_PNG_DEPTH] == 16
    layout = tiff.layout_of(content, "") if tiff.is_tiff(content) else None
    return layout is not None and max(layout.bits, default=8) == 16


def deep_photo(content: bytes, image: np.ndarray) -> np.ndarray | None:
    """Read the 16-bit colours of a photo, if :func:`~.decode.decode` has only rounded them.

    Args:
        content: the file, which decode accepts.
        image: uint8 [H, W, 3 or 4], the photo that decode returned.

    Returns:
        uint16 [H, W, 3] RGB. None if the file has 8 bits, or if a profile or an orientation has changed its colours or
        its shape.
    """
    if not has_16_bits(content):
        return None
    try:
        read = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        read = None
    if read is None or read.dtype != np.uint16 or read.shape[:2] != image.shape[:2]:
        return None
    colors = np.dstack([read] * 3) if read.ndim == 2 else np.ascontiguousarray(read[..., 2::-1])
    # Some readers round, others drop the lower bits.
    is_same = cv2.absdiff(to_uint8(colors), np.ascontiguousarray(image[..., :3])).max() <= 1
    return colors if is_same else None


def deep_matte(alpha: np.ndarray) -> np.ndarray:
    """Round a matte, float [H, W] in [0, 1], to uint16 [H, W]."""
    return np.rint(np.clip(alpha, 0, 1) * 65535).astype(np.uint16)


def deep_cutout(person: np.ndarray, alpha: np.ndarray, image: np.ndarray, deep: np.ndarray | None = None) -> np.ndarray:
    """Give a cut-out the 16 bits of its matte, and those of the photo where the cut-out shows the photo unchanged.

    Colours that were computed in 8 bits, such as hidden faces and the colours of hair, stay unchanged.

    Args:
        person: uint8 [H, W, 4] RGBA, the cut-out.
        alpha: its matte, float [H, W] in [0, 1].
        image: uint8 [H, W, 3 or more], the same part of the photo.
        deep: uint16 [H, W, 3], the same part from :func:`deep_photo`.

    Returns:
        uint16 [H, W, 4] RGBA, straight alpha.
    """
    colors = person[..., :3].astype(np.uint16) * 257
    if deep is not None:
        as_it_is = (person[..., :3] == image[..., :3]).all(2)
        colors[as_it_is] = deep[as_it_is]
    return np.dstack([colors, deep_matte(alpha)])
