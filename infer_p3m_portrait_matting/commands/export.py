"""Run ``p3m export FOLDER``, which writes the bundled model as ONNX files."""

from pathlib import Path

from ..p3m.files.paths import trouble_with
from ..p3m.inference.hardware import INSTALL_TORCH, missing_for_torch
from .console import Console, say, standard_output_free
from .subcommand import Parser, path

#: Largest difference between torch and the exported graphs.
_BAR = 1e-4


def main(arguments: list[str]) -> int:
    """Export a model.

    Args:
        arguments: without ``export``.

    Returns:
        The exit status: 0 when all is written, 1 when anything failed.

    Raises:
        OSError: the folder or the weights file cannot be used.
    """
    parser = Parser("export", "Write the model as ONNX files, with a README that shows how to run them.")
    parser.add_argument("FOLDER", type=path, help="a new folder")
    parser.add_argument("--model", default="mobile", metavar="NAME", help="default: mobile")
    parser.add_argument("--weights", type=path, metavar="FILE", help="your own weights of that model")
    parser.add_argument("--half", action="store_true", help="files of half the size: weights as float16")
    parser.add_argument("--check", action="store_true", help="compare the files with PyTorch; needs onnxruntime")
    given = parser.parse_args(arguments)
    if given.weights and (trouble := trouble_with(given.weights)):
        parser.error(f"--weights {given.weights} {trouble}")
    with standard_output_free() as out:
        return _export(given.FOLDER, given.model, given.weights, given.half, given.check, Console(out, quiet=False))


def _export(folder: Path, model: str, own: Path | None, half: bool, check: bool, console: Console) -> int:
    if missing := missing_for_torch():
        say(f"p3m: error: exporting needs the package {missing}: {INSTALL_TORCH}")
        return 1
    # Torch takes seconds to load: only once the options are right.
    from ..p3m.onnx.export import export, import_packages, largest_differences, load_network, refuse_occupied

    try:
        refuse_occupied(folder)
        import_packages("onnx", *(["onnxruntime"] if check else []))
        network, weights = load_network(model, own)
        export(network, folder, weights, half, model)
    except (ValueError, RuntimeError) as error:
        say(f"p3m: error: {error}")
        return 1
    for file in sorted(folder.iterdir()):
        console.name(file)
    if not check:
        return 0
    differences = largest_differences(network, folder)
    largest = max(differences.values())
    each = ", ".join(f"{name} {difference:.1e}" for name, difference in differences.items())
    say(f"largest difference to PyTorch {largest:.1e}, allowed {_BAR:.0e} ({each})")
    return 0 if largest <= _BAR else 1
