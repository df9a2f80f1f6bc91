"""README.md and the other guides: their code runs, and what they name exists."""

import importlib.util
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import parameter_table
import pytest
from ikomia_plugin import NAME, ROOT
from package_plugin import build

from infer_p3m_portrait_matting.commands.main import SUBCOMMANDS
from infer_p3m_portrait_matting.p3m import __version__
from infer_p3m_portrait_matting.pipeline.settings import Settings

README = (ROOT / "README.md").read_text()
#: What the HUB shows, and what the zip for it holds.
PAGE = ROOT / NAME / "README.md"
GUIDES = [
    *(ROOT / path for path in ("README.md", "CONTRIBUTING.md", "training/README.md", "benchmarks/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    PAGE,
    ROOT / NAME / "weights" / "MODEL_CARD.md",
]
#: Addresses of files of this project: of the page of a file, and of its content.
OURS = re.compile(
    rf"https://(?:github\.com|raw\.githubusercontent\.com)/Ikomia-hub/{NAME}/(?:blob/)?main/([^)\s\"#]+)#?([^)\s\"]*)"
)

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


def name(guide) -> str:
    return guide.relative_to(ROOT).as_posix()


def blocks(language: str, guide) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", guide.read_text(), re.DOTALL)


#: Every block of Python, by where it stands.
PYTHON = {f"{name(guide)}-{index}": block for guide in GUIDES for index, block in enumerate(blocks("python", guide))}
TITLE = re.compile(r'display\(.*title="(\w+)"')
HAS_SCREEN = shutil.which("xvfb-run") is not None


@pytest.fixture(scope="module")
def web(tmp_path_factory, astronaut):
    """Address of a server that has one photo, under every name that ends in .jpeg."""
    photo = cv2.imencode(".jpg", np.ascontiguousarray(astronaut[:360, :, ::-1]))[1].tobytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path.endswith(".jpeg") else 404)
            self.send_header("Content-Length", str(len(photo)))
            self.end_headers()
            self.wfile.write(photo)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def missing_packages(block: str) -> list[str]:
    """The packages that a block imports and that are not here, such as those of servers."""
    imported = dict.fromkeys(re.findall(r"^(?:from|import) (\w+)", PYTHON[block], re.M))
    return [package for package in imported if importlib.util.find_spec(package) is None]


def process_of(name: str) -> str:
    """Name the process that runs a block: starts are slow, so all of a kind share one, save those that open windows."""
    if TITLE.search(PYTHON[name]):
        return name
    return "with Ikomia" if "ikomia." in PYTHON[name] else "without"


@pytest.fixture(scope="module")
def ran(installed_home, web, astronaut, tmp_path_factory):
    """Run the blocks of a process: its name -> the ended process, and the folder of each block."""

    def lay_out(block: str, folder):
        block = re.sub(r"https://images\.pexels\.com", web, block)
        cv2.imwrite(str(folder / "portrait.jpg"), astronaut[:360, :, ::-1])
        cv2.imwrite(str(folder / "beach.jpg"), astronaut[400:, :, ::-1])
        if "video.mp4" in block:
            video = cv2.VideoWriter(str(folder / "video.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 25, (256, 192))
            for shift in range(3):
                video.write(np.roll(astronaut[:192, 96:352, ::-1], shift, 1))
            video.release()
        block = block.replace(".launch()", ".launch(prevent_thread_lock=True)")
        if TITLE.search(block):
            block = DISPLAY + block if HAS_SCREEN else re.sub(r"^display\(.*", "", block, flags=re.M)
        (folder / "block.py").write_text(block)
        return folder

    @cache
    def run(process: str):
        names = [name for name in PYTHON if process_of(name) == process and not missing_packages(name)]
        folders = {name: lay_out(PYTHON[name], tmp_path_factory.mktemp("block")) for name in names}
        files = [str(folder / "block.py") for folder in folders.values()]
        command = [sys.executable, str(ROOT / "tests" / "scripts" / "run_files.py"), *files]
        environment = {**os.environ, "HOME": str(installed_home), "HTTPS_PROXY": "http://127.0.0.1:9"}
        if HAS_SCREEN and process in PYTHON:
            # Without -noreset, Xvfb restarts when its last client leaves, and the next client may find no server.
            command = ["xvfb-run", "-a", "-s", "-screen 0 1280x1024x24 -noreset", *command]
        if process == "without":
            environment["PYTHONPATH"] = str(ROOT)
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1200), folders

    return run


@pytest.mark.slow
@pytest.mark.parametrize("block", PYTHON)
def test_python_runs(ran, block):
    if missing_packages(block):
        pytest.skip(f"not installed: {', '.join(missing_packages(block))}")
    done, folders = ran(process_of(block))
    error = folders[block] / "error.txt"
    assert error.is_file(), done.stderr
    assert error.read_text() == "", f"{error.read_text()}\n{done.stderr}"
    assert done.returncode == 0, done.stderr
    titles = TITLE.findall(PYTHON[block])
    assert all(cv2.imread(str(folders[block] / f"{title}.png")).std() > 10 for title in titles if HAS_SCREEN)
    saved = re.findall(r"portrait_\w+\.png", PYTHON[block])
    assert all((folders[block] / file).is_file() for file in saved)
    if titles and not HAS_SCREEN:
        pytest.skip("the rest runs; display() needs a screen, and Xvfb is not installed")


@pytest.mark.slow
def test_the_server_of_the_guide_answers(astronaut):
    pytest.importorskip("fastapi")
    uvicorn = pytest.importorskip("uvicorn")
    (block,) = (block for block in blocks("python", ROOT / "docs" / "python.md") if "FastAPI()" in block)
    names: dict = {}
    exec(block, names)
    server = uvicorn.Server(uvicorn.Config(names["app"], port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/cutout"
    try:
        photo = cv2.imencode(".png", np.ascontiguousarray(astronaut[:160, 96:256, ::-1]))[1].tobytes()
        with urllib.request.urlopen(urllib.request.Request(address, photo, {"Content-Type": "image/png"})) as answer:
            person = cv2.imdecode(np.frombuffer(answer.read(), np.uint8), cv2.IMREAD_UNCHANGED)
        assert person.shape == (160, 160, 4)
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(urllib.request.Request(address, b"no photo", {"Content-Type": "image/png"}))
    finally:
        server.should_exit = True
        thread.join(30)


def test_the_card_s_call_is_shown_as_it_is():
    assert 'wf.add_task(ik.infer_p3m_portrait_matting(cuda="True"), auto_connect=True)' in README
    assert "from ikomia.utils.displayIO import display\n" in README


def anchors(guide) -> set[str]:
    headings = re.findall(r"^#+ (.*)", guide.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("guide", GUIDES, ids=name)
def test_links_lead_somewhere(guide):
    text = guide.read_text()
    targets = re.findall(r"\]\((?!https?://)([^)]+)\)", text) + re.findall(r'src="(?!https?://)([^"]+)"', text)
    for target in targets:
        path, _, anchor = target.partition("#")
        file = guide.parent / path if path else guide
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target
    for path, anchor in OURS.findall(text):
        assert (ROOT / path).exists(), path
        assert not anchor or anchor in anchors(ROOT / path), anchor


def test_the_page_of_the_hub_has_absolute_links_alone_and_the_zip_has_what_they_name(tmp_path):
    text = PAGE.read_text()
    assert len(text.encode()) <= 5 * 1024
    assert re.findall(r"\]\((?!https://)[^)]*\)", text) + re.findall(r'(?:src|href)="(?!https://)[^"]*"', text) == []
    with zipfile.ZipFile(build(tmp_path / "plugin.zip")) as archive:
        files = set(archive.namelist())
    inside = [path.removeprefix(f"{NAME}/") for path, _ in OURS.findall(text) if path.startswith(f"{NAME}/")]
    assert {"icon.png", "weights/MODEL_CARD.md"} <= set(inside) <= files
    order = [
        "results.jpg",
        "Use with Ikomia API",
        "pip install ikomia",
        'add_task(name="',
        "url=",
        "Use with Ikomia STUDIO",
    ]
    order += ["Set algorithm parameters", "Explore algorithm outputs", "Advanced usage"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)


def test_the_changelog_has_versions_with_dates():
    unreleased, newest, *older = re.findall(r"^## (.*)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert unreleased == "Unreleased"
    assert newest.startswith(f"{__version__} - ")
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d{2}-\d{2}", heading) for heading in (newest, *older))
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_the_readme_is_short():
    assert len(README.encode()) <= 8 * 1024


def test_every_parameter_is_in_the_table():
    guide = parameter_table.GUIDE.read_text()
    assert parameter_table.with_table(guide) == guide, "run python -m tools.parameter_table --write"
    assert parameter_table.with_table(guide.replace("| `feather` |", "| `fether` |")) == guide
    for name, value in Settings().to_strings().items():
        assert f"| `{name}` | `{value}` |" in guide or (not value and f"| `{name}` | *(empty)* |" in guide)


@pytest.fixture
def options(monkeypatch, capsys):
    """The --help of a module that ``python -m`` runs: module name, and a subcommand if there is one -> text."""

    def read(module: str, *subcommand: str) -> str:
        monkeypatch.setattr(sys, "argv", [module, *subcommand, "--help"])
        with pytest.raises(SystemExit) as caught:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        assert caught.value.code == 0
        return capsys.readouterr().out

    return read


def shell_commands(guide) -> list[list[str]]:
    lines = (line for block in blocks("sh", guide) for line in block.replace("\\\n", " ").splitlines())
    return list(filter(None, (shlex.split(line, comments=True) for line in lines)))


# runpy warns of a module that another test has imported already.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("guide", [guide for guide in GUIDES if shell_commands(guide)], ids=name)
def test_shell_commands_exist(guide, options):
    if guide.parent.name == "training" and sys.version_info < (3, 11):
        pytest.skip("training needs Python 3.11")
    makefile = (ROOT / "Makefile").read_text()
    for program, *arguments in shell_commands(guide):
        assert program in {"make", "python", "pip", "p3m"}, program
        if program == "make":
            for word in arguments:
                pattern = rf"^{word.split('=')[0]} \?=" if "=" in word else rf"^{word}:"
                assert re.search(pattern, makefile, re.M), word
        elif program in ("python", "p3m"):
            assert program == "p3m" or arguments[0] == "-m", arguments
            module, words = (NAME, arguments) if program == "p3m" else (arguments[1], arguments[2:])
            subcommand = words[:1] if program == "p3m" and words[0] in SUBCOMMANDS else []
            known = options(module, *subcommand)
            for word in words:
                assert not word.startswith("--") or f"{word.split('=')[0]} " in known, arguments


def test_the_guides_show_commands():
    shown = {program for guide in GUIDES for program, *_ in shell_commands(guide)}
    assert shown == {"make", "python", "pip", "p3m"}
    for guide in ("README.md", "training/README.md", "benchmarks/README.md", "docs/evaluation.md"):
        assert shell_commands(ROOT / guide), guide


def test_make_targets_named_in_the_text_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {target for guide in GUIDES for target in re.findall(r"`make ([a-z-]+)", guide.read_text())}
    assert {"demo", "test", "test-fast", "lint", "install", "bench", "package"} <= named <= targets
