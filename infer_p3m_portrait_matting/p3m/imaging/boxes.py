"""Read a box around one person."""

from math import isfinite
from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle around one person, in pixels of the photo; it may extend beyond the photo's border.

    Attributes:
        x: left end.
        y: upper end.
        width: more than 0.
        height: more than 0.
    """

    x: float
    y: float
    width: float
    height: float


def parse_box(text: str) -> Box:
    """Read "x,y,w,h" in pixels.

    Raises:
        ValueError: the text is not four such numbers, or the width or the height is not above 0.
    """
    try:
        box = Box(*(float(part) for part in text.split(",")))
    except (TypeError, ValueError):
        raise ValueError(f"box must be 'x,y,w,h' in pixels, such as '120,40,300,500', got {text!r}") from None
    if not all(map(isfinite, box)) or box.width <= 0 or box.height <= 0:
        raise ValueError(f"box must have a width and a height above 0, got {text!r}")
    return box
