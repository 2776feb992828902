"""Bootstraps of many fits at once: one native call for each law and objective among them."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from . import status as _status
from .batch import good_codes
from .derive import Quantity, bootstrap_interval, delta_errors
from .engine import (
    objective_arguments,
    options,
    parameter_bounds,
    progress_callback,
    whole,
)
from .errors import FitWarning
from .independent import few_of_many
from .intervals import DEFAULT, OFF_BOUNDS, check_interval
from .noise import noise_of_groups
from .resampling import METHODS as SCHEMES
from .resampling import check_method, chosen_multiplier, new_targets, numbered_objective
from .units import row_keys, units_of

if TYPE_CHECKING:
    from .fits import Fits

__all__ = ["Bootstraps", "bootstrap_many"]



@dataclass(frozen=True, eq=False)
class _Block:
    """The fits of one law and objective: their rows under each other, cut by ``offsets``."""

    law: Any
    loss: Any
    on: str
    which: np.ndarray
    data: tuple[Any, ...]
    offsets: np.ndarray
    positions: np.ndarray
    free: np.ndarray
    active: np.ndarray
    units: np.ndarray | None
    numbers: np.ndarray | None


@dataclass(frozen=True, eq=False, repr=False)
class Bootstraps:
    """Replicates of many fits: ``params`` maps name -> array [fits, replicates].

    NaN where a replicate or the fit itself failed, or where a law lacks the parameter;
    ``status`` holds the engine's codes [fits, replicates], ``failed`` how many of each fit's
    replicates failed. Row i of everything is what ``fits[i].bootstrap`` gives with the same seed.

    >>> import lawfit as lf
    >>> x = np.tile(np.arange(30.0), 2)
    >>> table = {"x": x, "y": 1 + 2*x + np.sin(7*np.arange(60)), "run": np.repeat(["p", "q"], 30)}
    >>> boots = lf.fit_many("y = a + b*x", table, by="run").bootstrap(200)
    >>> boots.params["b"].shape, boots.stderr()["b"].round(3)
    ((2, 200), array([0.016, 0.015]))
    """

    fits: Fits
    method: str
    params: dict[str, np.ndarray]
    objective: np.ndarray
    status: np.ndarray
    seed: int
    settings: dict[str, Any]
    numbers: np.ndarray | None = None
    """[fits, replicates, 2]: the engine's estimates of their losses' own numbers, if any."""

    @property
    def replicates(self) -> int:
        """Replicates of each fit."""
        return int(self.status.shape[1])

    @cached_property
    def good(self) -> np.ndarray:
        """Boolean [fits, replicates]: the replicate's fit converged."""
        return good_codes()[self.status]

    @property
    def failed(self) -> np.ndarray:
        """How many replicates of each fit did not converge."""
        return np.asarray(self.replicates - self.good.sum(axis=1))

    def stderr(self) -> dict[str, np.ndarray]:
        """Parameter name -> standard deviation over replicates, one a fit (NaN: fewer than 2)."""
        return {name: _spread(values) for name, values in self.params.items()}

    def interval(
        self, level: float = 0.95, method: str | None = None
    ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Parameter name -> (low, high), arrays over fits; methods as for ``Bootstrap.interval``."""
        self.few(4)
        out = {}
        for name in self.params:
            low, high = self.derive(name).ends(level, method)
            for block in () if self.fits.batch.shares else _blocks(self.fits, None):
                if name not in block.law.parameters:
                    continue
                ends = parameter_bounds(block.law)[name]
                for end in (low, high):
                    end[block.which] = np.clip(end[block.which], *ends)
                place = block.law.places[block.law.parameters.index(name)]
                if method in OFF_BOUNDS and place >= 0:
                    held = block.active[:, place] != 0
                    low[block.which[held]] = high[block.which[held]] = np.nan
            out[name] = (low, high)
        return out

    def few(self, depth: int) -> None:
        """Warn where fits rest on few independent units."""
        few_of_many(_freedom(self)[0], bool(self.settings["clustered"]), depth)

    def derive(self, expression: str, **variables: Any) -> DerivedMany:
        """An expression of the parameters (and of variables, numbers) for every replicate."""
        return DerivedMany(self, expression, variables)

    @cached_property
    def jackknives(self) -> Bootstraps:
        """Every fit without each of its units, for BCa."""
        by = self.settings["by"] if self.settings["clustered"] else None
        return bootstrap_many(self.fits, None, "jackknife", by=by, seed=self.seed, quiet=True)

    @cached_property
    def errors(self) -> list[tuple[_Block, np.ndarray, np.ndarray]]:
        """For each law and objective: the covariances of the fits and of all replicates."""
        return _covariances(self)

    def __repr__(self) -> str:
        return (f"Bootstraps({self.method}, fits={len(self.fits):,}, "
                f"replicates={self.replicates:,}, failed={int(self.failed.sum()):,})")


def _spread(values: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanstd(values, axis=1, ddof=1))


class DerivedMany:
    """A quantity of every replicate of every fit: ``value`` [fits], ``values`` [fits, replicates].

    NaN where a law lacks a parameter of the expression.
    """

    def __init__(self, boots: Bootstraps, expression: str, variables: dict[str, Any]) -> None:
        self.boots, self.expression, self.variables = boots, expression, variables
        names = tuple(boots.params)
        quantity = Quantity(expression, names, variables)
        if quantity.points.count != 1:
            raise ValueError("derive: variables must be single numbers for many fits")

        def of(matrix: np.ndarray) -> np.ndarray:
            return quantity.values(matrix)[:, 0]

        self.of, self.used = of, {names[at] for at in quantity.used}
        fits = boots.fits
        self.value = of(np.stack([fits.params[name] for name in names], axis=1))
        stacked = np.stack([boots.params[name] for name in names], axis=-1)
        flat = stacked.reshape(-1, len(names))
        self.values = of(flat).reshape(stacked.shape[:2])

    @property
    def stderr(self) -> np.ndarray:
        """Standard deviation over replicates, one a fit."""
        return _spread(self.values)

    def interval(
        self, level: float = 0.95, method: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """(low, high), arrays over fits; NaN where fewer than two replicates have a value."""
        self.boots.few(4)
        return self.ends(level, method)

    def ends(self, level: float, method: str | None) -> tuple[np.ndarray, np.ndarray]:
        """``interval`` without its warning."""
        method = method or DEFAULT
        level = check_interval(level, method, self.boots.method)
        low, high = np.full((2, len(self.value)), np.nan)
        extra = self._extra(method)
        whole_rows = np.isfinite(self.values).all(axis=1)
        if whole_rows.any():
            part = {name: _columns(array, whole_rows) for name, array in extra.items()}
            low[whole_rows], high[whole_rows] = bootstrap_interval(
                self.values[whole_rows].T, self.value[whole_rows], level, method, part
            )
        for at in np.flatnonzero(~whole_rows):
            known = np.isfinite(self.values[at])
            if known.sum() < 2:
                continue
            part = {name: _columns(array, slice(at, at + 1)) for name, array in extra.items()}
            if "errors" in part:
                part["errors"] = part["errors"][known]
            ends = bootstrap_interval(
                self.values[at : at + 1, known].T, self.value[at : at + 1], level, method, part
            )
            low[at], high[at] = ends[0][0], ends[1][0]
        return low, high

    def _extra(self, method: str) -> dict[str, Any]:
        boots = self.boots
        if boots.fits.batch.shares and method == "studentized":
            raise ValueError("method: 'studentized' is not there for fits that share parameters; "
                             "use 'adjusted', 'percentile', 'basic', 'expanded' or 'bca'")
        if method in ("adjusted", "expanded"):
            return {"freedom": _freedom(boots)}
        if method == "bca":
            return {"jackknife": DerivedMany(boots.jackknives, self.expression,
                                             self.variables).values}
        if method != "studentized":
            return {}
        errors, error = np.full(self.values.shape, np.nan), np.full(len(self.value), np.nan)
        names = tuple(boots.params)
        for block, own, drawn in boots.errors:
            at = [names.index(name) for name in block.law.parameters]
            here = np.full((len(block.which), len(names)), np.nan)
            here[:, at] = np.stack([boots.fits.params[names[k]][block.which] for k in at], axis=1)
            moved = np.full((*drawn.shape[:2], len(names)), np.nan)
            moved[..., at] = np.stack([boots.params[names[k]][block.which] for k in at], axis=-1)
            step = 1e-5 * np.abs(np.nanmedian(np.sqrt(np.diagonal(own, axis1=1, axis2=2)), axis=0))
            step = np.where([names[k] in self.used for k in at], step, 0.0)  # others do not move it
            error[block.which] = delta_errors(self.of, here, own, at, step)
            flat = delta_errors(self.of, moved.reshape(-1, len(names)),
                                drawn.reshape(-1, *drawn.shape[2:]), at, step)
            errors[block.which] = flat.reshape(drawn.shape[:2])
        return {"errors": errors, "error": error}


def _columns(array: Any, rows: Any) -> Any:
    """Some fits' part of an extra, with fits as the last axis."""
    if isinstance(array, tuple):
        return tuple(part[rows] for part in array)
    return array[rows].T if array.ndim == 2 else array[rows]


def _freedom(boots: Bootstraps) -> tuple[np.ndarray, np.ndarray]:
    """Independent units and degrees of freedom of each fit."""
    if "freedom" in boots.settings:  # of joint fits
        count, left = boots.settings["freedom"]
        return count, left
    count, left = np.zeros(len(boots.fits), int), np.zeros(len(boots.fits), int)
    for block in _blocks(boots.fits, boots.settings["by"]):
        rows = np.diff(block.offsets)
        used = rows if block.units is None or not boots.settings["clustered"] else np.array(
            [block.units[a:b].max() + 1 if b > a else 0
             for a, b in zip(block.offsets[:-1], block.offsets[1:], strict=True)]
        )
        count[block.which] = used
        clustered = block.units is not None and boots.settings["clustered"]
        left[block.which] = used - (1 if clustered else (block.active == 0).sum(axis=1))
    return count, left


def bootstrap_many(
    fits: Fits, n: int | None, method: str = "pairs", *, by: Any = None, seed: int = 0,
    check: float = 0.0, multiplier: str | None = None, noise: Any = None,
    threads: int | None = None, progress: Any = None, quiet: bool = False,
) -> Bootstraps:
    """See ``Fits.bootstrap``."""
    from . import _core

    if method not in SCHEMES:
        raise ValueError(f"method: unknown resampling {method!r}; choose from {', '.join(SCHEMES)}")
    if method in ("cluster", "stratified") and by is None:
        raise ValueError(f"by: method={method!r} needs the column that says which rows belong "
                         "together")
    if by is not None and method in ("pairs", "residual", "parametric"):
        raise ValueError(f"by: method={method!r} draws single rows")
    if method == "jackknife" and n is not None:
        raise ValueError("n: not given with method='jackknife'")
    if noise is not None and method != "parametric":
        raise ValueError(f"noise: goes with method='parametric', not {method!r}")
    if fits.batch.shares:
        return _joint(fits, n, method, by, seed, check, threads, progress, quiet)
    if multiplier is not None and method != "wild":
        raise ValueError(f"multiplier: goes with method='wild', not {method!r}")
    blocks = _blocks(fits, by)
    if method == "jackknife":
        replicates = max((_most_units(block) for block in blocks), default=0)
    else:
        replicates = 1000 if n is None else whole("n", n, 1)
    names = dict.fromkeys(name for block in blocks for name in block.law.parameters)
    params = {name: np.full((len(fits), replicates), np.nan) for name in names}
    objective = np.full((len(fits), replicates), np.nan)
    status = np.full((len(fits), replicates), cancelled(), dtype=np.int8)
    estimating = any(block.numbers is not None for block in blocks)
    numbers = np.full((len(fits), replicates, 2), np.nan) if estimating else None
    other = 0
    for block in blocks:
        check_method(block.loss, method)
        raw = _core.resample(
            *_arguments(block, method, multiplier, noise, replicates),
            math.ceil(check * replicates), native_options(fits, seed, threads),
            progress_callback(progress),
        )
        full = np.array(block.law.expand(raw["params"]))
        full[~good_codes()[raw["status"]]] = np.nan
        for place, name in enumerate(block.law.parameters):
            params[name][block.which] = full[..., place]
        objective[block.which], status[block.which] = raw["objective"], raw["status"]
        if numbers is not None and "numbers" in raw:
            numbers[block.which] = raw["numbers"]
        other += int((raw["checked"] == 2).sum())
    settings = {"by": by, "multiplier": multiplier, "noise": noise, "clustered": by is not None
                and method != "stratified"}
    result = Bootstraps(fits, method, params, objective, status, int(seed), settings,
                        numbers)
    if not quiet:
        tell(result, other)
    return result


def _joint(
    fits: Fits, n: int | None, method: str, by: Any, seed: int, check: float,
    threads: int | None, progress: Any, quiet: bool,
) -> Bootstraps:
    """Replicates of fits that share parameters."""
    from .shared_bootstrap import bootstrap_shared

    return bootstrap_shared(fits, n, method, by=by, seed=seed, check=check, threads=threads,
                            progress=progress, quiet=quiet)


def cancelled() -> int:
    return [name for name, _ in _status.statuses()].index("cancelled")


def _most_units(block: _Block) -> int:
    if block.units is not None:
        return int(block.units.max()) + 1
    return int(np.diff(block.offsets).max(initial=0))


def _fewest_units(block: _Block) -> int:
    """Of the fit with the fewest units, whose number decides the multiplier for all."""
    starts = block.offsets[:-1][np.diff(block.offsets) > 0]
    return int(np.maximum.reduceat(block.units, starts).min()) + 1


def native_options(fits: Fits, seed: int, threads: int | None) -> dict[str, Any]:
    limits = {name: value for name, value in fits.batch.settings.items() if name != "starts"}
    return options(**{**limits, "seed": seed}, keep_starts=False, threads=threads)


def _blocks(fits: Fits, by: Any) -> list[_Block]:
    """The fits sorted by law and objective, with the rows each of them used."""
    batch, places = fits.batch, fits.places
    kinds = np.ravel_multi_index(places[:3], batch.shape[:3])
    order = np.argsort(kinds, kind="stable")
    blocks = []
    for these in np.split(order, np.flatnonzero(np.diff(kinds[order])) + 1):
        if len(these):
            blocks.append(_block(fits, these, by))
    return blocks


def _block(fits: Fits, these: np.ndarray, by: Any) -> _Block:
    batch, sheet, places = fits.batch, fits.batch.sheet, fits.places
    law_at, on, loss = (int(place[these[0]]) for place in places[:3])
    law, raw = batch.laws[law_at], batch.raw[law_at]
    subsets, groups = places[3][these], places[4][these]
    rows, begins, counts = batch.rows_of(subsets, groups)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    if rows is None and (begins != offsets[:-1]).any():
        rows = np.repeat(begins - offsets[:-1], counts) + np.arange(offsets[-1])
    if rows is None:
        rows = slice(int(begins[0]), int(begins[0]) + int(offsets[-1])) if len(begins) else rows
    at = (on * len(batch.losses) + loss, subsets, groups)

    def cut(column: np.ndarray | None) -> np.ndarray | None:
        return None if column is None else np.ascontiguousarray(column[rows])

    positions = np.arange(sheet.total) if sheet.positions is None else sheet.positions
    data = ([cut(sheet.columns[name]) for name in law.variables], cut(sheet.y),
            cut(sheet.weights), cut(sheet.sigma))
    units = None
    if by is not None:
        whole_table = sheet.rows(slice(None), ())
        units = within(units_of(whole_table, by)[rows], offsets)
    return _Block(law, batch.losses[loss], batch.ons[on], these, data, offsets,
                  positions[rows], np.ascontiguousarray(raw["params"][at]),
                  np.ascontiguousarray(raw["active"][at]), units,
                  np.ascontiguousarray(raw["numbers"][at]) if batch.losses[loss].own_numbers else None)


def within(units: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Unit numbers of the table -> numbers from 0 in each group, by first appearance."""
    group = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    pair = group * (units.max(initial=0) + 1) + units
    _, first, inverse = np.unique(pair, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    rank = rank[inverse]
    starts = np.full(len(offsets) - 1, np.iinfo(np.int64).max)
    np.minimum.at(starts, group, rank)
    return (rank - starts[group]).astype(np.int32)


def _arguments(
    block: _Block, method: str, multiplier: str | None, noise: Any, replicates: int
) -> tuple[Any, ...]:
    lower, upper = block.law.bounds()
    scheme: dict[str, Any] = {"kind": method, "keys": row_keys(block.positions, block.offsets)}
    if block.units is not None:
        scheme["units"] = block.units
    data, objective = block.data, numbered_objective(block.on, block.loss, block.numbers)
    if method in ("residual", "wild", "parametric"):
        scheme |= _targets(block, method, multiplier, noise)
        if block.on == "relative":
            columns, y, weights, sigma = data
            data = (columns, y, weights, np.abs(y) * (1 if sigma is None else sigma))
            objective = ("linear", *objective[1:])
    return (block.law.graph(), data, objective, (lower, upper, block.law.guesses()),
            block.offsets, block.free, replicates, scheme)


def _targets(
    block: _Block, method: str, multiplier: str | None, noise: Any
) -> dict[str, Any]:
    from . import _core

    _, y, weights, sigma = block.data
    fitted, residuals, leverage = _core.rows_of_fits(
        block.law.graph(), block.data, objective_arguments(block.on, block.loss), block.offsets,
        block.free, block.active,
    )
    counts = np.diff(block.offsets)
    unit = sigma if sigma is not None else np.ones(len(y)) if weights is None else weights**-0.5
    left, sd = counts - (block.active == 0).sum(axis=1), None
    if method == "parametric":
        columns = dict(zip(block.law.variables, block.data[0], strict=True))
        sd = noise_of_groups("constant" if noise is None else noise, block.law.variables, block.on,
                             columns, fitted, residuals, unit, block.offsets, left)
    few = int(counts.min()) if block.units is None else _fewest_units(block)
    return new_targets(method, block.on, block.loss.name, y, fitted, residuals, leverage, unit,
                       sd, chosen_multiplier(multiplier, few),
                       block.offsets, block.units is not None)


def _covariances(boots: Bootstraps) -> list[tuple[_Block, np.ndarray, np.ndarray]]:
    from . import _core

    settings, out = boots.settings, []
    chosen = native_options(boots.fits, boots.seed, None)
    absolute = boots.fits.batch.absolute_sigma
    for block in _blocks(boots.fits, settings["by"]):
        arguments = _arguments(block, boots.method, settings["multiplier"], settings["noise"],
                               boots.replicates)
        simulated = boots.method in ("residual", "parametric")
        kind = ("cluster" if settings["clustered"] else
                "jacobian" if simulated and block.loss.name == "squared" else "sandwich")
        free = [block.law.parameters.index(name) for name in block.law.free]
        values = np.stack([boots.params[block.law.parameters[at]][block.which] for at in free], -1)
        drawn = np.array(_core.replicate_covariances(*arguments, np.ascontiguousarray(values),
                                                     kind, absolute, chosen, _pairs(boots, block)))
        once: dict[str, Any] = {"kind": "given", "given": np.ones((1, len(block.data[1])))}
        if block.units is not None:
            once["units"] = block.units
        own = np.array(_core.replicate_covariances(
            block.law.graph(), block.data, numbered_objective(block.on, block.loss, block.numbers),
            arguments[3], block.offsets, block.free, 1, once, block.free[:, None, :], kind,
            absolute, chosen, block.numbers,
        ))[:, 0]
        out.append((block, block.law.full_covariance(own, block.free),
                    block.law.full_covariance(drawn, values)))
    return out


def _pairs(boots: Bootstraps, block: _Block) -> np.ndarray | None:
    """The numbers of a block's replicates as the engine takes them."""
    if boots.numbers is None or block.numbers is None:
        return None
    return np.ascontiguousarray(boots.numbers[block.which].reshape(-1, 2))


def tell(result: Bootstraps, other: int) -> None:
    """At most one warning: failed replicates of fits that converged, and missed optima."""
    alive = result.fits.converged
    failed = int(result.failed[alive].sum())
    told = []
    if failed and result.method != "jackknife":
        told.append(f"{failed:,} of {int(alive.sum()) * result.replicates:,} replicates did not "
                    "converge; summaries leave them out")
    if other:
        told.append(f"{other:,} replicates that were also fitted from automatic starts have a "
                    "lower optimum than the one next to their fit; check=1.0 looks in all")
    if told:
        warnings.warn("; ".join(told), FitWarning, stacklevel=4)


