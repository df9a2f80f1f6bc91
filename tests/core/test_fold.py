"""Folding batch normalisation into convolutions changes no number but by rounding."""

import copy

import pytest
import torch
from torch import nn

from infer_p3m_portrait_matting.p3m import create_model
from infer_p3m_portrait_matting.p3m.model.prepare import fold_batch_norms


def randomise_batch_norms(module):
    generator = torch.Generator().manual_seed(0)
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.running_mean.normal_(0, 0.2, generator=generator)
            child.running_var.uniform_(0.5, 1.5, generator=generator)
            child.weight.uniform_(0.6, 1.2, generator=generator)
            child.bias.normal_(0, 0.2, generator=generator)
    return module


@pytest.mark.slow
def test_folded_network_computes_the_same():
    """The one with all kinds of norms; the others are compared with the published numbers as inference runs them."""
    torch.manual_seed(0)
    model = randomise_batch_norms(create_model("mobile").eval().requires_grad_(False))
    folded = fold_batch_norms(copy.deepcopy(model))
    assert any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        before, after = model(x), folded(x)
    pairs = [(before.logits, after.logits), (before.local_alpha, after.local_alpha)]
    pairs += zip(before.side_logits, after.side_logits, strict=True)
    for a, b in pairs:
        assert a.std() > 1e-4
        torch.testing.assert_close(b, a, rtol=0, atol=1e-4)


def test_norm_that_follows_no_convolution_of_its_width_stays():
    convolution = nn.Conv2d(3, 4, 1)
    apart = nn.Sequential(convolution, nn.ReLU(), nn.BatchNorm2d(4)).eval()
    assert isinstance(fold_batch_norms(apart)[2], nn.BatchNorm2d)
    assert apart[0] is convolution
    first = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1)).eval()
    assert isinstance(fold_batch_norms(first)[0], nn.BatchNorm2d)
