"""Pictures made from a person's colours and matte."""

import cv2
import numpy as np
from PIL import ImageColor

from .hidden_colors import replace_hidden_colors
from .images import as_rgb, check_matte, to_uint8

#: Pixels in a strip of rows.
_STRIP = 2**16


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
            return ImageColor.getrgb(plain)[:3]
        except ValueError:
            pass
    raise ValueError(f"a colour must be like '#ffffff' or a CSS name such as 'white', got {text!r}")


def cutout(foreground: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Cut the person out.

    Args:
        foreground: the person's colours (:func:`~.foreground.estimate_foreground`), or the photo itself; as for
            :meth:`~.inference.PortraitMatting.matte`.
        alpha: float [H, W] in [0, 1].

    Returns:
        uint8 [H, W, 4] RGBA, with straight (not premultiplied) alpha. Where alpha is 0 or all but 0, nothing of
        ``foreground`` is left: see :func:`~.hidden_colors.replace_hidden_colors`.

    Raises:
        ValueError: the sizes differ.
        TypeError: the matte is not floating point.
    """
    check_matte(foreground, alpha)
    rgb = as_rgb(foreground)
    colors = np.ascontiguousarray(rgb) if rgb.dtype == np.uint8 else to_uint8(rgb)
    person = cv2.merge((*cv2.split(colors), to_uint8(alpha)))
    replace_hidden_colors(person)
    return person


def composite(
    foreground: np.ndarray, alpha: np.ndarray, background: tuple[int, int, int] | np.ndarray = (255, 255, 255)
) -> np.ndarray:
    """Put the person onto a colour or an image.

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
    background = np.asarray(background)
    if background.ndim == 1:
        background = background.astype(np.float32)
    if background.shape not in ((3,), (*alpha.shape, 3)):
        raise ValueError(f"the background is {background.shape}, the image {alpha.shape}: crop it to fill first")
    rgb = as_rgb(foreground)
    out = np.empty(rgb.shape, np.uint8)
    # In strips, whose floating-point copies stay in the cache.
    rows = max(_STRIP // alpha.shape[1], 1)
    for top in range(0, alpha.shape[0], rows):
        strip = slice(top, top + rows)
        behind = background if background.ndim == 1 else background[strip].astype(np.float32)
        blend = to_uint8(rgb[strip]).astype(np.float32)
        blend -= behind
        weight = np.ascontiguousarray(alpha[strip], np.float32)
        blend *= cv2.merge((weight, weight, weight))
        blend += behind
        # The half rounds; conversion to uint8 then cuts off.
        blend += 0.5
        out[strip] = blend
    return out
