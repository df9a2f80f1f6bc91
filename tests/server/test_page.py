"""The page that ``p3m serve`` offers."""

import pytest

META = b'<meta name="p3m-server" content="api/">'


@pytest.fixture
def page(tmp_path):
    folder = tmp_path / "dist"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("outside")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "index.html").write_text('<!DOCTYPE html><html><HEAD lang="en"><title>Page</title></HEAD><header>é')
    for name in ("main.js", "ort.mjs", "ort.wasm", "app.webmanifest", "matte.onnx"):
        (folder / name).write_bytes(b"content of " + name.encode())
    return folder


def test_the_built_page_learns_that_this_computer_computes(serve, page):
    with serve(page) as client:
        for path in ("/", "/index.html", "/?x=1"):
            answer = client.get(path)
            assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
            source = (page / "index.html").read_bytes()
            assert answer.body == source.replace(b'<HEAD lang="en">', b'<HEAD lang="en">' + META)
            assert answer.headers["Cache-Control"] == "no-cache"


def test_its_files_have_types_that_browsers_run(serve, page):
    types = {
        "main.js": "text/javascript; charset=utf-8",
        "ort.mjs": "text/javascript; charset=utf-8",
        "ort.wasm": "application/wasm",
        "app.webmanifest": "application/manifest+json",
    }
    with serve(page) as client:
        for name, kind in types.items():
            answer = client.get(f"/{name}")
            assert (answer.body, answer.headers["Content-Type"]) == (b"content of " + name.encode(), kind)
        again = client.get("/main.js", {"If-None-Match": client.get("/main.js").headers["ETag"]})
        assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/../secret.txt", "/%2e%2e/secret.txt", "/link.txt", "//etc/passwd", "/a\\..\\b", "/%00"]
)
def test_nothing_outside_is_served(path, serve, page):
    with serve(page) as client:
        assert client.get(path).status == 404


def test_without_a_built_page_a_plain_one_says_how_to_build_it(serve):
    with serve(None) as client:
        answer = client.get("/")
    assert answer.status == 200
    assert META in answer.body
    assert b"<code>make page</code>" in answer.body


def test_the_page_hides_nothing_of_the_api(serve, page):
    (page / "api").mkdir()
    (page / "api" / "health").write_text("a file of the page")
    with serve(page) as client:
        assert client.get("/api/matte").status == 405
        assert client.get("/api/mattes").status == 404
        assert client.ask("POST", "/").status == 405
        assert client.get("/api/health").headers["Content-Type"] == "application/json"
