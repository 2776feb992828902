"""Profile likelihoods: how far a quantity can move before the best fit gets too bad."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .covariance import active_free, default_kind, free_covariance_of, mean_weight
from .derive import Quantity
from .engine import free_positions, free_values, objective_arguments, options, table_arguments
from .errors import FitWarning
from .independent import few
from .intervals import check_level, cluster_reach, normal_quantile, t_quantile
from .likelihoods import Gaussian
from .predict import degrees_of_freedom, known_scale, moving
from .shared import refuse_joint
from .units import units_of

if TYPE_CHECKING:
    from .result import Fit

__all__ = ["Profile", "profile", "profiles", "run"]

ENDS = ("closed", "bound", "open", "infeasible")


@dataclass(frozen=True, eq=False, repr=False)
class Profile:
    """The best fit as a function of one quantity.

    ``value`` is the quantity at the optimum, ``low`` and ``high`` its interval at ``level``:
    where the best objective has risen by what the level allows. ``ends`` says for each what was
    found: ``"closed"``, such a point; ``"bound"``, the quantity's bound comes first;
    ``"open"``, the objective never rises that far (the end is infinite); ``"infeasible"``, the
    law reaches no further. ``at`` are values of the quantity in ascending order, ``z`` the
    signed root of twice the rise over the scale of the noise (about standard normal at the
    truth), ``params`` the best parameters there, name -> array.

    >>> import lawfit as lf
    >>> runs = {"D": [1e6, 3e6, 1e7, 3e7, 1e8, 3e8], "y": [5.18, 4.16, 3.42, 2.97, 2.63, 2.44]}
    >>> beta = lf.fit("y = E + B/D**beta", runs).profile("beta", level=0.9)
    >>> round(beta.low, 2), round(beta.high, 2), beta.ends
    (0.35, 0.36, ('closed', 'closed'))
    """

    name: str
    value: float
    low: float
    high: float
    level: float
    ends: tuple[str, str]
    at: np.ndarray
    z: np.ndarray
    params: dict[str, np.ndarray]

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high)."""
        return self.low, self.high

    def __repr__(self) -> str:
        notes = {"closed": "", "bound": " (its bound)", "open": " (open)",
                 "infeasible": " (no further)"}
        low, high = (f"{end:.6g}{notes[kind]}" for end, kind in
                     zip(self.interval, self.ends, strict=True))
        return f"Profile({self.name!r}, {self.value:.6g}, {100 * self.level:g} %: {low} to {high})"


@dataclass(frozen=True)
class _Calibration:
    """How large a rise means what: noise scale a quantity, quantile, and directions."""

    scale: np.ndarray
    quantile: float
    tangent: np.ndarray
    error: np.ndarray

    def rise(self, fit: Fit) -> np.ndarray:
        """How far the objective rises at the ends, one a quantity."""
        wanted = 0.5 * self.quantile**2 * self.scale
        if not _free_deviation(fit):
            return wanted
        return fit.objective * np.expm1(wanted / fit.objective)


def _free_deviation(fit: Fit) -> bool:
    """Whether the objective is a sum of squares whose own scale is estimated anew everywhere.

    Minus the log-likelihood then is half the number of rows times the objective's logarithm.
    """
    return isinstance(fit.loss, Gaussian) and fit.loss.scale is None and fit.objective > 0


def profile(
    fit: Fit, parameter: str | None, derived: str | None, *, level: float, by: Any,
    covariance: str | None, points: int, threads: int | None, variables: Mapping[str, Any],
) -> Any:
    """See ``Fit.profile``."""
    from .profile_solution import profile_solution
    from .solution import read

    refuse_joint(fit, "profile",
                 "fits.bootstrap() and fit.interval(method='wald') know all of them")
    if (parameter is None) == (derived is None):
        if parameter is not None:
            raise ValueError("derived: give a parameter or derived=, not both")
        found = profiles(fit, level, by=by, covariance=covariance, points=points, threads=threads)
        _few(fit, by)
        return found
    if parameter in fit.law.ties:
        derived, parameter = parameter, None  # a formula is a derived quantity
    if parameter is not None:
        if variables:
            raise TypeError(f"profile: {next(iter(variables))!r} goes with derived=")
        one = profiles(fit, level, [parameter], by, covariance, points, threads)[parameter]
        _few(fit, by)
        return one
    if (wanted := read(str(derived))) is not None:
        solved = profile_solution(fit, wanted, level, by, covariance, threads, variables)
        _few(fit, by)
        return solved
    quantity = Quantity(fit.law.quantity(str(derived)), fit.law.parameters, variables)
    if quantity.points.count != 1:
        raise ValueError("derived: profile one point at a time; a variable has several values")
    if not np.isfinite(fit.values).all():
        raise ValueError(f"profile: the fit has no finite parameters ({fit.status})")
    free = _FreeQuantity(fit, quantity)
    if fit.diagnostics["not_identified"] and not _known(fit, free.slope[0]):
        warnings.warn(f"the data do not determine {derived}: its profile is flat and both ends "
                      "are open", FitWarning, stacklevel=3)
        nothing = np.empty(0)
        return Profile(str(derived), float(quantity.values(fit.values)[0, 0]), -math.inf, math.inf,
                       check_level(level), ("open", "open"), nothing, nothing,
                       {name: nothing for name in fit.law.parameters})
    raw = run(fit, free, level, by, covariance, points, threads)
    _few(fit, by)
    return _named(fit, str(derived), level, raw, 0)


