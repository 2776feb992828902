"""Loads the compiled engine built for this machine's CPU level."""

from __future__ import annotations

import importlib
from types import ModuleType


def _load() -> ModuleType:
    errors = []
    for level in ("native", "v4", "v3", "base"):
        try:
            return importlib.import_module(f"lawfit._core_{level}")
        except ImportError as error:
            errors.append(str(error))
    raise ImportError("lawfit's compiled engine is missing: " + "; ".join(errors))


_module = _load()
opcodes = _module.opcodes
statuses = _module.statuses
level = _module.level
evaluate = _module.evaluate
jacobian = _module.jacobian
model_hessian = _module.model_hessian
fit = _module.fit
resample = _module.resample
covariance = _module.covariance
pointwise = _module.pointwise
