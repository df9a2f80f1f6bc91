"""Run the command ``p3m`` in tests, small and on the CPU."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from infer_p3m_portrait_matting.commands.main import main
from infer_p3m_portrait_matting.commands.record import NAME as RECORD
from infer_p3m_portrait_matting.pipeline.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
# On the CPU, as SETTINGS: a GPU rounds otherwise.
SMALL = ["--input-size", "128", "--no-cuda"]
SETTINGS = Settings(model_name="mobile", input_size=128, cuda=False)
#: For processes whose test is not about what computes: ONNX Runtime starts in a second, PyTorch in several.
QUICK = ["--precision", "float32"]


def p3m(*arguments, **options):
    """Run the command line in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "infer_p3m_portrait_matting", *map(str, arguments), *SMALL]
    return subprocess.run(command, capture_output=True, env=environment, timeout=600, check=False, **options)


def run(*arguments) -> int:
    """Run the command line in this process."""
    return main([*map(str, arguments), *SMALL])


def start(*arguments) -> subprocess.Popen:
    """Start the command line in a process and a group of its own, and do not wait for it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "infer_p3m_portrait_matting", *map(str, arguments), *SMALL]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True)


def wait_for(condition, seconds=300):
    """Wait until something holds; an AssertionError ends the wait after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


def read(path) -> np.ndarray:
    """Read a picture as it is in its file."""
    return np.asarray(Image.open(path))


def names(folder) -> list[str]:
    """List the files of a folder and its subfolders, but for the hidden notes of what made them."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != RECORD)
