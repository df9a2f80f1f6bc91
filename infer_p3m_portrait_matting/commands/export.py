"""``p3m export FOLDER``: the bundled model as ONNX files."""

import argparse
from pathlib import Path
from typing import NoReturn

from ..p3m.files.paths import trouble_with, user_path
from .console import say

#: Largest difference between torch and the exported graphs.
_BAR = 1e-4


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"p3m export: error: {message}\n")


def main(arguments: list[str]) -> int:
    """Export a model.

    Args:
        arguments: without ``export``.

    Returns:
        The exit status: 0 when all is written, 1 when anything failed.

    Raises:
        OSError: the folder or the weights file cannot be used.
    """
    parser = _Parser(
        prog="p3m export",
        description="Write the model as ONNX files, with a README that shows how to run them.",
        allow_abbrev=False,
    )
    parser.add_argument("FOLDER", type=user_path, help="a new folder")
    parser.add_argument("--model", default="mobile", metavar="NAME", help="default: mobile")
    parser.add_argument("--weights", type=user_path, metavar="FILE", help="your own weights of that model")
    parser.add_argument("--half", action="store_true", help="files of half the size: weights as float16")
    parser.add_argument("--check", action="store_true", help="compare the files with PyTorch; needs onnxruntime")
    given = parser.parse_args(arguments)
    folder: Path = given.FOLDER
    if given.weights and (trouble := trouble_with(given.weights)):
        parser.error(f"--weights {given.weights} {trouble}")
    # Torch takes seconds to load: only once the options are right.
    from ..p3m.onnx.export import export, import_packages, largest_differences, load_network, refuse_occupied

    try:
        refuse_occupied(folder)
        import_packages("onnx", *(["onnxruntime"] if given.check else []))
        network, weights = load_network(given.model, given.weights)
        export(network, folder, weights, given.half, given.model)
    except (ValueError, RuntimeError) as error:
        say(f"p3m: error: {error}")
        return 1
    for path in sorted(folder.iterdir()):
        print(path)
    if not given.check:
        return 0
    differences = largest_differences(network, folder)
    largest = max(differences.values())
    each = ", ".join(f"{name} {difference:.1e}" for name, difference in differences.items())
    say(f"largest difference to PyTorch {largest:.1e}, allowed {_BAR:.0e} ({each})")
    return 0 if largest <= _BAR else 1
