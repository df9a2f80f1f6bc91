"""Share what the benchmarks need: the photo, memory, fresh processes, a choice of files."""

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
    """Return scikit-image's public-domain portrait, uint8 RGB [1620, 1080, 3] times ``scale``."""
    picture = astronaut()
    width = picture.shape[0] * WIDTH // HEIGHT
    left = (picture.shape[1] - width) // 2
    size = round(WIDTH * scale), round(HEIGHT * scale)
    return cv2.resize(picture[:, left : left + width], size, interpolation=cv2.INTER_CUBIC)


def resident_bytes() -> tuple[int, int]:
    """Return the memory of this process in bytes: resident now, and the peak since the program started.

    On Linux, read the kernel's counters of this program: ``getrusage`` may return the peak of the process that started
    it. On other systems (macOS, in bytes) ``getrusage`` returns both.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = dict(re.findall(r"^(VmRSS|VmHWM):\s*(\d+) kB", status.read_text(), re.MULTILINE))
        return int(found["VmRSS"]) * 1024, int(found["VmHWM"]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak, peak


def measure_memory(matte: Matte) -> dict[str, float]:
    """Matte the photo once; return the process's memory in bytes before ("loaded"), its "peak", and the seconds."""
    image = photo()
    loaded, _ = resident_bytes()
    start = time.perf_counter()
    matte(image)
    seconds = time.perf_counter() - start
    return {"loaded": loaded, "peak": resident_bytes()[1], "seconds": seconds}


def in_fresh_process(script: str, *arguments: str) -> dict[str, float]:
    """Run a benchmark's script in a fresh process and return what :func:`measure_memory` returned there.

    Args:
        script: path of the script, which prints the figures as JSON in its last line.
        arguments: its command line.
    """
    command = [sys.executable, "-m", f"benchmarks.{Path(script).stem}", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=REPOSITORY)
    return json.loads(done.stdout.splitlines()[-1])


def evenly_chosen(items: Sequence[T], count: int | None) -> list[T]:
    """Choose this many items, evenly spread over all; None or a larger number chooses all."""
    count = min(count or len(items), len(items))
    return [items[place] for place in np.linspace(0, len(items) - 1, count).round().astype(int)]
