"""Parameters on their way in: by call, by workflow, by workflow file."""

import json

import pytest
from ikomia_plugin import NAME, Workflow, dataprocess, ik_registry, outputs, warnings, workflow_with

from infer_p3m_portrait_matting.plugin.settings import Settings

DEFAULTS = {
    "model_name": "resnet34",
    "input_size": "1024",
    "method": "HYBRID",
    "cuda": "True",
    "precision": "auto",
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


def test_default_parameters():
    assert ik_registry.create_instance(NAME).get_param_object().get_values() == DEFAULTS


def test_parameters_round_trip_as_strings():
    wanted = {
        "model_name": "vitae-s",
        "input_size": "800",
        "method": "RESIZE",
        "cuda": "False",
        "precision": "float32",
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
        ({"precision": "half"}, "precision must be one of auto, float32, bfloat16, got 'half'"),
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
    (warning,) = warnings(caplog, "does not know")
    assert warning.endswith(": trimap")
    (task,) = loaded.find_task(NAME)
    task = task[1] if isinstance(task, tuple) else task
    assert task.get_param_object().get_values()["input_size"] == "512"


def test_settings_and_ikomia_know_the_same_parameters():
    assert Settings().to_strings() == DEFAULTS
    assert isinstance(ik_registry.create_instance(NAME), dataprocess.C2dImageTask)
