"""Say in one line whether this Python and this computer can run Ikomia and OpenCV, before any download.

An argument names the virtual environment that will be used, if it exists already.
"""

import ctypes
import platform
import re
import sys
from pathlib import Path

OLDEST, NEWEST = (3, 10), (3, 13)
#: System libraries that the wheels of Ikomia and OpenCV need, and the Debian packages that hold them.
LIBRARIES = {"libGL.so.1": "libgl1", "libgthread-2.0.so.0": "libglib2.0-0"}
_WITHOUT = "the library and the command p3m need no Ikomia, pip install . is enough for them"


def problem(version, system, machine, libc):
    """Say what prevents the installation of Ikomia 0.16.1, and what to do about it; return "" if nothing does.

    Args:
        version: Python's major and minor version.
        system: platform.system().
        machine: platform.machine().
        libc: name and version of the C library, "" where unknown.
    """
    if not OLDEST <= tuple(version) <= NEWEST:
        oldest, newest, this = (".".join(map(str, v)) for v in (OLDEST, NEWEST, version))
        return f"Ikomia has wheels for Python {oldest} to {newest}, this is Python {this}: make PYTHON=python3.11 demo"
    if system == "Darwin":
        return f"Ikomia has no wheel for macOS: {_WITHOUT}"
    if system == "Linux" and machine != "x86_64":
        return f"Ikomia has no Linux wheel for {machine}: {_WITHOUT}"
    if system == "Linux" and libc[0] == "glibc" and tuple(int(n) for n in libc[1].split(".")[:2]) < (2, 35):
        return f"Ikomia's Linux wheels need glibc 2.35 or newer, this is {libc[1]}: {_WITHOUT}"
    return ""


def other_version(environment, version):
    """Say that a virtual environment belongs to another Python than this one; return "" if not, or if it is missing."""
    try:
        found = re.search(r"^version\w* *= *(\d+)\.(\d+)", (environment / "pyvenv.cfg").read_text(), re.MULTILINE)
    except OSError:
        return ""
    if found is None or (int(found[1]), int(found[2])) == tuple(version):
        return ""
    this = ".".join(map(str, version))
    return f"{environment} is of Python {found[1]}.{found[2]}, this is Python {this}: run make clean first"


def missing_libraries(load=ctypes.CDLL):
    """Say which system libraries OpenCV does not find, and how to install them; return "" if it finds all."""
    missing = []
    for library in LIBRARIES:
        try:
            load(library)
        except OSError:
            missing.append(library)
    if not missing:
        return ""
    packages = " ".join(LIBRARIES[library] for library in missing)
    return f"OpenCV needs {', '.join(missing)}: on Debian and Ubuntu, apt-get install {packages}"


if __name__ == "__main__":
    version, system = sys.version_info[:2], platform.system()
    text = problem(version, system, platform.machine(), platform.libc_ver())
    if not text and sys.argv[1:]:
        text = other_version(Path(sys.argv[1]), version)
    if not text and system == "Linux":
        text = missing_libraries()
    if text:
        sys.exit(f"error: {text}")
