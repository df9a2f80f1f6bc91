"""The real widget in Ikomia's real window, offscreen."""

import pytest
import torch
from ikomia_plugin import QtWidgets

from infer_p3m_portrait_matting.plugin.form import ParameterForm
from infer_p3m_portrait_matting.plugin.settings import Settings

QT = pytest.importorskip("PyQt6.QtCore")


@pytest.fixture(scope="module")
def application():
    return QtWidgets.QApplication.instance() or QtWidgets.QApplication([])


@pytest.mark.parametrize("background", ["transparent", "blur", "image", "#123456", "steelblue"])
def test_every_background_is_shown_and_given_back(application, background):
    form = ParameterForm(Settings(background=background))
    assert form.settings().background == background
    assert form.color.isEnabled() == (background in {"#123456", "steelblue"})
    assert form.background_file.isEnabled() == form.browse_background.isEnabled() == (background == "image")


def test_the_background_picture_is_applied_and_checked_only_when_it_is_used(application, tmp_path):
    form = ParameterForm(Settings())
    form.background_file.setText(str(tmp_path / "none.jpg"))
    assert form.message.text() == ""
    form.background.setCurrentText("image")
    assert "none.jpg" in form.message.text()
    (tmp_path / "some.jpg").write_bytes(b"x")
    form.background_file.setText(str(tmp_path / "some.jpg"))
    assert form.message.text() == ""
    assert form.settings().background_file == str(tmp_path / "some.jpg")
    assert form.settings().background == "image"


def test_a_missing_face_detector_is_said_only_when_faces_are_to_be_hidden(application, monkeypatch):
    monkeypatch.setattr("infer_p3m_portrait_matting.plugin.form.find_spec", lambda name: None)
    form = ParameterForm(Settings())
    assert form.message.text() == ""
    assert not form.strict.isEnabled()
    form.anonymize.setCurrentText("pixelate")
    assert "pip install" in form.message.text()
    assert form.strict.isEnabled()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_cuda_is_greyed_without_a_gpu_and_keeps_its_value(application):
    form = ParameterForm(Settings(cuda=True))
    assert not form.cuda.isEnabled()
    assert "none found" in form.cuda.text()
    assert form.settings().cuda is True


def test_a_missing_weights_file_is_said_at_once(application, tmp_path):
    form = ParameterForm(Settings())
    changes = []
    form.changed.connect(lambda: changes.append(form.problem()))
    form.weights.setText(str(tmp_path / "none.pth"))
    assert "none.pth" in form.message.text()
    (tmp_path / "some.pth").write_bytes(b"x")
    form.weights.setText(str(tmp_path / "some.pth"))
    assert form.message.text() == ""
    assert len(changes) == 2


def test_the_form_says_what_a_run_will_do(application, checkpoints, tmp_path, monkeypatch):
    monkeypatch.setenv("P3M_WEIGHTS_DIR", str(tmp_path))
    form = ParameterForm(Settings())
    assert "published weights of resnet34 are not on this computer" in form.note.text()
    assert "the bundled model runs" in form.note.text()
    form.fallback.setChecked(False)
    assert "it ends in an error" in form.note.text()
    form.input_size.setValue(1000)
    assert "rounded down to 992 px" in form.note.text()
    form.input_size.setValue(992)
    form.weights.setText(str(checkpoints["resnet34"]))
    assert form.note.text() == ""
    form.weights.clear()
    assert form.note.text() != ""
    form.model.setCurrentText("mobile")
    assert form.note.text() == form.message.text() == ""


def test_a_folder_is_no_weights_file(application, tmp_path):
    form = ParameterForm(Settings(model_weight_file=str(tmp_path)))
    assert form.message.text() == f"{tmp_path} is not a file."


def test_every_parameter_has_its_row(application):
    form = ParameterForm(Settings())
    assert sorted(row.field for row in form.rows) == sorted(Settings.names())
    changes = []
    form.changed.connect(lambda: changes.append(form.settings()))
    other = Settings(
        "mobile", 640, "RESIZE", False, "float32", "/a.pth", "blur", "/b.jpg", "original", "blur", True, True, False
    )
    for count, row in enumerate(form.rows, 1):
        row.write(getattr(other, row.field))
        assert len(changes) == count, row.field
    assert changes[-1] == form.settings() == other
