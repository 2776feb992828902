"""What SciPy finds for a problem: the best of several starts, polished.

``least_squares`` for the losses it has, ``minimize`` for the others, on a smooth stand-in of the
absolute and quantile losses, whose best ends are finished by linear programs.
"""

from __future__ import annotations

import numpy as np
from problems import Array, Problem
from scipy import optimize

_RHO = ("squared", "huber", "soft_l1", "cauchy")
_KINKED = ("absolute", "quantile")


def starts_of(problem: Problem, count: int, seed: int) -> Array:
    """The truth, points near it, and points far from it, all inside the bounds."""
    rng = np.random.default_rng([seed, 77])
    truth = np.array([problem.truth[name] for name in problem.names])
    width = np.where(np.arange(count) % 2 == 0, 0.2, 1.0) * (np.arange(count) > 0)
    factors = np.exp(width[:, None] * rng.standard_normal((count, len(truth))))
    lower, upper = problem.law.bounds()
    inside = np.clip(truth * factors, lower, upper)
    nudge = 1e-6 * np.maximum(np.abs(inside), 1e-3)  # least_squares wants the interior
    inside = np.where(inside <= lower, lower + nudge, inside)
    return np.where(inside >= upper, upper - nudge, inside)


def best_of_scipy(problem: Problem, count: int = 20, seed: int = 0) -> tuple[float, Array]:
    """The lowest objective SciPy reaches from ``count`` starts near the truth, and where."""
    return best_from(problem, starts_of(problem, count, seed))


def best_from(problem: Problem, starts: Array) -> tuple[float, Array]:
    """The lowest objective SciPy reaches from the given starts, and where."""
    solve = _least_squares if problem.loss.name in _RHO else _minimize
    ends = [solve(problem, start, 60) for start in starts if np.isfinite(problem.objective(start))]
    if not ends:
        return np.inf, np.full(len(problem.names), np.nan)
    ends.sort(key=problem.objective)
    for end in ends[:2]:
        longer = solve(problem, end, 1000)
        finish = _linear_programs if problem.loss.name in _KINKED else _nelder_mead
        ends += [longer, finish(problem, longer)]
    best = min(ends, key=problem.objective)
    return problem.objective(best), best


def _least_squares(problem: Problem, start: Array, evaluations: int) -> Array:
    """Weights are inside the residuals for squared loss, else inside the loss."""
    name, s = problem.loss.name, problem.loss.parameter
    weight = np.ones(1) if problem.weights is None else problem.weights
    root = np.sqrt(weight) if name == "squared" else np.ones(1)
    rho = {"huber": _huber, "soft_l1": _soft_l1, "cauchy": _cauchy}.get(name)
    with np.errstate(all="ignore"):
        try:
            return optimize.least_squares(
                lambda p: root * problem.residuals(p), start,
                lambda p: root[:, None] * problem.jacobian(p),
                bounds=problem.law.bounds(), x_scale="jac", max_nfev=evaluations,
                loss="linear" if rho is None else lambda z: weight * rho(z),
                f_scale=1.0 if rho is None else s, xtol=1e-15, ftol=1e-15, gtol=1e-15,
            ).x
        except (ValueError, np.linalg.LinAlgError):  # it ran into NaN
            return start


def _huber(z: Array) -> Array:
    root = np.sqrt(np.maximum(z, 1))
    return np.array([np.where(z > 1, 2 * root - 1, z), 1 / root, -0.5 * (z > 1) / root**3])


def _soft_l1(z: Array) -> Array:
    t = 1 + z
    return np.array([2 * (t**0.5 - 1), t**-0.5, -0.5 * t**-1.5])


def _cauchy(z: Array) -> Array:
    t = 1 + z
    return np.array([np.log1p(z), 1 / t, -1 / t**2])


