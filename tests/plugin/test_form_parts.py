"""The form in Ikomia's own window at its own size: what fits, what can be read, what the wheel does."""

import gc

import numpy as np
import pytest
from ikomia_plugin import QtTest, QtWidgets, enter
from picture_widget import HEIGHT, WIDTH, dark_palette

from infer_p3m_portrait_matting.infer_p3m_portrait_matting_process import InferP3mPortraitMattingParam
from infer_p3m_portrait_matting.infer_p3m_portrait_matting_widget import InferP3mPortraitMattingWidgetFactory
from infer_p3m_portrait_matting.pipeline.settings import ADVANCED

QtCore = pytest.importorskip("PyQt6.QtCore")
QtGui = pytest.importorskip("PyQt6.QtGui")


@pytest.fixture(scope="module")
def application():
    made = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    made.setStyle("Fusion")
    return made


@pytest.fixture(params=["light", "dark"])
def theme(application, request):
    before = application.palette()
    if request.param == "dark":
        application.setPalette(dark_palette())
    yield request.param
    application.setPalette(before)


@pytest.fixture
def form(application, theme):
    """The form in Ikomia's window, of the size that Ikomia gives it."""
    widget = InferP3mPortraitMattingWidgetFactory().create(InferP3mPortraitMattingParam())
    window = widget.form.window()
    window.resize(WIDTH, HEIGHT)
    window.show()
    settle(application)
    yield widget.form
    window.close()
    del widget, window
    gc.collect()


def settle(application) -> None:
    for _ in range(5):
        application.processEvents()


def area_of(form) -> QtWidgets.QScrollArea:
    return next(area for area in form.window().findChildren(QtWidgets.QScrollArea) if area.isAncestorOf(form))


def is_in_view(widget, form) -> bool:
    viewport = area_of(form).viewport()
    place = QtCore.QRect(widget.mapTo(viewport, QtCore.QPoint(0, 0)), widget.size())
    return widget.isVisible() and viewport.rect().contains(place)


def unfold(application, form) -> None:
    for section in form.sections.values():
        section.unfold()
    settle(application)


def test_the_first_screen_needs_no_scrolling_at_all(application, form):
    area = area_of(form)
    assert not area.horizontalScrollBar().isVisible()
    assert not area.verticalScrollBar().isVisible()
    for field in ("model_name", "subject", "background", "anonymize"):
        assert is_in_view(form.lines[field], form)
    assert is_in_view(form.lines["model_name"].message, form)
    assert all(is_in_view(section.button, form) for section in form.sections.values())


def test_no_horizontal_scroll_bar_whatever_is_unfolded_and_said(application, form, tmp_path):
    unfold(application, form)
    enter(form, "subject", "box")
    enter(form, "box", "not a box, but a very long text that nobody would ever want to enter into a field like this")
    enter(form, "background", "image")
    enter(form, "model_weight_file", "/" + "a_long_folder_name_without_any_end/" * 12 + "none.pth")
    enter(form, "input_size", "1000")
    settle(application)
    assert not area_of(form).horizontalScrollBar().isVisible()
    for line in form.lines.values():
        if line.isVisible():
            assert line.mapTo(form, QtCore.QPoint(line.width(), 0)).x() <= area_of(form).viewport().width()


@pytest.mark.parametrize("field", ["box", "model_weight_file"])
def test_a_new_problem_comes_into_view_at_its_field(application, form, field):
    unfold(application, form)
    enter(form, "subject", "box")
    settle(application)
    bar = area_of(form).verticalScrollBar()
    # As far from the field as the form can be scrolled.
    bar.setValue(bar.maximum() if field == "box" else 0)
    settle(application)
    assert not is_in_view(form.lines[field], form)
    enter(form, field, "/none")
    settle(application)
    line = form.lines[field]
    assert is_in_view(line, form)
    assert is_in_view(line.message, form)
    below = line.message.mapTo(form, QtCore.QPoint(0, 0)).y()
    control = line.label.buddy()
    assert 0 <= below - control.mapTo(form, QtCore.QPoint(0, control.height())).y() < 8


def test_a_problem_in_a_folded_section_comes_into_view(application, form):
    enter(form, "model_weight_file", "/none.pth")
    settle(application)
    assert is_in_view(form.lines["model_weight_file"].message, form)


def test_unfolding_brings_the_lines_into_view(application, form):
    form.sections[ADVANCED].unfold()
    settle(application)
    assert is_in_view(form.lines["temporal"], form)


