"""Train a variant of P3M-Net. Run ``python -m training.train --help``; stop it whenever you like: it resumes."""

import argparse
import math
import os
import queue
import threading
import time
import tomllib
from collections.abc import Callable, Generator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from infer_p3m_portrait_matting.p3m import P3MNet, P3MOutput, create_model, load_weights, normalize, save_weights

from .augment import Batch, Recipe, Sampler
from .gallery import load_gallery
from .losses import expected_error, local_loss, p3m_loss, segmentation_loss
from .pretrained import load_imagenet


@dataclass(frozen=True)
class Part:
    """The samples that one half of a step sees.

    Attributes:
        size: side in pixels of the square that has the samples' area.
        count: samples per step.
        recipe: what they are made of.
        segmentation: weight of the samples in the segmentation loss; 1 for views. Close-ups do not show what is a
            person, and HYBRID never segments them.
        expected_error: weight of the matte's expected error beside the segmentation loss; for views.
    """

    size: int
    count: int
    recipe: Recipe
    segmentation: float = 1.0
    expected_error: float = 0.0

    @classmethod
    def read(cls, values: dict[str, Any]) -> "Part":
        """Read a TOML table: the fields of this class and those of :class:`~.augment.Recipe`, side by side."""
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        names = {field.name for field in fields(Recipe)}
        recipe = Recipe(**{k: v for k, v in values.items() if k in names})
        return cls(recipe=recipe, **{k: v for k, v in values.items() if k not in names})


@dataclass(frozen=True)
class Stage:
    """One stretch of training. A step of it sees views, mattes or both.

    Attributes:
        steps: how many steps.
        cooldown: number of last steps that lower the learning rates to 0.
        lr: factor of the learning rates.
        views: samples for the segmentation, or None; they do not train the matting decoder. Their scales should be
            those that the global pass will see.
        mattes: samples for the local alpha, or None.
        frozen: names of modules that stay as they are, their normalisation statistics too.
        fixed_norms: names of modules whose normalisation statistics stay, while their weights learn.
    """

    steps: int
    cooldown: int = 0
    lr: float = 1.0
    views: Part | None = None
    mattes: Part | None = None
    frozen: tuple[str, ...] = ()
    fixed_norms: tuple[str, ...] = ()

    @classmethod
    def read(cls, values: dict[str, Any]) -> "Stage":
        """Read a TOML table."""
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        parts = {k: Part.read(values[k]) for k in ("views", "mattes") if k in values}
        return cls(**{**values, **parts})


@dataclass(frozen=True)
class Config:
    """The content of the TOML file; see mobile.toml.

    Attributes:
        model: the network's name.
        seed: of all randomness.
        encoder_lr, decoder_lr: learning rates.
        weight_decay: of AdamW.
        warmup: number of first steps that raise the learning rates.
        ema: decay of the weights' moving average.
        aspects: height over width of pictures, one drawn per batch; their area stays that of the part's square. A GPU
            prepares kernels for every aspect, so the first step of each takes seconds.
        echo: number of batches that come a second time, mirrored, before new ones are made; 0: every batch is new. On a
            CPU, making a sample takes almost as long as training on it (Choi et al. 2019, "Faster neural network
            training with data echoing").
        stages: run one after the other.
    """

    model: str
    seed: int
    encoder_lr: float
    decoder_lr: float
    weight_decay: float
    warmup: int
    ema: float
    aspects: tuple[float, ...]
    stages: tuple[Stage, ...]
    echo: int = 0

    @classmethod
    def read(cls, path: Path) -> "Config":
        """Read a TOML file; raise a TypeError that names unknown and missing keys."""
        values = tomllib.loads(path.read_text())
        stages = tuple(Stage.read(stage) for stage in values["stages"])
        return cls(**{**values, "aspects": tuple(values["aspects"]), "stages": stages})

    def scaled(self, factor: float) -> "Config":
        """Return the same training with every stage, its warm-up and its cool-down, longer or shorter."""

        def scale(steps: int) -> int:
            return max(round(steps * factor), 1) if steps else 0

        stages = tuple(
            replace(stage, steps=scale(stage.steps), cooldown=min(scale(stage.cooldown), scale(stage.steps)))
            for stage in self.stages
        )
        return replace(self, warmup=scale(self.warmup), stages=stages)

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> tuple[Stage, int]:
        """Return the stage of a step (from 0), and the step's place in it."""
        for stage in self.stages:
            if step < stage.steps:
                return stage, step
            step -= stage.steps
        raise IndexError("training is over")

    def lr_factor(self, step: int) -> float:
        """Return the factor of the learning rates at a step."""
        stage, place = self.stage_at(step)
        factor = stage.lr * min(1.0, (step + 1) / max(self.warmup, 1))
        if stage.cooldown:
            factor *= min(1.0, (stage.steps - place) / stage.cooldown)
        return factor


class StepData(NamedTuple):
    """The batches of one step; either may be None."""

    views: Batch | None
    mattes: Batch | None


