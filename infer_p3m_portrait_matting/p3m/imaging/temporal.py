"""Steady the mattes of a video: each frame's matte is compared with those before it, moved along with the picture.

A matte flickers in two ways. Its edge trembles, and whole parts come and go: an arm is lost for a frame, or a dark
thing behind the person passes for a part of them. A trembling edge is averaged with the edge before. A part that comes
or goes is put to the vote of the frames that showed the same place, and the majority wins.

The last matte can speak for a pixel only if the picture there has come from the last frame. That is so if the optical
flow (DIS: Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016) leads to a pixel of the same
colour, and the flow in the other direction leads back. What was hidden, what enters, and what follows a cut has no
past, and keeps the frame's own matte.
"""

from typing import NamedTuple

import cv2
import numpy as np

from ..arrays import check_matte, on_white, to_uint8

#: Long side in pixels at which motion is sought, and the least size of the other side.
_LONG, _LEAST = 768, 16
#: Weight of the past where an edge trembles: in what moves, and in what stands still.
_MOVING, _STILL = 0.35, 0.75
#: Largest change of colour, out of 255, of what stands still, on average over a square of so many pixels, and how far
#: that must hold around a pixel.
_QUIET, _AROUND, _NEAR = 6.0, 7, 9
#: A part comes or goes where alpha changes by more than this on average over a square of so many pixels.
_PART, _SQUARE = 0.15, 25
#: Most votes that the past has against one of the new frame, and by how much of alpha the average of all votes must
#: differ from the new matte for the past to begin to win, and to win.
_VOTES, _OUTVOTED = 15, (0.3, 0.7)
#: By how many pixels the flow there and back may miss, and that as a share of its length.
_ASTRAY, _SHARE = 2.0, 0.05
#: Change of colour, out of 255, above which the past counts for less; from twice as much on it counts for nothing.
_CHANGE = 12.0
#: If the past counts for less than this share of the picture, another scene has begun.
_CUT = 0.3


class _Past(NamedTuple):
    """What is remembered of the frames so far; h x w is the size at which motion is sought.

    Attributes:
        rgb: uint8 [h, w, 3], the last frame.
        grey: uint8 [h, w], the same.
        alpha: float32 [H, W] in [0, 1], its steadied matte.
        mean: float32 [h, w] in [0, 1], the average of the mattes before they were steadied, moved along.
        votes: float32 [h, w], how many frames that average has, at least 1.
    """

    rgb: np.ndarray
    grey: np.ndarray
    alpha: np.ndarray
    mean: np.ndarray
    votes: np.ndarray


