"""Errors on rows that a fit has not seen: folds or a held-out part, refitted in one native call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .batch import good_codes, native_fits
from .engine import options, thread_count, whole
from .joint_call import native_shared
from .keys import masked

if TYPE_CHECKING:
    from .batch import Batch, Part
    from .fits import Fits

__all__ = ["fold_masks", "held_out_errors", "holdout_mask", "measuring_space"]


def measuring_space(fits: Fits, on: str | None) -> str:
    """Where errors are measured: as asked, else the fits' own space, else log if y allows it."""
    spaces = {fits.batch.ons[place] for place in np.unique(fits.places[1])}
    known = ("linear", "log", "logit", "relative")
    if on is not None and on not in known:
        raise ValueError(f"rank: unknown residual space {on!r}; choose from {', '.join(known)}")
    if on is None and len(spaces) == 1:
        return spaces.pop()
    return on or ("log" if (fits.batch.sheet.y > 0).all() else "linear")


def fold_masks(batch: Batch, folds: int, seed: int) -> list[np.ndarray]:
    """For each fold the rows of the sheet it holds out, dealt evenly within every group."""
    folds, groups = whole("folds", folds, 2), batch.groups
    drawn = np.random.default_rng(whole("seed", seed, 0)).random(len(batch.sheet))
    order = np.lexsort((drawn, groups.ids))
    within = np.arange(len(order)) - np.repeat(groups.offsets[:-1], np.diff(groups.offsets))
    dealt = np.empty(len(order), dtype=np.int64)
    dealt[order] = within % folds
    return [dealt == fold for fold in range(folds)]


def holdout_mask(batch: Batch, holdout: Any) -> list[np.ndarray]:
    """A mask over the table's rows, for the rows of the sheet."""
    mask = np.asarray(holdout)
    sheet = batch.sheet
    if mask.dtype.kind != "b" or mask.shape != (sheet.total,):
        raise ValueError("rank: holdout= must be a boolean mask, one value for each of the "
                         f"{sheet.total} rows of the table")
    return [mask if sheet.positions is None else mask[sheet.positions]]


def held_out_errors(fits: Fits, masks: list[np.ndarray], on: str) -> np.ndarray:
    """Root mean squared error of each fit's law on held-out rows, each mask refitted without.

    Rows are weighted as in the fits. NaN where a refit failed or nothing was held out.
    """
    batch = fits.batch
    laws = np.unique(fits.places[0])
    parts = [(part, mask) for part in batch.parts for mask in masks]
    learn = [masked(*part, ~mask) for part, mask in parts]
    test = [masked(*part, mask) for part, mask in parts]
    asked = (
        [batch.laws[law] for law in laws], [(None, 0)] * len(laws), batch.sheet,
        [(on, loss) for on in batch.ons for loss in batch.losses], learn,
    )
    chosen = options(**batch.settings, keep_starts=False, threads=None)
    if batch.shares:
        raw, _ = native_shared(*asked, chosen, None, [batch.shares[law] for law in laws])
    else:
        raw = native_fits([asked], chosen, None)[0]
    shape = (len(batch.parts), len(masks), len(batch.groups))
    weight = _weights(batch, test).reshape(shape).sum(axis=1)
    errors = np.full(batch.shape, np.nan)
    for law, found in zip(laws, raw, strict=True):
        for objective in range(len(batch.ons) * len(batch.losses)):
            squares = _squares(batch, int(law), found, objective, test, on).reshape(shape)
            place = np.unravel_index(objective, batch.shape[1:3])
            with np.errstate(invalid="ignore", divide="ignore"):
                errors[(law, *place)] = np.sqrt(squares.sum(axis=1) / weight)
    return errors[fits.places]


def _weights(batch: Batch, test: list[Part]) -> np.ndarray:
    """[parts, groups]: the weight of the held-out rows."""
    weights = batch.sheet.weights
    out = np.empty((len(test), len(batch.groups)))
    for place, (rows, offsets) in enumerate(test):
        owner = np.repeat(np.arange(len(batch.groups)), np.diff(offsets))
        each = None if weights is None else weights[rows]
        out[place] = np.bincount(owner, each, minlength=len(batch.groups))
    return out


def _squares(
    batch: Batch, law_place: int, found: dict[str, np.ndarray], objective: int, test: list[Part],
    on: str,
) -> np.ndarray:
    """[parts, groups]: weighted sums of squared errors on the held-out rows."""
    from . import _core

    law, sheet = batch.laws[law_place], batch.sheet
    rows = np.concatenate([own for own, _ in test])
    lengths = np.array([np.diff(offsets) for _, offsets in test])
    counts = lengths.ravel()
    params = found["params"][objective].reshape(len(counts), -1)
    halves = _core.objectives(
        law.graph(), [sheet.columns[name][rows] for name in law.variables], sheet.y[rows],
        None if sheet.weights is None else sheet.weights[rows],
        None if sheet.sigma is None else sheet.sigma[rows], on, "squared", 0.0, params,
        np.cumsum(counts) - counts, counts, thread_count(None),
    )
    good = good_codes()[found["status"][objective]].ravel()
    squares = np.where(counts == 0, 0.0, np.where(good, 2 * halves, np.nan))
    return squares.reshape(lengths.shape)
