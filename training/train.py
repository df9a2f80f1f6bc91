"""Train a variant of P3M-Net. Run ``python -m training.train --help``; stop it whenever you like: it resumes."""

import argparse
import math
import os
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, IterableDataset

from infer_p3m_portrait_matting.p3m import P3MNet, create_model, load_weights, normalize, save_weights

from .augment import Augmenter
from .losses import Losses, p3m_loss, segmentation_loss
from .portraits import Portrait, list_backgrounds, list_photos, read_backgrounds, read_portraits
from .pretrained import load_imagenet


@dataclass(frozen=True)
class Stage:
    """One stretch of training at one picture size.

    Attributes:
        size: side in pixels of the square that has the samples' area.
        batch: samples per step.
        steps: how many steps.
        cooldown: so many steps at its end lower the learning rates to 0.
        detail_weight: how much a close-up counts for the segmentation, where a whole view counts 1.
        lr: what the learning rates are multiplied by.
        distractors: share of the samples with objects on their background that are no persons.
        close_ups: share of the samples that are close-ups.
        close_up: from where to where the side of a close-up lies, as a share of the largest that fits the photo.
        semantic: share of the steps that show whole views and train encoder and segmentation decoder alone, which
            takes about two thirds of the time.
        semantic_size: ``size`` of those steps; 0 takes ``size`` itself. The global pass should meet in training the
            scales that it will see.
        semantic_batch: ``batch`` of those steps; 0 takes ``batch`` itself.
        empty: share of those steps' samples without any person.
        frozen: names of modules that stay as they are, their normalisation statistics too.
        fixed_norms: names of modules whose normalisation statistics stay, while their weights learn.
    """

    size: int
    batch: int
    steps: int
    cooldown: int = 0
    detail_weight: float = 1.0
    lr: float = 1.0
    distractors: float = 0.0
    close_ups: float = Augmenter.DETAIL
    close_up: tuple[float, float] = Augmenter.CLOSE_UP
    semantic: float = 0.0
    semantic_size: int = 0
    semantic_batch: int = 0
    empty: float = 0.0
    frozen: tuple[str, ...] = ()
    fixed_norms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Config:
    """What the TOML file says; see mobile.toml."""

    model: str
    seed: int
    encoder_lr: float
    decoder_lr: float
    weight_decay: float
    warmup: int
    ema: float
    stages: tuple[Stage, ...]

    @classmethod
    def read(cls, path: Path) -> "Config":
        """Read a TOML file; unknown and missing keys are a TypeError that names them."""
        values = tomllib.loads(path.read_text())
        stages = [{k: tuple(v) if isinstance(v, list) else v for k, v in stage.items()} for stage in values["stages"]]
        return cls(**{**values, "stages": tuple(Stage(**stage) for stage in stages)})

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> tuple[Stage, int]:
        """The stage that step (from 0) belongs to, and the step's place in it."""
        for stage in self.stages:
            if step < stage.steps:
                return stage, step
            step -= stage.steps
        raise IndexError("training is over")

    def is_semantic(self, step: int) -> bool:
        """Whether a step trains the segmentation alone: evenly spread over its stage, by the stage's share."""
        stage, place = self.stage_at(step)
        return int((place + 1) * stage.semantic) > int(place * stage.semantic)

    def lr_factor(self, step: int) -> float:
        """What the learning rates are multiplied by at a step."""
        stage, place = self.stage_at(step)
        factor = stage.lr * min(1.0, (step + 1) / self.warmup)
        if stage.cooldown:
            factor *= min(1.0, (stage.steps - place) / stage.cooldown)
        return factor


