"""Encode images as PNG."""

import cv2
import numpy as np

_CODES = {1: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}


def encode_png(image: np.ndarray) -> bytes:
    """Encode uint8 [H, W], [H, W, 3] RGB or [H, W, 4] RGBA as PNG.

    Raises:
        OSError: the picture cannot be encoded.
    """
    code = _CODES[1 if image.ndim == 2 else image.shape[2]]
    done, data = cv2.imencode(".png", image if code is None else cv2.cvtColor(image, code))
    if not done:
        raise OSError("the picture could not be encoded as PNG")
    return data.tobytes()
