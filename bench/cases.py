"""The work that is measured: four workloads, and 25 laws of N and D by 50 ways to fit them.

W1  10,000 learning curves of 12 points, E + A/x**alpha, one start each
W2  4,500 starts of Chinchilla's law on 240 published runs, log-Huber 1e-3
W3  4,000 pairs resamples of those runs, from the optimum
W4  1,000 tables of 60 runs, E + A/N**alpha + B/D**beta, one start each

W2, W3 and the variants need ``chinchilla_epoch.csv`` in the folder that LAWFIT_DATA names.
"""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np

import lawfit as lf

Array = np.ndarray
DELTA = 1e-3
CURVE = "E + A/x**alpha"
CHINCHILLA = "E + A/N**alpha + B/D**beta"


# ---- groups with one start each: W1 and W4 ------------------------------------------------------


@dataclass(frozen=True)
class Groups:
    """Tables of equal length under each other; ``starts[groups, 1, parameters]``.

    ``parameters`` is the order of the starts, which is the law's own.
    """

    law: str
    parameters: tuple[str, ...]
    columns: dict[str, Array] = field(repr=False)
    y: Array = field(repr=False)
    group: Array = field(repr=False)
    starts: Array = field(repr=False)

    @property
    def count(self) -> int:
        return len(self.starts)

    @property
    def rows(self) -> int:
        """Rows of one group."""
        return len(self.y) // self.count

    def table(self) -> dict[str, Array]:
        """Columns, the measured one (``y``) and the key (``group``), as lawfit takes them."""
        return {**self.columns, "y": self.y, "group": self.group}


def learning_curves(count: int = 10_000, seed: int = 1) -> Groups:
    """W1: geometric sizes with 5 % jitter, noise of 1 % of the first point's excess."""
    rng = np.random.default_rng(seed)
    x = np.geomspace(64, 131_072, 12) * np.exp(0.05 * rng.standard_normal((count, 12)))
    floor = rng.uniform(0.02, 2, (count, 1))
    amplitude = np.exp(rng.uniform(0, 4, (count, 1)))
    alpha = rng.uniform(0.2, 0.8, (count, 1))
    noise = 0.01 * amplitude * x[:, :1] ** -alpha * rng.standard_normal(x.shape)
    y = floor + amplitude * x**-alpha + noise
    return Groups(
        law=CURVE, parameters=("E", "A", "alpha"), columns={"x": x.ravel()}, y=y.ravel(),
        group=np.repeat(np.arange(count), 12), starts=_line_starts(x, y)[:, None],
    )


def _line_starts(x: Array, y: Array) -> Array:
    """E just below the smallest y, then a line through log(y - E)."""
    low, high = y.min(axis=1, keepdims=True), y.max(axis=1, keepdims=True)
    floor = low - 0.01 * (high - low)
    u, v = np.log(x), np.log(y - floor)
    du = u - u.mean(axis=1, keepdims=True)
    slope = (du * v).sum(axis=1) / (du**2).sum(axis=1)
    amplitude = np.exp(v.mean(axis=1) - slope * u.mean(axis=1))
    return np.stack([floor[:, 0], amplitude, -slope], axis=1)


def run_tables(count: int = 1_000, rows: int = 60, seed: int = 4) -> Groups:
    """W4: sizes and tokens log-uniform, both terms of order one in the middle, noise 0.01."""
    rng = np.random.default_rng(seed)
    n = np.exp(rng.uniform(np.log(5e7), np.log(1e10), (count, rows)))
    d = np.exp(rng.uniform(np.log(1e9), np.log(5e11), (count, rows)))
    floor = rng.uniform(1.4, 2, (count, 1))
    alpha, beta = rng.uniform(0.28, 0.42, (2, count, 1))
    a, b = rng.uniform(0.5, 1.5, (2, count, 1))
    y = floor + a * (n / 5e8) ** -alpha + b * (d / 2e10) ** -beta
    y += 0.01 * rng.standard_normal(y.shape)
    design = np.stack([np.ones_like(n), n**-0.35, d**-0.35], axis=2)
    linear = np.linalg.solve(
        np.einsum("gri,grj->gij", design, design), np.einsum("gri,gr->gi", design, y)[..., None]
    )[..., 0]
    exponent = np.full(count, 0.35)
    starts = np.stack([linear[:, 0], linear[:, 1], exponent, linear[:, 2], exponent], axis=1)
    return Groups(
        law=CHINCHILLA, parameters=("E", "A", "alpha", "B", "beta"),
        columns={"N": n.ravel(), "D": d.ravel()}, y=y.ravel(),
        group=np.repeat(np.arange(count), rows), starts=starts[:, None],
    )


