"""Our own weights files, and where files are looked for."""

import hashlib
import os
import re
import resource
import zipfile
from pathlib import Path

import pin_weights
import pytest
import torch
from safetensors.torch import save_file

from infer_p3m_portrait_matting.p3m import (
    PortraitMatting,
    WeightsError,
    create_model,
    find_weights,
    load_weights,
    save_weights,
)
from infer_p3m_portrait_matting.p3m.checkpoints import content, places
from infer_p3m_portrait_matting.p3m.checkpoints.places import cache_folder, expected_weights
from infer_p3m_portrait_matting.p3m.checkpoints.weights import read_weights
from infer_p3m_portrait_matting.p3m.model.registry import known_digests

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
        PortraitMatting("resnet34", "cpu", weights=tmp_path / "none.pth")
    with pytest.raises(WeightsError, match="does not fit"):
        PortraitMatting("mobile", weights=Path(checkpoints["vitae-s"]))


BUNDLED = expected_weights("mobile")


def test_the_bundled_file_is_the_pinned_one():
    digest = hashlib.sha256(BUNDLED.read_bytes()).hexdigest()
    assert known_digests()[BUNDLED.name] == digest, "the bundled file was replaced: run python tools/pin_weights.py"


@pytest.mark.parametrize("change", ["bit", "block"])
def test_a_damaged_bundled_file_is_refused(change, tmp_path, monkeypatch):
    content = bytearray(BUNDLED.read_bytes())
    if change == "bit":
        content[-1000] ^= 1
    else:
        content[-5000:-1000] = bytes(4000)
    monkeypatch.setattr(places, "BUNDLED", tmp_path)
    (tmp_path / BUNDLED.name).write_bytes(content)
    with pytest.raises(WeightsError, match=r"damaged.*SHA-256.*reinstall"):
        PortraitMatting("mobile", "cpu")


def test_a_published_file_is_held_to_its_pin(tmp_path, monkeypatch, checkpoints):
    monkeypatch.setenv("P3M_WEIGHTS_DIR", str(tmp_path))
    (tmp_path / NAMES["resnet34"]).symlink_to(checkpoints["resnet34"])
    monkeypatch.setattr(content, "known_digests", lambda: {NAMES["resnet34"]: "0" * 64})
    with pytest.raises(WeightsError, match="damaged"):
        PortraitMatting("resnet34")


def test_a_digest_beside_a_file_that_was_put_there_by_hand_counts(saved):
    beside = saved.with_name(f"{saved.name}.sha256")
    beside.write_text(f"{hashlib.sha256(saved.read_bytes()).hexdigest()}  {saved.name}\n")
    load_weights(create_model("mobile"), saved)
    beside.write_text(f"{'0' * 64}  {saved.name}\n")
    with pytest.raises(WeightsError, match="SHA-256"):
        load_weights(create_model("mobile"), saved)


def odd(tensor: torch.Tensor, kind: str) -> torch.Tensor:
    return {
        "huge": lambda: torch.full(tensor.shape, 1e300, dtype=torch.float64),
        "sparse": lambda: tensor.to_sparse(),
        "meta": lambda: tensor.to("meta"),
        "fp8 nan": lambda: torch.full(tensor.shape, float("nan")).to(torch.float8_e4m3fn),
    }[kind]()


@pytest.mark.parametrize(
    ("kind", "words"),
    [("huge", "not finite"), ("sparse", "sparse"), ("meta", "meta|cannot be read"), ("fp8 nan", "not finite")],
)
def test_odd_tensors_are_refused(kind, words, original, tmp_path):
    state = {name: tensor.clone() for name, tensor in original.state_dict().items()}
    name = "matting.head.1.weight"
    state[name] = odd(state[name], kind)
    path = tmp_path / "odd.pth"
    torch.save(state, path)
    unchanged_after(WeightsError, create_model("mobile"), path, words)


def test_fp8_weights_are_cast(original, tmp_path):
    state = {name: tensor.clone() for name, tensor in original.state_dict().items()}
    name = "matting.head.1.weight"
    state[name] = state[name].to(torch.float8_e4m3fn)
    torch.save(state, tmp_path / "fp8.pth")
    model = create_model("mobile")
    load_weights(model, tmp_path / "fp8.pth")
    assert torch.equal(model.state_dict()[name], state[name].float())


def test_a_file_that_is_swapped_while_it_is_read_counts_as_it_was_read(saved, monkeypatch):
    beside = saved.with_name(f"{saved.name}.sha256")
    beside.write_text(hashlib.sha256(saved.read_bytes()).hexdigest())
    read = Path.read_bytes

    def swap(self):
        content = read(self)
        if self == saved:
            saved.write_bytes(b"something else")
        return content

    monkeypatch.setattr(Path, "read_bytes", swap)
    load_weights(create_model("mobile"), saved)


def test_folders_pipes_and_devices_are_called_what_they_are(tmp_path):
    os.mkfifo(tmp_path / "pipe.pth")
    for path, words in ((tmp_path, "a folder"), (tmp_path / "pipe.pth", "a pipe"), (Path("/dev/zero"), "a device")):
        with pytest.raises(WeightsError, match=words):
            load_weights(create_model("mobile"), path)


def test_an_archive_that_grows_is_refused_by_its_directory(tmp_path):
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**8))
    with pytest.raises(WeightsError, match="would grow"):
        load_weights(create_model("mobile"), path)


class Sly:
    def __reduce__(self):
        return os.system, ("true",)


def test_tensors_that_repeat_their_bytes_are_refused_at_once(tmp_path):
    """A stride of 0 makes 4 GB of four bytes, and comparing two such tensors takes seconds."""
    path = tmp_path / "small.pth"
    large = torch.zeros(1).expand(1_000_000_000)
    torch.save({"resnet.conv1.weight": large, "encoder.conv1.weight": large}, path)
    assert path.stat().st_size < 4000
    with pytest.raises(WeightsError, match="repeats them as 8,000,000,000 bytes"):
        read_weights(path)


def test_no_message_advises_to_load_code(tmp_path):
    torch.save({"a": Sly()}, tmp_path / "sly.pth")
    with pytest.raises(WeightsError, match="could run code") as caught:
        load_weights(create_model("mobile"), tmp_path / "sly.pth")
    assert "system" in str(caught.value)
    for advice in ("weights_only", "trust", "add_safe_globals"):
        assert advice not in str(caught.value)


def test_pinning_writes_the_registry():
    text = pin_weights.REGISTRY.read_text()
    same, (line,) = pin_weights.pin(text, "bundled", BUNDLED.parent)
    assert line.endswith(BUNDLED.name)
    assert same == text


def test_pinning_published_files_adds_their_digests(checkpoints, tmp_path):
    text = pin_weights.REGISTRY.read_text()
    for name in NAMES:
        (tmp_path / NAMES[name]).symlink_to(checkpoints[name])
    new, lines = pin_weights.pin(text, "published", tmp_path)
    assert len(lines) == 2
    for line in lines:
        assert f'published_sha256="{line.split()[0]}",' in new
    assert pin_weights.pin(new, "published", tmp_path)[0] == new
    compile(new, "registry", "exec")


def test_without_a_home_folder_the_bundled_model_works_and_others_say_what_to_set(monkeypatch, astronaut):
    """A service under a number that no account has."""

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    assert PortraitMatting("mobile", "cpu").matte(astronaut[:64, :64]).shape == (64, 64)
    with pytest.raises(ValueError, match="no home folder: set P3M_WEIGHTS_DIR"):
        PortraitMatting("resnet34")
