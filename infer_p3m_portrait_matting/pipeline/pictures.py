"""Make the three pictures that the plugin returns, from a photo and its matte. Needs neither Ikomia nor Qt."""

import logging
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..p3m import (
    Face,
    FaceTracker,
    adjust,
    blurred_background,
    composite,
    crop_to_fill,
    cutout,
    estimate_foreground,
    find_faces,
    hide_faces,
    parse_color,
    person_window,
    to_uint8,
)
from ..p3m.errors import shown
from ..p3m.files.paths import trouble_with
from ..p3m.files.read import read_rgb
from .settings import BLUR, IMAGE, TRANSPARENT, Settings

logger = logging.getLogger("infer_p3m_portrait_matting")


class Pictures(NamedTuple):
    """What one run gives out, in the order of the output ports; H and W are the photo's, or less if it is cropped.

    Attributes:
        composite: uint8 [H, W, 3] RGB; with a background that is transparent, or a colour that is not opaque,
            [H, W, 4] RGBA, like the cut-out.
        matte: uint8 [H, W].
        cutout: uint8 [H, W, 4] RGBA, straight alpha.
    """

    composite: np.ndarray
    matte: np.ndarray
    cutout: np.ndarray


def make_pictures(
    image: np.ndarray,
    alpha: np.ndarray,
    settings: Settings,
    background_image: np.ndarray | None = None,
    faces: list[Face] | None = None,
) -> Pictures:
    """Adjust the matte, make all three pictures of it, and crop them to the person.

    Args:
        image: the photo, as for :meth:`~.p3m.PortraitMatting.matte`.
        alpha: its matte, float [H, W] in [0, 1].
        settings: how the matte is adjusted, which colours, which background, what is cropped.
        background_image: for the background "image"; otherwise not looked at.
        faces: the photo's faces, from :func:`look_for_faces`.
    """
    if faces:
        # By the matte as it is: a softened one would spare more of a face.
        image = hide_faces(image, alpha, faces, settings.anonymize)
    alpha = adjust(alpha, settings.invert, settings.feather, settings.shift, settings.despeckle)
    return _crop(_make(image, alpha, settings, background_image), alpha, settings)


def _make(image: np.ndarray, alpha: np.ndarray, settings: Settings, background_image: np.ndarray | None) -> Pictures:
    foreground = estimate_foreground(image, alpha) if settings.foreground == "estimated" else image
    person = cutout(foreground, alpha)
    if settings.background == TRANSPARENT:
        return Pictures(person.copy(), person[..., 3].copy(), person)
    if settings.background == BLUR:
        background: np.ndarray | tuple[int, ...] = blurred_background(image, alpha)
    elif settings.background == IMAGE:
        # None is refused there, as anything else that is not an image.
        background = crop_to_fill(background_image, *alpha.shape)  # type: ignore[arg-type]
    else:
        background = parse_color(settings.background)
    return Pictures(composite(foreground, alpha, background), to_uint8(alpha), person)


def _crop(pictures: Pictures, alpha: np.ndarray, settings: Settings) -> Pictures:
    margin = settings.crop_margin()
    if margin is None:
        return pictures
    window = person_window(1 - alpha if settings.invert else alpha, margin)
    if window is None:
        logger.warning("infer_p3m_portrait_matting: crop: nobody is in the matte, so the pictures keep their size")
        return pictures
    return Pictures(*(np.ascontiguousarray(picture[window]) for picture in pictures))


def look_for_faces(image: np.ndarray, settings: Settings, name: str, tracker: FaceTracker | None = None) -> list[Face]:
    """Find the faces to hide: none when none are to be hidden.

    When faces are to be hidden and none is found, a WARNING says so: someone asked for privacy and did not get it.

    Args:
        image: the photo, as for :meth:`~.p3m.PortraitMatting.matte`.
        settings: whether, and how strictly.
        name: what to call the photo in messages.
        tracker: for the frames of a video: keeps the faces of those before.

    Raises:
        ValueError: none was found, and ``anonymize_strict`` is set.
        MissingPackageError: the face detector is not installed.
    """
    if settings.anonymize == "none":
        return []
    faces = find_faces(image)
    if tracker is not None:
        faces = tracker(image, faces)
    if not faces:
        message = f"anonymize: no face was found in {name}; it may be turned away, covered, or cut off"
        if settings.anonymize_strict:
            raise ValueError(f"{message}. anonymize_strict is set, so there is no output: check the photo yourself")
        logger.warning("infer_p3m_portrait_matting: %s. Nothing was hidden: check the pictures yourself", message)
    return faces


def read_background(path: Path) -> np.ndarray:
    """Read the image for the background: uint8 [H, W, 3] RGB, read-only; the last one stays in memory.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no image.
    """
    trouble = trouble_with(path)
    if trouble:
        raise FileNotFoundError(f"background_file {shown(path)} {trouble}: correct the path or leave it empty")
    stat = path.stat()
    return _read(path, stat.st_ino, stat.st_ctime_ns, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1)
def _read(path: Path, *_version: int) -> np.ndarray:
    try:
        image = read_rgb(path)
    except ValueError as error:
        raise ValueError(f"background_file {error}: choose a picture") from error
    image.setflags(write=False)
    return image
