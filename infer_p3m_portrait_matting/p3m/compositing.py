"""Pictures made from a photo and its matte."""

import re

import numpy as np

from .preprocess import as_rgb, check_image


def parse_color(text: str) -> tuple[int, int, int]:
    """Read "#rrggbb".

    Returns:
        Red, green and blue in 0 to 255.

    Raises:
        ValueError: the text is no such colour.
    """
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise ValueError(f"background must be a colour like '#ffffff', got {text!r}")
    return tuple(bytes.fromhex(text[1:]))


def to_uint8(x: np.ndarray) -> np.ndarray:
    """Round an image or a matte to 8 bits.

    Args:
        x: uint8, uint16 or float in [0, 1], of any shape.

    Returns:
        A new uint8 array of the same shape.
    """
    if x.dtype == np.uint8:
        return x.copy()
    if x.dtype == np.uint16:
        return ((x.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return (x.astype(np.float32) * 255 + 0.5).astype(np.uint8)


def cutout(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Cut the person out.

    Args:
        image: as for :meth:`~.inference.PortraitMatting.matte`.
        alpha: float [H, W] in [0, 1].

    Returns:
        uint8 [H, W, 4] RGBA, with straight (not premultiplied) alpha.

    Raises:
        ValueError: the sizes differ.
        TypeError: the matte is not floating point.
    """
    _check(image, alpha)
    return np.dstack([to_uint8(as_rgb(image)), to_uint8(alpha)])


def composite(image: np.ndarray, alpha: np.ndarray, background: tuple[int, int, int] = (255, 255, 255)) -> np.ndarray:
    """Put the person onto a colour.

    Args:
        image: as for :meth:`~.inference.PortraitMatting.matte`.
        alpha: float [H, W] in [0, 1].
        background: red, green and blue in 0 to 255.

    Returns:
        uint8 [H, W, 3] RGB.

    Raises:
        ValueError: the sizes differ.
        TypeError: the matte is not floating point.
    """
    _check(image, alpha)
    color = np.asarray(background, np.float32)
    blend = to_uint8(as_rgb(image)).astype(np.float32)
    blend -= color
    blend *= alpha[..., None]
    # The half rounds; conversion to uint8 then cuts off.
    blend += color + 0.5
    return blend.astype(np.uint8)


def _check(image: np.ndarray, alpha: np.ndarray) -> None:
    check_image(image)
    if alpha.shape != image.shape[:2]:
        raise ValueError(f"the matte is {alpha.shape}, the image {image.shape[:2]}: they must have one size")
    if alpha.dtype.kind != "f":
        raise TypeError(f"the matte must be floating point in [0, 1], got {alpha.dtype}: divide 8 bits by 255")
