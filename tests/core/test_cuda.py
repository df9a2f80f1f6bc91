"""On an NVIDIA GPU: the published numbers, the same bits every time, mattes as on the CPU, recovery, batches.

``python -m pytest -rP tests/core/test_cuda.py`` also shows what each test measured. The published networks run with
weights made by a rule (``published_rule.py``), the bundled one with its own.
"""

import logging
import time

import numpy as np
import published_rule
import pytest
import torch

from benchmarks.measure import photo
from infer_p3m_portrait_matting.p3m import PortraitMatting, normalize
from infer_p3m_portrait_matting.p3m.inference.preprocess import network_input
from infer_p3m_portrait_matting.p3m.inference.procedures import LOCAL, network_size
from infer_p3m_portrait_matting.p3m.inference.torch_settings import computing_settings
from infer_p3m_portrait_matting.p3m.model.kernels.convolution import FusedConv2d

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")

DEVICE = "cuda"
MODELS = ("resnet34", "vitae-s", "mobile")
ONE_LEVEL = 1 / 255


@pytest.fixture(scope="module")
def load(checkpoints):
    """Load a network: name, device and precision -> PortraitMatting."""

    def open_model(name, device=DEVICE, precision="auto"):
        return PortraitMatting(name, device, checkpoints.get(name), precision=precision)

    return open_model


def drawn() -> np.ndarray:
    """A drawn figure with a soft outline before a gradient: uint8 RGB [700, 500, 3]."""
    rows, columns = np.mgrid[:700, :500].astype(np.float32)
    head = np.hypot(rows - 250, columns - 250) - 120
    shoulders = np.hypot((rows - 700) / 1.4, columns - 250) - 210
    figure = 1 / (1 + np.exp(np.minimum(head, shoulders) / 3))[..., None]
    behind = np.stack([columns / 2, rows / 3, 255 - columns / 2], -1)
    waves = 20 * np.sin(rows / 5)[..., None] * np.array([1, 0.5, 0.2])
    return np.clip(figure * (np.array([200, 150, 120]) + waves) + (1 - figure) * behind, 0, 255).astype(np.uint8)


def within_a_level(one: np.ndarray, other: np.ndarray) -> float:
    """The share of pixels whose alphas differ by at most 1/255."""
    return float((np.abs(one - other) <= ONE_LEVEL).mean())


@pytest.mark.parametrize("name", ["resnet34", "vitae-s"])
def test_float32_gives_the_published_numbers(name, load, golden):
    """Where two values of a pool's window differ by their rounding alone, the order of a GPU's sums decides which is
    the larger, and unpooling puts it elsewhere."""
    expected = golden(name)
    matting = load(name, precision="float32")
    published_rule.use_golden_features(matting.model, expected)
    x = torch.from_numpy(expected["image"]).permute(2, 0, 1).unsqueeze(0).float().div(255).to(DEVICE)
    with torch.inference_mode(), computing_settings(matting.device):
        output = matting.model(normalize(x).contiguous(memory_format=torch.channels_last))
    found = {"local_alpha": output.local_alpha, "global_logits": output.logits, "fusion_alpha": output.alpha}
    sides = zip(("side2", "side1", "side0"), output.side_logits, strict=True)
    found |= {key: side[..., ::4, ::4] for key, side in sides}
    errors = {key: np.abs(tensor.squeeze().cpu().numpy() - expected[key]).max() for key, tensor in found.items()}
    print(f"largest errors {errors}")
    assert max(errors.values()) < 1e-3


@pytest.mark.parametrize("name", MODELS)
def test_ten_runs_give_the_same_bits(name, load, astronaut):
    matting = load(name)
    image = photo(0.6)
    first = matting.matte(image)
    for number in range(1, 10):
        if number % 3 == 0:
            matting.matte(astronaut, "RESIZE")  # a photo of another size in between
        np.testing.assert_array_equal(matting.matte(image), first)


