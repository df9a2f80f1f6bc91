import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from drawn import draw_portrait, sampler_of
from torch import nn

from infer_p3m_portrait_matting.p3m import PortraitMatting, create_model, find_weights, save_weights
from training.augment import Recipe
from training.config import Config, Part, Stage
from training.portraits import is_held_out
from training.pretrained import load_imagenet
from training.source import Source, prefetch, step_data
from training.train import main, measure
from training.trainer import Trainer

CPU = torch.device("cpu")
MATTES = Part(64, 2, Recipe(close_ups=0.5, unknown=(4, 9)))
VIEWS = Part(96, 1, Recipe(unknown=(4, 9)))
SMALL = Config(
    "mobile", 7, 1e-3, 2e-3, 1e-2, 2, 0.5, (1.0, 1.5), (Stage(3, mattes=MATTES), Stage(1, 1, 1.0, VIEWS, MATTES))
)
CONFIGS = Path(__file__).parents[2] / "training"


@pytest.fixture(scope="module")
def sampler():
    backgrounds = {"drawn": [np.random.default_rng(9).integers(0, 256, (90, 140, 3), dtype=np.uint8)]}
    return sampler_of([draw_portrait(seed) for seed in range(3)], backgrounds)


def differing(one, two):
    return {name for name, tensor in one.items() if not torch.equal(tensor, two[name])}


