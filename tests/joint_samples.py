"""Groups that share a parameter: their runs, and SciPy's answer for all of them at once."""

from __future__ import annotations

import warnings

import lawfit as lf
import numpy as np
from scipy.optimize import least_squares

LAW = "loss = E + A/N**alpha"
SCIPY_LOSS = {"huber": "huber", "soft_l1": "soft_l1", "cauchy": "cauchy"}


def curves(groups=20, rows=12, seed=0, noise=0.01, alpha=0.34):
    """Runs of one exponent and a floor and an amplitude of every group's own, in mixed order."""
    rng = np.random.default_rng(seed)
    N = 10 ** rng.uniform(6, 9, groups * rows)
    run = np.repeat(np.arange(groups), rows)
    E, A = rng.uniform(1.5, 2.5, groups)[run], np.exp(rng.normal(6, 0.5, groups))[run]
    order = rng.permutation(len(N))
    table = {"N": N, "loss": (E + A / N**alpha) * np.exp(noise * rng.normal(size=len(N))),
             "run": run, "w": rng.uniform(0.3, 3, len(N))}
    return {name: column[order] for name, column in table.items()}


def quiet(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        return lf.fit_many(*args, **kwargs)


def one_big_problem(table, fits, on="linear", loss=None, weights=None, sigma=None):
    """SciPy's optimum of all groups at once (from 1 % off ours), and its errors from J'J."""
    keys = fits.index["run"]
    place = {key: at for at, key in enumerate(keys.tolist())}
    g = np.array([place[key] for key in table["run"].tolist()])
    root = np.ones(len(g)) if weights is None else np.sqrt(table[weights])
    root = root if sigma is None else 1 / table[sigma]

    def residuals(x):
        model = x[1:].reshape(2, -1)[0][g] + np.exp(x[1:].reshape(2, -1)[1][g]) / table["N"] ** x[0]
        y = table["loss"]
        r = {"linear": y - model, "relative": (y - model) / y}.get(on)
        return root * (np.log(y) - np.log(model) if r is None else r)

    start = np.r_[fits.params["alpha"][0], fits.params["E"], np.log(fits.params["A"])]
    found = least_squares(
        residuals, start * 1.01, x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=5000,
        jac="2-point" if loss is None else "3-point",
        **({} if loss is None else {"loss": SCIPY_LOSS[loss.name], "f_scale": loss.parameter}),
    )
    # A square root of J'J's inverse by QR, with a Jacobian of central differences.
    step = 1e-6 * np.maximum(np.abs(found.x), 1e-2)
    J = np.stack([(residuals(found.x + h) - residuals(found.x - h)) / (2 * h.sum())
                  for h in np.diag(step)], axis=1)  # fmt: skip
    inverse = np.linalg.inv(np.linalg.qr(J)[1])
    scatter = (residuals(found.x) ** 2).sum() / (len(g) - len(found.x))
    errors = np.sqrt(scatter * (inverse**2).sum(axis=1))
    E, log_A = found.x[1:].reshape(2, -1)
    return {
        "cost": found.cost, "alpha": found.x[0], "E": E, "A": np.exp(log_A),
        "alpha_error": errors[0], "E_error": errors[1:].reshape(2, -1)[0],
        "A_error": errors[1:].reshape(2, -1)[1] * np.exp(log_A),
    }