class TemporalFilter:
    """Steady the mattes of consecutive frames. Use one filter for each video.

    The same frames give the same bits on every run. In the first frame, after a cut, and after a change of size the
    matte stays as it is.
    """

    def __init__(self) -> None:
        self._past: _Past | None = None
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def reset(self) -> None:
        """Forget the previous frames."""
        self._past = None

    def __call__(self, image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """Steady one frame's matte.

        Args:
            image: the frame, an array that :func:`~..arrays.check_image` accepts.
            alpha: its matte, float [H, W] in [0, 1].

        Returns:
            float32 [H, W] in [0, 1], a new array.

        Raises:
            ValueError: the sizes differ.
            TypeError: the matte is not floating point.
        """
        check_matte(image, alpha)
        alpha = alpha.astype(np.float32).clip(0, 1)
        rgb = _small(to_uint8(on_white(image)))
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        past, votes = self._past, np.ones(grey.shape, np.float32)
        mean: np.ndarray = cv2.resize(alpha, grey.shape[::-1], interpolation=cv2.INTER_AREA)
        if past is not None and past.alpha.shape == alpha.shape:
            is_still = _is_still(rgb, past.rgb)
            flow = self._flow(grey, past.grey)
            trust = _trust(flow, self._flow(past.grey, grey), rgb, past.rgb)
            # Flow follows the noise where there is nothing else to follow.
            flow[is_still], trust[is_still] = 0, 1
            if trust.mean() >= _CUT:
                votes += np.minimum(trust * _moved(past.votes, flow), _VOTES)
                against = (1 - 1 / votes) * (_moved(past.mean, flow) - mean)
                mean += against
                low, high = _OUTVOTED
                outvoted = np.clip((np.abs(against) - low) / (high - low), 0, 1)
                edge = np.where(is_still, np.float32(_STILL), np.float32(_MOVING))
                alpha = _blend(alpha, _moved(past.alpha, flow) - alpha, trust * outvoted, trust * edge)
        self._past = _Past(rgb, grey, alpha, mean, votes)
        return alpha.copy()

    def _flow(self, now: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return the motion from each pixel of one frame to the other: x and y, float32 [h, w, 2]."""
        return self._dis.calc(now, other, None)  # type: ignore[call-overload, no-any-return]


def _small(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    scale = min(_LONG / max(height, width), 1.0)
    size = max(round(width * scale), _LEAST), max(round(height * scale), _LEAST)
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)


def _is_still(rgb: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Tell where two frames, uint8 [h, w, 3], show the same: bool [h, w]."""
    now, was = (cv2.blur(picture, (_AROUND, _AROUND)).astype(np.float32) for picture in (rgb, last))
    return cv2.dilate(np.abs(now - was).max(2), np.ones((_NEAR, _NEAR), np.uint8)) < _QUIET


def _trust(flow: np.ndarray, back: np.ndarray, rgb: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Tell how far the last frame can speak for each pixel of this one.

    Args:
        flow: float32 [h, w, 2], from each pixel of this frame to where it was in the last one, x and y.
        back: float32 [h, w, 2], from the last frame to this one.
        rgb, last: uint8 [h, w, 3], both frames.

    Returns:
        float32 [h, w] in [0, 1].
    """
    height, width = flow.shape[:2]
    astray = _length(flow + _moved(back, flow)) / (_ASTRAY + _SHARE * _ASTRAY * _length(flow))
    # Noise does not count as a change of colour.
    was, now = (cv2.blur(picture, (3, 3)).astype(np.float32) for picture in (_moved(last, flow), rgb))
    change = np.abs(now - was).max(2) / _CHANGE
    trust = np.clip(2 - astray, 0, 1) * np.clip(2 - change, 0, 1)
    x, y = _places(flow)
    trust[(x < -0.5) | (y < -0.5) | (x > width - 0.5) | (y > height - 0.5)] = 0
    # The flow is least exact beside what it gets wrong.
    return cv2.erode(trust, np.ones((3, 3), np.uint8))


def _blend(alpha: np.ndarray, change: np.ndarray, parts: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Add a share of the change back to the past, float32 [H, W], to a matte of that size.

    Args:
        alpha: float32 [H, W] in [0, 1].
        change: float32 [H, W], the past alpha minus this one.
        parts: float32 [h, w] in [0, 1], the share where parts come or go, if it is larger than the other.
        edges: float32 [h, w] in [0, 1], the share.

    Returns:
        float32 [H, W] in [0, 1].
    """
    # An edge that is a little out of place changes up and down: the mean of both is small.
    mean = cv2.blur(cv2.resize(change, parts.shape[::-1], interpolation=cv2.INTER_AREA), (_SQUARE, _SQUARE))
    is_part = cv2.dilate((np.abs(mean) > _PART).astype(np.uint8), np.ones((_SQUARE, _SQUARE), np.uint8)) > 0
    share = np.where(is_part, np.maximum(parts, edges), edges)
    blended = cv2.resize(share, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
    blended *= change
    blended += alpha
    return blended.clip(0, 1, out=blended)


def _moved(past: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Move a picture or matte of the last frame along with the motion; its size may differ from that of the flow."""
    height, width = past.shape[:2]
    if flow.shape[:2] != (height, width):
        scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
        flow = cv2.resize(flow * scale, (width, height), interpolation=cv2.INTER_LINEAR)
    x, y = _places(flow)
    return cv2.remap(past, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _places(flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where each pixel was: x and y, float32 [h, w] each."""
    height, width = flow.shape[:2]
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    return x, y


def _length(vectors: np.ndarray) -> np.ndarray:
    return cv2.magnitude(vectors[..., 0], vectors[..., 1])
