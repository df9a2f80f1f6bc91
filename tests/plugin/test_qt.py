"""The form on the other Qt binding."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from ikomia_plugin import ROOT

from infer_p3m_portrait_matting.pipeline.settings import Settings


@pytest.mark.slow
def test_the_form_works_on_pyqt5(tmp_path):
    picture = tmp_path / "form.png"
    command = [sys.executable, str(ROOT / "tests" / "scripts" / "form_on_pyqt5.py"), str(picture)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout.splitlines()[-1])
    assert got.pop("qt").startswith("5.")
    changed = {"input_size": "1056", "method": "RESIZE", "background": "#336699", "feather": "2.5"}
    assert got == {**Settings().to_strings(), **changed}
    assert len(np.unique(cv2.imread(str(picture)))) > 20
