"""The form by itself: what it shows, gives back and says."""

import pytest
import torch
from ikomia_plugin import QtTest, QtWidgets, enter

from infer_p3m_portrait_matting.pipeline.settings import ADVANCED, MATTE, PARAMETERS, SECTIONS, Settings
from infer_p3m_portrait_matting.plugin.form import ParameterForm

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


@pytest.mark.parametrize(
    "background", ["transparent", "blur", "image", "#123456", "steelblue", "rgb(1, 2, 3)", "#1234"]
)
def test_every_background_is_shown_and_given_back(application, background):
    form = ParameterForm(Settings(background=background))
    assert form.settings().background == background
    assert form.controls["background"].widgets[1].isVisibleTo(form) == (
        background not in {"transparent", "blur", "image"}
    )
    assert is_shown(form, "background_file") == (background == "image")


def test_the_background_picture_is_applied_and_checked_only_when_it_is_used(application, tmp_path):
    form = ParameterForm(Settings(model_name="mobile"))
    enter(form, "background_file", str(tmp_path / "none.jpg"))
    assert everything_said(form).strip() == ""
    enter(form, "background", "image")
    assert "none.jpg" in said(form, "background_file")
    (tmp_path / "some.jpg").write_bytes(b"x")
    enter(form, "background_file", str(tmp_path / "some.jpg"))
    assert everything_said(form).strip() == ""
    assert form.settings().background_file == str(tmp_path / "some.jpg")
    assert form.settings().background == "image"


@pytest.mark.parametrize(("field", "value"), [("anonymize", "pixelate"), ("subject", "largest")])
def test_a_missing_face_detector_is_said_only_when_faces_are_looked_for(application, monkeypatch, field, value):
    monkeypatch.setattr("infer_p3m_portrait_matting.plugin.form_messages.find_spec", lambda name: None)
    form = ParameterForm(Settings(model_name="mobile"))
    assert everything_said(form).strip() == ""
    enter(form, field, value)
    assert "pip install" in said(form, field)


def test_lines_that_would_do_nothing_are_not_shown(application):
    form = ParameterForm(Settings())
    assert not is_shown(form, "box")
    enter(form, "subject", "box")
    assert is_shown(form, "box")
    assert not is_shown(form, "anonymize_strict")
    enter(form, "anonymize", "blur")
    assert is_shown(form, "anonymize_strict")


def test_a_box_that_cannot_be_read_stops_nothing_while_it_has_no_effect(application):
    form = ParameterForm(Settings(subject="box"))
    enter(form, "box", "abc")
    enter(form, "subject", "all")
    assert not is_shown(form, "box")
    assert form.problems() == {}
    assert form.settings() == Settings()
    enter(form, "subject", "box")
    assert form.controls["box"].read() == "abc"
    assert "box must be" in said(form, "box")
    enter(form, "box", "10,20,30,40")
    enter(form, "subject", "largest")
    assert form.settings().box == "10,20,30,40"


def test_resize_with_a_model_of_few_pixels_says_how_many(application):
    form = ParameterForm(Settings(model_name="mobile"))
    assert said(form, "method") == ""
    enter(form, "method", "RESIZE")
    assert "480 px at most" in said(form, "method")
    enter(form, "input_size", "768")
    assert said(form, "method") == ""
    enter(form, "input_size", "1024")
    enter(form, "model_name", "resnet34")
    assert said(form, "method") == ""


def test_the_arrows_of_crop_go_through_none_and_0(application):
    form = ParameterForm(Settings())
    crop = form.controls["crop"].widgets[0]
    seen = []
    for steps in (1, 1, 1, -1, -1, -1, -1):
        crop.stepBy(steps)
        seen.append(form.settings().crop)
    assert seen == ["0", "5", "10", "5", "0", "none", "none"]
    enter(form, "crop", "3")
    crop.stepBy(-1)
    assert form.settings().crop == "0"
    crop.stepBy(10)
    assert form.settings().crop == "50"
    enter(form, "crop", "-0.5")
    assert "crop must be none, or a margin" in said(form, "crop")


