"""The form behind the parameter widget: plain Qt, without Ikomia, so that it can be shown and tested alone."""

from pathlib import Path

import torch

from infer_p3m_portrait_matting.p3m import METHODS, find_weights, list_models
from infer_p3m_portrait_matting.p3m.sizes import floor_to_stride
from infer_p3m_portrait_matting.qt import QtCore, QtGui, QtWidgets
from infer_p3m_portrait_matting.settings import MAX_INPUT_SIZE, MIN_INPUT_SIZE, Settings

_MODEL_NOTES = {
    "resnet34": "ResNet-34, as published: good and fast. Needs the published weights.",
    "vitae-s": "ViTAE-S, as published: the most accurate. Needs the published weights.",
    "mobile": "Small and quick; its weights ship with the plugin.",
}
_METHOD_NOTES = {
    "HYBRID": "Finds the person at low resolution, the edges at high resolution: finest hair.",
    "RESIZE": "One pass at low resolution: faster, softer edges.",
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
        self.background = QtWidgets.QPushButton()
        self.background.setToolTip("Colour behind the person in the composite")
        self.message = QtWidgets.QLabel()
        self.message.setWordWrap(True)
        self.message.setStyleSheet("color: #c0392b")
        self.note = QtWidgets.QLabel()
        self.note.setWordWrap(True)

        weights = QtWidgets.QHBoxLayout()
        weights.addWidget(self.weights)
        weights.addWidget(self.browse)
        layout = QtWidgets.QFormLayout(self)
        layout.addRow("Model", self.model)
        layout.addRow("Method", self.method)
        layout.addRow("Input size", self.input_size)
        layout.addRow("Computation", self.cuda)
        layout.addRow("Weights file", weights)
        layout.addRow("Fallback", self.fallback)
        layout.addRow("Background", self.background)
        layout.addRow(self.message)
        layout.addRow(self.note)

        self.show_settings(settings)
        self.browse.clicked.connect(self._browse)
        self.background.clicked.connect(self._choose_background)
        self.weights.textChanged.connect(self._on_change)
        self.cuda.toggled.connect(self._on_change)
        self.fallback.toggled.connect(self._on_change)
        self.input_size.valueChanged.connect(self._on_change)
        self.model.currentIndexChanged.connect(self._on_change)
        self.method.currentIndexChanged.connect(self._on_change)

    def show_settings(self, settings: Settings) -> None:
        """Fill the form."""
        self.model.setCurrentText(settings.model_name)
        self.method.setCurrentText(settings.method)
        self.input_size.setValue(settings.input_size)
        self.cuda.setChecked(settings.cuda)
        self.weights.setText(settings.model_weight_file)
        self.fallback.setChecked(settings.allow_fallback)
        self.set_background(settings.background)
        self._show_messages()

    def settings(self) -> Settings:
        """What the form says now."""
        return Settings(
            model_name=self.model.currentText(),
            input_size=self.input_size.value(),
            method=self.method.currentText(),
            cuda=self.cuda.isChecked(),
            model_weight_file=self.weights.text().strip(),
            background=self.background.text(),
            allow_fallback=self.fallback.isChecked(),
        )

    def problem(self) -> str:
        """What is wrong with the entries, or "" when a run can use them."""
        path = self.settings().weights_path()
        if path is None or path.is_file():
            return ""
        return f"{path} is not a file." if path.exists() else f"There is no file {path}."

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

    def set_background(self, color: str) -> None:
        """Choose the background colour, "#rrggbb"."""
        swatch = QtGui.QPixmap(32, 16)
        swatch.fill(QtGui.QColor("grey"))  # a frame, or white would not be seen
        painter = QtGui.QPainter(swatch)
        painter.fillRect(swatch.rect().adjusted(1, 1, -1, -1), QtGui.QColor(color))
        painter.end()
        self.background.setIcon(QtGui.QIcon(swatch))
        self.background.setText(color)

    def _on_change(self) -> None:
        self._show_messages()
        self.changed.emit()

    def _show_messages(self) -> None:
        for label, text in ((self.message, self.problem()), (self.note, self.hint())):
            label.setText(text)
            label.setVisible(bool(text))

    def _browse(self) -> None:
        start = str(Path(self.weights.text()).parent) if self.weights.text() else str(Path.home())
        path, _ = QtWidgets.QFileDialog.getOpenFileName(
            self, "Weights file", start, "Weights (*.pth *.safetensors);;All files (*)"
        )
        if path:
            self.weights.setText(path)

    def _choose_background(self) -> None:
        color = QtWidgets.QColorDialog.getColor(QtGui.QColor(self.background.text()), self, "Background")
        if color.isValid():
            self.set_background(color.name())
            self._on_change()


def _combo(entries: list[str] | tuple[str, ...], notes: dict[str, str]) -> QtWidgets.QComboBox:
    combo = QtWidgets.QComboBox()
    for index, entry in enumerate(entries):
        combo.addItem(entry)
        combo.setItemData(index, notes[entry], QtCore.Qt.ItemDataRole.ToolTipRole)
    combo.setToolTip("\n".join(f"{entry}: {notes[entry]}" for entry in entries))
    return combo
