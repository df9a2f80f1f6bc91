"""The test that the HUB runs on the plugin."""

import cv2
from ikomia_plugin import NAME, ik_registry, outputs

from infer_p3m_portrait_matting.infer_p3m_portrait_matting_test import test as hub_test


def samples(path) -> dict:
    return {"images": {"detection": {"coco": str(path)}}}


def test_the_hub_s_test_passes_with_default_parameters(astronaut, tmp_path):
    cv2.imwrite(str(tmp_path / "sample.jpg"), astronaut[:320, 64:352, ::-1])
    task = ik_registry.create_instance(NAME)
    parameters, status = hub_test(task, samples(tmp_path / "sample.jpg"))
    assert status == "OK"
    assert parameters["model_name"] == "resnet34"
    assert [image.shape for image in outputs(task)] == [(320, 288, 3), (320, 288), (320, 288, 4)]
    assert outputs(task)[1].max() == 255


def test_the_hub_s_test_says_what_failed(astronaut, tmp_path):
    cv2.imwrite(str(tmp_path / "sample.jpg"), astronaut[:64, :64])
    task = ik_registry.create_instance(NAME)
    task.set_parameters({"model_weight_file": tmp_path / "none.pth"})
    _, status = hub_test(task, samples(tmp_path / "sample.jpg"))
    assert "none.pth does not exist" in status
