"""Requests that Ikomia hides from a task: the parameter names that a caller gave, and the current file of a folder.

Ikomia merges the values of ``add_task(params=...)`` or a workflow file into a task's own parameters, in C++, and drops
names that the task does not have. Only the Python frames on the call stack show the original request.
"""

import inspect
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple


def names_in_call() -> set[str]:
    """Return the parameter names of the current ``add_task(params=...)`` call; none outside such a call."""
    for frame in _frames_of_ikomia("create_algorithm"):
        asked = frame.f_locals.get("parameters")
        return set(asked) if isinstance(asked, dict) else set()
    return set()


def names_in_file(task: str) -> set[str]:
    """Return the parameter names in the workflow file that is being loaded; none when no file is.

    Args:
        task: name of the tasks whose parameters count.
    """
    for frame in _frames_of_ikomia("load"):
        try:
            content = json.loads(Path(frame.f_locals["path"]).read_text(encoding="utf-8"))
            tasks = [entry["task_data"] for entry in content["tasks"]]
            return {item["name"] for data in tasks if data["name"] == task for item in data["parameters"]}
        except (OSError, ValueError, KeyError, TypeError):
            # Not a file as we know it: Ikomia reports what is wrong with it.
            return set()
    return set()


class FolderStep(NamedTuple):
    """One file of a folder that a workflow goes through.

    Attributes:
        workflow: the workflow.
        file: the file whose turn it is.
        input: index of the workflow input that receives it.
    """

    workflow: Any
    file: str
    input: int


def step_of_folder() -> FolderStep | None:
    """Return the current file of ``run_on(folder=...)``; None outside such a call."""
    for frame in _frames_of_ikomia("_run_directory"):
        found = frame.f_locals
        if {"self", "file_path", "i"} <= found.keys():
            return FolderStep(found["self"], os.fspath(found["file_path"]), found["i"])
    return None


def _frames_of_ikomia(function: str) -> Iterator[FrameType]:
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name == function and frame.f_globals.get("__name__", "").startswith("ikomia."):
            yield frame
        frame = frame.f_back
