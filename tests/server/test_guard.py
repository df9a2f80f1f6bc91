"""Which requests are let in, and what every answer tells the browser."""

import json

import pytest

SAFE = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@pytest.mark.parametrize("path", ["/", "/index.html", "/api/health", "/nothing", "/api/matte"])
def test_every_answer_isolates_the_page_and_allows_no_other_origin(path, server):
    headers = server.get(path, {"Origin": "http://elsewhere.example"}).headers
    assert {name: headers[name] for name in SAFE} == SAFE
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["connect-src"] == "'self'"
    assert policy["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert not [name for name in headers if name.lower().startswith("access-control-")]
    assert "Server" not in headers


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:7860", "127.0.0.1:1", "[::1]:7860", "192.168.0.7", "[fe80::1]"]
)
def test_names_of_this_computer_are_let_in(host, server):
    assert server.get("/api/health", {"Host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:7860", "evil.example:80", "", "[", "::1:x"],
)
@pytest.mark.parametrize("path", ["/", "/api/health"])
def test_other_names_are_refused(host, path, server):
    answer = server.get(path, {"Host": host})
    assert answer.status == 400
    assert json.loads(answer.body)["error"].startswith("the header Host does not name this server")


def test_a_name_that_is_allowed_is_let_in(serve):
    with serve(hosts=["Matte.Example"]) as client:
        assert client.get("/api/health", {"Host": "matte.example:443"}).status == 200
        assert client.get("/api/health", {"Host": "other.example"}).status == 400


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost", "http://[", "http://localhost:1"]
)
def test_pages_of_other_origins_cannot_send_photos(origin, server, photo):
    answer = server.matte(photo, headers={"Origin": origin, "Host": "localhost:7860"})
    assert answer.status == 403
    assert json.loads(answer.body) == {"error": "the request comes from a page of another origin"}


def test_the_own_page_can_send_photos(server, photo):
    assert server.matte(photo, headers={"Origin": "http://localhost:7860", "Host": "localhost:7860"}).status == 200
