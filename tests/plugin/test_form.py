"""The form by itself: what it shows, gives back and says."""

import pytest
import torch
from ikomia_plugin import QtWidgets

from infer_p3m_portrait_matting.pipeline.settings import Settings
from infer_p3m_portrait_matting.plugin.form import ParameterForm
from infer_p3m_portrait_matting.plugin.form_notes import ADVANCED, MATTE

QT = pytest.importorskip("PyQt6.QtCore")


@pytest.fixture(scope="module")
def application():
    return QtWidgets.QApplication.instance() or QtWidgets.QApplication([])


def said(form: ParameterForm, field: str) -> str:
    """What stands below a parameter's controls."""
    return form.lines[field].message.text().replace("\u200b", "")


def everything_said(form: ParameterForm) -> str:
    return " ".join(said(form, field) for field in form.lines)


def is_shown(form: ParameterForm, field: str) -> bool:
    return form.lines[field].isVisibleTo(form.lines[field].parentWidget())


def choose(combo, value: str) -> None:
    combo.setCurrentIndex(combo.findData(value))


@pytest.mark.parametrize(
    "background", ["transparent", "blur", "image", "#123456", "steelblue", "rgb(1, 2, 3)", "#1234"]
)
def test_every_background_is_shown_and_given_back(application, background):
    form = ParameterForm(Settings(background=background))
    assert form.settings().background == background
    assert form.color.isVisibleTo(form) == (background not in {"transparent", "blur", "image"})
    assert is_shown(form, "background_file") == (background == "image")


def test_the_background_picture_is_applied_and_checked_only_when_it_is_used(application, tmp_path):
    form = ParameterForm(Settings(model_name="mobile"))
    form.background_file.setText(str(tmp_path / "none.jpg"))
    assert everything_said(form).strip() == ""
    choose(form.background, "image")
    assert "none.jpg" in said(form, "background_file")
    (tmp_path / "some.jpg").write_bytes(b"x")
    form.background_file.setText(str(tmp_path / "some.jpg"))
    assert everything_said(form).strip() == ""
    assert form.settings().background_file == str(tmp_path / "some.jpg")
    assert form.settings().background == "image"


@pytest.mark.parametrize(("field", "value"), [("anonymize", "pixelate"), ("subject", "largest")])
def test_a_missing_face_detector_is_said_only_when_faces_are_looked_for(application, monkeypatch, field, value):
    monkeypatch.setattr("infer_p3m_portrait_matting.plugin.form.find_spec", lambda name: None)
    form = ParameterForm(Settings(model_name="mobile"))
    assert everything_said(form).strip() == ""
    choose(getattr(form, field), value)
    assert "pip install" in said(form, field)


def test_lines_that_would_do_nothing_are_not_shown(application):
    form = ParameterForm(Settings())
    assert not is_shown(form, "box")
    choose(form.subject, "box")
    assert is_shown(form, "box")
    assert not is_shown(form, "anonymize_strict")
    choose(form.anonymize, "blur")
    assert is_shown(form, "anonymize_strict")


def test_a_box_that_cannot_be_read_stops_nothing_while_it_has_no_effect(application):
    form = ParameterForm(Settings(subject="box"))
    form.box.setText("abc")
    choose(form.subject, "all")
    assert not is_shown(form, "box")
    assert form.problems() == {}
    assert form.settings() == Settings()
    choose(form.subject, "box")
    assert form.box.text() == "abc"
    assert "box must be" in said(form, "box")
    form.box.setText("10,20,30,40")
    choose(form.subject, "largest")
    assert form.settings().box == "10,20,30,40"


def test_resize_with_a_model_of_few_pixels_says_how_many(application):
    form = ParameterForm(Settings(model_name="mobile"))
    assert said(form, "method") == ""
    choose(form.method, "RESIZE")
    assert "384 px at most" in said(form, "method")
    form.input_size.setValue(768)
    assert said(form, "method") == ""
    form.input_size.setValue(1024)
    choose(form.model, "resnet34")
    assert said(form, "method") == ""


def test_the_arrows_of_crop_go_through_none_and_0(application):
    form = ParameterForm(Settings())
    seen = []
    for steps in (1, 1, 1, -1, -1, -1, -1):
        form.crop.stepBy(steps)
        seen.append(form.settings().crop)
    assert seen == ["0", "5", "10", "5", "0", "none", "none"]
    form.crop.setValue(3)
    form.crop.stepBy(-1)
    assert form.settings().crop == "0"
    form.crop.stepBy(10)
    assert form.settings().crop == "50"
    form.crop.lineEdit().setText("-0.5")
    form.crop.interpretText()
    assert form.crop.text() == "none"


def test_a_box_that_cannot_be_read_is_said_and_not_given_out(application):
    form = ParameterForm(Settings(subject="box"))
    assert said(form, "box") == ""
    form.box.setText("10,20,abc")
    assert "box must be 'x,y,w,h' in pixels" in said(form, "box")
    with pytest.raises(ValueError, match="box must be"):
        form.settings()
    form.box.setText("10,20,30,40")
    assert said(form, "box") == ""
    assert form.settings().box == "10,20,30,40"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_missing_gpu_is_said_when_one_is_asked_for(application):
    form = ParameterForm(Settings())
    assert said(form, "cuda") == ""
    choose(form.cuda, "True")
    assert "no NVIDIA GPU" in said(form, "cuda")
    assert form.settings().cuda == "True"


