"""Choose the library that reads a TIFF right (TIFF 6.0): Pillow, libtiff in Pillow, OpenCV, or none."""

import io
import struct
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from ..arrays import to_uint8
from .limits import RefusedError, check_size, max_pixels

_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
#: Tags.
_SUBFILE_TYPE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_SAMPLES, _PLANES, _TILE_WIDTH, _TILE_HEIGHT, _EXTRA, _FORMAT, _DNG_VERSION, _PROFILE = (
    *(277, 284, 322, 323, 338, 339),
    *(50706, 34675),
)
#: Bits of NewSubfileType that say that a page is a smaller copy or a mask.
_COPY, _MASK = 1, 4
#: The bytes after the header of a TIFF in Canon's raw files.
_CR2 = b"CR"
#: Values of the tags for the photometric interpretation and the sample format.
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK = 0, 1, 2, 5
_UNSIGNED, _FLOAT, _UNDEFINED = 1, 3, 4
#: Compressions that none of these libraries reads; any other number may be damage.
_COMPRESSIONS = {
    34887: "LERC",
    34712: "JPEG 2000",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
#: The largest number of pages that are counted.
_PAGES = 1000


class Layout(NamedTuple):
    """How a TIFF's first picture is stored: the tags that matter to readers."""

    width: int
    height: int
    bits: tuple[int, ...]
    compression: int
    photometric: int
    planes: int
    kind: int
    extra: int
    profile: bytes
    is_raw: bool
    pages: int


def is_tiff(content: bytes) -> bool:
    """Tell whether a file is a TIFF by its first bytes."""
    return content[:4] in _HEADS


def is_raw(tags: Any, head: bytes) -> bool:
    """Tell whether a TIFF begins with a preview, as the raw files of cameras do (TIFF 6.0, NewSubfileType; DNG 1.1).

    Args:
        tags: those of its first directory.
        head: the first ten bytes of the file, or more.
    """
    return bool(_number(tags, _SUBFILE_TYPE, 0) & _COPY) or _DNG_VERSION in tags or head[8:10] == _CR2


def layout_of(content: bytes, name: str) -> Layout | None:
    """Read how a TIFF is stored; return None if its first directory cannot be read.

    Raises:
        RefusedError: a tile is larger than any picture may be.
    """
    try:
        first, pages = _directories(content)
    except (SyntaxError, OSError, ValueError, TypeError, struct.error, OverflowError):
        return None
    if first is None:
        return None
    samples = _number(first, _SAMPLES, 1)
    bits = _numbers(first, _BITS) or (1,)
    kinds = _numbers(first, _FORMAT) or (_UNSIGNED,)
    if _number(first, _TILE_WIDTH, 0) * _number(first, _TILE_HEIGHT, 0) > max_pixels():
        raise RefusedError(f"{name} has tiles that are larger than any picture may be")
    profile = first.get(_PROFILE, b"")
    return Layout(
        _number(first, _WIDTH, 0),
        _number(first, _HEIGHT, 0),
        bits if len(bits) > 1 else bits * max(min(samples, 64), 1),
        _number(first, _COMPRESSION, 1),
        _number(first, _PHOTOMETRIC, _BLACK_IS_ZERO),
        _number(first, _PLANES, 1),
        kinds[0] if len(set(kinds)) == 1 else 0,
        _number(first, _EXTRA, 0),
        profile if isinstance(profile, bytes) else b"",
        is_raw(first, content),
        pages,
    )


def reader_of(layout: Layout, name: str) -> str:
    """Choose the library that reads a TIFF right.

    Returns:
        "pillow"; "libtiff", in Pillow, for what Pillow's own code unpacks wrong; or "opencv".

    Raises:
        RefusedError: no library does; the message says what is unusual about the file.
    """
    depth, count = set(layout.bits), len(layout.bits)
    if layout.kind not in (_UNSIGNED, _UNDEFINED, _FLOAT):
        raise _refused(name, "signed or complex values")
    if layout.kind == _FLOAT:
        if depth not in ({32}, {64}):
            raise _refused(name, "half-float values" if depth == {16} else "floating-point values of an unusual size")
    elif depth == {8} or (count == 1 and depth <= {1, 2, 4}):
        return "pillow"
    elif depth == {16}:
        if count == 1 and layout.photometric == _BLACK_IS_ZERO:
            return "pillow"
        if count >= 3 and layout.photometric in (_RGB, _CMYK):
            return "libtiff" if layout.planes == 2 and layout.compression == 1 else "pillow"
    elif not depth <= set(range(9, 16)):
        raise _refused(name, f"values of {'/'.join(map(str, sorted(depth)))} bits")
    is_grey = count == 1 and layout.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO)
    if not is_grey and not (count in (3, 4) and layout.photometric == _RGB and layout.planes == 1):
        raise _refused(name, f"{max(depth)} bits a value, in an unusual order or with unusual channels")
    return "opencv"


