"""Parts of the parameter form: controls that ignore the wheel, lines with a message, sections that fold."""

from infer_p3m_portrait_matting.plugin.qt import QtCore, QtGui, QtWidgets

#: Least contrast of text (WCAG 2.1, 1.4.3, level AA).
CONTRAST = 4.5

#: Colours for the text of a problem: the first with enough contrast to the window is used.
_REDS = ("#b3261e", "#8c1d18", "#ff8a80", "#ffb4ab", "#ffffff", "#000000")


def contrast(one: QtGui.QColor, other: QtGui.QColor) -> float:
    """Return the contrast of two opaque colours, 1 to 21 (WCAG 2.1, "contrast ratio")."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: QtGui.QColor) -> float:
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (color.redF(), color.greenF(), color.blueF())
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


class Line(QtWidgets.QWidget):
    """A label, its controls, and a message below them.

    Args:
        label: the text before the controls, with its shortcut after a "&".
        controls: from left to right; the label belongs to the first.
    """

    def __init__(self, label: str, controls: tuple[QtWidgets.QWidget, ...]) -> None:
        super().__init__()
        self.label = QtWidgets.QLabel(label)
        self.label.setBuddy(controls[0])
        self.label.setToolTip(controls[0].toolTip())
        self.message = QtWidgets.QLabel()
        self.message.setWordWrap(True)
        # A long word must not widen the form.
        self.message.setMinimumWidth(1)
        self.message.setVisible(False)
        self._is_problem = False
        name = label.replace("&", "")
        for control in controls:
            own = f": {control.text()}" if isinstance(control, QtWidgets.QAbstractButton) else ""
            control.setAccessibleName(name if control is controls[0] else name + own)
        row = QtWidgets.QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        for control in controls:
            row.addWidget(control, 0 if isinstance(control, QtWidgets.QPushButton) and len(controls) > 1 else 1)
        grid = QtWidgets.QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(1, 1)
        grid.addWidget(self.label, 0, 0)
        grid.addLayout(row, 0, 1)
        grid.addWidget(self.message, 1, 1)

    def say(self, text: str, is_problem: bool) -> None:
        """Show a message below the controls; "" hides it."""
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
        palette = QtGui.QPalette(self.palette())
        role = QtGui.QPalette.ColorRole
        if self._is_problem:
            window = palette.color(role.Window)
            colors = [QtGui.QColor(red) for red in _REDS]
            chosen = next((color for color in colors if contrast(color, window) >= CONTRAST), colors[-1])
            palette.setColor(role.WindowText, chosen)
        if self.message.palette().color(role.WindowText) != palette.color(role.WindowText):
            self.message.setPalette(palette)


class Section(QtWidgets.QWidget):
    """Lines under a heading that folds them away.

    Args:
        title: the heading.
        note: its tooltip.
    """

    def __init__(self, title: str, note: str) -> None:
        super().__init__()
        self._title = title
        self.button = QtWidgets.QToolButton()
        self.button.setCheckable(True)
        self.button.setAutoRaise(True)
        self.button.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setToolTip(note)
        self.body = QtWidgets.QWidget()
        self.body.setVisible(False)
        self.lines = QtWidgets.QVBoxLayout(self.body)
        self.lines.setContentsMargins(0, 0, 0, 0)
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


def line_edit(placeholder: str, note: str) -> QtWidgets.QLineEdit:
    """Make a line of text with a readable placeholder."""
    line = _Edit()
    line.setPlaceholderText(placeholder)
    line.setToolTip(note)
    return line


class _Edit(QtWidgets.QLineEdit):
    """A line of text with a stronger placeholder: Qt's, at half the text's strength, is too faint on white."""

    def __init__(self) -> None:
        super().__init__()
        self._strengthen()

    def changeEvent(self, event: QtCore.QEvent | None) -> None:
        super().changeEvent(event)
        if event is not None and event.type() == QtCore.QEvent.Type.PaletteChange:
            self._strengthen()

    def _strengthen(self) -> None:
        palette = QtGui.QPalette(self.palette())
        role = QtGui.QPalette.ColorRole
        color = palette.color(role.Text)
        color.setAlphaF(0.72)
        if palette.color(role.PlaceholderText) != color:
            palette.setColor(role.PlaceholderText, color)
            self.setPalette(palette)


def check_box(text: str, note: str) -> QtWidgets.QCheckBox:
    """Make a switch."""
    check = QtWidgets.QCheckBox(text)
    check.setToolTip(note)
    return check


def combo_box(entries: list[str] | tuple[str, ...], notes: dict[str, str], shown: dict[str, str] | None = None):
    """Make a list to choose from.

    Args:
        entries: the values that ``currentData`` returns.
        notes: value -> its tooltip.
        shown: value -> the text that the list shows for it, where that differs from the value.
    """
    combo = QtWidgets.QComboBox()
    shown = shown or {}
    for index, entry in enumerate(entries):
        combo.addItem(shown.get(entry, entry), entry)
        combo.setItemData(index, notes[entry], QtCore.Qt.ItemDataRole.ToolTipRole)
    combo.setToolTip("\n".join(f"{shown.get(entry, entry)}: {notes[entry]}" for entry in entries))
    combo.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(8)
    return combo


class _Number(QtWidgets.QDoubleSpinBox):
    """A number with up to four decimals, shown without trailing zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.setDecimals(4)

    def textFromValue(self, value: float) -> str:
        return self.locale().toString(float(value), "g", 8)


class _NumberOrNone(_Number):
    """A number from 0 on, and "none" below it, which is -1; the arrows stop at 0 on their way."""

    def stepBy(self, steps: int) -> None:
        value, step = self.value(), self.singleStep()
        if value < 0:
            self.setValue((steps - 1) * step)
        else:
            self.setValue(value + steps * step if value == 0 else max(value + steps * step, 0))

    def valueFromText(self, text: str | None) -> float:
        value = super().valueFromText(text)
        return -1 if value < 0 else value


def whole_number(low: int, high: int, step: int, suffix: str, note: str) -> QtWidgets.QSpinBox:
    """Make a control for a whole number."""
    spin = QtWidgets.QSpinBox()
    spin.setRange(low, high)
    spin.setSingleStep(step)
    spin.setSuffix(suffix)
    spin.setToolTip(note)
    return spin


def number(low: float, high: float, step: float, suffix: str, note: str) -> QtWidgets.QDoubleSpinBox:
    """Make a control for a number with up to four decimals."""
    return _set_up(_Number(), low, high, step, suffix, note)


def number_or_none(high: float, step: float, suffix: str, note: str) -> QtWidgets.QDoubleSpinBox:
    """Make a control for a number from 0 on, or for none, which is -1."""
    spin = _set_up(_NumberOrNone(), -1, high, step, suffix, note)
    spin.setSpecialValueText("none")
    return spin


def _set_up(spin: _Number, low: float, high: float, step: float, suffix: str, note: str) -> _Number:
    spin.setRange(low, high)
    spin.setSingleStep(step)
    spin.setSuffix(suffix)
    spin.setToolTip(note)
    return spin


def _breakable(text: str) -> str:
    """Let long paths break across lines: add zero-width spaces after their separators."""
    for separator in "/\\_":
        text = text.replace(separator, separator + "\u200b")
    return text