def test_a_missing_weights_file_is_said_at_once(application, tmp_path):
    form = ParameterForm(Settings())
    changes = []
    form.changed.connect(lambda: changes.append(form.problems()))
    form.weights.setText(str(tmp_path / "none.pth"))
    assert "none.pth" in said(form, "model_weight_file")
    (tmp_path / "some.pth").write_bytes(b"x")
    form.weights.setText(str(tmp_path / "some.pth"))
    assert said(form, "model_weight_file") == ""
    assert [list(problems) for problems in changes] == [["model_weight_file"], []]


def test_the_form_says_what_a_run_will_do(application, checkpoints, tmp_path, monkeypatch):
    monkeypatch.setenv("P3M_WEIGHTS_DIR", str(tmp_path))
    form = ParameterForm(Settings())
    assert "published weights of resnet34 are not on this computer" in said(form, "model_name")
    assert "the bundled model runs" in said(form, "model_name")
    form.fallback.setChecked(False)
    assert "it ends in an error" in said(form, "model_name")
    form.input_size.setValue(1000)
    assert "rounded down to 992 px" in said(form, "input_size")
    form.input_size.setValue(992)
    form.weights.setText(str(checkpoints["resnet34"]))
    assert everything_said(form).strip() == ""
    form.weights.clear()
    assert said(form, "model_name") != ""
    choose(form.model, "mobile")
    assert everything_said(form).strip() == ""


def test_a_folder_is_no_weights_file(application, tmp_path):
    form = ParameterForm(Settings(model_weight_file=str(tmp_path)))
    assert said(form, "model_weight_file") == f"{tmp_path} is a folder, not a file."


OTHER = Settings(
    model_name="mobile",
    input_size=640,
    method="RESIZE",
    cuda="False",
    precision="float32",
    model_weight_file="/a.pth",
    subject="box",
    box="1,2,3,4",
    invert=True,
    feather=2.5,
    shift=-3,
    despeckle=0.0125,
    crop="12.5",
    background="blur",
    background_file="/b.jpg",
    foreground="original",
    anonymize="blur",
    anonymize_strict=True,
    temporal=True,
    allow_fallback=False,
)


def test_every_parameter_has_its_row(application):
    form = ParameterForm(Settings())
    assert sorted(row.field for row in form.rows) == sorted(Settings.names())
    changes = []
    form.changed.connect(lambda: changes.append(form.settings()))
    for count, row in enumerate(form.rows, 1):
        row.write(getattr(OTHER, row.field))
        assert len(changes) == count, row.field
    assert changes[-1] == form.settings() == OTHER
    assert ParameterForm(OTHER).settings() == OTHER


def test_headings_count_what_is_not_at_its_default(application):
    form = ParameterForm(Settings())
    assert [section.button.text() for section in form.sections.values()] == [MATTE, ADVANCED]
    form.feather.setValue(2)
    form.shift.setValue(1)
    choose(form.method, "RESIZE")
    assert form.sections[MATTE].button.text() == f"{MATTE} (2 changed)"
    assert form.sections[ADVANCED].button.text() == f"{ADVANCED} (1 changed)"


def test_a_problem_unfolds_its_section(application, tmp_path):
    form = ParameterForm(Settings())
    assert not form.sections[ADVANCED].button.isChecked()
    form.weights.setText(str(tmp_path / "none.pth"))
    assert form.sections[ADVANCED].button.isChecked()
    assert not form.sections[MATTE].button.isChecked()


def test_every_control_has_a_tooltip_and_a_name_and_every_label_a_buddy_and_a_shortcut(application):
    form = ParameterForm(Settings())
    labels = [line.label for line in form.lines.values()]
    controls = [control for row in form.rows for control in row.controls]
    assert {label.buddy() for label in labels} == {row.controls[0] for row in form.rows}
    for control in controls:
        assert control.toolTip(), control.accessibleName()
        assert control.accessibleName()
    # What is no label's buddy says itself what it is.
    rest = [control for control in controls if control not in [label.buddy() for label in labels]]
    assert all(isinstance(control, QtWidgets.QPushButton) and control.text() for control in rest)
    shortcuts = [label.text()[label.text().index("&") + 1].lower() for label in labels]
    assert len(set(shortcuts)) == len(shortcuts)
    for section in form.sections.values():
        assert section.button.toolTip()
        assert section.button.text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("~nobody-of-that-name/w.pth", "no such user"),
        ("a" * 300 + ".pth", "no possible path"),
        ("a/" * 3000, "no possible path"),
        ("a\0b", "zero byte"),
        ("file://elsewhere/w.pth", "another computer"),
        ("/dev/null", "a device"),
    ],
)
def test_an_odd_path_is_a_message(application, text, words):
    form = ParameterForm(Settings(model_name="mobile"))
    form.weights.setText(text)
    assert words in said(form, "model_weight_file")
    assert len(said(form, "model_weight_file")) < 500


@pytest.mark.parametrize("write", ["{}", '"{}"', "'{}'", " {} ", "file://{}"])
def test_a_path_is_understood_as_it_is_pasted(application, write, tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(b"x")
    form = ParameterForm(Settings(model_name="mobile"))
    form.weights.setText(write.format(path))
    assert said(form, "model_weight_file") == ""
    assert form.settings().weights_path() == path


def test_a_cache_folder_that_cannot_be_is_a_message(application, monkeypatch):
    monkeypatch.setenv("P3M_WEIGHTS_DIR", "~nobody-of-that-name")
    form = ParameterForm(Settings(model_name="resnet34"))
    assert "no such user" in said(form, "model_weight_file")


def test_a_folder_without_permission_is_a_message(application, monkeypatch):
    def stat(self, **_):
        raise PermissionError(13, "Permission denied")

    form = ParameterForm(Settings())
    monkeypatch.setattr("pathlib.Path.stat", stat)
    form.weights.setText("/secret/w.pth")
    assert "may not look into" in said(form, "model_weight_file")
