"""Draw a contact sheet of training samples, to look at what a configuration makes: picture, matte, trimap.

``python -m training.contact_sheet --data DIR --config training/mobile.toml --part mattes --output sheet.png``
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from infer_p3m_portrait_matting.p3m.files.encode import encode_png
from infer_p3m_portrait_matting.p3m.files.write import write_whole

from .augment import Batch, Sampler
from .config import Config
from .gallery import load_gallery
from .source import step_data


def contact_sheet(batch: Batch, columns: int = 3) -> np.ndarray:
    """Lay samples out in rows, each as its picture, matte and trimap side by side.

    Args:
        batch: N samples.
        columns: samples in a row.

    Returns:
        uint8 [H, W, 3] RGB.
    """
    maps = batch.image, batch.alpha.expand(-1, 3, -1, -1), (batch.trimap.unsqueeze(1) / 2).expand(-1, 3, -1, -1)
    tiles = torch.cat(maps, 3).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu()
    blank = torch.zeros_like(tiles[:1])
    tiles = torch.cat([tiles, blank.expand(-len(tiles) % columns, -1, -1, -1)])
    rows = [torch.cat(list(row), 1) for row in tiles.split(columns)]
    return torch.cat(rows).numpy()


def first_step(config: Config, part: str) -> int | None:
    """Return the first step (from 0) that sees ``part``, "views" or "mattes"; None if no step does."""
    start = 0
    for stage in config.stages:
        if getattr(stage, part) is not None:
            return start
        start += stage.steps
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and backgrounds/, or a pack")
    parser.add_argument("--config", type=Path, default=Path(__file__).with_name("mobile.toml"))
    parser.add_argument("--step", type=int, help="which step's samples to draw (default: the first that has any)")
    parser.add_argument("--part", choices=("views", "mattes"), default="mattes")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--output", type=Path, default=Path("samples.png"))
    args = parser.parse_args()

    config = Config.read(args.config)
    step = first_step(config, args.part) if args.step is None else args.step
    if step is None or step >= config.steps or getattr(config.stage_at(step)[0], args.part) is None:
        parser.error(f"{args.config} has no {args.part}" + ("" if args.step is None else f" at step {step}"))
    sampler = Sampler(*load_gallery(args.data, torch.device(args.device)))
    batch = getattr(step_data(config, sampler, step), args.part)
    write_whole(args.output, encode_png(contact_sheet(batch)))


if __name__ == "__main__":
    main()
