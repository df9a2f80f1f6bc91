"""Import the Qt binding of the parameter form: PyQt6, or PyQt5 if the process has loaded it (Ikomia up to 0.15.0)."""

import sys
from typing import TYPE_CHECKING

if not TYPE_CHECKING and "PyQt5.QtWidgets" in sys.modules and "PyQt6.QtWidgets" not in sys.modules:
    from PyQt5 import QtCore, QtGui, QtWidgets
else:
    from PyQt6 import QtCore, QtGui, QtWidgets

__all__ = ["QtCore", "QtGui", "QtWidgets"]
