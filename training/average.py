"""Average the weights of two trainings that began alike (Wortsman et al. 2022, "Model soups", section 2).

Run ``python -m training.average FIRST SECOND --share 0.5 --output FILE``. ``training.validate`` measures the result.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from infer_p3m_portrait_matting.p3m.files.write import write_whole


def average(first: dict[str, Tensor], second: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Average two sets of tensors, each tensor in float32 and back in its own number format.

    Args:
        first: name -> tensor.
        second: the same names, with tensors of the same shapes.
        share: of the second, in [0, 1].

    Raises:
        ValueError: the names or the shapes differ, or the share is out of range.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie in [0, 1], got {share}")
    different = sorted(
        name
        for name in first.keys() | second.keys()
        if name not in first or name not in second or first[name].shape != second[name].shape
    )
    if different:
        raise ValueError(f"these are different networks: {len(different)} tensors differ, {different[0]} first")
    return {
        name: torch.lerp(tensor.float(), second[name].float(), share).to(tensor.dtype)
        if tensor.is_floating_point()
        else second[name]
        for name, tensor in first.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path, help="a .safetensors file")
    parser.add_argument("second", type=Path, help="another, of the same network")
    parser.add_argument("--share", type=float, default=0.5, help="of the second file, 0 to 1 (default 0.5)")
    parser.add_argument("--output", type=Path, required=True, help="the .safetensors file to write")
    args = parser.parse_args()
    write_whole(args.output, save(average(load_file(args.first), load_file(args.second), args.share)))


if __name__ == "__main__":
    main()
