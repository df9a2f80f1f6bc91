"""``p3m serve`` as a command: how it starts, and how it stops."""

import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from p3m_server import ROOT, Server

from infer_p3m_portrait_matting.commands.main import main


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_stops_it_after_the_running_matte(number, status, tmp_path, large):
    server = Server(folder=tmp_path)
    with ThreadPoolExecutor() as threads, server.connect(b"GET / HTTP/1.1\r\n"):
        running = threads.submit(server.matte, large, "input_size=1024")
        end = time.monotonic() + 60
        while b'"unfinished":1' not in server.get("/api/health").body:
            assert time.monotonic() < end
        assert server.stop(number) == status
        assert running.result().status == 200
    assert server.printed == (["p3m: stopped\n"] if number == signal.SIGINT else [])
    with pytest.raises(ConnectionRefusedError):
        server.get("/")


def test_the_bundled_model_runs_without_torch(server, photo):
    assert server.matte(photo).status == 200
    libraries = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "libtorch" not in libraries
    assert "onnxruntime" in libraries


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--port", "70000"], "--port must lie between 0 and 65535, got 70000"),
        (["--port", "x"], "argument --port: invalid int value: 'x'"),
        (["--model", "u2net"], "model_name must be one of "),
        (["--max-input-size", "10"], "input_size must lie between 64 and 8192 pixels, got 10"),
        (["--max-input-size", "9000"], "input_size must lie between 64 and 8192 pixels, got 9000"),
        (["--max-megapixels", "0"], "--max-megapixels must be a number above 0, got 0"),
        (["--cuda", "maybe"], "cuda must be one of auto, True, False, got 'maybe'"),
    ],
)
def test_wrong_options_are_named(arguments, sentence, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["serve", *arguments])
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(f"p3m serve: error: {sentence}")


def test_a_port_in_use_is_named_before_the_model_is_loaded():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code = (
            "import sys\n"
            "from infer_p3m_portrait_matting.commands.main import main\n"
            f"status = main(['serve', '--port', '{port}'])\n"
            "assert 'torch' not in sys.modules\n"
            "sys.exit(status)"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr == f"p3m: error: port {port} of 127.0.0.1: Address already in use\n"


def test_missing_packages_are_named(tmp_path):
    code = "import sys; sys.modules['uvicorn'] = None\nfrom infer_p3m_portrait_matting.commands.main import main\n"
    code += "sys.exit(main(['serve', '--port', '0']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith("p3m: error: p3m serve needs the package uvicorn: pip install ")


def test_missing_weights_are_named(tmp_path, capsys):
    assert main(["serve", "--port", "0", "--weights", str(tmp_path / "none.pth"), "--model", "mobile"]) == 1
    assert "none.pth" in capsys.readouterr().err
