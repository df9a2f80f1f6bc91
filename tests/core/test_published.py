"""Reading published checkpoints: everything or nothing."""

import io
import math
import pickle
from pathlib import Path

import published_rule
import pytest
import torch

from infer_p3m_portrait_matting.p3m import WeightsError, create_model, load_weights
from infer_p3m_portrait_matting.p3m.checkpoints.published import rename_published_key

PUBLISHED = ("resnet34", "vitae-s")
UNUSED = {
    "resnet34": {"resnet.fc.weight", "resnet.fc.bias"},
    "vitae-s": {"encoder.head.weight", "encoder.head.bias"}
    | {f"encoder.layers.0.NC.{i}.attn.norm1.{leaf}" for i in (0, 1) for leaf in ("weight", "bias")},
}


@pytest.fixture(scope="module")
def models():
    return {name: create_model(name) for name in (*PUBLISHED, "mobile")}


@pytest.fixture
def refuses(models):
    """Assert that a file is refused with all these words in the message, and that the network stays as it was."""

    def check(variant, path, *words):
        model = models[variant]
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        with pytest.raises(WeightsError) as caught:
            load_weights(model, path)
        assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
        for word in (str(path), *words):
            assert word in str(caught.value)

    return check


def hollow(variant):
    """A state_dict of the published names, shapes and dtypes, whose zeros share a third of the memory.

    Tensors that repeated their bytes more often would be refused.
    """
    tensors = published_rule.keys(variant)["tensors"]
    total = sum(math.prod(shape) for shape, _ in tensors.values())
    zeros = {"float32": torch.zeros(total // 3), "int64": torch.zeros(1, dtype=torch.int64)}
    return {key: zeros[dtype][: math.prod(shape)].view(shape) for key, (shape, dtype) in tensors.items()}


def write(tmp_path, state, wrapped=True):
    path = tmp_path / "checkpoint.pth"
    torch.save({"state_dict": state} if wrapped else state, path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("variant", PUBLISHED)
def test_every_published_tensor_lands_where_it_belongs(variant, checkpoints):
    model = create_model(variant)
    load_weights(model, checkpoints[variant])
    ours = model.state_dict()
    for key, tensor in published_rule.state_dict(variant).items():
        if key not in UNUSED[variant]:
            assert torch.equal(ours[rename_published_key(key)], tensor), key


@pytest.mark.parametrize("variant", PUBLISHED)
def test_every_published_key_is_used_or_known_to_be_unused(variant, models):
    names = {key: rename_published_key(key) for key in published_rule.keys(variant)["tensors"]}
    assert {key for key, name in names.items() if name is None} == UNUSED[variant]
    assert set(names.values()) - {None} == set(models[variant].state_dict())


@pytest.mark.parametrize("variant", PUBLISHED)
def test_only_aliases_share_a_name(variant):
    table = published_rule.keys(variant)
    aliases = table["aliases"]
    assert all(rename_published_key(alias) == rename_published_key(key) for alias, key in aliases.items())
    # Counters are no weights: the table lists none of them as an alias.
    kept = [key for key in table["tensors"] if key not in aliases and not key.endswith("num_batches_tracked")]
    used = [name for name in map(rename_published_key, kept) if name is not None]
    assert len(used) == len(set(used))


@pytest.mark.slow
@pytest.mark.parametrize("wrapped", [True, False], ids=["wrapped", "bare"])
@pytest.mark.parametrize("prefix", ["module.", ""])
@pytest.mark.parametrize("variant", PUBLISHED)
def test_prefix_and_wrapping_make_no_difference(variant, prefix, wrapped, tmp_path, models):
    state = {prefix + key: tensor for key, tensor in hollow(variant).items()}
    load_weights(models[variant], write(tmp_path, state, wrapped))
    assert not any(p.any() for p in models[variant].parameters())


def test_performer_features_stay(tmp_path, models):
    cell = models["vitae-s"].encoder.stages[0].cells[0]
    before = cell.attn.w.clone()
    load_weights(models["vitae-s"], write(tmp_path, hollow("vitae-s")))
    assert torch.equal(cell.attn.w, before)
    assert before.any()


def test_missing_key_is_named(tmp_path, refuses):
    state = hollow("vitae-s")
    del state["encoder.layers.2.NC.11.mlp.fc2.bias"]
    refuses("vitae-s", write(tmp_path, state), "1 difference", "missing encoder.stages.2.cells.11.mlp.fc2.bias")


@pytest.mark.slow
def test_unknown_key_is_named(tmp_path, refuses):
    state = hollow("resnet34") | {"resnet.layer5.0.conv1.weight": torch.zeros(1)}
    refuses("resnet34", write(tmp_path, state), "1 difference", "unknown encoder.layer5.0.conv1.weight")


def test_wrong_shape_is_named_with_both_shapes(tmp_path, refuses):
    state = hollow("vitae-s")
    key = next(key for key in state if rename_published_key(key) == "matting.head.0.weight")
    state[key] = torch.zeros(1, 32, 1, 1)
    words = ("matting.head.0.weight", "[1, 32, 1, 1]", "[1, 32, 3, 3]")
    refuses("vitae-s", write(tmp_path, state), "1 difference", *words)


@pytest.mark.slow
def test_wrong_kind_of_number_is_named(tmp_path, refuses):
    state = hollow("vitae-s")
    key = next(key for key in state if rename_published_key(key) == "matting.head.0.bias")
    state[key] = torch.zeros(1, dtype=torch.int64)
    refuses("vitae-s", write(tmp_path, state), "matting.head.0.bias", "int64", "float32")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(value, tmp_path, refuses):
    state = hollow("vitae-s")
    key = next(key for key in state if rename_published_key(key) == "segmentation.head.0.bias")
    state[key] = torch.zeros(32)
    state[key][7] = value
    refuses("vitae-s", write(tmp_path, state), "segmentation.head.0.bias", "not finite")


@pytest.mark.parametrize(
    ("file", "network"),
    [("vitae-s", "resnet34"), ("resnet34", "vitae-s"), ("resnet34", "mobile"), ("vitae-s", "mobile")],
)
def test_another_networks_file_is_refused(file, network, tmp_path, refuses):
    refuses(network, write(tmp_path, hollow(file)), "does not fit this network", "missing", "; ...")


def test_aliases_that_differ_are_refused(tmp_path, refuses):
    state = hollow("resnet34")
    state["encoder2.0.conv1.weight"] = state["encoder2.0.conv1.weight"] + 1
    words = ("encoder.layer2.0.conv1.weight twice", "the second as encoder2.0.conv1.weight")
    refuses("resnet34", write(tmp_path, state), *words)


class _Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.mkdir, (self.target,)


@pytest.mark.parametrize("container", ["pickle", "torch", "torch in a state_dict"])
def test_code_in_a_checkpoint_is_refused_and_does_not_run(container, tmp_path, refuses):
    bomb, path = _Bomb(tmp_path / "it_ran"), tmp_path / "checkpoint.pth"
    if container == "pickle":
        path.write_bytes(pickle.dumps(bomb, protocol=2))
    else:
        torch.save(bomb if container == "torch" else {"state_dict": {"resnet.fc.bias": bomb}}, path)
    refuses("resnet34", path, "could run code")
    assert not bomb.target.exists()
    # The same file is dangerous to a careless reader.
    if container == "pickle":
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert bomb.target.exists()


def test_truncated_file_is_refused_wherever_it_ends(tmp_path, refuses):
    whole = write(tmp_path, hollow("resnet34")).read_bytes()
    path = tmp_path / "truncated.pth"
    for size in (1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        refuses("resnet34", path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(range(256)) * 40,
        b"<!DOCTYPE html>\n<html><body>Sign in to download</body></html>\n",
        b"\x80\x02.",
        b"PK\x03\x04",
    ],
    ids=["empty", "noise", "web page", "empty pickle", "start of a zip"],
)
def test_what_is_no_checkpoint_is_refused(content, tmp_path, refuses):
    path = tmp_path / "checkpoint.pth"
    path.write_bytes(content)
    refuses("resnet34", path)


@pytest.mark.parametrize(
    "content",
    [{}, {"state_dict": {}}, [1, 2], torch.zeros(3), {"epoch": 3, "state_dict": {"a": 1}}, {1: torch.zeros(1)}],
    ids=["nothing", "nothing wrapped", "list", "tensor", "numbers", "keys that are numbers"],
)
def test_a_checkpoint_of_something_else_is_refused(content, tmp_path, refuses):
    path = tmp_path / "checkpoint.pth"
    torch.save(content, path)
    refuses("resnet34", path)


def test_the_format_before_zip_files_is_read_too(tmp_path, models):
    path = tmp_path / "checkpoint.pth"
    torch.save({"state_dict": hollow("resnet34")}, path, _use_new_zipfile_serialization=False)
    load_weights(models["resnet34"], path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(WeightsError):
        load_weights(models["resnet34"], path)


@pytest.mark.parametrize("suffix", ["missing.pth", ""], ids=["no file", "folder"])
def test_a_file_that_is_not_there_is_named(suffix, tmp_path, models):
    with pytest.raises(WeightsError if suffix == "" else FileNotFoundError, match=str(tmp_path)):
        load_weights(models["resnet34"], tmp_path / suffix)


def test_a_buffer_is_no_path(models):
    with pytest.raises(TypeError):
        load_weights(models["resnet34"], io.BytesIO())
