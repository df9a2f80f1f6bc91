"""Which folder of the package imports which: lower floors know nothing of higher ones."""

import ast
from pathlib import Path

import pytest

import infer_p3m_portrait_matting as package

ROOT = Path(package.__file__).parent

#: Floor -> the floors that its modules may import, besides its own.
BELOW = {
    "p3m": set(),
    "pipeline": {"p3m"},
    "commands": {"p3m", "pipeline"},
    "evaluate": {"p3m"},
    "plugin": {"p3m", "pipeline"},
}


def imported_floors(file: Path) -> set[str]:
    """The floors that a module imports from, wherever in it."""
    inside = (ROOT.name, *file.relative_to(ROOT).with_suffix("").parts)
    floors = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            module = tuple((node.module or "").split(".")) if node.module else ()
            base = (*inside[: len(inside) - node.level], *module) if node.level else module
            modules = [(*base, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            modules = [tuple(alias.name.split(".")) for alias in node.names]
        else:
            continue
        floors |= {module[1] for module in modules if module[0] == ROOT.name and len(module) > 1}
    return floors & BELOW.keys()


@pytest.mark.parametrize("floor", BELOW)
def test_a_floor_imports_only_those_below_it(floor):
    files = list((ROOT / floor).rglob("*.py"))
    assert files
    wrong = {str(file.relative_to(ROOT)): imported_floors(file) - {floor} - BELOW[floor] for file in files}
    assert {file: floors for file, floors in wrong.items() if floors} == {}


def test_every_folder_of_modules_is_a_floor():
    assert {path.parent.name for path in ROOT.glob("*/*.py")} == BELOW.keys()


def test_the_task_and_the_command_stand_on_the_pipeline():
    assert imported_floors(ROOT / f"{ROOT.name}_process.py") == {"p3m", "pipeline", "plugin"}
    assert imported_floors(ROOT / "commands" / "convert.py") == {"p3m", "pipeline", "commands"}
