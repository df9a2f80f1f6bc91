"""Mattes of whole photos with the bundled model."""

import copy
import pickle
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from infer_p3m_portrait_matting.p3m import PortraitMatting, WeightsError
from infer_p3m_portrait_matting.p3m.inference import torch_network
from infer_p3m_portrait_matting.p3m.inference.pass_sizes import pass_size
from infer_p3m_portrait_matting.p3m.model.registry import get_variant

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def photo(astronaut):
    """A small portrait: uint8 [128, 96, 3]."""
    return np.ascontiguousarray(astronaut[0:256:2, 120:312:2])


@pytest.fixture
def calls(mobile, monkeypatch):
    """Names of the network's methods in the order in which they are called."""
    names = []

    def watch(name):
        method = getattr(mobile.model, name)

        def call(*args):
            names.append(name)
            return method(*args)

        monkeypatch.setattr(mobile.model, name, call)

    for name in ("forward", "segment", "local_alpha", "fused_alpha"):
        watch(name)
    return names


def one_class_everywhere(mobile, monkeypatch, number):
    """Let the segmentation say one class for every pixel."""

    def segment(x):
        logits = torch.zeros(x.shape)
        logits[:, number] = 1
        return logits

    monkeypatch.setattr(mobile.model, "segment", segment)


def enlarge(x, size):
    """Bilinear, anti-aliased where it shrinks: float array [..., H, W]."""
    x = torch.from_numpy(np.ascontiguousarray(x, np.float32))
    return F.interpolate(x[None, None], size, mode="bilinear", antialias=True)[0, 0].numpy()


def network_input(image, size):
    planes = [(enlarge(image[..., c] / 255, size) - MEAN[c]) / STD[c] for c in range(3)]
    return torch.from_numpy(np.stack(planes).astype(np.float32))[None]


@pytest.fixture
def published(mobile, monkeypatch):
    """The bundled model with the published rule, without a second look."""
    monkeypatch.setattr(mobile, "variant", replace(mobile.variant, second_look=(0, 0)))
    return mobile


def hybrid_by_hand(model, image, global_size, local_size):
    """The published procedure: where the scaled trimap is exactly 0 or 255 it decides, elsewhere the local alpha."""
    with torch.inference_mode():
        classes = model.segment(network_input(image, global_size))[0].argmax(0).numpy()
        local = model.local_alpha(network_input(image, local_size))[0, 0].numpy()
    size = image.shape[:2]
    # A scaled map is exactly 0 only where nothing but zeros went in.
    background = enlarge(classes != 0, size) == 0
    foreground = enlarge(classes != 2, size) == 0
    return np.where(background, 0, np.where(foreground, 1, enlarge(local, size))), background, foreground


@pytest.mark.slow
def test_hybrid_is_the_published_fusion(published, astronaut):
    expected, background, foreground = hybrid_by_hand(published.model, astronaut, (256, 256), (512, 512))
    alpha = published.matte(astronaut)
    np.testing.assert_allclose(alpha, expected, rtol=0, atol=1e-4)
    assert background.any()
    assert not (background | foreground).all()


