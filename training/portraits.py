"""Photos with mattes, split into foreground, background and alpha, held in memory."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from pymatting import estimate_foreground_ml

#: One photo in 16 is held out: for choosing settings and checkpoints, never for training.
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
        """The photo itself, uint8 [H, W, 3] RGB."""
        alpha = self.alpha[..., None].astype(np.float32) / 255
        return np.rint(alpha * self.foreground + (1 - alpha) * self.background).astype(np.uint8)


def is_held_out(name: str) -> bool:
    """Whether a photo belongs to the held-out split: by a hash of its name, so that more photos move none."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % HELD_OUT == 0


def list_photos(folder: Path, held_out: bool) -> list[Path]:
    """Files of one split of a folder of RGBA images (RGB: the photo, A: its matte), sorted."""
    return sorted(p for p in folder.iterdir() if p.suffix in {".webp", ".png"} and is_held_out(p.stem) == held_out)


def read_portrait(path: Path) -> Portrait:
    """Read one RGBA image and estimate its foreground and background colours (Germer et al. 2020).

    Raises:
        ValueError: the file is no RGBA image.
    """
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3 or image.shape[2] != 4:
        raise ValueError(f"{path} is no image with an alpha channel")
    rgb = image[..., 2::-1].astype(np.float32) / 255
    alpha = image[..., 3].astype(np.float32) / 255
    foreground, background = estimate_foreground_ml(rgb, alpha, return_background=True)
    return Portrait(path.stem, _bytes(foreground), _bytes(background), image[..., 3].copy())


def read_backgrounds(folder: Path) -> list[np.ndarray]:
    """Read every picture of a folder: uint8 [H, W, 3] RGB each."""
    return [cv2.imread(str(p))[..., ::-1].copy() for p in sorted(folder.iterdir()) if p.suffix in {".webp", ".jpg"}]


def read_portraits(paths: Iterable[Path]) -> list[Portrait]:
    """Read many portraits, one after another."""
    return [read_portrait(path) for path in paths]


def _bytes(x: np.ndarray) -> np.ndarray:
    return np.rint(x.clip(0, 1) * 255).astype(np.uint8)
