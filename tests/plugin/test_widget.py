"""The real widget in Ikomia's real window, offscreen."""

import gc

import pytest
from ikomia_plugin import QtTest, QtWidgets

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


def test_applied_changes_arrive_as_parameters(widget):
    form = widget.form
    form.model.setCurrentText("vitae-s")
    form.method.setCurrentText("RESIZE")
    form.input_size.setValue(1600)
    form.precision.setCurrentText("bfloat16")
    form.weights.setText("/tmp/weights.pth")
    form.subject.setCurrentIndex(form.subject.findData("largest"))
    form.invert.setChecked(True)
    form.feather.setValue(1.5)
    form.shift.setValue(-2)
    form.despeckle.setValue(2)
    form.crop.setValue(10)
    form.set_color("#336699")
    form.foreground.setCurrentText("original")
    form.anonymize.setCurrentText("blur")
    form.strict.setChecked(True)
    form.temporal.setChecked(True)
    form.fallback.setChecked(False)
    assert apply(widget) == [
        {
            "model_name": "vitae-s",
            "input_size": "1600",
            "method": "RESIZE",
            "cuda": "auto",
            "precision": "bfloat16",
            "model_weight_file": "/tmp/weights.pth",
            "subject": "largest",
            "box": "",
            "invert": "True",
            "feather": "1.5",
            "shift": "-2",
            "despeckle": "0.02",
            "crop": "10",
            "background": "#336699",
            "background_file": "",
            "foreground": "original",
            "anonymize": "blur",
            "anonymize_strict": "True",
            "temporal": "True",
            "allow_fallback": "False",
        }
    ]


def test_an_entry_that_cannot_be_read_is_shown_and_not_applied(widget):
    before = widget.parameters.get_values()
    widget.form.subject.setCurrentIndex(widget.form.subject.findData("box"))
    widget.form.box.setText("left")
    assert apply(widget) == []
    assert widget.parameters.get_values() == before
    widget.form.box.setText("1,2,3,4")
    assert [values["box"] for values in apply(widget)] == ["1,2,3,4"]


def test_keys_and_arrows_change_the_input_size_by_32(widget):
    spin = widget.form.input_size
    QtTest.QTest.keyClick(spin, QT.Qt.Key.Key_Up)
    assert spin.value() == 1056
    assert (spin.minimum(), spin.maximum()) == (64, 8192)


def test_nothing_changes_before_apply(application):
    param = InferP3mPortraitMattingParam()
    widget = InferP3mPortraitMattingWidgetFactory().create(param)
    widget.form.method.setCurrentText("RESIZE")
    assert param.get_values()["method"] == "HYBRID"
    del widget
    gc.collect()
