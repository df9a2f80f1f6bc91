"""Our way of matting a photo against the published procedure: seconds and memory, on the same weights.

Run as ``python -m benchmarks.vs_published``. The last line reads ``ratio resnet34 X mobile Y vitae-s Z``: the published
procedure takes X times as long as our resnet34 and Z times as long as our vitae-s, and our resnet34 takes Y times as
long as our mobile. With ``--device cuda`` it runs on an NVIDIA GPU instead (:mod:`benchmarks.vs_published_cuda`).
"""

import argparse
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import torch
from skimage.data import astronaut
from torch import Tensor, nn
from torch.nn import functional as F

from infer_p3m_portrait_matting.p3m import (
    FOREGROUND,
    IMAGENET_MEAN,
    IMAGENET_STD,
    UNKNOWN,
    PortraitMatting,
    create_model,
    find_weights,
    load_weights,
    save_weights,
)
from infer_p3m_portrait_matting.p3m.model import decoders
from infer_p3m_portrait_matting.p3m.model.encoders import resnet34, vitae_s

REPOSITORY = Path(__file__).resolve().parents[1]

HEIGHT, WIDTH = 1620, 1080
INPUT_SIZE = 1024
WARM_UPS, MIN_ROUNDS = 1, 5
#: What the ratios of the last line must reach, in half precision and in float32.
BARS = {"auto": {"resnet34": 5.0, "mobile": 4.5, "vitae-s": 3.0}, "float32": {"resnet34": 3.0}}
MODELS = ("resnet34", "vitae-s", "mobile")

Matte = Callable[[np.ndarray], np.ndarray]


def photo(scale: float = 1) -> np.ndarray:
    """The photo of all benchmarks: scikit-image's public-domain portrait, uint8 RGB [1620, 1080, 3] times ``scale``."""
    picture = astronaut()
    width = picture.shape[0] * WIDTH // HEIGHT
    left = (picture.shape[1] - width) // 2
    size = round(WIDTH * scale), round(HEIGHT * scale)
    return cv2.resize(picture[:, left : left + width], size, interpolation=cv2.INTER_CUBIC)


def write_random_weights(model_name: str, path: Path) -> None:
    """Save seeded random weights under which the network behaves like a trained one.

    Activations keep a sensible size through all layers (batch-norm statistics are taken from the photo), and the
    segmentation sees all three classes, so that both passes have work to do.

    Args:
        model_name: a model of the core.
        path: the file, with suffix ``.safetensors``.
    """
    torch.manual_seed(0)
    model = create_model(model_name)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):
            # Average over all batches seen, instead of a moving one: a single batch sets the statistics.
            module.momentum = None
    x = _published_input(photo(), 320, 192)
    with torch.no_grad():
        model.train()(x)
        # The classes' logits, scaled to one mean and spread: each class wins somewhere.
        logits = model.eval()(x).logits
        mean, std = logits.mean((0, 2, 3)), logits.std((0, 2, 3))
        head = model.segmentation.head[-1]
        head.weight.div_(std.view(-1, 1, 1, 1))
        head.bias.sub_(mean).div_(std)
    save_weights(model, path)


