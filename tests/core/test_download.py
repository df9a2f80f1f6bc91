"""Downloads from a server of our own on 127.0.0.1 that serves well, badly, or not at all."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
import torch
from filelock import FileLock

from infer_p3m_portrait_matting.p3m import DownloadError, PortraitMatting, WeightsError, fetch_weights, load_weights
from infer_p3m_portrait_matting.p3m.checkpoints.content import expected_digest
from infer_p3m_portrait_matting.p3m.checkpoints.download import download
from infer_p3m_portrait_matting.p3m.model.registry import create_model

download_module = sys.modules[download.__module__]
CONTENT = bytes(range(256)) * 4096


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked[self.path] += 1
        name = self.path.rsplit("/", 1)[-1]
        content = self.server.files.get(name, CONTENT)
        self.server.encodings.append(self.headers.get("Accept-Encoding"))
        if name == "away":
            self.send_response(302)
            self.send_header("Location", "http://[bad")
            self.end_headers()
            return
        if name in {"moved", "around"}:
            # The page that comes with it has no end.
            self.send_response(302)
            self.send_header("Location", "/good" if name == "moved" else "/around")
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.drip()
            return
        if name.startswith("drip"):
            self.send_response(200)
            if name != "drip-headers":
                self.send_header("Content-Length", str(len(CONTENT)))
                self.end_headers()
            self.wfile.flush()
            self.drip()
            return
        if name in {"404", "500"}:
            self.send_error(int(name))
            return
        if name == "page":
            content = b"<html>please log in</html>"
        self.send_response(200)
        length = str(len(content) + (1000 if name in {"long", "stall"} else 0))
        odd = {"words": "many", "minus": "-5", "huge": "9" * 20, "none": None}
        if odd.get(name, length) is not None:
            self.send_header("Content-Length", odd.get(name, length))
        if name == "packed":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        try:
            if name == "slow":
                for start in range(0, len(content), 65536):
                    self.wfile.write(content[start : start + 65536])
                    time.sleep(0.02)
                return
            self.wfile.write(content[: len(content) // 2] if name == "cut" else content)
            self.wfile.flush()
            if name == "stall":
                self.server.leave.wait(30)
        except OSError:
            pass

    def drip(self):
        with suppress(OSError):
            while not self.server.leave.wait(0.1):
                self.wfile.write(b"x")
                self.wfile.flush()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        made.encodings = []
        made.files, made.asked, made.leave = {}, Counter(), threading.Event()
        made.url = f"http://127.0.0.1:{made.server_address[1]}"
        thread = threading.Thread(target=made.serve_forever, args=(0.02,))
        thread.start()
        yield made
        made.leave.set()
        made.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def nothing_failed_yet(monkeypatch):
    monkeypatch.setattr(download_module, "_failed", {})


def check(path):
    if path.read_bytes() != CONTENT:
        raise WeightsError(f"{path} is not the content")


#: The download module alone, without torch: processes start fresh (a fork of threads may hang) and quickly.
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from infer_p3m_portrait_matting.p3m.checkpoints.download import download
assert "torch" not in sys.modules
download(sys.argv[2], Path(sys.argv[3]), lambda path: None)
"""


def start_download(url, target) -> subprocess.Popen:
    folder = str(Path(download_module.__file__).parents[3])
    return subprocess.Popen([sys.executable, "-c", SCRIPT, folder, url, str(target)], stderr=subprocess.DEVNULL)


def nothing_but_the_lock(folder) -> bool:
    return {p.name for p in folder.iterdir()} <= {"file.lock"}


def test_a_good_file_arrives_whole_with_its_digest_and_is_fetched_once(server, tmp_path):
    target = tmp_path / "new" / "file"
    for _ in range(2):
        assert download(f"{server.url}/good", target, check) == target
    assert target.read_bytes() == CONTENT
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert (tmp_path / "new" / "file.sha256").read_text() == f"{digest}  file\n"
    assert expected_digest(target) == hashlib.sha256(target.read_bytes()).hexdigest()
    assert server.asked["/good"] == 1
    assert {path.name for path in (tmp_path / "new").iterdir()} <= {"file", "file.sha256", "file.lock"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("404", "answered 404"),
        ("500", "answered 500"),
        ("cut", "could not be fetched"),
        ("long", "could not be fetched"),
        ("page", "is not the content"),
    ],
)
def test_bad_answers_leave_nothing_and_are_not_asked_for_again(server, tmp_path, name, words):
    target = tmp_path / "file"
    with pytest.raises(DownloadError, match=f"{server.url}/{name}.*{words}"):
        download(f"{server.url}/{name}", target, check)
    assert nothing_but_the_lock(tmp_path)
    with pytest.raises(DownloadError, match="not tried again in this process"):
        download(f"{server.url}/{name}", target, check)
    assert server.asked[f"/{name}"] == 1


