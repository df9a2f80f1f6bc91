"""What an NVIDIA GPU must do right: the published numbers, the same bits every time, mattes as on the CPU, recovery.

Run as ``python -m benchmarks.on_gpu``: one line per check, and an exit status that is not 0 when one fails. The
published networks run with weights made by a rule (``tests/scripts/published_rule.py``), the bundled one with its own.
"""

import argparse
import logging
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from skimage.data import astronaut

from benchmarks.measure import photo
from infer_p3m_portrait_matting.p3m import PortraitMatting, normalize
from infer_p3m_portrait_matting.p3m.inference.torch_settings import computing_settings
from infer_p3m_portrait_matting.p3m.model.kernels.convolution import FusedConv2d
from tests.scripts import published_rule

#: A check's outcome: whether it passed, and what was measured.
Outcome = tuple[bool, str]

MODELS = ("resnet34", "vitae-s", "mobile")
ONE_LEVEL = 1 / 255


def drawn() -> np.ndarray:
    """A drawn figure with a soft outline before a gradient: uint8 RGB [700, 500, 3]."""
    rows, columns = np.mgrid[:700, :500].astype(np.float32)
    head = np.hypot(rows - 250, columns - 250) - 120
    shoulders = np.hypot((rows - 700) / 1.4, columns - 250) - 210
    figure = 1 / (1 + np.exp(np.minimum(head, shoulders) / 3))[..., None]
    behind = np.stack([columns / 2, rows / 3, 255 - columns / 2], -1)
    waves = 20 * np.sin(rows / 5)[..., None] * np.array([1, 0.5, 0.2])
    return np.clip(figure * (np.array([200, 150, 120]) + waves) + (1 - figure) * behind, 0, 255).astype(np.uint8)


def pictures() -> dict[str, np.ndarray]:
    """The pictures of all checks by name."""
    return {"astronaut": astronaut(), "portrait": photo(), "drawn": drawn()}


def make_weights(folder: Path) -> dict[str, Path | None]:
    """Write the rule-made checkpoints: model name -> weights file, None for the bundled one."""
    made = {name: published_rule.save(name, folder / f"{name}.pth") for name in published_rule.GAIN}
    return {**made, "mobile": None}


def open_model(name: str, weights: dict[str, Path | None], device: str, precision: str = "auto") -> PortraitMatting:
    """Load a network for the checks."""
    return PortraitMatting(name, device, weights[name], precision=precision)


def check_golden(name: str, weights: dict[str, Path | None], device: str) -> Outcome:
    """All outputs of a published network in float32 against the published numbers, within 1e-3.

    The share of the alphas that keep it is told too: where two values of a pool's window differ by their rounding
    alone, the order of a GPU's sums decides which is the larger, and unpooling puts it elsewhere.
    """
    with np.load(published_rule.GOLDEN / f"{name}.npz") as file:
        golden = dict(file)
    matting = open_model(name, weights, device, "float32")
    published_rule.use_golden_features(matting.model, golden)
    x = torch.from_numpy(golden["image"]).permute(2, 0, 1).unsqueeze(0).float().div(255).to(device)
    with torch.inference_mode(), computing_settings(matting.device):
        output = matting.model(normalize(x).contiguous(memory_format=torch.channels_last))
    found = {"local_alpha": output.local_alpha, "global_logits": output.logits, "fusion_alpha": output.alpha}
    sides = zip(("side2", "side1", "side0"), output.side_logits, strict=True)
    found |= {key: side[..., ::4, ::4] for key, side in sides}
    errors = {key: np.abs(tensor.squeeze().cpu().numpy() - golden[key]) for key, tensor in found.items()}
    worst = max(errors, key=lambda key: errors[key].max())
    kept = min((errors[key] < 1e-3).mean() for key in ("local_alpha", "fusion_alpha"))
    largest = errors[worst].max()
    return bool(largest < 1e-3), f"largest error {largest:.1e}, of {worst}; alphas within 1e-3 on {kept:.3%}"


