"""Make the three pictures of a run, from a photo and its matte."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

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
from ..p3m.arrays import opacity
from ..p3m.errors import shown
from ..p3m.files.paths import trouble_with, version_of
from ..p3m.files.read import read_rgb
from .outputs import COMPOSITE, CUTOUT, MATTE, OUTPUTS
from .settings import BLUR, IMAGE, TRANSPARENT, Settings


@dataclass(frozen=True)
class Result:
    """The pictures made from one photo or frame; H and W are the photo's, or less if it is cropped.

    A picture that nobody wanted is None.

    Attributes:
        composite: uint8 [H, W, 3] RGB; with a background that is transparent, or a colour that is not opaque,
            [H, W, 4] RGBA, like the cut-out.
        matte: uint8 [H, W].
        cutout: uint8 [H, W, 4] RGBA, straight alpha.
        warnings: what the user should check.
        has_person: whether anybody is in the matte as the network estimated it.
        alpha: float [H, W] in [0, 1], the matte before it was rounded.
        window: the rows and columns of the photo that the pictures show, if they are cropped.
    """

    composite: np.ndarray | None = None
    matte: np.ndarray | None = None
    cutout: np.ndarray | None = None
    warnings: tuple[str, ...] = ()
    has_person: bool = True
    alpha: np.ndarray | None = None
    window: tuple[slice, slice] | None = None


def make_pictures(
    image: np.ndarray,
    alpha: np.ndarray,
    settings: Settings,
    background_image: np.ndarray | None = None,
    faces: list[Face] | None = None,
    wanted: Collection[str] = OUTPUTS,
) -> Result:
    """Adjust the matte, make the pictures of it, and crop them to the person.

    What the photo's own alpha has erased appears in none of them, even when the matte is inverted or grown.

    Args:
        image: the photo, as for :meth:`~.p3m.PortraitMatting.matte`.
        alpha: the matte of the photo on white, float [H, W] in [0, 1].
        settings: how the matte is adjusted, which colours, which background, what is cropped.
        background_image: for the background "image"; otherwise ignored.
        faces: the photo's faces, from :func:`look_for_faces`.
        wanted: names of :data:`~.outputs.OUTPUTS`; no other picture is made.
    """
    own = opacity(image)
    if faces:
        # Use the matte before it is adjusted: a softened matte would spare more of a face.
        image = hide_faces(image, alpha, faces, settings.anonymize)
    alpha = adjust(alpha, settings.invert, settings.feather, settings.shift, settings.despeckle)
    if own is not None:
        alpha = alpha * own
    return _crop(_make(image, alpha, settings, background_image, wanted), alpha, settings)


def _make(
    image: np.ndarray,
    alpha: np.ndarray,
    settings: Settings,
    background_image: np.ndarray | None,
    wanted: Collection[str],
) -> Result:
    result = Result(matte=to_uint8(alpha) if MATTE in wanted else None, alpha=alpha)
    if COMPOSITE not in wanted and CUTOUT not in wanted:
        return result
    foreground = estimate_foreground(image, alpha) if settings.foreground == "estimated" else image
    if CUTOUT in wanted:
        result = replace(result, cutout=cutout(foreground, alpha))
    if COMPOSITE not in wanted:
        return result
    if settings.background == TRANSPARENT:
        person = result.cutout
        return replace(result, composite=cutout(foreground, alpha) if person is None else person.copy())
    if settings.background == BLUR:
        background: np.ndarray | tuple[int, ...] = blurred_background(image, alpha)
    elif settings.background == IMAGE:
        # crop_to_fill refuses None, as it refuses anything else that is not an image.
        background = crop_to_fill(background_image, *alpha.shape)  # type: ignore[arg-type]
    else:
        background = parse_color(settings.background)
    return replace(result, composite=composite(foreground, alpha, background))


def _crop(result: Result, alpha: np.ndarray, settings: Settings) -> Result:
    margin = settings.crop_margin()
    if margin is None:
        return result
    window = person_window(1 - alpha if settings.invert else alpha, margin)
    if window is None:
        return replace(result, warnings=("crop: nobody is in the matte, so the pictures keep their size",))
    whole = result.composite, result.matte, result.cutout
    cropped = [None if picture is None else np.ascontiguousarray(picture[window]) for picture in whole]
    return Result(cropped[0], cropped[1], cropped[2], alpha=alpha[window], window=window)


def look_for_faces(
    image: np.ndarray,
    settings: Settings,
    name: str,
    tracker: FaceTracker | None = None,
    before_look: Callable[[], None] | None = None,
) -> list[Face]:
    """Find the faces to hide; return [] if the settings hide no faces.

    Args:
        image: the photo, as for :meth:`~.p3m.PortraitMatting.matte`.
        settings: whether faces are hidden, and whether a photo without a face is an error.
        name: the photo's name in messages.
        tracker: remembers the faces of a video's earlier frames; None for a photo.
        before_look: as for :func:`~.p3m.find_faces`.

    Raises:
        ValueError: no face was found, and ``anonymize_strict`` is set.
        MissingPackageError: the face detector is not installed.
    """
    if settings.anonymize == "none":
        return []
    faces = find_faces(image, before_look=before_look)
    if tracker is not None:
        faces = tracker(image, faces)
    if not faces and settings.anonymize_strict:
        raise ValueError(f"{_no_face(name)}. anonymize_strict is set, so there is no output: check the photo yourself")
    return faces


def without_face(name: str) -> str:
    """Say that no face was found to hide: the user asked for privacy and did not get it."""
    return f"{_no_face(name)}. Nothing was hidden: check the pictures yourself"


def _no_face(name: str) -> str:
    return f"anonymize: no face was found in {name}; it may be turned away, covered, or cut off"


def read_background(path: Path) -> np.ndarray:
    """Read the image for the background: uint8 [H, W, 3] RGB, read-only; the last one stays in memory.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not an image.
    """
    trouble = trouble_with(path)
    if trouble:
        raise FileNotFoundError(f"background_file {shown(path)} {trouble}: correct the path or leave it empty")
    return _read(path, version_of(path))


@lru_cache(maxsize=1)
def _read(path: Path, _version: tuple) -> np.ndarray:
    try:
        image = read_rgb(path)
    except ValueError as error:
        raise ValueError(f"background_file {error}: choose a picture") from error
    image.setflags(write=False)
    return image
