"""The public face of the core, and what importing it loads."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import infer_p3m_portrait_matting as package
from infer_p3m_portrait_matting import p3m
from infer_p3m_portrait_matting.p3m.checkpoints.weights import load_weights
from infer_p3m_portrait_matting.p3m.files import read
from infer_p3m_portrait_matting.p3m.metrics import Scores


def test_every_public_name_is_there_and_sorted_out():
    assert len(set(p3m.__all__)) == len(p3m.__all__)
    assert [name for name in p3m.__all__ if not hasattr(p3m, name)] == []


def test_the_package_offers_the_names_of_its_core():
    assert {name for name in p3m.__all__ if getattr(package, name) is not getattr(p3m, name)} == set()
    with pytest.raises(AttributeError, match="no attribute 'Portrait'"):
        package.Portrait  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute '__wrapped__'"):
        package.__wrapped__  # noqa: B018


@pytest.mark.parametrize(
    ("name", "now", "words"),
    [
        ("Scores", Scores, r"import Scores from infer_p3m_portrait_matting\.p3m\.metrics instead"),
        ("load_published_checkpoint", load_weights, "import load_weights from .*weights instead"),
    ],
)
def test_a_former_name_works_and_says_what_to_import_instead(name, now, words):
    with pytest.warns(DeprecationWarning, match=words):
        assert getattr(p3m, name) is now
    with pytest.raises(AttributeError, match="no attribute 'load_publish'"):
        p3m.load_publish  # noqa: B018


def test_every_former_name_is_there():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert [name for name in p3m._FORMER if not hasattr(p3m, name)] == []
    assert not set(p3m._FORMER) & set(p3m.__all__)


def test_the_former_place_of_image_files_works_and_says_what_to_import_instead(monkeypatch):
    monkeypatch.delitem(sys.modules, f"{p3m.__name__}.imaging.files", raising=False)
    with pytest.warns(DeprecationWarning, match=r"version 3\.0 removes .*: import from .*p3m\.files\.read ") as caught:
        import infer_p3m_portrait_matting.p3m.imaging.files as former
    assert caught[0].filename == __file__
    assert {name for name in former.__all__ if getattr(former, name) is not getattr(read, name)} == set()


@pytest.mark.slow
def test_the_core_imports_neither_ikomia_nor_a_window_toolkit():
    code = (
        "import sys, infer_p3m_portrait_matting\n"
        "assert 'torch' not in sys.modules, 'the plugin alone'\n"
        "from infer_p3m_portrait_matting.p3m import *\n"
        "assert 'torch' in sys.modules\n"
        "unwanted = {'ikomia', 'PyQt5', 'PyQt6', 'PySide2', 'PySide6', 'qtpy', 'matplotlib'}\n"
        "print(*sorted(unwanted & {name.split('.')[0] for name in sys.modules}))\n"
    )
    root = Path(p3m.__file__).parents[2]
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == ""


def test_what_handles_pictures_needs_no_torch():
    code = (
        "import sys, pkgutil, importlib\n"
        "from infer_p3m_portrait_matting import p3m\n"
        "names = [f'{p3m.__name__}.{module.name}' for module in pkgutil.iter_modules(p3m.__path__)]\n"
        "names = [name for name in names if name.endswith(('.arrays', '.errors', '.metrics'))]\n"
        "for folder in ('imaging', 'files', 'faces'):\n"
        "    room = importlib.import_module(f'{p3m.__name__}.{folder}')\n"
        "    names += [f'{room.__name__}.{module.name}' for module in pkgutil.iter_modules(room.__path__)]\n"
        "for name in names: importlib.import_module(name)\n"
        "from infer_p3m_portrait_matting.p3m import composite, estimate_foreground, hide_faces\n"
        "print(len(names), *sorted({'torch', 'timm', 'ikomia'} & {n.split('.')[0] for n in sys.modules}))\n"
    )
    root = Path(p3m.__file__).parents[2]
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    modules, *unwanted = result.stdout.split()
    assert int(modules) >= 20
    assert unwanted == []
