"""Crop pictures to the person."""

import numpy as np

from .adjust import SEEN


def person_window(alpha: np.ndarray, margin: float = 0.0) -> tuple[slice, slice] | None:
    """Find the part of a picture that holds the person.

    Args:
        alpha: float [H, W] in [0, 1].
        margin: space to leave around the person, in percent of their width at the sides and of their height above and
            below, at least 0.

    Returns:
        Rows and columns to cut out, inside the picture; None when the matte shows nobody.

    Raises:
        ValueError: the margin is below 0.
    """
    if not margin >= 0:
        raise ValueError(f"the margin must be at least 0 percent, got {margin}")
    seen: np.ndarray = alpha > SEEN
    if not seen.any():
        return None
    return _window(np.any(seen, axis=1), margin), _window(np.any(seen, axis=0), margin)


def _window(line: np.ndarray, margin: float) -> slice:
    places = np.flatnonzero(line)
    start, end = int(places[0]), int(places[-1]) + 1
    extra = round((end - start) * margin / 100)
    return slice(max(start - extra, 0), min(end + extra, line.size))
