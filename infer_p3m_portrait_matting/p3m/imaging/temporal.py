"""Steadier mattes for video: where the picture stands still, so does the matte."""

import cv2
import numpy as np

from .images import as_rgb, check_matte, to_uint8
from .photos import Photo, takes_photo

#: Share of the new matte where nothing moves; the rest is what came before.
STILL = 0.25
#: Change of a smoothed pixel, of 255, from which on the new matte counts alone.
MOTION = 16.0
#: Mean change of the whole picture, of 255, that is a cut to another scene.
CUT = 30.0


class TemporalFilter:
    """Damps the flicker of mattes that follow one another; one filter for one video.

    Each pixel's alpha moves towards the new one: by a quarter where the picture stands still, wholly where it changes.
    At a cut, or when the size changes, nothing of the past is kept.
    """

    def __init__(self) -> None:
        self._smooth: np.ndarray | None = None
        self._alpha: np.ndarray | None = None

    def reset(self) -> None:
        """Forget what came before."""
        self._smooth = self._alpha = None

    @takes_photo("image")
    def __call__(self, image: Photo, alpha: np.ndarray) -> np.ndarray:
        """Filter one frame.

        Args:
            image: the frame, as for :meth:`~.inference.PortraitMatting.matte`.
            alpha: its matte, float [H, W] in [0, 1].

        Returns:
            float32 [H, W] in [0, 1], a new array.

        Raises:
            ValueError: the sizes differ.
            TypeError: the matte is not floating point.
        """
        check_matte(image, alpha)
        smooth = cv2.blur(to_uint8(as_rgb(image)), (7, 7)).astype(np.float32)
        alpha = alpha.astype(np.float32)
        if self._alpha is not None and self._alpha.shape == alpha.shape:
            # Any one channel may tell; noise is in all of them and was smoothed away.
            change = np.abs(smooth - self._smooth).max(-1)
            if change.mean() < CUT:
                # What moved nearby may show itself in the matte first.
                share = np.clip(cv2.dilate(change, np.ones((9, 9), np.uint8)) / MOTION, STILL, 1)
                alpha = self._alpha + share * (alpha - self._alpha)
        self._smooth, self._alpha = smooth, alpha
        return alpha.clip(0, 1)
