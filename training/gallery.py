"""Portraits and backgrounds as tensors on one device, ready to be cut from: what :mod:`training.augment` draws from."""

import math
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .pack import decode_file, is_pack
from .portraits import Portrait, list_backgrounds, list_photos, read_backgrounds, read_portrait

#: Channels of a portrait's layers.
FOREGROUND, BACKGROUND, ALPHA, HAIR = slice(0, 3), slice(3, 6), slice(6, 7), slice(7, 8)

_LEVELS = 3


@dataclass(frozen=True)
class Layers:
    """One portrait, kept at full, half and quarter size so that shrinking does not alias.

    Attributes:
        name: file name without its suffix.
        levels: uint8 [8, h, w] each: foreground RGB, background RGB, alpha, and how likely a pixel is hair.
        touches: whether the person reaches the top, bottom, left and right edge.
        share: share of the photo that the person fills.
        edges: int [n, 2], rows and columns of pixels that are neither plainly person nor background.
        strands: int [n, 2], the same, but only those in or near hair.
    """

    name: str
    levels: tuple[Tensor, ...]
    touches: tuple[bool, bool, bool, bool]
    share: float
    edges: np.ndarray
    strands: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.levels[0].shape[1], self.levels[0].shape[2]


@dataclass(frozen=True)
class Window:
    """A rectangle to cut, in pixels of a picture's full size; it may reach beyond the picture.

    Attributes:
        y, x: its upper left corner.
        height, width: its sides.
        angle: by how much it is turned about its centre, in radians.
        mirrored: whether the cut is mirrored left to right.
    """

    y: float
    x: float
    height: float
    width: float
    angle: float = 0.0
    mirrored: bool = False


def _load(read: Callable[[Path], Portrait], path: Path) -> tuple[Portrait, np.ndarray]:
    portrait = read(path)
    return portrait, hair_map(portrait.foreground, portrait.alpha)


def layers_of(portrait: Portrait, hair: np.ndarray, device: torch.device) -> Layers:
    """Put a portrait on a device.

    Args:
        portrait: see :class:`~.portraits.Portrait`.
        hair: uint8 [H, W], of :func:`hair_map`.
        device: where to.
    """
    alpha = portrait.alpha
    stacked = np.dstack([portrait.foreground, portrait.background, alpha, hair])
    edge = (alpha > 8) & (alpha < 247)
    rng = np.random.default_rng(len(portrait.name))
    return Layers(
        portrait.name,
        pyramid(torch.from_numpy(stacked).to(device).permute(2, 0, 1)),
        (
            bool(alpha[:2].max() >= 8),
            bool(alpha[-2:].max() >= 8),
            bool(alpha[:, :2].max() >= 8),
            bool(alpha[:, -2:].max() >= 8),
        ),
        float((alpha > 127).mean()),
        _some(edge, rng),
        _some(edge & _near(hair > 60), rng),
    )


def load_gallery(
    data: Path, device: torch.device, long_side: int | None = None
) -> tuple[list[Layers], dict[str, list[tuple[Tensor, ...]]]]:
    """Read what is not held out onto a device.

    Args:
        data: folder with ``train/`` and, if at hand, ``backgrounds/``: photos, or a pack of :mod:`training.pack`.
        device: where to.
        long_side: shrink photos that are larger, in pixels; None keeps every size.

    Returns:
        Portraits, and backgrounds by their source.
    """
    read = decode_file if is_pack(data) else partial(read_portrait, long_side=long_side)
    paths = list_photos(data / "train", held_out=False)
    # Spawned: children forked from a process that has used OpenMP would be ended.
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        portraits = [layers_of(*loaded, device) for loaded in pool.map(partial(_load, read), paths, chunksize=8)]
    pictures = read_backgrounds(list_backgrounds(data / "backgrounds", held_out=False))
    backgrounds = {
        source: [pyramid(torch.from_numpy(picture).to(device).permute(2, 0, 1)) for picture in group]
        for source, group in pictures.items()
    }
    return portraits, backgrounds