def _few(fit: Fit, by: Any) -> None:
    """The warning for few independent units, at the caller of ``Fit.profile``."""
    count = len(fit.rows) if by is None else int(units_of(fit.rows, by).max()) + 1
    few(count, by is not None, 5)


def profiles(
    fit: Fit, level: float, names: list[str] | None = None, by: Any = None,
    covariance: str | None = None, points: int = 0, threads: int | None = None,
) -> dict[str, Profile]:
    """Parameter -> its profile; all that are not fixed by default, in one native call."""
    law, place = fit.law, free_positions(fit.law)
    places = dict(zip(law.parameters, place.tolist(), strict=True))
    for name in names or ():
        if name not in places:
            raise ValueError(f"profile: {name!r} is not a parameter of the law; parameters: "
                             f"{', '.join(law.parameters)}")
        if places[name] < 0:
            raise ValueError(f"profile: {name!r} is fixed")
    wanted = [name for name in names or law.parameters if places[name] >= 0]
    if not np.isfinite(fit.values).all():
        raise ValueError(f"profile: the fit has no finite parameters ({fit.status})")
    lost = [name for name in wanted if name in fit.diagnostics["not_identified"]]
    if lost:
        warnings.warn(
            f"the data do not determine {', '.join(lost)}: the profile is flat and both ends are "
            "open", FitWarning, stacklevel=3,
        )
    free = sorted({places[name] for name in wanted if name not in lost})
    lower, upper = law.bounds()
    found = run(fit, _Picked(fit, free, lower[free], upper[free]), level, by, covariance, points,
                 threads) if free else {}
    return {
        name: _flat(fit, name, level, lower[places[name]], upper[places[name]]) if name in lost
        else _named(fit, name, level, found, free.index(places[name]))
        for name in wanted
    }


def _known(fit: Fit, slope: np.ndarray) -> bool:
    """Whether a direction of the free parameters has a variance at all."""
    used = slope != 0
    inner = free_covariance_of(fit, "jacobian", True, active_free(fit))
    return bool(np.isfinite(inner[np.ix_(used, used)]).all())


class _Picked:
    """Free parameters as quantities: a sum of all, of which each row picks one."""

    def __init__(self, fit: Fit, free: list[int], least: np.ndarray, most: np.ndarray) -> None:
        from . import _core
        from .expression import Leaf, parse

        count = len(fit.law.free)
        names = [f"p{at}" for at in range(count)]
        parsed = parse(" + ".join(f"s{at}*p{at}" for at in range(count)))
        leaves = {name: Leaf("PARAM", at) for at, name in enumerate(names)}
        leaves |= {f"s{at}": Leaf("VAR", at) for at in range(count)}
        self.graph = parsed.graph(leaves, _core.opcodes())
        self.slope = np.eye(count)[free]
        self.columns = [np.ascontiguousarray(column) for column in self.slope.T]
        self.least, self.most = least, most


class _FreeQuantity:
    """A derived quantity as a function of the free parameters."""

    def __init__(self, fit: Fit, quantity: Quantity) -> None:
        from . import _core

        law = fit.law
        self.graph = quantity.graph_of(law, fit.values)
        self.columns = quantity.points.columns
        free = free_values(law, fit.values)
        self.slope = np.asarray(_core.jacobian(self.graph, free, self.columns))
        self.least, self.most = np.array([-math.inf]), np.array([math.inf])


