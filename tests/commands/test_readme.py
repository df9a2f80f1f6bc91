"""README.md and the other guides: their code runs, and what they name exists."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import cv2
import pytest
from ikomia_plugin import ROOT

from infer_p3m_portrait_matting.plugin.settings import Settings

README = (ROOT / "README.md").read_text()
GUIDES = [ROOT / "README.md", ROOT / "training" / "README.md", ROOT / "benchmarks" / "README.md"]

# Nobody is there to close a window: draw it for real, keep a picture of it, and go on.
DISPLAY = """
from ikomia.utils import displayIO
draw = displayIO.plt.show
def show():
    draw(block=False)
    figure = displayIO.plt.gcf()
    figure.canvas.flush_events()
    figure.savefig(figure.axes[0].get_title() + ".png")
    displayIO.plt.close(figure)
displayIO.plt.show = show
"""


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home where ``make install`` was run."""
    folder = tmp_path_factory.mktemp("home")
    link = [sys.executable, str(ROOT / "tools" / "link_plugin.py")]
    subprocess.run(link, check=True, env={**os.environ, "HOME": str(folder)}, timeout=600)
    return folder


@pytest.mark.parametrize("index", range(len(blocks("python"))))
def test_python_runs(home, tmp_path, astronaut, index):
    block = blocks("python")[index]
    cv2.imwrite(str(tmp_path / "portrait.jpg"), astronaut[:360, :, ::-1])
    cv2.imwrite(str(tmp_path / "beach.jpg"), astronaut[400:, :, ::-1])
    command = [sys.executable, "block.py"]
    if "display(" in block:
        if shutil.which("xvfb-run") is None:
            pytest.skip("display() needs a screen, and Xvfb is not installed")
        # Without -noreset, Xvfb restarts when its last client leaves, and the next client may find no server.
        command = ["xvfb-run", "-a", "-s", "-screen 0 1280x1024x24 -noreset", *command]
        block = DISPLAY + block
    elif "ikomia." not in block:
        block = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + block
    (tmp_path / "block.py").write_text(block)
    environment = {**os.environ, "HOME": str(home), "HTTPS_PROXY": "http://127.0.0.1:9"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=600)
    assert done.returncode == 0, done.stderr
    titles = re.findall(r'display\(.*title="(\w+)"', block)
    assert all(cv2.imread(str(tmp_path / f"{title}.png")).std() > 10 for title in titles)


def test_the_card_s_call_is_shown_as_it_is():
    assert 'wf.add_task(ik.infer_p3m_portrait_matting(cuda="True"), auto_connect=True)' in README
    assert "from ikomia.utils.displayIO import display\n" in README


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.parent.name)
def test_links_lead_somewhere(guide):
    text = guide.read_text()
    targets = re.findall(r"\]\((?!https?://)([^)]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    headings = re.findall(r"^#+ (.*)", text, re.M)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    for target in targets:
        path, _, anchor = target.partition("#")
        assert (guide.parent / path).exists(), target
        assert path or anchor in anchors, target


def test_every_parameter_is_in_the_table():
    for name, value in Settings().to_strings().items():
        assert f"| `{name}` | `{value}` |" in README or (not value and f"| `{name}` | *(empty)* |" in README)


def options(module: str) -> str:
    command = [sys.executable, "-m", module, "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=300).stdout


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.parent.name)
def test_shell_commands_exist(guide):
    makefile = (ROOT / "Makefile").read_text()
    commands = [
        shlex.split(line, comments=True)
        for block in blocks("sh", guide.read_text())
        for line in block.replace("\\\n", " ").splitlines()
        if line.strip()
    ]
    assert commands
    for words in filter(None, commands):
        program, *arguments = words
        assert program in {"make", "python", "pip"}, words
        if program == "make":
            for word in arguments:
                pattern = rf"^{word.split('=')[0]} \?=" if "=" in word else rf"^{word}:"
                assert re.search(pattern, makefile, re.M), words
        elif program == "python":
            assert arguments[0] == "-m", words
            known = options(arguments[1])
            for word in arguments[2:]:
                assert not word.startswith("--") or f"{word.split('=')[0]} " in known, words


def test_make_targets_named_in_the_text_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"`make ([a-z]+)", README))
    assert {"install", "bench", "package"} <= named <= targets
