"""Hide a person's identity: replace the inner area of a face (Li et al. 2021, section 3.1: from brows to chin) with a
picture computed from a few averages of it and nothing else.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np

from ..arrays import check_matte, on_white, to_uint8
from .detect import Face
from .names import OBFUSCATIONS

#: A hidden face is a function of this many averages per side, rounded to 8 bits; in a video, of one frame's averages.
GRID = 8

#: If more than this share of a face's rim is transition, the whole face is hidden: the matte is wrong there, not hairy.
_TRANSITION_LIMIT = 0.3
_TRANSITION = (0.02, 0.98)
#: How far around a face the matte is examined, as a share of the face's size.
_MARGIN = 0.5

#: A face from brows to chin: x to its left and y down, from the middle between the eyes, in units of the distance from
#: there to the mouth or between the eyes, whichever is longer (turning or nodding a head shortens one of them).
_INNER_FACE = ((0.5, -0.6), (0.95, -0.5), (1.1, 0.0), (1.1, 0.7), (0.9, 1.25), (0.55, 1.7), (0.2, 1.9))
#: Half the width and half the height of a face with its forehead in these units, and how far its middle is below the
#: eyes; where the middle between the eyes and the mouth are in the detector's boxes, from the top: medians of 30
#: portraits.
_WHOLE_FACE, _MIDDLE = (1.05, 1.45), 0.29
_EYES, _MOUTH = 0.40, 0.73


class _Areas(NamedTuple):
    """A face in the pixels of a picture.

    Attributes:
        window: the part of the picture that holds the face with a margin.
        whole: bool, of the window's size: the area to hide, except for transition that is spared.
        inner: from brows to chin, a part of ``whole``: always hidden, whatever the matte.
    """

    window: tuple[slice, slice]
    whole: np.ndarray
    inner: np.ndarray


def face_area(face: Face, height: int, width: int) -> np.ndarray:
    """Return the area to hide for a face: from brows to chin, the forehead, and the ellipse in its box, turned with it.

    Returns:
        bool [height, width].
    """
    mask = np.zeros((height, width), bool)
    areas = _areas(face, height, width)
    if areas is not None:
        mask[areas.window] = areas.whole
    return mask


def face_averages(rgb: np.ndarray, face: Face) -> bytes:
    """Average a face to the colours that hide it in all frames of a video.

    Averages of every frame, each with its own place of the cells, would give the face away: least squares over a few
    seconds computes it.

    Args:
        rgb: uint8 [H, W, 3].
        face: one of its faces.

    Returns:
        uint8 [GRID, GRID, 3], row by row; empty if the face lies outside the picture.
    """
    areas = _areas(face, *rgb.shape[:2])
    return b"" if areas is None else _averages(rgb[areas.window][_box(areas.whole)]).tobytes()


def hide_faces(image: np.ndarray, alpha: np.ndarray, faces: list[Face], obfuscation: str) -> np.ndarray:
    """Hide faces, both the person's and those in the background.

    >>> hidden = hide_faces(photo, alpha, find_faces(photo), "blur")
    >>> hidden.shape, hidden.dtype.name
    ((512, 512, 3), 'uint8')

    Args:
        image: an array that :func:`~..arrays.check_image` accepts.
        alpha: its matte, float [H, W] in [0, 1]; the transition between the person and the background (hair, a veil) is
            kept at the rim of a face. The area from brows to chin is hidden whatever the matte.
        faces: from :func:`~.detect.find_faces`; in a video, then from a :class:`~.track.FaceTracker`.
        obfuscation: "blur" or "pixelate".

    Returns:
        uint8 [H, W, 3] RGB, a new array. Hidden pixels depend on at most 8 x 8 averages of their face: on its
        ``averages`` if it has any.

    Raises:
        ValueError: the obfuscation is unknown, or the sizes differ.
        TypeError: the matte is not floating point.
    """
    if obfuscation not in OBFUSCATIONS:
        raise ValueError(f"faces can be hidden by {' or '.join(OBFUSCATIONS)}, got {obfuscation!r}")
    check_matte(image, alpha)
    hidden = np.ascontiguousarray(to_uint8(on_white(image)))
    for face in faces:
        areas = _areas(face, *alpha.shape)
        if areas is None:
            continue
        rim = areas.whole & ~areas.inner
        spared = _transition(alpha[areas.window]) & rim
        area = areas.whole
        if spared.sum() <= _TRANSITION_LIMIT * rim.sum():
            area = area & ~spared
        if not area.any():
            continue
        box = _box(area)
        part = hidden[areas.window][box]
        known = np.frombuffer(face.averages, np.uint8).reshape(-1, GRID, 3)
        height, width = part.shape[:2]
        replacement = _drawn(known if len(known) else _averages(part), height, width, obfuscation)
        part[area[box]] = replacement[area[box]]
    return hidden


def _areas(face: Face, height: int, width: int) -> _Areas | None:
    """Draw the areas of a face; return None when it lies outside the picture."""
    frame = _frame(face)
    polygon = _inner_face(face, frame)
    corners = np.vstack([polygon, [(face.left, face.top), (face.right, face.bottom)]])
    margin = _MARGIN * max(face.right - face.left, face.bottom - face.top)
    left, top = (max(math.floor(v - margin), 0) for v in corners.min(0))
    right, bottom = (min(math.ceil(v + margin) + 1, n) for v, n in zip(corners.max(0), (width, height), strict=True))
    if left >= right or top >= bottom:
        return None
    inner = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillConvexPoly(inner, np.rint(polygon - (left, top)).astype(np.int32), 1)
    whole = inner.copy()
    # Use the landmarks and the box. The box is upright: for a face that lies on its side, its width is the length.
    middle = frame.eyes + _MIDDLE * frame.down
    size = tuple(2 * frame.unit * v for v in _WHOLE_FACE)
    cv2.ellipse(whole, (tuple((middle - (left, top)).tolist()), size, face.roll), 1, -1)
    center = (face.left + face.right) / 2 - left, (face.top + face.bottom) / 2 - top
    size = face.right - face.left, face.bottom - face.top
    cv2.ellipse(whole, (center, size[::-1] if round(face.roll / 90) % 2 else size, face.roll), 1, -1)
    if not whole.any():
        return None
    return _Areas((slice(top, bottom), slice(left, right)), whole.astype(bool), inner.astype(bool))


class _Frame(NamedTuple):
    """Where a face's own coordinates lie in the picture: float [2] each, but for ``unit``, all in pixels.

    Attributes:
        eyes: the middle between the eyes.
        across: one unit to the left of the face.
        down: one unit down the face.
        unit: length of these.
    """

    eyes: np.ndarray
    across: np.ndarray
    down: np.ndarray
    unit: float


def _frame(face: Face) -> _Frame:
    roll = math.radians(face.roll)
    across, down = np.array([math.cos(roll), math.sin(roll)]), np.array([-math.sin(roll), math.cos(roll)])
    if face.points:
        points = np.array(face.points)
        eyes, mouth = points[:2].mean(0), points[3:].mean(0)
        unit = float(max(np.linalg.norm(mouth - eyes), np.linalg.norm(points[1] - points[0])))
    else:
        length = (face.bottom - face.top, face.right - face.left)[round(face.roll / 90) % 2]
        eyes = np.array([face.left + face.right, face.top + face.bottom]) / 2 + (_EYES - 0.5) * length * down
        unit = (_MOUTH - _EYES) * length
    return _Frame(eyes, unit * across, unit * down, unit)


def _inner_face(face: Face, frame: _Frame) -> np.ndarray:
    """Return the convex outline of a face from brows to chin: float [n, 2], x and y in pixels of the picture."""
    outline = [frame.eyes + side * x * frame.across + y * frame.down for side in (1, -1) for x, y in _INNER_FACE]
    # The outline includes eyes, nose and mouth wherever a turned head puts them.
    return cv2.convexHull(np.array([*outline, *face.points], np.float32))[:, 0].astype(float)


def _transition(alpha: np.ndarray) -> np.ndarray:
    """Find where alpha is neither 0 nor 1, in areas that reach the background; holes inside the person do not count."""
    low, high = _TRANSITION
    _, labels = cv2.connectedComponents((alpha < high).astype(np.uint8), connectivity=4)
    reaching = np.unique(labels[alpha <= low])
    return (alpha > low) & (alpha < high) & np.isin(labels, reaching)


def _box(area: np.ndarray) -> tuple[slice, slice]:
    """Return the smallest window of a bool array that holds all that is True; something must be."""
    rows, columns = np.flatnonzero(area.any(1)), np.flatnonzero(area.any(0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _averages(face: np.ndarray) -> np.ndarray:
    """Average uint8 [h, w, 3] to [GRID, GRID, 3]."""
    return cv2.resize(face, (GRID, GRID), interpolation=cv2.INTER_AREA)


def _drawn(averages: np.ndarray, height: int, width: int, obfuscation: str) -> np.ndarray:
    """Draw averages as uint8 [height, width, 3]."""
    if obfuscation == "pixelate":
        return cv2.resize(averages, (width, height), interpolation=cv2.INTER_NEAREST)
    smooth = cv2.resize(averages, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.GaussianBlur(smooth, (0, 0), max(width, height) / GRID)
