"""The page's files, without a browser."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m.inference.lost_parts import loses_parts, take_back
from infer_p3m_portrait_matting.p3m.inference.onnx_network import WINDOW_MARGIN, WINDOW_STRIDE
from infer_p3m_portrait_matting.p3m.inference.pass_sizes import MIN_SIDE
from infer_p3m_portrait_matting.p3m.inference.preprocess import IMAGENET_MEAN, IMAGENET_STD
from infer_p3m_portrait_matting.p3m.model.channels import BACKGROUND, FOREGROUND, UNKNOWN
from infer_p3m_portrait_matting.p3m.model.registry import get_variant
from infer_p3m_portrait_matting.pipeline.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "page"
SOURCES = [*PAGE.glob("src/**/*.js"), *(PAGE / name for name in ("index.html", "style.css", "service-worker.js"))]


def test_types_are_right():
    compiler = PAGE / "node_modules" / ".bin" / "tsc"
    if shutil.which("node") is None or not compiler.exists():
        pytest.skip("node or TypeScript is not installed: run `make page` once")
    run = subprocess.run([compiler, "-p", PAGE], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_rules_are_those_of_the_library():
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    script = (
        "const { ABOUT, WEIGHTS } = await import('./src/core/registry.js');"
        "console.log(JSON.stringify([ABOUT, WEIGHTS]))"
    )
    run = subprocess.run(["node", "--input-type=module", "-e", script], cwd=PAGE, capture_output=True, check=True)
    about, weights = json.loads(run.stdout)
    variant = get_variant("mobile")
    assert weights == variant.bundled_file
    assert about["image"] == {"mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)}
    assert about["windows"] == {"multiple_of": WINDOW_STRIDE, "margin": WINDOW_MARGIN}
    assert about["procedure"] == {
        "input_size": Settings().input_size,
        "global_bound": variant.global_bound,
        "min_side": MIN_SIDE,
        "unknown_above": variant.unknown_above,
        "second_look": list(variant.second_look),
    }


def test_lost_parts_come_back_as_in_the_library(tmp_path):
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    rng = np.random.default_rng(5)
    classes = np.full((60, 90), BACKGROUND, np.uint8)
    classes[10:50, 8:40] = FOREGROUND
    classes[10:50, 40:75] = classes[2:9, 60:88] = UNKNOWN
    local, coarse = rng.random((120, 180), np.float32) * 0.4, rng.random((70, 100), np.float32) * 0.4
    local[:, :78] += 0.5
    coarse[15:50, 40:58] += 0.5
    whole = np.ones((120, 180), np.float32)
    planes = {
        name: {"data": plane.ravel().tolist(), "width": plane.shape[1], "height": plane.shape[0]}
        for name, plane in (("classes", classes), ("local", local), ("coarse", coarse), ("whole", whole))
    }
    (tmp_path / "planes.json").write_text(json.dumps(planes))
    script = (
        "const { losesParts, takeBack } = await import('./src/core/lost_parts.js');"
        "const { classes, local, coarse, whole } = JSON.parse((await import('node:fs')).readFileSync(process.argv[1]));"
        "classes.data = Uint8Array.from(classes.data);"
        "for (const plane of [local, coarse, whole]) plane.data = Float32Array.from(plane.data);"
        "const found = takeBack(classes, local, coarse).data;"
        "console.log(JSON.stringify([losesParts(classes, local), losesParts(classes, whole), Array.from(found)]))"
    )
    command = ["node", "--input-type=module", "-e", script, str(tmp_path / "planes.json")]
    run = subprocess.run(command, cwd=PAGE, capture_output=True, check=True)
    in_local, in_whole, found = json.loads(run.stdout)
    assert [in_local, in_whole] == [loses_parts(classes, local), loses_parts(classes, whole)] == [True, False]
    expected = take_back(classes, local, coarse)
    assert (expected > local).sum() > 1000
    np.testing.assert_allclose(np.reshape(found, expected.shape), expected, rtol=0, atol=1e-5)


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
