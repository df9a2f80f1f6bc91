"""The variants: their names, their size and cost."""

import math
from pathlib import Path

import published_rule
import pytest
import torch
from safetensors import safe_open
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from infer_p3m_portrait_matting import p3m

BUNDLED = Path(p3m.__file__).parent.parent / "weights" / "p3m_mobile.safetensors"


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


@pytest.mark.slow
def test_resnet34_costs_what_is_documented():
    assert round(flops("resnet34") / 1e9) == 117


@pytest.mark.slow
def test_mobile_is_small():
    assert sum(p.numel() for p in p3m.create_model("mobile").parameters()) <= 5_000_000
    assert flops("mobile") <= 22e9


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


def test_models_are_known_by_name():
    assert p3m.list_models() == ["resnet34", "vitae-s", "mobile"]
    assert isinstance(p3m.create_model("mobile"), nn.Module)
    assert p3m.create_model("mobile").training


@pytest.mark.parametrize("name", ["", "resnet", "vitae_s"])
def test_unknown_models_are_refused_with_the_known_names(name):
    with pytest.raises(ValueError, match="resnet34, vitae-s, mobile"):
        p3m.create_model(name)


@pytest.mark.parametrize("name", ["Mobile", "MOBILE"])
def test_models_are_known_in_any_case(name):
    assert p3m.create_model(name).training
    assert p3m.PortraitMatting(name).model_name == "mobile"
