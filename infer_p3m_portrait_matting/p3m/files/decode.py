"""The content of an image file as an array: whole, upright, and in sRGB, or one clear error."""

import io
import logging
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import cv2
import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from ..arrays import MAX_PIXELS, as_rgb, check_pixels, to_uint8, too_many_pixels

logger = logging.getLogger(__name__)

#: Pillow's modes that hold one channel of 16 bits.
_MODES_16 = ("I;16", "I;16L", "I;16B", "I;16N")
#: Its modes whose colours an embedded profile of RGB or CMYK may describe.
_MODES_WITH_PROFILE = ("RGB", "RGBA", "P", "PA", "CMYK")

#: What Pillow raises when a file is damaged or cut off.
BROKEN = (OSError, SyntaxError, EOFError, IndexError, TypeError, ArithmeticError, RuntimeError, struct.error)

_INSTALL_HEIF = 'pip install "pillow-heif>=1,<2"'
#: What a HEIC file calls itself (ISO/IEC 23008-12, annex B), in a box of this type (ISO/IEC 14496-12) at its beginning.
_HEIF_BRANDS, _BRANDS_BOX = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), b"ftyp"

#: Tags of TIFF.
_SUBFILE_TYPE, _ORIENTATION, _DNG_VERSION = 254, 274, 50706
#: What stands behind the header of a TIFF in Canon's raw files.
_CR2 = b"CR"

#: Values of red, green and blue on which a profile is compared with sRGB, and how far, of 255, those of sRGB may be off
#: by the rounding of their tables.
_PROBES, _SAME = (0, 8, 16, 32, 64, 96, 128, 192, 255), 2


def decode_image(content: bytes, name: str) -> np.ndarray:
    """Decode the content of an image file of any kind that Pillow or OpenCV reads; HEIC with the package pillow-heif.

    The EXIF orientation is applied, and colours with an embedded profile (Display P3, Adobe RGB, CMYK) become sRGB.

    Args:
        content: the whole file.
        name: its name in messages.

    Returns:
        uint8 or uint16 [H, W], uint8 [H, W, 3] RGB, or uint8 [H, W, 4] RGBA.

    Raises:
        ValueError: the file is not an image, is damaged or truncated, has more pixels than
            :data:`~..arrays.MAX_PIXELS`, or needs a package that the message names.
    """
    if _is_heif(content) and not _register_heif():
        raise ValueError(f"{name} is HEIC: reading it needs the package pillow-heif: {_INSTALL_HEIF}")
    try:
        with _our_limit(), Image.open(io.BytesIO(content)) as image:
            check_pixels(image.height, image.width, name)
            if is_raw(image, content):
                raise ValueError(f"{name} is a camera's raw file, whose preview alone can be read: develop it first")
            if not _needs_opencv(image, content):
                return from_pillow(image, name)
            orientation, profile = _orientation(image, name), image.info.get("icc_profile")
    except UnidentifiedImageError:
        # Pillow does not identify files whose first bytes are damaged either; OpenCV knows some more formats.
        return _from_opencv(content, name)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(too_many_pixels(name)) from error
    except BROKEN as error:
        raise ValueError(f"{name} cannot be read as an image; it may be damaged or cut off: {error}") from error
    array = _from_opencv(content, name, cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    array = _turned(array, orientation)
    if profile and array.ndim == 3:
        colors = _to_srgb(Image.fromarray(np.ascontiguousarray(array[..., :3])), profile, name)
        array = np.dstack([np.asarray(colors), array[..., 3:]])
    return array


@cache
def _register_heif() -> bool:
    """Let Pillow read HEIC, if the package for it is installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def _is_heif(content: bytes) -> bool:
    return content[4:8] == _BRANDS_BOX and content[8:12] in _HEIF_BRANDS


class _Limit:
    """How many threads need our limit, and Pillow's own, which comes back when none does."""

    lock = threading.Lock()
    users = 0
    own: int | None = None


@contextmanager
def _our_limit() -> Iterator[None]:
    """Let Pillow open pictures of up to MAX_PIXELS meanwhile: its own limit is lower, and one for all threads.

    There is still a limit, since some formats take memory for the picture as soon as their header is read.
    """
    with _Limit.lock:
        if not _Limit.users:
            _Limit.own, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MAX_PIXELS
        _Limit.users += 1
    try:
        yield
    finally:
        with _Limit.lock:
            _Limit.users -= 1
            if not _Limit.users:
                Image.MAX_IMAGE_PIXELS = _Limit.own


def is_raw(image: Image.Image, head: bytes) -> bool:
    """Tell whether a TIFF begins with a preview, as the raw files of cameras do (TIFF 6.0, NewSubfileType; DNG 1.1).

    Args:
        image: the picture that Pillow sees.
        head: the first ten bytes of the file, or more.
    """
    tags = getattr(image, "tag_v2", None) if image.format == "TIFF" else None
    if tags is None:
        return False
    return bool(tags.get(_SUBFILE_TYPE, 0) & 1) or _DNG_VERSION in tags or head[8:10] == _CR2


def _needs_opencv(image: Image.Image, content: bytes) -> bool:
    """Tell whether Pillow would lose bits: it reads 16-bit colours as 8-bit, and float TIFFs unchanged."""
    if image.mode in ("F", "I"):
        return True
    # PNG: bit depth and colour type follow width and height in the header.
    return image.format == "PNG" and content[24:25] == b"\x10" and content[25:26] in (b"\x02", b"\x06")


def from_pillow(image: Image.Image, name: str) -> np.ndarray:
    """Turn a PIL image upright and convert it to sRGB; it is not changed.

    Args:
        image: of any mode of at most 16 bits for a value.
        name: its name in messages.

    Returns:
        By its mode: uint8 [H, W] (L, 1), uint16 [H, W] (I;16 in any byte order), else uint8 [H, W, 3] RGB, or
        [H, W, 4] RGBA if it has transparency.

    Raises:
        ValueError: the mode cannot be converted.
        OSError or another of :data:`BROKEN`: it is damaged or cut off.
    """
    image.load()
    return _turned(_in_srgb(image, name), _orientation(image, name))


def _orientation(image: Image.Image, name: str) -> int:
    """Return the orientation that EXIF or XMP states, 1 to 8; 1, with a warning, where they cannot be read."""
    # Pillow's exif_transpose writes EXIF anew, and fails on values that cameras write and Pillow only reads.
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except (*BROKEN, ValueError, KeyError, AssertionError) as error:
        logger.warning("%s: its EXIF data cannot be read, so it is taken as upright: %s", name, error)
        return 1


def _in_srgb(image: Image.Image, name: str) -> np.ndarray:
    """Convert a loaded PIL image, as :func:`from_pillow`, but leave it turned as it is."""
    profile = image.info.get("icc_profile")
    if image.mode in _MODES_16:
        return np.array(image).astype(np.uint16)
    if image.mode in ("1", "L"):
        return np.array(image.convert("L"))
    alpha = image.has_transparency_data
    if profile and image.mode in _MODES_WITH_PROFILE:
        colors = _to_srgb(image if image.mode in ("RGB", "CMYK") else image.convert("RGB"), profile, name)
        if alpha:
            colors.putalpha((image if "A" in image.getbands() else image.convert("RGBA")).getchannel("A"))
        return np.array(colors)
    return np.array(image.convert("RGBA" if alpha else "RGB"))


def _from_opencv(content: bytes, name: str, flags: int | None = None) -> np.ndarray:
    try:
        image = (
            cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED if flags is None else flags)
            if content
            else None
        )
    except cv2.error as error:
        raise ValueError(f"{name} cannot be read as an image: {str(error).strip()[:200]}") from error
    if image is None:
        raise ValueError(f"{name} cannot be read as an image")
    height, width = image.shape[:2]
    check_pixels(height, width, name)
    if image.dtype.kind == "f":
        if not np.isfinite(image).all() or image.min() < 0 or image.max() > 1:
            raise ValueError(f"{name} holds floating-point values outside [0, 1]: convert it first")
        image = to_uint8(image)
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"{name} holds {image.dtype} values: convert it to 8 or 16 bits first")
    if image.ndim == 2:
        return image
    code = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}.get(image.shape[2])
    if code is None:
        return image[..., 0]
    return to_uint8(cv2.cvtColor(image, code))


