"""Write a network as ONNX files, with everything that another program needs to use them."""

import hashlib
import io
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..checkpoints.places import expected_weights, find_weights
from ..checkpoints.weights import fill, read_weights
from ..errors import MissingPackageError, shown
from ..files.write import Unfinished
from ..inference.onnx_network import WINDOW_MARGIN, WINDOW_STRIDE
from ..inference.pass_sizes import MIN_SIDE
from ..model.channels import IMAGENET_MEAN, IMAGENET_STD, STRIDE
from ..model.network import P3MNet
from ..model.registry import create_model, get_variant
from ..version import __version__
from .graphs import GRAPHS, Graph

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onnx import ModelProto

#: Version of the ONNX operators; every runtime of the last years supports it.
OPSET = 17
#: The file that holds the weights; the other graphs read their weights from it.
WHOLE = "matte"
ABOUT = "model.json"
#: From this many bytes on, a tensor is read from the whole graph's file instead of being stored again.
_WORTH_SHARING = 1024
#: Sizes of the pictures of :func:`largest_differences`, in pixels; several, to test that the graphs take any size.
_SIZES = ((96, 160), (256, 192), (320, 448))
#: Logits of two classes that are closer may change their order.
_TIE = 1e-3
_INSTALL = 'pip install "onnx>=1.17,<2"'
_BESIDE = Path(__file__).with_name("exported.md")
_LICENCE = Path(__file__).resolve().parents[2] / "LICENSE"


def load_network(model_name: str = "mobile", weights: Path | None = None) -> tuple[P3MNet, Path]:
    """Build a network that can be exported, with its weights.

    Args:
        model_name: a model without pooling indices: "mobile", in any case.
        weights: a weights file, or None for the bundled one.

    Returns:
        The network in evaluation mode, and the weights file.

    Raises:
        ValueError: the model is unknown, or its graph cannot be exported.
        FileNotFoundError, WeightsError: as :func:`~..checkpoints.weights.load_weights`.
    """
    variant = get_variant(model_name)
    if variant.bundled_file is None:
        raise ValueError(
            f"{variant.name} cannot be exported: its decoder puts values where the encoder's pools found their maxima, "
            "which the graphs do not do; choose mobile"
        )
    path = weights or find_weights(variant.name) or expected_weights(variant.name)
    network = create_model(variant)
    with torch.no_grad():
        fill(network, read_weights(path), path)
    return network.eval(), path


def import_packages(*names: str) -> list[Any]:
    """Import the packages that exporting or checking needs.

    Raises:
        MissingPackageError: one is not installed; the message has the command to install it.
    """
    from importlib import import_module

    try:
        return [import_module(name) for name in names]
    except ImportError as error:
        raise MissingPackageError(f"exporting needs the package {error.name}: {_INSTALL}") from error


def export(network: P3MNet, folder: Path, weights: Path, half: bool = False, model_name: str = "mobile") -> None:
    """Write all graphs of a network, ``model.json``, ``README.md`` and ``LICENSE`` into a new folder, or nothing.

    Args:
        network: a network of :func:`load_network`; it stays as it is.
        folder: the new folder; nothing of that name may exist, except an empty folder.
        weights: the weights file, for ``model.json``.
        half: whether the files hold the weights in half precision. Every runtime computes in float32 all the same. The
            bundled weights are stored in half precision, too, so they lose nothing.
        model_name: name of the model, for ``model.json``.

    Raises:
        MissingPackageError: the package onnx is not installed.
        FileExistsError: the folder has files in it, or there is a file of that name.
        OSError: the folder cannot be written to.
    """
    import_packages("onnx")
    refuse_occupied(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    files = _graphs(network, half)
    about = describe(files, model_name, weights, half)
    files[ABOUT] = (json.dumps(about, indent=1) + "\n").encode()
    files["README.md"] = _BESIDE.read_bytes()
    files["LICENSE"] = _LICENCE.read_bytes()
    unfinished = Unfinished(folder, is_folder=True)
    try:
        for name, content in files.items():
            (unfinished.path / name).write_bytes(content)
        unfinished.take_name(replaces=True)
    finally:
        unfinished.remove()


def refuse_occupied(folder: Path) -> None:
    """Raise a FileExistsError if there is a file of that name, or a folder with files in it."""
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        raise FileExistsError(f"{shown(folder)}: there already: name a new folder")


def _graphs(network: P3MNet, half: bool) -> dict[str, bytes]:
    """Return the content of each ONNX file."""
    contents: dict[str, bytes] = {}
    for name, model in traced(network, *GRAPHS):
        if half:
            halve(model)
        if contents:
            _share(model, contents[f"{WHOLE}.onnx"])
        contents[f"{name}.onnx"] = model.SerializeToString()
    return contents


def traced(network: P3MNet, *names: str) -> "Iterator[tuple[str, ModelProto]]":
    """Trace some of :data:`~.graphs.GRAPHS`, with float32 weights.

    Raises:
        MissingPackageError: the package onnx is not installed.
    """
    image = torch.zeros(1, 3, 2 * STRIDE, 3 * STRIDE)
    with torch.no_grad():
        maps = GRAPHS["coarse"](network)(image)
    for name in names:
        yield name, _traced(GRAPHS[name](network), maps if name == "tail" else (image,))


def _traced(graph: Graph, inputs: tuple[torch.Tensor, ...]) -> "ModelProto":
    (onnx,) = import_packages("onnx")
    free = {name: {0: "n", 2: f"h_{by}", 3: f"w_{by}"} for name, by in (graph.inputs | graph.outputs).items()}
    content = io.BytesIO()
    with warnings.catch_warnings():
        # Warnings of the exporter itself, and of the check of sizes, which is not part of the graph.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            inputs,
            content,  # type: ignore[arg-type]
            # The newer exporter never finishes if the sizes are free.
            dynamo=False,
            opset_version=OPSET,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_axes=free,
            # Do not fold batch norms: runtimes do so when they load a graph, and half precision holds the unfolded
            # weights exactly, but not the folded ones.
            training=torch.onnx.TrainingMode.PRESERVE,
        )
    model = onnx.load_from_string(content.getvalue())
    onnx.checker.check_model(model)
    return model


