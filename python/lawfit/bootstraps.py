"""Replicates of many fits: summaries, quantities made from them, and their intervals."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .batch import good_codes
from .blocks import Block, blocks_of, native_options, resampling_arguments
from .covariance import error_kind, unscaled
from .derive import Quantity, bootstrap_interval, delta_errors
from .engine import parameter_bounds
from .independent import few_of_many
from .intervals import DEFAULT, OFF_BOUNDS, check_interval
from .resampling import numbered_objective

if TYPE_CHECKING:
    from .fits import Fits

__all__ = ["Bootstraps", "DerivedMany"]


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
        """Parameter name -> (low, high), arrays over fits; see ``Bootstrap.interval``."""
        self.few(4)
        out = {}
        for name in self.params:
            low, high = self.derive(name).ends(level, method)
            for block in () if self.fits.batch.shares else blocks_of(self.fits, None):
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
        few_of_many(freedom_of(self)[0], bool(self.settings["clustered"]), depth)

    def derive(self, expression: str, **variables: Any) -> DerivedMany:
        """An expression of the parameters (and of variables, numbers) for every replicate."""
        return DerivedMany(self, expression, variables)

    @cached_property
    def jackknives(self) -> Bootstraps:
        """Every fit without each of its units, for BCa."""
        from .bootstrap_many import bootstrap_many

        by = self.settings["by"] if self.settings["clustered"] else None
        return bootstrap_many(self.fits, None, "jackknife", by=by, seed=self.seed, quiet=True)

    @cached_property
    def errors(self) -> list[tuple[Block, np.ndarray, np.ndarray]]:
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
            return {"freedom": freedom_of(boots)}
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


def freedom_of(boots: Bootstraps) -> tuple[np.ndarray, np.ndarray]:
    """Independent units and degrees of freedom of each fit."""
    if "freedom" in boots.settings:  # of joint fits
        count, left = boots.settings["freedom"]
        return count, left
    count, left = np.zeros(len(boots.fits), int), np.zeros(len(boots.fits), int)
    for block in blocks_of(boots.fits, boots.settings["by"]):
        rows = np.diff(block.offsets)
        used = rows if block.units is None or not boots.settings["clustered"] else np.array(
            [block.units[a:b].max() + 1 if b > a else 0
             for a, b in zip(block.offsets[:-1], block.offsets[1:], strict=True)]
        )
        count[block.which] = used
        clustered = block.units is not None and boots.settings["clustered"]
        left[block.which] = used - (1 if clustered else (block.active == 0).sum(axis=1))
    return count, left


def _covariances(boots: Bootstraps) -> list[tuple[Block, np.ndarray, np.ndarray]]:
    from . import _core

    settings, out = boots.settings, []
    chosen = native_options(boots.fits, boots.seed, None)
    for block in blocks_of(boots.fits, settings["by"]):
        absolute = unscaled(block.loss, boots.fits.batch.absolute_sigma)
        arguments = resampling_arguments(block, boots.method, settings["multiplier"],
                                         settings["noise"], boots.replicates)
        kind = error_kind(block.loss, boots.method, settings["clustered"])
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


def _pairs(boots: Bootstraps, block: Block) -> np.ndarray | None:
    """The numbers of a block's replicates as the engine takes them."""
    if boots.numbers is None or block.numbers is None:
        return None
    return np.ascontiguousarray(boots.numbers[block.which].reshape(-1, 2))
