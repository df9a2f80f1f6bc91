"""Write PNGs of the parameter widget in Ikomia's own window at its own size, light and dark, without a screen."""

import argparse
import gc
import os
import tempfile
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parent.parent

# Qt first: Ikomia brings a Qt of its own under the same names, and the first one loaded serves both.
from PyQt6 import QtCore, QtGui, QtNetwork, QtSql, QtWidgets  # noqa: E402, F401

from infer_p3m_portrait_matting.infer_p3m_portrait_matting_process import InferP3mPortraitMattingParam  # noqa: E402
from infer_p3m_portrait_matting.infer_p3m_portrait_matting_widget import (  # noqa: E402
    InferP3mPortraitMattingWidgetFactory,
)
from infer_p3m_portrait_matting.p3m.checkpoints.places import CACHE_VARIABLE, expected_weights  # noqa: E402
from infer_p3m_portrait_matting.pipeline.settings import Settings  # noqa: E402

#: The window that Ikomia opens, in pixels.
WIDTH, HEIGHT = 500, 370


def dark_palette() -> QtGui.QPalette:
    """Return the colours of a dark theme: buttons and window, from which Qt derives most others, and fields."""
    palette = QtGui.QPalette(QtGui.QColor("#3a3f47"), QtGui.QColor("#2b2f36"))
    palette.setColor(QtGui.QPalette.ColorRole.Base, QtGui.QColor("#1d2025"))
    return palette


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, nargs="?", default=ROOT / "docs")
    output = parser.parse_args().output
    application = QtWidgets.QApplication([])
    application.setStyle("Fusion")
    light = application.palette()
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as weights:
        # The form as it looks where the published weights are.
        os.environ[CACHE_VARIABLE] = weights
        expected_weights(Settings().model_name).touch()
        _picture(application, light, output)


def _picture(application: QtWidgets.QApplication, light: QtGui.QPalette, output: Path) -> None:
    for suffix, palette in {"": light, "_dark": dark_palette()}.items():
        application.setPalette(palette)
        widget = InferP3mPortraitMattingWidgetFactory().create(InferP3mPortraitMattingParam())
        window = widget.form.window()
        assert window is not None
        window.resize(WIDTH, HEIGHT)
        window.show()
        _grab(application, window, output / f"widget{suffix}.png")
        for title, section in widget.form.sections.items():
            section.unfold()
            application.processEvents()
            _grab(application, window, output / f"widget_{title.split()[0].lower()}{suffix}.png")
            section.button.setChecked(False)
        window.close()
        # Qt crashes at the interpreter's end when windows are still about.
        del widget, window, section
        gc.collect()


def _grab(application: QtWidgets.QApplication, window: QtWidgets.QWidget, path: Path) -> None:
    for _ in range(3):
        application.processEvents()
    window.grab().save(str(path))


if __name__ == "__main__":
    main()