def copy_of(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_configs_are_read(path):
    config = Config.read(path)
    assert config.model == "mobile"
    modules = {name for name, _ in create_model(config.model).named_modules()}
    assert all(modules.issuperset(stage.frozen + stage.fixed_norms) for stage in config.stages)
    assert config.steps == sum(stage.steps for stage in config.stages)
    parts = [part for stage in config.stages for part in (stage.views, stage.mattes) if part]
    assert parts
    assert all(part.size % 32 == 0 for part in parts)
    assert all(stage.cooldown <= stage.steps for stage in config.stages)
    assert config.lr_factor(config.steps - 1) < 0.01


def test_a_config_with_unknown_or_missing_keys_is_refused(tmp_path):
    path = tmp_path / "config.toml"
    text = (CONFIGS / "mobile.toml").read_text()
    for wrong, match in (
        ("momentum = 0.9\n" + text, "momentum"),
        (text.replace("\nema", "\n# ema"), "ema"),
        (text.replace("strands = ", "strand = "), "strand"),
        (text.replace("cooldown", "cool_down"), "cool_down"),
        (text[: text.index("# The segmentation.")], "stages"),
        (text.replace("aspects", "# aspects"), "aspects"),
    ):
        assert wrong != text
        path.write_text(wrong)
        with pytest.raises(TypeError, match=match):
            Config.read(path)


def test_stages_follow_one_another():
    stages = (Stage(10), Stage(4, 4))
    config = replace(SMALL, stages=stages)
    places = [config.stage_at(step) for step in (0, 9, 10, 13)]
    assert places == [(stages[0], 0), (stages[0], 9), (stages[1], 0), (stages[1], 3)]
    with pytest.raises(IndexError):
        config.stage_at(14)


def test_learning_rate_warms_up_stays_and_cools_down():
    config = replace(SMALL, warmup=4, stages=(Stage(10), Stage(6, 4)))
    factors = [config.lr_factor(step) for step in range(16)]
    assert factors == [0.25, 0.5, 0.75] + [1.0] * 10 + [0.75, 0.5, 0.25]


def test_a_training_is_scaled_as_a_whole():
    config = replace(SMALL, warmup=10, stages=(Stage(100, 40), Stage(60, 60, 0.5)))
    half = config.scaled(0.5)
    assert (half.warmup, half.steps) == (5, 80)
    assert [(stage.steps, stage.cooldown, stage.lr) for stage in half.stages] == [(50, 20, 1.0), (30, 30, 0.5)]
    assert half.lr_factor(79) < 0.02
    assert config.scaled(1.0) == config
    assert config.scaled(1e-9).steps == 2


def test_a_part_reads_its_recipe_from_the_same_table():
    part = Part.read({"size": 96, "count": 3, "close_up": [0.2, 0.4], "strands": 0.5, "segmentation": 0.1})
    assert part == Part(96, 3, Recipe(close_up=(0.2, 0.4), strands=0.5), 0.1)


def test_the_data_of_a_step_depends_on_seed_and_step_alone(sampler):
    one, two, other = (step_data(SMALL, sampler, step) for step in (3, 3, 2))
    assert other.views is None
    assert one.bodies is two.bodies is None
    for batch, again in zip(one[:2], two[:2], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(batch, again, strict=True))
    assert len(one.views.image) == 1
    assert len(one.mattes.image) == 2
    assert one.mattes.image.shape[2] * one.mattes.image.shape[3] < one.views.image.shape[2] * one.views.image.shape[3]
    assert not torch.equal(one.mattes.image, step_data(replace(SMALL, seed=8), sampler, 3).mattes.image)
    shapes = {tuple(step_data(SMALL, sampler, step).mattes.image.shape[2:]) for step in range(3)}
    assert shapes <= {(64, 64), (96, 64)}


def test_batches_come_again_mirrored_within_their_stage(sampler):
    # The first stage has an odd number of steps: its last batch is never echoed, and the next stage starts anew.
    config = replace(SMALL, echo=1, stages=(Stage(3, mattes=MATTES), Stage(2, views=VIEWS, mattes=MATTES)))
    source = Source(config, sampler)
    for step in (0, 3):
        for batch, again in zip(source(step), source(step + 1), strict=True):
            assert (batch is None) == (again is None)
            for a, b in zip(batch or (), again or (), strict=True):
                assert torch.equal(a.flip(-1), b)
    whole, resumed = source(1), Source(config, sampler)(1)
    assert torch.equal(whole.mattes.image, resumed.mattes.image)
    assert not torch.equal(source(2).mattes.image.flip(-1), source(3).mattes.image)


def test_data_is_made_ahead_in_order(sampler):
    made = list(prefetch(lambda step: step, 3, 9, CPU))
    assert made == [3, 4, 5, 6, 7, 8]


def test_what_goes_wrong_while_data_is_made_is_not_lost():
    def make(step):
        if step == 2:
            raise ValueError("no such picture")
        return step

    data = prefetch(make, 0, 9, CPU)
    with pytest.raises(ValueError, match="no such picture"):
        list(data)


@pytest.mark.parametrize(("echo", "taken"), [(0, [0, 1, 3]), (1, [0, 1, 2, 3])])
def test_steps_of_every_stage_are_timed(echo, taken, sampler, monkeypatch):
    """One step before those that count, which hold new batches and echoes alike."""
    seen, step = [], Trainer.train_step
    monkeypatch.setattr(Trainer, "train_step", lambda self, data: seen.append(self.step) or step(self, data))
    seconds = measure(Trainer(replace(SMALL, echo=echo), CPU), sampler, 1)
    assert 0 < seconds < 600
    assert seen == taken


def test_views_move_what_segments_and_spare_what_is_frozen(sampler):
    frozen = ("encoder.backbone.conv_stem", "encoder.backbone.bn1", "encoder.backbone.blocks.0")
    stages = (Stage(2, views=VIEWS, frozen=frozen), Stage(1, mattes=MATTES))
    config = replace(SMALL, stages=stages, weight_decay=0.0)
    trainer = Trainer(config, CPU)
    before = copy_of(trainer.model)
    for step in range(2):
        shown = trainer.train_step(step_data(config, sampler, step))
        assert shown.mattes == 0
        assert shown.segmentation > 0
    moved = differing(before, trainer.model.state_dict())
    assert any(name.startswith("encoder.backbone.blocks.1.") for name in moved)
    assert any(name.startswith("segmentation.head.") for name in moved)
    kept = ("matting.", *(f"{name}." for name in frozen))
    assert not [name for name in moved if name.startswith(kept)]
    # The next stage freezes nothing.
    trainer.train_step(step_data(config, sampler, 2))
    moved = differing(before, trainer.model.state_dict())
    assert "encoder.backbone.conv_stem.weight" in moved
    assert any(name.startswith("matting.") for name in moved)


def test_without_weight_the_segmentation_stays_bit_for_bit(sampler):
    part = replace(MATTES, segmentation=0.0)
    config = replace(SMALL, stages=(Stage(2, mattes=part, frozen=("encoder.backbone", "segmentation")),))
    trainer = Trainer(config, CPU)
    before = copy_of(trainer.model)
    for step in range(2):
        assert trainer.train_step(step_data(config, sampler, step)).mattes > 0
    moved = differing(before, trainer.model.state_dict())
    assert any(name.startswith("matting.") for name in moved)
    assert not [name for name in moved if name.startswith(("segmentation.", "encoder.backbone."))]


def test_beside_views_mattes_leave_the_statistics_of_the_segmentation_alone(sampler):
    config = replace(SMALL, stages=(Stage(1, 0, 1.0, VIEWS, MATTES),))
    data = step_data(config, sampler, 0)
    statistics = []
    for kept in (data, data._replace(mattes=None)):
        trainer = Trainer(config, CPU)
        trainer.train_step(kept)
        state = trainer.model.state_dict()
        statistics.append({n: t for n, t in state.items() if n.startswith("segmentation.") and "running" in n})
    assert statistics[0]
    assert differing(*statistics) == set()


def test_fixed_norms_keep_their_statistics_while_weights_learn(sampler):
    config = replace(
        SMALL, stages=(Stage(1, mattes=MATTES, fixed_norms=("encoder.backbone",)), Stage(1, mattes=MATTES))
    )
    trainer = Trainer(config, CPU)
    mean, weight = "encoder.backbone.bn1.running_mean", "encoder.backbone.conv_stem.weight"
    before = copy_of(trainer.model)
    trainer.train_step(step_data(config, sampler, 0))
    moved = differing(before, trainer.model.state_dict())
    assert mean not in moved
    assert {weight, "matting.d4.1.running_mean"} <= moved
    trainer.train_step(step_data(config, sampler, 1))
    assert mean in differing(before, trainer.model.state_dict())


def test_a_new_encoder_comes_under_old_decoders(tmp_path):
    old = create_model("mobile")
    save_weights(old, tmp_path / "old.safetensors")
    model = Trainer(SMALL, CPU, tmp_path / "old.safetensors", new_encoder=True).model
    imagenet = create_model("mobile")
    load_imagenet(imagenet)
    stem, head = "encoder.backbone.conv_stem.weight", "matting.head.0.weight"
    assert torch.equal(model.state_dict()[stem], imagenet.state_dict()[stem])
    assert torch.equal(model.state_dict()[head], old.state_dict()[head].half().float())


def test_in_bfloat16_grouped_convolutions_and_weights_stay_in_float32(sampler):
    trainer = Trainer(SMALL, CPU, bfloat16=True)
    dtypes = {True: set(), False: set()}
    for module in trainer.model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda conv, _, output: dtypes[conv.groups > 1].add(output.dtype))
    shown = trainer.train_step(step_data(SMALL, sampler, 0))
    assert dtypes == {True: {torch.float32}, False: {torch.bfloat16}}
    assert shown.mattes.dtype == torch.float32
    assert torch.isfinite(shown.mattes)
    parameters = list(trainer.model.parameters())
    assert all(p.dtype == torch.float32 and torch.isfinite(p).all() for p in parameters)
    assert all(p.grad is not None for p in parameters)


