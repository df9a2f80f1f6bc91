"""Say in one line whether this Python can run Ikomia, before anything is downloaded."""

import platform
import sys

OLDEST, NEWEST = (3, 10), (3, 13)
_WITHOUT = "the library and the command p3m need no Ikomia, pip install . is enough for them"


def problem(version, system, machine, libc):
    """What keeps Ikomia 0.16.1 from being installed, and what to do about it; "" if nothing does.

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


if __name__ == "__main__":
    text = problem(sys.version_info[:2], platform.system(), platform.machine(), platform.libc_ver())
    if text:
        sys.exit(f"error: {text}")
