"""Decode the content of an image file to an array: whole, upright and in sRGB; or raise one clear error."""

import io
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from ..arrays import MAX_PIXELS, as_rgb, on_white, to_uint8
from ..errors import printable
from . import colors, heif, jpeg, png, tiff
from .formats import begins_as_known, name_of_unreadable, readable
from .limits import RefusedError, TooLargeError, check_bytes, check_size, too_large
from .pil_images import BROKEN, from_pillow

logger = logging.getLogger(__name__)

_INSTALL_HEIF = 'pip install "pillow-heif>=1,<2"'
#: How an ICO begins.
_ICON = b"\0\0\1\0"


class Decoded(NamedTuple):
    """A picture from a file, and what a user should know about it.

    Attributes:
        image: uint8 or uint16 [H, W], uint8 [H, W, 3] RGB, or uint8 [H, W, 4] RGBA.
        warnings: sentences, such as that the file has several pictures; each names the file.
    """

    image: np.ndarray
    warnings: list[str]


def decode(content: bytes, name: str, as_data: bool = False) -> Decoded:
    """Decode the content of an image file in one of the formats in :data:`~.formats.READ`; no other is ever opened.

    The orientation is applied, and colours become sRGB, however the file describes them: by an ICC profile, by numbers
    (HEIC, AVIF, PNG; HDR is tone-mapped), or by the gamma of a PNG. The first picture of several is taken.

    Args:
        content: the whole file.
        name: its name in messages.
        as_data: leave the values unchanged, as for a matte, whose values are not colours.

    Raises:
        ValueError: the file is of another format, damaged, cut off, beyond a limit (:mod:`.limits`), or needs a package
            or more memory; the message says what is wrong.
    """
    warnings: list[str] = []
    name = printable(name)
    check_bytes(len(content), name)
    if not content:
        raise RefusedError(f"{name} cannot be read as an image: it is empty")
    try:
        image = _decoded(content, name, as_data, warnings)
        if not as_data and image.ndim == 3 and image.shape[2] == 4 and not image[..., 3].any():
            warnings.append(f"{name} is transparent everywhere, so nothing of it is left: save it without transparency")
        return Decoded(image, warnings)
    except RefusedError:
        raise
    except UnidentifiedImageError as error:
        if called := name_of_unreadable(content):
            raise RefusedError(f"{name} is {called}, which cannot be read: save it as PNG or JPEG first") from error
        raise RefusedError(f"{name} cannot be read as an image") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLargeError(too_large(name)) from error
    except MemoryError as error:
        raise RefusedError(f"{name} needs more memory than there is: make it smaller first") from error
    except (*BROKEN, ValueError, KeyError, AssertionError) as error:
        raise RefusedError(f"{name} cannot be read as an image; it may be damaged or cut off: {error}") from error


def decode_image(content: bytes, name: str, as_data: bool = False) -> np.ndarray:
    """Decode the content of an image file as :func:`decode`; the warnings are logged."""
    image, warnings = decode(content, name, as_data)
    for warning in warnings:
        logger.warning("%s", warning)
    return image


class _Source(NamedTuple):
    """A file as Pillow should open it, and what Pillow does not say about it.

    Attributes:
        content: the file, without the parts at which Pillow fails.
        format: Pillow's name for the format, or "" to let Pillow find out.
        numbers: primaries and transfer.
        profile: the ICC profile, if Pillow does not read it.
        gamma, chromaticities: as in :class:`~.png.Chunks`.
        pictures: how many there are, or 0 to ask Pillow.
        outline: what the markers of a JPEG say.
        reader: the library that reads a TIFF right; see :func:`~.tiff.reader_of`.
        layout: of a TIFF.
    """

    content: bytes
    format: str = ""
    numbers: tuple[int, int] | None = None
    profile: bytes = b""
    gamma: float | None = None
    chromaticities: tuple[float, ...] | None = None
    pictures: int = 0
    outline: jpeg.Outline | None = None
    reader: str = "pillow"
    layout: tiff.Layout | None = None


