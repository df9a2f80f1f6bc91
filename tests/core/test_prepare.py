"""The network that inference runs is the one that was trained, computed in other pieces."""

import copy

import pytest
import torch
from timm.layers import Conv2dSame
from timm.models._efficientnet_blocks import DepthwiseSeparableConv, InvertedResidual, SqueezeExcite
from torch import nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock

from infer_p3m_portrait_matting.p3m import create_model
from infer_p3m_portrait_matting.p3m.model.encoders.features import Features
from infer_p3m_portrait_matting.p3m.model.kernels.convolution import FusedConv2d, conv_relu
from infer_p3m_portrait_matting.p3m.model.kernels.efficientnet import StripwiseBlock
from infer_p3m_portrait_matting.p3m.model.kernels.linear import FusedLinear
from infer_p3m_portrait_matting.p3m.model.kernels.pooling import (
    convolve_and_pool,
    convolve_and_pool_only,
    pool,
    pool_pairs,
)
from infer_p3m_portrait_matting.p3m.model.prepare import (
    fold_batch_norms,
    fuse_layers,
    pack_for_cpu,
    prepare_for_inference,
)
from infer_p3m_portrait_matting.p3m.model.registry import get_variant

CPU = torch.device("cpu")


def noise(*shape, seed=0):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return x.contiguous(memory_format=torch.channels_last)


def drawn(model, seed=0):
    """Random statistics, so that folding has something to fold."""
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("activation", [None, nn.ReLU, nn.ReLU6, nn.SiLU])
@pytest.mark.parametrize("plus", [False, True])
@pytest.mark.parametrize("kind", [nn.Conv2d, Conv2dSame])
def test_a_fused_convolution_adds_and_activates(kind, plus, activation, packed):
    padding = 1 if kind is nn.Conv2d else 0
    convolution = kind(8, 16, 3, stride=2, padding=padding).requires_grad_(False)
    x, addend = noise(1, 8, 14, 18), 3 * noise(1, 16, 7, 9, seed=1)
    expected = convolution(x) + addend if plus else convolution(x)
    expected = activation()(expected) if activation else expected
    fused = FusedConv2d(convolution, activation)
    if packed:
        fused.pack()
    with torch.inference_mode():
        found = fused(x, addend.clone() if plus else None)
    assert torch.allclose(found, expected, rtol=0, atol=1e-5)
    assert fused.weight.is_meta == packed


@pytest.mark.parametrize("activation", [None, nn.ReLU, nn.ReLU6, nn.SiLU])
@pytest.mark.parametrize("plus", [False, True])
@pytest.mark.parametrize("size", [(12, 8), (24, 16)])
def test_a_convolution_with_many_weights_is_the_same_on_small_maps_and_large_ones(size, plus, activation):
    convolution = nn.Conv2d(256, 512, 1).requires_grad_(False).bfloat16()
    x, addend = noise(1, 256, *size).bfloat16(), 3 * noise(1, 512, *size, seed=1).bfloat16()
    expected = F.conv2d(x.float(), convolution.weight.float(), convolution.bias.float())
    expected = expected + addend.float() if plus else expected
    expected = activation()(expected) if activation else expected
    fused = FusedConv2d(convolution, activation)
    fused.pack()
    with torch.inference_mode():
        found = fused(x, addend.clone() if plus else None)
    assert found.dtype == torch.bfloat16
    assert found.is_contiguous(memory_format=torch.channels_last)
    # A bfloat16 has 8 bits; with an addend the sum is rounded twice.
    assert torch.allclose(found.float(), expected, rtol=2**-7, atol=2**-7)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize(("dtype", "off"), [(torch.float32, 1e-5), (torch.bfloat16, 2**-7)])
@pytest.mark.parametrize("bias", [False, True])
def test_a_fused_linear_layer_activates(bias, dtype, off, gelu, packed):
    torch.manual_seed(0)
    linear = nn.Linear(24, 40, bias=bias).requires_grad_(False).to(dtype)
    tokens = torch.randn(2, 30, 48, generator=torch.Generator().manual_seed(0)).to(dtype)[..., ::2]
    expected = F.linear(tokens.float(), linear.weight.float(), linear.bias.float() if bias else None)
    expected = F.gelu(expected) if gelu else expected
    fused = FusedLinear(linear, gelu)
    if packed:
        fused.pack()
    with torch.inference_mode():
        found = fused(tokens)
    assert found.dtype == dtype
    assert found.shape == (2, 30, 40)
    # A bfloat16 has 8 bits, and without fusion the sum is rounded before GELU too.
    assert torch.allclose(found.float(), expected, rtol=off, atol=off)


