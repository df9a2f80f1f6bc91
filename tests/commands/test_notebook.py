"""The quickstart notebook, run from top to bottom by a real kernel, without the internet."""

import os
import subprocess
import sys

import nbformat
import pytest
from ikomia_plugin import ROOT
from nbclient import NotebookClient

pytestmark = pytest.mark.slow

NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home where ``make install`` was run."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    # Before the kernel, which would inherit them: pytest's own Qt settings are not a notebook's.
    monkeypatch.delenv("QT_QPA_PLATFORM")
    subprocess.run([sys.executable, str(ROOT / "tools" / "link_plugin.py")], check=True, env=dict(os.environ))
    return tmp_path


def test_the_quickstart_runs_from_top_to_bottom(home):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(home)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 3
    assert "(512, 512, 4)" in str(outputs)
    assert "dtype('float32'), (512, 512)" in str(outputs).replace('"', "'")


def test_the_notebook_is_stored_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