@pytest.mark.slow
def test_hybrid_keeps_the_aspect_ratio_of_a_shrunk_photo(published, astronaut):
    image = astronaut[:, 60:385]
    expected, _, _ = hybrid_by_hand(published.model, image, (256, 160), (256, 160))
    np.testing.assert_allclose(published.matte(image, input_size=256), expected, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "input_size"), [((512, 384), 512), ((700, 520), 512), ((97, 130), 64), ((60, 48), 512)]
)
def test_hybrid_computes_the_local_alpha_wherever_a_class_asks_for_it(
    size, input_size, published, monkeypatch, astronaut
):
    """Few unknown pixels, and places where background meets foreground: most of the local alpha is not computed."""
    image = np.stack([enlarge(astronaut[:500, :400, c], size) for c in range(3)], -1).round().astype(np.uint8)
    bound = published.variant.global_bound
    passes = [pass_size(*size, input_size, halve, bound if halve else None) for halve in (True, False)]
    dice = torch.Generator().manual_seed(0)
    classes = torch.zeros(passes[0], dtype=torch.int64)
    classes[passes[0][0] // 2 :, : passes[0][1] // 4] = 2
    classes[torch.rand(passes[0], generator=dice) > 0.999] = 1
    logits = F.one_hot(classes, 3).permute(2, 0, 1)[None].float()
    monkeypatch.setattr(published.model, "segment", lambda _: logits)
    expected, background, foreground = hybrid_by_hand(published.model, image, *passes)
    assert (background | foreground).mean() > 0.5
    np.testing.assert_allclose(published.matte(image, input_size=input_size), expected, rtol=0, atol=1e-4)


def test_unknown_everywhere_gives_the_local_alpha(mobile, monkeypatch, astronaut):
    one_class_everywhere(mobile, monkeypatch, 1)
    image = astronaut[:128, 128:256]
    with torch.inference_mode():
        local = mobile.model.local_alpha(network_input(image, (128, 128)))[0, 0].numpy()
    np.testing.assert_allclose(mobile.matte(image, input_size=128), local, rtol=0, atol=1e-4)


def test_resize_is_the_enlarged_fused_alpha(mobile, astronaut):
    with torch.inference_mode():
        fused = mobile.model.fused_alpha(network_input(astronaut, (256, 256)))[0, 0].numpy()
    alpha = mobile.matte(astronaut, "RESIZE")
    np.testing.assert_allclose(alpha, enlarge(fused, (512, 512)), rtol=0, atol=1e-4)


def test_hybrid_runs_one_segmentation_and_one_local_pass(mobile, photo, calls):
    after = []
    mobile.matte(photo, after_pass=lambda: after.append(list(calls)))
    assert calls == ["segment", "local_alpha"]
    assert after == [["segment"], ["segment", "local_alpha"]]


def test_resize_runs_one_pass(mobile, photo, calls):
    after = []
    mobile.matte(photo, "RESIZE", after_pass=lambda: after.append(list(calls)))
    assert calls == ["fused_alpha"]
    assert after == [["fused_alpha"]]


@pytest.mark.parametrize(("method", "expected"), [("HYBRID", ["segment"]), ("RESIZE", ["fused_alpha"])])
def test_an_exception_after_a_pass_ends_the_run(method, expected, mobile, photo, calls):
    def stop():
        raise InterruptedError("enough")

    with pytest.raises(InterruptedError, match="enough"):
        mobile.matte(photo, method, after_pass=stop)
    assert calls == expected


@pytest.mark.parametrize(("number", "value"), [(0, 0.0), (2, 1.0)])
def test_one_class_everywhere_needs_no_local_pass(number, value, mobile, photo, monkeypatch):
    one_class_everywhere(mobile, monkeypatch, number)
    monkeypatch.setattr(mobile.model, "local_alpha", lambda *_: pytest.fail("the local pass ran"))
    passes = []
    alpha = mobile.matte(photo, after_pass=lambda: passes.append(1))
    assert alpha.shape == photo.shape[:2]
    assert (alpha == value).all()
    assert alpha.flags.writeable
    assert len(passes) == 1


@pytest.mark.parametrize("method", ["HYBRID", "RESIZE"])
def test_other_dtypes_of_the_same_photo_give_the_same_matte(method, mobile, photo):
    expected = mobile.matte(photo, method)
    assert np.array_equal(mobile.matte(photo.astype(np.uint16) * 257, method), expected)
    assert expected.dtype == np.float32
    for dtype in (np.float32, np.float64, ">f4"):
        alpha = mobile.matte((photo / 255).astype(dtype), method)
        assert alpha.dtype == np.float32
        np.testing.assert_allclose(alpha, expected, rtol=0, atol=1e-5)


def test_half_precision_photos_will_do(mobile, photo):
    halves = (photo / 255).astype(np.float16)
    assert np.array_equal(mobile.matte(halves), mobile.matte(halves.astype(np.float32)))


def test_grey_is_repeated_rgb(mobile, photo):
    grey = np.ascontiguousarray(photo[..., 1])
    expected = mobile.matte(np.dstack([grey] * 3))
    assert np.array_equal(mobile.matte(grey), expected)
    assert np.array_equal(mobile.matte(grey[..., None]), expected)


def test_alpha_of_rgba_multiplies_the_matte_of_the_photo_on_white(mobile, photo):
    opaque = np.full(photo.shape[:2], 255, np.uint8)
    assert np.array_equal(mobile.matte(np.dstack([photo, opaque])), mobile.matte(photo))
    own = opaque.copy()
    own[:, : photo.shape[1] // 2] = 0
    own[:10] = 51
    on_white = np.where(own[..., None] == 0, np.uint8(255), photo)
    on_white[:10] = np.rint(255 + (photo[:10].astype(float) - 255) / 5)
    got = mobile.matte(np.dstack([photo, own]))
    np.testing.assert_allclose(got, mobile.matte(on_white) * (own / 255), rtol=0, atol=1e-6)
    assert got.max() > 0.5
    assert got[10:, : photo.shape[1] // 2].max() == 0
    assert np.array_equal(mobile.matte_batch([np.dstack([photo, own])])[0], got)


@pytest.mark.slow
@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[::2, ::2],
        lambda x: x[::-1],
        lambda x: x[:, ::-1],
        lambda x: x[..., ::-1],
        lambda x: x[5:70, 7:80],
        lambda x: np.asfortranarray(x),
        lambda x: x.transpose(1, 0, 2),
    ],
    ids=["strided", "upside down", "mirrored", "BGR", "cut", "Fortran order", "turned"],
)
def test_views_give_what_their_copies_give(view, mobile, photo):
    image = view(photo)
    assert np.array_equal(mobile.matte(image), mobile.matte(np.array(image, order="C")))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_the_callers_array_stays_as_it_was(dtype, mobile, photo):
    image = photo.astype(dtype) if dtype in (np.uint8, np.uint16) else (photo / 255).astype(dtype)
    before = image.copy()
    expected = mobile.matte(image)
    assert np.array_equal(image, before)
    image.setflags(write=False)
    alpha = mobile.matte(image)
    assert np.array_equal(alpha, expected)
    assert alpha.flags.writeable
    assert not np.shares_memory(alpha, expected)


@pytest.mark.slow
@settings(max_examples=6)
@given(
    st.integers(1, 700), st.integers(1, 700), st.sampled_from([32, 96, 200, 256]), st.sampled_from(["HYBRID", "RESIZE"])
)
@example(1, 1, 1024, "HYBRID")
@example(1, 700, 1024, "HYBRID")
@example(700, 1, 1024, "RESIZE")
@example(31, 33, 1024, "HYBRID")
@example(64, 64, 1024, "HYBRID")
@example(63, 65, 1024, "RESIZE")
@example(100, 130, 32, "HYBRID")
def test_every_size_gives_a_matte_of_its_size_and_the_same_one_again(
    mobile, astronaut, height, width, input_size, method
):
    image = np.tile(astronaut, (2, 2, 1))[:height, :width]
    alpha = mobile.matte(image, method, input_size)
    assert alpha.shape == (height, width)
    assert alpha.dtype == np.float32
    assert np.isfinite(alpha).all()
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    assert np.array_equal(mobile.matte(image, method, input_size), alpha)


@pytest.mark.parametrize("value", [0, 255])
def test_pictures_of_one_colour_give_a_matte(value, mobile):
    alpha = mobile.matte(np.full((70, 50, 3), value, np.uint8))
    assert alpha.shape == (70, 50)
    assert np.isfinite(alpha).all()


def test_methods_may_be_written_in_any_case(mobile, photo):
    for method in ("hybrid", "Resize"):
        np.testing.assert_array_equal(mobile.matte(photo, method, 64), mobile.matte(photo, method.upper(), 64))


@pytest.mark.parametrize("method", ["", "HYBRID ", "BOTH", None])
def test_unknown_methods_are_refused(method, mobile, photo):
    with pytest.raises(ValueError, match="HYBRID, RESIZE"):
        mobile.matte(photo, method)


@pytest.mark.parametrize("input_size", [31, 0, -1024])
def test_too_small_an_input_size_is_refused(input_size, mobile, photo):
    with pytest.raises(ValueError, match="at least 32"):
        mobile.matte(photo, input_size=input_size)


def test_the_network_is_folded_and_out_of_training(mobile):
    assert not any(m.training for m in mobile.model.modules() if not isinstance(m, torch.nn.Identity))
    assert not any(p.requires_grad for p in mobile.model.parameters())
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in mobile.model.modules())


