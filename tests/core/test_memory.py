"""How much memory a photo takes, in a fresh process."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CODE = """
import sys
import numpy as np
from benchmarks.measure import photo, resident_bytes
from infer_p3m_portrait_matting.p3m import PortraitMatting

name, weights, precision = sys.argv[1:]
matting = PortraitMatting(name, "cpu", weights=weights or None, precision=precision, runtime="torch")
matting.matte(np.zeros((64, 64, 3), np.uint8))
before = resident_bytes()[0]
matting.matte(photo())
print((resident_bytes()[1] - before) / 1e6)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not say how much memory is used")
@pytest.mark.parametrize(
    ("name", "precision", "most"),
    [("mobile", "bfloat16", 250), ("resnet34", "bfloat16", 320), ("resnet34", "float32", 480)],
)
def test_a_photo_of_1080_by_1620_px_takes_little_memory(name, precision, most, checkpoints):
    """MB beyond the loaded network; with whole maps at full resolution it was twice as much."""
    arguments = [name, str(checkpoints.get(name, "")), precision]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) <= most
