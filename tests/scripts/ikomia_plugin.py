"""The real Ikomia with the plugin loaded from this checkout; import it instead of ikomia."""

import logging
from pathlib import Path

import pytest

# Qt first: Ikomia brings a Qt of its own under the same names, and the first one loaded serves both.
from PyQt6 import QtCore, QtGui, QtNetwork, QtSql, QtTest, QtWidgets  # noqa: F401 - the order matters

# isort: split
from ikomia import core, dataprocess, utils
from ikomia.dataprocess.registry import ik_registry
from ikomia.dataprocess.workflow import Workflow

ROOT = Path(__file__).resolve().parents[2]
NAME = "infer_p3m_portrait_matting"

# Nothing listens there: no test asks the real server for weights.
utils.get_model_hub_url = lambda: "http://127.0.0.1:9"

ik_registry.load_python_algorithm(str(ROOT / NAME))

__all__ = [
    "NAME",
    "ROOT",
    "QtTest",
    "QtWidgets",
    "Workflow",
    "core",
    "dataprocess",
    "enter",
    "fails",
    "ik_registry",
    "outputs",
    "warnings",
    "workflow_with",
]


def enter(form, name: str, text: str) -> None:
    """Put a text into the control of a parameter, as a user types or chooses it."""
    first = form.controls[name].widgets[0]
    if isinstance(first, QtWidgets.QAbstractSpinBox):
        first.lineEdit().setText(text)
    else:
        form.controls[name].write(text)


def workflow_with(**parameters: object):
    """A workflow of our task alone, and the task."""
    wf = Workflow()
    task = wf.add_task(name=NAME, auto_connect=True)
    task.set_parameters({"model_name": "mobile", "cuda": "False", **parameters})
    return wf, task


def outputs(task) -> list:
    """The images of the three outputs: composite, matte, cut-out."""
    return [task.get_output(index).get_image() for index in range(3)]


def warnings(caplog, word: str) -> list[str]:
    """The WARNINGs logged so far that hold a word."""
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING and word in r.getMessage()]


def fails(wf, words: str, **image) -> None:
    """Run a workflow that must fail with these words (a regular expression)."""
    with pytest.raises(RuntimeError, match=words):
        wf.run_on(**image)