class Batches(IterableDataset):
    """Endless batches from a step on: what step k gets depends on the seed and k alone, so resuming changes nothing."""

    #: Height over width of a batch's pictures; their area stays that of the stage's square.
    ASPECTS = (1.0, 1.0, 4 / 3, 3 / 4, 3 / 2)

    def __init__(
        self, config: Config, portraits: list[Portrait], backgrounds: dict[str, list[np.ndarray]], start: int
    ) -> None:
        self.config, self.portraits, self.backgrounds, self.start = config, portraits, backgrounds, start

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        cv2.setNumThreads(1)
        worker = torch.utils.data.get_worker_info()
        first, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        for step in range(self.start + first, self.config.steps, stride):
            yield self.batch(step)

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """Image, alpha, trimap, contrast (uint8, NCHW; the trimap NHW) and weight (float32, N) of one step."""
        stage, _ = self.config.stage_at(step)
        rng = np.random.default_rng((self.config.seed, step))
        aspect = self.ASPECTS[rng.integers(len(self.ASPECTS))]
        size, count, close_ups, empty = stage.size, stage.batch, stage.close_ups, 0.0
        if self.config.is_semantic(step):
            size, count = stage.semantic_size or size, stage.semantic_batch or count
            close_ups, empty = 0.0, stage.empty
        height = 32 * round(size * math.sqrt(aspect) / 32)
        width = 32 * round(size / math.sqrt(aspect) / 32)
        augmenter = Augmenter(self.portraits, self.backgrounds, rng, stage.distractors, close_up=stage.close_up)
        samples = [augmenter.sample(height, width, close_ups, empty) for _ in range(count)]
        *maps, detail = zip(*samples, strict=True)
        image, alpha, trimap, contrast = (torch.from_numpy(np.stack(x)) for x in maps)
        weight = torch.tensor([stage.detail_weight if close else 1.0 for close in detail])
        return image.permute(0, 3, 1, 2), alpha.unsqueeze(1), trimap, contrast.unsqueeze(1), weight


