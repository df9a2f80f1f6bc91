"""Measure whole processes of p3m as a user waits for them: to start, and to matte one photo.

python -m benchmarks.start

``--help``, a photo that is not there, and one photo of 1080 x 1620 px, once without PyTorch and once without ONNX
Runtime, take turns, so that a busy machine slows all of them. The program prints the median seconds, the median CPU
seconds and the largest peak memory of each. The last line reads ``ratio start X memory Y``: with PyTorch, one photo
takes X times as long and Y times as much memory as with ONNX Runtime. The exit status is not 0 if X is below 3 or Y
below 2, if ONNX Runtime's photo takes more than 0.5 GB, or if ``--help`` or the missing photo takes more than 0.3 CPU
seconds.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

import cv2

from .measure import REPOSITORY, photo

#: Most CPU seconds of a run that only looks at its arguments.
_START = 0.3
#: What the ratios of the last line must reach, and the most bytes of one photo with ONNX Runtime.
_FASTER, _SMALLER, _PEAK = 3.0, 2.0, 0.5e9

#: Runs p3m as if a package were not installed.
_P3M = """
import sys
sys.modules[sys.argv.pop(1)] = None
from infer_p3m_portrait_matting.__main__ import main
sys.exit(main())
"""

#: Runs a command and prints a :class:`Cost`. Unlike other ways, wait4 tells what this one process used.
_MEASURE = """
import json, os, sys, time
start = time.perf_counter()
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(process, 0)
peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
seconds = time.perf_counter() - start
print(json.dumps([os.waitstatus_to_exitcode(status), seconds, used.ru_utime + used.ru_stime, peak]))
"""


class Cost(NamedTuple):
    """What one process took: its exit status, seconds, seconds of CPUs, and peak memory in bytes."""

    status: int
    seconds: float
    cpu: float
    peak: int


def cost_of(arguments: list[str], folder: Path, status: int, absent: str) -> Cost:
    """Run p3m once in a process of its own.

    Args:
        arguments: of p3m.
        folder: the folder in which it runs.
        status: the exit status that it must have.
        absent: a package that seems not to be installed.

    Raises:
        RuntimeError: it has another one.
    """
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", _P3M, absent, *arguments]
    # In between, a small process: the peak of a process counts what its parent had when it started it.
    run = subprocess.run([sys.executable, "-c", _MEASURE, *command], cwd=folder, env=environment, capture_output=True)
    found = Cost(*json.loads(run.stdout.splitlines()[-1]))
    if found.status != status:
        raise RuntimeError(f"p3m {' '.join(arguments)} ended with status {found.status}: {run.stderr.decode()}")
    return found


def main() -> int:
    """Run the benchmark and return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each (default 5)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cv2.imwrite(str(folder / "photo.jpg"), cv2.cvtColor(photo(), cv2.COLOR_RGB2BGR))
        one = ["photo.jpg", "--force", "--no-cuda", "--model", "mobile"]
        runs = {
            "--help": (["--help"], 0, "torch"),
            "a missing photo": (["missing.jpg"], 2, "torch"),
            "ONNX Runtime": (one, 0, "torch"),
            "PyTorch": (one, 0, "onnxruntime"),
        }
        # The first run of each writes what Python compiles, and reads the files of all packages.
        for arguments, status, absent in runs.values():
            cost_of(arguments, folder, status, absent)
        costs: dict[str, list[Cost]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, (arguments, status, absent) in runs.items():
                costs[name].append(cost_of(arguments, folder, status, absent))
    print("run              seconds  CPU seconds  peak memory")
    for name, found in costs.items():
        seconds, cpu = median(cost.seconds for cost in found), median(cost.cpu for cost in found)
        print(f"{name:15}  {seconds:7.2f}  {cpu:11.2f}  {max(cost.peak for cost in found) / 1e9:8.2f} GB")
    slow = [name for name in ("--help", "a missing photo") if median(cost.cpu for cost in costs[name]) > _START]
    missed = [f"{name} takes more than {_START} CPU seconds" for name in slow]
    light, heavy = costs["ONNX Runtime"], costs["PyTorch"]
    peak = max(cost.peak for cost in light)
    start = median(cost.seconds for cost in heavy) / median(cost.seconds for cost in light)
    memory = max(cost.peak for cost in heavy) / peak
    if start < _FASTER or memory < _SMALLER:
        missed.append(f"the ratios must be at least {_FASTER:g} and {_SMALLER:g}")
    if peak > _PEAK:
        missed.append(f"one photo with ONNX Runtime takes more than {_PEAK / 1e9:g} GB")
    for line in missed:
        print(line, file=sys.stderr)
    print(f"ratio start {start:.2f} memory {memory:.2f}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