class Source:
    """Make the data of any step; they depend only on the seed and the step, so resuming changes nothing.

    Args:
        config: the content of the TOML file.
        sampler: what draws the samples.
    """

    def __init__(self, config: Config, sampler: Sampler) -> None:
        self.config, self.sampler = config, sampler
        self.kept: dict[int, StepData] = {}

    def __call__(self, step: int) -> StepData:
        """Return the data of a step (from 0)."""
        echo = self.config.echo
        _, place = self.config.stage_at(step)
        # Echoes stay within a stage: another one may have samples of another kind.
        again = echo > 0 and place // echo % 2 == 1
        if not again:
            data = self._make(step)
            if echo:
                self.kept = {s: d for s, d in self.kept.items() if s > step - echo} | {step: data}
            return data
        first = step - echo
        data = self.kept.get(first) or self._make(first)
        return StepData(*(batch and batch.mirrored() for batch in data))

    def _make(self, step: int) -> StepData:
        return step_data(self.config, self.sampler, step)


def step_data(config: Config, sampler: Sampler, step: int) -> StepData:
    """Make new data for a step (from 0); they depend only on the seed and the step."""
    stage, _ = config.stage_at(step)
    batches = []
    for number, part in enumerate((stage.views, stage.mattes)):
        if part is None:
            batches.append(None)
            continue
        aspect = config.aspects[np.random.default_rng((config.seed, step, number)).integers(len(config.aspects))]
        height = 32 * round(part.size * math.sqrt(aspect) / 32)
        width = 32 * round(part.size / math.sqrt(aspect) / 32)
        batches.append(sampler.batch(part.recipe, part.count, height, width, (config.seed, step, number, 1)))
    return StepData(*batches)


def prefetch(
    make: Callable[[int], StepData], first: int, last: int, device: torch.device
) -> Generator[StepData, None, None]:
    """Make the data of steps ``first`` to ``last - 1`` in a separate thread, a few steps ahead.

    On a GPU the thread also has its own stream, so that its waiting does not delay training.
    """
    ready: queue.Queue = queue.Queue(maxsize=3)
    stopped = threading.Event()

    def work() -> None:
        stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        try:
            with torch.cuda.stream(stream):
                for step in range(first, last):
                    data = make(step)
                    event = stream.record_event() if stream else None
                    while not stopped.is_set():
                        try:
                            ready.put((data, event), timeout=0.1)
                            break
                        except queue.Full:
                            continue
                    if stopped.is_set():
                        return
        except BaseException as error:
            ready.put((error, None))

    threading.Thread(target=work, daemon=True).start()
    try:
        for _ in range(first, last):
            data, event = ready.get()
            if isinstance(data, BaseException):
                raise data
            if event is not None:
                torch.cuda.current_stream(device).wait_event(event)
                for batch in data:
                    for tensor in batch or ():
                        tensor.record_stream(torch.cuda.current_stream(device))
            yield data
    finally:
        stopped.set()


class Shown(NamedTuple):
    """The parts of a step's loss to print, scalars; 0 if a step has no such part."""

    segmentation: Tensor
    mattes: Tensor


class Trainer:
    """Model, its moving average, optimiser and step counter: all that a checkpoint holds.

    Args:
        config: the content of the TOML file.
        device: where to train.
        start: weights file to start from, or None: ImageNet's encoder and random decoders.
        new_encoder: whether ImageNet's encoder replaces that of ``start``.
        bfloat16: whether to use autocast; None uses it on a GPU.
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
        self.optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay, fused=device.type == "cuda")
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: config.lr_factor(min(step, config.steps - 1))
        )

    def train_step(self, data: StepData) -> Shown:
        """Take one step; return the detached losses of its views and of its mattes."""
        stage, _ = self.config.stage_at(self.step)
        self._keep(stage)
        self.optimizer.zero_grad(set_to_none=True)
        shown = Shown(*torch.zeros(2, device=self.device))
        # One part after the other: their gradients add up, and only one graph is in memory.
        if data.views is not None and stage.views is not None:
            loss = self._segmentation_loss(data.views, stage.views.expected_error)
            loss.backward()
            shown = shown._replace(segmentation=loss.detach())
        if data.mattes is not None and stage.mattes is not None:
            loss = self._matting_loss(data.mattes, stage.mattes.segmentation)
            loss.backward()
            shown = shown._replace(mattes=loss.detach())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 2.0)
        self.optimizer.step()
        self.scheduler.step()
        self.ema.update_parameters(self.model)
        self.step += 1
        return shown

    def _segmentation_loss(self, batch: Batch, weight: float) -> Tensor:
        with self._autocast():
            logits, *sides = (x.float() for x in self.model.segment_with_sides(self._input(batch)))
        loss = segmentation_loss(logits, tuple(sides), batch.trimap)
        return loss + weight * expected_error(logits, batch.alpha) if weight else loss

    def _matting_loss(self, batch: Batch, weight: float) -> Tensor:
        x = self._input(batch)
        # The global pass never sees a close-up: its statistics come from the views, if there are any.
        learning: list[nn.Module] = []
        if self.config.stage_at(self.step)[0].views is not None:
            learning = [module for module in self.model.segmentation.modules() if module.training]
        for module in learning:
            module.training = False
        with self._autocast():
            output = self.model(x) if weight else None
            alpha = self.model.local_alpha(x) if output is None else output.local_alpha
        for module in learning:
            module.training = True
        if output is None:
            return local_loss(alpha.float(), batch.alpha, batch.trimap, batch.contrast)
        output = P3MOutput(*(x.float() for x in output[:3]), tuple(side.float() for side in output.side_logits))
        return p3m_loss(output, batch.alpha, batch.trimap, batch.contrast, weight).total

    def _input(self, batch: Batch) -> Tensor:
        return normalize(batch.image).contiguous(memory_format=torch.channels_last)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)

    def _keep(self, stage: Stage) -> None:
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
        """Resume from a checkpoint; what the configuration says now counts, not what it said then."""
        now = [{name: group[name] for name in ("initial_lr", "weight_decay")} for group in self.optimizer.param_groups]
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.step = state.pop("step")
        for name, value in state.items():
            getattr(self, name).load_state_dict(value)
        self.scheduler.base_lrs = [values["initial_lr"] for values in now]
        factor = self.config.lr_factor(min(self.step, self.config.steps - 1))
        for group, values in zip(self.optimizer.param_groups, now, strict=True):
            group.update(values, lr=values["initial_lr"] * factor)

    def averaged(self) -> P3MNet:
        """Return the averaged model, which is evaluated and shipped."""
        return self.ema.module


def _group_in_float32(model: nn.Module) -> None:
    """Keep grouped convolutions out of autocast: on a CPU their gradients take three times as long in bfloat16."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1:

            def forward(x: Tensor, inner: Callable[[Tensor], Tensor] = module.forward) -> Tensor:
                with torch.autocast("cpu", enabled=False):
                    return inner(x.float())

            module.forward = forward


