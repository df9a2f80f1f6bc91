"""Large pictures in bands of rows, so that memory for what lies between does not grow with them."""

from collections.abc import Callable, Iterator

import cv2
import numpy as np

#: Pixels of one band, about.
_PIXELS = 2**19


def bands(height: int, width: int) -> Iterator[slice]:
    """Cut a picture into bands: slices of its rows, from top to bottom."""
    rows = max(_PIXELS // max(width, 1), 1)
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))


def shrink(rows: Callable[[slice], np.ndarray], height: int, width: int, size: tuple[int, int]) -> np.ndarray:
    """Average a picture down, as cv2.INTER_AREA does, without having all of it.

    Args:
        rows: gives a band of it, float32 [h, width, ...].
        height: of the picture.
        width: of the picture.
        size: wanted width and height.

    Returns:
        float32 [size[1], size[0], ...].
    """
    narrow = np.concatenate(
        [
            cv2.resize(part, (size[0], part.shape[0]), interpolation=cv2.INTER_AREA)
            for part in (rows(band) for band in bands(height, width))
        ]
    )
    return cv2.resize(narrow, size, interpolation=cv2.INTER_AREA)


class Enlarged:
    """A small picture enlarged bilinearly, as cv2.resize does, of which any band can be had.

    Args:
        small: float32 [h, w, channels].
        height: of the enlarged picture.
        width: of the enlarged picture.
    """

    def __init__(self, small: np.ndarray, height: int, width: int) -> None:
        self._wide = cv2.resize(small, (width, small.shape[0]), interpolation=cv2.INTER_LINEAR)
        self._height = height

    def __getitem__(self, band: slice) -> np.ndarray:
        """Rows of it: float32 [h, width, channels], a new array."""
        count = self._wide.shape[0]
        place = (np.arange(band.start, band.stop) + 0.5) * (count / self._height) - 0.5
        place = np.clip(place, 0, count - 1)
        upper = place.astype(int)
        share = (place - upper).astype(np.float32).reshape(-1, 1, 1)
        rows = self._wide[upper]
        rows += share * (self._wide[np.minimum(upper + 1, count - 1)] - rows)
        return rows