def check_same_bits(name: str, weights: dict[str, Path | None], device: str, runs: int = 10) -> Outcome:
    """Ten runs of one photo, with photos of other sizes between them, give the same bits."""
    matting = open_model(name, weights, device)
    image, between = photo(0.6), astronaut()
    first = matting.matte(image)
    same = 1
    for number in range(1, runs):
        if number % 3 == 0:
            matting.matte(between, "RESIZE")
        same += np.array_equal(matting.matte(image), first)
    return same == runs, f"{same} of {runs} runs in {matting.precision} give the same bits"


def check_against_cpu(name: str, weights: dict[str, Path | None], device: str) -> Outcome:
    """Mattes and local alphas against the CPU's in float32: within 1/255 on 99.9 % of the pixels.

    The rule-made networks are random: their classes border on each other nearly everywhere, and a pixel whose class
    changes takes quite another alpha. For them the bound holds for the local alpha; how many pixels of the matte
    keep it, and how many change class, is reported.
    """
    reference = open_model(name, weights, "cpu", "float32")
    expected = []
    for image in pictures().values():
        with torch.inference_mode():
            (x,) = reference._inputs([torch.from_numpy(image)], 640, True)
            outputs = reference.model.local_alpha(x), reference.model.segment(x).argmax(1)
        expected.append((image, reference.matte(image), x, *outputs))
    parts, passed = [], True
    for precision in ("float32", "auto"):
        matting = open_model(name, weights, device, precision)
        matte_shares, alpha_shares, largest, largest_alpha, flips = [], [], 0.0, 0.0, 0.0
        for image, matte, x, alpha, classes in expected:
            difference = np.abs(matting.matte(image) - matte)
            matte_shares.append((difference <= ONE_LEVEL).mean())
            largest = max(largest, difference.max())
            with torch.inference_mode(), computing_settings(matting.device):
                x = x.to(device)
                apart = (matting.model.local_alpha(x).cpu() - alpha).abs()
                flipped = matting.model.segment(x).argmax(1).cpu() != classes
            alpha_shares.append((apart <= ONE_LEVEL).float().mean().item())
            largest_alpha = max(largest_alpha, apart.max().item())
            flips = max(flips, flipped.float().mean().item())
        passed &= min(matte_shares if name == "mobile" else alpha_shares) >= 0.999
        parts.append(
            f"{matting.precision}: matte {min(matte_shares):.3%} within 1/255, largest {largest:.4f}; local alpha "
            f"{min(alpha_shares):.3%}, largest {largest_alpha:.4f}; {flips:.3%} of the classes differ"
        )
    return passed, " | ".join(parts)


def check_out_of_memory(weights: dict[str, Path | None]) -> Outcome:
    """Too large an input raises torch.OutOfMemoryError, frees what it took, and a smaller one then works; a batch that
    does not fit is taken in parts."""
    matting = open_model("mobile", weights, "cuda")
    small, large = astronaut(), np.zeros((4096, 4096, 3), np.uint8)
    large[1024:3072, 1024:3072] = np.tile(small, (4, 4, 1))
    before = matting.matte(small)
    batch = [photo()] * 8
    together = matting.matte_batch(batch[:1])[0]
    torch.cuda.empty_cache()
    held = torch.cuda.memory_reserved()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((held + 700e6) / total)
    try:
        try:
            matting.matte(large, "HYBRID", 4096)
        except torch.OutOfMemoryError as error:
            message = str(error).split(".")[0]
        else:
            return False, "4096 x 4096 px did not run out of 700 MB"
        left = torch.cuda.memory_reserved() - held
        again = matting.matte(small)
        logging.disable(logging.WARNING)
        parts = matting.matte_batch(batch)
    finally:
        logging.disable(logging.NOTSET)
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    near = min((np.abs(part - together) <= ONE_LEVEL).mean() for part in parts)
    passed = np.array_equal(before, again) and left < 100e6 and near >= 0.999
    return passed, f"{message!r}; {left / 1e6:.0f} MB stayed taken; the next run gives the same bits; batch of 8 done"