def measure(trainer: Trainer, sampler: Sampler, steps: int = 12) -> float:
    """Estimate the seconds that all steps take, from some of each stage; do not use the trainer afterwards.

    Args:
        trainer: takes the steps.
        sampler: what draws their samples.
        steps: number of steps of each stage to time at least. As many come before, since the first ones prepare
            kernels and fill the queue.
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
    args.out.mkdir(parents=True, exist_ok=True)
    checkpoint, plan = args.out / "last.pt", args.out / "scale.txt"
    sampler = Sampler(*load_gallery(args.data, device, args.long_side))
    print(f"{len(sampler.portraits)} portraits, {args.device}, {time.monotonic() - started:.0f} s", flush=True)

    def trainer_of(config: Config) -> Trainer:
        return Trainer(config, device, args.start, args.new_encoder, args.bfloat16)

    if args.fit and plan.exists():
        print(f"the lengths stay as {plan} says, which an earlier --fit wrote: remove it to fit anew", flush=True)
    elif args.fit:
        seconds = measure(trainer_of(config), sampler)
        left = 60 * args.fit - (time.monotonic() - started)
        if left <= 0:
            parser.error(
                f"--fit {args.fit:g} is too short: reading and measuring alone took {args.fit - left / 60:.1f} minutes"
            )
        plan.write_text(str(left / seconds))
        print(f"{seconds / 60:.1f} minutes for all steps, scaled to {left / 60:.1f}", flush=True)
    if plan.exists():
        config = config.scaled(float(plan.read_text()))
    trainer = trainer_of(config)
    if checkpoint.exists():
        trainer.load(checkpoint)
        print(f"resumed {checkpoint} at step {trainer.step} of {config.steps}", flush=True)
        if args.start or args.new_encoder:
            print("--start and --new-encoder count for a new training only: name another --out folder", flush=True)

    def save() -> None:
        trainer.save(checkpoint)
        save_weights(trainer.averaged(), args.out / f"p3m_{config.model}.safetensors")

    if trainer.step >= config.steps:
        save()  # a kill may have come between the checkpoint and its weights file
    saved, shown = time.monotonic(), time.monotonic()
    sums, count, samples = torch.zeros(len(Shown._fields), device=device), 0, 0
    for data in prefetch(Source(config, sampler), trainer.step, config.steps, device):
        sums, count = sums + torch.stack(trainer.train_step(data)), count + 1
        samples += sum(len(batch.image) for batch in data if batch is not None)
        if trainer.step % 50 == 0:
            means = " ".join(f"{n} {v:.4f}" for n, v in zip(Shown._fields, (sums / count).tolist(), strict=True))
            print(f"step {trainer.step} {means} {samples / (time.monotonic() - shown):.1f} samples/s", flush=True)
            sums, count, samples, shown = torch.zeros_like(sums), 0, 0, time.monotonic()
        stop = time.monotonic() - started > 60 * args.minutes or trainer.step == config.steps
        if stop or time.monotonic() - saved > 60 * args.save_every:
            save()
            saved = time.monotonic()
        if stop:
            break
    print(f"at step {trainer.step} of {config.steps}", flush=True)


if __name__ == "__main__":
    main()
