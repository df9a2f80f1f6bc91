"""The networks against the published numbers, and what the three of them promise."""

from functools import cache

import numpy as np
import published_rule
import pytest
import torch
from torch.nn import functional as F

from infer_p3m_portrait_matting import p3m
from infer_p3m_portrait_matting.p3m.inference.fusion import classify
from infer_p3m_portrait_matting.p3m.model import network
from infer_p3m_portrait_matting.p3m.model.channels import BACKGROUND, FOREGROUND, UNKNOWN
from infer_p3m_portrait_matting.plugin.openmp import all_threads

PUBLISHED = ("resnet34", "vitae-s")


def picture(arrays, memory_format=torch.contiguous_format):
    x = torch.from_numpy(arrays["image"]).permute(2, 0, 1).unsqueeze(0).float() / 255
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 1, 3, 1, 1)
    return ((x - mean) / std).contiguous(memory_format=memory_format)


def noise(height, width, seed=0):
    return torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def contiguous(checkpoints, golden):
    """A published network as it was published: contiguous, batch norms in place."""

    @cache
    def load(variant):
        model = p3m.create_model(variant).eval().requires_grad_(False)
        p3m.load_weights(model, checkpoints[variant])
        published_rule.use_golden_features(model, golden(variant))
        return model

    return load


def assert_golden(output, arrays):
    def largest_error(tensor, name):
        return np.abs(tensor.squeeze().numpy() - arrays[name]).max()

    assert largest_error(output.local_alpha, "local_alpha") < 1e-4
    assert largest_error(output.logits, "global_logits") < 1e-3
    for side, name in zip(output.side_logits, ("side2", "side1", "side0"), strict=True):
        assert largest_error(side[..., ::4, ::4], name) < 1e-3
    assert largest_error(output.alpha, "fusion_alpha") < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("variant", PUBLISHED)
def test_contiguous_network_gives_the_published_numbers(variant, contiguous, golden):
    with torch.inference_mode():
        output = contiguous(variant)(picture(golden(variant)))
    assert_golden(output, golden(variant))


@pytest.mark.slow
@pytest.mark.parametrize("variant", PUBLISHED)
def test_network_as_inference_runs_it_gives_the_published_numbers(variant, matting, golden):
    x = picture(golden(variant), torch.channels_last)
    with torch.inference_mode(), all_threads():
        output = matting(variant).model(x)
    assert_golden(output, golden(variant))


@pytest.mark.slow
@pytest.mark.parametrize("variant", PUBLISHED)
def test_ten_runs_give_the_same_bits(variant, matting, golden):
    x = picture(golden(variant), torch.channels_last)
    with torch.inference_mode(), all_threads():
        first, *others = (matting(variant).model.local_alpha(x) for _ in range(10))
    assert all(torch.equal(first, other) for other in others)


@pytest.mark.slow
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("variant", ["resnet34", "vitae-s", "mobile"])
def test_partial_passes_equal_the_full_one(variant, memory_format, matting, mobile):
    model = mobile.model if variant == "mobile" else matting(variant).model
    x = noise(96, 160).contiguous(memory_format=memory_format)
    with torch.inference_mode():
        output = model(x)
        assert torch.equal(model.segment(x), output.logits)
        assert torch.equal(model.local_alpha(x), output.local_alpha)
        # Computed only where it is unknown, in windows of other sizes, which round otherwise.
        assert torch.allclose(model.fused_alpha(x), output.alpha, rtol=0, atol=1e-5)


def not_a_number(*args, empty=torch.empty, **kwargs):
    """Memory as torch.empty gives it, with the worst that it may hold."""
    x = empty(*args, **kwargs)
    return x.fill_(float("nan")) if x.is_floating_point() else x