def test_a_server_that_stalls_is_left(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download_module, "STALL_TIMEOUT", 0.5)
    started = time.monotonic()
    with pytest.raises(DownloadError, match="could not be fetched"):
        download(f"{server.url}/stall", tmp_path / "file", check)
    assert time.monotonic() - started < 15
    assert nothing_but_the_lock(tmp_path)


def test_no_server_is_said_at_once(tmp_path):
    with pytest.raises(DownloadError, match="no connection"):
        download("http://127.0.0.1:9/file", tmp_path / "file", check)


def test_a_folder_that_cannot_be_made_is_said(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match="could not be fetched"):
        download(f"{server.url}/good", tmp_path / "file" / "weights", check)
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_leaves_nothing(server, tmp_path, monkeypatch):
    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *args: opened(Path("/dev/full"), *args))
    with pytest.raises(DownloadError, match="No space left"):
        download(f"{server.url}/good", tmp_path / "file", check)
    assert nothing_but_the_lock(tmp_path)


def test_a_link_in_the_way_of_the_unfinished_file_is_not_followed(server, tmp_path):
    (tmp_path / "notes").write_bytes(b"another's")
    (tmp_path / "file.part").symlink_to(tmp_path / "notes")
    download(f"{server.url}/good", tmp_path / "file", check)
    assert (tmp_path / "notes").read_bytes() == b"another's"
    assert (tmp_path / "file.part").is_symlink()


@pytest.mark.parametrize("name", ["drip", "drip-headers"])
def test_an_answer_that_drips_ends_at_the_total_time(server, tmp_path, monkeypatch, name):
    """Each byte comes in time, and all of them never would."""
    monkeypatch.setattr(download_module, "TOTAL_TIMEOUT", 1.0)
    started = time.monotonic()
    with pytest.raises(DownloadError, match="too slow"):
        download(f"{server.url}/{name}", tmp_path / "file", check)
    assert time.monotonic() - started < 5
    assert nothing_but_the_lock(tmp_path)


def test_redirects_are_followed_and_the_pages_with_them_left_unread(server, tmp_path):
    started = time.monotonic()
    assert download(f"{server.url}/moved", tmp_path / "file", check).read_bytes() == CONTENT
    assert time.monotonic() - started < 5
    with pytest.raises(DownloadError, match="redirects more than 5 times"):
        download(f"{server.url}/around", tmp_path / "other", check)


def test_a_file_that_changed_after_the_download_is_refused(server, tmp_path):
    target = download(f"{server.url}/good", tmp_path / "file", check)
    target.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(WeightsError, match="is not what was downloaded"):
        load_weights(create_model("mobile"), target)


def test_processes_that_start_together_download_once(server, tmp_path):
    target = tmp_path / "file"
    processes = [start_download(f"{server.url}/slow", target) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert target.read_bytes() == CONTENT
    assert server.asked["/slow"] == 1


@pytest.mark.slow
def test_killed_downloads_leave_no_half_file_and_the_next_one_works(server, tmp_path):
    target = tmp_path / "file"
    caught = 0
    for attempt in range(10):
        process = start_download(f"{server.url}/slow", target)
        while process.poll() is None and server.asked["/slow"] <= attempt:
            time.sleep(0.002)
        time.sleep(0.04 * attempt)
        process.kill()
        process.wait(60)
        caught += not target.exists()
        if target.exists():
            assert target.read_bytes() == CONTENT
            assert expected_digest(target) == hashlib.sha256(target.read_bytes()).hexdigest()
            target.unlink()
    assert caught >= 3, "killed too late to show anything"
    assert download(f"{server.url}/good", target, check).read_bytes() == CONTENT
    assert expected_digest(target) == hashlib.sha256(target.read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "file"),
    [("resnet34", "p3mnet_pretrained_on_p3m10k.pth"), ("vitae-s", "P3M-Net_ViTAE-S_trained_on_P3M-10k.pth")],
)
def test_published_weights_are_fetched_checked_and_loaded(server, checkpoints, tmp_path, monkeypatch, name, file):
    monkeypatch.setenv("P3M_WEIGHTS_DIR", str(tmp_path))
    server.files[file] = checkpoints[name].read_bytes()
    path = fetch_weights(name, f"{server.url}/weights/")
    assert path == tmp_path / file
    assert PortraitMatting(name).weights == path


