"""Select one person out of several: where to look, which part of the matte is theirs, and where to crop.

The networks were trained on portraits of one person. So the network sees only a crop of the photo around the person's
box, and only the area of the crop's matte that belongs to the person in the box is kept.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from ..arrays import check_alpha, check_image
from ..faces.detect import Face
from .adjust import SEEN
from .boxes import Box
from .guide import paint

#: Context on each side of a box that the network sees, as a share of the box's width or height.
CONTEXT = 0.3

#: How far a person may reach out of their box, as a share of its width or height.
MARGIN = 0.05

#: A connected area smaller than this share of the picture does not count as a person.
NOBODY = 0.005
#: Long side in pixels at which :func:`has_person` looks at a matte.
_GLANCE = 512

#: Alpha from which on a pixel surely belongs to somebody.
_SURE = 0.5
#: Areas of at least this share of the chosen person are other people; smaller ones may be a hand, or strands.
_SOMEBODY = 0.1


def has_person(alpha: np.ndarray) -> bool:
    """Tell whether anybody is in a matte: a connected opaque area of at least 0.5 % of the picture.

    >>> has_person(matting.matte(photo)), has_person(np.zeros((480, 640), np.float32))
    (True, False)

    Args:
        alpha: float [H, W] in [0, 1].

    Raises:
        ValueError, TypeError: the matte is invalid; see :func:`~..arrays.check_alpha`.
    """
    check_alpha(alpha)
    scale = min(_GLANCE / max(alpha.shape), 1.0)
    size = [max(round(side * scale), 1) for side in alpha.shape[::-1]]
    small = cv2.resize(alpha.astype(np.float32, copy=False), size, interpolation=cv2.INTER_AREA)
    count, _, stats, _ = cv2.connectedComponentsWithStats((small >= _SURE).astype(np.uint8), connectivity=8)
    return count > 1 and bool(stats[1:, cv2.CC_STAT_AREA].max() >= NOBODY * small.size)


def body_box(face: Face, others: Sequence[Face] = ()) -> Box:
    """Guess the box around a person from their face (from the brows to the chin).

    The box reaches as far as most people do, measured in faces: 4 to either side, 0.9 up, 11 down. If another face is
    beside the person's, the box ends between the two.

    Args:
        face: the person's face.
        others: further faces in the photo; the person's own may be among them.
    """
    width, height = face.right - face.left, face.bottom - face.top
    center = (face.left + face.right) / 2
    left, right = center - 4 * width, center + 4 * width
    for other in others:
        apart = (other.left + other.right) / 2 - center
        # The larger face has the larger body.
        mine = apart * width / (width + other.right - other.left)
        # Someone nearer than one face stands behind or in front, not beside.
        if apart < -width:
            left = max(left, center + mine)
        elif apart > width:
            right = min(right, center + mine)
    return Box(left, face.top - 0.9 * height, right - left, 11.9 * height)


def check_box(box: Box, height: int, width: int) -> None:
    """Raise a ValueError if a box lies outside a photo of this size."""
    if box.x >= width or box.y >= height or box.x + box.width <= 0 or box.y + box.height <= 0:
        numbers = ",".join(f"{number:g}" for number in box)
        raise ValueError(f"the box {numbers} lies outside the photo of {width} x {height} px: correct it")


def window_of(box: Box, height: int, width: int, context: float = CONTEXT) -> tuple[slice, slice]:
    """Return the part of a photo that the network should see: the box and some context around it.

    Args:
        box: around the person.
        height: the photo's height in pixels.
        width: the photo's width in pixels.
        context: how much to add on each side, as a share of the box's width or height.

    Returns:
        Rows and columns, inside the photo.

    Raises:
        ValueError: the box lies outside the photo.
    """
    check_box(box, height, width)
    rows = _span(box.y, box.height, context, height)
    return rows, _span(box.x, box.width, context, width)


def _span(start: float, length: float, context: float, limit: int) -> slice:
    first = int(max(np.floor(start - context * length), 0))
    last = int(min(np.ceil(start + (1 + context) * length), limit))
    return slice(first, max(last, first + 1))


def keep_person(alpha: np.ndarray, box: Box, margin: float = MARGIN) -> np.ndarray:
    """Keep only the part of a matte that belongs to the person in a box.

    Pixels farther outside the box than a margin are removed. The person is the connected opaque area with the largest
    sum of alpha inside the box. Soft pixels belong to the nearest area, and areas not connected to the person are
    removed. Two people who overlap in the box are one area, and both stay.

    Args:
        alpha: float [H, W] in [0, 1].
        box: around the whole person, in pixels of the matte.
        margin: how far the person may reach out of the box, as a share of its width or height.

    Returns:
        float32 [H, W] in [0, 1], a new array; zeros when nobody is in the box.
    """
    alpha = alpha.astype(np.float32)
    height, width = alpha.shape
    outside = np.ones(alpha.shape, bool)
    outside[window_of(box, height, width, margin)] = False
    alpha[outside] = 0
    count, labels = cv2.connectedComponents((alpha >= _SURE).astype(np.uint8), connectivity=8)
    rows, columns = window_of(box, height, width, 0.0)
    inside = np.bincount(labels[rows, columns].ravel(), weights=alpha[rows, columns].ravel(), minlength=count)
    inside[0] = 0
    if not inside.any():
        return np.zeros_like(alpha)
    chosen = int(inside.argmax())
    sizes = np.bincount(labels.ravel(), minlength=count)
    others = sizes >= _SOMEBODY * sizes[chosen]
    others[[0, chosen]] = False
    theirs = alpha > SEEN
    if others.any():
        theirs &= _nearest(labels == chosen, others[labels])
    _, areas = cv2.connectedComponents(theirs.astype(np.uint8), connectivity=8)
    kept = areas == areas[labels == chosen][0]
    # The faintest pixels belong to no area of their own, but to the surroundings of one.
    kept |= (alpha <= SEEN) & cv2.dilate(kept.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
    alpha[~kept] = 0
    return alpha


def _nearest(mine: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Find where ``mine`` is nearer than ``others``: bool [H, W] each."""
    to_mine, to_others = (
        cv2.distanceTransform((~area).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5) for area in (mine, others)
    )
    return to_mine < to_others


