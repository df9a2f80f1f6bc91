"""The networks against the published numbers, and what the three of them promise."""

import math
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import published_rule
import pytest
import torch
from safetensors import safe_open
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from infer_p3m_portrait_matting import p3m
from infer_p3m_portrait_matting.p3m.model.encoders.vitae_s import PERFORMER_SEED, performer_features
from infer_p3m_portrait_matting.plugin.openmp import all_threads

PUBLISHED = ("resnet34", "vitae-s")
BUNDLED = Path(p3m.__file__).parent.parent / "weights" / "p3m_mobile.safetensors"


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
        p3m.load_published_checkpoint(model, checkpoints[variant])
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


@pytest.mark.parametrize("variant", PUBLISHED)
def test_contiguous_network_gives_the_published_numbers(variant, contiguous, golden):
    with torch.inference_mode():
        output = contiguous(variant)(picture(golden(variant)))
    assert_golden(output, golden(variant))


@pytest.mark.parametrize("variant", PUBLISHED)
def test_network_as_inference_runs_it_gives_the_published_numbers(variant, matting, golden):
    x = picture(golden(variant), torch.channels_last)
    with torch.inference_mode(), all_threads():
        output = matting(variant).model(x)
    assert_golden(output, golden(variant))


@pytest.mark.parametrize("variant", PUBLISHED)
def test_ten_runs_give_the_same_bits(variant, matting, golden):
    x = picture(golden(variant), torch.channels_last)
    with torch.inference_mode(), all_threads():
        first, *others = (matting(variant).model.local_alpha(x) for _ in range(10))
    assert all(torch.equal(first, other) for other in others)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("variant", ["resnet34", "vitae-s", "mobile"])
def test_partial_passes_equal_the_full_one(variant, memory_format, matting, mobile):
    model = mobile.model if variant == "mobile" else matting(variant).model
    x = noise(96, 160).contiguous(memory_format=memory_format)
    with torch.inference_mode():
        output = model(x)
        assert torch.equal(model.segment(x), output.logits)
        assert torch.equal(model.local_alpha(x), output.local_alpha)
        assert torch.equal(model.fused_alpha(x), output.alpha)


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


def test_fuse_lets_the_classes_decide_and_the_unknown_take_the_local_alpha():
    logits = torch.tensor([[3.0, 0, 0], [0, 3, 0], [0, 0, 3], [0, 3, 0]]).T.reshape(1, 3, 2, 2)
    local = torch.tensor([[0.25, 0.5], [0.75, 1.0]]).reshape(1, 1, 2, 2)
    assert p3m.fuse(logits, local).flatten().tolist() == [0, 0.5, 1, 1]
    assert (p3m.BACKGROUND, p3m.UNKNOWN, p3m.FOREGROUND) == (0, 1, 2)


@pytest.mark.parametrize(("variant", "published"), [("resnet34", 39_478_060), ("vitae-s", 27_463_052)])
def test_parameter_counts_are_the_published_ones_less_what_is_unused(variant, published):
    table = published_rule.keys(variant)
    counted = {
        key: math.prod(shape)
        for key, (shape, _) in table["tensors"].items()
        if key not in table["aliases"] and not key.endswith(("running_mean", "running_var", "num_batches_tracked"))
    }
    unused = [key for key in counted if "resnet.fc" in key or "encoder.head" in key or "attn.norm1" in key]
    assert sum(counted.values()) == published
    ours = sum(p.numel() for p in p3m.create_model(variant).parameters())
    assert ours == published - sum(counted[key] for key in unused)


def flops(variant):
    model = p3m.create_model(variant).eval().to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.empty(1, 3, 512, 512, device="meta"))
    return counter.get_total_flops()


def test_resnet34_costs_what_is_documented():
    assert round(flops("resnet34") / 1e9) == 117


def test_mobile_is_small():
    assert sum(p.numel() for p in p3m.create_model("mobile").parameters()) <= 5_000_000
    assert flops("mobile") <= 14e9