class PublishedProcedure:
    """HYBRID as the published code runs it, rebuilt from its description.

    Both passes compute all six outputs, in contiguous float32 memory, with separate batch normalisation and PyTorch's
    own max-unpooling; each side of an image is capped by itself, images shrink without anti-aliasing, and numpy works
    between the passes.

    Args:
        model_name: a model of the core.
        weights: its weights file.
        device: where the network runs; numpy's part stays on the CPU.
        input_size: cap of each side in pixels.
    """

    def __init__(self, model_name: str, weights: Path, device: str = "cpu", input_size: int = INPUT_SIZE) -> None:
        self.model = create_model(model_name)
        load_weights(self.model, weights)
        self.model.eval().to(device)
        self.device, self.input_size = device, input_size

    def matte(self, image: np.ndarray) -> np.ndarray:
        """Estimate the alpha of uint8 RGB [H, W, 3]: float32 [H, W] in [0, 1]."""
        height, width = image.shape[:2]
        logits, _ = self.run(image, *(self.cap(side // 2) for side in (height, width)))
        classes = logits.argmax(0)
        trimap = np.zeros(classes.shape, np.float32)
        trimap[classes == UNKNOWN] = 128
        trimap[classes == FOREGROUND] = 255
        trimap = cv2.resize(trimap, (width, height))
        _, alpha = self.run(image, *(self.cap(side) for side in (height, width)))
        alpha = cv2.resize(alpha, (width, height))
        alpha[trimap == 0] = 0
        alpha[trimap == 255] = 1
        return alpha

    def run(self, image: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """All outputs at one size; the logits [3, height, width] and the local alpha [height, width] are used."""
        with torch.no_grad(), _published_unpooling():
            output = self.model(_published_input(image, height, width).to(self.device))
        return output.logits[0].cpu().numpy(), output.local_alpha[0, 0].cpu().numpy()

    def cap(self, side: int) -> int:
        """Side in pixels at which the published code runs a photo's side."""
        return min(side // 32 * 32, self.input_size)


@contextmanager
def _published_unpooling() -> Iterator[None]:
    """Let the networks pool and unpool by PyTorch's own kernels."""

    def pool(x: Tensor, kernel: int, padding: int, with_indices: bool) -> tuple[Tensor, Tensor]:
        return F.max_pool2d(x, kernel, 2, padding, return_indices=True)

    def max_unpool(x: Tensor, indices: Tensor, overlapping: bool) -> Tensor:
        return F.max_unpool2d(x, indices, 2, 2)

    with (
        patch.object(resnet34, "pool", pool),
        patch.object(vitae_s, "pool", pool),
        patch.object(decoders, "max_unpool", max_unpool),
    ):
        yield


def _published_input(image: np.ndarray, height: int, width: int) -> torch.Tensor:
    x = cv2.resize(image, (width, height)).astype(np.float32) / 255
    x = (x - np.float32(IMAGENET_MEAN)) / np.float32(IMAGENET_STD)
    return torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1))[None])


def open_side(side: str, folder: Path) -> Matte:
    """Load one side, such as "resnet34 published", "resnet34 float32" or "mobile auto": the function that mattes."""
    model_name, way = side.split()
    weights = find_weights("mobile") if model_name == "mobile" else folder / f"{model_name}.safetensors"
    if way == "published":
        return PublishedProcedure(model_name, weights).matte
    return PortraitMatting(model_name, "cpu", weights, precision=way).matte


def resident_bytes() -> tuple[int, int]:
    """Memory of this process in bytes: resident now, and resident at most since the program started.

    On Linux the kernel's own counters of this program are read, because what ``getrusage`` gives there may be the
    peak of the process that started it. Elsewhere (macOS, in bytes) ``getrusage`` gives both.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = dict(re.findall(r"^(VmRSS|VmHWM):\s*(\d+) kB", status.read_text(), re.MULTILINE))
        return int(found["VmRSS"]) * 1024, int(found["VmHWM"]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak, peak


def measure_memory(matte: Matte) -> dict[str, float]:
    """Matte the photo once: the process's memory in bytes before ("loaded") and at most ("peak"), and the seconds."""
    image = photo()
    loaded, _ = resident_bytes()
    start = time.perf_counter()
    matte(image)
    seconds = time.perf_counter() - start
    return {"loaded": loaded, "peak": resident_bytes()[1], "seconds": seconds}


def in_fresh_process(script: str, *arguments: str) -> dict[str, float]:
    """Run a benchmark's script in a process of its own and read what :func:`measure_memory` gave there.

    Args:
        script: path of the script, which prints the figures as JSON in its last line.
        arguments: its command line.
    """
    command = [sys.executable, "-m", f"benchmarks.{Path(script).stem}", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=REPOSITORY)
    return json.loads(done.stdout.splitlines()[-1])


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
    x = _published_input(image, 480, 320)
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
    """Run the benchmark; gives the exit status."""
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
    if args.memory_of:
        print(json.dumps(measure_memory(open_side(args.memory_of, args.weights))))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for model_name in ("resnet34", "vitae-s"):
            write_random_weights(model_name, folder / f"{model_name}.safetensors")
        if args.device == "cuda":
            from benchmarks.vs_published_cuda import ROUNDS, compare

            return compare(folder, rounds=args.rounds or ROUNDS)
        return _compare(folder, args.threads, args.rounds or MIN_ROUNDS, args.precision)


def _compare(folder: Path, threads: int, rounds: int, precision: str) -> int:
    chosen = PortraitMatting("mobile", precision=precision).precision
    print(f"photo {WIDTH} x {HEIGHT}, HYBRID at {INPUT_SIZE}, cpu, {threads} threads, median of {rounds} rounds")
    print(f"precision {precision}: {chosen} on this CPU")
    ways = ("float32",) if chosen == "float32" else ("float32", precision)
    sides = [f"{name} published" for name in ("resnet34", "vitae-s")] + [
        f"{name} {way}" for name in MODELS for way in ways
    ]
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
    ours = {name: median[f"{name} {ways[-1]}"] for name in MODELS}
    ratios = {
        "resnet34": median["resnet34 published"] / ours["resnet34"],
        "mobile": ours["resnet34"] / ours["mobile"],
        "vitae-s": median["vitae-s published"] / ours["vitae-s"],
    }
    print("ratio " + " ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()), flush=True)
    bars = BARS["float32" if chosen == "float32" else "auto"]
    missed = [f"{name}: {ratios[name]:.2f} is below {bar}" for name, bar in bars.items() if ratios[name] < bar]
    for line in missed:
        print(line, file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
