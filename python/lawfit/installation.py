"""What is installed, and what the engine uses of this machine."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from . import _core
from .engine import thread_count

__all__ = ["info"]


def info() -> dict[str, Any]:
    """Versions, and what the engine uses of this machine.

    ``level`` is the CPU level in use: ``base`` (plain x86-64 or arm64), ``v3`` (AVX2 and fused
    multiply-add), ``v4`` (AVX-512), or ``native`` when built for this machine alone; ``levels``
    are those of this installation that this machine can run, best first. The environment
    variable LAWFIT_ISA pins one of them. ``threads`` is what ``threads=None`` means here.

    >>> facts = info()
    >>> facts["level"] in facts["levels"]
    True
    """
    import platform
    from importlib.metadata import PackageNotFoundError, version

    try:
        own = version("lawfit")
    except PackageNotFoundError:  # run from a source tree
        own = "not installed"
    return {
        "lawfit": own,
        "level": _core.level(),
        "levels": _core.built_levels(),
        "threads": thread_count(None),
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
