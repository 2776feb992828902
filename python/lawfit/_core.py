"""Loads the compiled engine built for this machine's CPU level.

A build holds one shared object per CPU level (see ``LAWFIT_LEVELS`` in CMakeLists.txt). The best
one that this machine can run is taken; the environment variable ``LAWFIT_ISA`` pins another.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from types import ModuleType

from . import _cpu


def built_levels() -> list[str]:
    """Levels in this installation that this machine can run, best first."""
    candidates = ["native", *_cpu.supported_levels()]
    return [level for level in candidates if importlib.util.find_spec(f"lawfit._core_{level}")]


def load(level: str) -> ModuleType:
    """The compiled module of one level; several can be loaded side by side."""
    return importlib.import_module(f"lawfit._core_{level}")


def _choose() -> ModuleType:
    levels = built_levels()
    pinned = os.environ.get("LAWFIT_ISA")
    if pinned and pinned not in levels:
        raise ImportError(
            f"LAWFIT_ISA={pinned!r} cannot be used: this installation and machine offer "
            f"{', '.join(levels) or 'no level'}"
        )
    if not levels:
        raise ImportError(
            "lawfit was built for other CPU levels than this machine has; reinstall it from source"
        )
    return load(pinned or levels[0])


_module = _choose()
opcodes = _module.opcodes
statuses = _module.statuses
level = _module.level
evaluate = _module.evaluate
jacobian = _module.jacobian
model_hessian = _module.model_hessian
fit = _module.fit
fit_many = _module.fit_many
resample = _module.resample
replicate_covariances = _module.replicate_covariances
covariance = _module.covariance
pointwise = _module.pointwise
profile = _module.profile
numbers_at = _module.numbers_at
rows_of_fits = _module.rows_of_fits
dense_ids = _module.dense_ids
dense_objects = _module.dense_objects
group_rows = _module.group_rows
objectives = _module.objectives
standard_errors = _module.standard_errors
fit_shared = _module.fit_shared
shared_covariances = _module.shared_covariances
resample_shared = _module.resample_shared
