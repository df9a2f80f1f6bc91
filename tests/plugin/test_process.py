"""The task in real Ikomia workflows: parameters, ports, results, failures."""

import base64
import ctypes
import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from ikomia_plugin import NAME, ROOT, Workflow, core, dataprocess, ik_registry, workflow_with

from infer_p3m_portrait_matting.p3m import PortraitMatting, composite, cutout, estimate_foreground, to_uint8
from infer_p3m_portrait_matting.plugin.openmp import _runtime, all_threads
from infer_p3m_portrait_matting.plugin.settings import Settings

DEFAULTS = {
    "model_name": "resnet34",
    "input_size": "1024",
    "method": "HYBRID",
    "cuda": "True",
    "model_weight_file": "",
    "background": "#ffffff",
    "background_file": "",
    "foreground": "estimated",
    "anonymize": "none",
    "anonymize_strict": "False",
    "temporal": "False",
    "allow_fallback": "True",
}


@pytest.fixture
def photo(astronaut):
    return astronaut[:320, 64:352].copy()


def outputs(task):
    return [task.get_output(index).get_image() for index in range(3)]


def decode_png(data: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    codes = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
    return image if image.ndim == 2 else cv2.cvtColor(image, codes[image.shape[2]])


def messages(caplog, word: str) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING and word in r.getMessage()]


# --- what Ikomia is told ---------------------------------------------------------------------------------------------


def test_info_is_complete():
    info = ik_registry.get_algorithm_info(NAME)
    assert info.name == NAME
    assert info.version == "2.0.0"
    assert info.min_ikomia_version == "0.15.0"
    assert info.algo_tasks == "IMAGE_MATTING"
    assert info.algo_type == core.AlgoType.INFER
    assert (ROOT / NAME / info.icon_path).is_file()
    assert info.year == 2023
    for field in ("short_description", "authors", "article", "article_url", "journal", "license", "repository"):
        assert getattr(info, field), field
    for field in ("documentation_link", "original_repository", "keywords"):
        assert getattr(info, field), field


def test_icon_is_large_enough_and_has_transparent_corners():
    icon = cv2.imread(str(ROOT / "icon.png"), cv2.IMREAD_UNCHANGED)
    assert icon.shape[2] == 4
    assert min(icon.shape[:2]) >= 256
    assert icon[0, 0, 3] == 0
    assert icon[icon.shape[0] // 2, icon.shape[1] // 2, 3] == 255


def test_default_parameters():
    assert ik_registry.create_instance(NAME).get_param_object().get_values() == DEFAULTS


# --- parameters ------------------------------------------------------------------------------------------------------


def test_parameters_round_trip_as_strings():
    wanted = {
        "model_name": "vitae-s",
        "input_size": "800",
        "method": "RESIZE",
        "cuda": "False",
        "model_weight_file": "/tmp/weights.pth",
        "background": "#00ff7f",
        "background_file": "/tmp/beach.jpg",
        "foreground": "original",
        "anonymize": "pixelate",
        "anonymize_strict": "True",
        "temporal": "True",
        "allow_fallback": "False",
    }
    task = ik_registry.create_instance(NAME)
    task.set_parameters(wanted)
    assert task.get_param_object().get_values() == wanted


@pytest.mark.parametrize("through", ["task", "workflow", "params"])
def test_parameters_arrive_on_every_way(through):
    wf = Workflow()
    if through == "params":
        task = wf.add_task(name=NAME, params={"input_size": "640", "cuda": "False"}, auto_connect=True)
    else:
        task = wf.add_task(name=NAME, auto_connect=True)
        values = {"input_size": 640, "cuda": False}
        if through == "task":
            task.set_parameters(values)
        else:
            wf.set_parameters(values, task_name=NAME)
    values = task.get_param_object().get_values()
    assert (values["input_size"], values["cuda"]) == ("640", "False")
    assert values["model_name"] == "resnet34"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"modelname": "mobile"}, "unknown parameter modelname.*model_name"),
        ({"model_name": "u2net"}, "model_name must be one of resnet34, vitae-s, mobile, got 'u2net'"),
        ({"method": "TILE"}, "method must be one of HYBRID, RESIZE, got 'TILE'"),
        ({"input_size": "large"}, "input_size must be an integer, got 'large'"),
        ({"input_size": 32}, "input_size must lie between 64 and 8192 pixels, got 32"),
        ({"input_size": 10000}, "input_size must lie between 64 and 8192 pixels, got 10000"),
        ({"cuda": "maybe"}, "cuda must be True or False, got 'maybe'"),
        ({"allow_fallback": ""}, "allow_fallback must be True or False, got ''"),
        ({"background": "blueish"}, "background must be one of transparent, blur, image or a colour.*got 'blueish'"),
        ({"anonymize": "mask"}, "anonymize must be one of none, blur, pixelate, got 'mask'"),
        ({"anonymize_strict": "very"}, "anonymize_strict must be True or False, got 'very'"),
        ({"foreground": "guessed"}, "foreground must be one of estimated, original, got 'guessed'"),
    ],
)
def test_bad_parameters_are_refused_and_change_nothing(values, words):
    task = ik_registry.create_instance(NAME)
    with pytest.raises(ValueError, match=words):
        task.set_parameters({"input_size": 512, **values} if "input_size" not in values else values)
    assert task.get_param_object().get_values() == DEFAULTS


