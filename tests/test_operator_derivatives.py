"""First and second derivatives of every operator and function, at random points of its domain.

Of ``f(a*x, b*y, ...)`` with respect to a, b, ... at 1, against five-point differences: of the
value for the first, of the engine's own first derivatives for the second. Two step widths and
the rounding of the values say how far a difference is to be trusted.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

import lawfit as lf
from lawfit import _core
from lawfit.grammar import FUNCTIONS

EPS = float(np.finfo(float).eps)
POINTS = 60
LARGEST_STEP = 2e-4  # relative, two of them to each side: domains keep this distance from kinks

WIDE, POSITIVE, UNIT = (-20.0, 20.0), (1e-3, 50.0), (-0.98, 0.98)
# The form in p, q (and r), and the domain of each of them.
CASES = {
    "p + q": (WIDE, WIDE), "p - q": (WIDE, WIDE), "p*q": (WIDE, WIDE), "-p": (WIDE,),
    "p/q": (WIDE, POSITIVE), "p/(-q)": (WIDE, POSITIVE), "p**q": ((0.1, 20.0), (-3.0, 3.0)),
    "p**3": (WIDE,), "p**-2": (POSITIVE,), "p**0.5": (POSITIVE,), "2**p": (WIDE,),
    "exp(p)": (WIDE,), "log(p)": (POSITIVE,), "log10(p)": (POSITIVE,), "log2(p)": (POSITIVE,),
    "log1p(p)": ((-0.95, 50.0),), "expm1(p)": (WIDE,), "sqrt(p)": (POSITIVE,), "abs(p)": (WIDE,),
    "sin(p)": (WIDE,), "cos(p)": (WIDE,), "arctan(p)": (WIDE,), "tanh(p)": (WIDE,),
    "erf(p)": ((-5.0, 5.0),), "normcdf(p)": ((-15.0, 7.0),), "logistic(p)": ((-300.0, 30.0),),
    "softplus(p)": ((-300.0, 30.0),), "gammaln(p)": (POSITIVE,), "gammaln(-p)": ((0.2, 0.8),),
    "digamma(p)": (POSITIVE,), "digamma(-p)": ((2.2, 2.8),), "betaln(p, q)": (POSITIVE, POSITIVE),
    "betaln(p, 1e6*q)": (POSITIVE, POSITIVE), "logaddexp(p, q)": (WIDE, WIDE),
    "logsumexp(p, q, r)": (WIDE, WIDE, WIDE), "min(p, q, r)": (WIDE, WIDE, WIDE),
    "max(p, q, r)": (WIDE, WIDE, WIDE), "where(p < q, p*q, q**2*r)": (WIDE, WIDE, WIDE),
    "where(p <= q and not q > r, exp(p/9), p*q*r)": (WIDE, WIDE, WIDE),
    "where(p >= q or p != r, p**2*q, q)*where(p == q, q, p*r)": (WIDE, WIDE, WIDE),
    "sum(p**i*q for i in 0..3)": (WIDE, WIDE), "prod(p + i*q for i in 1..3)": (WIDE, WIDE),
}


def test_every_function_has_a_case() -> None:
    text = " ".join(CASES)
    assert [name for name in FUNCTIONS if f"{name}(" not in text] == []


def random_points(domains: tuple[tuple[float, float], ...], number: int) -> np.ndarray:
    """(POINTS, arguments), evenly spread and, of positive ones, half of them by magnitude."""
    random = np.random.default_rng(number)
    columns = []
    for low, high in domains:
        values = random.uniform(low, high, POINTS)
        if low > 0:
            values[::2] = np.exp(random.uniform(np.log(low), np.log(high), POINTS))[::2]
        columns.append(values)
    points = np.array(columns).T
    gaps = np.abs(points[:, :, None] - points[:, None, :])[:, *np.triu_indices(len(domains), 1)]
    scale = np.abs(points).max(axis=1)
    far = (gaps > 10 * LARGEST_STEP * scale[:, None]).all(axis=1)
    return points[far & (np.abs(points) > 1e-3).all(axis=1)]


def differences(function, count: int, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Five-point slopes along each multiplier at 1, and the largest value on the way."""
    slopes, largest = [], []
    for unit in np.eye(count):
        f = [function(np.ones(count) + k * step * unit) for k in (-2, -1, 1, 2)]
        slopes.append((f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * step))
        largest.append(np.max(np.abs(f), axis=0))
    return np.array(slopes), np.array(largest)


def check(name: str, got: np.ndarray, function, count: int, noise: np.ndarray | float = 0) -> None:
    """``got`` against differences; most of them must be good to six digits, or nothing is said."""
    rough, _ = differences(function, count, LARGEST_STEP)
    fine, largest = differences(function, count, LARGEST_STEP / 4)
    doubt = np.abs(rough - fine) + 40 * EPS * largest / LARGEST_STEP
    allowed = doubt + 1e-9 * np.abs(fine) + noise
    wrong = ~(np.abs(got - fine) <= allowed)
    assert not wrong.any(), (name, np.argwhere(wrong)[:3], got[wrong][:3], fine[wrong][:3])
    size = np.maximum(np.abs(fine), largest)
    assert np.mean(doubt <= 1e-6 * size + 1e-300) > 0.8, name


@pytest.mark.parametrize("form", CASES)
def test_derivatives(form: str) -> None:
    letters = "pqr"[: len(CASES[form])]
    text = re.sub(r"(?<!\w)([pqr])(?![\w(])", r"(\1_*x\1)", form)
    law = lf.Law(text, variables=[f"x{c}" for c in letters])
    order = [law.free.index(f"{c}_") for c in letters]
    place = [letters.index(name[1]) for name in law.variables]
    graph, count = law.graph(), len(letters)
    points = random_points(CASES[form], sum(map(ord, form)))
    assert len(points) > POINTS / 2
    columns = [np.ascontiguousarray(points[:, k]) for k in place]

    def arranged(multipliers: np.ndarray) -> np.ndarray:
        params = np.empty(count)
        params[order] = multipliers
        return params

    def value(multipliers: np.ndarray) -> np.ndarray:
        return _core.evaluate(graph, arranged(multipliers)[None], columns)[0]

    def slopes(multipliers: np.ndarray) -> np.ndarray:
        return _core.jacobian(graph, arranged(multipliers), columns)[:, order].T

    ones = np.ones(count)
    check(form, slopes(ones), value, count)
    hessians = np.array([
        _core.model_hessian(graph, arranged(ones), [column[k : k + 1] for column in columns])
        for k in range(len(points))
    ])[:, order][:, :, order]
    first = slopes(ones)
    for k in range(count):
        # model_hessian is a difference of two objective Hessians, each of the size of J'J.
        noise = 1e-13 * np.abs(first * first[k]) + 1e-13
        check(f"{form}, second", hessians[:, :, k].T,
              lambda at, k=k: slopes(at)[k], count, noise)