def wheel(widget, steps: int = -1) -> bool:
    """Turn the wheel over a widget; whether it took the event. What it leaves, Qt hands on to what is around it."""
    middle = QtCore.QPointF(widget.rect().center())
    event = QtGui.QWheelEvent(
        middle,
        QtCore.QPointF(widget.mapToGlobal(widget.rect().center())),
        QtCore.QPoint(0, 0),
        QtCore.QPoint(0, 120 * steps),
        QtCore.Qt.MouseButton.NoButton,
        QtCore.Qt.KeyboardModifier.NoModifier,
        QtCore.Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    event.setAccepted(True)
    QtWidgets.QApplication.sendEvent(widget, event)
    return event.isAccepted()


def test_the_wheel_changes_nothing_without_the_focus_and_is_left_to_the_form(application, form):
    unfold(application, form)
    before = form.settings()
    for name, made in form.controls.items():
        for control in made.widgets:
            control.clearFocus()
            assert not wheel(control), name
            # Nor does it take the focus, which would make the next turn count.
            assert not control.hasFocus()
            assert not control.focusPolicy() & QtCore.Qt.FocusPolicy.WheelFocus & ~QtCore.Qt.FocusPolicy.StrongFocus
    assert form.settings() == before


def test_the_wheel_changes_a_control_that_has_the_focus(application, form):
    unfold(application, form)
    form.window().activateWindow()
    for control in (form.controls[name].widgets[0] for name in ("input_size", "method")):
        control.setFocus()
        settle(application)
        assert control.hasFocus(), "offscreen Qt gave no focus: this test has lost its point"
        wheel(control)
    assert form.settings().input_size == 992
    assert form.settings().method == "RESIZE"


#: Least contrast of text (WCAG 2.1, 1.4.3, level AA), and of what shows the state of a control (1.4.11).
CONTRAST, CONTRAST_OF_SHAPES = 4.5, 3.0


def contrast(one: QtGui.QColor, other: QtGui.QColor) -> float:
    """The contrast of two opaque colours, 1 to 21 (WCAG 2.1, "contrast ratio")."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(color: QtGui.QColor) -> float:
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (color.redF(), color.greenF(), color.blueF())
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast_drawn(widget) -> float:
    """Contrast of a widget's strongest pixel to what most of it is, as it is drawn."""
    image = widget.grab().toImage().convertToFormat(QtGui.QImage.Format.Format_RGB888)
    data = np.frombuffer(image.constBits().asstring(image.sizeInBytes()), np.uint8)
    pixels = data.reshape(image.height(), image.bytesPerLine())[:, : 3 * image.width()].reshape(-1, 3)
    colors, counts = np.unique(pixels, axis=0, return_counts=True)
    ground = QtGui.QColor(*(int(v) for v in colors[counts.argmax()]))
    return max(contrast(QtGui.QColor(*(int(v) for v in color)), ground) for color in colors)


def test_everything_written_stands_out(application, form):
    unfold(application, form)
    enter(form, "subject", "box")
    enter(form, "box", "?")
    enter(form, "background", "image")
    enter(form, "anonymize", "blur")
    enter(form, "input_size", "1000")
    settle(application)
    written = [line.label for line in form.lines.values() if line.label.text()]
    written += [line.message for line in form.lines.values() if line.message.text()]
    written += [section.button for section in form.sections.values()]
    assert len([line for line in form.lines.values() if line.message.text()]) >= 3
    for widget in written:
        assert widget.isVisible()
        assert contrast_drawn(widget) >= CONTRAST, widget.text()


@pytest.mark.parametrize("change_theme", [False, True])
def test_unchecked_boxes_are_seen(application, form, change_theme):
    unfold(application, form)
    if change_theme:
        application.setPalette(dark_palette())
        settle(application)
    for name in ("temporal", "invert"):
        box = form.controls[name].widgets[0]
        assert not box.isChecked()
        box.setText("")
        settle(application)
        assert contrast_drawn(box) >= CONTRAST_OF_SHAPES, name


def over(front, ground):
    """A colour with alpha, as it looks on another."""
    share = front.alphaF()
    mix = [share * a + (1 - share) * b for a, b in zip(front.getRgbF()[:3], ground.getRgbF()[:3], strict=True)]
    return QtGui.QColor.fromRgbF(*mix)


def test_what_is_in_the_controls_stands_out(application, form):
    unfold(application, form)
    role = QtGui.QPalette.ColorRole
    pairs = {
        QtWidgets.QLineEdit: [(role.Text, role.Base)],
        QtWidgets.QAbstractSpinBox: [(role.Text, role.Base)],
        QtWidgets.QComboBox: [(role.ButtonText, role.Button)],
        QtWidgets.QPushButton: [(role.ButtonText, role.Button)],
        QtWidgets.QCheckBox: [(role.WindowText, role.Window)],
    }
    for name, made in form.controls.items():
        for control in made.widgets:
            for front, ground in next(found for kind, found in pairs.items() if isinstance(control, kind)):
                palette = control.palette()
                below = palette.color(ground)
                assert contrast(over(palette.color(front), below), below) >= CONTRAST, (name, front)


def test_messages_follow_a_theme_that_changes_while_the_form_is_open(application, form):
    enter(form, "subject", "box")
    enter(form, "box", "?")
    settle(application)
    for palette in (dark_palette(), QtGui.QPalette(QtGui.QColor("#efefef"))):
        application.setPalette(palette)
        settle(application)
        assert contrast_drawn(form.lines["box"].message) >= CONTRAST
        assert contrast_drawn(form.lines["model_name"].message) >= CONTRAST


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#ffffff", "#000000", 21), ("#777777", "#ffffff", 4.48), ("#123456", "#123456", 1)],
)
def test_contrast_is_that_of_wcag(one, other, ratio):
    assert contrast(QtGui.QColor(one), QtGui.QColor(other)) == pytest.approx(ratio, abs=0.005)


def test_keys_reach_a_control_by_its_label(application, form):
    form.window().activateWindow()
    settle(application)
    QtTest.QTest.keyClick(form.window(), QtCore.Qt.Key.Key_P, QtCore.Qt.KeyboardModifier.AltModifier)
    settle(application)
    assert form.controls["subject"].widgets[0].hasFocus()
