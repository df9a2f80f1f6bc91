"""The page's files, without a browser."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "page"
SOURCES = [*PAGE.glob("src/**/*.js"), *(PAGE / name for name in ("index.html", "style.css", "service-worker.js"))]


def test_types_are_right():
    compiler = PAGE / "node_modules" / ".bin" / "tsc"
    if shutil.which("node") is None or not compiler.exists():
        pytest.skip("node or TypeScript is not installed: run `make page` once")
    run = subprocess.run([compiler, "-p", PAGE], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_no_file_names_another_site():
    found = {path.name: re.findall(r"https?://[^\s\"'<>)]+", path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {address for addresses in found.values() for address in addresses} <= {"http://www.w3.org/2000/svg"}


def test_policy_forbids_other_sites():
    policy = re.search(r"default-src[^\"]*", (PAGE / "index.html").read_text(encoding="utf-8"))
    assert policy is not None
    sources = {word for part in policy[0].split(";") for word in part.split()[1:]}
    assert sources == {"'self'", "'none'", "blob:", "'wasm-unsafe-eval'"}
    assert "connect-src 'self'" in policy[0]


def test_packages_are_pinned_and_name_no_registry():
    lock = json.loads((PAGE / "package-lock.json").read_text(encoding="utf-8"))
    for name, package in lock["packages"].items():
        assert name == "" or package["integrity"].startswith("sha512-")
        assert "resolved" not in package
    wanted = json.loads((PAGE / "package.json").read_text(encoding="utf-8"))
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", x) for x in (wanted["dependencies"] | wanted["devDependencies"]).values())


def test_each_text_is_used():
    words = (PAGE / "src" / "text.js").read_text(encoding="utf-8")
    keys = set(re.findall(r"^  (?:  )?(\w+):", words, re.MULTILINE)) - {"errors", "aboutText", "brushHelp"}
    others = "".join(path.read_text(encoding="utf-8") for path in SOURCES if path.name != "text.js")
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", others)] == []
