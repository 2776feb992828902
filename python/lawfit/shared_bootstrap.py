"""Bootstraps of joint fits: every replicate refits all groups that share parameters together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .blocks import native_options, within
from .bootstrap_many import cancelled, tell
from .bootstraps import Bootstraps
from .engine import objective_arguments, progress_callback, whole
from .shared import Shared
from .units import row_keys

if TYPE_CHECKING:
    from .fits import Fits

__all__ = ["bootstrap_shared"]

_METHODS = ("pairs", "cluster", "bayesian", "jackknife")


def bootstrap_shared(
    fits: Fits, n: int | None, method: str, *, by: Any, seed: int, check: float,
    threads: int | None, progress: Any, quiet: bool,
) -> Bootstraps:
    """See ``Fits.bootstrap``.

    ``"pairs"`` draws rows within every group and ``"bayesian"`` weights them; ``"cluster"`` draws
    clusters within every group, or of the whole table where a cluster has rows of several
    groups or a group is a single cluster; ``"jackknife"`` leaves out each row (cluster) of the
    table once.
    """
    if method not in _METHODS:
        raise ValueError(f"method: {method!r} is not there for fits that share parameters; "
                         f"choose from {', '.join(_METHODS)}")
    if check:
        raise ValueError("check: replicates of fits that share parameters are refitted from the "
                         "fit alone; leave check= out")
    replicates = 1000 if n is None else whole("n", n, 1)
    blocks = [(joint, these, _scheme(joint, method, by)) for joint, these in fits.joints]
    if method == "jackknife":
        replicates = max((int(scheme["units"].max(initial=-1)) + 1 for *_, scheme in blocks),
                         default=0)
    names = dict.fromkeys(name for joint, *_ in blocks for name in joint.law.parameters)
    params = {name: np.full((len(fits), replicates), np.nan) for name in names}
    objective = np.full((len(fits), replicates), np.nan)
    status = np.full((len(fits), replicates), cancelled(), dtype=np.int8)
    for joint, these, scheme in blocks:
        raw = _refits(joint, replicates, scheme, native_options(fits, seed, threads), progress)
        groups = fits.places[4][these]
        full = np.array(joint.law.expand(raw["params"]))[groups]
        for place, name in enumerate(joint.law.parameters):
            params[name][these] = full[..., place]
        objective[these], status[these] = raw["objective"], raw["status"]
    settings = {"by": by, "multiplier": None, "clustered": by is not None,
                "freedom": _freedom(fits, blocks, by)}
    result = Bootstraps(fits, method, params, objective, status, int(seed), settings)
    params.update({name: np.where(result.good, column, np.nan) for name, column in params.items()})
    if not quiet:
        tell(result, 0)
    return result


def _freedom(
    fits: Fits, blocks: list[tuple[Shared, np.ndarray, dict[str, Any]]], by: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Independent units and degrees of freedom of the joint fit behind each fit."""
    count, left = np.zeros(len(fits), int), np.zeros(len(fits), int)
    for joint, these, _ in blocks:
        units = joint.rows if by is None else len(np.unique(_units(joint, by)))
        count[these] = units
        left[these] = joint.freedom if by is None else units - 1
    return count, left


def _units(joint: Shared, by: Any) -> np.ndarray:
    """The clusters of the joint fit's rows, numbered from 0 without gaps."""
    units = joint.units(by)
    return within(units, np.array([0, len(units)]))


def _scheme(joint: Shared, method: str, by: Any) -> dict[str, Any]:
    """What is drawn, as the engine takes it."""
    (_, y, *_), offsets = joint.data
    sheet, rows = joint.batch.sheet, joint.batch.parts[joint.place[3]][0]
    positions = np.arange(sheet.total) if sheet.positions is None else sheet.positions
    positions = positions if rows is None else positions[rows]
    units = np.arange(len(y), dtype=np.int32) if by is None else _units(joint, by)
    inside = method in ("pairs", "bayesian") and by is None
    if by is not None and method != "jackknife":
        group = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        pairs = np.unique(np.stack([units, group]), axis=1)
        nested = pairs.shape[1] == len(np.unique(units))
        inside = nested and bool((np.unique(pairs[1], return_counts=True)[1] > 1).all())
    spans = offsets if inside else np.array([0, len(y)])
    scheme: dict[str, Any] = {"kind": method, "within": inside,
                              "keys": row_keys(positions, spans)}
    if by is not None or method == "jackknife":
        scheme["units"] = within(units, offsets) if inside else units
    return scheme


def _refits(
    joint: Shared, replicates: int, scheme: dict[str, Any], chosen: dict[str, Any], progress: Any
) -> dict[str, np.ndarray]:
    from . import _core

    law = joint.law
    data, offsets = joint.data
    return _core.resample_shared(
        law.graph(), data, objective_arguments(joint.on, joint.loss),
        (*law.bounds(), law.guesses()), offsets, joint.mask, joint.raw("params"),
        replicates, scheme, chosen, progress_callback(progress),
    )