@pytest.mark.parametrize("name", ["resnet34", "vitae-s"])
def test_the_published_networks_can_be_trained_too(sampler, name):
    config = replace(SMALL, model=name, stages=(Stage(1, mattes=MATTES),))
    trainer = Trainer(config, CPU)
    shown = trainer.train_step(step_data(config, sampler, 0))
    assert all(torch.isfinite(loss) for loss in shown)
    assert [n for n, p in trainer.model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()] == []


def test_what_is_fixed_inside_the_segmentation_stays_so_while_mattes_train(sampler):
    stage = Stage(2, views=VIEWS, mattes=MATTES, fixed_norms=("segmentation.d4",))
    trainer = Trainer(replace(SMALL, stages=(stage,)), CPU)
    norms = trainer.model.segmentation.d4[1], trainer.model.segmentation.d3[1]
    before = [norm.running_mean.clone() for norm in norms]
    train(trainer, sampler, 2, trainer.config)
    assert [torch.equal(norm.running_mean, old) for norm, old in zip(norms, before, strict=True)] == [True, False]
    assert [norm.training for norm in norms] == [False, True]


def test_a_changed_configuration_counts_when_a_training_goes_on(sampler, tmp_path):
    first = Trainer(SMALL, CPU)
    train(first, sampler, 1)
    first.save(tmp_path / "last.pt")
    changed = replace(SMALL, encoder_lr=5e-4, decoder_lr=6e-4, weight_decay=0.0, warmup=0)
    resumed = Trainer(changed, CPU)
    resumed.load(tmp_path / "last.pt")
    for _ in range(2):
        assert [group["lr"] for group in resumed.optimizer.param_groups] == [5e-4, 6e-4]
        assert [group["weight_decay"] for group in resumed.optimizer.param_groups] == [0.0, 0.0]
        train(resumed, sampler, 1)


