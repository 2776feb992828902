"""Bootstraps of many fits at once: one native call for each law and objective among them."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from . import status as _status
from .batch import good_codes
from .blocks import blocks_of, most_units, native_options, resampling_arguments
from .bootstraps import Bootstraps
from .engine import progress_callback, whole
from .errors import FitWarning
from .resampling import METHODS as SCHEMES
from .resampling import check_method

if TYPE_CHECKING:
    from .fits import Fits

__all__ = ["bootstrap_many"]


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
        from .shared_bootstrap import bootstrap_shared

        return bootstrap_shared(fits, n, method, by=by, seed=seed, check=check, threads=threads,
                                progress=progress, quiet=quiet)
    if multiplier is not None and method != "wild":
        raise ValueError(f"multiplier: goes with method='wild', not {method!r}")
    blocks = blocks_of(fits, by)
    if method == "jackknife":
        replicates = max((most_units(block) for block in blocks), default=0)
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
        check_method(block.loss, method, noise)
        raw = _core.resample(
            *resampling_arguments(block, method, multiplier, noise, replicates),
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


def cancelled() -> int:
    return [name for name, _ in _status.statuses()].index("cancelled")


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
