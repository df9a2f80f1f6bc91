"""Make backgrounds: an image that fills the frame, or the photo's own background, blurred."""

from collections.abc import Callable

import cv2
import numpy as np

from ..arrays import check_image, check_matte, on_white, strips, to_uint8

#: Standard deviation of the background blur, as a fraction of the photo's longest side.
BLUR = 0.015

_SHRINK = 4
_EPSILON = 1e-4


def crop_to_fill(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scale an image until it covers a size and crop the rest evenly; the aspect ratio is kept.

    >>> background = crop_to_fill(picture, *alpha.shape)
    >>> background.shape[:2] == alpha.shape
    True

    Args:
        image: an array that :func:`~..arrays.check_image` accepts.
        height: wanted height in pixels.
        width: wanted width in pixels.

    Returns:
        uint8 [height, width, 3] RGB.

    Raises:
        ValueError, TypeError: the image is invalid; see :func:`~..arrays.check_image`.
    """
    check_image(image)
    rgb = to_uint8(on_white(image))
    h, w = rgb.shape[:2]
    # Crop first, in the image's own pixels, so that only the visible part is scaled.
    scale = max(height / h, width / w)
    cut_h, cut_w = min(max(round(height / scale), 1), h), min(max(round(width / scale), 1), w)
    top, left = (h - cut_h) // 2, (w - cut_w) // 2
    cut = rgb[top : top + cut_h, left : left + cut_w]
    return cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def blurred_background(image: np.ndarray, alpha: np.ndarray, blur: float = BLUR) -> np.ndarray:
    """Blur the photo's own background as if it were out of focus; the person does not bleed into it.

    >>> background = blurred_background(photo, alpha)
    >>> background.shape, background.dtype.name
    ((512, 512, 3), 'uint8')

    Each pixel is the mean of its surroundings, weighted by 1 - alpha. Far inside the person, where no background is
    near and the result stays hidden, each pixel is the mean of the whole background.

    Args:
        image: an array that :func:`~..arrays.check_image` accepts.
        alpha: float [H, W] in [0, 1].
        blur: standard deviation as a fraction of the longest side.

    Returns:
        uint8 [H, W, 3] RGB.

    Raises:
        ValueError: the sizes differ.
        TypeError: the matte is not floating point.
    """
    check_matte(image, alpha)
    height, width = alpha.shape
    small = (max(width // _SHRINK, 1), max(height // _SHRINK, 1))
    sigma = max(blur * max(small), 0.5)
    rgb = on_white(image)

    def weighted(strip: slice) -> np.ndarray:
        return to_uint8(rgb[strip]).astype(np.float32) * (1 - alpha[strip].astype(np.float32))[..., None]

    pixels = shrink(weighted, height, width, small)
    rest = shrink(lambda strip: 1 - alpha[strip].astype(np.float32), height, width, small)
    mean = pixels.reshape(-1, 3).sum(0) / (rest.sum() + _EPSILON)
    weight = cv2.GaussianBlur(rest, (0, 0), sigma)[..., None]
    blurred = (cv2.GaussianBlur(pixels, (0, 0), sigma) + _EPSILON * mean) / (weight + _EPSILON)
    large, whole = Enlarged(blurred, height, width), np.empty((height, width, 3), np.uint8)
    for strip in strips(height, 3 * width):
        whole[strip] = np.clip(large[strip] + 0.5, 0, 255).astype(np.uint8)
    return whole


def shrink(rows: Callable[[slice], np.ndarray], height: int, width: int, size: tuple[int, int]) -> np.ndarray:
    """Shrink a picture by averaging, as cv2.INTER_AREA does, without the whole picture in memory.

    Args:
        rows: returns a strip of the picture, float32 [h, width, ...].
        height: the picture's height in pixels.
        width: the picture's width in pixels.
        size: wanted width and height.

    Returns:
        float32 [size[1], size[0], ...].
    """
    narrow = np.concatenate(
        [
            cv2.resize(part, (size[0], part.shape[0]), interpolation=cv2.INTER_AREA)
            for part in (rows(strip) for strip in strips(height, 3 * width))
        ]
    )
    return cv2.resize(narrow, size, interpolation=cv2.INTER_AREA)


class Enlarged:
    """A small picture enlarged bilinearly, as cv2.resize does; each strip is computed when it is indexed.

    Args:
        small: float32 [h, w, channels].
        height: height of the enlarged picture in pixels.
        width: width of the enlarged picture in pixels.
    """

    def __init__(self, small: np.ndarray, height: int, width: int) -> None:
        self._wide = cv2.resize(small, (width, small.shape[0]), interpolation=cv2.INTER_LINEAR)
        self._height = height

    def __getitem__(self, strip: slice) -> np.ndarray:
        """Return rows of the enlarged picture: float32 [h, width, channels], a new array."""
        count = self._wide.shape[0]
        place = (np.arange(strip.start, strip.stop) + 0.5) * (count / self._height) - 0.5
        place = np.clip(place, 0, count - 1)
        upper = place.astype(int)
        share = (place - upper).astype(np.float32).reshape(-1, 1, 1)
        rows = self._wide[upper]
        rows += share * (self._wide[np.minimum(upper + 1, count - 1)] - rows)
        return rows