@pytest.mark.slow
@pytest.mark.parametrize("pixels", [2**10, 2**12])
@pytest.mark.parametrize("variant", ["resnet34", "vitae-s", "mobile"])
def test_the_local_alpha_is_the_same_wherever_it_is_wanted(variant, pixels, matting, mobile, monkeypatch):
    monkeypatch.setattr("infer_p3m_portrait_matting.p3m.model.in_strips._CUT", pixels)
    model = mobile.model if variant == "mobile" else matting(variant).model
    x = torch.cat([noise(160, 288, seed) for seed in range(2)])
    wanted = torch.zeros(2, 1, 40, 72, dtype=torch.bool)
    # A corner, the middle of an edge, and places inside, each of one picture.
    wanted[0, :, :3, :2] = wanted[1, :, 20, 70:] = wanted[0, :, 12:20, 30:36] = wanted[1, :, 33, 10] = True
    with torch.inference_mode():
        whole = model.local_alpha(x)
        # What is not computed is not read either.
        monkeypatch.setattr(torch, "empty", not_a_number)
        found = model.local_alpha(x, wanted)
    there = F.interpolate(wanted.any(0, keepdim=True).float(), scale_factor=4).bool().expand_as(whole)
    assert torch.allclose(found[there], whole[there], rtol=0, atol=1e-5)
    # What is computed beside it takes little of the picture.
    assert (found == 0).float().mean() > 0.5


@pytest.mark.parametrize("variant", ["resnet34", "vitae-s", "mobile"])
def test_shapes_and_ranges_of_all_outputs(variant, matting, mobile):
    model = mobile.model if variant == "mobile" else matting(variant).model
    x = torch.cat([noise(32, 64, seed) for seed in range(2)])
    with torch.inference_mode():
        output = model(x)
    assert output.logits.shape == (2, 3, 32, 64)
    assert [side.shape for side in output.side_logits] == [(2, 3, 32, 64)] * 3
    for alpha in (output.local_alpha, output.alpha):
        assert alpha.shape == (2, 1, 32, 64)
        assert alpha.min() >= 0
        assert alpha.max() <= 1


def test_a_threshold_makes_unknown_whatever_is_likely_enough_so():
    probabilities = np.array([[0.8, 0.15, 0.05], [0.3, 0.25, 0.45], [0.1, 0.6, 0.3], [0.05, 0.05, 0.9]])
    logits = np.log(probabilities).T.reshape(3, 2, 2)
    assert classify(logits).flatten().tolist() == [BACKGROUND, FOREGROUND, UNKNOWN, FOREGROUND]
    assert classify(logits, 0.2).flatten().tolist() == [BACKGROUND, UNKNOWN, UNKNOWN, FOREGROUND]
    assert classify(logits, 0.1).flatten().tolist() == [UNKNOWN, UNKNOWN, UNKNOWN, FOREGROUND]
    assert classify(logits, 0.7).flatten().tolist() == [BACKGROUND, FOREGROUND, FOREGROUND, FOREGROUND]
    assert classify(logits, 0.2).shape == (2, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet34", "vitae-s"])
def test_decoders_can_be_trained_above_a_frozen_encoder(name):
    torch.manual_seed(0)
    model = p3m.create_model(name).eval()
    x = torch.randn(1, 3, 64, 64)

    def gradients():
        model.zero_grad()
        model(x).local_alpha.sum().backward()
        return [parameter.grad.clone() for parameter in model.matting.parameters()]

    wanted = gradients()
    model.encoder.requires_grad_(False)
    for found, expected in zip(gradients(), wanted, strict=True):
        assert torch.equal(found, expected)


def test_fuse_lets_the_classes_decide_and_the_unknown_take_the_local_alpha():
    logits = torch.tensor([[3.0, 0, 0], [0, 3, 0], [0, 0, 3], [0, 3, 0]]).T.reshape(1, 3, 2, 2)
    local = torch.tensor([[0.25, 0.5], [0.75, 1.0]]).reshape(1, 1, 2, 2)
    assert network.fuse(logits, local).flatten().tolist() == [0, 0.5, 1, 1]
    assert (BACKGROUND, UNKNOWN, FOREGROUND) == (0, 1, 2)


@pytest.mark.parametrize(
    "shape", [(3, 32, 32), (1, 1, 32, 32), (1, 4, 32, 32), (1, 3, 33, 32), (1, 3, 32, 48), (1, 3, 0, 32), (1, 3, 32, 0)]
)
@pytest.mark.parametrize("method", ["forward", "segment", "local_alpha", "fused_alpha"])
def test_unfit_shapes_are_refused(method, shape, mobile):
    with pytest.raises(ValueError, match="multiples of 32"):
        getattr(mobile.model, method)(torch.zeros(shape))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_integers_are_refused(dtype, mobile):
    with pytest.raises(ValueError, match="floating-point"):
        mobile.model(torch.zeros(1, 3, 32, 32, dtype=dtype))
