"""SciPy in its three usual ways, lmfit and iminuit, with exact derivatives, one problem a call."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from types import ModuleType

import numpy as np
from tasks import Task

from . import Peer

Array = np.ndarray
TOLERANCE = 1e-8
EVALUATIONS = 400


class Problem:
    """Residuals and their Jacobian for one problem, as a user of these tools would write them."""

    def __init__(self, task: Task, k: int):
        rows = slice(None) if task.shared else slice(k * task.rows, (k + 1) * task.rows)
        self.log, self.delta, self.start = task.log, task.delta, task.starts[k]
        self.logs, self.y = task.logs[:, rows], task.y[rows]
        self.weights = None if task.weights is None else task.weights[k]

    def residuals(self, theta: Array) -> Array:
        return self._evaluate(theta)[0]

    def jacobian(self, theta: Array) -> Array:
        return self._evaluate(theta)[1]

    def _evaluate(self, theta: Array) -> tuple[Array, Array]:
        a, alpha = theta[1::2, None], theta[2::2, None]
        jacobian = np.empty((len(self.y), len(theta)))
        if self.log:
            terms = np.vstack([np.full(len(self.y), theta[0]), a - alpha * self.logs])
            top = terms.max(axis=0)
            share = np.exp(terms - top)
            total = share.sum(axis=0)
            fitted, share = top + np.log(total), share / total
            jacobian[:, 0], jacobian[:, 1::2] = share[0], share[1:].T
            jacobian[:, 2::2] = -(share[1:] * self.logs).T
        else:
            powers = np.exp(-alpha * self.logs)
            fitted = theta[0] + (a * powers).sum(axis=0)
            jacobian[:, 0], jacobian[:, 1::2] = 1, powers.T
            jacobian[:, 2::2] = -(a * powers * self.logs).T
        return fitted - self.y, jacobian

    def root_residuals(self, theta: Array) -> Array:
        """Residuals whose squares are the objective, for tools that only know least squares."""
        r = self.residuals(theta)
        if self.delta:
            size = np.abs(r)
            tail = np.sqrt(2 * self.delta * np.maximum(size - self.delta / 2, 0))
            r = np.where(size <= self.delta, r, np.sign(r) * tail)
        return r if self.weights is None else np.sqrt(self.weights) * r

    def root_jacobian(self, theta: Array) -> Array:
        r, jacobian = self._evaluate(theta)
        slope = np.ones_like(r)
        if self.delta:
            size = np.abs(r)
            tail = np.sqrt(2 * self.delta * np.maximum(size - self.delta / 2, self.delta / 2))
            slope = np.where(size <= self.delta, 1, self.delta / tail)
        if self.weights is not None:
            slope = slope * np.sqrt(self.weights)
        return slope[:, None] * jacobian

    def objective(self, theta: Array) -> float:
        return float(np.sum(self.root_residuals(theta) ** 2) / 2)

    def gradient(self, theta: Array) -> Array:
        r, jacobian = self._evaluate(theta)
        slope = np.clip(r, -self.delta, self.delta) if self.delta else r
        return (slope if self.weights is None else slope * self.weights) @ jacobian


def _each(solve_one: Callable[[Problem], Array]) -> Callable[[Task, int], Array]:
    def solve(task: Task, threads: int) -> Array:
        ends = np.empty_like(task.starts)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            for k in range(task.count):
                try:
                    ends[k] = solve_one(Problem(task, k))
                except (RuntimeError, ValueError):  # no convergence, or it ran into NaN
                    ends[k] = np.nan
        return ends

    return solve


def peers() -> list[Peer]:
    """The peers whose packages are installed."""
    found = []
    if (optimize := _module("scipy.optimize")) is not None:
        name = f"SciPy {_module('scipy').__version__}"
        found += [
            Peer("scipy curve_fit, lm", name, _each(lambda p: _curve_fit(optimize, p))),
            Peer("scipy least_squares, trf", name, _each(lambda p: _trf(optimize, p))),
            Peer("scipy minimize, BFGS", name, _each(lambda p: _bfgs(optimize, p))),
        ]
    if (lmfit := _module("lmfit")) is not None:
        found.append(Peer("lmfit minimize, leastsq", f"lmfit {lmfit.__version__}",
                          _each(lambda p: _lmfit(lmfit, p))))
    if (iminuit := _module("iminuit")) is not None:
        found.append(Peer("iminuit migrad", f"iminuit {iminuit.__version__}",
                          _each(lambda p: _iminuit(iminuit, p))))
    return found


def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _curve_fit(optimize: ModuleType, p: Problem) -> Array:
    return optimize.curve_fit(
        lambda x, *theta: p.root_residuals(np.array(theta)), p.y, np.zeros(len(p.y)), p.start,
        jac=lambda x, *theta: p.root_jacobian(np.array(theta)), method="lm", maxfev=EVALUATIONS,
        ftol=TOLERANCE, xtol=TOLERANCE,
    )[0]


def _trf(optimize: ModuleType, p: Problem) -> Array:
    """Its ``loss`` takes no weights: rows of a resample are repeated."""
    rows = (slice(None) if p.weights is None
            else np.repeat(np.arange(len(p.y)), p.weights.astype(int)))
    return optimize.least_squares(
        lambda theta: p.residuals(theta)[rows], p.start, lambda theta: p.jacobian(theta)[rows],
        loss="huber" if p.delta else "linear", f_scale=p.delta or 1.0, max_nfev=EVALUATIONS,
        ftol=TOLERANCE, xtol=TOLERANCE, gtol=None,
    ).x


def _bfgs(optimize: ModuleType, p: Problem) -> Array:
    return optimize.minimize(p.objective, p.start, jac=p.gradient, method="BFGS",
                             options={"gtol": TOLERANCE, "maxiter": EVALUATIONS}).x


def _lmfit(lmfit: ModuleType, p: Problem) -> Array:
    names = [f"p{k}" for k in range(len(p.start))]
    parameters = lmfit.Parameters()
    for name, value in zip(names, p.start, strict=True):
        parameters.add(name, value=value)

    def values(parameters) -> Array:
        return np.array([parameters[name].value for name in names])

    return values(lmfit.minimize(
        lambda q: p.root_residuals(values(q)), parameters, method="leastsq",
        Dfun=lambda q: p.root_jacobian(values(q)), col_deriv=0, max_nfev=EVALUATIONS,
        ftol=TOLERANCE, xtol=TOLERANCE, calc_covar=False,
    ).params)


def _iminuit(iminuit: ModuleType, p: Problem) -> Array:
    # Its tolerances are meant for objectives of order one.
    unit = p.delta**2 or p.objective(p.start) / len(p.y)
    minuit = iminuit.Minuit(lambda theta: p.objective(theta) / unit, p.start,
                            grad=lambda theta: p.gradient(theta) / unit)
    minuit.errordef, minuit.tol = 0.5, 1e-6
    minuit.migrad(ncall=5 * EVALUATIONS)
    return np.array(minuit.values)
