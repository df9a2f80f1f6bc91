"""The Qt binding of the parameter form: PyQt6, or PyQt5 where the process has loaded that (Ikomia up to 0.15.0)."""

import sys

if "PyQt5.QtWidgets" in sys.modules and "PyQt6.QtWidgets" not in sys.modules:
    from PyQt5 import QtCore, QtGui, QtWidgets
else:
    from PyQt6 import QtCore, QtGui, QtWidgets

__all__ = ["QtCore", "QtGui", "QtWidgets"]
