"""Fuse the two passes of HYBRID: the global pass's classes decide, and the local alpha fills the unknown area."""

import cv2
import numpy as np
import torch
from torch import Tensor

from ..arrays import strips
from ..model.network import UNKNOWN
from .preprocess import resize

#: Slack for the rounding of the interpolation's weights.
_EXACT = 1e-5


def fuse_passes(classes: Tensor, local: Tensor, height: int, width: int) -> Tensor:
    """Fuse both passes at a photo's size, as the published code does.

    Args:
        classes: int64 [1, 1, h, w] of the global pass; 0 background, 1 unknown, 2 foreground.
        local: float32 [1, 1, h, w] of the local pass, in [0, 1]; its size may differ from that of the classes.
        height, width: the photo's size.

    Returns:
        float32 [1, 1, height, width] in [0, 1].
    """
    if local.device.type == "cpu" and not shrinks((classes, local), height, width):
        return _in_strips(classes, local, height, width)
    local = resize(local, height, width)
    # After scaling, a class is exactly 0 or 2 only where no other class is near: there the class decides.
    trimap = resize(classes.float(), height, width)
    known = (trimap < _EXACT) | (trimap > 2 - _EXACT)
    return torch.where(known, (trimap > 1).float(), local).clamp_(0, 1)


def undecided(classes: Tensor) -> Tensor:
    """Tell where :func:`fuse_passes` needs the local alpha, if nothing :func:`shrinks`.

    That is near an unknown pixel and where background meets foreground. Bilinear enlargement carries a class one pixel
    further. The local alpha reaches one more of its own pixels, which are no larger.

    Args:
        classes: int64 [N, 1, h, w] on a CPU, as for :func:`fuse_passes`.

    Returns:
        bool [N, 1, h, w].
    """
    near = np.ones((5, 5), np.uint8)
    found = [
        (cv2.dilate(x, near) != cv2.erode(x, near)) | (x == UNKNOWN) for x in classes[:, 0].to(torch.uint8).numpy()
    ]
    return torch.from_numpy(np.stack(found))[:, None]


def shrinks(maps: tuple[Tensor, ...], height: int, width: int) -> bool:
    """Tell whether one of the maps [N, C, h, w] is larger than a photo."""
    return any(x.shape[2] > height or x.shape[3] > width for x in maps)


def _in_strips(classes: Tensor, local: Tensor, height: int, width: int) -> Tensor:
    """Fuse maps that both grow: first enlarge the width of each map, then compute each row of the photo once."""
    local, trimap = resize(local, local.shape[2], width), resize(classes.float(), classes.shape[2], width)
    alpha = torch.empty((1, 1, height, width), dtype=torch.float32)
    for rows in strips(height, width):
        target = alpha[:, :, rows]
        strip = _rows_of(trimap, rows, height)
        known = (strip < _EXACT).logical_or_(strip > 2 - _EXACT)
        if known.all():
            torch.gt(strip, 1, out=target)
        else:
            torch.where(known, (strip > 1).float(), _rows_of(local, rows, height).clamp_(0, 1), out=target)
    return alpha


def _rows_of(x: Tensor, rows: slice, height: int) -> Tensor:
    """Return some rows of a map [1, 1, h, W] after bilinear enlargement to ``height`` rows."""
    h = x.shape[2]
    centre = ((torch.arange(rows.start, rows.stop, dtype=torch.float64) + 0.5) * (h / height) - 0.5).clamp_(0, h - 1)
    above = centre.long()
    below = (above + 1).clamp_(max=h - 1)
    share = (centre - above).float().view(1, 1, -1, 1)
    return torch.lerp(x.index_select(2, above), x.index_select(2, below), share)