def test_workflow_file_of_an_older_version_loads_and_runs(tmp_path, photo):
    wf, _ = workflow_with(input_size=512)
    wf.save(str(tmp_path / "wf.json"))
    text = (tmp_path / "wf.json").read_text()
    content = json.loads(text)
    (parameters,) = [t["task_data"]["parameters"] for t in content["tasks"] if t["task_data"]["name"] == NAME]
    parameters[:] = [p for p in parameters if p["name"] in {"model_name", "cuda", "method", "input_size"}]
    assert len(parameters) == 4
    (tmp_path / "wf.json").write_text(json.dumps(content))
    old = Workflow()
    old.load(str(tmp_path / "wf.json"))
    old.run_on(array=photo)
    (task,) = old.find_task(NAME)
    task = task[1] if isinstance(task, tuple) else task
    values = task.get_param_object().get_values()
    assert values == {**DEFAULTS, "model_name": "mobile", "cuda": "False", "input_size": "512"}
    assert outputs(task)[1].shape == photo.shape[:2]


def test_misspelt_names_are_refused_on_every_way_in():
    wf = Workflow()
    with pytest.raises(RuntimeError, match="unknown parameter modelname: choose from model_name"):
        wf.add_task(name=NAME, params={"modelname": "mobile", "cuda": "False"})
    task = wf.add_task(name=NAME, params={"model_name": "mobile"})
    for set_parameters in (task.set_parameters, lambda values: wf.set_parameters(values, task_name=NAME)):
        with pytest.raises(ValueError, match="unknown parameter modelname: choose from model_name"):
            set_parameters({"modelname": "mobile"})
    with pytest.raises(ValueError, match="unknown parameter modelname: choose from model_name"):
        Settings.from_strings({"modelname": "mobile"})
    assert task.get_param_object().get_values() == {**DEFAULTS, "model_name": "mobile"}


def test_a_workflow_file_of_a_newer_version_loads_with_one_warning(tmp_path, caplog):
    wf, _ = workflow_with(input_size=512)
    wf.save(str(tmp_path / "wf.json"))
    content = json.loads((tmp_path / "wf.json").read_text())
    (parameters,) = [t["task_data"]["parameters"] for t in content["tasks"] if t["task_data"]["name"] == NAME]
    parameters.append({**parameters[0], "name": "trimap", "value": "7"})
    (tmp_path / "newer.json").write_text(json.dumps(content))
    loaded = Workflow()
    loaded.load(str(tmp_path / "wf.json"))
    assert caplog.records == []
    loaded = Workflow()
    loaded.load(str(tmp_path / "newer.json"))
    (warning,) = messages(caplog, "does not know")
    assert warning.endswith(": trimap")
    (task,) = loaded.find_task(NAME)
    task = task[1] if isinstance(task, tuple) else task
    assert task.get_param_object().get_values()["input_size"] == "512"