def matte_person(matte: Callable[..., np.ndarray], image: np.ndarray, box: Box, **maps: np.ndarray) -> np.ndarray:
    """Matte the person in a box and nobody else; what corrections keep stays, inside the box or not.

    >>> alpha = matte_person(matting.matte, photo, Box(x=60, y=40, width=300, height=460))
    >>> alpha.shape, alpha[:, 500:].max().item()
    ((512, 512), 0.0)

    Args:
        matte: estimates the matte of an image, float [H, W], as
            :meth:`~..inference.portrait_matting.PortraitMatting.matte` does.
        image: the photo, an array that :func:`~..arrays.check_image` accepts.
        box: around the person.
        maps: a trimap and corrections of the photo's size, by the names that ``matte`` has for them.

    Returns:
        float32 [H, W] in [0, 1], a new array of the photo's size; 0 outside the box and its context.

    Raises:
        ValueError: the box lies outside the photo, or the image is invalid.
        TypeError: the image is not an array of such a dtype.
    """
    check_image(image)
    height, width = image.shape[:2]
    window = rows, columns = window_of(box, height, width)
    alpha = np.zeros((height, width), np.float32)
    there = box._replace(x=box.x - columns.start, y=box.y - rows.start)
    parts = {name: found[window] for name, found in maps.items()}
    alpha[window] = keep_person(matte(image[window], **parts), there)
    return paint(alpha, maps["corrections"]) if "corrections" in maps else alpha


def person_window(alpha: np.ndarray, margin: float = 0.0) -> tuple[slice, slice] | None:
    """Find the part of a picture that holds the person.

    Args:
        alpha: float [H, W] in [0, 1].
        margin: space to leave around the person, at least 0: in percent of the person's width at the sides, and of the
            person's height above and below.

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
    return _extent(np.any(seen, axis=1), margin), _extent(np.any(seen, axis=0), margin)


def _extent(line: np.ndarray, margin: float) -> slice:
    places = np.flatnonzero(line)
    start, end = int(places[0]), int(places[-1]) + 1
    extra = round((end - start) * margin / 100)
    return slice(max(start - extra, 0), min(end + extra, line.size))
