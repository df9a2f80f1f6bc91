"""The graphs of the bundled model without weights: they read them out of the bundled weights file, by its offsets.

PyTorch and ONNX Runtime thus share one file. New weights need no new graphs, as long as names, shapes and dtypes stay.
"""

import json
from pathlib import Path

from ..inference.onnx_network import PARTS, graph_file
from .export import halve, import_packages, load_network, traced


def graphs(model_name: str = "mobile") -> dict[Path, bytes]:
    """Make the graphs of a bundled model; ``python tools/pin_weights.py`` writes them.

    Returns:
        Path of each graph in the package -> its content.

    Raises:
        MissingPackageError: the package onnx is not installed.
    """
    (onnx,) = import_packages("onnx")
    network, weights = load_network(model_name)
    content = weights.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    tensors = json.loads(content[8:start])
    made = {}
    for part, model in traced(network, *PARTS):
        # As in the weights file: all but vectors in half precision.
        halve(model)
        for tensor in model.graph.initializer:
            first, last = tensors[tensor.name.removeprefix("network.").removesuffix("_half")]["data_offsets"]
            assert content[start + first : start + last] == tensor.raw_data, f"{tensor.name} is not in {weights}"
            onnx.external_data_helper.set_external_data(tensor, weights.name, start + first, last - first)
            tensor.ClearField("raw_data")
        made[graph_file(weights.name, part)] = model.SerializeToString(deterministic=True)
    return made
