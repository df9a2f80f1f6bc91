"""The task in real Ikomia workflows: parameters, ports, results, failures."""

import os
import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest
import torch
from ikomia_plugin import NAME, ROOT, core, fails, ik_registry, outputs, workflow_with

from infer_p3m_portrait_matting.p3m import PortraitMatting, composite, cutout, estimate_foreground, to_uint8
from infer_p3m_portrait_matting.p3m.faces import detect


@pytest.fixture
def photo(astronaut):
    return astronaut[:320, 64:352].copy()


def decode_png(data: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    codes = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
    return image if image.ndim == 2 else cv2.cvtColor(image, codes[image.shape[2]])


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
    assert (info.min_python_version, info.max_python_version) == ("3.10", "3.13")
    hardware = info.hardware_config
    assert (hardware.min_cpu, hardware.min_ram, hardware.gpu_required, hardware.min_vram) == (2, 4, False, 0)
    for field in ("short_description", "authors", "article", "article_url", "journal", "license", "repository"):
        assert getattr(info, field), field
    for field in ("documentation_link", "original_repository", "keywords"):
        assert getattr(info, field), field


def test_icon_is_large_enough_and_has_transparent_corners():
    icon = cv2.imread(str(ROOT / NAME / "icon.png"), cv2.IMREAD_UNCHANGED)
    assert icon.shape[2] == 4
    assert min(icon.shape[:2]) >= 256
    assert icon[0, 0, 3] == 0
    assert icon[icon.shape[0] // 2, icon.shape[1] // 2, 3] == 255


# --- parameters ------------------------------------------------------------------------------------------------------


# --- ports and results -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["HYBRID", "RESIZE"])
def test_outputs_are_what_the_core_computes(photo, method):
    wf, task = workflow_with(method=method, background="#204060", input_size=256)
    wf.run_on(array=photo)
    alpha = PortraitMatting("mobile", "cpu").matte(photo, method, 256)
    assert [task.get_output(i).name for i in range(3)] == ["composite", "matte", "cutout"]
    kinds = [core.IODataType.IMAGE, core.IODataType.IMAGE_BINARY, core.IODataType.IMAGE]
    assert [task.get_output(i).data_type for i in range(3)] == kinds
    together, matte, person = outputs(task)
    foreground = estimate_foreground(photo, alpha)
    np.testing.assert_array_equal(together, composite(foreground, alpha, (0x20, 0x40, 0x60)))
    np.testing.assert_array_equal(matte, to_uint8(alpha))
    np.testing.assert_array_equal(person, cutout(foreground, alpha))
    assert len(np.unique(matte)) > 20, "the matte must be soft"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["grey", "rgb", "rgba", "16 bit"])
def test_image_files_of_every_kind(tmp_path, photo, kind):
    image = {
        "grey": cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY),
        "rgb": photo[..., ::-1],
        "rgba": np.dstack([photo[..., ::-1], np.full(photo.shape[:2], 255, np.uint8)]),
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


# --- models ----------------------------------------------------------------------------------------------------------


# --- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
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


def test_a_gpu_without_memory_says_what_to_lower_and_the_next_run_works(photo):
    wf, task = workflow_with(input_size=256)
    wf.run_on(array=photo)
    wanted = outputs(task)
    model = task.session.model

    def local_alpha(*_):
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


@pytest.mark.slow
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
    model.local_alpha = lambda *args: (calls.append("local"), local_alpha(*args))[1]
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


def test_stop_ends_the_search_for_faces(photo, monkeypatch):
    wf, task = workflow_with(input_size=256, anonymize="blur")
    looks = []

    def stop_and_see_nothing(*size):
        def see(picture, threshold):
            looks.append(size)
            thread = threading.Thread(target=task.stop)
            thread.start()
            thread.join()
            return np.empty((0, 5)), np.empty((0, 10))

        return see

    monkeypatch.setattr(detect, "load_detector", stop_and_see_nothing)
    wf.run_on(array=photo)
    assert len(looks) == 1
    assert all(image is None or image.size == 0 for image in outputs(task))


def test_progress_steps_match_what_is_emitted(photo):
    for method, steps in (("HYBRID", 3), ("RESIZE", 2)):
        wf, task = workflow_with(method=method, input_size=256)
        assert task.get_progress_steps() == steps
        emitted = []
        task.emit_step_progress = lambda emitted=emitted: emitted.append(1)
        wf.run_on(array=photo)
        assert len(emitted) == steps
