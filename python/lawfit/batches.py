"""The fits of several tables, one batch after the other, as if they were one batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .batch import Batch
    from .law import Law
    from .losses import Loss
    from .result import Fit

__all__ = ["Batches"]


@dataclass(frozen=True, eq=False)
class Batches:
    """Fits of laws that have tables of their own: what a ``Batch`` says, over all of ``each``.

    Jobs are numbered through. Spaces, losses and subsets are those of any batch; the groups of
    one table are other groups than those of another.
    """

    each: tuple[Batch, ...]

    def __len__(self) -> int:
        return int(self.firsts[-1])

    @cached_property
    def firsts(self) -> np.ndarray:
        """The first job of every batch, and how many there are."""
        return np.concatenate([[0], np.cumsum([len(batch) for batch in self.each])])

    @property
    def laws(self) -> tuple[Law, ...]:
        return tuple(law for batch in self.each for law in batch.laws)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(label for batch in self.each for label in batch.labels)

    @cached_property
    def ons(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(on for batch in self.each for on in batch.ons))

    @cached_property
    def losses(self) -> tuple[Loss, ...]:
        return tuple({str(loss): loss for batch in self.each for loss in batch.losses}.values())

    @property
    def subsets(self) -> tuple[str, ...]:
        return self.each[0].subsets

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.each[0].settings

    @property
    def absolute_sigma(self) -> bool:
        return self.each[0].absolute_sigma

    @property
    def shares(self) -> tuple[tuple[str, ...], ...]:
        return ()

    @cached_property
    def shape(self) -> tuple[int, int, int, int, int]:
        """How many laws, spaces, losses, subsets and groups; not all are crossed."""
        groups = sum(len(batch.groups) for batch in self.each)
        return (len(self.laws), len(self.ons), len(self.losses), len(self.subsets), groups)

    @cached_property
    def levels(self) -> dict[str, np.ndarray]:
        """As ``Batch.levels``: index column -> its values."""
        found = [batch.levels for batch in self.each]
        return {
            **{name: np.array(values) for name, values in (
                ("law", self.labels), ("on", self.ons),
                ("loss", [str(loss) for loss in self.losses]), ("subset", self.subsets))},
            **{key.name: np.concatenate([levels[key.name] for levels in found])
               for key in self.each[0].keys},
        }

    @cached_property
    def _places(self) -> np.ndarray:
        """[5, jobs]: as ``places`` has them."""
        losses = [str(loss) for loss in self.losses]
        law = group = 0
        out = []
        for batch in self.each:
            own = np.array(batch.places(np.arange(len(batch)))).reshape(5, -1)
            own[0] += law
            own[1] = np.array([self.ons.index(on) for on in batch.ons])[own[1]]
            own[2] = np.array([losses.index(str(loss)) for loss in batch.losses])[own[2]]
            own[4] += group
            law, group = law + len(batch.laws), group + len(batch.groups)
            out.append(own)
        return np.concatenate(out, axis=1)

    def places(self, jobs: np.ndarray) -> tuple[np.ndarray, ...]:
        """Each job's place among the laws, spaces, losses, subsets and groups."""
        return tuple(self._places[:, jobs])

    def split(self, jobs: np.ndarray) -> list[tuple[Batch, np.ndarray, np.ndarray]]:
        """Each batch that some jobs are of, their numbers in it, and which of the jobs they are."""
        owner = np.searchsorted(self.firsts, jobs, side="right") - 1
        return [(self.each[at], jobs[owner == at] - self.firsts[at], np.flatnonzero(owner == at))
                for at in np.unique(owner).tolist()]

    def flat(self, name: str) -> np.ndarray:
        """One of the engine's arrays that have one number a job, over all jobs."""
        return np.concatenate([batch.flat(name) for batch in self.each])

    @cached_property
    def params(self) -> dict[str, np.ndarray]:
        """Parameter name -> one value a job, NaN where the job's law lacks it."""
        return self._by_name([batch.params for batch in self.each], np.nan)

    @cached_property
    def active(self) -> dict[str, np.ndarray]:
        """Parameter name -> -1 on its lower bound, 1 on its upper, else 0; one a job."""
        return self._by_name([batch.active for batch in self.each], 0)

    def _by_name(
        self, columns: Sequence[Mapping[str, np.ndarray]], lacking: float
    ) -> dict[str, np.ndarray]:
        kind = next(iter(columns[0].values())).dtype
        names = dict.fromkeys(name for own in columns for name in own)
        out = {name: np.full(len(self), lacking, kind) for name in names}
        for at, own in enumerate(columns):
            for name, values in own.items():
                out[name][self.firsts[at] : self.firsts[at + 1]] = values
        return out

    @cached_property
    def rows_each(self) -> np.ndarray:
        """How many rows each job fits."""
        return np.concatenate([batch.rows_each for batch in self.each])

    def fit(self, job: int) -> Fit:
        """One job as ``lf.fit`` returns it."""
        at = int(np.searchsorted(self.firsts, job, side="right")) - 1
        return self.each[at].fit(job - int(self.firsts[at]))
