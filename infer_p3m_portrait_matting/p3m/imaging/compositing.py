"""Make cut-outs and composites from a person's colours and matte."""

import cv2
import numpy as np

from ..arrays import as_rgb, check_matte, strips, to_uint8
from .alpha_bleeding import replace_hidden_colors
from .named_colors import parse_color


def cutout(foreground: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Make the cut-out.

    >>> person = cutout(estimate_foreground(photo, alpha), alpha)
    >>> person.shape, person.dtype.name
    ((512, 512, 4), 'uint8')

    Args:
        foreground: the person's colours (:func:`~.foreground.estimate_foreground`), or the photo itself; an
            array that :func:`~..arrays.check_image` accepts.
        alpha: float [H, W] in [0, 1].

    Returns:
        uint8 [H, W, 4] RGBA, with straight (not premultiplied) alpha. Where alpha is (almost) 0, the foreground's
        colours are replaced, so that the file does not reveal the background: see
        :func:`~.alpha_bleeding.replace_hidden_colors`.

    Raises:
        ValueError: the sizes differ, or the matte lies outside [0, 1].
        TypeError: the foreground is not an array of such a dtype, or the matte is not floating point.
    """
    check_matte(foreground, alpha)
    rgb = as_rgb(foreground)
    colors = np.ascontiguousarray(rgb) if rgb.dtype == np.uint8 else to_uint8(rgb)
    person = cv2.cvtColor(colors, cv2.COLOR_RGB2RGBA)
    cv2.insertChannel(to_uint8(alpha), person, 3)
    replace_hidden_colors(person)
    return person


def composite(
    foreground: np.ndarray, alpha: np.ndarray, background: str | tuple[int, ...] | np.ndarray = (255, 255, 255)
) -> np.ndarray:
    """Put the person onto a colour or an image.

    >>> colors = estimate_foreground(photo, alpha)
    >>> on_blue = composite(colors, alpha, "steelblue")
    >>> on_blurred = composite(colors, alpha, blurred_background(photo, alpha))

    Args:
        foreground: the person's colours (:func:`~.foreground.estimate_foreground`), or the photo itself; an
            array that :func:`~..arrays.check_image` accepts.
        alpha: float [H, W] in [0, 1].
        background: a colour, as :func:`parse_color` takes or returns it, or a picture, uint8 [H, W, 3] RGB.

    Returns:
        uint8 [H, W, 3] RGB; on a colour that is not opaque [H, W, 4] RGBA, straight alpha.

    Raises:
        ValueError: the sizes differ, the matte lies outside [0, 1], the background has another shape, or a text does
            not name a colour.
        TypeError: the foreground is not an array of such a dtype, the matte is not floating point, or the
            background is neither a colour nor a uint8 picture.
    """
    check_matte(foreground, alpha)
    if isinstance(background, str):
        background = parse_color(background)
    background = _checked_background(background, alpha.shape)
    if background.shape == (4,):
        return _on_translucent(foreground, alpha, background)
    rgb = as_rgb(foreground)
    out = np.empty(rgb.shape, np.uint8)
    for strip in strips(alpha.shape[0], 3 * alpha.shape[1]):
        behind = background if background.ndim == 1 else background[strip].astype(np.float32)
        blend = to_uint8(rgb[strip]).astype(np.float32)
        blend -= behind
        weight = np.ascontiguousarray(alpha[strip], np.float32)
        np.multiply(blend, cv2.merge((weight, weight, weight)), out=blend)
        blend += behind
        # Conversion to uint8 truncates, so 0.5 is added to round.
        blend += 0.5
        out[strip] = blend
    return out


def _checked_background(background: tuple[int, ...] | np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Return a background's colour as float32 [3] or [4], or its picture as it is, uint8 [H, W, 3]."""
    background = np.asarray(background)
    if background.shape in ((3,), (4,)) and background.dtype.kind in "uif":
        if not ((background >= 0) & (background <= 255)).all():
            raise ValueError(f"each part of a colour must lie between 0 and 255, got {background.tolist()}")
        return background.astype(np.float32)
    message = (
        f"the background must be a colour (3 or 4 numbers) or a picture (uint8 {[*size, 3]}, RGB), "
        f"got {background.dtype} {list(background.shape)}: crop_to_fill makes such a picture"
    )
    if background.ndim > 1 and background.dtype != np.uint8:
        raise TypeError(message)
    if background.shape != (*size, 3):
        raise ValueError(message)
    return background


def _on_translucent(foreground: np.ndarray, alpha: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Composite the person over a translucent colour, float32 [4] (Porter and Duff 1984, "over")."""
    alpha = alpha.clip(0, 1)
    behind = (1 - alpha) * (background[3] / 255)
    total = alpha + behind
    share = np.divide(alpha, total, out=np.zeros_like(total), where=total > 0)
    colors = composite(foreground, share, background[:3])
    return np.dstack([colors, to_uint8(total.clip(0, 1))])
