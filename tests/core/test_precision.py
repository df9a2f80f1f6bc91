"""Which number format runs where, and how far half precision is from float32."""

import numpy as np
import pytest
import torch

from infer_p3m_portrait_matting.p3m import PortraitMatting
from infer_p3m_portrait_matting.p3m.inference.precision import bfloat16_is_native, choose_dtype

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(scope="module")
def half() -> PortraitMatting:
    """The bundled model in bfloat16, whether this CPU computes it natively or not."""
    return PortraitMatting("mobile", "cpu", precision="bfloat16")


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_on_a_cpu_is_half_precision_only_where_the_cpu_computes_it(native, expected, monkeypatch):
    monkeypatch.setattr("infer_p3m_portrait_matting.p3m.inference.precision.bfloat16_is_native", lambda: native)
    assert choose_dtype("auto", CPU) == expected
    assert choose_dtype("bfloat16", CPU) == torch.bfloat16
    assert choose_dtype("float32", CPU) == torch.float32


@pytest.mark.parametrize(("capability", "expected"), [((9, 0), torch.float16), ((6, 1), torch.float32)])
def test_auto_on_a_gpu_is_float16_from_tensor_cores_on(capability, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert choose_dtype("auto", GPU) == expected
    assert choose_dtype("float16", GPU) == torch.float16


@pytest.mark.parametrize(
    ("precision", "words"),
    [("half", "auto, float32, bfloat16, float16"), (None, "unknown precision"), ("float16", "needs an NVIDIA GPU")],
)
def test_what_cannot_be_is_refused(precision, words):
    with pytest.raises(ValueError, match=words):
        PortraitMatting("mobile", "cpu", precision=precision)


@pytest.mark.parametrize("capabilities", [{"avx512_bf16": True}, {"amx_bf16": True}, {"avx512_f": True}, {}])
def test_the_cpu_itself_is_asked(capabilities, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    wanted = torch.backends.mkldnn.is_available() and bool({"avx512_bf16", "amx_bf16"} & set(capabilities))
    assert bfloat16_is_native.__wrapped__() == wanted


def test_a_loaded_model_says_what_it_computes_in(mobile, half):
    assert (mobile.precision, half.precision) == ("float32", "bfloat16")
    assert PortraitMatting("mobile", "cpu").precision == ("bfloat16" if bfloat16_is_native() else "float32")


def test_what_decides_stays_in_float32(half):
    dtypes = {name: parameter.dtype for name, parameter in half.model.named_parameters()}
    exact = {name for name, dtype in dtypes.items() if dtype == torch.float32}
    last = ("matting.d4.", "matting.head.1.", "matting.head.2.")
    assert {name.split(".")[0] for name in exact if not name.startswith(last)} == {"encoder", "segmentation"}
    reduced = {
        name for name in dtypes if name.startswith(("matting.", "encoder.stem.3.")) and not name.startswith(last)
    }
    assert dtypes.keys() - exact == reduced
    x = torch.zeros(1, 3, 32, 32)
    with torch.inference_mode():
        assert half.model.segment(x).dtype == half.model.local_alpha(x).dtype == torch.float32


@pytest.mark.parametrize("method", ["HYBRID", "RESIZE"])
def test_the_bundled_model_in_half_precision_stays_within_one_level_nearly_everywhere(method, mobile, half, astronaut):
    """A fifth of this small picture is unknown area; on photos of 1080 px and more it is 999 of 1000 pixels."""
    difference = np.abs(half.matte(astronaut, method) - mobile.matte(astronaut, method))
    assert (difference <= 1 / 255).mean() >= 0.998
    assert difference.max() <= 8 / 255
    assert difference.sum() / 1000 <= 0.02


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "share"), [("resnet34", 0.999), ("vitae-s", 0.94)])
def test_published_networks_with_random_weights_keep_their_local_alpha(variant, share, matting, checkpoints, golden):
    """Random weights are the hardest: all that the encoder leaves in float32 is needed for this."""
    arrays = golden(variant)
    x = torch.from_numpy(arrays["image"]).permute(2, 0, 1).unsqueeze(0).float().div(255)
    x = x.contiguous(memory_format=torch.channels_last)
    reduced = PortraitMatting(variant, "cpu", weights=checkpoints[variant], precision="bfloat16")
    if variant == "vitae-s":
        for cell, exact in zip(
            reduced.model.encoder.stages[0].cells, matting(variant).model.encoder.stages[0].cells, strict=True
        ):
            cell.attn.w.copy_(exact.attn.w)
    with torch.inference_mode():
        difference = (reduced.model.local_alpha(x) - matting(variant).model.local_alpha(x)).abs()
    assert (difference <= 1 / 255).float().mean() >= share
    assert difference.max() <= 4 / 255


def test_the_same_photo_twice_gives_the_same_bits_in_half_precision(half, astronaut):
    first = half.matte(astronaut, input_size=256)
    assert all(np.array_equal(half.matte(astronaut, input_size=256), first) for _ in range(3))
