"""Tie parameters to the controls that edit them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from infer_p3m_portrait_matting.plugin.qt import QtWidgets


class Row(NamedTuple):
    """One parameter's line in the form.

    Attributes:
        field: name of the field of :class:`Settings`.
        label: the text before the controls, with its shortcut after a "&".
        controls: the widgets that edit the parameter, from left to right.
        read: returns the value that the controls show.
        write: shows a value in the controls.
        changed: the signals that report a change by the user.
        section: the folding section that holds the line, or "" for the first screen.
    """

    field: str
    label: str
    controls: tuple[QtWidgets.QWidget, ...]
    read: Callable[[], Any]
    write: Callable[[Any], None]
    changed: tuple[Any, ...]
    section: str = ""


def choice_row(field: str, label: str, combo: QtWidgets.QComboBox, section: str = "") -> Row:
    """Edit a parameter by a list to choose from."""

    def write(value: str) -> None:
        choose(combo, value)

    return Row(field, label, (combo,), combo.currentData, write, (combo.currentIndexChanged,), section)


def switch_row(field: str, label: str, check: QtWidgets.QCheckBox, section: str = "") -> Row:
    """Edit a parameter by a switch."""
    return Row(field, label, (check,), check.isChecked, check.setChecked, (check.toggled,), section)


def number_row(field: str, label: str, spin: QtWidgets.QSpinBox | QtWidgets.QDoubleSpinBox, section: str = "") -> Row:
    """Edit a parameter by a number."""
    return Row(field, label, (spin,), spin.value, spin.setValue, (spin.valueChanged,), section)


def text_row(
    field: str, label: str, line: QtWidgets.QLineEdit, button: QtWidgets.QPushButton | None = None, section: str = ""
) -> Row:
    """Edit a parameter by a line of text, and by a button beside it."""
    controls = (line,) if button is None else (line, button)
    return Row(field, label, controls, lambda: line.text().strip(), line.setText, (line.textChanged,), section)


def choose(combo: QtWidgets.QComboBox, value: str) -> None:
    """Show the entry of a list that stands for a value."""
    combo.setCurrentIndex(combo.findData(value))
