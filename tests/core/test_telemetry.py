"""ONNX Runtime's telemetry is off: it keeps no number of the computer and no data to send."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import numpy as np
from infer_p3m_portrait_matting.p3m import PortraitMatting
PortraitMatting("mobile", "cpu", runtime="onnxruntime").matte(np.zeros((64, 64, 3), np.uint8), "HYBRID", 64)
"""


def traces(folder: Path, **variables: str) -> list[str]:
    """Matte with ONNX Runtime in a process of its own; list the files that it leaves."""
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    # On a build machine, ONNX Runtime sends nothing anyway.
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    own = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", CODE], env={**kept, **own, **variables}, timeout=300)
    assert done.returncode == 0
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it keeps its files in other places")
def test_onnx_runtime_leaves_no_trace(tmp_path):
    assert traces(tmp_path) == []
