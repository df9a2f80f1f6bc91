"""Write a PNG of the parameter widget in Ikomia's own window, without a screen."""

import argparse
import gc
import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# Qt first: Ikomia brings a Qt of its own under the same names, and the first one loaded serves both.
from PyQt6 import QtCore, QtGui, QtNetwork, QtSql, QtWidgets  # noqa: E402, F401

from infer_p3m_portrait_matting.infer_p3m_portrait_matting_process import InferP3mPortraitMattingParam  # noqa: E402
from infer_p3m_portrait_matting.infer_p3m_portrait_matting_widget import (  # noqa: E402
    InferP3mPortraitMattingWidgetFactory,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, nargs="?", default=ROOT / "docs" / "widget.png")
    output = parser.parse_args().output
    application = QtWidgets.QApplication([])
    widget = InferP3mPortraitMattingWidgetFactory().create(InferP3mPortraitMattingParam())
    window = widget.form.window()
    window.resize(600, 510)
    window.show()
    application.processEvents()
    output.parent.mkdir(parents=True, exist_ok=True)
    window.grab().save(str(output))
    window.close()
    # Qt crashes at the interpreter's end when windows are still about.
    del widget, window
    gc.collect()


if __name__ == "__main__":
    main()