def test_a_box_that_cannot_be_read_is_said_and_not_given_out(application):
    form = ParameterForm(Settings(subject="box"))
    assert said(form, "box") == ""
    enter(form, "box", "10,20,abc")
    assert "box must be 'x,y,w,h' in pixels" in said(form, "box")
    with pytest.raises(ValueError, match="box must be"):
        form.settings()
    enter(form, "box", "10,20,30,40")
    assert said(form, "box") == ""
    assert form.settings().box == "10,20,30,40"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_missing_gpu_is_said_when_one_is_asked_for(application):
    form = ParameterForm(Settings())
    assert said(form, "cuda") == ""
    enter(form, "cuda", "True")
    assert "no NVIDIA GPU" in said(form, "cuda")
    assert form.settings().cuda == "True"


def test_a_missing_weights_file_is_said_at_once(application, tmp_path):
    form = ParameterForm(Settings())
    changes = []
    form.changed.connect(lambda: changes.append(form.problems()))
    enter(form, "model_weight_file", str(tmp_path / "none.pth"))
    assert "none.pth" in said(form, "model_weight_file")
    (tmp_path / "some.pth").write_bytes(b"x")
    enter(form, "model_weight_file", str(tmp_path / "some.pth"))
    assert said(form, "model_weight_file") == ""
    assert [list(problems) for problems in changes] == [["model_weight_file"], []]


def test_the_form_says_what_a_run_will_do(application, checkpoints, tmp_path, monkeypatch):
    monkeypatch.setenv("P3M_WEIGHTS_DIR", str(tmp_path))
    form = ParameterForm(Settings())
    assert said(form, "model_name") == "Weights missing: a run downloads them, or uses mobile."
    enter(form, "allow_fallback", "False")
    assert said(form, "model_name") == "Weights missing: a run downloads them, or fails."
    enter(form, "input_size", "1000")
    assert "rounded down to 992 px" in said(form, "input_size")
    enter(form, "input_size", "992")
    enter(form, "model_weight_file", str(checkpoints["resnet34"]))
    assert everything_said(form).strip() == ""
    enter(form, "model_weight_file", "")
    assert said(form, "model_name") != ""
    enter(form, "model_name", "mobile")
    assert everything_said(form).strip() == ""


def test_a_folder_is_no_weights_file(application, tmp_path):
    form = ParameterForm(Settings(model_weight_file=str(tmp_path)))
    assert said(form, "model_weight_file") == f"{tmp_path} is a folder, not a file."


def test_every_parameter_has_its_line_and_is_given_back(application, samples):
    form = ParameterForm(Settings())
    assert list(form.lines) == list(form.controls) == Settings.names()
    changes = []
    form.changed.connect(lambda: changes.append(form.settings()))
    for count, (name, text) in enumerate(samples[0].to_strings().items(), 1):
        form.controls[name].write(text)
        assert len(changes) == count, name
    assert changes[-1] == form.settings() == samples[0]
    for sample in samples:
        assert ParameterForm(sample).settings() == sample


NUMBERS = {"input_size": "9000", "feather": "9000", "shift": "-1000", "despeckle": "200", "crop": "9000"}


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("language", ["C", "de_DE"])
def test_a_number_is_taken_as_typed_and_said_to_be_wrong(application, field, language):
    QT.QLocale.setDefault(QT.QLocale(language))
    try:
        form = ParameterForm(Settings(model_name="mobile"))
        control = form.controls[field].widgets[0]
        for text in (NUMBERS[field], "2..5", ""):
            control.lineEdit().clear()
            QtTest.QTest.keyClicks(control, text)
            QtTest.QTest.keyClick(control, QT.Qt.Key.Key_Return)
            assert control.text() == text
            assert f"{field} must" in said(form, field)
            assert list(form.problems()) == [field]
            with pytest.raises(ValueError, match=f"{field} must"):
                form.settings()
    finally:
        QT.QLocale.setDefault(QT.QLocale("C"))