@pytest.mark.slow
@pytest.mark.parametrize("method", ["HYBRID", "RESIZE"])
def test_the_person_is_told_from_the_background(method, mobile, astronaut):
    alpha = mobile.matte(astronaut, method)
    person = {"face": alpha[95:160, 190:265], "chest": alpha[290:330, 80:220], "collar": alpha[200:300, 180:260]}
    behind = {"left": alpha[10:80, 95:140], "middle": alpha[10:120, 310:345], "right": alpha[10:230, 475:505]}
    assert {name: part.mean().item() for name, part in person.items() if part.mean() <= 0.9} == {}
    assert {name: part.mean().item() for name, part in behind.items() if part.mean() >= 0.1} == {}


def test_the_bound_of_the_global_pass_may_be_given(mobile, astronaut, monkeypatch):
    assert mobile.variant.global_bound == 480
    bounded, seen = PortraitMatting(replace(mobile.variant, global_bound=128), runtime="torch"), []
    segment = bounded.model.segment
    monkeypatch.setattr(bounded.model, "segment", lambda x: (seen.append(tuple(x.shape[2:])), segment(x))[1])
    bounded.matte(astronaut, "HYBRID", 512)
    assert seen == [(128, 128)]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["HYBRID", "RESIZE"])
@pytest.mark.parametrize("batch_size", [None, 3])
def test_photos_of_mixed_sizes_together_give_what_they_give_alone(batch_size, method, mobile, photo):
    images = [photo, photo[::-1], photo[:90], np.zeros((40, 50, 3), np.uint8), photo[..., 0], photo[:96, :96] / 255]
    together = mobile.matte_batch(images, method, 96, batch_size)
    alone = [mobile.matte(image, method, 96) for image in images]
    assert len(together) == len(images)
    for one, other in zip(together, alone, strict=True):
        if batch_size is None:
            assert np.array_equal(one, other)
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4)
    assert mobile.matte_batch([], method) == []


