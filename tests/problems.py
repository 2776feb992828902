"""Random fitting problems with a known truth: law x data maker x truth x noise x objective.

A family is a law with a design for its variables and a range for every true parameter. A
problem is one draw: rows, noise, residual space, loss, weights, bounds. ``Problem.objective``
is the objective in plain NumPy, written apart from the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

import lawfit as lf
from lawfit import _core

Array = np.ndarray
Range = tuple[float, float]


@dataclass(frozen=True)
class Family:
    """A law, the span of each variable, and the range its true parameters come from.

    Ranges of positive numbers are drawn on a log scale. ``domains`` are bounds as the law
    declares them; ``share`` says that values lie in (0, 1).
    """

    id: str
    formula: str
    variables: dict[str, Range]
    truth: dict[str, Range]
    domains: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)
    share: bool = False

    def law(self, bounds: dict[str, tuple[float | None, float | None]]) -> lf.Law:
        law = lf.Law(self.formula, variables=tuple(self.variables))
        domains = {**self.domains, **bounds}
        return law.bound(**domains) if domains else law


POSITIVE = (0, None)

FAMILIES = [
    Family("power", "b*x**(-c)", {"x": (1, 1e4)}, {"b": (0.5, 50), "c": (0.1, 1)}),
    Family("power_floor", "E + b*x**(-c)", {"x": (1e3, 1e8)},
           {"E": (0.2, 3), "b": (5, 500), "c": (0.2, 0.6)},
           {"E": POSITIVE, "b": POSITIVE, "c": (0, 2)}),
    Family("hestness", "alpha*m**beta_g + gamma", {"m": (1e2, 1e7)},
           {"alpha": (2, 40), "beta_g": (-0.5, -0.1), "gamma": (0.1, 1)},
           {"alpha": POSITIVE, "beta_g": (-1, 0), "gamma": POSITIVE}),
    Family("chinchilla", "E + A/N**alpha + B/D**beta", {"N": (1e7, 1e10), "D": (1e9, 1e12)},
           {"E": (1, 2), "A": (100, 1000), "alpha": (0.25, 0.45), "B": (200, 4000),
            "beta": (0.25, 0.45)},
           {"E": POSITIVE, "A": POSITIVE, "alpha": (0, 2), "B": POSITIVE, "beta": (0, 2)}),
    Family("kaplan_L_ND", "((N_c/N)**(alpha_N/alpha_D) + D_c/D)**alpha_D",
           {"N": (1e5, 1e9), "D": (1e7, 1e11)},
           {"N_c": (1e13, 1e14), "alpha_N": (0.06, 0.1), "alpha_D": (0.08, 0.12),
            "D_c": (1e13, 1e14)},
           {"N_c": POSITIVE, "alpha_N": (0, 1), "alpha_D": (0, 1), "D_c": POSITIVE}),
    Family("henighan", "L_inf + (x0/x)**alpha", {"x": (1e4, 1e9)},
           {"L_inf": (1, 4), "x0": (1e4, 1e6), "alpha": (0.15, 0.4)},
           {"L_inf": POSITIVE, "x0": POSITIVE, "alpha": (0, 1)}),
    Family("gadre", "E + (a*M**eta + b*M**(-eta))*C**(-eta)", {"C": (1e17, 1e21), "M": (5, 640)},
           {"E": (1, 2), "a": (80, 200), "b": (100, 250), "eta": (0.1, 0.15)},
           {"E": POSITIVE, "a": POSITIVE, "b": POSITIVE, "eta": (0, 1)}),
    Family("rectified", "B/(D_l + D**beta) + E", {"D": (1e2, 1e6)},
           {"B": (20, 100), "D_l": (5, 40), "beta": (0.3, 0.6), "E": (0.5, 2)},
           {"B": POSITIVE, "D_l": POSITIVE, "beta": (0, 2), "E": POSITIVE}),
    Family("M3", "beta*(1/x + gam)**(-c)", {"x": (1e2, 1e7)},
           {"beta": (2, 10), "gam": (1e-6, 1e-4), "c": (-0.5, -0.2)},
           {"beta": POSITIVE, "gam": POSITIVE, "c": (-2, 0)}),
    Family("pow4", "a - b*(x + d)**(-c)", {"x": (1, 1e4)},
           {"a": (0.8, 0.98), "b": (0.3, 0.7), "d": (1, 30), "c": (0.2, 0.6)},
           {"d": POSITIVE, "c": (0, 5)}, share=True),
    Family("exp3", "a*exp(-b*x) + c", {"x": (0, 3000)},
           {"a": (-0.5, -0.2), "b": (5e-4, 5e-3), "c": (0.7, 0.95)}, {"b": POSITIVE}, share=True),
    Family("mmf4", "(a*b + c*x**d)/(b + x**d)", {"x": (1, 1e4)},
           {"a": (0.2, 0.5), "b": (20, 200), "c": (0.7, 0.95), "d": (0.5, 1.2)},
           {"b": POSITIVE, "d": (0, 5)}, share=True),
    Family("wbl4", "c - b*exp(-a*x**d)", {"x": (1, 1e4)},
           {"c": (0.8, 0.95), "b": (0.3, 0.6), "a": (0.02, 0.1), "d": (0.3, 0.7)},
           {"a": POSITIVE, "d": (0, 5)}, share=True),
    Family("sigmoid", "a/(1 + exp(-k*(L - L0))) + b", {"L": (0.4, 2)},
           {"a": (-0.7, -0.4), "k": (3, 9), "L0": (0.9, 1.3), "b": (0.85, 0.95)},
           {"a": (-1, 1), "k": POSITIVE, "b": (0, 1)}, share=True),
    Family("coverage", "exp(a*k**(-b))", {"k": (1, 1e4)}, {"a": (-2, -0.5), "b": (0.2, 0.6)},
           {"a": (None, 0), "b": (0, 2)}, share=True),
    Family("bnsl1", "a + b*x**(-c0)*(1 + (x/d1)**(1/f1))**(-c1*f1)", {"x": (10, 1e5)},
           {"a": (0.05, 0.3), "b": (1, 4), "c0": (0.05, 0.2), "d1": (300, 3000), "f1": (0.2, 0.6),
            "c1": (0.5, 1.5)},
           {"b": POSITIVE, "c0": (-5, 5), "d1": POSITIVE, "f1": (0.01, 5), "c1": (-50, 50)}),
    Family("wdt", "E + A/w**a + B/d**b + G/T**g",
           {"w": (128, 4096), "d": (2, 64), "T": (1e9, 1e12)},
           {"E": (0.5, 1.5), "A": (5, 10), "a": (0.25, 0.4), "B": (1, 3), "b": (0.2, 0.5),
            "G": (1e4, 1e5), "g": (0.4, 0.55)},
           {name: POSITIVE for name in ("E", "A", "a", "B", "b", "G", "g")}),
    Family("aerosol", "A*exp(-b/sqrt(max(St - St_c, 1e-12)))", {"St": (0.3, 20)},
           {"A": (0.8, 1.2), "b": (0.5, 1.5), "St_c": (0.05, 0.2)},
           {"A": POSITIVE, "b": POSITIVE, "St_c": (0, 0.29)}),
    Family("seager", "k1 + log10(M/5.8)/3 - k2*(M/5.8)**k3", {"M": (0.01, 100)},
           {"k1": (-0.3, -0.1), "k2": (0.05, 0.12), "k3": (0.3, 0.5)},
           {"k1": (-1, 0), "k2": (0, 1), "k3": (0, 1)}),
    Family("line", "a + b*x", {"x": (0, 10)}, {"a": (1, 5), "b": (0.1, 2)}),
    Family("log_sum", "logaddexp(e, a - alpha*log(N))", {"N": (1e4, 1e9)},
           {"e": (0.2, 1), "a": (3, 6), "alpha": (0.2, 0.5)}),
]

# Pieces of generated formulas: {p} and {q} become parameters of their own.
_PIECES: list[tuple[str, dict[str, Range]]] = [
    ("{p}*x**{q}", {"p": (0.5, 3), "q": (-0.8, 0.8)}),
    ("{p}*exp(-{q}*x)", {"p": (0.5, 3), "q": (0.05, 0.5)}),
    ("{p}*log(x + {q})", {"p": (0.5, 2), "q": (0.5, 5)}),
    ("{p}*tanh({q}*x)", {"p": (0.5, 3), "q": (0.05, 0.5)}),
    ("{p}*x/(x + {q})", {"p": (0.5, 3), "q": (1, 10)}),
    ("{p}*arctan({q}*x)", {"p": (0.5, 2), "q": (0.1, 1)}),
    ("{p}*logistic({q} - x)", {"p": (0.5, 3), "q": (3, 10)}),
    ("{p}*sqrt(x + {q})", {"p": (0.3, 2), "q": (0.5, 5)}),
    ("{p}*log1p(x/{q})", {"p": (0.5, 2), "q": (0.5, 5)}),
    ("{p}*normcdf(log(x) - {q})", {"p": (0.5, 3), "q": (0.5, 2)}),
    ("{p}*erf({q}*x)", {"p": (0.5, 3), "q": (0.05, 0.4)}),
]


def generated(first: int, second: int | None, floor: bool) -> Family:
    """A formula put together from one or two pieces and perhaps a floor."""
    chosen = [first] if second is None or second == first else [first, second]
    texts, truth = [], {}
    for place, index in enumerate(chosen, 1):
        text, ranges = _PIECES[index]
        texts.append(text.format(p=f"p{place}", q=f"q{place}"))
        truth |= {f"{name}{place}": span for name, span in ranges.items()}
    if floor:
        texts.append("c")
        truth["c"] = (0.5, 2)
    return Family("generated", " + ".join(texts), {"x": (0.5, 20)}, truth)


PIECES = len(_PIECES)


# ---- objectives, apart from the engine ----

def loss_value(name: str, s: float, r: Array) -> Array:
    """The pointwise loss of residuals, s its parameter."""
    size = np.abs(r)
    if name == "squared":
        return r**2 / 2
    if name == "huber":
        return np.where(size <= s, r**2 / 2, s * (size - s / 2))
    if name == "soft_l1":
        return r**2 / (1 + np.sqrt(1 + (r / s) ** 2))
    if name == "cauchy":
        return s**2 / 2 * np.log1p((r / s) ** 2)
    if name == "absolute":
        return size
    if name == "quantile":
        return np.where(r >= 0, s, s - 1) * r
    if name == "log_cosh":
        z = size / s
        near = np.minimum(z, 1e-2)
        small = near**2 * (0.5 - near**2 / 12 + near**4 / 45)
        return s**2 * np.where(z < 1e-2, small, z + np.log1p(np.exp(-2 * z)) - np.log(2))
    raise KeyError(name)


def space_value(space: str, values: Array, y: Array) -> Array:
    """Values in the residual space; relative ones are shares of y."""
    if space == "log":
        return np.log(values)
    if space == "logit":
        return np.log(values / (1 - values))
    return values / y if space == "relative" else values


_NUMPY: dict[str, Any] = {
    **{name: getattr(np, name) for name in (
        "exp", "log", "log10", "log2", "log1p", "expm1", "sqrt", "abs", "sin", "cos", "arctan",
        "tanh", "pi", "logaddexp")},
    "max": np.maximum, "min": np.minimum, "__builtins__": {},
}


def numpy_function(formula: str) -> Callable[..., Array]:
    """The formula by NumPy and SciPy alone."""
    special = __import__("scipy.special").special
    theirs = {"erf": special.erf, "normcdf": special.ndtr, "logistic": special.expit,
              "gammaln": special.gammaln}
    names = {**_NUMPY, **{name: lambda x, f=f: f(np.asarray(x, float)) for name, f in theirs.items()}}
    code = compile(formula, formula, "eval")
    return lambda **values: np.asarray(eval(code, names, values))  # our own formulas, not a user's


@dataclass(frozen=True)
class Problem:
    """One law, one table, one objective."""

    family: Family
    data: dict[str, Array]
    truth: dict[str, float]
    space: str
    loss: lf.losses.Loss
    weights: Array | None
    sigma: Array | None
    bounds: dict[str, tuple[float | None, float | None]]

    @cached_property
    def law(self) -> lf.Law:
        return self.family.law(self.bounds)

    @cached_property
    def _function(self) -> Callable[..., Array]:
        return numpy_function(self.family.formula)

    @property
    def names(self) -> tuple[str, ...]:
        return self.law.parameters

    def fitted(self, values: Array) -> Array:
        """The law's values; in longer numbers where parts of it are beyond all short ones."""
        given = {**self.data, **dict(zip(self.names, values, strict=True))}
        try:
            with np.errstate(all="ignore", over="raise"):
                return self._function(**given)
        except FloatingPointError:
            longer = {name: np.asarray(value, np.longdouble) for name, value in given.items()}
            with np.errstate(all="ignore"):
                return self._function(**longer).astype(float)

    def residuals(self, values: Array) -> Array:
        """Observed - fitted in the residual space, sigma divided; NaN outside the domain."""
        y, fitted = self.data["y"], self.fitted(values)
        with np.errstate(all="ignore"):
            r = space_value(self.space, y, y) - space_value(self.space, fitted + 0 * y, y)
        return r if self.sigma is None else r / self.sigma

    def jacobian(self, values: Array) -> Array:
        """Derivatives of the residuals, one row each: the law's own, tested elsewhere."""
        columns = [self.data[name] for name in self.law.variables]
        slopes = _core.jacobian(self.law.graph(), np.ascontiguousarray(values), columns)
        fitted = self.fitted(values)
        with np.errstate(all="ignore"):
            if self.space == "log":
                slopes = slopes / np.reshape(fitted, (-1, 1))
            elif self.space == "logit":
                slopes = slopes / np.reshape(fitted * (1 - fitted), (-1, 1))
            elif self.space == "relative":
                slopes = slopes / self.data["y"][:, None]
        return -slopes if self.sigma is None else -slopes / self.sigma[:, None]

    def losses(self, r: Array) -> Array:
        """Weighted pointwise losses of residuals."""
        value = loss_value(self.loss.name, self.loss.parameter, r)
        return value if self.weights is None else self.weights * value

    def objective(self, values: Array) -> float:
        """The objective; infinite outside the domain."""
        total = float(np.sum(self.losses(self.residuals(values))))
        return total if np.isfinite(total) else np.inf

    def fit(self, **arguments: Any) -> lf.Fit:
        """Our fit, whatever its status."""
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lf.FitWarning)
            return lf.fit(self.law, self.data, y="y", on=self.space, loss=self.loss,
                          weights=self.weights, sigma=self.sigma, **arguments)


