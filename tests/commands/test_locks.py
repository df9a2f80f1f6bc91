"""Locks lie beside the results, hold for every user and whatever the environment, and go."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from infer_p3m_portrait_matting.commands.destinations import UsageError
from infer_p3m_portrait_matting.commands.locks import only_one_run

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import sys
from pathlib import Path
from infer_p3m_portrait_matting.commands.locks import only_one_run
with only_one_run(Path(sys.argv[1]), sys.argv[2]):
    print("in", flush=True)
    sys.stdin.read()
"""


def in_another_process(folder, name="", **environment) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-c", PROGRAM, str(folder), name]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("name", ["", "out.mov"])
def test_a_lock_holds_wherever_temporary_files_go_and_is_removed(name, tmp_path):
    other = in_another_process(tmp_path / "results", name, TMPDIR=str(tmp_path))
    try:
        assert other.stdout.readline() == "in\n"
        with pytest.raises(UsageError, match="another p3m is writing"), only_one_run(tmp_path / "results", name):
            pass
        with only_one_run(tmp_path / "results", "another.mov"):
            pass
    finally:
        other.communicate("")
    assert other.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_no_lock(tmp_path):
    other = in_another_process(tmp_path)
    assert other.stdout.readline() == "in\n"
    other.kill()
    other.communicate()
    with only_one_run(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root becomes another user")
def test_a_lock_holds_across_users(tmp_path):
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        with suppress(PermissionError):
            folder.chmod(folder.stat().st_mode | 0o005)
    results = tmp_path / "results"
    results.mkdir()
    results.chmod(0o1777)
    other = in_another_process(results)
    try:
        assert other.stdout.readline() == "in\n"
        code = (
            "import os; os.setegid(65534); os.seteuid(65534)\n"
            "from pathlib import Path\n"
            f"with only_one_run(Path({str(results)!r})): pass\n"
        )
        program = f"from infer_p3m_portrait_matting.commands.locks import only_one_run\n{code}"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    finally:
        other.communicate("")
    assert "UsageError: another p3m is writing" in done.stderr


def test_a_lock_follows_no_link(tmp_path):
    (tmp_path / "notes").write_bytes(b"mine")
    (tmp_path / ".p3m-run.lock").symlink_to(tmp_path / "notes")
    with pytest.raises(OSError, match="symbolic"), only_one_run(tmp_path):
        pass
    assert (tmp_path / "notes").read_bytes() == b"mine"
