"""Measure how much memory vitae-s needs for one large photo.

Run ``python -m benchmarks.vitae_memory``. The exit status is not 0 if vitae-s needs more than 3.5 GB. The published
code needs 12.9 GB for the same photo, because it writes its attention matrices out.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.measure import HEIGHT, WIDTH, in_fresh_process, measure_memory
from benchmarks.published import write_random_weights
from infer_p3m_portrait_matting.p3m import PortraitMatting
from infer_p3m_portrait_matting.p3m.model.encoders import vitae_s

INPUT_SIZE = 1600
MAX_BYTES = 3.5e9


def explicit_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Compute softmax(q k^T / sqrt(channels)) v as the published code does, with the whole matrix in memory.

    Args:
        q: float [N, heads, tokens, channels].
        k: as ``q``.
        v: as ``q``.

    Returns:
        float of the same shape.
    """
    weights = (q @ k.transpose(2, 3)) * q.shape[-1] ** -0.5
    weights = weights.softmax(-1)
    return weights @ v


def main() -> int:
    """Run the benchmark; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--published-attention",
        action="store_true",
        help="write the attention matrices out, as the published code does (needs 13 GB of free memory)",
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads (default: %(default)s)")
    parser.add_argument("--weights", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.weights:
        print(json.dumps(_measure(args.weights, args.published_attention)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "vitae-s.safetensors"
        write_random_weights("vitae-s", weights)
        options = ("--published-attention",) if args.published_attention else ()
        found = in_fresh_process(__file__, "--weights", str(weights), "--threads", str(args.threads), *options)
    attention = " with explicit attention" if args.published_attention else ""
    print(f"vitae-s{attention}, photo {WIDTH} x {HEIGHT}, HYBRID at {INPUT_SIZE}, cpu, {args.threads} threads")
    print(
        f"{found['seconds']:.1f} s, peak memory {found['peak'] / 1e9:.2f} GB, "
        f"of which {found['loaded'] / 1e9:.2f} GB before the run"
    )
    if found["peak"] > MAX_BYTES:
        print(f"{found['peak'] / 1e9:.2f} GB is above {MAX_BYTES / 1e9} GB", file=sys.stderr)
        return 1
    return 0


def _measure(weights: Path, published_attention: bool) -> dict[str, float]:
    if published_attention:
        vitae_s.attend = explicit_attention
    session = PortraitMatting("vitae-s", "cpu", weights)
    return measure_memory(lambda image: session.matte(image, "HYBRID", INPUT_SIZE))


if __name__ == "__main__":
    sys.exit(main())
