"""Our own weights files, and where files are looked for."""

import re
import resource
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from infer_p3m_portrait_matting.p3m import (
    PortraitMatting,
    WeightsError,
    cache_folder,
    create_model,
    expected_weights,
    find_weights,
    load_weights,
    save_weights,
)

NAMES = {"resnet34": "p3mnet_pretrained_on_p3m10k.pth", "vitae-s": "P3M-Net_ViTAE-S_trained_on_P3M-10k.pth"}


@pytest.fixture(scope="module")
def original():
    torch.manual_seed(0)
    return create_model("mobile")


@pytest.fixture
def saved(original, tmp_path):
    path = tmp_path / "mobile.safetensors"
    save_weights(original, path)
    return path


@pytest.mark.slow
def test_what_was_saved_comes_back_rounded_to_half_precision(original, saved):
    model = create_model("mobile")
    load_weights(model, saved)
    for name, tensor in original.state_dict().items():
        expected = tensor.half().float() if tensor.ndim > 1 else tensor
        assert torch.equal(model.state_dict()[name], expected), name
        assert model.state_dict()[name].dtype == tensor.dtype


def test_saving_again_what_was_loaded_gives_the_same_file(saved, tmp_path):
    model = create_model("mobile")
    load_weights(model, saved)
    save_weights(model, str(tmp_path / "again.safetensors"))
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()


def test_channels_last_weights_are_saved_alike(original, saved, tmp_path):
    model = create_model("mobile")
    model.load_state_dict(original.state_dict())
    path = tmp_path / "channels_last.safetensors"
    save_weights(model.to(memory_format=torch.channels_last), path)
    assert path.read_bytes() == saved.read_bytes()


def test_saving_leaves_one_file(saved):
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


def test_a_write_that_fails_leaves_the_old_file_whole(original, saved):
    before = saved.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match="large"):
            save_weights(original, saved)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert saved.read_bytes() == before


def unchanged_after(error, model, path, match):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(error, match=match):
        load_weights(model, path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_truncated_file_is_refused_wherever_it_ends(saved):
    model, whole = create_model("mobile"), saved.read_bytes()
    for size in (0, 5, 1000, len(whole) // 2, len(whole) - 1):
        saved.write_bytes(whole[:size])
        unchanged_after(WeightsError, model, saved, re.escape(str(saved)))


@pytest.mark.parametrize("content", [b"<!DOCTYPE html>", bytes(range(256)) * 8], ids=["web page", "noise"])
def test_what_is_no_safetensors_file_is_refused(content, saved):
    saved.write_bytes(content)
    unchanged_after(WeightsError, create_model("mobile"), saved, "cannot be read")


def test_another_networks_file_is_refused(saved):
    unchanged_after(WeightsError, create_model("resnet34"), saved, "missing encoder.conv1.weight")


def test_a_changed_file_is_refused_with_the_difference(original, saved):
    state = {name: tensor.clone() for name, tensor in original.state_dict().items()}
    state["unheard.of"] = state.pop("matting.head.0.bias")
    state["matting.head.1.weight"][0, 0, 0, 0] = float("nan")
    save_file(state, saved)
    with pytest.raises(WeightsError, match="3 differences") as caught:
        load_weights(create_model("mobile"), saved)
    for words in ("missing matting.head.0.bias", "unknown unheard.of", "matting.head.1.weight holds values"):
        assert words in str(caught.value)


@pytest.mark.parametrize("name", ["none.safetensors", "none.pth", "none"])
def test_missing_file_is_named(name, original, tmp_path):
    unchanged_after(FileNotFoundError, original, tmp_path / name, name)


def test_suffix_chooses_the_reader(checkpoints):
    model = create_model("vitae-s")
    load_weights(model, str(checkpoints["vitae-s"]))
    assert model.matting.head[0].bias.any()


def test_cache_folder_is_in_home_unless_named(home, monkeypatch, tmp_path):
    monkeypatch.delenv("P3M_WEIGHTS_DIR", raising=False)
    assert cache_folder() == home / ".cache" / "p3m_portrait_matting"
    monkeypatch.setenv("P3M_WEIGHTS_DIR", "")
    assert cache_folder() == home / ".cache" / "p3m_portrait_matting"
    monkeypatch.setenv("P3M_WEIGHTS_DIR", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("P3M_WEIGHTS_DIR", "~/weights")
    assert cache_folder() == home / "weights"


@pytest.mark.parametrize("variant", NAMES)
def test_published_files_are_looked_for_by_their_published_names(variant, monkeypatch, tmp_path):
    monkeypatch.setenv("P3M_WEIGHTS_DIR", str(tmp_path))
    assert find_weights(variant) is None
    assert expected_weights(variant) == tmp_path / NAMES[variant]
    (tmp_path / NAMES[variant]).touch()
    assert find_weights(variant) == tmp_path / NAMES[variant]


def test_a_folder_is_no_weights_file(monkeypatch, tmp_path):
    monkeypatch.setenv("P3M_WEIGHTS_DIR", str(tmp_path))
    (tmp_path / NAMES["resnet34"]).mkdir()
    assert find_weights("resnet34") is None


def test_bundled_weights_are_found_whatever_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("P3M_WEIGHTS_DIR", str(tmp_path))
    path = find_weights("mobile")
    assert path.name == "p3m_mobile.safetensors"
    assert path.is_absolute()


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="unknown model"):
        find_weights("mobilenet")
    with pytest.raises(ValueError, match="unknown model"):
        PortraitMatting("mobilenet")


@pytest.mark.parametrize("variant", NAMES)
def test_portrait_matting_without_weights_names_file_and_place(variant, monkeypatch, tmp_path):
    monkeypatch.setenv("P3M_WEIGHTS_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        PortraitMatting(variant)
    assert str(tmp_path / NAMES[variant]) in str(caught.value)
    assert variant in str(caught.value)


def test_portrait_matting_takes_the_published_file_from_the_cache_folder(monkeypatch, tmp_path, checkpoints):
    monkeypatch.setenv("P3M_WEIGHTS_DIR", str(tmp_path))
    (tmp_path / NAMES["vitae-s"]).symlink_to(checkpoints["vitae-s"])
    assert PortraitMatting("vitae-s").weights == tmp_path / NAMES["vitae-s"]


def test_portrait_matting_gives_the_path_of_a_file_that_was_named_by_text():
    path = find_weights("mobile")
    assert PortraitMatting("mobile", weights=str(path)).weights == path


def test_portrait_matting_refuses_named_files_that_are_missing_or_of_another_network(tmp_path, checkpoints):
    with pytest.raises(FileNotFoundError, match=r"none\.pth"):
        PortraitMatting("resnet34", weights=tmp_path / "none.pth")
    with pytest.raises(WeightsError, match="does not fit"):
        PortraitMatting("mobile", weights=Path(checkpoints["vitae-s"]))
