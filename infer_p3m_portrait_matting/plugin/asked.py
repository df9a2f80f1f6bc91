"""What was really asked for, where Ikomia keeps it from a task: parameter names, and the file of a folder.

Ikomia merges what ``add_task(params=...)`` or a workflow file says into a task's own parameters, in C++, and passes on
only the names that were there before. What was really asked for can be seen in the Python frames that led here alone.
"""

import inspect
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple


def names_in_call() -> set[str]:
    """Parameter names of the ``add_task(params=...)`` that is under way; none in any other case."""
    for frame in _frames_of_ikomia("create_algorithm"):
        asked = frame.f_locals.get("parameters")
        return set(asked) if isinstance(asked, dict) else set()
    return set()


def names_in_file(task: str) -> set[str]:
    """Parameter names that the workflow file gives which is being loaded; none in any other case.

    Args:
        task: name of the tasks that count.
    """
    for frame in _frames_of_ikomia("load"):
        try:
            content = json.loads(Path(frame.f_locals["path"]).read_text(encoding="utf-8"))
            tasks = [entry["task_data"] for entry in content["tasks"]]
            return {item["name"] for data in tasks if data["name"] == task for item in data["parameters"]}
        except (OSError, ValueError, KeyError, TypeError):
            # Not a file as we know it: what is wrong with it is Ikomia's to say.
            return set()
    return set()


class FolderStep(NamedTuple):
    """One file of a folder that a workflow goes through.

    Attributes:
        workflow: the workflow.
        file: the file whose turn it is.
        input: which of the workflow's inputs Ikomia puts it into.
    """

    workflow: Any
    file: str
    input: int


def step_of_folder() -> FolderStep | None:
    """The file that ``run_on(folder=...)`` is at, or None in any other case."""
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
