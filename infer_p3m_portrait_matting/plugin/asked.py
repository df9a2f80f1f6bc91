"""Which parameter names were asked for, where Ikomia drops those that it does not know without a word.

Ikomia merges what ``add_task(params=...)`` or a workflow file says into a task's own parameters, in C++, and passes on
only the names that were there before. What was really asked for can be seen in the Python frames that led here alone.
"""

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from types import FrameType


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


def _frames_of_ikomia(function: str) -> Iterator[FrameType]:
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name == function and frame.f_globals.get("__name__", "").startswith("ikomia."):
            yield frame
        frame = frame.f_back
