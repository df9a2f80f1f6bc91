"""Take the steps of a training: losses, optimiser, moving average, checkpoints."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from infer_p3m_portrait_matting.p3m import P3MNet, create_model, load_weights, normalize
from infer_p3m_portrait_matting.p3m.inference.pass_sizes import STRIDE, floor_to_stride
from infer_p3m_portrait_matting.p3m.model.channels import UNKNOWN
from infer_p3m_portrait_matting.p3m.model.network import P3MOutput

from .augment import Batch
from .config import Config, Part, Stage
from .losses import expected_error, local_loss, p3m_loss, segmentation_loss
from .pretrained import load_imagenet
from .source import StepData
from .trimaps import predicted_unknown


class Shown(NamedTuple):
    """The parts of a step's loss to print, scalars; 0 if a step has no such part."""

    segmentation: Tensor
    mattes: Tensor
    bodies: Tensor


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
        self.model: P3MNet = model.to(device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
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
        """Take one step; return the detached losses of its views and of its mattes.

        Raises:
            FloatingPointError: the gradient is not finite; no parameter has changed.
        """
        stage, _ = self.config.stage_at(self.step)
        self._keep(stage)
        self.optimizer.zero_grad(set_to_none=True)
        shown = Shown(*torch.zeros(3, device=self.device))
        # One part after the other: their gradients add up, and only one graph is in memory.
        if data.views is not None and stage.views is not None:
            loss = self._segmentation_loss(data.views, stage.views)
            loss.backward()
            shown = shown._replace(segmentation=loss.detach())
        if data.mattes is not None and stage.mattes is not None:
            loss = self._matting_loss(data.mattes, stage.mattes)
            loss.backward()
            shown = shown._replace(mattes=loss.detach())
        if data.bodies is not None and stage.bodies is not None:
            loss = self._matting_loss(data.bodies, stage.bodies)
            loss.backward()
            shown = shown._replace(bodies=loss.detach())
        if not torch.nn.utils.clip_grad_norm_(self.model.parameters(), 2.0).isfinite():
            raise FloatingPointError(f"the gradient of step {self.step} is not finite: try lower learning rates")
        self.optimizer.step()
        self.scheduler.step()
        self.ema.update_parameters(self.model)
        self.step += 1
        return shown

    def _segmentation_loss(self, batch: Batch, part: Part) -> Tensor:
        with self._autocast():
            logits, *sides = (x.float() for x in self.model.segment_with_sides(self._input(batch)))
        loss = segmentation_loss(logits, tuple(sides), batch.trimap)
        if part.expected_error:
            loss = loss + part.expected_error * expected_error(logits, batch.alpha, part.thin)
        return loss

    def _matting_loss(self, batch: Batch, part: Part) -> Tensor:
        if part.predicted:
            batch = batch._replace(trimap=self._asked_for(batch, part.predicted))
        x, weight = self._input(batch), part.segmentation
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
            return local_loss(alpha.float(), batch.alpha, batch.trimap, batch.contrast, part.inside)
        logits, local, fused = (x.float() for x in output[:3])
        output = P3MOutput(logits, local, fused, tuple(side.float() for side in output.side_logits))
        return p3m_loss(output, batch.alpha, batch.trimap, batch.contrast, weight).total

    @torch.no_grad()
    def _asked_for(self, batch: Batch, bound: int) -> Tensor:
        """The unknown area that HYBRID would leave to the local alpha, and the samples' own: int64 [N, H, W]."""
        height, width = batch.image.shape[2:]
        was_training = [module for module in self.model.modules() if module.training]
        self.model.eval()
        scale = min(bound / max(height, width), 1)
        size = [max(floor_to_stride(round(side * scale)), STRIDE) for side in (height, width)]
        small = F.interpolate(batch.image, size, mode="bilinear", antialias=True)
        small = normalize(small).contiguous(memory_format=torch.channels_last)
        with self._autocast():
            logits = self.model.segment(small).float()
        for module in was_training:
            module.training = True
        classes = predicted_unknown(logits, height, width)
        return torch.where(batch.trimap == UNKNOWN, UNKNOWN, classes)

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
        return cast(P3MNet, self.ema.module)


def _group_in_float32(model: nn.Module) -> None:
    """Keep grouped convolutions out of autocast: on a CPU their gradients take three times as long in bfloat16."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1:

            def forward(x: Tensor, inner: Callable[[Tensor], Tensor] = module.forward) -> Tensor:
                with torch.autocast("cpu", enabled=False):
                    return inner(x.float())

            module.forward = forward  # type: ignore[method-assign, assignment]
