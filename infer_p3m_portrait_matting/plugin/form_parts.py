"""Parts of the parameter form: lines with a message, sections that fold, controls that ignore the wheel."""

from infer_p3m_portrait_matting.pipeline.parameters import Parameter
from infer_p3m_portrait_matting.plugin.qt import QtCore, QtGui, QtWidgets

#: Colours for the text of a problem, on light and on dark windows.
_RED, _LIGHT_RED = "#b3261e", "#ffb4ab"


class Line(QtWidgets.QWidget):
    """A label, the widgets that edit one parameter, and a message below them.

    Args:
        parameter: the parameter; a switch carries its own words, and its label is empty.
        widgets: from left to right; the label belongs to the first, which is as wide as the others leave it.
    """

    def __init__(self, parameter: Parameter, widgets: tuple[QtWidgets.QWidget, ...]) -> None:
        super().__init__()
        is_switch = isinstance(widgets[0], QtWidgets.QCheckBox)
        self.label = QtWidgets.QLabel("" if is_switch else parameter.label)
        self.label.setBuddy(widgets[0])
        self.label.setToolTip(widgets[0].toolTip())
        self.message = QtWidgets.QLabel()
        self.message.setWordWrap(True)
        # A long word must not widen the form.
        self.message.setMinimumWidth(1)
        self.message.setVisible(False)
        self._is_problem = False
        self.name = parameter.label.replace("&", "")
        row = QtWidgets.QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for widget in widgets:
            own = f": {widget.text()}" if isinstance(widget, QtWidgets.QPushButton) else ""
            widget.setAccessibleName(self.name + own)
            row.addWidget(widget, 1 if widget is widgets[0] else 0)
        unit = "percent" if parameter.in_percent else parameter.unit
        if unit:
            row.addWidget(QtWidgets.QLabel(unit))
        grid = QtWidgets.QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(1, 1)
        grid.addWidget(self.label, 0, 0)
        grid.addLayout(row, 0, 1)
        grid.addWidget(self.message, 1, 1)

    def say(self, text: str, is_problem: bool) -> None:
        """Show a message below the widgets, in red if it is a problem; "" hides it."""
        self.message.setText(_breakable(text))
        self.message.setVisible(bool(text))
        self._is_problem = is_problem
        self._paint_message()

    def changeEvent(self, event: QtCore.QEvent | None) -> None:
        """Update the message's colour when the window's colours change."""
        super().changeEvent(event)
        if event is not None and event.type() == QtCore.QEvent.Type.PaletteChange:
            self._paint_message()

    def _paint_message(self) -> None:
        is_dark = self.palette().color(QtGui.QPalette.ColorRole.Window).lightness() < 128
        red = _LIGHT_RED if is_dark else _RED
        self.message.setStyleSheet(f"color: {red}" if self._is_problem else "")


class Section(QtWidgets.QWidget):
    """Lines under a heading that folds them away.

    Args:
        title: the heading; its tooltip lists the lines.
        lines: from top to bottom.
    """

    def __init__(self, title: str, lines: list[Line]) -> None:
        super().__init__()
        self._title = title
        self.button = QtWidgets.QToolButton()
        self.button.setCheckable(True)
        self.button.setAutoRaise(True)
        self.button.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setToolTip("\n".join(line.name for line in lines))
        self.body = QtWidgets.QWidget()
        self.body.setVisible(False)
        inside = QtWidgets.QVBoxLayout(self.body)
        inside.setContentsMargins(0, 0, 0, 0)
        for line in lines:
            inside.addWidget(line)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(self.body)
        self.button.toggled.connect(self._unfold)
        self._unfold(False)
        self.count(0)

    def unfold(self) -> None:
        """Show the lines."""
        self.button.setChecked(True)

    def count(self, changed: int) -> None:
        """Show in the heading how many of its parameters differ from their defaults."""
        self.button.setText(f"{self._title} ({changed} changed)" if changed else self._title)

    def _unfold(self, unfolded: bool) -> None:
        self.body.setVisible(unfolded)
        arrow = QtCore.Qt.ArrowType
        self.button.setArrowType(arrow.DownArrow if unfolded else arrow.RightArrow)


class WheelGuard(QtCore.QObject):
    """An event filter: the wheel changes a control that has the focus, and scrolls the form over any other."""

    def eventFilter(self, control: QtCore.QObject | None, event: QtCore.QEvent | None) -> bool:
        """Pass the wheel on to the widget around the control."""
        if event is None or not isinstance(control, QtWidgets.QWidget):
            return False
        if event.type() == QtCore.QEvent.Type.Wheel and not control.hasFocus():
            event.ignore()
            return True
        return False


def guard_wheel(guard: WheelGuard, control: QtWidgets.QWidget) -> None:
    """Let a control take the focus by click or tab key, not by the wheel, and use the wheel only when focused."""
    control.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
    control.installEventFilter(guard)


def scroll_to(widget: QtWidgets.QWidget) -> None:
    """Bring a widget into view, if it lies in a scroll area."""
    around = widget.parentWidget()
    while around is not None and not isinstance(around, QtWidgets.QScrollArea):
        around = around.parentWidget()
    if around is not None and widget.isVisible():
        around.ensureWidgetVisible(widget, 0, 4)


def _breakable(text: str) -> str:
    """Let long paths break across lines: add zero-width spaces after their separators."""
    for separator in "/\\_":
        text = text.replace(separator, separator + "\u200b")
    return text
