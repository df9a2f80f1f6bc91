"""Run ``p3m check-weights FILE``, which tells what a weights file is and whether it can be used."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..p3m.errors import printable, shown, words_of
from ..p3m.files.paths import trouble_with
from ..p3m.inference.hardware import INSTALL_TORCH, missing_for_torch
from .console import Console, say, standard_output_free
from .subcommand import Parser, path

if TYPE_CHECKING:
    from torch import Tensor

    from ..p3m.checkpoints.weights import Checkpoint
    from ..p3m.model.registry import Variant

#: Most differences to print.
_SHOWN = 10


def main(arguments: list[str]) -> int:
    """Check a weights file.

    Args:
        arguments: without ``check-weights``.

    Returns:
        The exit status: 0 when the file can be used, 1 when it cannot.
    """
    parser = Parser("check-weights", "Tell which network a weights file is for, where it is from, and whether it fits.")
    parser.add_argument("FILE", type=path, help="a published checkpoint, or weights of your own")
    file: Path = parser.parse_args(arguments).FILE
    # Torch takes seconds to load: only once there is a file.
    if trouble := trouble_with(file):
        say(f"p3m: error: weights file {shown(file)} {trouble}")
        return 1
    if missing := missing_for_torch():
        say(f"p3m: error: checking weights needs the package {missing}: {INSTALL_TORCH}")
        return 1
    with standard_output_free() as out:
        return _check(file, Console(out, quiet=False))


def _check(file: Path, console: Console) -> int:
    from ..p3m.checkpoints.weights import differences, read_checkpoint
    from ..p3m.model.registry import get_variant

    try:
        checkpoint = read_checkpoint(file)
    except (OSError, ValueError, RuntimeError) as error:
        say(f"p3m: error: {printable(words_of(error) if isinstance(error, OSError) else error)}")
        return 1
    networks = _networks()
    shares = {name: _share(wanted, checkpoint.tensors) for name, wanted in networks.items()}
    name = max(shares, key=shares.__getitem__)
    problems = differences(networks[name], checkpoint.tensors)
    if shares[name]:
        console.name(f"network: {f'none; the closest is {name}' if problems else name}")
    else:
        console.name(f"network: none of {', '.join(networks)}")
    console.name(f"SHA-256: {checkpoint.sha256}")
    console.name(f"layout:  {checkpoint.layout}")
    if not shares[name]:
        return 1
    console.name(f"origin:  {_origin(get_variant(name), checkpoint)}")
    if not problems:
        console.name(f"usable:  yes, as --model-weight-file with --model {name}")
        return 0
    console.name(f"usable:  no; differences to {name}: {len(problems)}")
    for problem in problems[:_SHOWN]:
        console.name(f"  {problem}")
    if len(problems) > _SHOWN:
        console.name(f"  ... and {len(problems) - _SHOWN} more")
    return 1


def _networks() -> "dict[str, dict[str, Tensor]]":
    """Return the state_dict of each network, without values."""
    import torch

    from ..p3m.model.registry import create_model, list_models

    with torch.device("meta"):
        return {name: create_model(name).state_dict() for name in list_models()}


def _share(wanted: "dict[str, Tensor]", tensors: "dict[str, Tensor]") -> float:
    """Return the share of a network's tensors that are there in their shape."""
    return sum(name in tensors and tensors[name].shape == tensor.shape for name, tensor in wanted.items()) / len(wanted)


def _origin(variant: "Variant", checkpoint: "Checkpoint") -> str:
    """Tell whether a file is the bundled or the published one of a network."""
    if variant.bundled_file is not None:
        return f"{'' if checkpoint.sha256 == variant.bundled_sha256 else 'not '}the bundled file"
    if checkpoint.layout != variant.published_layout:
        return "not the published file: its layout differs"
    if variant.published_sha256 is None:
        return "it has the layout of the published file, whose SHA-256 is not known here"
    if checkpoint.sha256 == variant.published_sha256:
        return "the published file"
    return "not the published file, but it has the same layout"