def test_layers_that_are_something_else_are_left_alone():
    class Scaled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    layers = nn.Sequential(Scaled(8, 8), nn.GELU(), nn.Linear(8, 8), nn.GELU(approximate="tanh"), nn.Linear(8, 8))
    tokens = torch.randn(3, 8)
    expected = layers(tokens)
    fused = fuse_layers(layers)
    assert [type(layer) for layer in fused] == [Scaled, nn.GELU, FusedLinear, nn.GELU, FusedLinear]
    assert torch.allclose(fused(tokens), expected, rtol=0, atol=1e-6)


def test_conv_relu_is_the_same_before_and_after_fusing():
    convolution = nn.Conv2d(8, 8, 3, padding=1).requires_grad_(False)
    x = noise(1, 8, 9, 9)
    assert torch.allclose(conv_relu(FusedConv2d(convolution), x), conv_relu(convolution, x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("widths", [(16, 16), (16, 32)])
def test_a_basic_block_with_its_sum_inside_a_convolution_is_the_same(widths):
    c_in, c_out = widths
    shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out)) if c_in != c_out else None
    block = drawn(BasicBlock(c_in, c_out, downsample=shortcut))
    x = noise(1, c_in, 12, 10)
    expected = block(x.clone())
    fused = fuse_layers(fold_batch_norms(block)).eval()
    pack_for_cpu(fused)
    with torch.inference_mode():
        assert torch.allclose(fused(x.clone()), expected, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet34", "vitae-s", "mobile"])
@pytest.mark.parametrize("size", [(32, 96), (160, 64)])
def test_the_prepared_network_gives_what_the_trained_one_gives(name, size):
    # With some random weights two values in one pooling window are equal but for rounding, and unpooling moves a pixel.
    torch.manual_seed(0)
    model = drawn(create_model(name))
    x = noise(1, 3, *size)
    with torch.inference_mode():
        expected = model(x)
        prepared = prepare_for_inference(model, CPU, torch.float32)
        assert torch.allclose(prepared.segment(x), expected.logits, rtol=0, atol=1e-3)
        assert torch.allclose(prepared.local_alpha(x), expected.local_alpha, rtol=0, atol=1e-4)
    assert not any(isinstance(module, (nn.ReLU6, nn.SiLU, nn.BatchNorm2d)) for module in prepared.modules())
    if name == "mobile":
        assert sum(isinstance(module, StripwiseBlock) for module in prepared.modules()) == 16


@pytest.mark.parametrize("name", ["resnet34", "vitae-s", "mobile"])
def test_a_network_in_half_precision_computes_without_the_kernels_of_a_cpu(name, monkeypatch):
    # As on a GPU, whose convolutions take no map of another dtype than their weights'.
    monkeypatch.setattr("infer_p3m_portrait_matting.p3m.model.prepare.pack_for_cpu", lambda model: None)
    torch.manual_seed(0)
    model, x = create_model(name).eval(), noise(1, 3, 64, 64)
    with torch.inference_mode():
        expected = model(x)
        prepared = prepare_for_inference(model, CPU, torch.bfloat16, get_variant(name).exact)
        assert (prepared.segment(x) - expected.logits).abs().max() < 0.1 * expected.logits.std()
        assert (prepared.local_alpha(x) - expected.local_alpha).abs().max() < 0.1


@pytest.mark.parametrize(("kernel", "padding"), [(3, 1), (2, 0)])
@pytest.mark.parametrize("rows", [1, 2, 16])
def test_a_stem_in_strips_is_the_stem_as_a_whole(rows, kernel, padding, monkeypatch):
    monkeypatch.setattr("infer_p3m_portrait_matting.p3m.model.kernels.pooling.CONVOLVED", rows * 8 * 1024)
    convolution = nn.Conv2d(3, 8, 7, padding=3).requires_grad_(False)
    x = noise(1, 3, 96, 1024)
    e0 = convolution(x).relu()
    pooled, indices = pool(e0, kernel, padding)
    fused = FusedConv2d(convolution)
    fused.pack()
    with torch.inference_mode():
        stem = convolve_and_pool(fused, x, kernel, padding, torch.float32)
        deepest = convolve_and_pool_only(fused, x, kernel, padding)
    assert torch.allclose(stem.pooled, pooled, rtol=0, atol=1e-5)
    assert torch.equal(stem.pooled, deepest)
    # Where the maximum was: rounding may settle a tie otherwise, no more.
    assert (stem.indices == indices).float().mean() > 0.9999
    assert torch.allclose(stem.pairs, F.max_pool2d(e0, 2), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pooling_pairs_is_pooling_without_indices(dtype):
    x = noise(2, 8, 10, 14).contiguous(memory_format=torch.channels_last)
    out = torch.zeros(2, 8, 9, 7, dtype=dtype).contiguous(memory_format=torch.channels_last)
    pool_pairs(x, out[:, :, 2:7])
    assert torch.equal(out[:, :, 2:7], F.max_pool2d(x, 2).to(dtype))
    assert not out[:, :, :2].any()
    assert not out[:, :, 7:].any()


def test_a_pool_at_a_larger_stride_is_part_of_the_one_that_an_encoder_has_at_hand():
    e0 = noise(2, 8, 32, 64)
    whole = Features(e0, e0, e0, e0, e0, e0, (None,) * 5)
    pooled = whole._replace(e0=None, e0_pooled=F.max_pool2d(e0, 2))
    for stride in (2, 4, 8):
        assert torch.equal(pooled.pool_e0(stride), whole.pool_e0(stride))


@pytest.mark.parametrize("rows", [1, 5, 64])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("kind", ["stride 1", "stride 2", "skip", "separable"])
def test_a_block_in_strips_is_the_block_as_a_whole(kind, kernel, rows, monkeypatch):
    torch.manual_seed(0)
    stride = 2 if kind == "stride 2" else 1
    usual = {"dw_kernel_size": kernel, "stride": stride, "pad_type": "same"}
    if kind == "separable":
        block, wide = DepthwiseSeparableConv(8, 16, **usual), 8
    else:
        block, wide = InvertedResidual(8, 8 if kind == "skip" else 16, exp_ratio=3.0, **usual), 24
    monkeypatch.setattr(
        "infer_p3m_portrait_matting.p3m.model.kernels.efficientnet.CONVOLVED", rows * 2 * wide * stride * 32
    )
    holder, x = drawn(nn.Sequential(block)), noise(2, 8, 24, 32)
    expected = holder(x.clone())
    pack_for_cpu(fuse_layers(fold_batch_norms(holder)))
    assert isinstance(holder[0], StripwiseBlock)
    with torch.inference_mode():
        assert torch.allclose(holder(x), expected, rtol=0, atol=1e-5)


def test_a_block_that_weighs_channels_is_not_cut():
    block = InvertedResidual(8, 8, se_layer=SqueezeExcite)
    assert not StripwiseBlock.fits(block)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [1, 16])
def test_the_mobile_stem_in_strips_is_the_stem_as_a_whole(rows, dtype, monkeypatch):
    monkeypatch.setattr("infer_p3m_portrait_matting.p3m.model.in_strips.CONVOLVED", rows * 16 * 1024)
    torch.manual_seed(0)
    model = drawn(create_model("mobile")).eval()
    x = noise(1, 3, 64, 1024)
    with torch.inference_mode():
        expected = model.encoder.stem(x)
        features = prepare_for_inference(model, CPU, dtype, get_variant("mobile").exact).encoder(x)
    assert features.e0.dtype == features.e0_pooled.dtype == dtype
    # In bfloat16 the second convolution takes rounded maps and weights, and gives rounded maps.
    tolerance = 1e-5 if dtype == torch.float32 else 3 * 2**-9 * expected.max().item()
    assert torch.allclose(features.e0.float(), expected, rtol=0, atol=tolerance)
    assert torch.equal(features.e0_pooled, F.max_pool2d(features.e0, 2))


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
