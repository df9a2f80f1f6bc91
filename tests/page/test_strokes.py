"""The page's brushes and the library's corrections make the same matte."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m import PortraitMatting

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "page_matte.mjs"


@pytest.mark.slow
def test_strokes_make_the_library_s_matte(built_page: Path, tmp_path: Path, astronaut: np.ndarray):
    height, width = astronaut.shape[:2]
    strokes = np.zeros((height, width), np.uint8)
    strokes[height // 10 : height // 4, width // 10 : width // 2] = 3
    strokes[height // 3 : height // 2, width // 3 : width // 2] = 2
    strokes[: height // 8, -width // 6 :] = 1
    # Over the place where the network decides.
    strokes[height // 5 : height // 4, width // 4 : width // 3] = 1
    photo, drawn, result = (tmp_path / name for name in ("photo", "strokes", "result"))
    np.dstack([astronaut, np.full((height, width), 255, np.uint8)]).tofile(photo)
    strokes.tofile(drawn)
    subprocess.run(["node", SCRIPT, built_page, str(width), str(height), photo, drawn, result], check=True)
    found = np.fromfile(result, np.float32).reshape(height, width)
    wanted = PortraitMatting(device="cpu", runtime="onnxruntime").matte(astronaut, corrections=strokes)
    assert found.min() == 0
    assert (np.abs(found - wanted) > 2 / 255).mean() <= 1e-3
