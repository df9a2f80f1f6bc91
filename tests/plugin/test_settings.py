"""Parameters on their way in: by call, by workflow, by workflow file."""

import json
import subprocess
import sys

import pytest
from ikomia_plugin import NAME, ROOT, Workflow, dataprocess, ik_registry, outputs, warnings, workflow_with

from infer_p3m_portrait_matting.p3m import METHODS, OBFUSCATIONS, PRECISIONS, list_models
from infer_p3m_portrait_matting.pipeline.settings import BACKGROUNDS, PARAMETERS, SECTIONS, Settings

#: Saved workflows rely on them: they never change. Newer parameters need no line here.
DEFAULTS_2_0 = {
    "model_name": "resnet34",
    "input_size": "1024",
    "method": "HYBRID",
    "cuda": "auto",
    "precision": "auto",
    "model_weight_file": "",
    "subject": "all",
    "box": "",
    "invert": "False",
    "feather": "0.0",
    "shift": "0",
    "despeckle": "0.0",
    "crop": "none",
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


DEFAULTS = Settings().to_strings()


def test_default_parameters():
    assert ik_registry.create_instance(NAME).get_param_object().get_values() == DEFAULTS
    assert DEFAULTS_2_0.items() <= DEFAULTS.items()
    assert list(DEFAULTS) == Settings.names()


def test_parameters_round_trip_as_strings(samples):
    assert not samples[0].to_strings().items() & DEFAULTS.items(), "each must differ from its default"
    for sample in samples:
        wanted = sample.to_strings()
        task = ik_registry.create_instance(NAME)
        task.set_parameters(wanted)
        assert task.get_param_object().get_values() == wanted
        assert Settings.from_strings(wanted) == sample


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
        ({"cuda": "maybe"}, "cuda must be one of auto, True, False, got 'maybe'"),
        ({"subject": "left"}, "subject must be one of all, box, largest, got 'left'"),
        ({"box": "1,2,3"}, "box must be 'x,y,w,h' in pixels.*got '1,2,3'"),
        ({"box": "1,2,0,4"}, "box must have a width and a height above 0, got '1,2,0,4'"),
        ({"invert": "half"}, "invert must be True or False, got 'half'"),
        ({"feather": "soft"}, "feather must be a number, got 'soft'"),
        ({"feather": -1}, "feather must lie between 0 and 500 pixels, got -1"),
        ({"feather": "nan"}, "feather must lie between 0 and 500 pixels, got nan"),
        ({"feather": "1,2,3"}, "feather must be a number, got '1,2,3'"),
        ({"shift": 1.5}, "shift must be an integer, got '1.5'"),
        ({"shift": "1,5"}, "shift must be an integer, got '1,5'"),
        ({"shift": -201}, "shift must lie between -200 and 200 pixels, got -201"),
        ({"despeckle": 5}, "despeckle must lie between 0 and 1, got 5"),
        ({"despeckle": "500 %"}, "despeckle must lie between 0 and 100 percent, got 500 %"),
        ({"crop": "tight"}, "crop must be none, or a margin between 0 and 1000 percent, got 'tight'"),
        ({"crop": -1}, "crop must be none, or a margin between 0 and 1000 percent, got '-1'"),
        ({"precision": "half"}, "precision must be one of auto, float32, bfloat16, got 'half'"),
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


#: Parameters that were there before others were added.
OLDER = {
    "1.2.0": ("model_name", "cuda", "method", "input_size"),
    "2.0.0 at first": (
        *("model_name", "input_size", "method", "cuda", "model_weight_file", "background", "background_file"),
        *("foreground", "anonymize", "anonymize_strict", "temporal", "allow_fallback"),
    ),
}


@pytest.mark.parametrize("version", OLDER)
def test_workflow_file_of_an_older_version_loads_and_runs(tmp_path, photo, version):
    wf, _ = workflow_with(input_size=512)
    wf.save(str(tmp_path / "wf.json"))
    text = (tmp_path / "wf.json").read_text()
    content = json.loads(text)
    (parameters,) = [t["task_data"]["parameters"] for t in content["tasks"] if t["task_data"]["name"] == NAME]
    parameters[:] = [p for p in parameters if p["name"] in OLDER[version]]
    assert len(parameters) == len(OLDER[version])
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


def test_a_colour_that_is_not_there_is_transparent():
    assert Settings(background="#ffffff00").background == "transparent"
    assert Settings(background="#ffffff01").background == "#ffffff01"


@pytest.mark.parametrize(
    ("name", "value", "needed"),
    [
        ("box", "1,2,30,40", {"subject": "box"}),
        ("background_file", "beach.png", {"background": "image"}),
        ("anonymize_strict", True, {"anonymize": "blur"}),
    ],
)
def test_a_parameter_that_needs_another_is_a_warning_where_a_caller_gives_it_alone(name, value, needed, caplog):
    wf, task = workflow_with(**{name: value})
    (other, choice), *_ = needed.items()
    (warning,) = warnings(caplog, "has no effect")
    assert f"{name} has no effect without {other}" in warning
    assert choice in warning
    caplog.clear()
    task.set_parameters({name: value})
    assert len(warnings(caplog, "has no effect")) == 1
    caplog.clear()
    # It takes effect, is not set, or was set earlier: nothing to say.
    task.set_parameters({name: value, **needed})
    task.set_parameters({"feather": 2, other: getattr(Settings(), other)})
    task.set_parameters({name: getattr(Settings(), name)})
    wf.add_task(name=NAME, params={name: str(value), **needed})
    assert caplog.records == []


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


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"model_name": "ResNet34"}, "resnet34"),
        ({"model_name": "MOBILE"}, "mobile"),
        ({"method": "hybrid"}, "HYBRID"),
        ({"method": "Resize"}, "RESIZE"),
        ({"cuda": True}, "True"),
        ({"cuda": "false"}, "False"),
        ({"cuda": "0"}, "False"),
        ({"cuda": "Auto"}, "auto"),
        ({"subject": "Largest"}, "largest"),
        ({"foreground": "Original"}, "original"),
        ({"anonymize": "Blur"}, "blur"),
        ({"background": "Transparent"}, "transparent"),
        ({"background": "rgb(10, 20, 30)"}, "rgb(10, 20, 30)"),
        ({"crop": "None"}, "none"),
        ({"crop": "10 %"}, "10"),
        ({"crop": 10.0}, "10"),
        ({"crop": "2,5"}, "2.5"),
        ({"feather": "2,5"}, "2.5"),
        ({"feather": " 2.5 "}, "2.5"),
        ({"despeckle": "1.25 %"}, "0.0125"),
        ({"despeckle": "0,07%"}, "0.0007"),
    ],
)
def test_words_are_read_in_any_case_and_kept_in_one(given, kept):
    task = ik_registry.create_instance(NAME)
    task.set_parameters(given)
    ((name, _),) = given.items()
    assert task.get_param_object().get_values() == {**DEFAULTS, name: kept}


