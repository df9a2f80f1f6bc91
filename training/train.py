"""Train a variant of P3M-Net (``python -m training.train --help``). A stopped training resumes."""

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch

from infer_p3m_portrait_matting.p3m import save_weights
from infer_p3m_portrait_matting.p3m.files.write import write_whole

from .augment import Sampler
from .config import Config
from .gallery import load_gallery
from .source import Source, prefetch
from .trainer import Shown, Trainer

#: Seconds between two lines about the steps.
SHOW_EVERY = 10

#: Name of the file, in the folder of a training, from which it resumes.
CHECKPOINT = "last.pt"


def measure(trainer: Trainer, sampler: Sampler, steps: int = 12) -> float:
    """Estimate the seconds that all steps take, from some of each stage; do not use the trainer afterwards.

    Args:
        trainer: takes the steps.
        sampler: what draws their samples.
        steps: least number of steps of each stage to time. The same number comes before and does not count, because the
            first steps prepare kernels and fill the queue.
    """
    config, device, total = trainer.config, trainer.device, 0.0
    period = 2 * config.echo or 1
    timed = -(-steps // period) * period  # new batches and echoes in their true proportion
    first = 0
    for stage in config.stages:
        unused = min(steps, stage.steps - 1)
        last = min(unused + timed, stage.steps)
        trainer.step, begun = first, 0.0
        # The data of later steps is being made meanwhile, as in a training.
        steps_of_stage = prefetch(Source(config, sampler), first, first + stage.steps, device)
        for done in range(last):
            if done == unused:
                _wait_for(device)
                begun = time.monotonic()
            trainer.train_step(next(steps_of_stage))
        _wait_for(device)
        total += stage.steps * (time.monotonic() - begun) / (last - unused)
        steps_of_stage.close()
        first += stage.steps
    return total


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def fitted(config: Config, plan: Path, minutes: float, seconds: Callable[[], float], started: float) -> Config:
    """Scale a training so that it ends after a number of minutes, and write the factor to a file.

    Args:
        config: the training at its own length.
        plan: the file.
        minutes: how long everything may take from ``started`` on.
        seconds: measures how long the steps take.
        started: when the program began, by the monotonic clock.

    Raises:
        ValueError: measuring alone took that long.
    """
    print("measuring how long the steps of every stage take", flush=True)
    all_steps = seconds()
    left = 60 * minutes - (time.monotonic() - started)
    if left <= 0:
        raise ValueError(
            f"--fit {minutes:g} is too short: reading and measuring alone took {minutes - left / 60:.1f} minutes"
        )
    write_whole(plan, str(left / all_steps).encode())
    print(f"{all_steps / 60:.1f} minutes for all steps, scaled to {left / 60:.1f}", flush=True)
    return config.scaled(left / all_steps)


def train(trainer: Trainer, sampler: Sampler, out: Path, stop_at: float, save_every: float) -> None:
    """Take the steps that are left, and save the trainer and its averaged weights now and then, and at the end.

    Args:
        trainer: takes the steps.
        sampler: what draws their samples.
        out: folder of checkpoint and weights.
        stop_at: time to stop at, by the monotonic clock.
        save_every: seconds between two savings.

    Raises:
        FloatingPointError: a gradient is not finite; what was saved last is whole.
    """
    config, device = trainer.config, trainer.device

    def save_weights_file() -> None:
        save_weights(trainer.averaged(), out / f"p3m_{config.model}.safetensors")

    if trainer.step >= config.steps:
        save_weights_file()  # a kill may have come between the checkpoint and this file
    saved, shown = time.monotonic(), time.monotonic()
    sums, count, samples = torch.zeros(len(Shown._fields), device=device), 0, 0
    for data in prefetch(Source(config, sampler), trainer.step, config.steps, device):
        sums, count = sums + torch.stack(trainer.train_step(data)), count + 1
        samples += sum(len(batch.image) for batch in data if batch is not None)
        if time.monotonic() - shown > SHOW_EVERY or trainer.step == config.steps:
            means = " ".join(f"{n} {v:.4f}" for n, v in zip(Shown._fields, (sums / count).tolist(), strict=True))
            print(f"step {trainer.step} {means} {samples / (time.monotonic() - shown):.1f} samples/s", flush=True)
            sums, count, samples, shown = torch.zeros_like(sums), 0, 0, time.monotonic()
        stop = time.monotonic() > stop_at or trainer.step == config.steps
        if stop or time.monotonic() - saved > save_every:
            trainer.save(out / CHECKPOINT)
            save_weights_file()
            saved = time.monotonic()
        if stop:
            break
    print(f"at step {trainer.step} of {config.steps}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with train/ and, if at hand, backgrounds/; photos or a pack"
    )
    parser.add_argument("--long-side", type=int, help="shrink all pictures to this many pixels, to hold them in memory")
    parser.add_argument("--config", type=Path, default=Path(__file__).with_name("mobile.toml"))
    parser.add_argument("--out", type=Path, default=Path("runs/mobile"), help="folder of checkpoints and weights")
    parser.add_argument("--start", type=Path, help="weights file to start from, instead of ImageNet's")
    parser.add_argument("--new-encoder", action="store_true", help="ImageNet's encoder under the decoders of --start")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop (resumable) after so many minutes")
    parser.add_argument(
        "--fit", type=float, help="lengthen or shorten all stages so that they end after so many minutes"
    )
    parser.add_argument("--save-every", type=float, default=3, help="minutes between checkpoints")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--bfloat16", action=argparse.BooleanOptionalAction, help="autocast (default: on a GPU)")
    args = parser.parse_args()

    started = time.monotonic()
    config, device = Config.read(args.config), torch.device(args.device)
    if args.new_encoder and config.model != "mobile":
        parser.error(f"--new-encoder has ImageNet weights for mobile alone, not for {config.model}")
    checkpoint, plan = args.out / CHECKPOINT, args.out / "scale.txt"
    if args.fit and checkpoint.exists() and not plan.exists():
        parser.error(f"--fit counts for a new training only, and {checkpoint} is of one that has begun")
    try:
        sampler = Sampler(*load_gallery(args.data, device, args.long_side))
    except (OSError, ValueError) as error:
        parser.exit(1, f"error: {error}\n")
    args.out.mkdir(parents=True, exist_ok=True)
    print(f"{len(sampler.portraits)} portraits, {args.device}, {time.monotonic() - started:.0f} s", flush=True)

    def trainer_of(config: Config) -> Trainer:
        return Trainer(config, device, args.start, args.new_encoder, args.bfloat16)

    if plan.exists():
        print(
            f"all stages are scaled as {plan} says, which an earlier --fit wrote: remove it to change that", flush=True
        )
        config = config.scaled(float(plan.read_text()))
    elif args.fit:
        try:
            config = fitted(config, plan, args.fit, lambda: measure(trainer_of(config), sampler), started)
        except ValueError as error:
            parser.error(str(error))
    trainer = trainer_of(config)
    if checkpoint.exists():
        trainer.load(checkpoint)
        print(f"resumed {checkpoint} at step {trainer.step} of {config.steps}", flush=True)
        if args.start or args.new_encoder:
            print("--start and --new-encoder count for a new training only: name another --out folder", flush=True)
    try:
        train(trainer, sampler, args.out, started + 60 * args.minutes, 60 * args.save_every)
    except FloatingPointError as error:
        parser.exit(1, f"error: {error}; {args.out} keeps what was saved last\n")


if __name__ == "__main__":
    main()
