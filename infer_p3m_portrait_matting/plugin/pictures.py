"""From a photo and its matte to the three pictures that the plugin gives out. Knows neither Ikomia nor Qt."""

import logging
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..p3m import (
    Face,
    FaceTracker,
    blurred_background,
    composite,
    crop_to_fill,
    cutout,
    estimate_foreground,
    find_faces,
    hide_faces,
    parse_color,
    to_uint8,
)
from ..p3m.imaging.files import read_rgb
from .settings import BLUR, IMAGE, TRANSPARENT, Settings

logger = logging.getLogger("infer_p3m_portrait_matting")


class Pictures(NamedTuple):
    """What one run gives out, in the order of the output ports.

    Attributes:
        composite: uint8 [H, W, 3] RGB; with a transparent background [H, W, 4] RGBA, like the cut-out.
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
    """Make all three.

    Args:
        image: the photo, as for :meth:`~.p3m.PortraitMatting.matte`.
        alpha: its matte, float [H, W] in [0, 1].
        settings: which colours and which background.
        background_image: for the background "image"; otherwise not looked at.
        faces: the photo's faces, from :func:`look_for_faces`.
    """
    if faces:
        image = hide_faces(image, alpha, faces, settings.anonymize)
    foreground = estimate_foreground(image, alpha) if settings.foreground == "estimated" else image
    person = cutout(foreground, alpha)
    if settings.background == TRANSPARENT:
        return Pictures(person.copy(), person[..., 3].copy(), person)
    if settings.background == BLUR:
        background: np.ndarray | tuple[int, int, int] = blurred_background(image, alpha)
    elif settings.background == IMAGE:
        # None is refused there, as anything else that is not an image.
        background = crop_to_fill(background_image, *alpha.shape)  # type: ignore[arg-type]
    else:
        background = parse_color(settings.background)
    return Pictures(composite(foreground, alpha, background), to_uint8(alpha), person)


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
    if not path.is_file():
        raise FileNotFoundError(f"background_file {path} does not exist: correct the path or leave it empty")
    stat = path.stat()
    return _read(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1)
def _read(path: Path, *_version: int) -> np.ndarray:
    try:
        image = read_rgb(path)
    except ValueError as error:
        raise ValueError(f"background_file {error}: choose a picture") from error
    image.setflags(write=False)
    return image
