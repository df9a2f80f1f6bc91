"""Run Python files one after another in this process, each as a program of its own: python run_files.py FILE...

Beside each file, error.txt then holds its traceback; it is empty if the file ran to its end.
"""

import os
import runpy
import sys
import traceback
from pathlib import Path

if __name__ == "__main__":
    for file in map(Path, sys.argv[1:]):
        os.chdir(file.parent)
        sys.path[0] = str(file.parent)
        error = ""
        try:
            runpy.run_path(str(file), run_name="__main__")
        except BaseException:
            error = traceback.format_exc()
        file.with_name("error.txt").write_text(error)
