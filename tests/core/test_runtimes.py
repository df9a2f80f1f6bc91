"""ONNX Runtime computes what PyTorch computes, without PyTorch; and which of the two runs."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch

from infer_p3m_portrait_matting.p3m import MissingPackageError, PortraitMatting, WeightsError
from infer_p3m_portrait_matting.p3m.inference import hardware, runtimes
from infer_p3m_portrait_matting.p3m.inference.onnx_network import PARTS, OnnxNetwork, graph_file
from infer_p3m_portrait_matting.p3m.inference.runtimes import choose_runtime
from infer_p3m_portrait_matting.p3m.model.registry import get_variant
from infer_p3m_portrait_matting.p3m.onnx.bundled import graphs

MOBILE = get_variant("mobile")


@pytest.fixture(scope="module")
def light():
    return PortraitMatting("mobile", "cpu", runtime="onnxruntime")


@pytest.fixture
def without(monkeypatch):
    """Let packages seem not to be installed."""

    def remove(*names):
        found = hardware.find_spec
        monkeypatch.setattr(hardware, "find_spec", lambda name: None if name in names else found(name))

    return remove


@pytest.fixture
def computer(monkeypatch):
    """Say what this computer has."""

    def have(driver=False, bfloat16=False):
        monkeypatch.setattr(runtimes, "has_gpu_driver", lambda: driver)
        monkeypatch.setattr(runtimes, "cpu_lists_bfloat16", lambda: bfloat16)

    have()
    return have


@pytest.mark.parametrize("method", ["HYBRID", "RESIZE"])
@pytest.mark.parametrize("cut", [(slice(0, 512), slice(0, 512)), (slice(0, 300), slice(40, 460))])
def test_mattes_are_those_of_torch(method, cut, light, mobile, astronaut):
    image = astronaut[cut]
    difference = np.abs(light.matte(image, method) - mobile.matte(image, method))
    assert (difference <= 1 / 255).mean() >= 0.999
    assert difference.sum() / 1000 < 0.05
    assert light.matte(image, method).std() > 0.1


def test_the_local_alpha_is_that_of_torch(light, mobile, astronaut):
    np.testing.assert_allclose(light.local_alpha(astronaut, 256), mobile.local_alpha(astronaut, 256), rtol=0, atol=1e-3)


def test_the_same_photo_gives_the_same_bits(light, astronaut):
    first = light.matte(astronaut)
    light.matte(astronaut[:100])
    assert np.array_equal(light.matte(astronaut), first)
    assert np.array_equal(PortraitMatting("mobile", "cpu", runtime="onnxruntime").matte(astronaut), first)


def test_windows_of_the_local_pass_are_parts_of_the_whole(light):
    x = np.random.default_rng(0).standard_normal((2, 3, 480, 384), dtype=np.float32)
    wanted = np.zeros((2, 120, 96), bool)
    wanted[0, 50:60, 40:45] = wanted[1, -3:, -2:] = wanted[1, :1, :1] = True
    network = light._network
    whole, found = network.local_alpha(x), network.local_alpha(x, wanted)
    fine = wanted.any(0).repeat(4, 0).repeat(4, 1)
    np.testing.assert_allclose(found[:, 0, fine], whole[:, 0, fine], rtol=0, atol=1e-6)
    assert (found == 0).mean() > 0.2


def test_the_rules_of_a_variant_count(light, astronaut):
    bounded = PortraitMatting(replace(MOBILE, global_bound=128), "cpu", runtime="onnxruntime")
    assert not np.array_equal(bounded.matte(astronaut), light.matte(astronaut))


def test_batches_and_passes_are_those_of_torch(light, astronaut):
    passes = []
    alpha = light.matte(astronaut, after_pass=lambda: passes.append(1))
    assert len(passes) == 2
    assert light.batch_size == 1
    assert np.array_equal(light.matte_batch([astronaut])[0], alpha)


def test_a_loaded_network_says_what_it_is(light, mobile):
    assert (light.runtime, light.device, light.precision) == ("onnxruntime", "cpu", "float32")
    assert (mobile.runtime, mobile.device, mobile.precision) == ("torch", torch.device("cpu"), "float32")
    with pytest.raises(AttributeError, match='runtime="torch"'):
        _ = light.model


def test_a_copy_keeps_its_runtime(light, astronaut):
    again = pytest.importorskip("copy").deepcopy(light)
    assert again.runtime == "onnxruntime"
    assert np.array_equal(again.matte(astronaut[:128, :128]), light.matte(astronaut[:128, :128]))


@pytest.mark.parametrize(
    ("driver", "bfloat16", "device", "precision", "few", "expected"),
    [
        (False, False, "auto", "auto", False, "onnxruntime"),
        (False, True, "auto", "auto", False, "torch"),
        (False, True, "auto", "auto", True, "onnxruntime"),
        (False, True, "cpu", "float32", False, "onnxruntime"),
        (False, False, "cpu", "bfloat16", True, "torch"),
        (True, False, "auto", "auto", True, "torch"),
        (True, False, "cpu", "auto", False, "onnxruntime"),
        (False, False, "cuda:1", "auto", False, "torch"),
        (False, True, "openvino", "auto", False, "onnxruntime"),
        (False, False, torch.device("cpu"), "auto", False, "onnxruntime"),
    ],
)
def test_torch_runs_where_it_wins(driver, bfloat16, device, precision, few, expected, computer):
    computer(driver, bfloat16)
    weights = PortraitMatting("mobile", "cpu").weights
    assert choose_runtime(MOBILE, device, weights, precision, few) == expected


def test_torch_runs_what_onnx_runtime_cannot(computer, without, tmp_path, checkpoints):
    assert choose_runtime(get_variant("resnet34"), "cpu", checkpoints["resnet34"], "auto") == "torch"
    assert choose_runtime(MOBILE, "cpu", checkpoints["resnet34"], "auto") == "torch"
    assert choose_runtime(MOBILE, "cpu", tmp_path / "none.safetensors", "auto") == "onnxruntime"
    without("onnxruntime")
    assert choose_runtime(MOBILE, "cpu", graph_file("p3m_mobile", "tail"), "auto") == "torch"
    without("timm")
    assert choose_runtime(get_variant("resnet34"), "cpu", checkpoints["resnet34"], "auto") == "onnxruntime"


def test_what_is_not_to_be_had_is_said_by_name(without, checkpoints):
    load = {"model_name": "mobile", "device": "cpu", "runtime": "onnxruntime"}
    with pytest.raises(ValueError, match="unknown runtime 'tensorflow': choose one of auto, torch, onnxruntime"):
        PortraitMatting(**(load | {"runtime": "tensorflow"}))
    with pytest.raises(ValueError, match=r"'bfloat16' needs PyTorch \(pip install torch torchvision timm\)"):
        PortraitMatting(**load, precision="bfloat16")
    with pytest.raises(ValueError, match="resnet34 needs PyTorch"):
        PortraitMatting(**(load | {"model_name": "resnet34"}), weights=checkpoints["resnet34"])
    with pytest.raises(ValueError, match=r"unknown device 'mps'.* PyTorch"):
        PortraitMatting(**(load | {"device": "mps"}))
    with pytest.raises(WeightsError, match=r"other tensors.* runtime torch"):
        PortraitMatting(**load, weights=checkpoints["resnet34"])
    without("torchvision")
    with pytest.raises(MissingPackageError, match="needs the package torchvision: pip install"):
        PortraitMatting(**(load | {"runtime": "torch"}))


@pytest.mark.parametrize("device", ["cuda", "coreml", "directml", "openvino"])
def test_a_provider_is_taken_by_name_where_it_is_offered(device, monkeypatch):
    provider = {"cuda": "CUDA", "coreml": "CoreML", "directml": "Dml", "openvino": "OpenVINO"}[device]
    provider += "ExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        with pytest.raises(ValueError, match=f"device '{device}' needs an ONNX Runtime that offers {provider}"):
            PortraitMatting("mobile", device, runtime="onnxruntime")
    chosen = []

    def session(graph, options, providers):
        chosen.append(providers)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [provider])
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    assert PortraitMatting("mobile", device, runtime="onnxruntime").device == device
    assert chosen == [[provider]] * len(PARTS)


def test_weights_that_give_values_that_are_not_finite_are_named(light, astronaut, tmp_path):
    content = bytearray(light.weights.read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    place = json.loads(content[8:start])["encoder.backbone.bn1.bias"]["data_offsets"]
    content[start + place[0] : start + place[1]] = np.float32("nan").tobytes() * ((place[1] - place[0]) // 4)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(content)
    matting = PortraitMatting("mobile", "cpu", broken, runtime="onnxruntime")
    for method in ("HYBRID", "RESIZE"):
        with pytest.raises(WeightsError, match=r"broken\.safetensors.* not finite"):
            matting.matte(astronaut, method, 128)


@pytest.mark.slow
def test_the_bundled_graphs_are_made_from_the_code_and_the_weights():
    """If this fails, run python tools/pin_weights.py."""
    onnx = pytest.importorskip("onnx")
    made = graphs()
    assert list(made) == [graph_file("p3m_mobile.safetensors", part) for part in PARTS]
    for path, content in made.items():
        there, expected = (onnx.load_from_string(each) for each in (path.read_bytes(), content))
        # Another version of PyTorch may write the same graph in another way.
        if there.producer_version == expected.producer_version:
            assert path.read_bytes() == content
        assert [entry.name for entry in there.graph.initializer] == [entry.name for entry in expected.graph.initializer]
        assert len(content) < 200_000


def test_a_graph_runs_in_onnx_runtime_alone():
    """The graphs lie beside the weights file that they name."""
    graph = graph_file("p3m_mobile.safetensors", "global")
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).standard_normal((1, 3, 64, 96), dtype=np.float32)
    network = OnnxNetwork(MOBILE, "cpu", graph.with_name("p3m_mobile.safetensors"), "auto")
    np.testing.assert_allclose(session.run(None, {"image": x})[0], network.segment(x), rtol=0, atol=1e-5)


def test_torch_is_never_imported(tmp_path, astronaut):
    np.save(tmp_path / "photo.npy", astronaut[:128, :128])
    program = (
        "import sys, numpy as np\n"
        "sys.modules['torch'] = None\n"
        "from infer_p3m_portrait_matting.p3m import *\n"
        "matting = PortraitMatting()\n"
        "print(matting.runtime, matting.matte(np.load('photo.npy')).shape)\n"
        "from infer_p3m_portrait_matting.pipeline.pipeline import Pipeline\n"
        "from infer_p3m_portrait_matting.pipeline.settings import Settings\n"
        "print(Pipeline(Settings()).run(np.load('photo.npy'), 'photo').matte.shape)\n"
    ).replace("import *", "import PortraitMatting")
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "onnxruntime (128, 128)\n(128, 128)\n", done.stderr
