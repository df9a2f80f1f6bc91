"""Max-unpooling with the same result on every run."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ...arrays import strips
from .windows import cut

#: Pairs of places: of a pooled value, and of a later value (in row-major order) whose 3 x 3 window overlaps: to the
#: right, below left, below, below right. The last pair that applies gives the last value that claims a place.
_ALL, _FIRST, _LAST = slice(None), slice(None, -1), slice(1, None)
_LATER = (
    ((..., _ALL, _FIRST), (..., _ALL, _LAST)),
    ((..., _FIRST, _LAST), (..., _LAST, _FIRST)),
    ((..., _FIRST, _ALL), (..., _LAST, _ALL)),
    ((..., _FIRST, _FIRST), (..., _LAST, _LAST)),
)

#: The integer dtype that is as long as a value, by the value's bytes.
_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def max_unpool(x: Tensor, indices: Tensor, overlapping: bool) -> Tensor:
    """Put values back where a stride-2 max-pool took them from; all other values are zero.

    Pools with overlapping windows (ResNet-34's: 3 x 3) may take one place several times. Then the last value in
    row-major order of the pooled map wins, as in PyTorch's contiguous CPU kernel, which made the published numbers. In
    PyTorch's channels_last and CUDA kernels the thread that comes last wins. Here every place of the output takes the
    value of the last window that took that place, so the order of threads changes nothing. If a gradient is required,
    PyTorch's kernel runs instead, after all values that claim a place were made equal.

    Args:
        x: float [N, C, H, W].
        indices: [N, C, H, W], int64 from ``max_pool2d(..., stride=2, return_indices=True)``, or int16 as
            :func:`to_steps` makes them.
        overlapping: whether the pool's windows were 3 x 3, with padding 1; otherwise they were 2 x 2.

    Returns:
        float [N, C, 2H, 2W], in the memory format of ``x``.
    """
    layout = layout_of(x)
    x, indices = x.contiguous(memory_format=layout), indices.contiguous(memory_format=layout)
    if x.requires_grad and torch.is_grad_enabled():
        if indices.dtype != torch.int64:
            # The indices are short because the encoder is frozen: its pools need no gradient.
            indices = indices + _centres(indices)
        return F.max_unpool2d(_settle(x, indices) if overlapping else x, indices, (2, 2), (2, 2))
    steps = to_steps(indices) if indices.dtype == torch.int64 else indices
    n, c, h, w = x.shape
    out = torch.empty((n, c, 2 * h, 2 * w), dtype=x.dtype, device=x.device, memory_format=layout)
    for rows in strips_of(x):
        _unpool_into(x, steps, overlapping, rows, slice(0, w), out[:, :, 2 * rows.start : 2 * rows.stop])
    return out


def to_steps(indices: Tensor, first_row: int = 0, out: Tensor | None = None) -> Tensor:
    """Turn indices into steps from the window's centre, which take a quarter of the memory.

    Args:
        indices: int64 [N, C, h, W/2], places in a map of width W, row-major.
        first_row: the map's row that is the centre of the first windows (the upper left place of 2 x 2 windows).
        out: where to write the result.

    Returns:
        int16 [N, C, h, W/2]: rows below the window's centre times W plus columns right of it.
    """
    out = torch.empty_like(indices, dtype=torch.int16) if out is None else out
    return out.copy_(indices - _centres(indices, first_row))


def _centres(indices: Tensor, first_row: int = 0) -> Tensor:
    """Return the places of the windows' centres, int64 [h, W/2], for indices [N, C, h, W/2]."""
    h, w = indices.shape[2:]
    rows = torch.arange(first_row, first_row + 2 * h, 2, device=indices.device) * (2 * w)
    return rows.view(h, 1) + torch.arange(0, 2 * w, 2, device=indices.device)


def layout_of(x: Tensor) -> torch.memory_format:
    """Return the memory format of a map: channels_last or contiguous."""
    channels_last = x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if channels_last else torch.contiguous_format


def strips_of(x: Tensor) -> list[slice]:
    """Cut a map into strips for operations on single pixels; a GPU takes the map as one strip."""
    n, c, h, w = x.shape
    return strips(h, n * c * w) if x.device.type == "cpu" else [slice(0, h)]


def unpool_window(x: Tensor, steps: Tensor, overlapping: bool, rows: slice, columns: slice) -> Tensor:
    """Unpool a part of a map.

    Args:
        x: float [N, C, H, W].
        steps: int16 [N, C, H, W], from :func:`to_steps`.
        overlapping: as for :func:`max_unpool`.
        rows: the wanted rows of ``x``, with a start and a stop.
        columns: the wanted columns of ``x``, likewise.

    Returns:
        [N, C, 2h, 2w] for h rows and w columns, with the dtype and the memory format of ``x``.
    """
    n, c = x.shape[:2]
    size = n, c, 2 * (rows.stop - rows.start), 2 * (columns.stop - columns.start)
    out = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=layout_of(x))
    _unpool_into(x, steps, overlapping, rows, columns, out)
    return out


def _unpool_into(x: Tensor, steps: Tensor, overlapping: bool, rows: slice, columns: slice, out: Tensor) -> None:
    width = x.shape[3]
    # The 3 x 3 windows of the row below and of the column to the right reach into this part, so both are needed.
    x, steps = (each[:, :, rows.start : rows.stop + 1, columns.start : columns.stop + 1] for each in (x, steps))
    # Products of a value's bits with 1 or 0 are exact, even those of infinity. On a CPU, comparing and choosing
    # integers of one length is far faster than with bool, and so is memory that is used again.
    bits = _BITS[x.element_size()]
    x, steps, out = x.view(bits), steps.to(bits), out.view(bits)
    found, other = (torch.empty_like(steps) for _ in range(2))
    for row in (0, 1):
        for column in (0, 1):
            place = out[:, :, row::2, column::2]
            here = slice(0, place.shape[2]), slice(0, place.shape[3])
            claims = torch.eq(cut(steps, here), row * 2 * width + column, out=cut(found, here))
            torch.mul(cut(x, here), claims, out=place)
            if overlapping:
                # Windows to the right, below, and below right begin at this place: a later one overwrites.
                for down, right in ((0, 1), (1, 0), (1, 1)):
                    if down <= row and right <= column:
                        step = (row - 2 * down) * 2 * width + column - 2 * right
                        there = slice(down, down + place.shape[2]), slice(right, right + place.shape[3])
                        values, those = cut(x, there), cut(steps, there)
                        claims = torch.eq(those, step, out=cut(found, there))
                        stays = torch.ne(those, step, out=cut(other, there))
                        place[:, :, : values.shape[2], : values.shape[3]].mul_(stays).addcmul_(values, claims)


def _settle(x: Tensor, indices: Tensor) -> Tensor:
    """Replace every pooled value by the last value that claims the same place; only the last receives a gradient."""
    settled = x.clone()
    for here, there in _LATER:
        same = indices[here] == indices[there]
        view = settled[here]
        view.copy_(torch.where(same, x[there].detach(), view))
    return settled