def _minimize(problem: Problem, start: Array, evaluations: int) -> Array:
    """L-BFGS-B with exact gradients; kinked losses as ever narrower smooth ones."""
    name, s = problem.loss.name, problem.loss.parameter
    weight = np.ones(1) if problem.weights is None else problem.weights
    point, scale = start, np.maximum(np.abs(start), 1e-8)
    lower, upper = problem.law.bounds()
    typical = float(np.median(np.abs(problem.residuals(start)))) or 1.0
    for width in [s] if name == "log_cosh" else typical * np.array([0.3, 1e-3]):
        def objective(z: Array, width: float = width) -> tuple[float, Array]:
            r = problem.residuals(z * scale)
            value, slope = _smooth(name, s, width, r)
            total = float(np.sum(weight * value))
            gradient = scale * ((weight * slope) @ problem.jacobian(z * scale))
            if not (np.isfinite(total) and np.isfinite(gradient).all()):
                return 1e300, np.zeros_like(z)
            return total, gradient

        with np.errstate(all="ignore"):
            found = optimize.minimize(
                objective, point / scale, jac=True, method="L-BFGS-B",
                bounds=list(zip(lower / scale, upper / scale, strict=True)),
                options={"maxiter": evaluations, "ftol": 1e-16, "gtol": 1e-14},
            )
        point = np.clip(found.x * scale, lower, upper)
    return point


def _smooth(name: str, s: float, width: float, r: Array) -> tuple[Array, Array]:
    """Value and slope of log-cosh, or of a kinked loss rounded over ``width``."""
    if name == "log_cosh":
        size = np.abs(r) / s
        return s**2 * (size + np.log1p(np.exp(-2 * size)) - np.log(2)), s * np.tanh(r / s)
    half, tilt = (0.5, s - 0.5) if name == "quantile" else (1.0, 0.0)
    root = np.sqrt(r**2 + width**2)
    return half * root + tilt * r, half * r / root + tilt


def _nelder_mead(problem: Problem, start: Array) -> Array:
    scale = np.maximum(np.abs(start), 1e-8)
    lower, upper = problem.law.bounds()
    with np.errstate(all="ignore"):
        found = optimize.minimize(
            lambda z: min(problem.objective(z * scale), 1e300), start / scale,
            method="Nelder-Mead", bounds=list(zip(lower / scale, upper / scale, strict=True)),
            options={"maxiter": 200, "xatol": 1e-12, "fatol": 0.0},
        )
    return np.clip(found.x * scale, lower, upper)


def _linear_programs(problem: Problem, start: Array) -> Array:
    """Kinked losses of the linearised law, inside a box that shrinks where a step fails."""
    point, best, radius = start, problem.objective(start), 0.1
    scale = np.maximum(np.abs(start), 1e-8)
    lower, upper = problem.law.bounds()
    q = problem.loss.parameter if problem.loss.name == "quantile" else None
    above, below = (1.0, 1.0) if q is None else (q, 1 - q)
    n, p = len(problem.data["y"]), len(point)
    weight = np.ones(n) if problem.weights is None else problem.weights
    cost = np.concatenate([np.zeros(p), above * weight, below * weight])
    for _ in range(40):
        slopes = problem.jacobian(point)
        if not np.isfinite(slopes).all():
            break
        box = np.stack([np.maximum(lower - point, -radius * scale),
                        np.minimum(upper - point, radius * scale)], axis=1) / scale[:, None]
        # r + slopes @ step = above - below, both of them non-negative
        equal = np.hstack([slopes * scale, -np.eye(n), np.eye(n)])
        found = optimize.linprog(cost, A_eq=equal, b_eq=-problem.residuals(point),
                                 bounds=[*map(tuple, box), *[(0, None)] * (2 * n)])
        if found.x is None:
            break
        trial = np.clip(point + scale * found.x[:p], lower, upper)
        value = problem.objective(trial)
        radius = 2 * radius if value < best else radius / 4
        if value < best:
            point, best = trial, value
        if radius < 1e-10:
            break
    return point
