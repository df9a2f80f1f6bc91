"""What the command line loads before it has looked at its arguments: nothing that takes long."""

import os
import subprocess
import sys

import pytest
from command_line import ROOT

#: Each takes a tenth of a second or more to load.
HEAVY = {"av", "cv2", "numpy", "onnxruntime", "requests", "scipy", "timm", "torch", "torchvision"}

CODE = """
import sys
from infer_p3m_portrait_matting.__main__ import main
sys.argv = ["p3m", *sys.argv[1:]]
try:
    status = main()
except SystemExit as end:
    status = end.code or 0
print("LOADED", status, *sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["--help-all"], 0),
        (["--version"], 0),
        (["--hlep"], 2),
        (["photo.jpg", "--subject", "smallest"], 2),
        (["no-such-photo.jpg"], 2),
        (["no-such-folder/", "-o", "results/"], 2),
        (["export", "--help"], 0),
        (["export"], 2),
    ],
)
def test_arguments_are_checked_before_anything_heavy_is_loaded(arguments, status, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", CODE, *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    *_, last = done.stdout.splitlines()
    said, found, *loaded = last.split()
    assert (said, int(found)) == ("LOADED", status), done.stderr
    assert set(loaded) & HEAVY == set()