# ---- the published runs: W2 and W3 --------------------------------------------------------------


def published_runs() -> dict[str, Array]:
    """N, D, flops and loss of 240 runs: Epoch's reading of Hoffmann et al., five rows dropped.

    Raises FileNotFoundError when LAWFIT_DATA does not lead to them.
    """
    path = Path(os.environ.get("LAWFIT_DATA", "")) / "chinchilla_epoch.csv"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: let LAWFIT_DATA name the folder of published data"
        )
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["dropped_by_besiroglu"] == "0"]
    names = {"N": "params", "D": "tokens", "flops": "flops", "loss": "loss"}
    return {name: np.array([float(row[column]) for row in rows]) for name, column in names.items()}


def hoffmann_grid() -> Array:
    """W2: 4,500 starts (a, b, e, alpha, beta), the terms being exp(a)/N**alpha and so on."""
    exponents, levels = np.arange(0, 2.5, 0.5), np.arange(-1, 1.5, 0.5)
    amplitudes = np.arange(0, 30, 5.0)
    return np.array(list(product(amplitudes, amplitudes, levels, exponents, exponents)))


def natural(log_starts: Array) -> dict[str, Array]:
    """Starts (a, b, e, alpha, beta) as the parameters of Chinchilla's law."""
    a, b, e, alpha, beta = np.moveaxis(log_starts, -1, 0)
    return {"E": np.exp(e), "A": np.exp(a), "alpha": alpha, "B": np.exp(b), "beta": beta}