def _source(content: bytes, name: str, warnings: list[str]) -> _Source:
    """Examine a file before Pillow or OpenCV opens it."""
    if png.is_png(content):
        chunks = png.read_chunks(content, name)
        return _Source(
            chunks.content,
            "PNG",
            numbers=chunks.cicp,
            profile=chunks.profile,
            gamma=chunks.gamma,
            chromaticities=chunks.chromaticities,
            pictures=chunks.pictures,
        )
    if kind := heif.kind_of(content):
        if kind == "HEIF" and not _register_heif():
            raise RefusedError(f"{name} is HEIC: reading it needs the package pillow-heif: {_INSTALL_HEIF}")
        return _Source(heif.with_usual_brand(content, kind), kind, numbers=heif.color_numbers(content))
    if tiff.is_tiff(content):
        layout = tiff.layout_of(content, name)
        if layout is None:
            return _Source(content, "TIFF")
        if layout.is_raw:
            raise RefusedError(
                f"{name} is a camera's raw file, of which only the preview can be read: develop it first"
            )
        reader = tiff.reader_of(layout, name)
        return _Source(content, "TIFF", pictures=layout.pages, reader=reader, layout=layout)
    if jpeg.begins_with_jpeg(content) or (
        jpeg.has_jpeg_behind_others(content) and not begins_as_known(content) and not name_of_unreadable(content)
    ):
        whole, found = jpeg.with_usual_ends(content, name, warnings)
        return _Source(whole, "JPEG", pictures=1, outline=found)
    if content.startswith(_ICON):
        # Pillow decodes the pictures as soon as it opens the icon, and they may be larger than the icon says.
        for width, height in png.sizes_within(content):
            check_size(width, height, name)
    return _Source(content)


def _decoded(content: bytes, name: str, as_data: bool, warnings: list[str]) -> np.ndarray:
    source = _source(content, name, warnings)
    if source.reader == "opencv":
        assert source.layout is not None
        image, profile = tiff.read_by_opencv(source.content, source.layout, name), source.layout.profile
        _count(source.pictures, name, warnings)
        return image if as_data or not profile else _array_from_profile(image, profile, name, warnings)
    try:
        with _settings_of_pillow(source.reader == "libtiff"), _opened(source, name) as image:
            check_size(image.width, image.height, name)
            if source.profile:
                image.info["icc_profile"] = source.profile
            if source.numbers and source.format == "PNG":
                image.info.pop("icc_profile", None)  # cICP takes precedence (PNG, third edition, 4.3)
            key = image.info.get("transparency")
            if source.format == "PNG" and source.content[24:25] == b"\x10" and isinstance(key, tuple):
                image.info["transparency"] = tuple(value >> 8 for value in key)  # as Pillow reads the colours
            if source.outline and not source.outline.is_whole:
                _check_rows(source.content, name, warnings)
            array = from_pillow(image, name, as_data, warnings)
            has_profile = bool(image.info.get("icc_profile"))
            which = "main one" if source.format == "HEIF" else "first"
            _count(source.pictures or _count_of(image), name, warnings, which)
    except (*BROKEN, ValueError) as error:
        if called := _what_is_unusual(source):
            raise RefusedError(f"{name} is {called}, which cannot be read: save it as an ordinary one") from error
        if source.format and isinstance(error, UnidentifiedImageError):
            raise RefusedError(f"{name} cannot be read as an image; it may be damaged or cut off") from error
        raise
    if as_data or has_profile:
        return array
    if source.numbers:
        return colors.from_numbers(array, *source.numbers, name, warnings)
    return array if source.gamma is None else colors.from_gamma(array, source.gamma, source.chromaticities)


def _opened(source: _Source, name: str) -> Image.Image:
    allowed = readable(source.format)
    if not allowed:
        raise RefusedError(f'{name} is {source.format}: reading it needs a newer Pillow: pip install "pillow>=11.3"')
    return Image.open(io.BytesIO(source.content), formats=allowed)


