"""Residual spaces: values in units of y, and where residuals are taken."""

from __future__ import annotations

import numpy as np

__all__ = ["from_space", "to_space"]


def to_space(values: np.ndarray, on: str) -> np.ndarray:
    """Values in units of y, taken to the residual space (relative stays as it is)."""
    if on == "log":
        return np.log(values)
    if on == "logit":
        return np.log(values / (1 - values))
    return np.asarray(values)


def from_space(values: np.ndarray, on: str) -> np.ndarray:
    """The inverse of ``to_space``."""
    if on == "log":
        return np.exp(values)
    if on == "logit":
        return 1 / (1 + np.exp(-values))
    return np.asarray(values)
