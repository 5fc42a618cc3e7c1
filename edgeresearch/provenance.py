"""Where a result comes from: the machine, the versions of packages, and checksums of data."""

import hashlib
import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def sha256(data: bytes) -> str:
    """Return the SHA-256 checksum of some bytes in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of each package that is installed."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the name of the processor, as Linux has it in a file, or its architecture where there is no name."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # no Linux
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    """Describe this machine without its name: processor, cores, system and Python."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def machine_line() -> str:
    """Describe this machine in one line: what seconds were measured on."""
    facts = machine()
    return f"{facts['processor']}, {facts['cores']} cores, Python {facts['python']}"
