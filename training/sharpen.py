"""Make the local alpha of a weights file harder or softer by a gain on its logits.

A trained network hedges between strands. Choose the gain on the held-out split (``training.validate``).
"""

import argparse
from pathlib import Path

import torch

from infer_p3m_portrait_matting.p3m import P3MNet, create_model, load_weights, save_weights


@torch.no_grad()
def sharpen(model: P3MNet, gain: float) -> None:
    """Scale the logits of the local alpha, in place: alpha becomes sigmoid(gain * logit(alpha)).

    Args:
        model: any variant.
        gain: above 0; above 1 is harder, below 1 softer.

    Raises:
        ValueError: the gain is not above 0.
    """
    if not gain > 0:
        raise ValueError(f"the gain must be above 0, got {gain}")
    for parameter in model.matting.head[-1].parameters():
        parameter.mul_(gain)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="weights file to read")
    parser.add_argument("--model", default="mobile")
    parser.add_argument("--gain", type=float, required=True, help="above 1 is harder, below 1 softer")
    parser.add_argument("--output", type=Path, required=True, help="weights file to write")
    args = parser.parse_args()

    model = create_model(args.model)
    load_weights(model, args.weights)
    sharpen(model, args.gain)
    save_weights(model, args.output)


if __name__ == "__main__":
    main()