def read_by_opencv(content: bytes, layout: Layout, name: str) -> np.ndarray:
    """Read a TIFF of 9 to 16 bits or of floating-point values.

    OpenCV turns the picture upright, whatever its flags say, and shifts values of fewer bits to the upper ones of 16.

    Returns:
        uint16 [H, W], or uint8 [H, W], [H, W, 3] RGB or [H, W, 4] RGBA.

    Raises:
        RefusedError: the file is damaged, or its values lie outside [0, 1].
    """
    check_size(layout.width, layout.height, name)
    if layout.compression == 1 and layout.width * layout.height * sum(layout.bits) > 8 * len(content):
        raise RefusedError(f"{name} cannot be read as an image; it is damaged or cut off")
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        image = None
    if image is None or image.dtype not in (np.uint16, np.float32, np.float64):
        raise RefusedError(f"{name} cannot be read as an image; it may be damaged or cut off")
    if image.dtype != np.uint16 and (not np.isfinite(image).all() or image.min() < 0 or image.max() > 1):
        raise RefusedError(f"{name} holds floating-point values outside [0, 1]: convert it first")
    depth = max(layout.bits)
    if image.dtype == np.uint16 and depth < 16:
        most = (2**depth - 1) << (16 - depth)
        image = np.minimum((image.astype(np.uint32) * 65535 + most // 2) // most, 65535).astype(np.uint16)
    if layout.photometric == _WHITE_IS_ZERO:
        image = (1 if image.dtype != np.uint16 else np.uint16(65535)) - image
    if image.ndim == 2:
        return image if image.dtype == np.uint16 else to_uint8(image)
    image = to_uint8(image)
    if image.shape[2] == 4 and layout.extra == 1:
        # Premultiplied alpha.
        alpha = np.maximum(image[..., 3:].astype(np.float32), 1)
        image[..., :3] = np.minimum(image[..., :3] * (255 / alpha) + 0.5, 255)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)


def unknown_compression(layout: Layout) -> str:
    """Return the name of a compression that no library here reads, or ""."""
    return _COMPRESSIONS.get(layout.compression, "")


def _refused(name: str, what: str) -> RefusedError:
    return RefusedError(f"{name} is a TIFF with {what}, which cannot be read: save it as 8-bit RGB")


def _directories(content: bytes) -> tuple[dict[int, Any] | None, int]:
    """Return the first directory, and the number of pages, without copies and masks."""
    is_big = content[2:3] == b"+" or content[3:4] == b"+"
    file = io.BytesIO(content)
    directory = ImageFileDirectory_v2(content[: 16 if is_big else 8])
    first: dict[int, Any] | None = None
    pages, seen = 0, set[int]()
    while directory.next and directory.next not in seen and len(seen) < _PAGES:
        seen.add(directory.next)
        file.seek(directory.next)
        try:
            directory.load(file)
        except (OSError, ValueError, TypeError, struct.error):
            if first is None:
                raise
            break
        if first is None:
            first = {tag: directory.get(tag) for tag in directory}
        pages += not _number(directory, _SUBFILE_TYPE, 0) & (_COPY | _MASK)
    return first, pages


def _numbers(tags: Any, tag: int) -> tuple[int, ...]:
    values = tags.get(tag, ())
    values = values if isinstance(values, tuple) else (values,)
    return tuple(value for value in values if isinstance(value, int))


def _number(tags: Any, tag: int, default: int) -> int:
    return next(iter(_numbers(tags, tag)), default)
