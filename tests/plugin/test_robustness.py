"""Long use, several threads, and input that nobody would call an image, a parameter or a weights file."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ikomia_plugin import NAME, Workflow, outputs, workflow_with

from infer_p3m_portrait_matting.p3m.files.encode import encode_png
from infer_p3m_portrait_matting.pipeline.settings import Settings

pytestmark = pytest.mark.slow

few = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not say how much memory is used")
def test_300_runs_keep_memory_flat(astronaut):
    wf, _ = workflow_with(input_size=128)
    photo = astronaut[:256, 100:356].copy()
    for run in range(320):
        wf.run_on(array=photo)
        if run == 19:
            before = resident_megabytes()
    assert resident_megabytes() - before < 50


def test_two_threads_with_two_tasks_give_what_one_gives(astronaut):
    photos = [astronaut[:320, :320].copy(), astronaut[100:420, 150:400].copy()]

    def mattes(photo, results):
        wf, task = workflow_with(input_size=256)
        for _ in range(3):
            wf.run_on(array=photo)
            results.append(task.get_output(1).get_image().copy())

    alone = []
    for photo in photos:
        mattes(photo, alone)
    together = [[], []]
    threads = [threading.Thread(target=mattes, args=pair) for pair in zip(photos, together, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    for got, wanted in zip(together[0] + together[1], alone, strict=True):
        np.testing.assert_array_equal(got, wanted)


@few
@given(content=st.binary(max_size=400))
@example(content=b"\x89PNG\r\n\x1a\n" + b"\0" * 50)
@example(content=b"\xff\xd8\xff\xe0" + b"\0" * 50)
def test_random_bytes_are_no_image_and_one_clear_error(tmp_path, content):
    path = tmp_path / "random.png"
    path.write_bytes(content)
    wf, _ = workflow_with(input_size=128)
    with pytest.raises(RuntimeError, match=r"random\.png could not be read as an image"):
        wf.run_on(path=str(path))


@few
@given(content=st.binary(max_size=400), suffix=st.sampled_from([".pth", ".safetensors"]))
def test_random_bytes_are_no_weights_and_one_clear_error(tmp_path, astronaut, content, suffix):
    path = tmp_path / f"random{suffix}"
    path.write_bytes(content)
    wf, _ = workflow_with(model_weight_file=path)
    with pytest.raises(RuntimeError, match=rf"weights file .*random\{suffix}"):
        wf.run_on(array=astronaut[:64, :64].copy())


@few
@given(name=st.sampled_from(Settings.names()), value=st.text(st.characters(codec="utf-8", exclude_characters="\0")))
@example(name="input_size", value="1e9")
@example(name="input_size", value="-1024")
@example(name="cuda", value="None")
@example(name="background", value="#12345")
def test_random_values_in_a_workflow_file_load_or_are_one_clear_error(tmp_path, name, value):
    wf = Workflow()
    wf.add_task(name=NAME, auto_connect=True)
    path = tmp_path / "workflow.json"
    wf.save(str(path))
    content = json.loads(path.read_text())
    (parameters,) = [t["task_data"]["parameters"] for t in content["tasks"] if t["task_data"]["name"] == NAME]
    (parameter,) = [p for p in parameters if p["name"] == name]
    parameter["value"] = value
    path.write_text(json.dumps(content))
    try:
        expected = Settings.from_strings({name: value})
    except ValueError:
        with pytest.raises(RuntimeError, match=name):
            Workflow().load(str(path))
        return
    loaded = Workflow()
    loaded.load(str(path))
    (found,) = loaded.find_task(NAME)
    task = found[1] if isinstance(found, tuple) else found
    assert task.get_param_object().settings == expected


@pytest.mark.parametrize("given_as", ["path", "array"])
def test_what_an_editor_rubbed_out_does_not_come_back(given_as, astronaut, tmp_path):
    own = np.full((256, 256), 255, np.uint8)
    own[:, 176:] = 0
    photo = np.dstack([astronaut[:256, 96:352], own])
    (tmp_path / "a.png").write_bytes(encode_png(photo))
    wf, task = workflow_with(input_size=128, background="blur")
    wf.run_on(**({"path": str(tmp_path / "a.png")} if given_as == "path" else {"array": photo}))
    composite, matte, cutout = outputs(task)
    assert matte[:, :176].max() == 255
    assert (matte[:, 176:] == 0).all()
    assert (cutout[:, 176:, 3] == 0).all()
    # White, blurred; nothing of the photo.
    assert (composite[:, 230:] > 250).all()
