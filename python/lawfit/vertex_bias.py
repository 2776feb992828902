"""How far an isoFLOP analysis is off on a surface whose optimum is known.

The method of Czech et al. (arXiv:2603.22339): the analysis is repeated on noise-free losses of a
fitted law at the same sizes and budgets, and its answer compared with the law's own optimum.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .errors import FitWarning
from .expression import Array
from .law import Law, Parameter
from .slices import Line, Runs
from .two_terms import two_terms

__all__ = ["Bias", "vertex_bias"]


class Bias(NamedTuple):
    """Vertices less true optima: ``size`` in logs, one a slice, and ``exponent``; NaN if the law
    could not be fitted."""

    size: Array
    exponent: float


def vertex_bias(
    runs: Runs, analyse: Callable[[Array], Array], line_of: Callable[[Array], Line],
    budgets: Array, usable: np.ndarray, cost: float,
) -> Bias:
    """The bias of an analysis (``analyse`` maps losses of the runs to vertices [1, slices])."""
    from .fit import fit

    unknown = Bias(np.full(len(budgets), np.nan), float("nan"))
    positive = Parameter(positive=True)
    law = Law("E + A/N**alpha + B/D**beta", ("N", "D"),
              dict.fromkeys(("E", "A", "B", "alpha", "beta"), positive))
    if len(runs) <= len(law.parameters):
        return unknown
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        found = fit(law, {"N": runs.size, "D": runs.tokens, "y": runs.loss}, "y", on="log")
    terms = two_terms(law, found.values[None], "N", "D")
    if not found.converged or terms is None:
        return unknown
    with np.errstate(all="ignore"):
        best = terms.column().best_size(budgets / cost)
        measured = analyse(np.asarray(found.fitted))
        size = np.where(usable, np.log(measured / best)[0], np.nan)
        truth = np.where(usable, best, np.nan)
        slope = line_of(measured).slope - line_of(truth).slope
    return Bias(size, float(slope[0]))
