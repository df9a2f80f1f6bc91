"""Run :mod:`benchmarks.vs_published` on an NVIDIA GPU: ``python -m benchmarks.vs_published --device cuda``.

Both sides take and return numpy arrays, so that uploads and downloads count on both. The published procedure computes
in float32 with TF32 off. The bar: our resnet34, HYBRID at 1024, is at least 4 times as fast.
"""

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import Matte, photo
from benchmarks.published import MODELS, PublishedProcedure
from infer_p3m_portrait_matting.p3m import PortraitMatting, find_weights
from infer_p3m_portrait_matting.p3m.inference.preprocess import network_input
from infer_p3m_portrait_matting.p3m.inference.procedures import GLOBAL, LOCAL, network_size
from infer_p3m_portrait_matting.p3m.inference.torch_settings import computing_settings
from infer_p3m_portrait_matting.p3m.model.kernels.convolution import FusedConv2d

SIZES = (1024, 2048)
WARM_UPS, ROUNDS = 3, 20
MIN_RESNET34 = 4.0


def compare(folder: Path, device: str = "cuda", sizes: tuple[int, ...] = SIZES, rounds: int = ROUNDS) -> int:
    """Run the comparison; return the exit status.

    Args:
        folder: where resnet34.safetensors and vitae-s.safetensors lie.
        device: "cuda"; "cpu" only to try this program out.
        sizes: the input sizes; the photo is large enough for each.
        rounds: runs that count.
    """
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, HYBRID, median of {rounds} rounds, both sides from and to numpy arrays")
    peak = {dtype: peak_rate(dtype, device) for dtype in (torch.float16, torch.bfloat16)}
    print(
        "peak, measured by a product of matrices: " + ", ".join(f"{d} {r / 1e12:.0f} TFLOP/s" for d, r in peak.items())
    )
    ratios: dict[tuple[str, int], float] = {}
    ours_alone: dict[tuple[str, int], float] = {}
    for size in sizes:
        for model_name in MODELS:
            if device == "cuda":
                torch.cuda.empty_cache()
            ratios[model_name, size], ours_alone[model_name, size] = _one(
                model_name, size, folder, device, rounds, peak
            )
    if device == "cuda":
        _profile(folder)
    first = sizes[0]
    mobile = ours_alone["resnet34", first] / ours_alone["mobile", first]
    resnet34, vitae_s = ratios["resnet34", first], ratios["vitae-s", first]
    print(f"ratio resnet34 {resnet34:.2f} mobile {mobile:.2f} vitae-s {vitae_s:.2f}", flush=True)
    if resnet34 < MIN_RESNET34:
        print(f"resnet34: {resnet34:.2f} is below {MIN_RESNET34}", file=sys.stderr)
        return 1
    return 0


def peak_rate(dtype: torch.dtype, device: str = "cuda", side: int = 8192) -> float:
    """Measure the floating-point operations per second of one large matrix product."""
    if device != "cuda":
        side = 256
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    seconds = statistics.median(measure_seconds(lambda: a @ b, 10, device))
    return 2 * side**3 / seconds


def measure_seconds(run: Callable[[], object], rounds: int, device: str = "cuda") -> list[float]:
    """Measure the wall seconds of each run; the GPU is idle before and after."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    seconds = []
    for number in range(WARM_UPS + rounds):
        wait()
        start = time.perf_counter()
        run()
        wait()
        if number >= WARM_UPS:
            seconds.append(time.perf_counter() - start)
    return seconds


def _weights(model_name: str, folder: Path) -> Path:
    found = find_weights("mobile") if model_name == "mobile" else folder / f"{model_name}.safetensors"
    assert found is not None
    return found


def _one(
    model_name: str, size: int, folder: Path, device: str, rounds: int, peak: dict[torch.dtype, float]
) -> tuple[float, float]:
    """Compare one network at one size; return how many times as long the published procedure takes, and our seconds."""
    image = photo(size / SIZES[0])
    published = PublishedProcedure(model_name, _weights(model_name, folder), device, size)
    ours = PortraitMatting(model_name, device, _weights(model_name, folder))
    sides: dict[str, Matte] = {"published": published.matte, "ours": lambda x: ours.matte(x, "HYBRID", size)}
    start = time.perf_counter()
    sides["ours"](image)
    first_run = time.perf_counter() - start
    median = {
        name: statistics.median(measure_seconds(partial(matte, image), rounds, device)) for name, matte in sides.items()
    }
    ratio = median["published"] / median["ours"]
    # The network alone: both passes, from inputs on the GPU to outputs on the GPU.
    with torch.inference_mode(), computing_settings(torch.device(device)):
        height, width = image.shape[:2]
        sizes = [network_size(height, width, ours.variant, size, each) for each in (GLOBAL, LOCAL)]
        inputs = [torch.from_numpy(network_input([image], *each)).to(device) for each in sizes]
        with FlopCounterMode(display=False) as counter:
            published.model.segment(inputs[0])
            published.model.local_alpha(inputs[1])
        operations = counter.get_total_flops()
        seconds = statistics.median(
            measure_seconds(lambda: (ours.model.segment(inputs[0]), ours.model.local_alpha(inputs[1])), rounds, device)
        )
    share = operations / seconds / peak[torch.float16]
    print(
        f"{model_name:9}{size:5}: published {median['published'] * 1e3:8.2f} ms, ours ({ours.precision}) "
        f"{median['ours'] * 1e3:7.2f} ms, ratio {ratio:5.2f}; our network alone {seconds * 1e3:7.2f} ms, "
        f"{operations / 1e9:.0f} GFLOP, {operations / seconds / 1e12:.0f} TFLOP/s, {share:.1%} of the peak; "
        f"first run {first_run:.2f} s",
        flush=True,
    )
    if model_name == "resnet34" and device == "cuda":
        usual = FusedConv2d.fuse_on_cuda
        FusedConv2d.fuse_on_cuda = not usual
        other = statistics.median(measure_seconds(lambda: sides["ours"](image), rounds, device))
        FusedConv2d.fuse_on_cuda = usual
        print(f"{'':16}ours with bias and ReLU {'apart' if usual else 'fused'}: {other * 1e3:.2f} ms", flush=True)
    return ratio, median["ours"]


def _profile(folder: Path) -> None:
    """Say which kernels our resnet34 spends its time in, and how long the GPU waits for the CPU."""
    ours = PortraitMatting("resnet34", "cuda", _weights("resnet34", folder))
    image = photo()
    wall = statistics.median(measure_seconds(lambda: ours.matte(image), ROUNDS))
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
        for _ in range(3):
            ours.matte(image)
        torch.cuda.synchronize()
    kernels: dict[str, tuple[float, int]] = {}
    for event in found.events():
        if event.device_type == torch.autograd.DeviceType.CUDA:
            total, count = kernels.get(event.name, (0.0, 0))
            kernels[event.name] = total + event.time_range.elapsed_us(), count + 1
    busy = sum(total for total, _ in kernels.values()) / 3e3
    launches = sum(count for _, count in kernels.values()) / 3
    print(
        f"profile of resnet34 at 1024: {wall * 1e3:.2f} ms a photo, GPU busy for {busy:.2f} ms, {launches:.0f} kernels"
    )
    for kernel, (total, count) in sorted(kernels.items(), key=lambda item: -item[1][0])[:14]:
        print(f"  {total / 3e3:7.3f} ms {count / 3:5.0f} x {kernel[:110]}")
