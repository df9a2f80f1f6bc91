"""Reading the checkpoints published with the two P3M papers into our networks, strictly."""

import hashlib
import re
from os import PathLike
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor

from .errors import WeightsError
from .network import P3MNet

#: Published key -> our key: every rule that matches the whole key is applied, in this order.
_RENAMES = (
    # ResNet-34 follows torchvision's names; its layers appear a second time, under encoder0 to encoder4.
    (r"resnet\.(.*)", r"encoder.\1"),
    (r"encoder0\.0\.(.*)", r"encoder.conv1.\1"),
    (r"encoder0\.1\.(.*)", r"encoder.bn1.\1"),
    (r"encoder1\.0\.(.*)", r"encoder.layer1.\1"),
    (r"encoder([2-4])\.(.*)", r"encoder.layer\1.\2"),
    (r"encoder\.layers\.(\d+)\.RC\.(.*)", r"encoder.stages.\1.reduction.\2"),
    (r"encoder\.layers\.(\d+)\.NC\.(.*)", r"encoder.stages.\1.cells.\2"),
    (r"(encoder\.stages\.\d+\.cells\.\d+)\.PCM\.(.*)", r"\1.pcm.\2"),
    (r"decoder\.(.*)", r"\1"),
    (r"decoder([0-4])_g\.(.*)", r"segmentation.d\1.\2"),
    # The third convolution of decoder block 0 has no BN and no ReLU: it starts our segmentation head.
    (r"segmentation\.d0\.6\.(.*)", r"segmentation.head.0.\1"),
    (r"decoder_final_g\.(.*)", r"segmentation.head.1.\1"),
    (r"decoder([0-4])_l\.(.*)", r"matting.d\1.\2"),
    (r"decoder_final_l\.(.*)", r"matting.head.0.\1"),
    (r"(tfi_\d|sbfi_\d)\.(.*)", r"matting.\1.\2"),
    (r"(dbfi_\d)\.(.*)", r"segmentation.\1.\2"),
)

#: Known and unused: classifier heads, and a LayerNorm that no forward pass calls.
_UNUSED = (r"encoder\.fc\..*", r"encoder\.head\..*", r"encoder\.stages\.\d+\.cells\.\d+\.attn\.norm1\..*")


def rename_published_key(key: str) -> str | None:
    """Translate one key of a published state_dict.

    Args:
        key: the published name, with or without a leading ``module.``.

    Returns:
        Our name of the same tensor, or None for a tensor that is known to be unused.
    """
    key = key.removeprefix("module.")
    for pattern, replacement in _RENAMES:
        key = re.sub(rf"^{pattern}$", replacement, key)
    return None if any(re.fullmatch(pattern, key) for pattern in _UNUSED) else key


def read_checkpoint(path: str | PathLike[str]) -> dict[str, Tensor]:
    """Read the tensors of a PyTorch checkpoint without running any code it may hold.

    Args:
        path: a .pth file holding a state_dict, alone or under the key "state_dict".

    Returns:
        The state_dict, on the CPU, with its keys as they are in the file.

    Raises:
        FileNotFoundError: there is no such file.
        WeightsError: the file is not such a checkpoint, is truncated, or would run code when loaded.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"weights file {path} does not exist")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise WeightsError(
            f"weights file {path} is not a plain PyTorch checkpoint of tensors, and anything else is refused because "
            f"it could run code: {_first_line(error)}"
        ) from error
    except Exception as error:  # what damaged bytes make the reader raise is nowhere limited
        raise WeightsError(
            f"weights file {path} cannot be read; it may be truncated, so fetch it again: {_first_line(error)}"
        ) from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if (
        not isinstance(content, dict)
        or not content
        or not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items())
    ):
        raise WeightsError(f"weights file {path} holds no state_dict of tensors")
    return content


def _first_line(error: Exception) -> str:
    # An error may come without any text.
    return (str(error).splitlines() or [type(error).__name__])[0]


def layout_digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over the names, shapes and dtypes of a state_dict: equal for files of one layout, whatever their values.

    A ``module.`` prefix and the order of the keys do not count.
    """
    lines = sorted(
        f"{key.removeprefix('module.')} {list(value.shape)} {str(value.dtype).removeprefix('torch.')}"
        for key, value in tensors.items()
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def load_published_checkpoint(model: P3MNet, path: str | PathLike[str]) -> None:
    """Fill a network with a published checkpoint.

    Every tensor of the file must be used or known to be unused, and every tensor of the network must be filled; the
    network stays as it was otherwise. The Performer features of "vitae-s" are in no checkpoint and stay.

    Args:
        model: "resnet34" or "vitae-s" from :func:`~.registry.create_model`.
        path: the .pth file, with or without a ``module.`` prefix on its keys.

    Raises:
        FileNotFoundError: there is no such file.
        WeightsError: the file is unreadable or of another network; the message lists the difference.
    """
    fill_published(model, read_checkpoint(path), path)


def fill_published(model: P3MNet, published: dict[str, Tensor], path: str | PathLike[str]) -> None:
    """Fill a network with a published state_dict, as :func:`load_published_checkpoint` does; ``path`` is where from."""
    ours: dict[str, Tensor] = {}
    for key, tensor in published.items():
        name = rename_published_key(key)
        if name is None:
            continue
        if name in ours and not torch.equal(ours[name], tensor):
            raise WeightsError(f"weights file {path} holds {name} twice, and the two differ (the second as {key})")
        ours[name] = tensor
    fill(model, ours, path)


def fill(model: P3MNet, tensors: dict[str, Tensor], source: str | PathLike[str]) -> None:
    """Load a complete state_dict into a network, or change nothing.

    Args:
        model: the network.
        tensors: our names to tensors; floats of any precision (they are cast).
        source: where the tensors came from, for the message.

    Raises:
        WeightsError: names or shapes differ, or a value is not finite; the message lists the difference.
    """
    wanted = model.state_dict()
    problems = [f"missing {name}" for name in wanted if name not in tensors]
    problems += [f"unknown {name}" for name in tensors if name not in wanted]
    for name, tensor in tensors.items():
        if name not in wanted:
            continue
        if wanted[name].shape != tensor.shape:
            problems.append(f"{name} is {list(tensor.shape)} instead of {list(wanted[name].shape)}")
        elif wanted[name].is_floating_point() != tensor.is_floating_point():
            problems.append(f"{name} is {tensor.dtype} instead of {wanted[name].dtype}")
        elif not torch.isfinite(tensor).all():
            problems.append(f"{name} holds values that are not finite")
    if problems:
        shown = "; ".join(problems[:8]) + ("; ..." if len(problems) > 8 else "")
        raise WeightsError(f"weights file {source} does not fit this network, {len(problems)} differences: {shown}")
    model.load_state_dict(tensors)