@pytest.mark.parametrize("precision", ["float32", "auto"])
@pytest.mark.parametrize("name", MODELS)
def test_mattes_are_those_of_the_cpu(name, precision, load, astronaut):
    """Within 1/255 of the CPU's float32 on 99.9 % of the pixels.

    The rule-made networks are random: their classes border on each other nearly everywhere, and a pixel whose class
    changes takes quite another alpha. For them the bound holds for the local alpha.
    """
    reference, matting = load(name, "cpu", "float32"), load(name, precision=precision)
    for image in (astronaut, photo(), drawn()):
        with torch.inference_mode():
            size = network_size(*image.shape[:2], reference.variant, 640, LOCAL)
            x = torch.from_numpy(network_input([image], *size))
            alpha, classes = reference.model.local_alpha(x), reference.model.segment(x).argmax(1)
        with torch.inference_mode(), computing_settings(matting.device):
            x = x.to(DEVICE)
            local = within_a_level(matting.model.local_alpha(x).cpu().numpy(), alpha.numpy())
            flipped = (matting.model.segment(x).argmax(1).cpu() != classes).float().mean().item()
        whole = within_a_level(matting.matte(image), reference.matte(image))
        print(f"within 1/255: matte {whole:.3%}, local alpha {local:.3%}; {flipped:.3%} of the classes differ")
        assert (whole if name == "mobile" else local) >= 0.999


def test_a_run_after_one_that_found_no_memory_works(load, astronaut):
    """Too large an input raises torch.OutOfMemoryError and frees what it took; a batch that does not fit is taken in
    parts."""
    matting = load("mobile")
    large = np.zeros((4096, 4096, 3), np.uint8)
    large[1024:3072, 1024:3072] = np.tile(astronaut, (4, 4, 1))
    before = matting.matte(astronaut)
    batch = [photo()] * 8
    together = matting.matte_batch(batch[:1])[0]
    torch.cuda.empty_cache()
    held = torch.cuda.memory_reserved()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((held + 700e6) / total)
    try:
        with pytest.raises(torch.OutOfMemoryError):
            matting.matte(large, "HYBRID", 4096)
        left = torch.cuda.memory_reserved() - held
        again = matting.matte(astronaut)
        logging.disable(logging.WARNING)
        parts = matting.matte_batch(batch)
    finally:
        logging.disable(logging.NOTSET)
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    print(f"{left / 1e6:.0f} MB stayed taken")
    np.testing.assert_array_equal(again, before)
    assert left < 100e6
    assert min(within_a_level(part, together) for part in parts) >= 0.999


def test_fused_convolutions_give_the_same_mattes(load):
    """cuDNN's fused convolutions, which are off: what they would bring, whatever their memory held before."""
    matting = load("resnet34")
    image, usual = photo(), FusedConv2d.fuse_on_cuda
    mattes = {}
    try:
        for fused in (False, True):
            FusedConv2d.fuse_on_cuda = fused
            matting.matte(image)
            # Convolutions must not read what freed memory holds.
            torch.full((2**30,), torch.nan, device=DEVICE, dtype=torch.float16)
            mattes[fused] = [matting.matte(image) for _ in range(10)]
            start = time.perf_counter()
            for _ in range(20):
                matting.matte(image)
            print(f"{'fused' if fused else 'in steps'}: {(time.perf_counter() - start) / 20 * 1e3:.2f} ms")
    finally:
        FusedConv2d.fuse_on_cuda = usual
    for matte in mattes[True]:
        np.testing.assert_array_equal(matte, mattes[True][0])
    assert within_a_level(mattes[True][0], mattes[False][0]) >= 0.99
    assert matting.precision == "float16"


@pytest.mark.parametrize("name", MODELS)
def test_photos_together_give_what_they_give_one_by_one(name, load):
    matting = load(name)
    upright = photo()
    images = [upright, np.ascontiguousarray(np.rot90(upright)), photo(0.8), drawn()] * 8
    for image in images[:4]:
        matting.matte(image)
    matting.matte_batch(images)
    start = time.perf_counter()
    alone = [matting.matte(image) for image in images]
    middle = time.perf_counter()
    together = matting.matte_batch(images)
    end = time.perf_counter()
    count = len(images)
    print(f"one by one {count / (middle - start):.1f} photos/s, together {count / (end - middle):.1f} photos/s")
    bound = 0.999 if name == "mobile" else 0.99
    assert min(within_a_level(a, b) for a, b in zip(alone, together, strict=True)) >= bound