@pytest.mark.slow
@pytest.mark.parametrize(
    "content", ["other network", "NaN", "page", "half precision", "no unused head", "a repeated tensor left out"]
)
def test_a_file_that_is_no_published_checkpoint_is_not_kept(server, checkpoints, tmp_path, monkeypatch, content):
    monkeypatch.setenv("P3M_WEIGHTS_DIR", str(tmp_path))
    data = b"<html>not found, but with status 200</html>"
    if content == "other network":
        data = checkpoints["vitae-s"].read_bytes()
    elif content != "page":
        tensors = torch.load(checkpoints["resnet34"], weights_only=True)["state_dict"]
        if content == "NaN":
            tensors["tfi_0.bn1.weight"] = torch.full_like(tensors["tfi_0.bn1.weight"], float("nan"))
        elif content == "half precision":
            tensors["tfi_0.conv1.weight"] = tensors["tfi_0.conv1.weight"].half()
        else:
            del tensors["resnet.fc.weight" if content == "no unused head" else "encoder0.0.weight"]
        torch.save({"state_dict": tensors}, tmp_path / "changed.tmp")
        data = (tmp_path / "changed.tmp").read_bytes()
    server.files["p3mnet_pretrained_on_p3m10k.pth"] = data
    with pytest.raises(DownloadError, match=r"p3mnet_pretrained_on_p3m10k\.pth could not be fetched"):
        fetch_weights("resnet34", server.url)
    assert not list(tmp_path.glob("*.pth"))


def test_nothing_was_published_for_mobile():
    with pytest.raises(ValueError, match="nothing was published for 'mobile'"):
        fetch_weights("mobile", "http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("words", "announces a length of 'many'"),
        ("minus", "could not be fetched"),
        ("huge", "is not this file"),
        ("packed", "packed"),
        ("away", "could not be fetched"),
    ],
)
def test_odd_headers_are_a_download_error(server, tmp_path, name, words):
    with pytest.raises(DownloadError, match=words):
        download(f"{server.url}/{name}", tmp_path / "file", check)
    assert nothing_but_the_lock(tmp_path)


def test_files_are_asked_for_unpacked(server, tmp_path):
    download(f"{server.url}/good", tmp_path / "file", check)
    assert server.encodings == ["identity"]


def test_a_download_ends_at_its_size_and_at_its_time(server, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(download_module, "LARGEST", 100_000)
        with pytest.raises(DownloadError, match="not this file"):
            download(f"{server.url}/none", tmp_path / "file", check)
    monkeypatch.setattr(download_module, "TOTAL_TIMEOUT", 0.0)
    with pytest.raises(DownloadError, match="too slow"):
        download(f"{server.url}/slow", tmp_path / "file", check)
    assert nothing_but_the_lock(tmp_path)


def test_the_wait_for_another_process_ends(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download_module, "TOTAL_TIMEOUT", 0.2)
    with FileLock(tmp_path / "file.lock"), pytest.raises(DownloadError, match="another process"):
        download(f"{server.url}/good", tmp_path / "file", check)


def test_a_redirect_to_http_is_refused():
    answer = requests.Response()
    answer.status_code, answer.url = 302, "https://example.org/file"
    answer.headers["Location"] = "http://example.org/file"
    session = download_module._Session()
    with pytest.raises(DownloadError, match="not safe"):
        session.get_redirect_target(answer)
    answer.headers["Location"] = "/other"
    assert session.get_redirect_target(answer) == "/other"


def test_what_is_no_connection_is_named(server, tmp_path, monkeypatch):
    with pytest.raises(DownloadError, match="TLS"):
        download(f"{server.url.replace('http:', 'https:')}/good", tmp_path / "file", check)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(DownloadError, match="proxy"):
        download("http://example.invalid/good", tmp_path / "file", check)


@pytest.mark.parametrize("folder", ["/dev/null/below", "a" * 300, "/proc/here"])
def test_odd_folders_are_a_download_error(server, folder):
    with pytest.raises(DownloadError):
        download(f"{server.url}/good", Path(folder) / "file", check)


def test_a_program_without_a_console_downloads_too(server, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    target = download(f"{server.url}/good", tmp_path / "file", lambda _: None)
    assert target.read_bytes() == CONTENT


def test_a_file_system_without_locks_is_a_download_error(server, tmp_path, monkeypatch):
    """What older filelocks raise there is a RuntimeError."""

    def no_lock(*_, **__):
        raise NotImplementedError("no locks here")

    monkeypatch.setattr(download_module, "FileLock", no_lock)
    with pytest.raises(DownloadError, match="could not be fetched"):
        download(f"{server.url}/unlocked", tmp_path / "file", lambda _: None)
