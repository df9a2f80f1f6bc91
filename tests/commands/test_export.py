"""``p3m export``: the graphs compute what torch computes, and the README beside them works as it stands."""

import contextlib
import hashlib
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from command_line import names, read
from PIL import Image

from infer_p3m_portrait_matting.commands import export as command
from infer_p3m_portrait_matting.commands.main import main
from infer_p3m_portrait_matting.p3m import PortraitMatting, find_weights
from infer_p3m_portrait_matting.p3m.inference.onnx_network import WINDOW_MARGIN
from infer_p3m_portrait_matting.p3m.model.registry import get_variant
from infer_p3m_portrait_matting.p3m.onnx import export as exporting
from infer_p3m_portrait_matting.p3m.onnx.graphs import GRAPHS

pytestmark = pytest.mark.slow

FILES = ["LICENSE", "README.md", "coarse.onnx", "global.onnx", "matte.onnx", "model.json", "tail.onnx"]


@pytest.fixture(scope="module")
def network():
    return exporting.load_network()[0]


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory) -> tuple[Path, str, str]:
    """The folder that the command made of that network, and what it printed."""
    folder = tmp_path_factory.mktemp("export") / "deep" / "onnx"
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(exporting, "load_network", lambda *_: (network, find_weights("mobile")))
        assert main(["export", str(folder), "--half", "--check"]) == 0
    return folder, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def run(exported):
    return {name: onnxruntime.InferenceSession(str(exported[0] / f"{name}.onnx")).run for name in GRAPHS}


def test_it_writes_all_files_and_says_how_far_they_are_from_torch(exported):
    folder, out, err = exported
    assert names(folder) == FILES == [Path(line).name for line in out.splitlines()]
    found = re.fullmatch(r"largest difference to PyTorch (\S+), allowed 1e-04 \(logits .*, alpha \S+\)\n", err)
    assert found
    assert 0 < float(found[1]) < 1e-4


def test_the_weights_are_stored_once_in_half_precision(exported):
    sizes = {path.name: path.stat().st_size for path in exported[0].iterdir()}
    assert sum(sizes.values()) < 10e6
    assert sizes["matte.onnx"] > 8.5e6


@pytest.mark.parametrize("size", [(32, 32), (96, 224), (416, 288)])
def test_the_graphs_compute_what_torch_computes(run, network, size):
    image = np.random.default_rng(1).standard_normal((2, 3, *size), dtype=np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(image))
    maps = run["coarse"](None, {"image": image})
    local = run["tail"](None, dict(zip(GRAPHS["tail"].inputs, maps, strict=True)))[0]
    assert np.abs(local - expected.local_alpha.numpy()).max() < 1e-4
    assert np.abs(run["global"](None, {"image": image})[0] - expected.logits.numpy()).max() < 1e-4
    assert expected.local_alpha.numpy().std() > 0.01