def check_fusion(weights: dict[str, Path | None]) -> Outcome:
    """What cuDNN's fused convolutions would bring: the same mattes in less time, whatever their memory held before."""
    matting = open_model("resnet34", weights, "cuda")
    image, usual = photo(), FusedConv2d.fuse_on_cuda
    mattes, milliseconds = {}, {}
    try:
        for fused in (False, True):
            FusedConv2d.fuse_on_cuda = fused
            start = time.perf_counter()
            matting.matte(image)
            first = time.perf_counter() - start
            # Convolutions must not read what freed memory holds.
            torch.full((2**30,), torch.nan, device="cuda", dtype=torch.float16)
            mattes[fused] = [matting.matte(image) for _ in range(10)]
            start = time.perf_counter()
            for _ in range(20):
                matting.matte(image)
            milliseconds[fused] = f"{(time.perf_counter() - start) / 20 * 1e3:.2f} ms (first run {first:.2f} s)"
    finally:
        FusedConv2d.fuse_on_cuda = usual
    same = sum(np.array_equal(matte, mattes[True][0]) for matte in mattes[True])
    share = (np.abs(mattes[True][0] - mattes[False][0]) <= ONE_LEVEL).mean()
    passed = matting.precision == "float16" and same == 10 and share >= 0.99
    return passed, (
        f"in steps {milliseconds[False]}, fused {milliseconds[True]}; {same} of 10 fused runs give the same bits, "
        f"{share:.3%} within 1/255 of those in steps; {matting.precision} to the end"
    )


def check_batch(name: str, weights: dict[str, Path | None], device: str, copies: int = 8) -> Outcome:
    """Photos of mixed sizes together against one by one: within 1/255 on 99.9 % of the pixels, and how much faster."""
    matting = open_model(name, weights, device)
    upright = photo()
    lying = np.ascontiguousarray(np.rot90(upright))
    images = [upright, lying, photo(0.8), drawn()] * copies
    for image in images[:4]:
        matting.matte(image)
    matting.matte_batch(images)
    start = time.perf_counter()
    alone = [matting.matte(image) for image in images]
    middle = time.perf_counter()
    together = matting.matte_batch(images)
    end = time.perf_counter()
    shares = [(np.abs(a - b) <= ONE_LEVEL).mean() for a, b in zip(alone, together, strict=True)]
    largest = max(np.abs(a - b).max() for a, b in zip(alone, together, strict=True))
    bound = 0.999 if name == "mobile" else 0.99
    return min(shares) >= bound, (
        f"{len(images)} photos of 4 sizes: one by one {len(images) / (middle - start):.1f} photos/s, together "
        f"{len(images) / (end - middle):.1f} photos/s; {min(shares):.3%} within 1/255, largest {largest:.4f}"
    )


def checks(weights: dict[str, Path | None]) -> Iterator[tuple[str, Callable[[], Outcome]]]:
    """Every check: its name, and what runs it."""
    for name in published_rule.GAIN:
        yield f"golden {name}", partial(check_golden, name, weights, "cuda")
    for name in MODELS:
        yield f"same bits {name}", partial(check_same_bits, name, weights, "cuda")
    for name in MODELS:
        yield f"as on the CPU {name}", partial(check_against_cpu, name, weights, "cuda")
    yield "out of memory", partial(check_out_of_memory, weights)
    yield "fused convolutions", partial(check_fusion, weights)
    for name in MODELS:
        yield f"batch {name}", partial(check_batch, name, weights, "cuda")


def main() -> int:
    """Run all checks and return the exit status."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    if not torch.cuda.is_available():
        print("PyTorch finds no NVIDIA GPU here", file=sys.stderr)
        return 2
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, check in checks(make_weights(Path(folder))):
            start = time.perf_counter()
            try:
                passed, text = check()
            except Exception:  # the others still tell something
                passed, text = False, traceback.format_exc()
            print(f"{'ok  ' if passed else 'FAIL'} {name} ({time.perf_counter() - start:.1f} s): {text}", flush=True)
            failed += not passed
    print(f"{failed} checks failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