def train(trainer, sampler, steps, config=SMALL):
    first = trainer.step
    for data in prefetch(lambda step: step_data(config, sampler, step), first, first + steps, CPU):
        assert all(torch.isfinite(loss) for loss in trainer.train_step(data))


def test_resumed_training_gives_the_weights_of_uninterrupted_training(sampler, tmp_path):
    whole = Trainer(SMALL, CPU)
    start = copy_of(whole.averaged())
    train(whole, sampler, 4)

    first = Trainer(SMALL, CPU)
    train(first, sampler, 2)
    first.save(tmp_path / "last.pt")
    resumed = Trainer(SMALL, CPU)
    resumed.load(tmp_path / "last.pt")
    assert resumed.step == 2
    train(resumed, sampler, 2)

    assert (whole.step, resumed.step) == (4, 4)
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]
    for part in ("model", "ema"):
        assert differing(getattr(whole, part).state_dict(), getattr(resumed, part).state_dict()) == set()
    # The optimiser really moved the average, and lags it behind the model.
    average = whole.averaged().state_dict()
    for other in (start, whole.model.state_dict()):
        assert "matting.head.1.weight" in differing(average, other)


def test_weights_that_are_not_finite_are_never_taken_nor_saved(sampler):
    trainer = Trainer(SMALL, CPU)
    train(trainer, sampler, 1)
    before = copy_of(trainer.model), copy_of(trainer.averaged())
    data = step_data(SMALL, sampler, 1)
    data = data._replace(mattes=data.mattes._replace(image=torch.full_like(data.mattes.image, torch.inf)))
    with pytest.raises(FloatingPointError, match="gradient of step 1 is not finite"):
        trainer.train_step(data)
    assert trainer.step == 1
    parameters = {name for name, _ in trainer.model.named_parameters()}
    for old, model in zip(before, (trainer.model, trainer.averaged()), strict=True):
        assert not differing(old, model.state_dict()) & parameters
    assert not differing(before[1], trainer.averaged().state_dict())


TINY = """
model = "mobile"
seed = 7
encoder_lr = 1e-3
decoder_lr = 2e-3
weight_decay = 0.0
warmup = 0
ema = 0.5
aspects = [1.0]
[[stages]]
steps = 2
frozen = ["encoder.backbone", "segmentation"]
[stages.mattes]
size = 64
count = 1
segmentation = 0.0
"""


def test_the_program_trains_saves_and_says_how_long_a_training_is(tmp_path, monkeypatch, capsys):
    (tmp_path / "data/train").mkdir(parents=True)
    (tmp_path / "data/backgrounds").mkdir()
    portrait, out = draw_portrait(3, 90, 60), tmp_path / "out"
    name = next(name for name in map(str, range(99)) if not is_held_out(name))
    cv2.imwrite(str(tmp_path / f"data/train/{name}.png"), np.dstack([portrait.photo(), portrait.alpha]))
    (tmp_path / "tiny.toml").write_text(TINY)
    save_weights(create_model("mobile"), tmp_path / "start.safetensors")

    def run(*more):
        places = ("--data", tmp_path / "data", "--config", tmp_path / "tiny.toml", "--out", out)
        start = ("--start", tmp_path / "start.safetensors", "--device", "cpu")
        monkeypatch.setattr("sys.argv", ["train", *map(str, (*places, *start, *more))])
        main()
        return capsys.readouterr().out

    assert "at step 2 of 2" in run()
    assert {path.name for path in out.iterdir()} == {"last.pt", "p3m_mobile.safetensors"}
    # A length that is fitted to the time counts for a new training alone, and every later run says so.
    with pytest.raises(SystemExit):
        run("--fit", "5")
    assert "--fit counts for a new training only" in capsys.readouterr().err
    (out / "scale.txt").write_text("2.0")
    said = run()
    assert "all stages are scaled as" in said
    assert "resumed" in said
    assert said.rstrip().endswith("at step 4 of 4")
    # A loss that is not finite ends it and leaves what was saved.
    saved = (out / "last.pt").read_bytes()
    (out / "scale.txt").write_text("4.0")
    monkeypatch.setattr("training.trainer.local_loss", lambda alpha, *_: (alpha * torch.inf).sum())
    with pytest.raises(SystemExit) as ended:
        run("--save-every", "0")
    assert ended.value.code == 1
    assert "the gradient of step 4 is not finite" in capsys.readouterr().err
    assert (out / "last.pt").read_bytes() == saved


