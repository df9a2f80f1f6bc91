"""Which model runs, and that it is loaded once."""

import numpy as np
import pytest
import torch
from ikomia_plugin import fails, outputs, warnings, workflow_with

from infer_p3m_portrait_matting.p3m import PortraitMatting, to_uint8


@pytest.fixture
def photo(astronaut):
    return astronaut[:320, 64:352].copy()


def test_missing_published_weights_fall_back_with_one_warning(photo, caplog):
    wf, task = workflow_with(model_name="resnet34", input_size=256)
    for background in ("white", "black", "blur"):
        task.set_parameters({"background": background})
        wf.run_on(array=photo)
    (warning,) = warnings(caplog, "weights")
    for word in ("resnet34", "p3mnet_pretrained_on_p3m10k.pth", "P3M_WEIGHTS_DIR", "mobile"):
        assert word in warning
    assert task.session.model_name == "mobile"


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
    alpha = PortraitMatting("resnet34", weights=checkpoints["resnet34"]).matte(photo, "HYBRID", 128)
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