def test_a_number_keeps_its_digits(application):
    for value in (0.1, 12.345678, 1 / 3):
        assert ParameterForm(Settings(feather=value)).settings().feather == pytest.approx(value, rel=1e-9)
        assert ParameterForm(Settings(despeckle=value / 13)).settings().despeckle == pytest.approx(value / 13, abs=1e-8)


def test_the_tab_key_goes_from_line_to_line(application):
    form = ParameterForm(Settings())
    controls = {control.widgets[0]: name for name, control in form.controls.items()}
    order, widget = [], form.nextInFocusChain()
    while widget is not form:
        if widget in controls:
            order.append(controls[widget])
        widget = widget.nextInFocusChain()
    assert order == sorted(Settings.names(), key=lambda name: ["", *SECTIONS].index(PARAMETERS[name].section))


@pytest.mark.parametrize("text", ["2,5", "2.5"])
@pytest.mark.parametrize("language", ["C", "de_DE"])
def test_both_decimal_signs_are_read_in_any_language(application, text, language):
    QT.QLocale.setDefault(QT.QLocale(language))
    try:
        form = ParameterForm(Settings(model_name="mobile"))
        for field, value in {"feather": 2.5, "despeckle": 0.025, "crop": "2.5"}.items():
            control = form.controls[field].widgets[0]
            control.lineEdit().clear()
            QtTest.QTest.keyClicks(control, text)
            assert getattr(form.settings(), field) == value
            assert control.text() == text
        assert everything_said(form).strip() == ""
    finally:
        QT.QLocale.setDefault(QT.QLocale("C"))


def test_arrows_leave_text_that_is_no_number_and_stop_at_the_ends(application):
    form = ParameterForm(Settings())
    control = form.controls["feather"].widgets[0]
    control.lineEdit().setText("soft")
    control.stepBy(1)
    assert control.text() == "soft"
    control.lineEdit().setText("2,5")
    control.stepBy(1)
    assert control.text() == "3.5"
    control.stepBy(-10)
    assert control.text() == "0"
    control.stepBy(1000)
    assert control.text() == "500"


def test_headings_count_what_is_not_at_its_default(application):
    form = ParameterForm(Settings())
    assert [section.button.text() for section in form.sections.values()] == [MATTE, ADVANCED]
    enter(form, "feather", "2")
    enter(form, "shift", "1")
    enter(form, "method", "RESIZE")
    assert form.sections[MATTE].button.text() == f"{MATTE} (2 changed)"
    assert form.sections[ADVANCED].button.text() == f"{ADVANCED} (1 changed)"


def test_a_problem_unfolds_its_section(application, tmp_path):
    form = ParameterForm(Settings())
    assert not form.sections[ADVANCED].button.isChecked()
    enter(form, "model_weight_file", str(tmp_path / "none.pth"))
    assert form.sections[ADVANCED].button.isChecked()
    assert not form.sections[MATTE].button.isChecked()


def test_every_control_has_a_tooltip_and_a_name_and_every_line_a_shortcut(application):
    form = ParameterForm(Settings())
    shortcuts = []
    for name, control in form.controls.items():
        first, *others = control.widgets
        label = form.lines[name].label
        assert label.buddy() is first
        for widget in control.widgets:
            assert widget.toolTip(), name
            assert widget.accessibleName(), name
        # A switch carries its own words; what is no label's buddy says itself what it is.
        words = first.text() if isinstance(first, QtWidgets.QCheckBox) else label.text()
        shortcuts.append(words[words.index("&") + 1].lower())
        assert all(isinstance(widget, QtWidgets.QPushButton) and widget.text() for widget in others)
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
    enter(form, "model_weight_file", text)
    assert words in said(form, "model_weight_file")
    assert len(said(form, "model_weight_file")) < 500


@pytest.mark.parametrize("write", ["{}", '"{}"', "'{}'", " {} ", "file://{}"])
def test_a_path_is_understood_as_it_is_pasted(application, write, tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(b"x")
    form = ParameterForm(Settings(model_name="mobile"))
    enter(form, "model_weight_file", write.format(path))
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
    enter(form, "model_weight_file", "/secret/w.pth")
    assert "may not look into" in said(form, "model_weight_file")
