"""Start ``p3m serve`` in a process of its own, and talk to it."""

import http.client
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Client:
    """Sends requests to a server on this computer; each takes a connection of its own."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, method: str, path: str, body=None, headers=None, timeout=120) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str, headers=None) -> Answer:
        return self.ask("GET", path, None, headers)

    def matte(self, photo, query="input_size=128", headers=None) -> Answer:
        return self.ask("POST", f"/api/matte?{query}", photo, headers)

    def connect(self, *pieces: bytes) -> socket.socket:
        """Open a connection and send bytes as they are."""
        connection = socket.create_connection(("127.0.0.1", self.port), 120)
        for piece in pieces:
            connection.sendall(piece)
        return connection


class Server(Client):
    """``p3m serve`` in a process that, once it serves, can write no byte to any file."""

    def __init__(self, *options: str, folder: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
        command = [sys.executable, "-m", "infer_p3m_portrait_matting", "serve", "--port", "0", "--no-cuda", *options]
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        self.first = self.process.stderr.readline()
        found = re.fullmatch(r"p3m serves http://127\.0\.0\.1:(\d+)/ \(Ctrl-C stops it\)\n", self.first)
        assert found, self.first + self.process.stderr.read()
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (0, 0))
        super().__init__(int(found[1]))
        #: What the server prints after its address.
        self.printed: list[str] = []
        self._reader = threading.Thread(target=lambda: self.printed.extend(self.process.stderr or ()), daemon=True)
        self._reader.start()

    def memory(self) -> int:
        """Return the resident memory in bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Send a signal; return the exit status."""
        self.process.send_signal(signal_number)
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()
            self._reader.join(10)