def test_the_local_alpha_alone_is_guarded_as_the_matte_is(photo):
    matting = PortraitMatting("mobile", "cpu", precision="float32", runtime="torch")
    long = np.tile(photo, (1, 8, 1))
    sizes = []
    network = matting.model.local_alpha

    def seen(x, wanted=None):
        sizes.append(tuple(x.shape[2:]))
        return network(x, wanted)

    matting.model.local_alpha = seen
    assert matting.local_alpha(long, 192).shape == long.shape[:2]
    assert len(sizes) > 1
    assert min(map(min, sizes)) > 32
    matting.model.local_alpha = lambda x, wanted=None: network(x, wanted) * float("nan")
    with pytest.raises(WeightsError, match="not finite"):
        matting.local_alpha(photo, 96)


def test_without_arguments_the_bundled_model_is_loaded_for_the_best_device():
    matting = PortraitMatting()
    assert matting.model_name == "mobile"
    assert str(matting.device) == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(("trouble", "device"), [("", "cuda"), ("no kernel image", "cpu")])
def test_auto_takes_a_gpu_that_computes_and_says_why_it_takes_none(trouble, device, monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch_network, "trouble_with_gpu", lambda device: trouble)
    assert torch_network.choose_device("auto").type == device
    assert [record.getMessage() for record in caplog.records if trouble in record.getMessage()] == (
        [f"PyTorch cannot compute on this GPU ({trouble}): computing on the CPU"] if trouble else []
    )


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda matting: pickle.loads(pickle.dumps(matting))])
def test_a_copy_is_loaded_anew_and_computes_the_same(copied, photo, tmp_path, monkeypatch):
    variant = replace(get_variant("mobile"), global_bound=64)
    shutil.copy(PortraitMatting("mobile", "cpu").weights, tmp_path / "own.safetensors")
    monkeypatch.chdir(tmp_path)
    matting = PortraitMatting(variant, "cpu", "own.safetensors", "float32", "torch")
    matting.batch_size = 3
    assert len(pickle.dumps(matting)) < 10_000
    monkeypatch.chdir("/")
    again = copied(matting)
    assert again.model is not matting.model
    assert (again.variant, again.device, again.precision, again.batch_size) == (variant, matting.device, "float32", 3)
    np.testing.assert_array_equal(again.matte(photo, input_size=128), matting.matte(photo, input_size=128))


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "mps", "meta", None])
def test_a_device_that_does_not_exist_is_refused_before_anything_is_loaded(device, tmp_path):
    with pytest.raises(ValueError, match=f"device '?{device}"):
        PortraitMatting("mobile", device, tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("global_bound", 31),
        ("global_bound", -5),
        ("unknown_above", 1.0),
        ("unknown_above", -0.1),
        ("second_look", (1.1, 0)),
        ("second_look", (0, -0.1)),
    ],
)
def test_bounds_and_probabilities_that_cannot_be_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"{name} must .*got {re.escape(str(value))}"):
        replace(get_variant("mobile"), **{name: value})