def test_settings_and_ikomia_know_the_same_parameters():
    assert Settings().to_strings() == ik_registry.create_instance(NAME).get_param_object().get_values()
    assert isinstance(ik_registry.create_instance(NAME), dataprocess.C2dImageTask)


def test_what_is_said_of_each_parameter_is_whole():
    lists = {"model_name": list_models(), "method": METHODS, "background": BACKGROUNDS}
    lists["precision"] = [name for name in PRECISIONS if name != "float16"]
    lists["anonymize"] = ["none", *OBFUSCATIONS]
    assert {name: list(PARAMETERS[name].choices) for name in lists} == {name: list(lists[name]) for name in lists}
    for name, parameter in PARAMETERS.items():
        assert name == parameter.name
        assert parameter.read(parameter.default) == parameter.default
        assert parameter.about
        assert parameter.label.count("&") == 1
        assert parameter.section in ("", *SECTIONS)
        assert all(parameter.choices.values())
        assert set(parameter.shown) <= {"", *parameter.choices}
        for other, values in parameter.needs.items():
            assert set(values) <= set(PARAMETERS[other].choices)


def test_parameters_are_known_without_torch_and_qt():
    code = (
        "import sys, infer_p3m_portrait_matting.pipeline.settings\n"
        "print(*{'torch', 'ikomia', 'PyQt5', 'PyQt6'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == ""
