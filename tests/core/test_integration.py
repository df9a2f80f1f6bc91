"""TFI, sBFI, dBFI and max-unpooling against plain re-computations."""

import pytest
import torch
from torch.nn import functional as F

from infer_p3m_portrait_matting.p3m.model.integration import DBFI, SBFI, TFI, upsample


def draw(module, seed=0):
    """Random weights and statistics in double precision, evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    module = module.double().eval().requires_grad_(False)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            values = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            tensor.copy_(1 + values.abs() if name.endswith("running_var") else values)
    return module


def noise(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def joined(module, parts):
    """conv1 of the parts in order, as a sum over slices of its weight, then BN by hand, then ReLU."""
    x, start = 0, 0
    for part in parts:
        end = start + part.shape[1]
        x = x + F.conv2d(part, module.conv1.weight[:, start:end], padding=1)
        start = end
    assert start == module.conv1.weight.shape[1]
    bn = module.bn1
    mean, var, weight, bias = (v.view(1, -1, 1, 1) for v in (bn.running_mean, bn.running_var, bn.weight, bn.bias))
    return ((x - mean) / torch.sqrt(var + 1e-5) * weight + bias).clamp(min=0)


def through(weight, x):
    """A 1x1 convolution as a matrix product over channels."""
    return torch.einsum("oc,nchw->nohw", weight[:, :, 0, 0], x)


def test_tfi_shares_one_transform_and_joins_segmentation_matting_encoder_in_that_order():
    tfi = draw(TFI(8))
    inputs = [noise(2, 8, 5, 7, seed=s) for s in range(3)]
    expected = joined(tfi, [through(tfi.transform.weight, x) for x in inputs])
    assert torch.allclose(tfi(*inputs), expected, rtol=0, atol=1e-9)
    assert not torch.allclose(tfi(inputs[1], inputs[0], inputs[2]), expected, atol=1e-3)
    assert len(list(tfi.parameters())) == 4


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_sbfi_pools_two_by_two_at_its_stride_and_adds_the_decoder_feature(stride):
    sbfi = draw(SBFI(8, 6, stride))
    decoder, e0 = noise(2, 8, 4, 6), noise(2, 6, 4 * stride, 6 * stride, seed=2)
    corners = [e0[:, :, i::stride, j::stride] for i in (0, 1) for j in (0, 1)]
    pooled = torch.stack(corners).amax(0)
    parts = [through(sbfi.transform1.weight, decoder), through(sbfi.transform2.weight, pooled)]
    assert torch.allclose(sbfi(decoder, e0), decoder + joined(sbfi, parts), rtol=0, atol=1e-9)


@pytest.mark.parametrize("scale", [4, 8, 16])
def test_dbfi_enlarges_the_deepest_feature_and_adds_the_decoder_feature(scale):
    dbfi = draw(DBFI(8, 10, scale))
    decoder, e4 = noise(2, 8, 2 * scale, 3 * scale), noise(2, 10, 2, 3, seed=2)
    deep = F.interpolate(
        through(dbfi.transform2.weight, e4), (2 * scale, 3 * scale), mode="bilinear", align_corners=False
    )
    expected = decoder + joined(dbfi, [through(dbfi.transform1.weight, decoder), deep])
    assert torch.allclose(dbfi(decoder, e4), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("scale", [4, 8, 16])
def test_dbfi_side_logits_come_at_the_input_size(scale):
    dbfi = draw(DBFI(8, 10, scale))
    x = noise(2, 8, 2 * scale, 3 * scale)
    logits = F.conv2d(x, dbfi.conv2.weight, padding=1)
    expected = F.interpolate(logits, (64, 96), mode="bilinear", align_corners=False)
    assert dbfi.conv2.bias is None
    assert torch.allclose(dbfi.side(x), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("module", [TFI(8), SBFI(8, 6, 2), DBFI(8, 10, 4)], ids=["TFI", "SBFI", "DBFI"])
def test_no_convolution_has_a_bias(module):
    assert [m for m in module.modules() if isinstance(m, torch.nn.Conv2d) and m.bias is not None] == []


def test_an_enlarged_map_that_was_joined_gets_its_gradient_in_one_piece():
    x = noise(2, 8, 6, 10).to(memory_format=torch.channels_last).requires_grad_()
    other = noise(2, 8, 12, 20, seed=2).to(memory_format=torch.channels_last)
    weight = noise(2, 16, 12, 20, seed=3).to(memory_format=torch.channels_last)
    enlarged, seen = upsample(x, 2), []
    enlarged.register_hook(seen.append)
    (torch.cat([enlarged, other], 1) * weight).sum().backward()
    assert seen[0].is_contiguous(memory_format=torch.channels_last)

    plain = x.detach().contiguous().requires_grad_()
    enlarged = F.interpolate(plain, scale_factor=2, mode="bilinear", align_corners=False)
    (enlarged * weight[:, :8].contiguous()).sum().backward()
    torch.testing.assert_close(x.grad, plain.grad, rtol=0, atol=1e-12)