def test_fine_tuning_takes_its_first_steps_from_the_bundled_model(tmp_path, monkeypatch, capsys, astronaut):
    """Both stages of finetune.toml as they are, but for their number of steps and their pictures' size."""
    (tmp_path / "data/train").mkdir(parents=True)
    names = [name for name in map(str, range(9)) if not is_held_out(name)][:2]
    for seed, name in enumerate(names):
        portrait = draw_portrait(seed, 150, 120)
        cv2.imwrite(str(tmp_path / f"data/train/{name}.png"), np.dstack([portrait.photo(), portrait.alpha]))
    text = (CONFIGS / "finetune.toml").read_text()
    shorter = {r"(steps|cooldown) = \d+": r"\1 = 2", r"size = \d+": "size = 128", "warmup = .*": "warmup = 1"}
    for pattern, short in shorter.items():
        text = re.sub(pattern, short, text)
    (tmp_path / "finetune.toml").write_text(text)
    arguments = ("--data", tmp_path / "data", "--config", tmp_path / "finetune.toml", "--out", tmp_path / "out")
    start = ("--start", find_weights("mobile"), "--device", "cpu")
    monkeypatch.setattr("sys.argv", ["train", *map(str, (*arguments, *start))])
    main()
    assert "at step 4 of 4" in capsys.readouterr().out
    photo = np.ascontiguousarray(astronaut[:256, 64:320])
    before, after = (
        PortraitMatting("mobile", "cpu", weights, precision="float32").matte(photo)
        for weights in (None, tmp_path / "out" / "p3m_mobile.safetensors")
    )
    assert not np.array_equal(before, after)
    assert np.abs(before - after).mean() < 0.05  # it goes on from there


@pytest.mark.parametrize("module", ["training.train", "training.pack"])
@pytest.mark.parametrize(("place", "words"), [("photos", "photos/train"), ("data", "no image with an alpha channel")])
def test_a_folder_of_plain_photos_is_refused_in_one_line(module, place, words, tmp_path, monkeypatch, capsys):
    for folder in (tmp_path / "photos", tmp_path / "data" / "train"):
        folder.mkdir(parents=True)
        for name in "abc":
            cv2.imwrite(str(folder / f"{name}.jpg"), np.full((64, 48, 3), 90, np.uint8))
    out = "--out" if module == "training.train" else "--output"
    monkeypatch.setattr("sys.argv", [module, "--data", str(tmp_path / place), out, str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        import_module(module).main()
    assert ended.value.code in (1, 2)
    said = capsys.readouterr().err
    assert words in said
    assert said.rstrip().splitlines()[-1].count("error: ") == 1


def test_bodies_learn_inside_the_unknown_area_that_the_segmentation_predicts(sampler, monkeypatch):
    part = Part(96, 2, Recipe(unknown=(4, 6)), 0.0, predicted=64, inside=2.0)
    frozen = ("encoder.backbone", "segmentation")
    trainer = Trainer(replace(SMALL, stages=(Stage(2, mattes=MATTES, bodies=part, frozen=frozen),)), CPU)
    data = step_data(trainer.config, sampler, 0)
    asked = trainer._asked_for(data.bodies, part.predicted)
    assert (asked[data.bodies.trimap == 1] == 1).all()
    assert (asked == 1).sum() > (data.bodies.trimap == 1).sum()
    shown = trainer.train_step(data)
    assert shown.mattes > 0
    assert shown.bodies > 0
    assert shown.segmentation == 0
    alone = Trainer(replace(SMALL, stages=(Stage(2, bodies=part, frozen=frozen),)), CPU)
    before = copy_of(alone.model)
    alone.train_step(step_data(alone.config, sampler, 0))
    changed = differing(before, alone.model.state_dict())
    assert any(name.startswith("matting") for name in changed)
    assert not any(name.startswith(frozen) for name in changed)
