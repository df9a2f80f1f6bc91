"""Hold portraits and backgrounds as tensors on one device; :mod:`training.augment` cuts its samples from them."""

import math
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .pack import decode_file, is_pack
from .people import Person, prepare
from .portraits import Portrait, list_backgrounds, list_photos, read_backgrounds, read_portrait

#: Channels of a portrait's layers.
FOREGROUND, BACKGROUND, ALPHA, HAIR = slice(0, 3), slice(3, 6), slice(6, 7), slice(7, 8)

_LEVELS = 3
#: Up to this many photos are read faster than processes start.
_FEW = 64


@dataclass(frozen=True)
class Layers:
    """One :class:`~.people.Person` on a device, at full, half and quarter size so that shrinking does not alias.

    Attributes:
        levels: the layers, uint8 [8, h, w] each.
        name, touches, share, edges, strands: those of the person.
    """

    name: str
    levels: tuple[Tensor, ...]
    touches: tuple[bool, bool, bool, bool]
    share: float
    edges: np.ndarray
    strands: np.ndarray

    @classmethod
    def of(cls, person: Person, device: torch.device) -> "Layers":
        """Move a person to a device."""
        levels = pyramid(torch.from_numpy(person.layers).to(device))
        return cls(person.name, levels, person.touches, person.share, person.edges, person.strands)

    @property
    def size(self) -> tuple[int, int]:
        """Return height and width in pixels."""
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


def load_gallery(
    data: Path, device: torch.device, long_side: int | None = None, held_out: bool = False
) -> tuple[list[Layers], dict[str, list[tuple[Tensor, ...]]]]:
    """Read one split of the data onto a device.

    Args:
        data: folder with ``train/`` and perhaps ``backgrounds/``: photos, or a pack of :mod:`training.pack`.
        device: where to put the tensors.
        long_side: shrink pictures whose long side is larger, in pixels; None keeps every size.
        held_out: which split.

    Returns:
        Portraits, and backgrounds by their source.
    """
    read = partial(decode_file if is_pack(data) else read_portrait, long_side=long_side)
    paths = list_photos(data / "train", held_out)
    portraits = [Layers.of(person, device) for person in _read_people(read, paths)]
    pictures = read_backgrounds(list_backgrounds(data / "backgrounds", held_out), long_side)
    backgrounds = {
        source: [pyramid(torch.from_numpy(picture).to(device).permute(2, 0, 1)) for picture in group]
        for source, group in pictures.items()
    }
    return portraits, backgrounds


def _read_people(read: Callable[[Path], Portrait], paths: list[Path]) -> Iterator[Person]:
    if len(paths) < _FEW:
        yield from map(partial(_read_person, read), paths)
        return
    # Spawn: children forked from a process that has used OpenMP would be killed.
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(partial(_read_person, read), paths, chunksize=8)


def _read_person(read: Callable[[Path], Portrait], path: Path) -> Person:
    return prepare(read(path))


def pyramid(picture: Tensor, levels: int = _LEVELS) -> tuple[Tensor, ...]:
    """Halve uint8 [C, H, W] repeatedly by averaging; the full size comes first."""
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
    return result.div_(255).clamp_(0, 1)


def _affine(shape: Sequence[int], window: Window) -> list[list[float]]:
    """Return the matrix that maps a result's coordinates to the picture's, both from -1 to 1."""
    full_h, full_w = shape[1:]
    cos, sin = math.cos(window.angle), math.sin(window.angle)
    h, w = window.height, window.width * (-1.0 if window.mirrored else 1.0)
    x, y = window.x + window.width / 2, window.y + window.height / 2
    return [
        [cos * w / full_w, -sin * h / full_w, 2 * x / full_w - 1],
        [sin * w / full_h, cos * h / full_h, 2 * y / full_h - 1],
    ]
