"""Install this project into the Python that runs this: what the demo needs, or with ``--all`` what development needs.

The demo needs no torch. Development does: if there is no NVIDIA GPU and the package index offers CPU builds of torch
and torchvision, the program installs these, which are several gigabytes smaller. Otherwise it installs the ordinary
builds, which also work without a GPU.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def has_nvidia_gpu() -> bool:
    """Ask the NVIDIA driver whether there is a GPU."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    try:
        done = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and "GPU" in done.stdout


def offered_versions(package: str) -> list[str]:
    """List the versions of a package that pip's index offers this Python, newest first; none if pip cannot say."""
    done = subprocess.run([*PIP, "index", "versions", package], capture_output=True, text=True)
    found = re.search(r"^Available versions: (.*)$", done.stdout, re.MULTILINE)
    return found[1].split(", ") if found else []


def cpu_pair(torch: list[str], torchvision: list[str]) -> tuple[str, str] | None:
    """Choose the newest CPU builds of torch and torchvision that belong together, or None if there are none.

    Args:
        torch: versions on offer, newest first, such as "2.9.0+cpu".
        torchvision: the same for torchvision. Version 0.(n + 15) is made for torch 2.n; a CUDA build of one does
            not load beside a CPU build of the other.
    """
    for version in torch:
        match = re.fullmatch(r"2\.(\d+)\.\d+\+cpu", version)
        if match is None or int(match[1]) < 5:
            continue
        for other in torchvision:
            if re.fullmatch(rf"0\.{int(match[1]) + 15}\.\d+\+cpu", other):
                return version, other
    return None


def install(requirements: list[str], with_torch: bool) -> int:
    """Install requirements, with CPU builds of torch where they suffice; return pip's exit status."""
    command = [*PIP, "install", "--quiet", *requirements]
    pair = None
    if with_torch and not has_nvidia_gpu():
        pair = cpu_pair(offered_versions("torch"), offered_versions("torchvision"))
    if pair is not None:
        print(f"no NVIDIA GPU found: installing torch {pair[0]} and torchvision {pair[1]}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            constraints = Path(folder) / "constraints.txt"
            constraints.write_text(f"torch=={pair[0]}\ntorchvision=={pair[1]}\n")
            if subprocess.run([*command, "--constraint", str(constraints)], cwd=ROOT).returncode == 0:
                return 0
        print("the CPU builds could not be installed: installing the ordinary ones", flush=True)
    return subprocess.run(command, cwd=ROOT).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="also what tests, checks and training need")
    args = parser.parse_args()
    return install(["--editable", f".[{'dev,train' if args.all else 'demo'}]"], with_torch=args.all)


if __name__ == "__main__":
    sys.exit(main())