# --- ports and results -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["HYBRID", "RESIZE"])
def test_outputs_are_what_the_core_computes(photo, method):
    wf, task = workflow_with(method=method, background="#204060", input_size=256)
    wf.run_on(array=photo)
    alpha = PortraitMatting("mobile").matte(photo, method, 256)
    assert [task.get_output(i).name for i in range(3)] == ["composite", "matte", "cutout"]
    kinds = [core.IODataType.IMAGE, core.IODataType.IMAGE_BINARY, core.IODataType.IMAGE]
    assert [task.get_output(i).data_type for i in range(3)] == kinds
    together, matte, person = outputs(task)
    foreground = estimate_foreground(photo, alpha)
    np.testing.assert_array_equal(together, composite(foreground, alpha, (0x20, 0x40, 0x60)))
    np.testing.assert_array_equal(matte, to_uint8(alpha))
    np.testing.assert_array_equal(person, cutout(foreground, alpha))
    assert len(np.unique(matte)) > 20, "the matte must be soft"


@pytest.mark.parametrize("kind", ["grey", "rgb", "rgba", "16 bit"])
def test_image_files_of_every_kind(tmp_path, photo, kind):
    image = {
        "grey": cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY),
        "rgb": photo[..., ::-1],
        "rgba": np.dstack([photo[..., ::-1], np.full(photo.shape[:2], 200, np.uint8)]),
        "16 bit": photo[..., ::-1].astype(np.uint16) * 257,
    }[kind]
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), image)
    wf, task = workflow_with(input_size=256)
    wf.run_on(path=str(path))
    together, matte, person = outputs(task)
    assert together.shape == photo.shape
    assert matte.shape == photo.shape[:2]
    assert person.shape == (*photo.shape[:2], 4)
    if kind != "grey":
        reference_wf, reference = workflow_with(input_size=256)
        reference_wf.run_on(array=photo)
        for got, wanted in zip(outputs(task), outputs(reference), strict=True):
            assert np.abs(got.astype(int) - wanted).max() <= 1


def test_the_input_image_is_left_alone(photo):
    before = photo.copy()
    wf, task = workflow_with(input_size=256)
    wf.run_on(array=photo)
    np.testing.assert_array_equal(photo, before)
    np.testing.assert_array_equal(task.get_input(0).get_image(), before)


def test_auto_connected_tasks_get_picture_and_matte(photo):
    wf, task = workflow_with(input_size=256)
    picture = wf.add_task(name="ocv_negative", auto_connect=True)
    wf.run_on(array=photo)
    together, matte, _ = outputs(task)
    np.testing.assert_array_equal(picture.get_input(0).get_image(), together)

    wf, task = workflow_with(input_size=256)
    mask = wf.add_task(name="ik_fill_holes", auto_connect=True)
    wf.run_on(array=photo)
    np.testing.assert_array_equal(mask.get_input(0).get_image(), matte)


def test_to_json_keeps_every_value(photo):
    wf, task = workflow_with(input_size=256)
    wf.run_on(array=photo)
    for index, image in enumerate(outputs(task)):
        for options in (None, ["image_format", "jpg"], ["json_format", "indented", "image_format", "png"]):
            text = task.get_output(index).to_json(options) if options else task.get_output(index).to_json()
            np.testing.assert_array_equal(decode_png(base64.b64decode(json.loads(text)["image"])), image)


def test_saving_loses_no_alpha_and_overwrites_nothing(tmp_path, photo):
    wf, task = workflow_with(input_size=256)
    wf.run_on(array=photo)
    for index in range(3):
        task.get_output(index).save(str(tmp_path / "result.png"))
    names = ["result_composite.png", "result_matte.png", "result_cutout.png"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)
    for name, image in zip(names, outputs(task), strict=True):
        np.testing.assert_array_equal(decode_png((tmp_path / name).read_bytes()), image)


def test_ikomia_saves_all_three_outputs(photo):
    wf, task = workflow_with(input_size=256)
    wf.set_auto_save(True)
    wf.run_on(array=photo)
    files = Path(wf.get_last_run_folder()).rglob("*.png")
    found = {p.stem.rsplit("_", 1)[1]: decode_png(p.read_bytes()) for p in files}
    for name, image in zip(("composite", "matte", "cutout"), outputs(task), strict=True):
        np.testing.assert_array_equal(found[name], image)