class Trainer:
    """Model, its moving average, optimiser and step counter: all that a checkpoint holds.

    Args:
        config: what the TOML file says.
        device: where to train.
        start: weights file to start from, or None: ImageNet's encoder and random decoders.
        new_encoder: whether ImageNet's encoder takes the place of that of ``start``.
        bfloat16: whether to compute by autocast; None does so on a GPU.
    """

    def __init__(
        self,
        config: Config,
        device: torch.device,
        start: Path | None = None,
        new_encoder: bool = False,
        bfloat16: bool | None = None,
    ) -> None:
        self.config, self.device, self.step = config, device, 0
        self.kept: tuple[tuple[str, ...], ...] = ((), ())
        self.bfloat16 = device.type == "cuda" if bfloat16 is None else bfloat16
        torch.manual_seed(config.seed)
        model = create_model(config.model)
        if start is not None:
            load_weights(model, start)
        if start is None or new_encoder:
            load_imagenet(model)
        self.model: P3MNet = model.to(device, memory_format=torch.channels_last).train()
        average = get_ema_multi_avg_fn(config.ema)
        self.ema = AveragedModel(self.model, multi_avg_fn=average, use_buffers=True)
        if self.bfloat16 and device.type == "cpu":
            _group_in_float32(self.model)
        encoder = list(model.encoder.parameters())
        decoder = [*model.segmentation.parameters(), *model.matting.parameters()]
        groups = [{"params": encoder, "lr": config.encoder_lr}, {"params": decoder, "lr": config.decoder_lr}]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: config.lr_factor(min(step, config.steps - 1))
        )

    def train_step(self, batch: tuple[Tensor, ...]) -> Losses:
        """Take one step; returns the detached losses."""
        image, alpha, trimap, contrast, weight = (x.to(self.device, non_blocking=True) for x in batch)
        x = normalize(image.float() / 255).contiguous(memory_format=torch.channels_last)
        self._keep()
        semantic = self.config.is_semantic(self.step)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            output = None if semantic else self.model(x)
            logits = self.model.segment_with_sides(x) if semantic else (output.logits, *output.side_logits)
        logits = tuple(level.float() for level in logits)
        if semantic:
            loss = segmentation_loss(logits[0], logits[1:], trimap.long(), weight)
            losses = Losses(loss, loss, *loss.new_zeros(3))
        else:
            output = output._replace(logits=logits[0], side_logits=logits[1:])
            losses = p3m_loss(output, alpha.float() / 255, trimap.long(), contrast.float() / 255, weight)
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 2.0)
        self.optimizer.step()
        self.scheduler.step()
        self.ema.update_parameters(self.model)
        self.step += 1
        return Losses(*(loss.detach() for loss in losses))

    def _keep(self) -> None:
        stage, _ = self.config.stage_at(self.step)
        if self.kept == (stage.frozen, stage.fixed_norms):
            return
        self.model.train().requires_grad_(True)
        for name in stage.fixed_norms:
            self.model.get_submodule(name).eval()
        for name in stage.frozen:
            self.model.get_submodule(name).eval().requires_grad_(False)
        self.kept = stage.frozen, stage.fixed_norms

    def save(self, path: Path) -> None:
        """Write a checkpoint; a crash in the middle leaves the last one whole."""
        parts = ("model", "ema", "optimizer", "scheduler")
        state = {"step": self.step} | {name: getattr(self, name).state_dict() for name in parts}
        temporary = path.with_suffix(".tmp")
        torch.save(state, temporary)
        os.replace(temporary, path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.step = state.pop("step")
        for name, value in state.items():
            getattr(self, name).load_state_dict(value)

    def averaged(self) -> P3MNet:
        """The averaged model: what is evaluated and shipped."""
        return self.ema.module


def _group_in_float32(model: nn.Module) -> None:
    """Keep grouped convolutions out of autocast: on a CPU their gradients take three times as long in bfloat16."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1:

            def forward(x: Tensor, inner: Callable[[Tensor], Tensor] = module.forward) -> Tensor:
                with torch.autocast("cpu", enabled=False):
                    return inner(x.float())

            module.forward = forward


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and, if at hand, backgrounds/")
    parser.add_argument("--long-side", type=int, help="shrink photos to this many pixels, to hold them in memory")
    parser.add_argument("--config", type=Path, default=Path(__file__).with_name("mobile.toml"))
    parser.add_argument("--out", type=Path, default=Path("runs/mobile"), help="folder of checkpoints and weights")
    parser.add_argument("--start", type=Path, help="weights file to start from, instead of ImageNet's")
    parser.add_argument("--new-encoder", action="store_true", help="ImageNet's encoder under the decoders of --start")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop (resumable) after so many minutes")
    parser.add_argument("--save-every", type=float, default=3, help="minutes between checkpoints")
    parser.add_argument("--workers", type=int, default=1, help="processes that make batches")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--bfloat16", action=argparse.BooleanOptionalAction, help="autocast (default: on a GPU)")
    args = parser.parse_args()

    started = time.monotonic()
    config = Config.read(args.config)
    args.out.mkdir(parents=True, exist_ok=True)
    checkpoint = args.out / "last.pt"
    trainer = Trainer(config, torch.device(args.device), args.start, args.new_encoder, args.bfloat16)
    if checkpoint.exists():
        trainer.load(checkpoint)
        print(f"resumed at step {trainer.step} of {config.steps}", flush=True)
    portraits = read_portraits(list_photos(args.data / "train", held_out=False), args.long_side)
    backgrounds = read_backgrounds(list_backgrounds(args.data / "backgrounds", held_out=False))
    print(f"{len(portraits)} portraits, {sum(map(len, backgrounds.values()))} backgrounds, {args.device}", flush=True)

    batches = DataLoader(
        Batches(config, portraits, backgrounds, trainer.step),
        batch_size=None,
        num_workers=args.workers,
        prefetch_factor=4 if args.workers else None,
        pin_memory=args.device == "cuda",
    )
    sums, count, saved, shown = None, 0, time.monotonic(), time.monotonic()
    for batch in batches:
        values = torch.stack(trainer.train_step(batch))
        sums, count = values if sums is None else sums + values, count + 1
        now = time.monotonic()
        if trainer.step % 50 == 0:
            means = " ".join(f"{n} {v:.4f}" for n, v in zip(Losses._fields, (sums / count).tolist(), strict=True))
            rate = count * len(batch[0]) / (now - shown)
            print(f"step {trainer.step} {means} {rate:.1f} img/s", flush=True)
            sums, count, shown = None, 0, now
        stop = now - started > 60 * args.minutes or trainer.step == config.steps
        if stop or now - saved > 60 * args.save_every:
            trainer.save(checkpoint)
            save_weights(trainer.averaged(), args.out / f"p3m_{config.model}.safetensors")
            saved = now
        if stop:
            break
    print(f"at step {trainer.step} of {config.steps}", flush=True)


if __name__ == "__main__":
    main()
