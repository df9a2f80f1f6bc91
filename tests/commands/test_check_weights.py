"""``p3m check-weights``: what a weights file is, and whether it can be used."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import published_rule
import pytest
import torch
from command_line import ROOT
from safetensors.torch import load_file, save_file

from infer_p3m_portrait_matting.commands.main import main
from infer_p3m_portrait_matting.p3m.checkpoints.places import expected_weights
from infer_p3m_portrait_matting.p3m.model import registry

BUNDLED = expected_weights("mobile")


@pytest.fixture
def check(capsys):
    """Run the command: a path -> its status, the fields that it printed, the lines of differences, and the errors."""

    def run(path) -> tuple[int, dict[str, str], list[str], str]:
        capsys.readouterr()
        status = main(["check-weights", str(path)])
        out, err = capsys.readouterr()
        lines = out.splitlines()
        fields = dict(line.split(":", 1) for line in lines if not line.startswith("  "))
        return status, {k: v.strip() for k, v in fields.items()}, [x[2:] for x in lines if x.startswith("  ")], err

    return run


@pytest.fixture
def changed(tmp_path):
    """Write the bundled weights with changes: a function that changes the tensors -> the file."""

    def write(change) -> Path:
        tensors = load_file(BUNDLED)
        change(tensors)
        save_file(tensors, tmp_path / "own.safetensors")
        return tmp_path / "own.safetensors"

    return write


def test_the_bundled_file_is_told_from_own_weights(check, changed):
    status, fields, differences, err = check(BUNDLED)
    assert (status, differences, err) == (0, [], "")
    assert fields["network"] == "mobile"
    assert fields["SHA-256"] == hashlib.sha256(BUNDLED.read_bytes()).hexdigest()
    assert fields["origin"] == "the bundled file"
    assert fields["usable"] == "yes, as --model-weight-file with --model mobile"
    own = check(changed(lambda tensors: tensors["segmentation.head.0.bias"].add_(1)))
    assert own[0] == 0
    assert own[1]["origin"] == "not the bundled file"
    assert own[1]["layout"] == fields["layout"]
    assert own[1]["SHA-256"] != fields["SHA-256"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet34", "vitae-s"])
def test_a_published_checkpoint_is_the_published_file_only_by_its_pin(name, check, checkpoints, monkeypatch, tmp_path):
    variant = registry.get_variant(name)
    monkeypatch.setitem(registry._BY_NAME, name, replace(variant, published_sha256=None))
    status, fields, differences, _ = check(checkpoints[name])
    assert (status, fields["network"], differences) == (0, name, [])
    assert fields["layout"] == variant.published_layout
    assert fields["origin"] == "it has the layout of the published file, whose SHA-256 is not known here"
    for digest, origin in (
        (fields["SHA-256"], "the published file"),
        ("0" * 64, "not the published file, but it has the same layout"),
    ):
        monkeypatch.setitem(registry._BY_NAME, name, replace(variant, published_sha256=digest))
        assert check(checkpoints[name])[1]["origin"] == origin
    tensors = published_rule.state_dict(name)
    unused = "resnet.fc.weight" if name == "resnet34" else "encoder.head.weight"
    del tensors[unused]
    torch.save(tensors, tmp_path / "own.pth")
    status, fields, _, _ = check(tmp_path / "own.pth")
    assert (status, fields["origin"]) == (0, "not the published file: its layout differs")


def test_each_difference_is_one_line(check, changed):
    def change(tensors):
        del tensors["matting.head.2.bias"]
        tensors["more\n"] = torch.zeros(1)
        tensors["segmentation.head.0.bias"] = torch.zeros(7)

    status, fields, differences, err = check(changed(change))
    assert (status, err) == (1, "")
    assert fields["network"] == "none; the closest is mobile"
    assert fields["usable"] == "no; differences to mobile: 3"
    assert differences == [
        "missing matting.head.2.bias",
        "unknown more\\n",
        "segmentation.head.0.bias is [7] instead of [3]",
    ]


def test_ten_differences_are_printed_and_the_others_counted(check, changed):
    def change(tensors):
        for name in [name for name in tensors if name.startswith("matting.d4")]:
            del tensors[name]

    status, fields, differences, _ = check(changed(change))
    count = int(fields["usable"].rsplit(" ", 1)[1])
    assert (status, len(differences), differences[-1]) == (1, 11, f"... and {count - 10} more")
    assert all(line.startswith("missing matting.d4") for line in differences[:10])


def test_a_checkpoint_of_another_network_is_none_of_them(check, tmp_path):
    torch.save({"layer.weight": torch.zeros(2, 3)}, tmp_path / "other.pth")
    status, fields, differences, _ = check(tmp_path / "other.pth")
    assert (status, fields["network"], differences) == (1, "none of resnet34, vitae-s, mobile", [])
    assert fields["SHA-256"] == hashlib.sha256((tmp_path / "other.pth").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.pth", None, "does not exist"),
        ("new\nline.pth", None, "does not exist"),
        ("note.pth", b"a note", "cannot be read"),
        ("note.safetensors", b"a note", "cannot be read"),
        ("new\nline.safetensors", b"a note", "cannot be read"),
        ("cut.safetensors", BUNDLED.read_bytes()[:-1000], "may be truncated"),
        (BUNDLED.name, BUNDLED.read_bytes()[:-1] + b"?", "not what was downloaded"),
    ],
)
def test_what_is_no_whole_checkpoint_gets_one_line(name, content, message, check, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    digest = hashlib.sha256(BUNDLED.read_bytes()).hexdigest()
    (tmp_path / f"{BUNDLED.name}.sha256").write_text(f"{digest}  {BUNDLED.name}\n")
    status, fields, _, err = check(tmp_path / name)
    assert (status, fields) == (1, {})
    assert err.startswith(f"p3m: error: weights file {tmp_path}")
    assert message in err
    assert err.count("\n") == 1


def test_a_missing_file_is_said_before_torch_is_loaded(tmp_path):
    code = (
        "import sys\n"
        "from infer_p3m_portrait_matting.commands.main import main\n"
        "assert main(['check-weights', 'no.pth']) == 1\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "p3m: error: weights file no.pth does not exist\n")


@pytest.mark.parametrize("name", ["export", "check-weights"])
def test_wrong_usage_is_one_line_with_what_cannot_be_printed_escaped(name, capsys):
    with pytest.raises(SystemExit) as end:
        main([name, "file", "--no\x1b[31m"])
    assert end.value.code == 2
    assert capsys.readouterr().err == f"p3m {name}: error: unrecognized arguments: --no\\x1b[31m\n"


def test_a_photo_called_check_weights_is_still_a_photo(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    Path("check-weights").write_bytes(b"no photo")
    assert main(["check-weights", "--no-cuda"]) == 1
    assert "check-weights cannot be read as an image" in capsys.readouterr().err