def halve(model: "ModelProto") -> None:
    """Store all tensors except vectors in half precision, as weights files do, each followed by a cast to float32."""
    (onnx,) = import_packages("onnx")
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) > 1:
            name = tensor.name
            halved = onnx.numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(onnx.numpy_helper.from_array(halved, f"{name}_half"))
            casts.append(
                onnx.helper.make_node("Cast", [tensor.name], [name], f"{name}_cast", to=onnx.TensorProto.FLOAT)
            )
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _share(model: "ModelProto", whole: bytes) -> None:
    """Make a graph read its tensors from the file of the whole graph, which holds them uncompressed."""
    (onnx,) = import_packages("onnx")
    for tensor in model.graph.initializer:
        content = tensor.raw_data
        place = whole.find(content) if len(content) >= _WORTH_SHARING else -1
        if place < 0:
            continue
        onnx.external_data_helper.set_external_data(tensor, f"{WHOLE}.onnx", place, len(content))
        tensor.ClearField("raw_data")


def describe(files: dict[str, bytes], model_name: str, weights: Path, half: bool) -> dict[str, Any]:
    """Return the content of ``model.json``: the facts that a program needs and that the graphs do not hold.

    Args:
        files: name of each ONNX file -> its content.
        model_name: name of the model.
        weights: the weights file.
        half: whether the files hold the weights in half precision.
    """
    variant = get_variant(model_name)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    shapes = {f"{name}.onnx": (kind.inputs, kind.outputs) for name, kind in GRAPHS.items()}
    return {
        "model": variant.name,
        "version": __version__,
        "licence": "MIT" if digest == variant.bundled_sha256 else None,
        "weights": {"file": weights.name, "sha256": digest, "stored_as": "float16" if half else "float32"},
        "image": {
            "layout": "[n, 3, h, w], float32 RGB, (value / 255 - mean) / std",
            "mean": IMAGENET_MEAN,
            "std": IMAGENET_STD,
            "multiple_of": STRIDE,
        },
        "classes": ["background", "unknown", "foreground"],
        "procedure": {
            "input_size": 1024,
            "global_bound": variant.global_bound,
            "min_side": MIN_SIDE,
            "unknown_above": variant.unknown_above,
            "second_look": variant.second_look,
        },
        "windows": {"multiple_of": WINDOW_STRIDE, "margin": WINDOW_MARGIN},
        "files": {
            name: {
                "sha256": hashlib.sha256(content).hexdigest(),
                "bytes": len(content),
                "opset": OPSET,
                # The factor by which each map is smaller than the picture.
                "inputs": shapes[name][0],
                "outputs": shapes[name][1],
            }
            for name, content in files.items()
        },
    }


def largest_differences(network: P3MNet, folder: Path) -> dict[str, float]:
    """Compare exported graphs with the network that torch runs, on random pictures of several sizes.

    Args:
        network: the network.
        folder: the exported files.

    Returns:
        Name of each output -> its largest absolute difference. The maps between "coarse" and "tail" are not compared
        themselves, but by the local alpha that "tail" computes from them.

    Raises:
        MissingPackageError: the package onnxruntime is not installed.
    """
    (runtime,) = import_packages("onnxruntime")
    sessions = {
        name: runtime.InferenceSession(str(folder / f"{name}.onnx"), providers=["CPUExecutionProvider"])
        for name in GRAPHS
    }
    rng = np.random.default_rng(0)
    found: dict[str, float] = {}
    for height, width in _SIZES:
        image = rng.standard_normal((1, 3, height, width), dtype=np.float32)
        maps = sessions["coarse"].run(None, {"image": image})
        computed = {
            "logits": sessions["global"].run(None, {"image": image})[0],
            "local_alpha": sessions["tail"].run(None, dict(zip(GRAPHS["tail"].inputs, maps, strict=True)))[0],
            "alpha": sessions[WHOLE].run(None, {"image": image})[0],
        }
        with torch.no_grad():
            expected = network(torch.from_numpy(image))
        second, first = np.sort(expected.logits.numpy(), axis=1)[:, 1:].transpose(1, 0, 2, 3)
        # Where two classes are equally likely, rounding chooses one.
        computed["alpha"] = np.where((first - second < _TIE)[:, None], expected.alpha.numpy(), computed["alpha"])
        for name, value in computed.items():
            difference = np.abs(value - getattr(expected, name).numpy()).max()
            found[name] = max(found.get(name, 0.0), float(difference))
    return found
