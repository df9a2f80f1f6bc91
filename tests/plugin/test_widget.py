"""The real widget in Ikomia's real window, offscreen."""

import gc
from dataclasses import replace

import pytest
from ikomia_plugin import QtTest, QtWidgets, enter

from infer_p3m_portrait_matting.infer_p3m_portrait_matting_process import InferP3mPortraitMattingParam
from infer_p3m_portrait_matting.infer_p3m_portrait_matting_widget import InferP3mPortraitMattingWidgetFactory
from infer_p3m_portrait_matting.pipeline.settings import Settings

QT = pytest.importorskip("PyQt6.QtCore")


@pytest.fixture(scope="module")
def application():
    return QtWidgets.QApplication.instance() or QtWidgets.QApplication([])


@pytest.fixture
def widget(application):
    made = InferP3mPortraitMattingWidgetFactory().create(InferP3mPortraitMattingParam())
    window = made.form.window()
    window.show()
    yield made
    window.close()
    del made, window
    gc.collect()


def apply(widget) -> list[dict[str, str]]:
    """Click Ikomia's own Apply button; what reaches Ikomia."""
    got = []
    widget.emit_apply = lambda param: got.append(param.get_values())
    (button,) = [b for b in widget.form.window().findChildren(QtWidgets.QPushButton) if b.text() == "Apply"]
    QtTest.QTest.mouseClick(button, QT.Qt.MouseButton.LeftButton)
    return got


def test_the_form_shows_every_parameter_and_its_default(widget):
    assert widget.form.isVisible()
    assert widget.form.settings() == Settings()


def test_applied_changes_arrive_as_parameters(widget, samples, tmp_path):
    weights, beach = tmp_path / "weights.pth", tmp_path / "beach.jpg"
    weights.touch()
    beach.touch()
    for sample in (replace(samples[0], model_weight_file=str(weights), background_file=str(beach)), *samples[1:]):
        for name, text in sample.to_strings().items():
            widget.form.controls[name].write(text)
        assert apply(widget) == [sample.to_strings()]


def test_an_entry_that_cannot_be_read_is_shown_and_not_applied(widget):
    before = widget.parameters.get_values()
    enter(widget.form, "subject", "box")
    enter(widget.form, "box", "left")
    assert apply(widget) == []
    assert widget.parameters.get_values() == before
    enter(widget.form, "box", "1,2,3,4")
    assert [values["box"] for values in apply(widget)] == ["1,2,3,4"]


@pytest.mark.parametrize(
    ("name", "wrong", "right"), [("model_weight_file", "/none.pth", ""), ("feather", "9000", "9"), ("shift", "a", "-1")]
)
def test_a_field_that_is_marked_red_is_not_applied(widget, name, wrong, right):
    enter(widget.form, "temporal", "True")
    enter(widget.form, name, wrong)
    assert widget.form.lines[name].message.text()
    assert apply(widget) == []
    assert not widget.parameters.settings.temporal
    enter(widget.form, name, right)
    assert [values["temporal"] for values in apply(widget)] == ["True"]


def test_a_file_that_vanishes_before_apply_is_said(widget, tmp_path):
    weights = tmp_path / "weights.pth"
    weights.touch()
    enter(widget.form, "model_weight_file", str(weights))
    assert not widget.form.lines["model_weight_file"].message.text()
    weights.unlink()
    assert apply(widget) == []
    assert "There is no file" in widget.form.lines["model_weight_file"].message.text()


def test_keys_and_arrows_change_the_input_size_by_32(widget):
    number = widget.form.controls["input_size"].widgets[0]
    QtTest.QTest.keyClick(number, QT.Qt.Key.Key_Up)
    assert widget.form.settings().input_size == 1056
    for steps, end in ((1000, 8192), (-1000, 64)):
        number.stepBy(steps)
        assert widget.form.settings().input_size == end


def test_nothing_changes_before_apply(application):
    param = InferP3mPortraitMattingParam()
    widget = InferP3mPortraitMattingWidgetFactory().create(param)
    enter(widget.form, "method", "RESIZE")
    assert param.get_values()["method"] == "HYBRID"
    del widget
    gc.collect()
