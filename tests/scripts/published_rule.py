"""Checkpoints of the published layout, filled by the rule behind the golden numbers.

The rule: a tensor's values are drawn from a generator seeded by the CRC-32 of its key (for an alias, of the key it
stands for), so that the files in ``golden/`` need not hold 39 million weights.
"""

import json
import math
import zlib
from pathlib import Path

import numpy as np
import torch

GOLDEN = Path(__file__).parents[1] / "golden"
GAIN = {"resnet34": 1.0, "vitae-s": 1.5}


def keys(variant: str) -> dict:
    """Names, shapes, dtypes and aliases of the published state_dict."""
    return json.loads((GOLDEN / f"{variant}_keys.json").read_text())


def state_dict(variant: str) -> dict[str, torch.Tensor]:
    """The published state_dict's keys with the rule's values."""
    table = keys(variant)
    tensors: dict[str, torch.Tensor] = {}
    for key, (shape, _) in table["tensors"].items():
        name = table["aliases"].get(key, key)
        tensors[key] = tensors[name] if name in tensors else _tensor(name, shape, GAIN[variant])
    return tensors


def save(variant: str, path: Path, prefix: str = "") -> Path:
    """Write a checkpoint as published: ``{"state_dict": ...}``."""
    torch.save({"state_dict": {prefix + key: value for key, value in state_dict(variant).items()}}, path)
    return path


def use_golden_features(model: torch.nn.Module, arrays: dict[str, np.ndarray]) -> None:
    """Give a "vitae-s" the Performer features that its golden numbers were made with; others stay."""
    for name, values in arrays.items():
        if name.startswith("extra/"):
            cell = int(name.split(".NC.")[1].split(".")[0])
            model.encoder.stages[0].cells[cell].attn.w.copy_(torch.from_numpy(values))


def _tensor(name: str, shape: list[int], gain: float) -> torch.Tensor:
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return torch.zeros((), dtype=torch.int64)
    n = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
    if leaf == "running_mean":
        n = 0.1 * n
    elif leaf == "running_var":
        n = 1 + 0.1 * np.abs(n)
    elif len(shape) >= 2:
        n = n * np.float32(math.sqrt(gain / math.prod(shape[1:])))
    elif leaf == "weight":
        n = 1 + 0.1 * n
    else:
        n = 0.1 * n
    return torch.from_numpy(np.asarray(n, dtype=np.float32))
