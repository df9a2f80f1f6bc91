"""Read what Ikomia does not tell a task: the parameter names that a caller gave, and the current file of a folder.

Ikomia merges the values of ``add_task(params=...)`` or a workflow file into a task's own parameters, in C++, and drops
names that the task does not have. A task knows neither its workflow nor the file of the folder whose turn it is. Only
the Python frames on the call stack show them. A test compares the table of what is read with the installed Ikomia.
"""

import inspect
import json
import os
from pathlib import Path
from typing import Any, NamedTuple


class IkomiaFunction(NamedTuple):
    """A function of Ikomia, and its local variables that are read while it runs."""

    name: str
    variables: tuple[str, ...]


CREATE = IkomiaFunction("create_algorithm", ("parameters",))
LOAD = IkomiaFunction("load", ("path",))
FOLDER = IkomiaFunction("_run_directory", ("self", "file_path", "i"))


def names_in_call() -> set[str]:
    """Return the parameter names of the current ``add_task(params=...)`` call; none outside such a call."""
    found = _read(CREATE)
    return set(found[0]) if found and isinstance(found[0], dict) else set()


def names_in_file(task: str) -> set[str]:
    """Return the parameter names in the workflow file that is being loaded; none when no file is.

    Args:
        task: name of the tasks whose parameters count.
    """
    found = _read(LOAD)
    if not found:
        return set()
    try:
        tasks = [entry["task_data"] for entry in json.loads(Path(found[0]).read_text(encoding="utf-8"))["tasks"]]
        return {item["name"] for data in tasks if data["name"] == task for item in data["parameters"]}
    except (OSError, ValueError, KeyError, TypeError):
        # The file has another structure: Ikomia reports what is wrong with it.
        return set()


class FolderStep(NamedTuple):
    """One step of a workflow that goes through the files of a folder.

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
    found = _read(FOLDER)
    return FolderStep(found[0], os.fspath(found[1]), found[2]) if found else None


def _read(function: IkomiaFunction) -> list[Any] | None:
    """Return the variables of the innermost call of a function of Ikomia; None outside such a call."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name == function.name and frame.f_globals.get("__name__", "").startswith("ikomia."):
            found = frame.f_locals
            return [found[name] for name in function.variables] if found.keys() >= set(function.variables) else None
        frame = frame.f_back
    return None
