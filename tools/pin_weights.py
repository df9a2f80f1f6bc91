"""Write the SHA-256 of weights files into the registry of models, where loading compares it.

``python tools/pin_weights.py`` pins the bundled files. Run it after you replaced one. It also writes the graphs with
which ONNX Runtime reads them, and needs the library with its extras ``torch`` and ``onnx``.
``python tools/pin_weights.py --published FOLDER`` pins the published files that lie in FOLDER.
"""

import argparse
import hashlib
import re
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "infer_p3m_portrait_matting"
REGISTRY = PACKAGE / "p3m" / "model" / "registry.py"


def pin(registry: str, kind: str, folder: Path) -> tuple[str, list[str]]:
    """Put the digests of the files of one kind, "bundled" or "published", into the registry's text.

    Returns:
        The new text, and a line for each file.
    """
    lines = []
    for name in re.findall(rf'\b{kind}_file="([^"]+)"', registry):
        path = folder / name
        if not path.is_file():
            continue
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        entry = re.compile(rf'( *){kind}_file="{re.escape(name)}",\n(?: *{kind}_sha256="[^"]*",\n)?')
        registry = entry.sub(rf'\g<1>{kind}_file="{name}",\n\g<1>{kind}_sha256="{digest}",\n', registry)
        lines.append(f"{digest}  {name}")
    return registry, lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--published", type=Path, metavar="FOLDER", help="pin the published files in FOLDER instead")
    args = parser.parse_args()
    kind, folder = ("published", args.published) if args.published else ("bundled", PACKAGE / "weights")
    text, lines = pin(REGISTRY.read_text(encoding="utf-8"), kind, folder)
    if not lines:
        parser.error(f"{folder} holds none of the {kind} weights files")
    REGISTRY.write_text(text, encoding="utf-8")
    print("\n".join(lines))
    if kind == "bundled":
        from infer_p3m_portrait_matting.p3m.onnx.bundled import graphs

        for path, content in graphs().items():
            path.write_bytes(content)
            print(path.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