def test_bundled_file_is_small_with_weights_in_half_precision_and_statistics_in_single():
    assert BUNDLED.stat().st_size <= 12_000_000
    shapes = {name: tensor.shape for name, tensor in p3m.create_model("mobile").state_dict().items()}
    with safe_open(BUNDLED, "pt") as file:
        assert set(file.keys()) == set(shapes)
        for name in file.keys():  # noqa: SIM118 - safe_open is no mapping
            tensor = file.get_tensor(name)
            assert tensor.shape == shapes[name]
            if not name.endswith("num_batches_tracked"):
                assert tensor.dtype == (torch.float16 if tensor.ndim > 1 else torch.float32), name


def test_performer_features_are_orthogonal_with_rows_of_length_sqrt_m():
    w = performer_features(2, 32, 64, 7).double()
    assert w.shape == (2, 32, 64)
    assert torch.allclose(w @ w.transpose(1, 2), 32 * torch.eye(32, dtype=torch.float64).expand(2, -1, -1), atol=1e-4)


def test_performer_features_are_fixed_by_their_seed():
    w = performer_features(1, 32, 64, PERFORMER_SEED)
    assert torch.equal(w, performer_features(1, 32, 64, PERFORMER_SEED))
    assert not torch.allclose(w, performer_features(1, 32, 64, PERFORMER_SEED + 1), atol=0.1)
    expected = [-0.0117673753, -0.3174081445, 0.4225793481, -0.3038505018]
    np.testing.assert_allclose(w[0, 0, :4], expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(w[0, 31, -3:], [-0.0314886607, 0.0327854306, 0.2741100490], rtol=0, atol=1e-5)
    assert w.double().sum().item() == pytest.approx(15.5263423, abs=1e-3)


def test_performer_features_are_no_part_of_the_weights():
    model = p3m.create_model("vitae-s")
    features = [cell.attn.w for cell in model.encoder.stages[0].cells]
    assert [w.shape for w in features] == [(1, 32, 64)] * 2
    assert not torch.equal(*features)
    assert not [name for name in model.state_dict() if name.endswith("attn.w")]
    assert all(torch.equal(w, performer_features(1, 32, 64, PERFORMER_SEED + i)) for i, w in enumerate(features))


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


def test_models_are_known_by_name():
    assert p3m.list_models() == ["resnet34", "vitae-s", "mobile"]
    assert isinstance(p3m.create_model("mobile"), nn.Module)
    assert p3m.create_model("mobile").training


@pytest.mark.parametrize("name", ["", "resnet", "ResNet34", "vitae_s"])
def test_unknown_models_are_refused_with_the_known_names(name):
    with pytest.raises(ValueError, match="resnet34, vitae-s, mobile"):
        p3m.create_model(name)


def test_every_public_name_is_there_and_sorted_out():
    assert len(set(p3m.__all__)) == len(p3m.__all__)
    assert [name for name in p3m.__all__ if not hasattr(p3m, name)] == []


def test_the_core_imports_neither_ikomia_nor_a_window_toolkit():
    code = (
        "import sys, infer_p3m_portrait_matting\n"
        "assert 'torch' not in sys.modules, 'the plugin alone'\n"
        "from infer_p3m_portrait_matting.p3m import *\n"
        "assert 'torch' in sys.modules\n"
        "unwanted = {'ikomia', 'PyQt5', 'PyQt6', 'PySide2', 'PySide6', 'qtpy', 'matplotlib'}\n"
        "print(*sorted(unwanted & {name.split('.')[0] for name in sys.modules}))\n"
    )
    root = Path(p3m.__file__).parents[2]
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == ""


def test_imaging_needs_no_torch():
    code = (
        "import sys, pkgutil, importlib\n"
        "from infer_p3m_portrait_matting.p3m import imaging\n"
        "names = [module.name for module in pkgutil.iter_modules(imaging.__path__)]\n"
        "for name in names: importlib.import_module(f'{imaging.__name__}.{name}')\n"
        "from infer_p3m_portrait_matting.p3m import composite, estimate_foreground, hide_faces\n"
        "print(len(names), *sorted({'torch', 'timm', 'ikomia'} & {n.split('.')[0] for n in sys.modules}))\n"
    )
    root = Path(p3m.__file__).parents[2]
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "9"
