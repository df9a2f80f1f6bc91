"""Max-unpooling against a plain re-computation."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from infer_p3m_portrait_matting.p3m.model.kernels.pooling import pool
from infer_p3m_portrait_matting.p3m.model.kernels.unpool import _settle, max_unpool, to_steps, unpool_window


def unpool_slowly(x, indices):
    """One value after another, in row-major order of the pooled map: the last one stays."""
    n, c, h, w = x.shape
    out = np.zeros((n, c, 4 * h * w), x.numpy().dtype)
    for i in range(n):
        for j in range(c):
            for value, place in zip(x[i, j].flatten().tolist(), indices[i, j].flatten().tolist(), strict=True):
                out[i, j, place] = value
    return torch.from_numpy(out).view(n, c, 2 * h, 2 * w)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("kernel", "padding"), [(3, 1), (2, 0)])
@pytest.mark.parametrize("seed", range(3))
def test_last_value_in_row_major_order_wins(kernel, padding, memory_format, seed):
    e = torch.randn(2, 5, 12, 20, generator=torch.Generator().manual_seed(seed))
    _, indices = F.max_pool2d(e, kernel, 2, padding, return_indices=True)
    repeated = indices.numel() - sum(len(set(plane.flatten().tolist())) for plane in indices.flatten(0, 1))
    assert (repeated > 0) == (kernel == 3)
    x = torch.randn(indices.shape, generator=torch.Generator().manual_seed(seed + 100))
    expected = unpool_slowly(x, indices)
    x, indices = x.contiguous(memory_format=memory_format), indices.contiguous(memory_format=memory_format)
    out = max_unpool(x, indices, overlapping=kernel == 3)
    assert out.is_contiguous(memory_format=memory_format)
    assert torch.equal(out, expected)


def test_all_who_claim_a_place_bring_the_same_value():
    """So it does not matter which thread comes last."""
    # A peak at each corner where four windows meet: every window claims one of its corners.
    e = torch.rand(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    e[..., 1::4, 1::4] += 10
    _, indices = F.max_pool2d(e, 3, 2, 1, return_indices=True)
    settled = _settle(torch.randn(indices.shape, generator=torch.Generator().manual_seed(1)), indices)
    claims = 0
    for values, places in zip(settled.flatten(0, 1), indices.flatten(0, 1), strict=True):
        for place in places.unique():
            claimed = values[places == place]
            claims = max(claims, len(claimed))
            assert (claimed == claimed[0]).all()
    assert claims == 4


def test_unpooling_sends_its_gradient_to_the_last_claimant_alone():
    e = torch.zeros(1, 1, 4, 4)
    e[..., 1, 1] = 1
    _, indices = F.max_pool2d(e, 3, 2, 1, return_indices=True)
    assert (indices == 5).all()
    x = torch.arange(4.0).view(1, 1, 2, 2).requires_grad_()
    max_unpool(x, indices, overlapping=True).sum().backward()
    assert x.grad.flatten().tolist() == [0, 0, 0, 1]


def test_a_zero_or_negative_winner_is_not_overruled():
    x = torch.tensor([3.0, 0.0, 2.0, -1.0]).view(1, 1, 2, 2)
    indices = torch.tensor([5, 5, 9, 9]).view(1, 1, 2, 2)
    out = max_unpool(x, indices, overlapping=True).flatten()
    assert out.nonzero().flatten().tolist() == [9]
    assert out[9] == -1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("kernel", "padding"), [(3, 1), (2, 0)])
def test_pooling_in_strips_and_unpooling_by_steps_give_the_same(kernel, padding, dtype, monkeypatch):
    """Few distinct values, as half precision has them: ties in most windows."""
    e = torch.randint(0, 4, (2, 5, 36, 20), generator=torch.Generator().manual_seed(0)).to(dtype)
    wanted, indices = F.max_pool2d(e.float(), kernel, 2, padding, return_indices=True)
    x = torch.randn(indices.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    expected = unpool_slowly(x.float(), indices)
    for size in (1, 3 * 10 * 10, 2**20):
        monkeypatch.setattr("infer_p3m_portrait_matting.p3m.arrays._STRIP", size)
        pooled, steps = pool(e, kernel, padding)
        assert steps.dtype == torch.int16
        assert torch.equal(pooled.float(), wanted)
        assert torch.equal(steps, to_steps(indices))
        assert torch.equal(max_unpool(x, steps, overlapping=kernel == 3).float(), expected)


@pytest.mark.parametrize(("kernel", "padding"), [(3, 1), (2, 0)])
@pytest.mark.parametrize("rows", [slice(0, 4), slice(3, 9), slice(9, 18)])
@pytest.mark.parametrize("columns", [slice(0, 10), slice(0, 3), slice(4, 10)])
def test_unpooling_a_window_gives_that_part_of_the_whole(columns, rows, kernel, padding):
    e = torch.randint(0, 4, (2, 5, 36, 20), generator=torch.Generator().manual_seed(0)).float()
    _, indices = F.max_pool2d(e, kernel, 2, padding, return_indices=True)
    x = torch.randn(indices.shape, generator=torch.Generator().manual_seed(1))
    whole = max_unpool(x, indices, overlapping=kernel == 3)
    found = unpool_window(x, to_steps(indices), kernel == 3, rows, columns)
    expected = whole[:, :, 2 * rows.start : 2 * rows.stop, 2 * columns.start : 2 * columns.stop]
    assert torch.equal(found, expected)
