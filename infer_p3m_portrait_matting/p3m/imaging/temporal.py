"""Steady the mattes of a video: each frame's matte is averaged with those beside it, moved along with the picture.

A matte flickers in two ways. Its edge trembles, and whole parts come and go: an arm is lost for a frame, or a dark
thing behind the person passes for a part of them. The average takes three mattes: the frame's own, the steadied one of
the last frame, and that of the next frame, if it is known. A part that comes or goes while the picture shows the same
is doubtful, so there the last frame weighs much more; most of all where one goes, for a network loses parts of a person
more often than it invents some.

A frame can speak for a pixel of another one only if it shows the same there. That is so if the optical flow (DIS:
Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016) leads to a pixel of the same colour, and the
flow in the other direction leads back. What was hidden, what enters, and what is on the other side of a cut says
nothing.
"""

from typing import NamedTuple

import cv2
import numpy as np

from ..arrays import check_matte, on_white, to_uint8

#: Long side in pixels at which motion is sought, and the least size of the other side.
_LONG, _LEAST = 640, 16
#: Weights of the last frame, where it moves and where it stands still, and of the next one; the frame itself has 1.
_MOVING, _STILL, _NEXT = 1.0, 3.0, 1.0
#: What more the last frame weighs where a part goes, and where one comes, and by how much alpha must change, on average
#: over a square of so many pixels, for that to begin and to hold.
_GOES, _COMES, _SQUARE, _SUDDEN = 8.0, 4.0, 51, (0.1, 0.3)
#: Largest change of colour, out of 255, of what stands still, on average over a square of so many pixels, and how far
#: that must hold around a pixel.
_QUIET, _AROUND, _NEAR = 6.0, 7, 9
#: By how many pixels the flow there and back may miss, and that as a share of its length.
_ASTRAY, _SHARE = 2.0, 0.05
#: Change of colour, out of 255, above which another frame counts for less; from twice as much on it counts for nothing.
_CHANGE = 20.0
#: If the last frame counts for less than this share of the picture, another scene has begun.
_CUT = 0.3


class _Frame(NamedTuple):
    """A frame as it was handed in, and at the size at which motion is sought: uint8 [h, w, 3], and in grey [h, w]."""

    image: np.ndarray
    rgb: np.ndarray
    grey: np.ndarray


class _Way(NamedTuple):
    """The way from a frame to another one.

    Attributes:
        flow: float32 [h, w, 2], from each pixel to its place in the other frame, x and y.
        trust: float32 [h, w] in [0, 1], how far the other frame can speak for each pixel.
    """

    flow: np.ndarray
    trust: np.ndarray


class _Motion(NamedTuple):
    """What moves between two frames.

    Attributes:
        on: from the earlier frame to the later one.
        back: from the later frame to the earlier one.
        is_still: bool [h, w], where nothing moves.
    """

    on: _Way
    back: _Way
    is_still: np.ndarray


