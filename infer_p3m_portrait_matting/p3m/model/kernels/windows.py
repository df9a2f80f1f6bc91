"""Windows: strips of a map, cut to the columns where a result is wanted; and arithmetic on parts of a map."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

#: A map [N, C, H, W].
_Map = TypeVar("_Map", np.ndarray, "Tensor")

#: The rows and the columns of a window, each with a start and a stop.
Window = tuple[slice, slice]

#: The sides of a window are multiples of this many pixels, except at the end of the map.
_STEP = 16
#: Wanted places of a strip that are at most this many pixels apart share a window.
_GAP = 64


def windows(strips: Sequence[slice], width: int, wanted: np.ndarray | None = None) -> Iterator[Window]:
    """Cut the strips of a map to the columns that are wanted.

    Args:
        strips: all strips of the map, from :func:`~...arrays.strips`.
        width: width of the map in pixels.
        wanted: bool [N, h, w] of any size, laid over the whole map: where the result is wanted. A pixel that one
            picture wants is computed for all. None wants everything.

    Yields:
        Windows that do not overlap and that hold every wanted pixel.
    """
    places = np.ones((1, 1), bool) if wanted is None else np.any(wanted, axis=0)
    h, height = places.shape[0], strips[-1].stop
    for rows in strips:
        in_strip = np.any(places[rows.start * h // height : -(-rows.stop * h // height)], axis=0, keepdims=True)[0]
        for start, end in _spans(in_strip, width):
            yield rows, slice(start, end)


def cut(x: _Map, window: Window) -> _Map:
    """Return the part of a map [N, C, H, W] that lies in a window, as a view."""
    return x[:, :, window[0], window[1]]


def widen(part: slice, border: int, length: int) -> slice:
    """Add a border to a part of a side on both ends, as far as the side's length allows."""
    return slice(max(part.start - border, 0), min(part.stop + border, length))


def widen_both(window: Window, border: int, height: int, width: int) -> Window:
    """Add a border to a window on every side, as far as the map reaches."""
    return widen(window[0], border, height), widen(window[1], border, width)


def within(part: slice, whole: slice) -> slice:
    """Return the place of a part of a side in a larger part."""
    return slice(part.start - whole.start, part.stop - whole.start)


def within_both(window: Window, larger: Window) -> Window:
    """Return the place of a window in a larger one."""
    return within(window[0], larger[0]), within(window[1], larger[1])


def _spans(places: np.ndarray, width: int) -> list[tuple[int, int]]:
    """Return starts and ends (exclusive) of spans in a row of ``width`` pixels that hold all True of bool [w]."""
    edges = np.flatnonzero(np.diff(places, prepend=False, append=False)).tolist()
    spans: list[tuple[int, int]] = []
    for left, right in zip(edges[::2], edges[1::2], strict=True):
        start = left * width // len(places) // _STEP * _STEP
        end = min(-(-right * width // len(places) // _STEP) * _STEP, width)
        if spans and start - spans[-1][1] <= _GAP:
            start = spans.pop()[0]
        spans.append((start, end))
    return spans
