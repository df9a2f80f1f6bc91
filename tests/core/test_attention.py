"""Attention by matrix products against attention in float64."""

import pytest
import torch
from torch.nn import functional as F

from infer_p3m_portrait_matting.p3m.model.kernels import attention
from infer_p3m_portrait_matting.p3m.model.kernels.attention import attend


def draw(scale, tokens=1500, n=2, heads=3, channels=64):
    """Queries, keys and values as the network cuts them out of one map."""
    dice = torch.Generator().manual_seed(0)
    x = torch.randn((n, tokens, 3, heads, channels), generator=dice)
    x[:, :, :2] *= scale
    return x.bfloat16().permute(2, 0, 3, 1, 4)


@pytest.mark.parametrize("scale", [0.1, 1, 2.5])
def test_strips_are_nearly_as_exact_as_the_fused_kernel(scale, monkeypatch):
    calls = []
    in_strips = attention._attend_in_strips
    monkeypatch.setattr(attention, "_attend_in_strips", lambda *args: calls.append(1) or in_strips(*args))
    q, k, v = draw(scale)
    expected = F.scaled_dot_product_attention(q.double(), k.double(), v.double())
    fused = F.scaled_dot_product_attention(q, k, v)
    found = attend(q, k, v)
    assert calls == [1]
    assert found.dtype == torch.bfloat16
    assert found.shape == expected.shape

    def error(x):
        return (x.double() - expected).abs().mean() / expected.abs().mean()

    assert error(found) < 3 * error(fused)
    assert error(found) < 0.005
    assert torch.equal(attend(q, k, v), found)


def test_a_score_far_above_the_sampled_ones_stays_finite():
    q, k, v = draw(1)
    k[:, :, 7] = q[:, :, :1].mean(2) * 1000
    found = attend(q, k, v)
    assert found.isfinite().all()
    expected = F.scaled_dot_product_attention(q.double(), k.double(), v.double())
    assert (found.double() - expected).abs().max() < 0.05


def test_few_tokens_float32_and_training_take_the_fused_kernel(monkeypatch):
    monkeypatch.setattr(attention, "_attend_in_strips", lambda *_: pytest.fail("in strips"))
    q, k, v = draw(1)
    short = attend(q[:, :, :100], k[:, :, :100], v[:, :, :100])
    assert short.shape == (2, 3, 100, 64)
    exact = attend(q.float(), k.float(), v.float())
    assert torch.equal(exact, F.scaled_dot_product_attention(q.float(), k.float(), v.float()))
    q = q.clone().requires_grad_()
    attend(q, k, v).sum().backward()
    assert q.grad.abs().sum() > 0