class TemporalFilter:
    """Steady the mattes of consecutive frames. Use one filter for each video.

    The same frames give the same bits on every run. A frame that stands alone keeps its matte as it is: the first one
    after a cut or a change of size, if the next one is not known or also follows a cut.
    """

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self.reset()

    def reset(self) -> None:
        """Forget the previous frames."""
        self._last: tuple[_Frame, np.ndarray] | None = None
        self._ahead: tuple[_Frame, _Motion | None] | None = None

    def __call__(
        self, image: np.ndarray, alpha: np.ndarray, following: tuple[np.ndarray, np.ndarray] | None = None
    ) -> np.ndarray:
        """Steady one frame's matte.

        Args:
            image: the frame, an array that :func:`~..arrays.check_image` accepts.
            alpha: its matte, float [H, W] in [0, 1].
            following: the next frame and its matte before it is steadied; None where there is none, or where it is not
                known yet.

        Returns:
            float32 [H, W] in [0, 1], a new array.

        Raises:
            ValueError: the sizes of a frame and its matte differ.
            TypeError: a matte is not floating point.
        """
        check_matte(image, alpha)
        if following is not None:
            check_matte(*following)
        if self._ahead is not None and self._ahead[0].image is image:
            now, since = self._ahead
        else:
            now = _frame(image)
            since = None if self._last is None else self._motion(self._last[0], now)
        own: np.ndarray = alpha.astype(np.float32).clip(0, 1)
        total, weights = own.copy(), np.ones_like(own)
        if self._last is not None and since is not None:
            past = _moved(self._last[1], since.back.flow)
            weight = np.where(since.is_still, np.float32(_STILL), np.float32(_MOVING))
            weight += _doubt(past - own, weight.shape)
            _add(total, weights, past, since.back.trust * weight)
        self._ahead = None
        if following is not None:
            then = _frame(following[0])
            until = self._motion(now, then)
            self._ahead = then, until
            if until is not None:
                future = _moved(following[1].astype(np.float32).clip(0, 1), until.on.flow)
                _add(total, weights, future, until.on.trust * np.float32(_NEXT))
        total /= weights
        self._last = now, total
        return total.copy()

    def _motion(self, earlier: _Frame, later: _Frame) -> _Motion | None:
        """Find the motion between two frames; None if they show different scenes, or differ in size."""
        if earlier.image.shape[:2] != later.image.shape[:2]:
            return None
        on, back = self._flow(earlier.grey, later.grey), self._flow(later.grey, earlier.grey)
        trust_on, trust_back = _trust(on, back, earlier.rgb, later.rgb), _trust(back, on, later.rgb, earlier.rgb)
        is_still = _is_still(earlier.rgb, later.rgb)
        # Flow follows the noise where there is nothing else to follow.
        for flow, trust in ((on, trust_on), (back, trust_back)):
            flow[is_still], trust[is_still] = 0, 1
        if trust_back.mean() < _CUT:
            return None
        return _Motion(_Way(on, trust_on), _Way(back, trust_back), is_still)

    def _flow(self, now: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return the motion from each pixel of one frame to the other: x and y, float32 [h, w, 2]."""
        return self._dis.calc(now, other, None)  # type: ignore[call-overload, no-any-return]


def _frame(image: np.ndarray) -> _Frame:
    rgb = on_white(image)
    rgb = rgb if rgb.dtype == np.uint8 else to_uint8(rgb)
    height, width = rgb.shape[:2]
    scale = min(_LONG / max(height, width), 1.0)
    size = max(round(width * scale), _LEAST), max(round(height * scale), _LEAST)
    rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return _Frame(image, rgb, cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))


def _doubt(change: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Tell what more the last frame weighs, because a part of the person comes or goes.

    Args:
        change: float32 [H, W], the last frame's alpha minus this one's. Where an edge trembles, its mean is small.
        shape: h and w of the result.

    Returns:
        float32 [h, w], from 0 on.
    """
    mean = cv2.blur(cv2.resize(change, shape[::-1], interpolation=cv2.INTER_AREA), (_SQUARE, _SQUARE))
    low, high = _SUDDEN
    sudden: np.ndarray = ((np.abs(mean) - low) / (high - low)).clip(0, 1)
    return sudden * np.where(mean > 0, np.float32(_GOES), np.float32(_COMES))


def _add(total: np.ndarray, weights: np.ndarray, alpha: np.ndarray, weight: np.ndarray) -> None:
    """Add the matte of a frame beside this one to a sum, and its weight to the sum of weights.

    Args:
        total, weights: the sums, float32 [H, W], which are changed.
        alpha: float32 [H, W] in [0, 1], the matte, moved along.
        weight: float32 [h, w].
    """
    share = cv2.resize(weight, total.shape[::-1], interpolation=cv2.INTER_LINEAR)
    weights += share
    share *= alpha
    total += share


def _is_still(rgb: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Tell where two frames, uint8 [h, w, 3], show the same: bool [h, w]."""
    return cv2.dilate(_change(rgb, other, _AROUND), np.ones((_NEAR, _NEAR), np.uint8)) < _QUIET


def _change(rgb: np.ndarray, other: np.ndarray, square: int) -> np.ndarray:
    """Return the largest change of a channel between two frames, uint8 [h, w], on average over a square of pixels."""
    channels = cv2.split(cv2.absdiff(*(cv2.blur(picture, (square, square)) for picture in (rgb, other))))
    return np.maximum(np.maximum(channels[0], channels[1]), channels[2])


def _trust(flow: np.ndarray, back: np.ndarray, rgb: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Tell how far another frame can speak for each pixel of this one.

    Args:
        flow: float32 [h, w, 2], from each pixel of this frame to its place in the other one, x and y.
        back: float32 [h, w, 2], from the other frame to this one.
        rgb, other: uint8 [h, w, 3], both frames.

    Returns:
        float32 [h, w] in [0, 1].
    """
    height, width = flow.shape[:2]
    x, y = _places(flow)
    astray = _length(flow + _taken(back, x, y)) / (_ASTRAY + _SHARE * _ASTRAY * _length(flow))
    # Noise does not count as a change of colour.
    change = _change(rgb, _taken(other, x, y), 3).astype(np.float32) / np.float32(_CHANGE)
    trust = np.clip(2 - astray, 0, 1) * np.clip(2 - change, 0, 1)
    trust[(x < -0.5) | (y < -0.5) | (x > width - 0.5) | (y > height - 0.5)] = 0
    # The flow is least exact beside what it gets wrong.
    return cv2.erode(trust, np.ones((3, 3), np.uint8))


def _moved(past: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Move a matte of another frame, [H, W], to where this one shows it; its size may differ from the flow's."""
    return _taken(past, *_places(flow, past.shape))


def _taken(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Take the pixels of a picture that lie at x and y, float32 [h, w] each."""
    return cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _places(flow: np.ndarray, size: tuple[int, ...] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return where each pixel is in the other frame.

    Args:
        flow: float32 [h, w, 2].
        size: H and W of the frames; None for h and w.

    Returns:
        x and y, float32 [H, W] each, new arrays.
    """
    x, y = cv2.split(flow)
    if size is not None and size != x.shape:
        height, width = size
        x *= np.float32(width / x.shape[1])
        y *= np.float32(height / y.shape[0])
        x, y = (cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR) for part in (x, y))
    # In place: at full size these arrays are larger than the caches.
    x += np.arange(x.shape[1], dtype=np.float32)
    y += np.arange(y.shape[0], dtype=np.float32)[:, None]
    return x, y


def _length(vectors: np.ndarray) -> np.ndarray:
    return cv2.magnitude(*cv2.split(vectors))
