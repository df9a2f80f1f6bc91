"""What hostile clients send: the server answers with one sentence, stays up, and keeps its memory."""

import io
import random
import struct
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

MEGABYTES = 10**6


def encoded(array: np.ndarray, form: str, **options) -> bytes:
    content = io.BytesIO()
    Image.fromarray(array).save(content, form, **options)
    return content.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def bodies(photo, astronaut) -> list[bytes]:
    """Bombs, cut files, and files of all kinds with damage."""
    empty = np.zeros((3000, 3000), np.uint8)
    small = np.ascontiguousarray(astronaut[:96, 96:224])
    files = [encoded(small, form) for form in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "PPM")]
    files.append(encoded(small, "JPEG", progressive=True))
    zeros = zlib.compress(bytes(50 * MEGABYTES), 9)
    bombs = [
        *(encoded(empty, form) for form in ("PNG", "GIF", "WEBP", "JPEG")),
        encoded(empty, "TIFF", compression="tiff_adobe_deflate"),
        png(60_000, 60_000, chunk(b"IDAT", zeros)),
        png(900, 900, chunk(b"IDAT", zeros)),
        png(64, 64, chunk(b"iCCP", b"x\0\0" + zeros), chunk(b"IDAT", zlib.compress(bytes(64 * 193)))),
        png(64, 64, *[chunk(b"tEXt", b"a\0b")] * 20_000),
        b"\xff\xd8" + b"\xff\xe1\x00\x02" * 50_000,
        b"\0\0\1\0\1\0\0\0\0\0\1\0\x20\0"
        + struct.pack("<II", 40, 22)
        + struct.pack("<IiiHH", 40, 50_000, 100_000, 1, 32),
        b"BM" + struct.pack("<IIIIiiHHIIIIII", 0, 0, 54, 40, 2**31 - 1, -(2**31), 1, 24, 0, 0, 0, 0, 0, 0),
        b"P6 1000000 1000000 255\n",
        b"II*\0\x08\0\0\0\xff\xff" + b"\xff" * 500,
    ]
    chance = random.Random(1)
    damaged = []
    for content in files * 8:
        broken = bytearray(content)
        for _ in range(chance.randrange(1, 30)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        damaged += [bytes(broken), content[: chance.randrange(len(content))]]
    noise = [chance.randbytes(chance.randrange(20_000)) for _ in range(20)]
    return [*bombs * 3, *damaged, *noise, b"", b"/etc/passwd", b"file:///etc/passwd", b"http://127.0.0.1/"]


def heads() -> list[bytes]:
    """Requests as no browser sends them."""
    matte = b"POST /api/matte?input_size=64 HTTP/1.1\r\nHost: localhost\r\n"
    return [
        b"\r\n\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"GET\r\n\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /%00%ff%2e%2e/%5c HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"a/" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nAccess-Control-Request-Method: POST\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"?a=b&" * 10_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        matte.replace(b"64", b"64&" + b"a=" * 5000) + b"Content-Length: 0\r\n\r\n",
        matte + b"Content-Length: -1\r\n\r\n",
        matte + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        matte + b"Content-Length: 99999999999999999999999\r\n\r\n",
        matte + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        matte + b"Transfer-Encoding: chunked\r\n\r\nZZZ\r\n",
        matte + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        matte + b"Transfer-Encoding: gzip\r\n\r\n",
        matte + b"Content-Length: 100000\r\n\r\n" + b"x" * 500,
        matte + b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
        matte + b"Content-Length: 0\r\n\r\n" * 50,
        matte + b"Content-Type: " + b"\xff\xfe;" * 100 + b"\r\nContent-Length: 0\r\n\r\n",
        matte + b"Origin: " + b"[" * 300 + b"\r\nContent-Length: 0\r\n\r\n",
    ]


def raw(server, sent: bytes) -> int | None:
    """Send bytes as they are, and stop sending; return the status, or None if there is no answer."""
    try:
        with server.connect(sent) as connection:
            # Without an end, the server would wait for more.
            connection.shutdown(1)
            answer = connection.recv(1000)
    except OSError:  # it has closed the connection, in one way or the other
        return None
    return int(answer.split()[1]) if answer else None


def test_a_thousand_hostile_requests(server, photo, bodies):
    expected = server.matte(photo, "input_size=64").body
    odd = ["feather=1e999", "box=0,0,1e9,1e9", "box=-1,-1,-1,-1", "crop=1e400", "shift=99999999999999999999999", "%"]
    odd += [
        "background=" + "%F0%9F" * 500,
        "write=" + "x" * 30_000,
        "input_size=64&" * 3000,
        "background=rgb(9e99,0,0)",
    ]
    extreme = ["feather=500", "shift=200", "despeckle=1", "crop=1000", "anonymize=pixelate", "subject=largest"]
    for query in extreme:
        # What is loaded once, at its first use, is no leak.
        assert server.matte(photo, f"input_size=64&{query}").status == 200
    requests = [(lambda body=body: server.matte(body, "input_size=64").status) for body in bodies]
    requests += [(lambda head=head: raw(server, head)) for head in heads() * 6]
    requests += [
        (lambda query=query: server.matte(photo, f"input_size=64&{query}").status) for query in (odd + extreme) * 10
    ]
    requests += [lambda: server.matte(photo, "input_size=64").status] * 100
    requests += [lambda: server.matte(photo, headers={"Host": "evil.example"}).status] * 50
    requests += [lambda: server.matte(photo, headers={"Content-Type": "multipart/form-data"}).status] * 50
    requests += [lambda: server.get("/api/../../../etc/passwd").status] * 50
    requests += [lambda: server.get("/api/parameters").status] * (1000 - len(requests))
    assert len(requests) >= 1000
    random.Random(2).shuffle(requests)
    start = server.memory()
    slow = [server.connect(heads()[-5]) for _ in range(20)]
    # As many at once as may wait: each photo is looked at.
    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda request: request(), requests))
    with ThreadPoolExecutor(40) as threads:
        statuses += threads.map(lambda body: server.matte(body, "input_size=64").status, bodies[:80])
    for connection in slow:
        connection.close()
    assert server.process.poll() is None
    assert server.matte(photo, "input_size=64").body == expected
    assert server.printed == [], "".join(server.printed)
    counts = Counter(statuses)
    assert counts.keys() <= {200, 307, 400, 403, 404, 405, 413, 415, 422, 503, None}, counts
    assert {200, 400, 404, 413, 415, 422, 503} <= counts.keys(), counts
    grown = (server.memory() - start) / MEGABYTES
    assert grown < 100, f"{grown:.0f} MB more than at the start"


def test_three_hundred_photos_leave_the_memory_as_it_was(server, photo):
    for _ in range(30):
        assert server.matte(photo).status == 200
    start = server.memory()
    for _ in range(270):
        assert server.matte(photo).status == 200
    grown = (server.memory() - start) / MEGABYTES
    assert grown < 20, f"{grown:.1f} MB more than after 30 photos"