def test_the_image_of_a_batch_that_is_refused_is_named(mobile, photo):
    with pytest.raises(ValueError, match=r"images\[1\]: the image is empty"):
        mobile.matte_batch([photo, photo[:0]])
    with pytest.raises(TypeError, match=r"images\[0\]: .*numpy array"):
        mobile.matte_batch([None])
    with pytest.raises(OSError, match=r"images\[0\]: .*none\.jpg"):
        mobile.matte_batch(["none.jpg"])
    with pytest.raises(ValueError, match=r"images\[0\]: .*surrogates"):
        mobile.matte_batch(["\ud800.jpg"])
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        mobile.matte_batch([photo], batch_size=0)
    with pytest.raises(ValueError, match="HYBRID, RESIZE"):
        mobile.matte_batch([photo], "BOTH")


def test_weights_that_leave_the_range_of_float16_run_in_bfloat16(photo, caplog, monkeypatch):
    expected = PortraitMatting("mobile", "cpu", precision="bfloat16").matte(photo, input_size=128)
    matting = PortraitMatting("mobile", "cpu", precision="float32", runtime="torch")
    matting.model.dtype = torch.float16  # as on a GPU
    matting.model.segment = lambda x: torch.full((len(x), 3, *x.shape[2:]), float("inf"))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    np.testing.assert_array_equal(matting.matte(photo, input_size=128), expected)
    assert matting.precision == "bfloat16"
    assert "leave the range of float16" in caplog.text


def test_a_batch_that_does_not_fit_is_taken_in_halves(mobile, photo, monkeypatch, caplog):
    images = [np.roll(photo, 9 * i, 0) for i in range(5)]
    alone = [mobile.matte(image, input_size=64) for image in images]
    sizes, run = [], PortraitMatting._run

    def on_a_small_gpu(self, photos, *rest):
        sizes.append(len(photos))
        if len(photos) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run(self, photos, *rest)

    monkeypatch.setattr(PortraitMatting, "_run", on_a_small_gpu)
    for alpha, expected in zip(mobile.matte_batch(images, input_size=64, batch_size=5), alone, strict=True):
        np.testing.assert_allclose(alpha, expected, rtol=0, atol=1e-4)
    assert sizes == [5, 2, 2, 1]
    assert "too little memory for 5 photos at once: trying 2" in caplog.text
