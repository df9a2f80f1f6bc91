"""Encode images as PNG."""

import struct
import zlib

import cv2
import numpy as np

_CODES = {1: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}

#: Where the header ends: 8 bytes that say PNG, then length, name, 13 bytes and checksum.
_HEADER = 33
_SRGB = b"sRGB" + b"\0"
#: The chunk that says that colours are sRGB (PNG specification, 11.3.2.5), for perceptual rendering.
_SRGB_CHUNK = struct.pack(">I", 1) + _SRGB + struct.pack(">I", zlib.crc32(_SRGB))


def encode_png(image: np.ndarray) -> bytes:
    """Encode uint8 [H, W], [H, W, 3] RGB or [H, W, 4] RGBA as PNG; colours say that they are sRGB.

    Raises:
        OSError: the picture cannot be encoded.
    """
    code = _CODES[1 if image.ndim == 2 else image.shape[2]]
    try:
        done, data = cv2.imencode(".png", image if code is None else cv2.cvtColor(image, code))
    except cv2.error as error:
        # Some versions of OpenCV raise where others return that it failed.
        raise OSError(f"the picture could not be encoded as PNG: {str(error).strip()[:200]}") from error
    if not done:
        raise OSError("the picture could not be encoded as PNG")
    content = data.tobytes()
    return content if code is None else content[:_HEADER] + _SRGB_CHUNK + content[_HEADER:]
