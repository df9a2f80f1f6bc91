"""Read what a training does from a TOML file: its stages, their samples and learning rates."""

import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from .augment import Recipe


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
        thin: additional weight of limbs and gaps in that error.
        predicted: for mattes of whole views: the bound in pixels of a global pass whose unknown area the local alpha
            learns to fill, as HYBRID will ask it to; 0 takes the samples' own unknown area.
        inside: for mattes: additional weight of what lies far from the outline, where a wrong alpha is a hole or a rag.
    """

    size: int
    count: int
    recipe: Recipe
    segmentation: float = 1.0
    expected_error: float = 0.0
    thin: float = 0.0
    predicted: int = 0
    inside: float = 0.0

    @classmethod
    def read(cls, values: dict[str, Any]) -> "Part":
        """Read a TOML table: the fields of this class and those of :class:`~.augment.Recipe`, side by side."""
        values = _with_tuples(values)
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
        bodies: more samples for the local alpha, of another kind: whole people beside close-ups; or None.
        frozen: names of modules that stay as they are, their normalisation statistics too.
        fixed_norms: names of modules whose normalisation statistics stay, while their weights learn.
    """

    steps: int
    cooldown: int = 0
    lr: float = 1.0
    views: Part | None = None
    mattes: Part | None = None
    bodies: Part | None = None
    frozen: tuple[str, ...] = ()
    fixed_norms: tuple[str, ...] = ()

    @classmethod
    def read(cls, values: dict[str, Any]) -> "Stage":
        """Read a TOML table."""
        values = _with_tuples(values)
        values |= {name: Part.read(values[name]) for name in ("views", "mattes", "bodies") if name in values}
        return cls(**values)


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
        values = _with_tuples(tomllib.loads(path.read_text()))
        if "stages" in values:
            values["stages"] = tuple(map(Stage.read, values["stages"]))
        return cls(**values)

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


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    """Return a TOML table with tuples for its lists: what is frozen must not hold what can change."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
