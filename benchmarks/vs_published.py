"""Compare our way of matting a photo with the published procedure, by seconds and memory, on the same weights.

Run ``python -m benchmarks.vs_published``. The last line reads ``ratio resnet34 X mobile Y vitae-s Z``: the published
procedure takes X times as long as our resnet34 and Z times as long as our vitae-s, and our resnet34 takes Y times as
long as our mobile. If ours run in half precision, the line before it has the same ratios with ours in float32. With
``--device cuda`` the program runs on an NVIDIA GPU (:mod:`benchmarks.vs_published_cuda`).
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.measure import HEIGHT, WIDTH, Matte, in_fresh_process, measure_memory, photo
from benchmarks.published import INPUT_SIZE, MODELS, PublishedProcedure, published_input, write_random_weights
from infer_p3m_portrait_matting.p3m import PortraitMatting, find_weights

WARM_UPS, MIN_ROUNDS = 1, 5
#: What the ratios of the last line must reach, in half precision and in float32.
BARS = {"auto": {"resnet34": 5.0, "mobile": 4.5, "vitae-s": 3.0}, "float32": {"resnet34": 3.0}}
#: Most that mobile may take in ONNX Runtime, in seconds of PyTorch in float32.
MOST_IN_ONNX_RUNTIME = 1.4


def open_side(side: str, folder: Path) -> Matte:
    """Load one side, such as "resnet34 published", "resnet34 float32" or "mobile auto"; return its function."""
    model_name, way = side.split()
    made = folder / f"{model_name}.safetensors"
    if way == "published":
        return PublishedProcedure(model_name, made).matte
    weights = find_weights("mobile") if model_name == "mobile" else made
    if way == "onnxruntime":
        return PortraitMatting(model_name, "cpu", weights, runtime="onnxruntime").matte
    return PortraitMatting(model_name, "cpu", weights, precision=way, runtime="torch").matte


def measure_seconds(mattes: dict[str, Matte], rounds: int) -> dict[str, list[float]]:
    """Matte the photo with each side in turn, round after round, so that a busy machine slows all of them alike.

    Args:
        mattes: the sides.
        rounds: rounds that count; ``WARM_UPS`` more come first.

    Returns:
        Wall seconds of each counted run.
    """
    image = photo()
    seconds: dict[str, list[float]] = {name: [] for name in mattes}
    for number in range(WARM_UPS + rounds):
        for name, matte in mattes.items():
            start = time.perf_counter()
            matte(image)
            if number >= WARM_UPS:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def describe_agreement(weights: Path) -> str:
    """Say how far the two resnet34 sides are apart, and how far with their preprocessing made equal."""
    image = photo()
    published, ours = (
        PublishedProcedure("resnet34", weights),
        PortraitMatting("resnet34", "cpu", weights, precision="float32"),
    )
    difference = np.abs(published.matte(image) - ours.matte(image)).mean()
    logits, _ = published.run(image, *(published.cap(side // 2) for side in image.shape[:2]))
    shares = np.bincount(logits.argmax(0).ravel(), minlength=3) / logits[0].size
    x = published_input(image, 480, 320)
    with torch.inference_mode():
        reference = published.model(x)
        x = x.to(memory_format=torch.channels_last)
        alpha = (ours.model.local_alpha(x) - reference.local_alpha).abs()
        logits = (ours.model.segment(x) - reference.logits).abs().max()
    return (
        f"trimap: {shares[0]:.0%} background, {shares[1]:.0%} unknown, {shares[2]:.0%} foreground\n"
        f"mean absolute difference of the two resnet34 mattes (random weights, each side's own sizes): "
        f"{difference:.4f}\n"
        f"the two networks on one and the same input, in float32: local alpha differs by {alpha.mean():.1e} on average "
        f"and {alpha.max():.1e} at most, logits by {logits:.1e} at most"
    )


def _rounds(text: str) -> int:
    rounds = int(text)
    if rounds < MIN_ROUNDS:
        raise argparse.ArgumentTypeError(f"at least {MIN_ROUNDS} rounds, got {rounds}")
    return rounds


def main() -> int:
    """Run the benchmark; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=_rounds, help=f"rounds that count (default: {MIN_ROUNDS}, cuda: 20)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads (default: %(default)s)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--precision", choices=tuple(BARS), default="auto", help="ours as shipped (auto), or float32 only"
    )
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    parser.add_argument("--weights", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.device == "cuda" and args.precision != "auto":
        parser.error("--precision is for the CPU: on a GPU, ours runs as shipped")
    torch.set_num_threads(args.threads)
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    if args.memory_of:
        print(json.dumps(measure_memory(open_side(args.memory_of, args.weights))))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for model_name in ("resnet34", "vitae-s"):
            write_random_weights(model_name, folder / f"{model_name}.safetensors")
        if args.device == "cuda":
            # Here, as the profiler that it imports would count in the memory of each side.
            from benchmarks.vs_published_cuda import ROUNDS, compare

            return compare(folder, rounds=args.rounds or ROUNDS)
        return _compare(folder, args.threads, args.rounds or MIN_ROUNDS, args.precision)


def _ratios(median: dict[str, float], way: str) -> dict[str, float]:
    ours = {name: median[f"{name} {way}"] for name in MODELS}
    return {
        "resnet34": median["resnet34 published"] / ours["resnet34"],
        "mobile": ours["resnet34"] / ours["mobile"],
        "vitae-s": median["vitae-s published"] / ours["vitae-s"],
    }


def _in_words(ratios: dict[str, float]) -> str:
    return " ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())


def _compare(folder: Path, threads: int, rounds: int, precision: str) -> int:
    chosen = PortraitMatting("mobile", "cpu", precision=precision, runtime="torch").precision
    print(f"photo {WIDTH} x {HEIGHT}, HYBRID at {INPUT_SIZE}, cpu, {threads} threads, median of {rounds} rounds")
    print(f"precision {precision}: {chosen} on this CPU")
    ways = ("float32",) if chosen == "float32" else ("float32", precision)
    sides = [f"{name} published" for name in ("resnet34", "vitae-s")] + [
        f"{name} {way}" for name in MODELS for way in ways
    ]
    sides.append("mobile onnxruntime")
    shared = ("--weights", str(folder), "--threads", str(threads))
    memory = {side: in_fresh_process(__file__, "--memory-of", side, *shared) for side in sides}
    print(describe_agreement(folder / "resnet34.safetensors"), flush=True)
    mattes = {side: open_side(side, folder) for side in sides}
    seconds = measure_seconds(mattes, rounds)
    median = {side: statistics.median(values) for side, values in seconds.items()}
    for side in sides:
        print(
            f"{side:20}{median[side]:7.2f} s ({min(seconds[side]):.2f} to {max(seconds[side]):.2f}), peak memory "
            f"{memory[side]['peak'] / 1e9:.2f} GB, of which {memory[side]['loaded'] / 1e9:.2f} GB before the run"
        )
    if len(ways) > 1:
        for name in MODELS:
            difference = np.abs(mattes[f"{name} float32"](photo()) - mattes[f"{name} {precision}"](photo()))
            print(
                f"{name}: SAD between float32 and {chosen} {difference.sum() / 1000:.2f}, within 1/255 on "
                f"{(difference <= 1 / 255).mean():.2%} of the pixels"
                + ("" if name == "mobile" else " (random weights: classes and unpooling follow every rounding)")
            )
    for way in ways[:-1]:
        print(f"ours in {way}: {_in_words(_ratios(median, way))}")
    slower = median["mobile onnxruntime"] / median["mobile float32"]
    print(f"mobile in ONNX Runtime takes {slower:.2f} times as long as in PyTorch in float32")
    ratios = _ratios(median, ways[-1])
    print(f"ratio {_in_words(ratios)}", flush=True)
    bars = BARS["float32" if chosen == "float32" else "auto"]
    missed = [f"{name}: {ratios[name]:.2f} is below {bar}" for name, bar in bars.items() if ratios[name] < bar]
    if slower > MOST_IN_ONNX_RUNTIME:
        missed.append(f"mobile in ONNX Runtime: {slower:.2f} is above {MOST_IN_ONNX_RUNTIME}")
    for line in missed:
        print(line, file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
