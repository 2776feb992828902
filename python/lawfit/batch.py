"""What ``fit_many`` crossed on one table, and what the engine answered, law by law."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from . import status as _status
from .data import Sheet
from .engine import free_positions
from .fit import as_fit
from .keys import Groups, Key
from .law import Law
from .losses import Loss
from .result import Fit
from .shared import Shared

__all__ = ["INDEX", "Batch", "Crossed", "good_codes", "native_fits", "spread"]

INDEX = ("law", "on", "loss", "subset")
"""The index columns every result has; those of the keys follow."""

Part = tuple["np.ndarray | None", np.ndarray]


@dataclass(frozen=True, eq=False)
class Crossed:
    """Laws x spaces x losses x subsets x groups of one table, the last fastest.

    ``parts`` holds for each subset the row numbers, group after group (None: all rows as they
    stand), and the offsets of the groups; ``key_rows`` says where in the key columns each group's
    keys are (None: one after the other).
    """

    laws: tuple[Law, ...]
    labels: tuple[str, ...]
    ons: tuple[str, ...]
    losses: tuple[Loss, ...]
    subsets: tuple[str, ...]
    keys: tuple[Key, ...]
    key_rows: np.ndarray | None
    groups: Groups
    parts: tuple[Part, ...]
    sheet: Sheet


@dataclass(frozen=True, eq=False)
class Batch(Crossed):
    """What was crossed, and the engine's arrays.

    A *job* is one fit; jobs are numbered in the order in which they are crossed. ``raw`` has for
    each law the engine's arrays, whose leading axes are objectives, subsets and groups.
    ``start_kinds`` says for each law where its starts came from, ``level`` on which CPU level the
    engine ran.
    """

    raw: tuple[Mapping[str, np.ndarray], ...]
    start_kinds: tuple[str, ...]
    settings: Mapping[str, Any]
    absolute_sigma: bool
    level: str
    shares: tuple[tuple[str, ...], ...] = ()
    """For each law the free parameters that its groups share; empty: groups were fitted alone."""
    joints: tuple[Mapping[str, np.ndarray], ...] = ()
    """For each law the arrays of its joint fits, whose leading axes are objectives and subsets."""

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """How many laws, spaces, losses, subsets and groups."""
        return (len(self.laws), len(self.ons), len(self.losses), len(self.subsets),
                len(self.groups))  # fmt: skip

    def __len__(self) -> int:
        return int(np.prod(self.shape))

    @cached_property
    def _flat(self) -> dict[str, np.ndarray]:
        return {}

    def flat(self, name: str) -> np.ndarray:
        """One of the engine's arrays that have one number a job, over all jobs."""
        if name not in self._flat:
            blocks = [raw[name].reshape(-1) for raw in self.raw]
            self._flat[name] = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        return self._flat[name]

    @cached_property
    def params(self) -> dict[str, np.ndarray]:
        """Parameter name -> one value a job, NaN where the job's law lacks it."""
        return self.by_name([np.asarray(law.expand(raw["params"]))
                             for law, raw in zip(self.laws, self.raw, strict=True)], np.nan)

    @cached_property
    def active(self) -> dict[str, np.ndarray]:
        """Parameter name -> -1 on its lower bound, 1 on its upper, else 0; one a job."""
        return self.by_name([spread(law, raw["active"], 0)
                             for law, raw in zip(self.laws, self.raw, strict=True)], 0)

    def by_name(self, blocks: list[np.ndarray], lacking: float) -> dict[str, np.ndarray]:
        """Arrays [..., parameters], one for each law, as name -> one value a job."""
        each = len(self) // len(self.laws)
        names = dict.fromkeys(name for law in self.laws for name in law.parameters)
        out = {name: np.full(len(self), lacking, blocks[0].dtype) for name in names}
        for position, (law, block) in enumerate(zip(self.laws, blocks, strict=True)):
            jobs = slice(position * each, (position + 1) * each)
            for place, name in enumerate(law.parameters):
                out[name][jobs] = block[..., place].reshape(-1)
        return out

    @cached_property
    def rows_each(self) -> np.ndarray:
        """How many rows each job fits."""
        sizes = np.concatenate([np.diff(offsets) for _, offsets in self.parts])
        return np.tile(sizes, len(self) // len(sizes)) if len(sizes) else sizes

    @cached_property
    def levels(self) -> dict[str, np.ndarray]:
        """Index column -> its values over laws, spaces, losses, subsets; of a key, over groups."""
        return {
            "law": np.array(self.labels), "on": np.array(self.ons),
            "loss": np.array([str(loss) for loss in self.losses]),
            "subset": np.array(self.subsets),
            **{key.name: key.values(self.key_rows) for key in self.keys},
        }

    def places(self, jobs: np.ndarray) -> tuple[np.ndarray, ...]:
        """Each job's place among the laws, spaces, losses, subsets and groups."""
        return np.unravel_index(jobs, self.shape)

    def job_rows(self, subset: int, group: int) -> np.ndarray | slice:
        """The rows of the sheet that a group of a subset has."""
        rows, offsets = self.parts[subset]
        span = slice(int(offsets[group]), int(offsets[group + 1]))
        return span if rows is None else rows[span]

    def rows_of(
        self, subsets: np.ndarray, groups: np.ndarray
    ) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
        """(rows, begins, counts) of jobs given by subset and group, ``begins`` into ``rows``.

        ``rows`` are the sheet's rows of the jobs under each other; None when the sheet has every
        job's rows together already, which ``begins`` then counts from its top.
        """
        table = np.array([offsets for _, offsets in self.parts])
        begins, ends = table[subsets, groups], table[subsets, groups + 1]
        counts = ends - begins
        if len(self.parts) == 1 and self.parts[0][0] is None:
            return None, begins, counts
        firsts = np.cumsum(counts) - counts
        within = np.arange(counts.sum()) - np.repeat(firsts, counts)
        wanted = np.repeat(begins, counts) + within
        rows = np.empty_like(wanted)
        owner = np.repeat(subsets, counts)
        for subset, (own, _) in enumerate(self.parts):
            mine = owner == subset
            rows[mine] = wanted[mine] if own is None else own[wanted[mine]]
        return rows, firsts, counts

    def row_sums(self, values: np.ndarray) -> np.ndarray:
        """[subsets, groups]: sums over the rows of each group of one value a row of the sheet."""
        out = np.empty(self.shape[3:])
        for subset, (rows, offsets) in enumerate(self.parts):
            owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
            taken = values[offsets[0]:offsets[-1]] if rows is None else values[rows]
            out[subset] = np.bincount(owner, taken, minlength=len(offsets) - 1)
        return out

    def fit(self, job: int) -> Fit:
        """One job as ``lf.fit`` returns it."""
        law, on, loss, subset, group = (int(place) for place in self.places(np.asarray(job)))
        objective = on * len(self.losses) + loss
        raw = {name: values[objective, subset, group][None]
               for name, values in self.raw[law].items()}  # fmt: skip
        rows = self.sheet.rows(self.job_rows(subset, group), self.laws[law].variables)
        settings = {**self.settings, "starts": self.start_kinds[law]}
        joint = self.joint((law, on, loss, subset)).part(group) if self.shares else None
        return as_fit(self.laws[law], rows, self.ons[on], self.losses[loss], raw,
                      self.absolute_sigma, settings, self.level, joint)

    @cached_property
    def _joint(self) -> dict[tuple[int, ...], Shared]:
        return {}

    def joint(self, place: tuple[int, int, int, int]) -> Shared:
        """The joint fit of a law, space, loss and subset, given by their places."""
        if place not in self._joint:
            self._joint[place] = Shared(self, place)
        return self._joint[place]


def native_fits(
    asked: Sequence[tuple[Any, ...]], chosen: dict[str, Any],
    report: Callable[[int, int], Any] | None,
) -> list[tuple[Mapping[str, np.ndarray], ...]]:
    """The one native call: for each request and law the arrays of its fits, [objectives, parts,
    groups, ...].

    A request is (laws, starts, sheet, objectives, parts), ``starts`` being as ``read_starts``
    gives them; ``chosen`` are the engine's options.
    """
    from . import _core

    return [tuple(raw) for raw in
            _core.fit_many([_native_request(*request) for request in asked], chosen, report)]


def _native_request(
    laws: Sequence[Law], starts: Sequence[tuple[np.ndarray | None, int]], sheet: Sheet,
    objectives: Sequence[tuple[str, Loss]], parts: Sequence[Part],
) -> tuple[Any, ...]:
    """One table's part of the call as the engine takes it."""
    arrays = {sheet.sources[name]: column for name, column in sheet.columns.items()}
    order = {source: place for place, source in enumerate(arrays)}
    return (
        [
            (law.graph(), [order[sheet.sources[name]] for name in law.variables], *law.bounds(),
             law.guesses(), *start)
            for law, start in zip(laws, starts, strict=True)
        ],
        list(arrays.values()), sheet.y, sheet.weights, sheet.sigma,
        [(space, loss.engine, loss.at(None)) for space, loss in objectives], list(parts),
    )


def spread(law: Law, free: np.ndarray, fixed: float) -> np.ndarray:
    """Values over the free parameters -> over all; ``fixed`` where there is no free one."""
    padded = np.concatenate([free, np.full((*free.shape[:-1], 1), fixed, free.dtype)], axis=-1)
    return padded[..., free_positions(law)]


def good_codes() -> np.ndarray:
    """For each of the engine's status codes whether it means an optimum."""
    return np.array([name in _status.GOOD for name, _ in _status.statuses()])
