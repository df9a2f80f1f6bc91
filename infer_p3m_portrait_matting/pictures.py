"""From a photo and its matte to the three pictures that the plugin gives out. Knows neither Ikomia nor Qt."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from .p3m import blurred_background, composite, crop_to_fill, cutout, estimate_foreground, parse_color, to_uint8
from .settings import BLUR, IMAGE, TRANSPARENT, Settings


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


def make_pictures(image: np.ndarray, alpha: np.ndarray, settings: Settings, behind: np.ndarray | None) -> Pictures:
    """Make all three.

    Args:
        image: the photo, as for :meth:`~.p3m.PortraitMatting.matte`.
        alpha: its matte, float [H, W] in [0, 1].
        settings: which colours and which background.
        behind: the picture for the background "image"; otherwise not looked at.
    """
    foreground = estimate_foreground(image, alpha) if settings.foreground == "estimated" else image
    person = cutout(foreground, alpha)
    if settings.background == TRANSPARENT:
        return Pictures(person.copy(), person[..., 3].copy(), person)
    if settings.background == BLUR:
        background = blurred_background(image, alpha)
    elif settings.background == IMAGE:
        background = crop_to_fill(behind, *alpha.shape)
    else:
        background = parse_color(settings.background)
    return Pictures(composite(foreground, alpha, background), to_uint8(alpha), person)


def read_background(path: Path) -> np.ndarray:
    """Read the picture for the background: uint8 [H, W, 3] RGB, read-only; the last one stays in memory.

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
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"background_file {path} cannot be read as an image: choose a picture")
    picture = np.ascontiguousarray(picture[..., ::-1])
    picture.setflags(write=False)
    return picture
