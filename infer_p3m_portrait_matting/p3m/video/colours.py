"""Convert the colours of videos with wide gamuts to sRGB."""

from functools import lru_cache

import cv2
import numpy as np

#: The primaries of wide gamuts, by FFmpeg's AVColorPrimaries (ISO/IEC 23091-2): x and y of red, green and blue. The
#: white is D65. Of the others, BT.709 is sRGB's own, and those of old television are near it.
_BT2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
_WIDE = {9: _BT2020, 11: _P3, 12: _P3}
_BT709 = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_D65 = (0.3127, 0.3290)

#: Steps of light between black and white; fewer would show in dark areas.
_STEPS = 65535


def is_wide(primaries: int) -> bool:
    """Tell whether colours of these primaries (AVColorPrimaries) must be converted."""
    return primaries in _WIDE


def to_srgb(image: np.ndarray, primaries: int) -> np.ndarray:
    """Convert colours to sRGB; colours outside sRGB are clipped in each channel.

    The transfer curve is taken as sRGB's, which those of SDR videos resemble.

    Args:
        image: uint8 [H, W, 3] RGB.
        primaries: its AVColorPrimaries, for which :func:`is_wide`.

    Returns:
        uint8 [H, W, 3] RGB.
    """
    light, values = _curves()
    matrix = np.linalg.inv(_to_xyz(_BT709)) @ _to_xyz(_WIDE[primaries])
    converted = cv2.transform(light[image], matrix.astype(np.float32))
    return values[np.rint(np.clip(converted, 0, 1) * _STEPS).astype(np.uint16)]


@lru_cache(maxsize=1)
def _curves() -> tuple[np.ndarray, np.ndarray]:
    """Return light of each value, float32 [256], and the value of each step of light, uint8 (IEC 61966-2-1)."""
    value = np.arange(256) / 255
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    steps = np.arange(_STEPS + 1) / _STEPS
    values = np.where(steps <= 0.0031308, 12.92 * steps, 1.055 * steps ** (1 / 2.4) - 0.055)
    return light.astype(np.float32), np.rint(values * 255).astype(np.uint8)


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Return the matrix [3, 3] from light of the primaries to XYZ, in which white is 1, 1, 1."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in (*primaries, _D65)]).T
    return columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3])
