"""Which model runs, and that it is loaded once."""

import logging
import os

import numpy as np
import pytest
import torch
from ikomia_plugin import fails, outputs, warnings, workflow_with

from infer_p3m_portrait_matting.p3m import PortraitMatting, create_model, save_weights, to_uint8


@pytest.fixture
def photo(astronaut):
    return astronaut[:320, 64:352].copy()


def infos(caplog, word: str) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == logging.INFO and word in r.getMessage()]


def test_missing_published_weights_are_one_short_warning_per_task(photo, caplog, tmp_path, monkeypatch):
    monkeypatch.setenv("P3M_WEIGHTS_DIR", str(tmp_path / "cache"))
    caplog.set_level(logging.INFO)
    for _ in range(2):
        wf, task = workflow_with(model_name="resnet34", input_size=256)
        for background in ("white", "black"):
            task.set_parameters({"background": background})
            wf.run_on(array=photo)
        assert task.session.model_name == "mobile"
    found = warnings(caplog, "weights")
    assert len(found) == 2
    for warning in found:
        assert len(warning) < 220
        assert "\n" not in warning
        for word in ("resnet34", "mobile runs", "docs/weights.md"):
            assert word in warning
    # All there is to say is in the log of every task.
    assert len(infos(caplog, "weights")) == 2
    for info in infos(caplog, "weights"):
        for word in ("resnet34", "p3mnet_pretrained_on_p3m10k.pth", "P3M_WEIGHTS_DIR", "mobile"):
            assert word in info


def test_without_fallback_missing_weights_are_an_error(photo, caplog):
    wf, task = workflow_with(model_name="resnet34", input_size=256, allow_fallback=False)
    fails(wf, "p3mnet_pretrained_on_p3m10k.pth.*allow_fallback", array=photo)
    task.set_parameters({"allow_fallback": True})
    wf.run_on(array=photo)
    assert task.session.model_name == "mobile"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_missing_gpu_is_one_warning(photo, caplog):
    wf, task = workflow_with(cuda="True", input_size=256)
    for _ in range(3):
        wf.run_on(array=photo)
    (warning,) = warnings(caplog, "GPU")
    assert "CPU" in warning
    assert task.session.device.type == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_nobody_asked_for_is_missed_at_info_level(photo, caplog):
    caplog.set_level(logging.INFO)
    wf, task = workflow_with(cuda="auto", input_size=128)
    wf.run_on(array=photo)
    assert not warnings(caplog, "GPU")
    (info,) = infos(caplog, "GPU")
    assert "CPU" in info
    assert task.session.device.type == "cpu"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cache folder", "model_weight_file"])
def test_published_weights_are_used(photo, checkpoints, monkeypatch, tmp_path, caplog, how):
    parameters = {"model_name": "resnet34", "input_size": 128}
    if how == "cache folder":
        (tmp_path / "p3mnet_pretrained_on_p3m10k.pth").symlink_to(checkpoints["resnet34"])
        monkeypatch.setenv("P3M_WEIGHTS_DIR", str(tmp_path))
    else:
        parameters["model_weight_file"] = str(checkpoints["resnet34"])
    wf, task = workflow_with(**parameters)
    wf.run_on(array=photo)
    assert task.session.model_name == "resnet34"
    assert not warnings(caplog, "weights")
    alpha = PortraitMatting("resnet34", "cpu", weights=checkpoints["resnet34"]).matte(photo, "HYBRID", 128)
    np.testing.assert_array_equal(outputs(task)[1], to_uint8(alpha))


def test_the_model_is_loaded_once(photo):
    wf, task = workflow_with(input_size=256)
    wf.run_on(array=photo)
    session = task.session
    wf.run_on(array=photo)
    task.set_parameters({"method": "RESIZE", "background": "#000000"})
    wf.run_on(array=photo)
    other_wf, other = workflow_with(input_size=128)
    other_wf.run_on(array=photo)
    assert task.session is session
    assert other.session is session


def test_missing_and_wrong_weights_files_are_refused(tmp_path, photo, checkpoints):
    wf, task = workflow_with(model_weight_file=tmp_path / "none.pth")
    fails(wf, "none.pth does not exist", array=photo)
    task.set_parameters({"model_name": "vitae-s", "model_weight_file": checkpoints["resnet34"]})
    fails(wf, "does not fit this network", array=photo)
    task.set_parameters({"model_name": "mobile", "model_weight_file": ""})
    wf.run_on(array=photo)
    assert outputs(task)[1].shape == photo.shape[:2]


def test_a_published_file_put_in_place_later_is_taken(photo, checkpoints, monkeypatch, tmp_path):
    monkeypatch.setenv("P3M_WEIGHTS_DIR", str(tmp_path))
    wf, task = workflow_with(model_name="resnet34", input_size=64)
    wf.run_on(array=photo)
    assert task.session.model_name == "mobile"
    (tmp_path / "p3mnet_pretrained_on_p3m10k.pth").symlink_to(checkpoints["resnet34"])
    wf.run_on(array=photo)
    assert task.session.model_name == "resnet34"


def test_a_weights_file_that_was_replaced_is_loaded_anew_even_with_its_date(photo, tmp_path):
    model = create_model("mobile")
    path = tmp_path / "own.safetensors"
    save_weights(model, path)
    before = path.stat()
    wf, task = workflow_with(model_weight_file=path, input_size=64)
    wf.run_on(array=photo)
    first = task.session
    save_weights(model, path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    wf.run_on(array=photo)
    assert task.session is not first


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["~nobody-of-that-name", "/dev/null", "/proc", "a" * 300, "/dev/null/below"])
def test_a_cache_folder_that_cannot_be_used_ends_in_the_fallback(folder, photo, monkeypatch, caplog):
    monkeypatch.setenv("P3M_WEIGHTS_DIR", folder)
    wf, task = workflow_with(model_name="resnet34", input_size=64)
    wf.run_on(array=photo)
    assert task.session.model_name == "mobile"
    assert warnings(caplog, "weights")


def test_none_is_no_file_of_that_name(photo):
    wf, task = workflow_with(input_size=64, model_weight_file=None, background_file=None)
    wf.run_on(array=photo)
    assert task.session.model_name == "mobile"


@pytest.mark.parametrize("cuda", ["auto", "True"])
def test_a_gpu_on_which_pytorch_cannot_compute_is_replaced_by_the_cpu(cuda, photo, caplog, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    reason = "no kernel image is available for execution on the device"
    monkeypatch.setattr("infer_p3m_portrait_matting.p3m.inference.precision.trouble_with_gpu", lambda device: reason)
    caplog.set_level(logging.INFO)
    wf, task = workflow_with(cuda=cuda, input_size=128)
    wf.run_on(array=photo)
    assert task.session.device.type == "cpu"
    said = warnings(caplog, reason) if cuda == "True" else infos(caplog, reason)
    assert len(said) == 1
    assert "running on the CPU" in said[0]
