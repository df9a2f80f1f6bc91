"""What the benchmarks share: the photo, memory, processes of their own, a choice of files."""

import json
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from skimage.data import astronaut

REPOSITORY = Path(__file__).resolve().parents[1]

HEIGHT, WIDTH = 1620, 1080

#: Takes a photo, uint8 RGB [H, W, 3], and gives its matte, float32 [H, W].
Matte = Callable[[np.ndarray], np.ndarray]

T = TypeVar("T")


def photo(scale: float = 1) -> np.ndarray:
    """The photo of all benchmarks: scikit-image's public-domain portrait, uint8 RGB [1620, 1080, 3] times ``scale``."""
    picture = astronaut()
    width = picture.shape[0] * WIDTH // HEIGHT
    left = (picture.shape[1] - width) // 2
    size = round(WIDTH * scale), round(HEIGHT * scale)
    return cv2.resize(picture[:, left : left + width], size, interpolation=cv2.INTER_CUBIC)


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


def evenly_chosen(items: Sequence[T], count: int | None) -> list[T]:
    """Choose so many items, evenly spread over all; None and too many give all."""
    count = min(count or len(items), len(items))
    return [items[place] for place in np.linspace(0, len(items) - 1, count).round().astype(int)]