#: EXIF orientation -> whether to mirror left to right first, then the number of counter-clockwise quarter turns.
_TURNS = {2: (True, 0), 3: (False, 2), 4: (True, 2), 5: (True, 1), 6: (False, 3), 7: (True, 3), 8: (False, 1)}


def _turned(array: np.ndarray, orientation: int) -> np.ndarray:
    mirrored, turns = _TURNS.get(orientation, (False, 0))
    return np.ascontiguousarray(np.rot90(array[:, ::-1] if mirrored else array, turns))


def _to_srgb(image: Image.Image, profile: bytes, name: str) -> Image.Image:
    """Convert RGB or CMYK with a profile to sRGB; return the image itself if that is what it holds."""
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(
            given, _srgb(), image.mode, "RGB", renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC
        )
        if image.mode == "RGB" and _changes_nothing(transform):
            return image
        return ImageCms.applyTransform(image, transform) or image.convert("RGB")
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        logger.warning("%s: its colour profile cannot be used, its colours are taken as sRGB: %s", name, error)
        return image.convert("RGB")


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Tell whether a transform from RGB to sRGB starts from sRGB, whatever its profile is called."""
    levels = np.array(_PROBES, np.uint8)
    probe = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    converted = np.asarray(ImageCms.applyTransform(Image.fromarray(probe), transform))
    return int(np.abs(converted.astype(int) - probe).max()) <= _SAME


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def rgb_of(array: np.ndarray) -> np.ndarray:
    """Convert a result of :func:`decode_image` to uint8 [H, W, 3] RGB: repeat grey, drop alpha."""
    return np.ascontiguousarray(as_rgb(array if array.dtype == np.uint8 else to_uint8(array)))


def matte_of(array: np.ndarray) -> np.ndarray:
    """Convert a result of :func:`decode_image` to a matte, uint8 [H, W]: its alpha unless opaque, else its grey."""
    if array.dtype != np.uint8:
        array = to_uint8(array)
    if array.ndim == 2:
        return array
    if array.shape[2] == 4 and array[..., 3].min() < 255:
        return np.ascontiguousarray(array[..., 3])
    return cv2.cvtColor(np.ascontiguousarray(array[..., :3]), cv2.COLOR_RGB2GRAY)