def pyramid(picture: Tensor, levels: int = _LEVELS) -> tuple[Tensor, ...]:
    """Halve uint8 [C, H, W] again and again by averaging: full size first."""
    result = [picture.contiguous()]
    while len(result) < levels and min(result[-1].shape[1:]) >= 64:
        half = F.avg_pool2d(result[-1].float().unsqueeze(0), 2)[0]
        result.append(half.round().to(torch.uint8))
    return tuple(result)


def cut(pictures: Sequence[Sequence[Tensor]], windows: Sequence[Window], height: int, width: int) -> Tensor:
    """Cut a window out of each picture, bilinearly; beyond a picture, its edge is repeated.

    Args:
        pictures: N pyramids (see :func:`pyramid`), all with the same number of channels, on one device.
        windows: N windows, in pixels of the pyramids' first levels.
        height, width: size of the result in pixels.

    Returns:
        float32 [N, C, height, width] in [0, 1].
    """
    device = pictures[0][0].device
    rows = [_affine(levels[0].shape, w) for levels, w in zip(pictures, windows, strict=True)]
    theta = torch.tensor(rows, dtype=torch.float32)
    grids = F.affine_grid(theta.to(device), [len(theta), 1, height, width], align_corners=False)
    result = torch.empty(len(theta), pictures[0][0].shape[0], height, width, device=device)
    for i, (levels, window) in enumerate(zip(pictures, windows, strict=True)):
        shrinking = max(window.height / height, window.width / width, 1.0)
        source = levels[min(int(math.log2(shrinking) + 0.4), len(levels) - 1)].unsqueeze(0).float()
        result[i] = F.grid_sample(source, grids[i : i + 1], padding_mode="border", align_corners=False)[0]
    return result.div_(255)


def _affine(shape: Sequence[int], window: Window) -> list[list[float]]:
    """The matrix that takes a result's coordinates to the picture's, both from -1 to 1."""
    full_h, full_w = shape[1:]
    cos, sin = math.cos(window.angle), math.sin(window.angle)
    h, w = window.height, window.width * (-1.0 if window.mirrored else 1.0)
    x, y = window.x + window.width / 2, window.y + window.height / 2
    return [
        [cos * w / full_w, -sin * h / full_w, 2 * x / full_w - 1],
        [sin * w / full_h, cos * h / full_h, 2 * y / full_h - 1],
    ]


def hair_map(foreground: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Guess where a person's hair is: near the top of the head, and of the colours found there.

    The head's height is taken where the outline, read from the top, stops widening faster than it goes down. A hat
    counts as hair; there is no telling them apart by colour.

    Args:
        foreground: uint8 [H, W, 3] RGB.
        alpha: uint8 [H, W].

    Returns:
        uint8 [H, W], 0 to 255; all 0 where there is no person.
    """
    inside = alpha > 127
    rows = np.flatnonzero(inside.any(1))
    if not len(rows):
        return np.zeros_like(alpha)
    top = int(rows[0])
    widest = np.maximum.accumulate(inside[top:].sum(1))
    depths = np.arange(1, len(widest) + 1)
    narrow = np.flatnonzero(widest * 1.15 <= depths)
    head = int(depths[narrow[0]]) if len(narrow) else len(widest)
    head = max(head, 8)
    crown = inside.copy()
    crown[top + max(head // 5, 3) :] = False
    crown &= alpha > 230
    if not crown.any():
        crown = inside
    color = np.median(foreground[crown], axis=0)
    distance = np.square((foreground.astype(np.float32) - color) / 255).sum(-1)
    down = (np.arange(len(alpha), dtype=np.float32) - top).clip(0)[:, None]
    likely = np.exp(-distance / (2 * 0.13**2)) * np.exp(-down / (0.8 * head)) * (down < 2.5 * head)
    return np.rint(255 * likely * (alpha / 255.0)).astype(np.uint8)


def _near(mask: np.ndarray, radius: int = 12) -> np.ndarray:
    side = 2 * radius + 1
    return cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0


def _some(mask: np.ndarray, rng: np.random.Generator, count: int = 2000) -> np.ndarray:
    """At most ``count`` of a mask's pixels, as rows and columns."""
    places = np.argwhere(mask).astype(np.int32)
    return places if len(places) <= count else places[rng.choice(len(places), count, replace=False)]
