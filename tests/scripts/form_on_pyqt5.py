"""Show and drive the parameter form on PyQt5, in a process of its own: one process holds one Qt.

Argument: where to write a picture of the form. Prints the Qt version and the settings as JSON.
"""

import json
import sys

from PyQt5 import QtCore, QtTest, QtWidgets

from infer_p3m_portrait_matting.pipeline.settings import Settings
from infer_p3m_portrait_matting.plugin.form import ParameterForm

application = QtWidgets.QApplication([])
form = ParameterForm(Settings())
form.show()
assert isinstance(form, QtWidgets.QWidget)
changes = []
form.changed.connect(lambda: changes.append(form.problems()))
first = {name: control.widgets[0] for name, control in form.controls.items()}
QtTest.QTest.keyClick(first["input_size"], QtCore.Qt.Key.Key_Up)
QtTest.QTest.keyClick(first["method"], QtCore.Qt.Key.Key_Down)
assert changes == [{}, {}]
form.controls["background"].write("#336699")
first["feather"].lineEdit().clear()
QtTest.QTest.keyClicks(first["feather"], "2,5")
assert first["model_name"].itemData(0, QtCore.Qt.ItemDataRole.ToolTipRole)
form.grab().save(sys.argv[1])
print(json.dumps({"qt": QtCore.qVersion(), **form.settings().to_strings()}))
