"""Mattes do not depend on what the caller has set in PyTorch, and the caller's settings stay."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from infer_p3m_portrait_matting.p3m import PortraitMatting, WeightsError
from infer_p3m_portrait_matting.p3m.inference import torch_settings as own_settings
from infer_p3m_portrait_matting.p3m.inference.torch_settings import (
    computing_settings,
    loading_settings,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def photo(astronaut):
    return np.ascontiguousarray(astronaut[0:256:2, 120:312:2])


@pytest.fixture(scope="module")
def wanted(mobile, photo):
    return mobile.matte(photo, input_size=256)


def loaded(like):
    return PortraitMatting("mobile", "cpu", precision=like.precision, runtime="torch")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_callers_autocast_changes_nothing(dtype, mobile, photo, wanted):
    with torch.autocast("cpu", dtype=dtype):
        assert np.array_equal(mobile.matte(photo, input_size=256), wanted)
        assert torch.is_autocast_enabled("cpu")


def test_the_callers_default_dtype_changes_nothing(mobile, photo, wanted):
    torch.set_default_dtype(torch.float64)
    try:
        assert np.array_equal(loaded(mobile).matte(photo, input_size=256), wanted)
        assert np.array_equal(mobile.matte(photo, input_size=256), wanted)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_the_callers_default_device_changes_nothing(mobile, photo, wanted):
    with torch.device("meta"):
        assert np.array_equal(loaded(mobile).matte(photo, input_size=256), wanted)


def in_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_settings_of_the_process_hold_until_the_last_of_two_threads_goes():
    inside, may_leave = threading.Event(), threading.Event()
    seen = []

    def second():
        with computing_settings(torch.device("cpu")):
            inside.set()
            may_leave.wait(30)
            seen.append(torch.get_float32_matmul_precision())

    torch.set_float32_matmul_precision("medium")
    try:
        with computing_settings(torch.device("cpu")):
            thread = in_thread(second)
            assert inside.wait(30)
        may_leave.set()
        thread.join()
        assert seen == ["highest"]
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_networks_are_loaded_one_after_the_other():
    """Two at a time would each restore what the other has set for its loading."""
    entered = []

    def second():
        with loading_settings():
            entered.append(torch.get_num_threads())

    threads = torch.get_num_threads()
    with loading_settings():
        thread = in_thread(second)
        thread.join(0.2)
        assert entered == []
    thread.join()
    assert entered == [1]
    assert torch.get_num_threads() == threads


def test_the_callers_matmul_precision_changes_nothing(mobile, photo, wanted):
    torch.set_float32_matmul_precision("medium")
    try:
        assert np.array_equal(mobile.matte(photo, input_size=256), wanted)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


LEVELS = {
    "all": torch.backends,
    "products on a GPU": torch.backends.cuda.matmul,
    "products": getattr(torch.backends.mkldnn, "matmul", None),
    "convolutions": getattr(torch.backends.mkldnn, "conv", None),
    "convolutions on a GPU": getattr(torch.backends.cudnn, "conv", None),
}


@pytest.fixture
def precisions():
    """The settings of precision by backend and operation, which come back afterwards."""
    if not own_settings._HAS_LEVELS:
        pytest.skip("this PyTorch has no such settings")
    before = {name: level.fp32_precision for name, level in LEVELS.items()}
    yield lambda: {name: level.fp32_precision for name, level in LEVELS.items()}
    for name, precision in before.items():
        LEVELS[name].fp32_precision = precision


@pytest.mark.parametrize(
    ("name", "precision"),
    [("all", "tf32"), ("all", "bf16"), ("products on a GPU", "tf32"), ("products", "bf16"), ("convolutions", "bf16")],
)
def test_the_callers_new_settings_of_precision_change_nothing(name, precision, precisions, mobile, photo, wanted):
    LEVELS[name].fp32_precision = precision
    set_by_caller = precisions()
    assert np.array_equal(mobile.matte(photo, input_size=256), wanted)
    assert precisions() == set_by_caller


@pytest.mark.parametrize(("name", "precision"), [("all", "tf32"), ("convolutions on a GPU", "ieee"), ("all", "none")])
def test_convolutions_on_a_gpu_are_full_and_repeatable_whatever_the_caller_has_set(name, precision, precisions):
    LEVELS[name].fp32_precision = precision
    set_by_caller, benchmark = precisions(), torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        with own_settings._REPEATABLE:
            assert precisions()["convolutions on a GPU"] == "ieee"
            assert (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic) == (False, True)
            assert not torch.backends.cuda.cudnn_sdp_enabled()
        assert torch.backends.cudnn.benchmark
        assert torch.backends.cuda.cudnn_sdp_enabled()
        assert precisions() == set_by_caller
    finally:
        torch.backends.cudnn.benchmark = benchmark


@pytest.mark.parametrize("method", ["HYBRID", "RESIZE"])
def test_a_matte_that_is_not_finite_is_an_error(method, photo):
    matting = PortraitMatting("mobile", "cpu", runtime="torch")
    last = [p for p in matting.model.segmentation.parameters() if p.ndim == 1][-1]
    other = [p for p in matting.model.matting.parameters() if p.ndim == 1][-1]
    with torch.no_grad():
        last.fill_(float("nan"))
        other.fill_(float("nan"))
    with pytest.raises(WeightsError, match="not finite"):
        matting.matte(photo, method, 128)


FORK = """
import os, sys
import numpy as np, torch
torch.set_num_threads(2)
from infer_p3m_portrait_matting.p3m import PortraitMatting
matting = PortraitMatting("mobile", "cpu", runtime="torch")
assert torch.get_num_threads() == 2
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
matting.matte(np.zeros((200, 200, 3), np.uint8))
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_may_load_and_then_fork():
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", FORK], env=environment, start_new_session=True)
    try:
        assert process.wait(120) == 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
