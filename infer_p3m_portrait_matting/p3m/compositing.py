"""Pictures made from a person's colours and matte."""

import numpy as np
from PIL import ImageColor

from .preprocess import as_rgb, check_image


def parse_color(text: str) -> tuple[int, int, int]:
    """Read "#rrggbb" or the name of a CSS colour, such as "white" or "SteelBlue".

    Returns:
        Red, green and blue in 0 to 255.

    Raises:
        ValueError: the text is no such colour.
    """
    plain = text.lower()
    if plain in ImageColor.colormap or (plain.startswith("#") and len(plain) == 7):
        try:
            return ImageColor.getrgb(plain)
        except ValueError:
            pass
    raise ValueError(f"a colour must be like '#ffffff' or a CSS name such as 'white', got {text!r}")


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


def cutout(foreground: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Cut the person out.

    Args:
        foreground: the person's colours (:func:`~.foreground.estimate_foreground`), or the photo itself; as for
            :meth:`~.inference.PortraitMatting.matte`.
        alpha: float [H, W] in [0, 1].

    Returns:
        uint8 [H, W, 4] RGBA, with straight (not premultiplied) alpha.

    Raises:
        ValueError: the sizes differ.
        TypeError: the matte is not floating point.
    """
    check_matte(foreground, alpha)
    return np.dstack([to_uint8(as_rgb(foreground)), to_uint8(alpha)])


def composite(
    foreground: np.ndarray, alpha: np.ndarray, background: tuple[int, int, int] | np.ndarray = (255, 255, 255)
) -> np.ndarray:
    """Put the person onto a colour or a picture.

    Args:
        foreground: the person's colours (:func:`~.foreground.estimate_foreground`), or the photo itself; as for
            :meth:`~.inference.PortraitMatting.matte`.
        alpha: float [H, W] in [0, 1].
        background: red, green and blue in 0 to 255, or uint8 [H, W, 3] RGB.

    Returns:
        uint8 [H, W, 3] RGB.

    Raises:
        ValueError: the sizes differ.
        TypeError: the matte is not floating point.
    """
    check_matte(foreground, alpha)
    behind = np.asarray(background, np.float32)
    if behind.shape not in ((3,), (*alpha.shape, 3)):
        raise ValueError(f"the background is {behind.shape}, the image {alpha.shape}: crop it to fill first")
    blend = to_uint8(as_rgb(foreground)).astype(np.float32)
    blend -= behind
    blend *= alpha[..., None]
    blend += behind
    # The half rounds; conversion to uint8 then cuts off.
    blend += 0.5
    return blend.astype(np.uint8)


def check_matte(image: np.ndarray, alpha: np.ndarray) -> None:
    """Refuse an image that is none, and a matte that does not belong to it (see :func:`cutout`)."""
    check_image(image)
    if alpha.shape != image.shape[:2]:
        raise ValueError(f"the matte is {alpha.shape}, the image {image.shape[:2]}: they must have one size")
    if alpha.dtype.kind != "f":
        raise TypeError(f"the matte must be floating point in [0, 1], got {alpha.dtype}: divide 8 bits by 255")
