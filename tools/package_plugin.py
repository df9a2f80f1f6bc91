"""Build dist/infer_p3m_portrait_matting.zip as the Ikomia HUB expects it: the plugin folder's contents at the root.

If `make page` has built the page, dist/p3m_page.zip holds it, for any web host.

The same contents give the same bytes, whoever builds them and when.
"""

import argparse
import os
import zipfile
from pathlib import Path

NAME = "infer_p3m_portrait_matting"
ROOT = Path(__file__).resolve().parent.parent

#: Where `make page` builds the page.
PAGE = ROOT / "page" / "dist"
#: What the plugin consists of; anything else in its folder is left out.
SUFFIXES = {".py", ".md", ".txt", ".png", ".safetensors", ".onnx"}
NAMES = {"LICENSE"}


def members(package: Path) -> list[Path]:
    """List the plugin's files, relative to its folder, sorted."""
    files = (path for path in package.rglob("*") if path.is_file())
    found = (path.relative_to(package) for path in files if path.suffix in SUFFIXES or path.name in NAMES)
    return sorted(found, key=lambda path: path.as_posix())


def build(target: Path, package: Path = ROOT / NAME) -> Path:
    """Write the zip of the plugin; one that exists is replaced by a complete one.

    Args:
        target: the zip file; its folder is made if need be.
        package: the plugin folder.

    Returns:
        ``target``.
    """
    return _write(target, package, members(package))


def build_page(target: Path, page: Path = PAGE) -> Path:
    """Write the zip of the page: all files of its folder, as :func:`build` writes the plugin's.

    Args:
        target: the zip file.
        page: the folder of the built page.

    Returns:
        ``target``.

    Raises:
        FileNotFoundError: the page is not built.
    """
    if not (page / "index.html").is_file():
        raise FileNotFoundError(f"there is no page in {page}: run `make page` first")
    files = (path.relative_to(page) for path in page.rglob("*") if path.is_file())
    return _write(target, page, sorted(files, key=lambda path: path.as_posix()))


def _write(target: Path, folder: Path, paths: list[Path]) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(".tmp")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in paths:
            entry = zipfile.ZipInfo(path.as_posix(), date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, (folder / path).read_bytes())
    os.replace(temporary, target)
    return target


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, nargs="?", default=ROOT / "dist" / f"{NAME}.zip")
    output = parser.parse_args().output
    print(build(output))
    if (PAGE / "index.html").is_file():
        print(build_page(output.with_name("p3m_page.zip")))
    else:
        print("without the page, which `make page` builds")
