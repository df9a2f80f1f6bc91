"""Convert PIL images to arrays, upright and in sRGB."""

import logging
import struct

import numpy as np
from PIL import Image

from ..arrays import to_uint8
from . import colors

logger = logging.getLogger(__name__)

#: Pillow's modes that hold one channel of 16 bits.
_MODES_16 = ("I;16", "I;16L", "I;16B", "I;16N")
#: Its modes whose colours an embedded profile of RGB or CMYK may describe.
_MODES_WITH_PROFILE = ("RGB", "RGBA", "P", "PA", "CMYK")

#: What Pillow raises when a file is damaged or cut off.
BROKEN = (OSError, SyntaxError, EOFError, IndexError, TypeError, ArithmeticError, RuntimeError, struct.error)

_ORIENTATION = 274


def from_pillow(image: Image.Image, name: str, as_data: bool = False, warnings: list[str] | None = None) -> np.ndarray:
    """Turn a PIL image upright and convert it to sRGB; the image itself stays unchanged.

    Args:
        image: of any mode of at most 16 bits for a value.
        name: its name in messages.
        as_data: leave the values unchanged.
        warnings: sentences for the user are added here; None logs them instead.

    Returns:
        By its mode: uint8 [H, W] (L, 1), uint16 [H, W] (I;16 in any byte order), else uint8 [H, W, 3] RGB, or
        [H, W, 4] RGBA if it has transparency.

    Raises:
        ValueError: the mode cannot be converted.
        OSError or another of :data:`BROKEN`: the image is damaged or cut off.
    """
    said: list[str] = [] if warnings is None else warnings
    image.load()
    array = _turned(_in_srgb(image, name, as_data, said), _orientation(image, name, said))
    for warning in said if warnings is None else ():
        logger.warning("%s", warning)
    return array


def _orientation(image: Image.Image, name: str, warnings: list[str]) -> int:
    """Return the orientation that a file states, 1 to 8; 1, with a warning, where it cannot be read."""
    # Pillow's exif_transpose writes EXIF anew, and fails on values that cameras write and Pillow only reads.
    try:
        if image.format not in ("AVIF", "HEIF"):
            return image.getexif().get(_ORIENTATION, 1)
        # In these files "irot" and "imir" count, which their readers put into EXIF; getexif would also read XMP.
        exif = Image.Exif()
        exif.load(image.info.get("exif") or b"")
        return exif.get(_ORIENTATION, 1)
    except (*BROKEN, ValueError, KeyError, AssertionError) as error:
        warnings.append(f"{name}: its EXIF data cannot be read, so it is taken as upright: {error}")
        return 1


def _in_srgb(image: Image.Image, name: str, as_data: bool, warnings: list[str]) -> np.ndarray:
    """Convert a loaded PIL image, as :func:`from_pillow`, but leave it turned as it is."""
    profile = b"" if as_data else image.info.get("icc_profile")
    if image.mode in (*_MODES_16, "I"):
        deep = _narrowed(image)
        grey, key = _grey(deep, profile, name, warnings), image.info.get("transparency")
        if not isinstance(key, int):
            return grey
        return np.dstack([to_uint8(grey)] * 3 + [np.where(deep == key, np.uint8(0), np.uint8(255))])
    alpha = image.has_transparency_data
    if image.mode in ("1", "L") and not alpha:
        return _grey(np.array(image.convert("L")), profile, name, warnings)
    if profile and image.mode in _MODES_WITH_PROFILE:
        rgb = image if image.mode in ("RGB", "CMYK") else image.convert("RGB")
        converted = colors.from_profile(rgb, profile, name, warnings)
        if alpha:
            converted.putalpha((image if "A" in image.getbands() else image.convert("RGBA")).getchannel("A"))
        return np.array(converted)
    array = np.array(image.convert("RGBA" if alpha else "RGB"))
    if profile and image.mode in ("1", "L", "LA", "La"):
        array[..., :3] = colors.grey_from_profile(array[..., 0], profile, name, warnings)[..., None]
    return array


def _grey(array: np.ndarray, profile: bytes | None, name: str, warnings: list[str]) -> np.ndarray:
    return colors.grey_from_profile(array, profile, name, warnings) if profile else array


def _narrowed(image: Image.Image) -> np.ndarray:
    """Return 16-bit values as uint16; Pillow may hold them in 32 bits, for example those of a PPM."""
    array = np.array(image)
    if array.dtype.itemsize == 2:
        return array.astype(np.uint16)
    if array.min() < 0 or array.max() > 65535:
        raise ValueError("it has values of 32 bits")
    return array.astype(np.uint16)


#: EXIF orientation -> whether to mirror left to right first, then the number of counter-clockwise quarter turns.
_TURNS = {2: (True, 0), 3: (False, 2), 4: (True, 2), 5: (True, 1), 6: (False, 3), 7: (True, 3), 8: (False, 1)}


def _turned(array: np.ndarray, orientation: int) -> np.ndarray:
    mirrored, turns = _TURNS.get(orientation, (False, 0))
    return np.ascontiguousarray(np.rot90(array[:, ::-1] if mirrored else array, turns))