def _what_is_unusual(source: _Source) -> str:
    if source.outline and (process := jpeg.name_of_process(source.outline)):
        return f"a {process} JPEG"
    if source.layout and (compression := tiff.unknown_compression(source.layout)):
        return f"a TIFF with compression by {compression}"
    return ""


def _check_rows(content: bytes, name: str, warnings: list[str]) -> None:
    if not jpeg.has_all_rows(content):
        raise RefusedError(f"{name} cannot be read as an image; it is damaged or cut off: some rows are missing")
    warnings.append(f"{name} does not end as a JPEG should; none of its picture is missing")


def _count_of(image: Image.Image) -> int:
    # An icon holds one picture in several sizes; JPEG 2000, BMP and PPM hold one picture.
    return getattr(image, "n_frames", 1) if image.format in ("GIF", "WEBP", "AVIF", "HEIF") else 1


def _count(pictures: int, name: str, warnings: list[str], which: str = "first") -> None:
    if pictures > 1:
        warnings.append(f"{name} has {pictures} pictures; the {which} was taken")


@cache
def _register_heif() -> bool:
    """Let Pillow read HEIC, if the package for it is installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


class _Settings:
    """Pillow's own settings, and how many threads use ours; the last thread restores Pillow's."""

    lock = threading.Lock()
    users = 0
    most_pixels: int | None = None
    libtiff = False


@contextmanager
def _settings_of_pillow(libtiff: bool) -> Iterator[None]:
    """Raise Pillow's limit of pixels meanwhile, and let libtiff read TIFFs if asked; both hold for all threads.

    A limit remains, since some formats take memory for the picture as soon as their header is read. Libtiff reads all
    that Pillow reads, and more.
    """
    with _Settings.lock:
        if not _Settings.users:
            _Settings.most_pixels, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MAX_PIXELS
            _Settings.libtiff = TiffImagePlugin.READ_LIBTIFF
        _Settings.users += 1
        TiffImagePlugin.READ_LIBTIFF = TiffImagePlugin.READ_LIBTIFF or libtiff
    try:
        yield
    finally:
        with _Settings.lock:
            _Settings.users -= 1
            if not _Settings.users:
                Image.MAX_IMAGE_PIXELS, TiffImagePlugin.READ_LIBTIFF = _Settings.most_pixels, _Settings.libtiff


def _array_from_profile(array: np.ndarray, profile: bytes, name: str, warnings: list[str]) -> np.ndarray:
    if array.ndim == 2:
        return colors.grey_from_profile(array, profile, name, warnings)
    rgb = Image.fromarray(np.ascontiguousarray(array[..., :3]))
    return np.dstack([np.asarray(colors.from_profile(rgb, profile, name, warnings)), array[..., 3:]])


def rgb_of(array: np.ndarray) -> np.ndarray:
    """Convert a result of :func:`decode` to uint8 [H, W, 3] RGB: repeat grey, put alpha on white."""
    return np.ascontiguousarray(on_white(array if array.dtype == np.uint8 else to_uint8(array)))


def photo_of(array: np.ndarray) -> np.ndarray:
    """Convert a result of :func:`decode` to uint8 [H, W, 3] RGB, or [H, W, 4] RGBA unless it is opaque everywhere."""
    if array.ndim == 3 and array.shape[2] == 4 and array[..., 3].min() < 255:
        return array
    return np.ascontiguousarray(as_rgb(array if array.dtype == np.uint8 else to_uint8(array)))


def matte_of(array: np.ndarray) -> np.ndarray:
    """Convert a result of :func:`decode` to a matte, uint8 [H, W]: its alpha unless opaque, else its grey."""
    if array.dtype != np.uint8:
        array = to_uint8(array)
    if array.ndim == 2:
        return array
    if array.shape[2] == 4 and array[..., 3].min() < 255:
        return np.ascontiguousarray(array[..., 3])
    return cv2.cvtColor(np.ascontiguousarray(array[..., :3]), cv2.COLOR_RGB2GRAY)