SPACES = ("linear", "log", "logit", "relative")
LOSSES = ("squared", "huber", "soft_l1", "cauchy", "log_cosh", "absolute", "quantile")


def make_loss(name: str, scale: float, q: float) -> lf.losses.Loss:
    """A loss whose own scale is in units of the residual."""
    kinds = {"huber": lf.Huber, "soft_l1": lf.SoftL1, "cauchy": lf.Cauchy, "log_cosh": lf.LogCosh}
    if name in kinds:
        return kinds[name](scale)
    return {"absolute": lf.Absolute(), "quantile": lf.Quantile(q)}.get(name, lf.losses.Squared())


@dataclass(frozen=True)
class Choice:
    """Everything but the random numbers of a problem.

    ``noise`` is relative to the spread of y in the residual space; ``scale`` is the loss's own
    scale relative to the noise; ``bound`` names a place for an extra bound: its parameter is
    kept ``margin`` away from its true value, so that the bound is active.
    """

    family: Family
    rows: int
    noise: float
    outliers: bool
    space: str
    loss: str
    scale: float
    q: float
    weighting: str
    bound: int | None
    seed: int


def make_problem(choice: Choice) -> Problem:
    """Draw truth and table; the space falls back to linear where y does not allow it."""
    rng = np.random.default_rng(choice.seed)
    family = choice.family
    truth = {name: _within(rng, *span) for name, span in family.truth.items()}
    data = _design(rng, family.variables, choice.rows)
    with np.errstate(all="ignore"):
        clean = numpy_function(family.formula)(**data, **truth) + np.zeros(choice.rows)
    space = _allowed(choice.space, clean, family.share)
    one = np.ones_like(clean)
    target = space_value(space, clean, clean if space != "relative" else one)
    spread = float(np.std(target)) if space != "relative" else 1.0
    level = choice.noise * spread
    scatter = rng.standard_normal(choice.rows)
    if choice.outliers:
        scatter = scatter + 8 * rng.standard_t(2, choice.rows) * (rng.random(choice.rows) < 0.1)
    data["y"] = _from_space(space, target, clean, level * scatter)
    loss = make_loss(choice.loss, choice.scale * level, choice.q)
    weights = rng.uniform(0.2, 3, choice.rows) if choice.weighting == "weights" else None
    sigma = rng.uniform(0.5, 2, choice.rows) if choice.weighting == "sigma" else None
    bounds: dict[str, tuple[float | None, float | None]] = {}
    if choice.bound is not None:
        name = sorted(truth)[choice.bound % len(truth)]
        low, high = family.domains.get(name, (None, None))
        wall = truth[name] + 0.02 * abs(truth[name])  # the truth lies just outside
        if high is None or wall < high:
            bounds[name] = (wall, high)
    return Problem(family, data, truth, space, loss, weights, sigma, bounds)


def _within(rng: np.random.Generator, low: float, high: float) -> float:
    if low > 0:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))
    return float(rng.uniform(low, high))


def _design(rng: np.random.Generator, spans: dict[str, Range], rows: int) -> dict[str, Array]:
    return {
        name: np.sort(rng.uniform(low, high, rows)) if low == 0 or high / low < 100
        else np.exp(rng.permutation(np.linspace(np.log(low), np.log(high), rows)))
        for name, (low, high) in spans.items()
    }


def _allowed(space: str, clean: Array, share: bool) -> str:
    if space == "logit" and not (share and 0.02 < clean.min() and clean.max() < 0.98):
        return "linear"
    if space in ("log", "relative") and not clean.min() > 0.02 * np.abs(clean).max():
        return "linear"
    return space


def _from_space(space: str, target: Array, clean: Array, noise: Array) -> Array:
    if space == "log":
        return np.exp(target + noise)
    if space == "logit":
        return 1 / (1 + np.exp(-target - noise))
    return clean * np.exp(noise) if space == "relative" else target + noise