def resample_counts(rows: int, count: int = 4_000, seed: int = 3) -> Array:
    """W3: how often each row is drawn in each resample, [resamples, rows]."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(rows, np.full(rows, 1 / rows), size=count).astype(float)


# ---- 25 laws of N and D x 2 spaces x 5 losses x 5 subsets ---------------------------------------

_FREE = (None, None)
_POSITIVE = (0.0, None)
_EXPONENT = (0.0, 2.0)


@dataclass(frozen=True)
class Variant:
    """A law, its closed bounds, and for each parameter a span from which to draw a peer's starts.

    Spans whose ends are positive and a factor of 100 or more apart are meant on a log scale.
    """

    id: str
    formula: str
    bounds: dict[str, tuple[float | None, float | None]]
    spans: dict[str, tuple[float, float]]

    def law(self) -> lf.Law:
        return lf.Law(self.formula, variables=("N", "D")).bound(
            **{name: bound for name, bound in self.bounds.items() if bound != _FREE}
        )

    def draw_starts(self, count: int, rng: np.random.Generator) -> Array:
        """[count, parameters] in the order of the law, inside the bounds."""
        columns = []
        for name in self.law().parameters:
            low, high = self.spans[name]
            on_log = low > 0 and high >= 100 * low
            drawn = rng.uniform(*(np.log([low, high]) if on_log else (low, high)), count)
            columns.append(np.exp(drawn) if on_log else drawn)
        return np.stack(columns, axis=1)


_COMMON = {
    "E": (_POSITIVE, (0.1, 2.0)), "A": (_POSITIVE, (1.0, 1e5)), "B": (_POSITIVE, (1.0, 1e5)),
    "alpha": (_EXPONENT, (0.05, 1.0)), "beta": (_EXPONENT, (0.05, 1.0)),
}


def _variant(id: str, formula: str, **others: tuple[tuple, tuple]) -> Variant:
    """Names of ``_COMMON`` bring their bounds and spans; others give (bounds, span)."""
    names = lf.Law(formula, variables=("N", "D")).parameters
    known = {name: others.get(name) or _COMMON[name] for name in names}
    return Variant(
        id, formula, {name: bounds for name, (bounds, _) in known.items()},
        {name: span for name, (_, span) in known.items()},
    )


VARIANTS = [
    _variant("chinchilla", CHINCHILLA),
    _variant("one_exponent", "E + A/N**alpha + B/D**alpha"),
    _variant("half_powers", "E + A/sqrt(N) + B/sqrt(D)"),
    _variant("log_size", "E - c*log(N/1e9) + B/D**beta", c=(_FREE, (-0.1, 0.3))),
    _variant("log_correction", "E + A/N**alpha + B*log(D)/D**beta"),
    _variant("compute_only", "E + A/(6*N*D)**alpha"),
    _variant("kaplan", "((N_c/N)**(alpha/beta) + D_c/D)**beta",
             N_c=(_POSITIVE, (1e8, 1e15)), D_c=(_POSITIVE, (1e8, 1e15)),
             alpha=((0.0, 2.0), (0.03, 0.5)), beta=((0.01, 2.0), (0.03, 0.5))),
    _variant("kaplan_floor", "E + ((A/N)**(alpha/beta) + B/D)**beta",
             A=(_POSITIVE, (1e5, 1e10)), B=(_POSITIVE, (1e5, 1e10)),
             beta=((0.01, 2.0), (0.1, 1.0))),
    _variant("outer_power", "E + (A/N**alpha + B/D**beta)**k", k=((0.1, 10.0), (0.5, 2.0))),
    _variant("product", "A*N**(-alpha)*D**(-beta)"),
    _variant("product_floor", "E + A*N**(-alpha)*D**(-beta)"),
    _variant("interaction", "E + A/N**alpha + B/D**beta + G/(N**alpha*D**beta)",
             G=(_FREE, (-1e4, 1e4))),
    _variant("log_linear", "a - b*log(N/1e9) - c*log(D/1e10)",
             a=(_FREE, (1.0, 4.0)), b=(_FREE, (-0.2, 0.5)), c=(_FREE, (-0.2, 0.5))),
    _variant("log_quadratic",
             "a + b*log(N/1e9) + c*log(D/1e10) + d*log(N/1e9)**2 + e*log(D/1e10)**2"
             " + f*log(N/1e9)*log(D/1e10)",
             a=(_FREE, (1.0, 4.0)), b=(_FREE, (-0.5, 0.5)), c=(_FREE, (-0.5, 0.5)),
             d=(_FREE, (-0.1, 0.1)), e=(_FREE, (-0.1, 0.1)), f=(_FREE, (-0.1, 0.1))),
    _variant("reciprocal_logs", "E + A/log(N) + B/log(D)",
             E=(_FREE, (-2.0, 2.0)), A=(_FREE, (0.0, 50.0)), B=(_FREE, (0.0, 50.0))),
    _variant("relative_valley", "E + A/(6*N*D)**alpha*(1 + k*log(D/(t*N))**2)",
             k=(_POSITIVE, (0.001, 0.1)), t=(_POSITIVE, (1.0, 1000.0))),
    _variant("valley", "E + A/(6*N*D)**alpha + k*(log(D/N) - c)**2",
             k=(_POSITIVE, (0.001, 0.1)), c=((-10.0, 20.0), (0.0, 6.0))),
    _variant("rectified", "E + A/N**alpha + B/(D_l + D**beta)", D_l=(_POSITIVE, (1.0, 1e4))),
    _variant("shifted", "E + A/(N + N_0)**alpha + B/D**beta", N_0=((0.0, 1e10), (1e5, 1e9))),
    _variant("quanta", "E + A*N**(-alpha) + B*D**(-alpha/(1 + alpha))"),
    _variant("size_dependent", "E + A/N**alpha + B*D**(-beta*(N/1e9)**g)",
             g=((-1.0, 1.0), (-0.1, 0.1))),
    _variant("saturating", "E + (L_0 - E)*(1 - 1/(1 + A/N**alpha + B/D**beta))",
             L_0=((0.0, 50.0), (5.0, 20.0))),
    _variant("broken", "E + A/N**alpha + B/D**beta/(1 + D/D_b)**c",
             D_b=((1e8, 1e13), (1e9, 1e12)), c=((-2.0, 5.0), (-0.1, 1.0))),
    _variant("overfitting", "E + A/N**alpha + B/D**beta + G*(N/D)**g",
             G=(_POSITIVE, (1e-3, 1.0)), g=(_EXPONENT, (0.1, 1.5))),
    _variant("probit", "E + A*normcdf(k*(c - log(6*N*D)))",
             A=(_POSITIVE, (0.5, 20.0)), k=(_POSITIVE, (0.05, 0.5)),
             c=((20.0, 80.0), (35.0, 50.0))),
]

SPACES = ["linear", "log"]
LOSSES = ["squared", lf.Huber(DELTA), lf.SoftL1(1e-2), lf.Cauchy(1e-2), lf.LogCosh(1e-2)]


def subsets(runs: dict[str, Array]) -> dict[str, Array]:
    """Five parts of the published runs, as masks."""
    flops, ratio = runs["flops"], runs["D"] / runs["N"]
    return {
        "all": np.ones(len(flops), bool),
        "large": flops >= np.quantile(flops, 0.25),
        "small": flops <= np.quantile(flops, 0.75),
        "long": ratio >= np.quantile(ratio, 0.25),
        "even": np.arange(len(flops)) % 2 == 0,
    }
