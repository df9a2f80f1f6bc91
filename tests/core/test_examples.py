"""The examples in docstrings run."""

import doctest
import importlib
from pathlib import Path

import pytest
from PIL import Image

from infer_p3m_portrait_matting import p3m

#: Modules, and how many lines of examples their docstrings have at least.
EXAMPLES = {
    "arrays": 1,
    "faces.hide": 2,
    "files.photos": 2,
    "imaging.adjust": 2,
    "imaging.backgrounds": 4,
    "imaging.compositing": 5,
    "imaging.foreground": 2,
    "imaging.guide": 3,
    "imaging.subject": 3,
    "inference.portrait_matting": 5,
    "metrics": 2,
}


@pytest.fixture(scope="module")
def names(astronaut, mobile, tmp_path_factory):
    """What the examples take for granted: every public name, a photo, its matte, and a folder with the photo."""
    public = {name: getattr(p3m, name) for name in p3m.__all__}
    folder = tmp_path_factory.mktemp("examples")
    Image.fromarray(astronaut).save(folder / "portrait.jpg")
    own = {"photo": astronaut, "alpha": mobile.matte(astronaut), "matting": mobile, "picture": astronaut[:300]}
    return {**public, **own}, folder


@pytest.mark.parametrize(("module", "lines"), EXAMPLES.items())
def test_the_examples_give_what_they_say(module, lines, names, monkeypatch):
    values, folder = names
    monkeypatch.chdir(folder)
    loaded = importlib.import_module(f"{p3m.__name__}.{module}")
    found = doctest.testmod(loaded, extraglobs=values)
    assert found.failed == 0
    assert found.attempted >= lines


def test_every_module_with_examples_is_tried():
    root = Path(p3m.__file__).parent
    files = {path for path in root.rglob("*.py") if "    >>> " in path.read_text(encoding="utf-8")}
    assert {".".join(path.relative_to(root).with_suffix("").parts) for path in files} == set(EXAMPLES)
