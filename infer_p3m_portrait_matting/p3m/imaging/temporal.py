"""Reduce flicker in the mattes of a video: hold the matte still where the picture stands still."""

import cv2
import numpy as np

from ..arrays import check_matte, on_white, to_uint8

#: Weight of the new matte where nothing moves; the previous matte has the remaining weight.
STILL = 0.25
#: Change of a smoothed pixel, out of 255, above which only the new matte counts.
MOTION = 16.0
#: Mean change of the whole picture, out of 255, that counts as a cut to another scene.
CUT = 30.0


class TemporalFilter:
    """Filter the mattes of consecutive frames. Use one filter for each video.

    Each pixel's alpha moves towards the new one: by a quarter where the picture stands still, completely where it
    changes. A cut or a change of size resets the filter.
    """

    def __init__(self) -> None:
        self._smooth: np.ndarray | None = None
        self._alpha: np.ndarray | None = None

    def reset(self) -> None:
        """Forget the previous frames."""
        self._smooth = self._alpha = None

    def __call__(self, image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """Filter one frame.

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
        smooth = cv2.blur(to_uint8(on_white(image)), (7, 7)).astype(np.float32)
        alpha = alpha.astype(np.float32)
        if self._smooth is not None and self._alpha is not None and self._alpha.shape == alpha.shape:
            # A change in one channel is enough; the noise was smoothed away.
            change = np.abs(smooth - self._smooth).max(-1)
            if change.mean() < CUT:
                # Motion may appear in the matte before it appears in the pixel itself.
                share = np.clip(cv2.dilate(change, np.ones((9, 9), np.uint8)) / MOTION, STILL, 1)
                alpha = self._alpha + share * (alpha - self._alpha)
        self._smooth, self._alpha = smooth, alpha
        return alpha.clip(0, 1)
