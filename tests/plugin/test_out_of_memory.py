"""Too little memory is one clear message, wherever it shows."""

import cv2
import numpy as np
import pytest
from ikomia_plugin import fails, workflow_with

from infer_p3m_portrait_matting.pipeline import pictures
from infer_p3m_portrait_matting.pipeline.out_of_memory import clear_memory_errors


def no_memory_in_opencv(*_):
    # More than any address space holds: OpenCV's own error.
    cv2.resize(np.zeros((1, 1), np.uint8), (2**31 - 1, 2**31 - 1))


def no_memory_in_numpy(*_):
    np.empty(2**62, np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["estimate_foreground", "cutout", "composite", "adjust"])
@pytest.mark.parametrize("why", [no_memory_in_opencv, no_memory_in_numpy])
def test_every_step_of_a_run_says_it(step, why, astronaut, monkeypatch):
    photo = astronaut[:64, :80].copy()
    wf, task = workflow_with(input_size=64)
    with monkeypatch.context() as patch:
        patch.setattr(pictures, step, why)
        fails(wf, r"too little memory for input_size 64 and a photo of 80 x 64 px", array=photo)
    wf.run_on(array=photo)
    assert task.failures == {}


def test_other_errors_stay():
    with pytest.raises(RuntimeError, match="something else"), clear_memory_errors(1, 1, 64):
        raise RuntimeError("something else")
    with pytest.raises(cv2.error), clear_memory_errors(1, 1, 64):
        cv2.resize(np.zeros((0, 0), np.uint8), (3, 3))
