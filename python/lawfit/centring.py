"""Coordinates of a law that do not depend on the units of its variables.

In ``A/N**alpha`` the amplitude A is the term at N = 1, usually far outside of the data: it moves
with alpha by an amount that the unit of N decides. The logarithm of the term at the geometric
mean of the data says the same and does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .engine import free_positions
from .expression import Array
from .terms import NotAPowerSum, power_sum

if TYPE_CHECKING:
    from .result import Fit

__all__ = ["centred_coordinates"]

_STEP = 1e-6
_SINGULAR = 1e14


def centred_coordinates(fit: Fit) -> tuple[Array, np.ndarray]:
    """(M, moved) over the free parameters: M is the derivative of the new coordinates along the
    parameters; ``moved`` marks those replaced by the logarithm of their term at the data's centre.

    An amplitude is replaced when it occurs in one power term and in no exponent; everything else
    stays as it is, and so do laws that are no sums of powers.

    >>> import lawfit as lf
    >>> x = np.array([10.0, 20.0, 40.0, 80.0])
    >>> fit = lf.fit("y = A*x**b", {"x": x, "y": 3*x**0.5})
    >>> matrix, moved = centred_coordinates(fit)
    >>> matrix.round(3), moved
    (array([[0.333, 3.342],
           [0.   , 1.   ]]), array([ True, False]))
    """
    law, count = fit.law, len(fit.law.free)
    same = np.eye(count), np.zeros(count, dtype=bool)
    rows = fit.rows.columns
    if not law.variables or not all((rows[name] > 0).all() for name in law.variables):
        return same
    centre = {name: float(np.log(rows[name]).mean()) for name in law.variables}
    place = free_positions(law)
    free = fit.values[[int(np.flatnonzero(place == at)[0]) for at in range(count)]]
    step = _STEP * np.maximum(np.abs(free), 1e-3)
    shifts = np.concatenate([np.diag(step), -np.diag(step)])
    try:
        with np.errstate(all="ignore"):
            terms = power_sum(law, np.asarray(law.expand(free + shifts)))
            logs = np.array([
                np.log(np.abs(term.coefficient))
                + sum(p * centre[n] for n, p in term.powers.items())
                for term in terms
            ])
    except NotAPowerSum:
        return same
    powers = np.array([np.broadcast_to(p, 2 * count) for term in terms
                       for p in term.powers.values()]).reshape(-1, 2 * count)

    @np.errstate(all="ignore")  # a fit whose parameters have run away
    def slope(values: Array) -> Array:
        return (values[:, :count] - values[:, count:]) / (2 * step)

    of_terms, of_powers = slope(np.broadcast_to(logs, (len(terms), 2 * count))), slope(powers)
    matrix, moved = same
    for at, term in enumerate(terms):
        if not term.powers or not np.isfinite(of_terms[at]).all():
            continue
        private = [
            k for k in range(count)
            if of_terms[at, k] != 0 and not of_powers[:, k].any() and not moved[k]
            and not np.delete(of_terms, at, axis=0)[:, k].any()
        ]
        if private:
            matrix[private[0]], moved[private[0]] = of_terms[at], True
    if np.linalg.cond(matrix / np.abs(matrix).max(axis=1, keepdims=True)) > _SINGULAR:
        return np.eye(count), np.zeros(count, dtype=bool)
    return matrix, moved