# --- models ----------------------------------------------------------------------------------------------------------


def test_missing_published_weights_fall_back_with_one_warning(photo, caplog):
    wf, task = workflow_with(model_name="resnet34", input_size=256)
    for background in ("white", "black", "blur"):
        task.set_parameters({"background": background})
        wf.run_on(array=photo)
    (warning,) = messages(caplog, "weights")
    for word in ("resnet34", "p3mnet_pretrained_on_p3m10k.pth", "P3M_WEIGHTS_DIR", "mobile"):
        assert word in warning
    assert task.session.model_name == "mobile"


def test_without_fallback_missing_weights_are_an_error(photo, caplog):
    wf, task = workflow_with(model_name="resnet34", input_size=256, allow_fallback=False)
    fails(wf, "p3mnet_pretrained_on_p3m10k.pth.*allow_fallback", array=photo)
    task.set_parameters({"allow_fallback": True})
    wf.run_on(array=photo)
    assert task.session.model_name == "mobile"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_missing_gpu_is_one_warning(photo, caplog):
    wf, task = workflow_with(cuda="True", input_size=256)
    for _ in range(3):
        wf.run_on(array=photo)
    (warning,) = messages(caplog, "GPU")
    assert "CPU" in warning
    assert task.session.device.type == "cpu"


@pytest.mark.parametrize("how", ["cache folder", "model_weight_file"])
def test_published_weights_are_used(photo, checkpoints, monkeypatch, tmp_path, caplog, how):
    parameters = {"model_name": "resnet34", "input_size": 128}
    if how == "cache folder":
        (tmp_path / "p3mnet_pretrained_on_p3m10k.pth").symlink_to(checkpoints["resnet34"])
        monkeypatch.setenv("P3M_WEIGHTS_DIR", str(tmp_path))
    else:
        parameters["model_weight_file"] = str(checkpoints["resnet34"])
    wf, task = workflow_with(**parameters)
    wf.run_on(array=photo)
    assert task.session.model_name == "resnet34"
    assert not messages(caplog, "weights")
    alpha = PortraitMatting("resnet34", weights=checkpoints["resnet34"]).matte(photo, "HYBRID", 128)
    np.testing.assert_array_equal(outputs(task)[1], to_uint8(alpha))


def test_the_model_is_loaded_once(photo):
    wf, task = workflow_with(input_size=256)
    wf.run_on(array=photo)
    session = task.session
    wf.run_on(array=photo)
    task.set_parameters({"method": "RESIZE", "background": "#000000"})
    wf.run_on(array=photo)
    other_wf, other = workflow_with(input_size=128)
    other_wf.run_on(array=photo)
    assert task.session is session
    assert other.session is session


def test_all_threads_compute(photo):
    runtime = _runtime()
    assert isinstance(runtime, ctypes.CDLL), "torch's OpenMP runtime was not found"
    wf, task = workflow_with(input_size=256)
    wf.run_on(array=photo)
    seen = []
    segment = task.session.model.segment
    task.session.model.segment = lambda x: (seen.append(runtime.omp_get_dynamic()), segment(x))[1]
    runtime.omp_set_dynamic(1)
    try:
        wf.run_on(array=photo)
        assert seen == [0], "dynamic teams must be off while the network runs"
        assert runtime.omp_get_dynamic() == 1, "and as they were afterwards"
        with all_threads():
            assert runtime.omp_get_dynamic() == 0
    finally:
        runtime.omp_set_dynamic(0)
        del task.session.model.segment


# --- failures --------------------------------------------------------------------------------------------------------


def fails(wf, words: str, **image):
    with pytest.raises(RuntimeError, match=words):
        wf.run_on(**image)


