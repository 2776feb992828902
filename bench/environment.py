"""What a figure depends on besides the code: the machine, its load, the versions."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import lawfit as lf


def machine() -> str:
    """CPU, cores this process may use, and the level of the engine."""
    return f"{cpu_name()}, {len(os.sched_getaffinity(0))} cores, level {lf.info()['level']}"


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def load() -> str:
    return "load average {:.1f}, {:.1f}, {:.1f}".format(*os.getloadavg())


def describe(peers: list[Any]) -> str:
    import numpy

    versions = [f"lawfit {lf.__version__}", f"Python {platform.python_version()}",
                f"NumPy {numpy.__version__}", *dict.fromkeys(peer.version for peer in peers)]
    return f"{machine()}\n{load()}\n{', '.join(versions)}"
