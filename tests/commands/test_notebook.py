"""The quickstart notebook, run from top to bottom by a real kernel, without the internet."""

import nbformat
import pytest
from ikomia_plugin import ROOT
from nbclient import NotebookClient

pytestmark = pytest.mark.slow

NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"


@pytest.fixture
def user(installed_home, monkeypatch):
    """A user who has run ``make install``, offline."""
    monkeypatch.setenv("HOME", str(installed_home))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    # Before the kernel, which would inherit them: pytest's own Qt settings are not a notebook's.
    monkeypatch.delenv("QT_QPA_PLATFORM")


def test_the_quickstart_runs_from_top_to_bottom(user, tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 3
    assert "(512, 512, 4)" in str(outputs)
    assert "dtype('float32'), (512, 512)" in str(outputs).replace('"', "'")


def test_the_notebook_is_stored_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
