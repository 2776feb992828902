"""The result of many fits: columns of numbers, one row a fit, any of which can be looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from . import status as _status
from .batch import Batch, good_codes
from .batches import Batches
from .grammar import closest
from .losses import Loss

if TYPE_CHECKING:
    from pathlib import Path

    from .bootstraps import Bootstraps
    from .rank import Ranking
    from .result import Fit
    from .shared import Shared

__all__ = ["Fits"]

_REAL = ("best_basin_share", "second_objective", "gradient_norm")
_WHOLE = ("n_starts", "n_converged", "n_iterations", "moved")


@dataclass(frozen=True, eq=False, repr=False)
class Fits:
    """Many fits, one row each, in the order laws, on, losses, subsets, groups (the last fastest).

    ``index`` maps the index columns (``law``, ``on``, ``loss``, ``subset`` and the keys) to
    arrays, ``params`` and ``stderr`` parameter names to arrays (NaN where a law lacks the
    parameter), ``diagnostics`` the names that ``Fit.diagnostics`` has; ``objective``,
    ``status``, ``converged`` and ``rows`` are arrays. Arrays are read-only, have one value a
    fit, and are made when first looked at.

    ``fits[i]`` is the ``Fit`` that ``lf.fit`` would make of the same rows; slices, boolean
    masks, arrays of numbers and ``where`` select rows.

    >>> import lawfit as lf
    >>> runs = {"size": [1, 2, 3, 1, 2, 3], "seed": ["a", "a", "a", "b", "b", "b"],
    ...         "loss": [3.1, 5.2, 6.9, 2.0, 2.6, 3.0]}
    >>> fits = lf.fit_many("loss = a + b*size", runs, by="seed", on=["linear", "log"])
    >>> len(fits), len(fits.where(on="log")), fits[1].params == fits.where(seed="b")[0].params
    (4, 2, True)
    >>> fits.where(on="log").objective.round(6)
    array([0.000489, 0.000506])
    """

    batch: Batch | Batches
    selection: np.ndarray | None = None
    """The jobs of the batch that this result shows; None for all."""

    def __len__(self) -> int:
        return len(self.batch) if self.selection is None else len(self.selection)

    # ---- columns ----

    @cached_property
    def index(self) -> dict[str, np.ndarray]:
        """Index column -> array: law, on, loss, subset, and the keys by their own names."""
        places = self.places
        levels = self.batch.levels
        return {
            name: self._frozen(level[places[min(axis, 4)]])
            for axis, (name, level) in enumerate(levels.items())
        }

    @cached_property
    def params(self) -> dict[str, np.ndarray]:
        """Parameter name -> array, NaN where a law lacks the parameter."""
        return {name: self._picked(column) for name, column in self.batch.params.items()}

    @cached_property
    def stderr(self) -> dict[str, np.ndarray]:
        """Parameter name -> standard error, as ``Fit.stderr``: NaN where it is undefined."""
        return {name: self._frozen(column) for name, column in self._errors[0].items()}

    @cached_property
    def nuisance(self) -> dict[str, np.ndarray]:
        """Estimated numbers of the likelihoods, as ``Fit.nuisance``: name -> array, NaN where a
        fit's loss lacks it. Empty for losses without any."""
        return {name: self._frozen(column) for name, column in self._nuisance[0].items()}

    @cached_property
    def nuisance_stderr(self) -> dict[str, np.ndarray]:
        """Their standard errors, as ``Fit.nuisance_stderr``."""
        return {name: self._frozen(column) for name, column in self._nuisance[1].items()}

    @cached_property
    def log_likelihood(self) -> np.ndarray:
        """One log-likelihood a fit, as ``Fit.log_likelihood``; NaN for losses that are none."""
        from .information import log_likelihoods

        return self._frozen(log_likelihoods(self))

    @cached_property
    def objective(self) -> np.ndarray:
        """The objective of each fit: the weighted sum over its rows of the pointwise loss."""
        return self._column("objective")

    @cached_property
    def status(self) -> np.ndarray:
        """The name of each fit's status."""
        names = np.array([name for name, _ in _status.statuses()])
        return self._frozen(names[self.codes])

    @cached_property
    def codes(self) -> np.ndarray:
        """The engine's number of each fit's status, in the order of the list of statuses."""
        return self._column("status")

    @cached_property
    def converged(self) -> np.ndarray:
        """Whether each fit found an optimum (possibly on a bound)."""
        return self._frozen(good_codes()[self.codes])

    @cached_property
    def rows(self) -> np.ndarray:
        """How many rows of the table each fit used."""
        return self._picked(self.batch.rows_each)

    @cached_property
    def diagnostics(self) -> dict[str, Any]:
        """Name -> array; ``active_bounds`` is a dict parameter -> -1 lower, 1 upper, else 0."""
        found: dict[str, Any] = {name: self._column(name) for name in (*_WHOLE, *_REAL)}
        active = self.batch.active
        found["active_bounds"] = {name: self._picked(codes) for name, codes in active.items()}
        return found

    def status_counts(self) -> dict[str, int]:
        """Status name -> how many fits have it, the most frequent first; absent ones left out."""
        names = [name for name, _ in _status.statuses()]
        counts = np.bincount(self.codes, minlength=len(names))
        order = np.argsort(-counts, kind="stable")
        return {names[code]: int(counts[code]) for code in order if counts[code]}

    @property
    def shared(self) -> Shared:
        """What the groups share, where ``share=`` made one joint fit of them: a ``Shared``.

        ValueError when nothing is shared, and when the fits belong to several joint fits.

        >>> import lawfit as lf
        >>> table = {"x": [1, 2, 3, 1, 2], "y": [2.0, 3.0, 4.0, 5.0, 6.0], "run": list("pppqq")}
        >>> lf.fit_many("y = a + b*x", table, by="run", share="b").shared.params
        {'b': 1.0}
        """
        if not self.batch.shares:
            raise ValueError("shared: these groups were fitted alone; fit_many(..., share=[...]) "
                             "fits them together")
        if len(self.joints) != 1:
            raise ValueError(f"shared: there are {len(self.joints)} joint fits here; choose one "
                             "with fits.where(law=..., on=..., loss=..., subset=...)")
        return self.joints[0][0]

    @cached_property
    def joints(self) -> list[tuple[Shared, np.ndarray]]:
        """Every joint fit that some of these are part of, and which of them are; none without."""
        if not self.batch.shares:
            return []
        shape = self.batch.shape[:4]
        kinds = np.ravel_multi_index(self.places[:4], shape)
        found = []
        for kind in np.unique(kinds):
            law, on, loss, subset = (int(at) for at in np.unravel_index(kind, shape))
            found.append((self.batch.joint((law, on, loss, subset)), np.flatnonzero(kinds == kind)))
        return found

    # ---- rows ----

    @overload
    def __getitem__(self, which: int) -> Fit: ...
    @overload
    def __getitem__(self, which: slice | np.ndarray | list[int]) -> Fits: ...
    def __getitem__(self, which: Any) -> Any:
        """One ``Fit`` by number; a ``Fits`` by slice, boolean mask or array of numbers."""
        if isinstance(which, (int, np.integer)) and not isinstance(which, (bool, np.bool_)):
            number = int(which)
            if not -len(self) <= number < len(self):
                raise IndexError(f"fit {number} of {len(self)}")
            return self.batch.fit(int(self._jobs[number]))
        if not isinstance(which, slice):
            which = np.asarray(which)
            if which.dtype.kind not in "bi" and which.size:
                raise TypeError("fits[...] takes a number, a slice, a mask or an array of numbers; "
                                "by name: fits.where(law=...)")
            if which.dtype.kind == "b" and which.shape != (len(self),):
                raise IndexError(f"a mask of shape {which.shape} for {len(self)} fits")
            which = which if which.size else which.astype(np.int64)
        return Fits(self.batch, self._jobs[which])

    def __iter__(self) -> Iterator[Fit]:
        return (self[number] for number in range(len(self)))

    def where(self, **values: Any) -> Fits:
        """The fits whose index columns, or ``status``, have these values (or one of a list).

        Raises ValueError for a name that is no index column and for a value that no fit of the
        call has.

        >>> import lawfit as lf
        >>> table = {"x": [1, 2, 3, 4], "y": [1.0, 2.1, 2.9, 4.2]}
        >>> fits = lf.fit_many(["a*x", "a + b*x"], table, "y", losses=["squared", lf.Huber(0.1)])
        >>> fits.where(law="a*x", loss=lf.Huber(0.1)).index["law"].tolist()
        ['a*x']
        """
        keep = np.ones(len(self), bool)
        for name, wanted in values.items():
            if name == "status":
                names = np.array([each for each, _ in _status.statuses()])
                keep &= _matching(name, names, wanted)[self.codes]
            elif name in self.batch.levels:
                axis = min(list(self.batch.levels).index(name), 4)
                keep &= _matching(name, self.batch.levels[name], wanted)[self.places[axis]]
            else:
                known = (*self.batch.levels, "status")
                raise ValueError(f"where: {name!r} is no index column{closest(name, known)}; "
                                 f"there are {', '.join(known)}")
        return self[keep]

    @property
    def failed(self) -> Fits:
        """The fits that did not converge."""
        return self[~self.converged]

    # ---- forms ----

    def table(self) -> dict[str, np.ndarray]:
        """Everything as columns: index, rows, parameters, standard errors, objective, status.

        A parameter's standard error is called ``NAME_stderr``; a parameter whose name another
        column has, ``parameter_NAME``.

        >>> import lawfit as lf
        >>> fits = lf.fit_many("a*x", {"x": [1, 2, 3], "y": [1.0, 2.1, 2.9]}, "y")
        >>> {name: column[0] for name, column in fits.table().items() if name in ("law", "rows")}
        {'law': np.str_('a*x'), 'rows': np.int64(3)}
        """
        from .frames import columns

        return columns(self)

    def to_pandas(self) -> Any:
        """``table()`` as a pandas DataFrame. ImportError when pandas is missing."""
        from .frames import to_pandas

        return to_pandas(self.table())

    def to_polars(self) -> Any:
        """``table()`` as a polars DataFrame. ImportError when polars is missing."""
        from .frames import to_polars

        return to_polars(self.table())

    def to_arrow(self) -> Any:
        """``table()`` as a pyarrow Table. ImportError when pyarrow is missing."""
        from .frames import to_arrow

        return to_arrow(self.table())

    def bootstrap(
        self, n: int | None = None, method: str = "pairs", *, by: Any = None, seed: int = 0,
        check: float = 0.0, multiplier: str | None = None, noise: Any = None,
        threads: int | None = None, progress: Any = None,
    ) -> Bootstraps:
        """``n`` (default 1,000) replicates of every fit, in one native call for each objective.

        Arguments as for ``Fit.bootstrap``, whose replicates these are, except that nothing is
        checked from automatic starts unless ``check`` says so. Gives a ``Bootstraps``.

        Fits that share parameters are refitted together: ``"pairs"`` draws rows within every
        group and ``"bayesian"`` weights them, ``"cluster"`` draws clusters within every group (of
        the whole table, where one has rows of several groups or a group has only one),
        ``"jackknife"`` leaves out each row or cluster of the table; other methods raise ValueError.
        A group that a replicate has too few rows of for its own parameters has NaN there.
        """
        from .bootstrap_many import bootstrap_many

        return bootstrap_many(
            self, n, method, by=by, seed=seed, check=check, multiplier=multiplier,
            noise=noise, threads=threads, progress=progress,
        )

    def rank(
        self, by: str = "aicc", *, folds: int = 5, holdout: Any = None, on: str | None = None,
        seed: int = 0,
    ) -> Ranking:
        """The fits of equal rows, best first, by ``"aicc"``, ``"bic"``, ``"cv"``, ``"holdout"``.

        See ``lawfit.rank.rank``.
        """
        from .rank import rank

        return rank(self, by, folds=folds, holdout=holdout, on=on, seed=seed)

    def save(self, path: str | Path) -> None:
        """Write the fits with the rows they used; ``lf.load`` gives the same bits back."""
        from .archive_fits import save

        save(self, path)

    def __str__(self) -> str:
        from .report_fits import text

        return text(self)

    def __repr__(self) -> str:
        counts = ", ".join(f"{count:,} {name}" for name, count in self.status_counts().items())
        return f"Fits({len(self):,} fits: {counts or 'none'})"

    # ---- how columns are made ----

    @cached_property
    def _jobs(self) -> np.ndarray:
        return np.arange(len(self.batch)) if self.selection is None else self.selection

    @cached_property
    def places(self) -> tuple[np.ndarray, ...]:
        """Each fit's place among the laws, spaces, losses, subsets and groups of the call."""
        return self.batch.places(self._jobs)

    @cached_property
    def by_objective(self) -> list[np.ndarray]:
        """Which of these are of one law, space and loss, for each of those that occur."""
        kinds = np.ravel_multi_index(self.places[:3], self.batch.shape[:3])
        order = np.argsort(kinds, kind="stable")
        found = np.split(order, np.flatnonzero(np.diff(kinds[order])) + 1)
        return [these for these in found if len(these)]

    @cached_property
    def by_table(self) -> list[tuple[Fits, np.ndarray]]:
        """The fits of each table, and which of these they are."""
        if isinstance(self.batch, Batch):
            return [(self, np.arange(len(self)))]
        return [(Fits(batch, jobs), which) for batch, jobs, which in self.batch.split(self._jobs)]

    @cached_property
    def _errors(self) -> tuple[dict[str, np.ndarray], np.ndarray]:
        from .standard_errors import standard_errors

        return standard_errors(self)

    @cached_property
    def _nuisance(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        from .nuisance import of_fits

        return of_fits(self)

    def _column(self, name: str) -> np.ndarray:
        return self._picked(self.batch.flat(name))

    def _picked(self, column: np.ndarray) -> np.ndarray:
        return self._frozen(column[:] if self.selection is None else column[self.selection])

    @staticmethod
    def _frozen(column: np.ndarray) -> np.ndarray:
        column.flags.writeable = False
        return column


def _matching(name: str, level: np.ndarray, wanted: Any) -> np.ndarray:
    """Which values of a level are wanted; ValueError for one that is not among them."""
    if isinstance(wanted, np.ndarray):
        wanted = wanted.tolist()
    several = wanted if isinstance(wanted, (list, tuple, set, frozenset)) else [wanted]
    found = np.zeros(len(level), bool)
    for value in several:
        same = np.asarray(level == (str(value) if isinstance(value, Loss) else value))
        if same.shape != level.shape or not same.any():
            shown = [str(item) for item in level[:12]] + ["..."] * (len(level) > 12)
            raise ValueError(f"where: no fit has {name}={value!r}; there are {', '.join(shown)}")
        found |= same.astype(bool)
    return found
