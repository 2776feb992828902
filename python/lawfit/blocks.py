"""The fits of one law and objective side by side, as the engine resamples them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .engine import objective_arguments, options
from .noise import noise_of_groups
from .resampling import (
    chosen_multiplier,
    draws_from,
    likelihood_targets,
    new_targets,
    numbered_objective,
)
from .units import row_keys, units_of

if TYPE_CHECKING:
    from .fits import Fits

__all__ = ["Block", "blocks_of", "most_units", "native_options", "resampling_arguments", "within"]


@dataclass(frozen=True, eq=False)
class Block:
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
    objective: np.ndarray


def blocks_of(fits: Fits, by: Any) -> list[Block]:
    """The fits sorted by law and objective, with the rows each of them used."""
    return [replace(block, which=which[block.which]) for part, which in fits.by_table
            for block in (_block_of(part, these, by) for these in part.by_objective)]


def _block_of(fits: Fits, these: np.ndarray, by: Any) -> Block:
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
    return Block(law, batch.losses[loss], batch.ons[on], these, data, offsets,
                 positions[rows], np.ascontiguousarray(raw["params"][at]),
                 np.ascontiguousarray(raw["active"][at]), units,
                 np.ascontiguousarray(raw["numbers"][at]) if batch.losses[loss].own_numbers
                 else None, np.ascontiguousarray(raw["objective"][at]))


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


def native_options(fits: Fits, seed: int, threads: int | None) -> dict[str, Any]:
    limits = {name: value for name, value in fits.batch.settings.items() if name != "starts"}
    return options(**{**limits, "seed": seed}, keep_starts=False, threads=threads)


def most_units(block: Block) -> int:
    if block.units is not None:
        return int(block.units.max()) + 1
    return int(np.diff(block.offsets).max(initial=0))


def _fewest_units(block: Block) -> int:
    """Of the fit with the fewest units, whose number decides the multiplier for all."""
    starts = block.offsets[:-1][np.diff(block.offsets) > 0]
    return int(np.maximum.reduceat(block.units, starts).min()) + 1


def resampling_arguments(
    block: Block, method: str, multiplier: str | None, noise: Any, replicates: int
) -> tuple[Any, ...]:
    lower, upper = block.law.bounds()
    scheme: dict[str, Any] = {"kind": method, "keys": row_keys(block.positions, block.offsets)}
    if block.units is not None:
        scheme["units"] = block.units
    data, objective = block.data, numbered_objective(block.on, block.loss, block.numbers)
    if method in ("residual", "wild", "parametric"):
        scheme |= targets_of(block, method, multiplier, noise)
        if block.on == "relative":
            columns, y, weights, sigma = data
            data = (columns, y, weights, np.abs(y) * (1 if sigma is None else sigma))
            objective = ("linear", *objective[1:])
    return (block.law.graph(), data, objective, (lower, upper, block.law.guesses()),
            block.offsets, block.free, replicates, scheme)


def targets_of(
    block: Block, method: str, multiplier: str | None, noise: Any
) -> dict[str, Any]:
    from . import _core

    _, y, weights, sigma = block.data
    fitted, residuals, leverage = _core.rows_of_fits(
        block.law.graph(), block.data, objective_arguments(block.on, block.loss), block.offsets,
        block.free, block.active,
    )
    if method == "parametric" and draws_from(block.loss, noise):
        return likelihood_targets(block.loss, block.on, y, weights, sigma, fitted, block.numbers,
                                  block.objective, block.offsets)
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
