"""Make the control that edits one parameter; it takes and gives text, as Ikomia stores it."""

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from infer_p3m_portrait_matting.p3m import parse_color
from infer_p3m_portrait_matting.p3m.files.paths import user_path
from infer_p3m_portrait_matting.pipeline.parameters import Parameter, decimal
from infer_p3m_portrait_matting.plugin.qt import QtCore, QtGui, QtWidgets


class Control(NamedTuple):
    """What edits one parameter.

    Attributes:
        widgets: from left to right.
        read: returns the text that the widgets show.
        write: shows a text in the widgets.
        changed: the signals that report a change.
    """

    widgets: tuple[QtWidgets.QWidget, ...]
    read: Callable[[], str]
    write: Callable[[str], None]
    changed: tuple[Any, ...]


def make_control(parameter: Parameter) -> Control:
    """Choose the control by the parameter's facts; its tooltip tells them."""
    if isinstance(parameter.default, bool):
        control = _switch(parameter)
    elif parameter.low is not None:
        control = _number(parameter)
    elif parameter.choices:
        control = _choice(parameter)
    else:
        control = _text(parameter)
    # Qt wraps only rich text.
    lines = [parameter.about[0].upper() + parameter.about[1:] + parameter.notes(parameter.note_on_empty())]
    words = {"": parameter.other, **parameter.choices} if parameter.other else parameter.choices
    lines += [f"{parameter.shown.get(value, value)}: {text}".removeprefix(": ") for value, text in words.items()]
    tooltip = "<br>".join(escape(line) for line in lines)
    for widget in control.widgets:
        widget.setToolTip(f"<p>{tooltip}</p>")
    return control


def _switch(parameter: Parameter) -> Control:
    check = QtWidgets.QCheckBox(parameter.label)
    # Some dark themes draw an empty box almost in the colour of the window.
    check.setStyleSheet(
        "QCheckBox::indicator:unchecked { width: 12px; height: 12px; border: 1px solid palette(window-text); }"
    )
    return Control(
        (check,), lambda: str(check.isChecked()), lambda text: check.setChecked(text == "True"), (check.toggled,)
    )


def _number(parameter: Parameter) -> Control:
    number = Number(parameter)
    return Control((number,), number.read, number.write, (number.edit.textChanged,))


def _text(parameter: Parameter) -> Control:
    line = QtWidgets.QLineEdit()
    line.setPlaceholderText(parameter.empty)
    widgets: tuple[QtWidgets.QWidget, ...] = (line,)
    if parameter.suffixes:
        browse = QtWidgets.QPushButton("Browse...")
        browse.clicked.connect(lambda: _choose_file(line, parameter))
        widgets = (line, browse)
    return Control(widgets, lambda: line.text().strip(), line.setText, (line.textChanged,))


def _choice(parameter: Parameter) -> Control:
    combo = QtWidgets.QComboBox()
    words = {"": parameter.other, **parameter.choices} if parameter.other else parameter.choices
    for index, (value, text) in enumerate(words.items()):
        combo.addItem(parameter.shown.get(value, value), value)
        combo.setItemData(index, text, QtCore.Qt.ItemDataRole.ToolTipRole)
    combo.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(8)

    def choose(value: str) -> None:
        combo.setCurrentIndex(combo.findData(value))

    if not parameter.other:
        return Control((combo,), combo.currentData, choose, (combo.currentIndexChanged,))
    color = ColorButton(parameter.default)
    combo.currentIndexChanged.connect(lambda: color.setVisible(combo.currentData() == ""))

    def write(text: str) -> None:
        color.show_color(parameter.default if text in parameter.choices else text)
        choose(text if text in parameter.choices else "")

    changed = (combo.currentIndexChanged, color.chosen)
    return Control((combo, color), lambda: combo.currentData() or color.text(), write, changed)


class Number(QtWidgets.QAbstractSpinBox):
    """A number as text. Any text may be typed; the arrows change it by one step, past the least number to "none"."""

    def __init__(self, parameter: Parameter) -> None:
        super().__init__()
        self._parameter = parameter
        self._scale = 100 if parameter.in_percent else 1
        self.edit = QtWidgets.QLineEdit()
        self.setLineEdit(self.edit)

    def read(self) -> str:
        """Return what was typed."""
        return self.edit.text().strip() + ("%" if self._parameter.in_percent else "")

    def write(self, text: str) -> None:
        """Show a number, or a word that stands in place of one."""
        self.edit.setText(text if text in self._parameter.choices else _short(float(text) * self._scale))

    def stepEnabled(self) -> QtWidgets.QAbstractSpinBox.StepEnabledFlag:
        """Both arrows work: a step beyond the range stops at its end."""
        flag = QtWidgets.QAbstractSpinBox.StepEnabledFlag
        return flag.StepUpEnabled | flag.StepDownEnabled

    def stepBy(self, steps: int) -> None:
        """Go up or down; a text that is not a number stays."""
        parameter, text = self._parameter, self.edit.text().strip()
        low, high = ((end or 0) * self._scale for end in (parameter.low, parameter.high))
        try:
            value = low - parameter.step if text in parameter.choices else decimal(text)
        except ValueError:
            return
        aim = value + steps * parameter.step
        if aim < low and value <= low and parameter.choices:
            self.edit.setText(next(iter(parameter.choices)))
        else:
            self.edit.setText(_short(min(max(aim, low), high)))


class ColorButton(QtWidgets.QPushButton):
    """Shows a colour, as Pillow's ImageColor reads it, and opens a dialog to choose another."""

    #: Emitted when the user has chosen a colour.
    chosen = QtCore.pyqtSignal()

    def __init__(self, color: str) -> None:
        super().__init__()
        self.show_color(color)
        self.clicked.connect(self._choose)

    def show_color(self, color: str) -> None:
        """Show a colour and its name."""
        swatch = QtGui.QPixmap(32, 16)
        swatch.fill(QtGui.QColor("grey"))  # a frame, so that white shows
        painter = QtGui.QPainter(swatch)
        painter.fillRect(swatch.rect().adjusted(1, 1, -1, -1), QtGui.QColor(*parse_color(color)))
        painter.end()
        self.setIcon(QtGui.QIcon(swatch))
        self.setText(color)

    def _choose(self) -> None:
        color = QtWidgets.QColorDialog.getColor(QtGui.QColor(*parse_color(self.text())), self, "Background")
        if color.isValid():
            self.show_color(color.name())
            self.chosen.emit()


def _short(number: float) -> str:
    # Drop what binary fractions add after the tenth digit: nobody has typed it.
    return f"{number:.10g}"


def _choose_file(line: QtWidgets.QLineEdit, parameter: Parameter) -> None:
    title = parameter.label.replace("&", "")
    kinds = f"{title} ({' '.join(f'*{suffix}' for suffix in parameter.suffixes)});;All files (*)"
    try:
        start = str(user_path(line.text()).parent) if line.text().strip() else str(Path.home())
    except (ValueError, RuntimeError):
        start = ""
    path, _ = QtWidgets.QFileDialog.getOpenFileName(line, title, start, kinds)
    if path:
        line.setText(path)
