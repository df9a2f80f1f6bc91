"""Follow faces from frame to frame of a video: a face that the detector misses for a while stays hidden, and the same
averages hide it in all frames.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from ..arrays import check_image, on_white, to_uint8
from .detect import Face, overlap
from .hide import face_averages

#: A face that is no longer found is kept for this many frames.
KEEP = 15
#: Growth of such a face from frame to frame, as its place becomes less certain.
GROWTH = 1.03

#: Long side in pixels of the copy on which motion is measured.
_SIDE = 640
#: Points per side to follow in each face, and how many must be found again.
_GRID, _ENOUGH = 6, 8
#: How far, in pixels of the copy, a point followed forward and back may be off.
_ROUND_TRIP = 1.0
#: Intersection over union from which two boxes show one face, and from which they agree on its place.
_SAME, _AGREE = 0.2, 0.75
#: Up to this mean difference, in levels of 255, a new face is hidden by the averages of one that was there before.
_ALIKE = 24


@dataclass
class _Track:
    #: Possible places of the face: where it was found; later, where the picture's motion and its own speed lead.
    places: list[Face]
    #: In pixels per frame, x and y.
    speed: np.ndarray
    missed: int = 0


class FaceTracker:
    """Keeps the faces of consecutive frames; use one tracker for one video.

    A face that is found again follows the detector. One that is not found is kept for :data:`KEEP` frames and moved in
    two ways: with the picture inside it (Lucas-Kanade optical flow), and at its previous speed, as something may pass
    in front of it. Where the two differ, both places count. When a face is found elsewhere, for example half covered,
    its expected place counts as well. A face that was never found is unknown. After a cut, a wrong place stays hidden
    for a while.
    """

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._averages: list[bytes] = []
        self._grey: np.ndarray | None = None
        self._size: tuple[int, int] | None = None

    def reset(self) -> None:
        """Forget the previous frames."""
        self._tracks, self._grey, self._size = [], None, None
        self._averages = []

    def __call__(self, image: np.ndarray, faces: list[Face]) -> list[Face]:
        """Follow the faces into one more frame.

        Args:
            image: the frame, an array that :func:`~..arrays.check_image` accepts.
            faces: the faces that :func:`~.detect.find_faces` found in it.

        Returns:
            ``faces``, and where the faces of earlier frames that are missing from them may be, with a score of 0; all
            with their averages.

        Raises:
            ValueError, TypeError: the image is invalid.
        """
        check_image(image)
        if image.shape[:2] != self._size:
            self.reset()
        grey, scale = _small_grey(image)
        for track in self._tracks:
            track.places = self._moved(track, grey, scale)
        rgb = to_uint8(on_white(image))
        kept: list[_Track] = []
        free = list(self._tracks)
        for face in faces:
            likenesses = [_likeness(track, face) for track in free]
            if max(likenesses, default=0.0) < _SAME:
                kept.append(_Track([self._with_averages(face, rgb)], np.zeros(2)))
                continue
            track = free[int(np.argmax(likenesses))]
            if _likeness(track, face) >= _AGREE:
                free.remove(track)
            # The first place was moved at the known speed, so its error is the change of speed.
            speed = track.speed + 0.5 * (_center(face) - _center(track.places[0])) if not track.missed else track.speed
            known = face._replace(averages=track.places[0].averages)
            kept.append(_Track([known if known.averages else self._with_averages(face, rgb)], speed))
        for track in free:
            track.missed += 1
        missing = [track for track in free if track.missed <= KEEP]
        self._tracks = kept + missing
        self._grey, self._size = grey, image.shape[:2]
        return [place for track in self._tracks for place in track.places]

    def _with_averages(self, face: Face, rgb: np.ndarray) -> Face:
        """Give a new face its averages: those of an earlier face that looks like it, or its own."""
        averages = face_averages(rgb, face)
        if not averages:
            return face
        levels = np.frombuffer(averages, np.uint8).astype(int)
        differences = [np.abs(np.frombuffer(earlier, np.uint8) - levels).mean() for earlier in self._averages]
        if min(differences, default=np.inf) <= _ALIKE:
            return face._replace(averages=self._averages[int(np.argmin(differences))])
        self._averages.append(averages)
        return face._replace(averages=averages)

    def _moved(self, track: _Track, grey: np.ndarray, scale: float) -> list[Face]:
        """Return where a face of the previous frame may be now."""
        grow = GROWTH if track.missed else 1.0
        by_speed = _shift(track.places[0], track.speed, grow)
        last = track.places[-1]
        flow = None if self._grey is None else _flow(self._grey, grey, last, scale)
        if flow is None:
            flow = track.speed
        by_flow = _shift(last, flow, grow)
        return [by_speed] if overlap(by_speed, by_flow) > 0.95 else [by_speed, by_flow]


def _small_grey(image: np.ndarray) -> tuple[np.ndarray, float]:
    """Make a small grey copy, uint8; return it with its size as a share of the image's."""
    scale = min(_SIDE / max(image.shape[:2]), 1.0)
    height, width = (max(round(n * scale), 1) for n in image.shape[:2])
    small = cv2.resize(to_uint8(on_white(image)), (width, height), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), scale


def _flow(before: np.ndarray, now: np.ndarray, face: Face, scale: float) -> np.ndarray | None:
    """Measure how far the picture inside a face moved, x and y in pixels of the image; None if that is unclear."""
    xs, ys = (
        np.linspace(low, high, _GRID + 2)[1:-1] * scale
        for low, high in ((face.left, face.right), (face.top, face.bottom))
    )
    points = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 1, 2).astype(np.float32)
    inside = ((points >= 0) & (points < before.shape[::-1])).all((1, 2))
    points = points[inside]
    if len(points) < _ENOUGH:
        return None
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, now, points, np.empty_like(points))
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(now, before, there, np.empty_like(points))
    sure = (np.abs(back - points).max((1, 2)) < _ROUND_TRIP) & (found[:, 0] > 0) & (found_back[:, 0] > 0)
    if sure.sum() < _ENOUGH:
        return None
    return np.median((there - points)[sure][:, 0], 0) / scale


def _likeness(track: _Track, face: Face) -> float:
    return max(overlap(place, face) for place in track.places)


def _center(face: Face) -> np.ndarray:
    return np.array([face.left + face.right, face.top + face.bottom]) / 2


def _shift(face: Face, by: np.ndarray, grow: float) -> Face:
    center = _center(face)

    def moved(x: float, y: float) -> tuple[float, float]:
        return tuple(((np.array([x, y]) - center) * grow + center + by).tolist())

    left, top = moved(face.left, face.top)
    right, bottom = moved(face.right, face.bottom)
    points = tuple(moved(x, y) for x, y in face.points)
    return face._replace(left=left, top=top, right=right, bottom=bottom, score=0.0, points=points)
