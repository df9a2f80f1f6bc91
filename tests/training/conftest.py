"""Training is slow: ``make test-fast`` leaves it out."""

import sys
from pathlib import Path

import pytest

# Training itself needs Python 3.11, which reads TOML; all else runs on 3.10.
collect_ignore = ["test_train.py", "test_contact_sheet.py"] if sys.version_info < (3, 11) else []


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