def run(
    fit: Fit, quantity: Any, level: float, by: Any, covariance: str | None, points: int,
    threads: int | None,
) -> dict[str, Any]:
    """The engine's profiles of quantities of the free parameters, by name."""
    from . import _core

    if fit.loss.name in ("absolute", "quantile"):
        raise ValueError(
            f"profile: the {fit.loss.name} loss has no curvature to calibrate a profile by; use "
            "fit.bootstrap()"
        )
    known = _calibrate(fit, quantity.slope, check_level(level), by, covariance)
    rise = known.rise(fit)
    step = known.quantile * known.error
    limits = {name: value for name, value in fit.settings.items() if name != "starts"}
    raw = _core.profile(
        fit.law.graph(), table_arguments(fit.law, fit.rows),
        objective_arguments(fit.on, fit.loss, fit.numbers), fit.law.bounds(),
        free_values(fit.law, fit.values), quantity.graph, quantity.columns, rise,
        known.tangent, step, quantity.least, quantity.most, points,
        options(**limits, keep_starts=False, threads=threads),
    )
    raw["scale"] = known.scale
    worse = raw["best"] < fit.objective - 1e-6 * abs(fit.objective) - 1e-4 * rise
    if worse.any():
        warnings.warn(
            "a profile met a lower objective than the fit's, so the fit is not the best there is; "
            "refit with starts=1000", FitWarning, stacklevel=4,
        )
    return dict(raw)


def _calibrate(
    fit: Fit, slopes: np.ndarray, level: float, by: Any, covariance: str | None
) -> _Calibration:
    """The scale of the noise along each quantity, so that the profile agrees with the covariance.

    For least squares the scale is the residual variance. Otherwise it is the ratio of the
    covariance asked for to the inverse Hessian, along the quantity: near the optimum the interval
    then is the Wald interval (A. Pace, A. Salvan and N. Sartori, "Adjusting composite likelihood
    ratio statistics", Statistica Sinica 21 (2011), in one dimension).
    """
    kind = covariance or ("cluster" if by is not None else default_kind(fit.loss))
    units = None if by is None else units_of(fit.rows, by)
    tail = (1 + level) / 2
    exact = units is None and known_scale(fit)
    if units is not None:
        quantile = cluster_reach(level, int(units.max()) + 1, len(units), moving(fit))
    elif exact:
        quantile = normal_quantile(tail)
    else:
        left = degrees_of_freedom(fit)
        quantile = t_quantile(tail, left) if left > 0 else math.nan
    # Likelihoods take weights relative to their mean; their objective does not.
    mean = mean_weight(fit.rows) if fit.loss.likelihood and fit.loss.name != "gaussian" else 1.0
    active = active_free(fit)
    scale, tangents, errors = [], [], []
    variance = 1.0 if exact else _residual_variance(fit)
    for slope in slopes:
        codes = np.where(slope != 0, 0, active).astype(np.int8)  # what is asked about is not held
        curved = free_covariance_of(fit, "hessian", True, codes)
        if not np.isfinite(curved[slope != 0][:, slope != 0]).all():
            curved = free_covariance_of(fit, "jacobian", True, codes)
        curved = np.nan_to_num(curved)
        wide = slope @ curved @ slope
        if kind == "jacobian" and fit.loss.name == "squared":
            ratio = variance
        else:
            told = np.nan_to_num(free_covariance_of(fit, kind, fit.absolute_sigma, codes, units))
            ratio = (slope @ told @ slope) / wide if wide > 0 else math.nan
        scale.append(ratio * mean)
        tangents.append(curved @ slope / wide if wide > 0 else slope / (slope @ slope))
        errors.append(math.sqrt(ratio * wide) if ratio * wide > 0 else math.nan)
    return _Calibration(np.array(scale), quantile, np.array(tangents), np.array(errors))


def _residual_variance(fit: Fit) -> float:
    """Twice the objective over the degrees of freedom: for squared loss the residual variance."""
    left = degrees_of_freedom(fit)
    return 2 * fit.objective / left if left > 0 else math.nan


def _named(fit: Fit, name: str, level: float, found: dict[str, Any], at: int) -> Profile:
    values, objectives, free = found["paths"][at]
    full = np.asarray(fit.law.expand(free))
    rise = objectives - fit.objective
    if _free_deviation(fit):
        rise = fit.objective * np.log1p(rise / fit.objective)
    rise = 2 * rise / found["scale"][at]
    return Profile(
        name, float(found["value"][at]), float(found["low"][at]), float(found["high"][at]),
        float(level), (ENDS[found["low_end"][at]], ENDS[found["high_end"][at]]), values,
        np.sign(values - found["value"][at]) * np.sqrt(np.maximum(rise, 0)),
        {n: full[:, k].copy() for k, n in enumerate(fit.law.parameters)},
    )


def _flat(fit: Fit, name: str, level: float, low: float, high: float) -> Profile:
    """A parameter that the data say nothing about."""
    nothing = np.empty(0)
    ends = tuple("bound" if math.isfinite(end) else "open" for end in (low, high))
    return Profile(name, fit.params[name], float(low), float(high), float(level), ends, nothing,
                   nothing, {n: nothing for n in fit.law.parameters})
