"""Run the bundled network with ONNX Runtime, without PyTorch."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import strips
from ..checkpoints import places
from ..checkpoints.content import read_content
from ..errors import MissingPackageError, WeightsError
from ..model.channels import FOREGROUND, UNKNOWN
from ..model.kernels.windows import Window, cut, widen_both, windows, within_both
from ..model.registry import Variant
from .hardware import INSTALL_TORCH

# Unless this is set when it loads, ONNX Runtime (1.29 and newer) sends data on its use to its maker, and keeps a number
# of the computer in the user's cache.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

#: The graphs: the global pass; the local pass down to a quarter of its size; its two finest levels, in windows.
PARTS = ("global", "coarse", "tail")
#: Windows of the tail lie on multiples of this, in pixels of the local pass: its coarsest map has a quarter of its
#: size.
WINDOW_STRIDE = 4
#: Pixels around a window that the tail needs. Its layers reach 3 pixels at the local pass's size, 5 at half that size
#: and 1 at a quarter: 17 pixels in all, or 20 as a multiple of 4.
WINDOW_MARGIN = 20
#: Pixels of a strip that is cut into windows. Taller windows repeat fewer borders, but take more memory.
_CUT = 2**16

_NEEDS_TORCH = f"needs PyTorch ({INSTALL_TORCH})"
_INSTALL = 'pip install "onnxruntime>=1.20,<2"'

#: Name of each device -> the execution provider of ONNX Runtime, and the package that brings it.
PROVIDERS = {
    "cpu": ("CPUExecutionProvider", "onnxruntime"),
    "cuda": ("CUDAExecutionProvider", "onnxruntime-gpu"),
    "coreml": ("CoreMLExecutionProvider", "onnxruntime"),
    "directml": ("DmlExecutionProvider", "onnxruntime-directml"),
    "openvino": ("OpenVINOExecutionProvider", "onnxruntime-openvino"),
}


class OnnxNetwork:
    """The bundled network in ONNX Runtime; see :class:`~.procedures.Network`. It computes in float32.

    Args:
        variant: the network's entry in the registry; it must have a bundled weights file.
        device: "auto", which is the CPU, or one of :data:`PROVIDERS`.
        weights: the weights file, laid out as the bundled one.
        precision: "auto" or "float32".

    Attributes:
        device: the device in use, one of :data:`PROVIDERS`.
        precision: "float32".
        weights: the weights file.

    Raises:
        ValueError: the variant has no graphs, or the device or the precision is not to be had.
        FileNotFoundError, WeightsError: the weights cannot be used.
        MissingPackageError: onnxruntime is not installed.
    """

    precision = "float32"

    def __init__(self, variant: Variant, device: str, weights: Path, precision: str) -> None:
        if variant.bundled_file is None:
            raise ValueError(f"ONNX Runtime runs only the bundled model: {variant.name} {_NEEDS_TORCH}")
        if precision not in ("auto", "float32"):
            raise ValueError(f"ONNX Runtime computes in float32: precision {precision!r} {_NEEDS_TORCH}")
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingPackageError(f"ONNX Runtime is not installed: {_INSTALL}") from error
        self.device = _choose_device(device, onnxruntime.get_available_providers())
        self.weights = weights
        content, _ = read_content(weights)
        if not is_laid_out_as_bundled(weights, variant.bundled_file):
            raise WeightsError(
                f"weights file {weights} has other tensors than the bundled one, and ONNX Runtime cannot use it: take "
                f"runtime torch ({INSTALL_TORCH})"
            )
        provider, _ = PROVIDERS[self.device]
        self._sessions = {}
        for part in PARTS:
            options = onnxruntime.SessionOptions()
            # OMP_NUM_THREADS limits PyTorch, too; 0 takes all cores.
            options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "").partition(",")[0] or 0)
            # Threads of one session that spin while they wait would slow down the others.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            # The arena keeps what the largest photo took.
            options.enable_cpu_mem_arena = False
            graph = graph_file(variant.bundled_file, part).read_bytes()
            values = {
                name: onnxruntime.OrtValue.ortvalue_from_numpy(x) for name, x in _initializers(graph, content).items()
            }
            options.add_external_initializers(list(values), list(values.values()))
            self._sessions[part] = onnxruntime.InferenceSession(graph, options, providers=[provider])

    def segment(self, x: np.ndarray) -> np.ndarray:
        """Compute the logits."""
        return self._run("global", x)[0]

    def local_alpha(self, x: np.ndarray, wanted: np.ndarray | None = None) -> np.ndarray:
        """Compute the local alpha, in windows around the wanted places."""
        maps = self._run("coarse", x)
        n, _, height, width = x.shape
        alpha = np.zeros((n, 1, height, width), np.float32)
        for window in windows(strips(height, width, _CUT, WINDOW_STRIDE), width, wanted):
            seen = widen_both(window, WINDOW_MARGIN, height, width)
            parts = (cut(each, _shrunk(seen, height // each.shape[2])) for each in maps)
            found = self._run("tail", *parts)[0]
            cut(alpha, window)[...] = cut(found, within_both(window, seen))
        return alpha

    def fused_alpha(self, x: np.ndarray) -> np.ndarray:
        """Compute the fused alpha."""
        logits = self.segment(x)
        classes = logits.argmax(1)
        unknown = classes == UNKNOWN
        alpha = np.where(unknown, self.local_alpha(x, unknown)[:, 0], (classes == FOREGROUND).astype(np.float32))
        # Where a logit is not finite, the largest one means nothing.
        return np.where(np.isfinite(logits).all(1), alpha, np.float32("nan"))[:, None]

    def _run(self, part: str, *inputs: np.ndarray) -> list[np.ndarray]:
        session: Any = self._sessions[part]
        names = (given.name for given in session.get_inputs())
        return session.run(None, {name: np.ascontiguousarray(x) for name, x in zip(names, inputs, strict=True)})


def graph_file(weights_name: str, part: str) -> Path:
    """Return the path of a bundled graph, beside the bundled weights file, from which it reads its weights."""
    return places.BUNDLED / f"{Path(weights_name).stem}_{part}.onnx"


def is_laid_out_as_bundled(weights: Path, bundled_file: str) -> bool:
    """Tell whether a weights file has the names, shapes, dtypes and offsets of the bundled one.

    Raises:
        OSError: a file cannot be read.
    """
    bundled = places.BUNDLED / bundled_file
    with bundled.open("rb") as file, weights.open("rb") as other:
        size = file.read(8)
        header = size + file.read(int.from_bytes(size, "little"))
        return other.read(len(header)) == header and weights.stat().st_size == bundled.stat().st_size


def _initializers(graph: bytes, content: bytes) -> dict[str, np.ndarray]:
    """Return the tensors of a weights file that a graph uses, by their names in it."""
    start = 8 + int.from_bytes(content[:8], "little")
    found = {}
    for key, tensor in json.loads(content[8:start]).items():
        dtype = {"F16": np.float16, "F32": np.float32}.get(tensor.get("dtype"))
        if dtype is None:
            continue
        name = f"network.{key}" + ("_half" if dtype == np.float16 else "")
        # In an ONNX file a tensor's name is field 8 of its message, a string with its length before it.
        if bytes([0x42, len(name)]) + name.encode() in graph:
            first, last = tensor["data_offsets"]
            x = np.frombuffer(content[start + first : start + last], dtype)
            found[name] = x.reshape(tensor["shape"])
    return found


def _shrunk(window: Window, by: int) -> Window:
    """Return the same window in a map that is smaller by a factor."""
    rows, columns = (slice(part.start // by, part.stop // by) for part in window)
    return rows, columns


def _choose_device(device: str, offered: list[str]) -> str:
    """Return the name of a device in :data:`PROVIDERS`, or raise a ValueError that says why it is not to be had."""
    if device == "auto":
        return "cpu"
    if device not in PROVIDERS:
        raise ValueError(
            f"unknown device {device!r}: ONNX Runtime has {', '.join(PROVIDERS)}; others need PyTorch ({INSTALL_TORCH})"
        )
    provider, package = PROVIDERS[device]
    if provider not in offered:
        raise ValueError(
            f"device {device!r} needs an ONNX Runtime that offers {provider} (package {package}); this "
            f"one offers {', '.join(offered)}"
        )
    return device
