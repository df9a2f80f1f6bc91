"""Read photos with mattes, and split them into foreground, background and alpha."""

import hashlib
import re
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import distribution
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from infer_p3m_portrait_matting.evaluate import dataset
from infer_p3m_portrait_matting.p3m.files.read import list_images, read_rgb

#: One photo in 16 is held out. Held-out photos choose settings and checkpoints; no training sees them.
HELD_OUT = 16


class Portrait(NamedTuple):
    """One photo I = alpha F + (1 - alpha) B.

    Attributes:
        name: file name without its suffix.
        foreground: uint8 [H, W, 3] RGB, estimated everywhere (meaningful where alpha > 0).
        background: uint8 [H, W, 3] RGB, estimated everywhere (meaningful where alpha < 1).
        alpha: uint8 [H, W].
    """

    name: str
    foreground: np.ndarray
    background: np.ndarray
    alpha: np.ndarray

    def photo(self) -> np.ndarray:
        """Return the photo, uint8 [H, W, 3] RGB."""
        alpha = self.alpha[..., None].astype(np.float32) / 255
        return np.rint(alpha * self.foreground + (1 - alpha) * self.background).astype(np.uint8)


def is_held_out(name: str) -> bool:
    """Tell whether a photo belongs to the held-out split, by a hash of its name. Added photos move no others.

    A short number after "-" at the name's end does not count: ``anna-1`` and ``anna-08`` show one person, and stay in
    one split.
    """
    person = re.sub(r"-\d{1,2}$", "", name)
    return int(hashlib.sha256(person.encode()).hexdigest(), 16) % HELD_OUT == 0


def list_photos(folder: Path, held_out: bool) -> list[Path]:
    """List the photos of one split, sorted.

    Args:
        folder: RGBA images (RGB: the photo, A: its matte); or, in the layout of P3M-10k, ``blurred_image/`` (or
            ``original_image/``) beside ``mask/``.
        held_out: which split.
    """
    return [p for p in dataset.list_photos(folder) if is_held_out(p.stem) == held_out]


def read_portrait(path: Path, long_side: int | None = None) -> Portrait:
    """Read one photo and its matte, and estimate its foreground and background colours (Germer et al. 2020).

    Args:
        path: a file of :func:`list_photos`.
        long_side: shrink photos whose long side is larger, in pixels; None keeps every size.

    Raises:
        ValueError: the file is not an RGBA image and has no matte in ``mask/``.
    """
    try:
        image = shrunk(np.dstack(dataset.pair_of(path).read_8bit()), long_side)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path} is no image with an alpha channel, nor one with a matte of its size in {dataset.MATTES}/: {error}"
        ) from error
    rgb = image[..., :3].astype(np.float32) / 255
    alpha = image[..., 3].astype(np.float32) / 255
    foreground, background = multi_level_estimator()(rgb, alpha, return_background=True)
    return Portrait(path.stem, _bytes(foreground), _bytes(background), image[..., 3].copy())


def shrunk(image: np.ndarray, long_side: int | None) -> np.ndarray:
    """Shrink a picture, uint8 [H, W] or [H, W, C], whose long side is larger; None keeps every size."""
    if long_side is None or max(image.shape[:2]) <= long_side:
        return image
    scale = long_side / max(image.shape[:2])
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def multi_level_estimator() -> Callable[..., Any]:
    """Load pymatting's ``estimate_foreground_ml`` without the rest of pymatting.

    The package compiles all of its functions when it is first imported, for most of a minute.
    """
    name = "pymatting.foreground.estimate_foreground_ml"
    if name not in sys.modules:
        file = distribution("pymatting").locate_file(f"{name.replace('.', '/')}.py")
        spec = spec_from_file_location(name, str(file))
        assert spec is not None
        assert spec.loader is not None
        # Under its own name: functions that come from numba's cache look their module up by it.
        sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name].estimate_foreground_ml


def list_backgrounds(folder: Path, held_out: bool) -> list[Path]:
    """List the pictures without people of one split, sorted; return none if the folder does not exist."""
    return [p for p in (list_images(folder) if folder.is_dir() else []) if is_held_out(p.stem) == held_out]


def read_backgrounds(paths: Iterable[Path], long_side: int | None = None) -> dict[str, list[np.ndarray]]:
    """Read pictures, uint8 [H, W, 3] RGB each, by their source: the part of the file name before "_".

    Args:
        paths: the files.
        long_side: as for :func:`shrunk`.
    """
    sources: dict[str, list[np.ndarray]] = {}
    for path in paths:
        sources.setdefault(path.stem.partition("_")[0], []).append(shrunk(read_rgb(path), long_side))
    return sources


def _bytes(x: np.ndarray) -> np.ndarray:
    return np.rint(x.clip(0, 1) * 255).astype(np.uint8)
