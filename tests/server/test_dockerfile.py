"""The Dockerfile: its commands run as they stand. There is no Docker here to build it."""

import json
import re
import subprocess
import sys

from p3m_server import ROOT

from infer_p3m_portrait_matting.commands.server.page import _PLACES

TEXT = (ROOT / "Dockerfile").read_text()


def command(instruction: str) -> list[str]:
    (found,) = re.findall(rf"^(?:HEALTHCHECK .*\\\n +)?{instruction} (\[.*\])$", TEXT, re.M)
    return json.loads(found)


def test_the_health_check_sees_whether_the_server_answers(server):
    program, *arguments = command("CMD")
    assert program == "python"
    for port, status in ((server.port, 0), (1, 1)):
        check = [argument.replace("7860", str(port)) for argument in arguments]
        assert subprocess.run([sys.executable, *check], capture_output=True, timeout=60).returncode == status


def test_the_entry_point_is_p3m_serve_for_all_addresses():
    assert command("ENTRYPOINT") == ["p3m", "serve", "--host", "0.0.0.0"]
    assert "\nUSER 10001:10001\n" in TEXT


def test_what_it_copies_is_there_and_let_through():
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")}
    copied = [name for names in re.findall(r"^COPY (?!--)(.*) \S+$", TEXT, re.M) for name in names.split()]
    assert {name.replace("dis[t]", "dist") for name in copied} == let_through
    assert all((ROOT / name).exists() for name in let_through - {"page/dist"})
    # Where the image puts the page, and where the server looks for it.
    assert _PLACES[0].parts[-2:] == ("infer_p3m_portrait_matting", "page")
    assert "/site-packages/infer_p3m_portrait_matting/page/\n" in TEXT