def test_windows_of_the_tail_equal_the_whole(run):
    image = np.random.default_rng(2).standard_normal((1, 3, 256, 320), dtype=np.float32)
    maps = run["coarse"](None, {"image": image})
    named = dict(zip(GRAPHS["tail"].inputs, maps, strict=True))
    whole = run["tail"](None, named)[0]
    top, bottom, left, right = 60, 200, 100, 260
    window = {
        name: x[:, :, top // by : bottom // by, left // by : right // by]
        for (name, by), x in zip(GRAPHS["tail"].inputs.items(), maps, strict=True)
    }
    inner = (..., slice(WINDOW_MARGIN, -WINDOW_MARGIN), slice(WINDOW_MARGIN, -WINDOW_MARGIN))
    part = run["tail"](None, window)[0]
    np.testing.assert_allclose(part[inner], whole[:, :, top:bottom, left:right][inner], atol=1e-5)


def test_the_whole_graph_works_alone(exported, network, astronaut, tmp_path):
    alone = tmp_path / "matte.onnx"
    alone.write_bytes((exported[0] / "matte.onnx").read_bytes())
    about = json.loads((exported[0] / "model.json").read_text(encoding="utf-8"))["image"]
    x = ((astronaut[:384, :384] / 255 - about["mean"]) / about["std"]).transpose(2, 0, 1)[None].astype(np.float32)
    alpha = onnxruntime.InferenceSession(str(alone)).run(None, {"image": x})[0]
    with torch.no_grad():
        expected = network.fused_alpha(torch.from_numpy(x)).numpy()
    assert 0.2 < expected.mean() < 0.9
    # A class may change where two are equally likely.
    assert np.mean(np.abs(alpha - expected) > 1e-4) < 1e-4


def test_exporting_leaves_the_network_as_it_was(exported, network):
    fresh = exporting.load_network()[0].state_dict()
    assert all(torch.equal(tensor, fresh[name]) for name, tensor in network.state_dict().items())


def test_the_json_tells_of_the_files(exported):
    about = json.loads((exported[0] / "model.json").read_text(encoding="utf-8"))
    assert (about["model"], about["licence"], about["weights"]["stored_as"]) == ("mobile", "MIT", "float16")
    assert about["weights"]["sha256"] == get_variant("mobile").bundled_sha256
    assert sorted(about["files"]) == [name for name in FILES if name.endswith(".onnx")]
    for name, file in about["files"].items():
        content = (exported[0] / name).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (file["sha256"], file["bytes"])
        session = onnxruntime.InferenceSession(str(exported[0] / name))
        assert [x.name for x in session.get_inputs()] == list(file["inputs"])
        assert [x.name for x in session.get_outputs()] == list(file["outputs"])


def test_the_code_of_the_readme_gives_the_matte_of_the_library(exported, astronaut, tmp_path):
    for file in exported[0].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    photo = np.asarray(Image.fromarray(astronaut).resize((600, 900)))
    Image.fromarray(photo).save(tmp_path / "photo.jpg", "PNG")
    (code,) = re.findall(r"```python\n(.*?)```", (tmp_path / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 32
    code += "\nimport sys; assert not {'torch', 'cv2', 'infer_p3m_portrait_matting'} & set(sys.modules)\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    variant = replace(get_variant("mobile"), second_look=(0.0, 0.0))
    expected = PortraitMatting(variant, "cpu", exporting.load_network()[1], "float32", "torch").matte(photo)
    off = np.abs(read(tmp_path / "matte.png") / 255 - expected)
    assert 0.1 < expected.mean() < 0.9
    assert np.mean(off > 1 / 255) < 0.001


def test_the_numbers_in_the_script_are_those_of_the_model(exported):
    about = json.loads((exported[0] / "model.json").read_text(encoding="utf-8"))["image"]
    text = (exported[0] / "README.md").read_text(encoding="utf-8")
    assert f"mean = {about['mean']}, std = {about['std']};" in text


def test_a_difference_above_the_bar_fails(exported, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(command, "_BAR", 0.0)
    assert main(["export", str(tmp_path / "onnx"), "--check"]) == 1
    assert "allowed 0e+00" in capsys.readouterr().err
    assert (tmp_path / "onnx" / "matte.onnx").stat().st_size > 17e6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["there"], "p3m: error: {}/there: there already: name a new folder"),
        (["new", "--model", "resnet34"], "p3m: error: resnet34 cannot be exported: its decoder puts values where"),
        (["new", "--model", "x"], "p3m: error: unknown model 'x': choose one of resnet34, vitae-s, mobile"),
    ],
)
def test_what_cannot_be_exported_is_said_and_nothing_is_written(arguments, message, tmp_path, capsys):
    there = tmp_path / "there"
    there.mkdir()
    (there / "note.txt").write_text("mine")
    assert main(["export", str(tmp_path / arguments[0]), *arguments[1:]]) in (1, 2)
    assert message.format(tmp_path) in capsys.readouterr().err
    assert names(tmp_path) == ["there/note.txt"]


def test_a_missing_weights_file_is_said_before_torch_is_loaded(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["export", str(tmp_path / "new"), "--weights", str(tmp_path / "no.safetensors")])
    assert end.value.code == 2
    assert "no.safetensors does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(("package", "options"), [("onnx", []), ("onnxruntime", ["--check"])])
def test_a_missing_package_is_named_with_the_command_that_installs_it(package, options, monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["export", str(tmp_path / "new"), *options]) == 1
    assert f'p3m: error: exporting needs the package {package}: pip install "onnx>=' in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_names_of_the_files_are_escaped(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(exporting, "export", lambda network, folder, *_: (folder.mkdir(), (folder / "a.onnx").touch()))
    assert main(["export", str(tmp_path / "red\x1b[31m")]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/red\\x1b[31m/a.onnx\n"


def test_a_photo_called_export_is_still_a_photo(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    Path("export").write_bytes(b"no photo")
    assert main(["export", "--no-cuda"]) != 0
    assert "export" in capsys.readouterr().err
    assert names(tmp_path) == ["export"]
