"""Translate tensor names of the checkpoints published with the two P3M papers into ours."""

import hashlib
import re
from os import PathLike

import torch
from torch import Tensor

from ..errors import WeightsError

#: Published key -> our key: each rule that matches the whole key is applied, in this order.
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

#: Tensors in the file that the network does not use: classifier heads, and a LayerNorm that no forward pass calls.
_UNUSED = (r"encoder\.fc\..*", r"encoder\.head\..*", r"encoder\.stages\.\d+\.cells\.\d+\.attn\.norm1\..*")


def rename_published_key(key: str) -> str | None:
    """Translate one key of a published state_dict.

    Args:
        key: the published name, with or without a leading ``module.``.

    Returns:
        Our name for the tensor, or None if the tensor is known to be unused.
    """
    key = key.removeprefix("module.")
    for pattern, replacement in _RENAMES:
        key = re.sub(rf"^{pattern}$", replacement, key)
    return None if any(re.fullmatch(pattern, key) for pattern in _UNUSED) else key


def rename_published(published: dict[str, Tensor], path: str | PathLike[str]) -> dict[str, Tensor]:
    """Translate a published state_dict and leave out the tensors that are known to be unused.

    Args:
        published: the state_dict, tensors of any shape and dtype, with or without a ``module.`` prefix on its keys.
        path: the file of the state_dict, for the message.

    Returns:
        The same tensors (not copies) under our names.

    Raises:
        WeightsError: two keys name the same tensor, and their values differ.
    """
    ours: dict[str, Tensor] = {}
    for key, tensor in published.items():
        name = rename_published_key(key)
        if name is None:
            continue
        if name in ours and not torch.equal(ours[name], tensor):
            raise WeightsError(f"weights file {path} holds {name} twice, and the two differ (the second as {key})")
        ours[name] = tensor
    return ours


def layout_digest(tensors: dict[str, Tensor]) -> str:
    """Compute the SHA-256 of the names, shapes and dtypes in a state_dict.

    The values, a ``module.`` prefix and the order of the keys do not change the digest.

    Args:
        tensors: the state_dict, tensors of any shape and dtype.

    Returns:
        64 hexadecimal digits in lower case.
    """
    lines = sorted(
        f"{key.removeprefix('module.')} {list(value.shape)} {str(value.dtype).removeprefix('torch.')}"
        for key, value in tensors.items()
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
