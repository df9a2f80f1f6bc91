"""Our way of matting a photo against the published procedure: seconds and memory, on the same weights.

Run as ``python -m benchmarks.vs_published``. The last line reads ``ratio resnet34 X mobile Y``: the published procedure
takes X times as long as our resnet34, and our resnet34 takes Y times as long as our mobile.
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
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from skimage.data import astronaut
from torch import nn

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

REPOSITORY = Path(__file__).resolve().parents[1]

HEIGHT, WIDTH = 1620, 1080
INPUT_SIZE = 1024
WARM_UPS, MIN_ROUNDS = 1, 5
MIN_RESNET34, MIN_MOBILE = 2.3, 4.0

Matte = Callable[[np.ndarray], np.ndarray]


def photo() -> np.ndarray:
    """The photo of all benchmarks: scikit-image's public-domain portrait, uint8 RGB [1620, 1080, 3]."""
    picture = astronaut()
    width = picture.shape[0] * WIDTH // HEIGHT
    left = (picture.shape[1] - width) // 2
    return cv2.resize(picture[:, left : left + width], (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


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

    Both passes compute all six outputs, in contiguous memory and with separate batch normalisation; each side of an
    image is capped by itself, images shrink without anti-aliasing, and numpy works between the passes.

    Args:
        model_name: a model of the core.
        weights: its weights file.
    """

    def __init__(self, model_name: str, weights: Path) -> None:
        self.model = create_model(model_name)
        load_weights(self.model, weights)
        self.model.eval()

    def matte(self, image: np.ndarray) -> np.ndarray:
        """Estimate the alpha of uint8 RGB [H, W, 3]: float32 [H, W] in [0, 1]."""
        height, width = image.shape[:2]
        logits, _ = self._forward(image, *(_cap(side // 2) for side in (height, width)))
        classes = logits.argmax(0)
        trimap = np.zeros(classes.shape, np.float32)
        trimap[classes == UNKNOWN] = 128
        trimap[classes == FOREGROUND] = 255
        trimap = cv2.resize(trimap, (width, height))
        _, alpha = self._forward(image, *(_cap(side) for side in (height, width)))
        alpha = cv2.resize(alpha, (width, height))
        alpha[trimap == 0] = 0
        alpha[trimap == 255] = 1
        return alpha

    def _forward(self, image: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """All outputs at one size; the logits [3, height, width] and the local alpha [height, width] are used."""
        with torch.no_grad():
            output = self.model(_published_input(image, height, width))
        return output.logits[0].numpy(), output.local_alpha[0, 0].numpy()


def _cap(side: int) -> int:
    return min(side // 32 * 32, INPUT_SIZE)


def _published_input(image: np.ndarray, height: int, width: int) -> torch.Tensor:
    x = cv2.resize(image, (width, height)).astype(np.float32) / 255
    x = (x - np.float32(IMAGENET_MEAN)) / np.float32(IMAGENET_STD)
    return torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1))[None])


def _open_published(weights: Path, device: str) -> Matte:
    return PublishedProcedure("resnet34", weights).matte


def _open_resnet34(weights: Path, device: str) -> Matte:
    return PortraitMatting("resnet34", device, weights).matte


def _open_mobile(weights: Path, device: str) -> Matte:
    return PortraitMatting("mobile", device, find_weights("mobile")).matte


#: What is compared, in the order of the rounds: each opens its network and gives the function that mattes a photo.
SIDES: dict[str, Callable[[Path, str], Matte]] = {
    "published": _open_published,
    "resnet34": _open_resnet34,
    "mobile": _open_mobile,
}


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


def describe_agreement(weights: Path, device: str) -> str:
    """Say how far the two resnet34 sides are apart, and how far with their preprocessing made equal."""
    image = photo()
    published, ours = PublishedProcedure("resnet34", weights), PortraitMatting("resnet34", device, weights)
    difference = np.abs(published.matte(image) - ours.matte(image)).mean()
    logits, _ = published._forward(image, *(_cap(side // 2) for side in image.shape[:2]))
    shares = np.bincount(logits.argmax(0).ravel(), minlength=3) / logits[0].size
    x = _published_input(image, 480, 320)
    with torch.inference_mode():
        reference = published.model(x)
        x = x.to(ours.device, memory_format=torch.channels_last)
        alpha = (ours.model.local_alpha(x).cpu() - reference.local_alpha).abs()
        logits = (ours.model.segment(x).cpu() - reference.logits).abs().max()
    return (
        f"trimap: {shares[0]:.0%} background, {shares[1]:.0%} unknown, {shares[2]:.0%} foreground\n"
        f"mean absolute difference of the two resnet34 mattes (random weights, each side's own sizes): "
        f"{difference:.4f}\n"
        f"the two networks on one and the same input: local alpha differs by {alpha.mean():.1e} on average and "
        f"{alpha.max():.1e} at most, logits by {logits:.1e} at most"
    )


def _rounds(text: str) -> int:
    rounds = int(text)
    if rounds < MIN_ROUNDS:
        raise argparse.ArgumentTypeError(f"at least {MIN_ROUNDS} rounds, got {rounds}")
    return rounds


def main() -> int:
    """Run the benchmark; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=_rounds, default=MIN_ROUNDS, help="rounds that count (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads (default: %(default)s)")
    parser.add_argument("--device", choices=("cpu",), default="cpu")
    parser.add_argument("--memory-of", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--weights", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.memory_of:
        print(json.dumps(measure_memory(SIDES[args.memory_of](args.weights, args.device))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "resnet34.safetensors"
        write_random_weights("resnet34", weights)
        return _compare(weights, args.device, args.threads, args.rounds)


def _compare(weights: Path, device: str, threads: int, rounds: int) -> int:
    print(f"photo {WIDTH} x {HEIGHT}, HYBRID at {INPUT_SIZE}, {device}, {threads} threads, median of {rounds} rounds")
    shared = ("--weights", str(weights), "--device", device, "--threads", str(threads))
    memory = {name: in_fresh_process(__file__, "--memory-of", name, *shared) for name in SIDES}
    print(describe_agreement(weights, device), flush=True)
    seconds = measure_seconds({name: open_side(weights, device) for name, open_side in SIDES.items()}, rounds)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    for name in SIDES:
        print(
            f"{name:10}{median[name]:7.2f} s ({min(seconds[name]):.2f} to {max(seconds[name]):.2f}), peak memory "
            f"{memory[name]['peak'] / 1e9:.2f} GB, of which {memory[name]['loaded'] / 1e9:.2f} GB before the run"
        )
    resnet34, mobile = median["published"] / median["resnet34"], median["resnet34"] / median["mobile"]
    print(f"ratio resnet34 {resnet34:.2f} mobile {mobile:.2f}", flush=True)
    bars = (("resnet34", resnet34, MIN_RESNET34), ("mobile", mobile, MIN_MOBILE))
    missed = [f"{name}: {ratio:.2f} is below {bar}" for name, ratio, bar in bars if ratio < bar]
    for line in missed:
        print(line, file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