@pytest.mark.parametrize("content", [b"", b"not an image", None], ids=["empty", "text", "truncated"])
def test_an_unreadable_file_is_named_and_the_next_run_works(tmp_path, photo, content):
    path = tmp_path / "broken photo.png"
    if content is None:
        content = cv2.imencode(".png", photo)[1].tobytes()[:200]
    path.write_bytes(content)
    wf, task = workflow_with(input_size=256)
    wf.run_on(array=photo)
    first = outputs(task)
    fails(wf, "broken photo.png", path=str(path))
    assert all(image is None or image.size == 0 for image in outputs(task))
    wf.run_on(array=photo)
    for got, wanted in zip(outputs(task), first, strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((0, 8, 3), np.uint8), "empty"),
        (np.zeros((8, 8, 2), np.uint8), "1, 3 .RGB. or 4 .RGBA. channels, got 2"),
        (np.full((8, 8, 3), np.nan, np.float32), "NaN or infinite"),
        (np.full((8, 8, 3), 200, np.float32), r"must lie in \[0, 1\], got \[200, 200\]"),
    ],
    ids=["zero size", "two channels", "NaN", "out of range"],
)
def test_bad_images_are_refused(image, words):
    wf, _ = workflow_with(input_size=256)
    fails(wf, words, array=image)


def test_missing_and_wrong_weights_files_are_refused(tmp_path, photo, checkpoints):
    wf, task = workflow_with(model_weight_file=tmp_path / "none.pth")
    fails(wf, "none.pth does not exist", array=photo)
    task.set_parameters({"model_name": "vitae-s", "model_weight_file": checkpoints["resnet34"]})
    fails(wf, "does not fit this network", array=photo)
    task.set_parameters({"model_name": "mobile", "model_weight_file": ""})
    wf.run_on(array=photo)
    assert outputs(task)[1].shape == photo.shape[:2]


def test_a_gpu_without_memory_says_what_to_lower_and_the_next_run_works(photo):
    wf, task = workflow_with(input_size=256)
    wf.run_on(array=photo)
    wanted = outputs(task)
    model = task.session.model

    def local_alpha(x):
        raise torch.OutOfMemoryError("CUDA out of memory")

    model.local_alpha = local_alpha
    try:
        fails(wf, "the GPU has too little memory for input_size 256: lower input_size", array=photo)
        assert all(image is None or image.size == 0 for image in outputs(task))
    finally:
        del model.local_alpha
    wf.run_on(array=photo)
    for got, want in zip(outputs(task), wanted, strict=True):
        np.testing.assert_array_equal(got, want)


def test_a_computer_without_memory_says_what_to_lower_and_the_next_run_works():
    command = [sys.executable, str(ROOT / "tests" / "scripts" / "little_memory.py")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests" / "scripts")))}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "too little memory for input_size 4096 and a photo of 3000 x 3000 px: lower input_size" in done.stdout
    assert done.stdout.splitlines()[-1] == "then (200, 300)"


def test_stop_ends_a_run_between_passes(photo):
    wf, task = workflow_with(input_size=256)
    wf.run_on(array=photo)
    model, calls = task.session.model, []
    segment, local_alpha = model.segment, model.local_alpha

    def segment_and_stop(x):
        thread = threading.Thread(target=task.stop)
        thread.start()
        thread.join()
        return segment(x)

    model.segment = segment_and_stop
    model.local_alpha = lambda x: (calls.append("local"), local_alpha(x))[1]
    try:
        wf.run_on(array=photo)
        assert calls == []
        assert all(image is None or image.size == 0 for image in outputs(task))
        model.segment = segment
        wf.run_on(array=photo)
        assert calls == ["local"]
        assert outputs(task)[1].shape == photo.shape[:2]
    finally:
        del model.segment, model.local_alpha


def test_progress_steps_match_what_is_emitted(photo):
    for method, steps in (("HYBRID", 3), ("RESIZE", 2)):
        wf, task = workflow_with(method=method, input_size=256)
        assert task.get_progress_steps() == steps
        emitted = []
        task.emit_step_progress = lambda emitted=emitted: emitted.append(1)
        wf.run_on(array=photo)
        assert len(emitted) == steps


def test_settings_and_ikomia_know_the_same_parameters():
    assert Settings().to_strings() == DEFAULTS
    assert isinstance(ik_registry.create_instance(NAME), dataprocess.C2dImageTask)
