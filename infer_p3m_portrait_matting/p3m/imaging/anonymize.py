"""Hiding who a person is: the inner area of a face is replaced (Li et al. 2021, section 3.1: from brows to chin, the
matte's transition area spared), by what can be made of a few averages of it and nothing else.
"""

import cv2
import numpy as np

from .faces import Face
from .images import as_rgb, check_matte, to_uint8
from .photos import takes_photo

#: How a face can be hidden.
OBFUSCATIONS = ("blur", "pixelate")

#: A hidden face is a function of so many averages a side, rounded to 8 bits.
GRID = 8

#: A face whose area is transition by more than so much is hidden whole: there the matte is wrong, not hairy.
_TRANSITION_LIMIT = 0.3
_TRANSITION = (0.02, 0.98)


def face_area(face: Face, height: int, width: int) -> np.ndarray:
    """The inner area of a face: the ellipse in its box, turned with the eyes.

    Returns:
        bool [height, width].
    """
    mask = np.zeros((height, width), np.uint8)
    center = ((face.left + face.right) / 2, (face.top + face.bottom) / 2)
    size = (face.right - face.left, face.bottom - face.top)
    cv2.ellipse(mask, (center, size, face.roll), 1, -1)
    return mask.astype(bool)


@takes_photo("image")
def hide_faces(image: np.ndarray, alpha: np.ndarray, faces: list[Face], obfuscation: str) -> np.ndarray:
    """Hide faces, of the person and in the background alike.

    Args:
        image: as for :meth:`~.inference.PortraitMatting.matte`.
        alpha: its matte, float [H, W] in [0, 1]; the transition between the person and the background (hair, a veil) is
            left as it is, but not what the matte leaves uncertain in the middle of a face.
        faces: from :func:`~.faces.find_faces`.
        obfuscation: "blur" or "pixelate".

    Returns:
        uint8 [H, W, 3] RGB, a new array. Hidden pixels depend on at most 8 x 8 averages of their face.

    Raises:
        ValueError: the obfuscation is unknown, or the sizes differ.
        TypeError: the matte is not floating point.
    """
    if obfuscation not in OBFUSCATIONS:
        raise ValueError(f"faces can be hidden by {' or '.join(OBFUSCATIONS)}, got {obfuscation!r}")
    check_matte(image, alpha)
    hidden = np.ascontiguousarray(to_uint8(as_rgb(image)))
    height, width = alpha.shape
    transition = _transition(alpha)
    for face in faces:
        area = face_area(face, height, width)
        if not area.any():
            continue
        if (transition & area).sum() <= _TRANSITION_LIMIT * area.sum():
            area &= ~transition
        rows, columns = np.flatnonzero(area.any(1)), np.flatnonzero(area.any(0))
        if not rows.size:
            continue
        window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        replacement = _from_averages(hidden[window], obfuscation)
        inside = area[window]
        hidden[window][inside] = replacement[inside]
    return hidden


def _transition(alpha: np.ndarray) -> np.ndarray:
    """Where alpha is neither 0 nor 1, in areas that reach the background; holes inside the person are none."""
    low, high = _TRANSITION
    _, labels = cv2.connectedComponents((alpha < high).astype(np.uint8), connectivity=4)
    reaching = np.unique(labels[alpha <= low])
    return (alpha > low) & (alpha < high) & np.isin(labels, reaching)


def _from_averages(face: np.ndarray, obfuscation: str) -> np.ndarray:
    """What remains of uint8 [h, w, 3] when no more than GRID x GRID averages of it are known."""
    height, width = face.shape[:2]
    averages = cv2.resize(face, (min(GRID, width), min(GRID, height)), interpolation=cv2.INTER_AREA)
    if obfuscation == "pixelate":
        return cv2.resize(averages, (width, height), interpolation=cv2.INTER_NEAREST)
    smooth = cv2.resize(averages, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.GaussianBlur(smooth, (0, 0), max(width, height) / GRID)
