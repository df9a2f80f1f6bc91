"""Limits of time, of memory, and of the queue."""

import asyncio
import io
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPResponse

import numpy as np
import pytest
from PIL import Image

from infer_p3m_portrait_matting.commands.server import bodies, connections
from infer_p3m_portrait_matting.commands.server import worker as working
from infer_p3m_portrait_matting.p3m.faces import detect

HEAD = b"POST /api/matte?input_size=128 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"


@pytest.mark.slow
def test_forty_at_once_get_a_picture_or_a_time_to_come_again(server, large):
    with ThreadPoolExecutor(40) as threads:
        jobs = [threads.submit(server.matte, large, "input_size=256") for _ in range(40)]
        time.sleep(0.3)
        assert server.get("/api/health").status == 200
        answers = [job.result() for job in jobs]
    statuses = [answer.status for answer in answers]
    assert set(statuses) == {200, 503}
    # One that was computed, and eight that waited.
    assert statuses.count(200) >= 9
    assert len({answer.body for answer in answers if answer.status == 200}) == 1
    for answer in answers:
        if answer.status == 503:
            assert json.loads(answer.body) == {"error": "too many photos wait for their mattes"}
            assert int(answer.headers["Retry-After"]) >= 1


def test_slow_bodies_keep_nobody_from_a_matte(server, photo):
    slow = [server.connect(HEAD, b"x" * 100) for _ in range(20)]
    assert server.matte(photo).status == 200
    for connection in slow:
        connection.close()
    assert server.matte(photo).status == 200


def test_a_body_that_is_too_slow_is_408_and_its_connection_is_closed(serve, monkeypatch):
    monkeypatch.setattr(bodies, "_SECONDS", 0.3)
    monkeypatch.setattr(connections, "_SECONDS", 0.3)
    with serve() as client, client.connect(HEAD, b"x") as connection:
        answer = HTTPResponse(connection)
        answer.begin()
        assert answer.status == 408
        assert json.loads(answer.read()) == {"error": "the photo did not arrive within 0.3 seconds"}
        with pytest.raises(ConnectionError):
            send_slowly(connection, 400)


def send_slowly(connection, count):
    for _ in range(count):
        connection.sendall(b"x")
        time.sleep(0.05)


@pytest.mark.parametrize("start", [b"", b"POST /api/matte HTTP/1.1\r\nHost: loc", HEAD[:-2]])
def test_a_connection_without_a_request_is_closed(start, serve, monkeypatch):
    monkeypatch.setattr(connections, "_SECONDS", 0.3)
    with serve() as client, client.connect(start) as connection:
        connection.settimeout(20)
        with suppress(ConnectionResetError):
            assert connection.recv(100) == b""


def test_a_request_in_time_keeps_its_connection(serve, photo, monkeypatch):
    monkeypatch.setattr(connections, "_SECONDS", 0.3)
    with serve() as client, client.connect(HEAD.replace(b"100000", str(len(photo)).encode())) as connection:
        time.sleep(0.6)
        connection.sendall(photo)
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_a_matte_that_takes_too_long_is_503(serve, worker, large, monkeypatch):
    monkeypatch.setattr(working, "_SECONDS", 0.05)
    with serve() as client:
        answer = client.matte(large, "input_size=1024")
        assert answer.status == 503
        assert json.loads(answer.body) == {"error": "the picture was not ready within 0.05 seconds"}
        assert answer.headers["Retry-After"]
        wait_until_idle(worker)


@pytest.mark.parametrize("query", ["", "&anonymize=blur", "&subject=largest"])
def test_a_search_for_faces_ends_with_the_time(query, serve, worker, monkeypatch):
    flat = io.BytesIO()
    Image.fromarray(np.full((600, 600, 3), 128, np.uint8)).save(flat, "PNG")
    looks, answered = [], threading.Event()

    def see_nothing(*size):
        def see(picture, threshold):
            looks.append(size)
            assert answered.wait(60)
            return np.empty((0, 5)), np.empty((0, 10))

        return see

    monkeypatch.setattr(detect, "load_detector", see_nothing)
    monkeypatch.setattr(working, "_SECONDS", 3)
    with serve() as client:
        assert client.matte(flat.getvalue(), "input_size=128" + query).status == 503
        answered.set()
        wait_until_idle(worker)
    assert len(looks) == 1


def test_nothing_is_computed_for_those_who_are_gone(serve, worker, large, photo):
    head = HEAD.replace(b"100000", str(len(large)).encode()).replace(b"=128", b"=1024")
    with serve() as client:
        # The first is being computed, the others wait.
        left = [client.connect(head, large) for _ in range(5)]
        end = time.monotonic() + 30
        while worker.unfinished < 5:
            assert time.monotonic() < end
            time.sleep(0.01)
        for connection in left:
            connection.close()
        end = time.monotonic() + 30
        while worker.unfinished > 1:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert client.matte(photo).status == 200
        assert worker.unfinished == 0


def test_all_bodies_together_have_a_limit(serve, monkeypatch, photo):
    monkeypatch.setattr(bodies, "most_bytes", lambda: 100_000)
    with serve() as client:
        others = [client.connect(HEAD, b"x" * 90_000) for _ in range(3)]
        time.sleep(0.5)
        answer = client.matte(photo)
        assert len(photo) > 30_000
        assert answer.status == 503
        assert json.loads(answer.body) == {"error": "too many photos are on their way"}
        for connection in others:
            connection.close()
        time.sleep(0.5)
        assert client.matte(photo).status == 200


def test_a_picture_that_nobody_takes_is_dropped(monkeypatch):
    monkeypatch.setattr(bodies, "_SECONDS", 0.1)
    memory = bodies.Memory()
    share = bodies.Share(memory)
    share.add(1000)
    sent = []

    async def send(message):
        sent.append(message)
        await asyncio.sleep(3600 if len(sent) > 2 else 0)

    content = bytes(10 * bodies._PIECE)
    share.replace(len(content))
    asyncio.run(bodies.Picture(content, share, {})({"type": "http"}, None, send))
    assert [len(message.get("body", b"")) for message in sent] == [0, bodies._PIECE, bodies._PIECE]
    assert memory.held == 0


def wait_until_idle(worker):
    end = time.monotonic() + 60
    while worker.unfinished:
        assert time.monotonic() < end
        time.sleep(0.05)
