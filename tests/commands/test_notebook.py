"""The quickstart notebook, run from top to bottom by a real kernel, without the internet.

``python -m pytest tests/commands/test_notebook.py --basetemp=FOLDER`` leaves the notebook with its outputs of today in
``FOLDER/**/quickstart.ipynb``: copy it to examples/.
"""

import nbformat
import pytest
from ikomia_plugin import ROOT
from nbclient import NotebookClient

pytestmark = pytest.mark.slow

NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"
#: Kinds of pictures among a cell's outputs.
PICTURES = ("image/jpeg", "image/png")


@pytest.fixture
def user(installed_home, monkeypatch):
    """A user who has run ``make install``, offline."""
    monkeypatch.setenv("HOME", str(installed_home))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    # Before the kernel, which would inherit them: pytest's own Qt settings are not a notebook's.
    monkeypatch.delenv("QT_QPA_PLATFORM")


def outputs_of(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def pictures_of(notebook):
    return [output for output in outputs_of(notebook) if any(kind in output.get("data", {}) for kind in PICTURES)]


def test_the_quickstart_runs_from_top_to_bottom(user, tmp_path):
    (tmp_path / "portrait.jpg").write_bytes((NOTEBOOK.parent / "portrait.jpg").read_bytes())
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}, record_timing=False)
    client.execute()
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    notebook.metadata.language_info = {"name": "python"}
    nbformat.write(notebook, tmp_path / NOTEBOOK.name)
    assert len(pictures_of(notebook)) == 3
    outputs = outputs_of(notebook)
    assert "(800, 1200, 4)" in str(outputs)
    assert "dtype('float32'), (800, 1200)" in str(outputs).replace('"', "'")


def test_the_notebook_is_stored_with_its_outputs():
    """GitHub shows it as it is stored."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    assert len(pictures_of(notebook)) == 3
    kept = str(outputs_of(notebook))
    assert not any(word in kept for word in ("/home/", "/tmp/", "/root/", "site-packages", "Error"))
    assert NOTEBOOK.stat().st_size <= 500 * 1024
