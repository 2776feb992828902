"""Joint fits: some parameters common to all groups of a table, the others each group's own."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from . import status as _status
from .covariance import KINDS, default_kind
from .engine import free_positions, objective_arguments, thread_count
from .errors import FitWarning
from .joint_call import joint_data, mask_of
from .units import units_of

if TYPE_CHECKING:
    from .batch import Batch
    from .law import Law
    from .losses import Loss
    from .result import Fit

__all__ = ["JointPart", "Shared", "refuse_joint"]


@dataclass(frozen=True, eq=False, repr=False)
class Shared(_status.Ended):
    """What the groups of one joint fit have in common: ``fits.shared``.

    ``params`` and ``stderr`` map the shared parameters to numbers; ``objective`` is the joint
    one, the sum over all groups; ``status``, ``message`` and ``converged`` are the joint fit's.
    ``groups`` and ``rows`` count those with rows and the rows, ``parameters`` what the rows
    determine: the shared parameters once and each group's own; ``freedom`` is rows less that.

    >>> import lawfit as lf
    >>> x = np.tile([1.0, 2.0, 4.0, 8.0], 3)
    >>> table = {"x": x, "run": np.repeat(["p", "q", "r"], 4),
    ...          "y": np.repeat([1.0, 2.0, 5.0], 4) * x**0.5}
    >>> fits = lf.fit_many("y = a*x**b", table, by="run", share=["b"])
    >>> print(round(fits.shared.params["b"], 6), fits.shared.parameters, fits.params["a"].round(6))
    0.5 4 [1. 2. 5.]
    """

    batch: Batch
    place: tuple[int, int, int, int]
    """Of the joint fit among the laws, spaces, losses and subsets of the call."""

    @property
    def law(self) -> Law:
        """The law that was fitted."""
        return self.batch.laws[self.place[0]]

    @property
    def on(self) -> str:
        """The residual space."""
        return self.batch.ons[self.place[1]]

    @property
    def loss(self) -> Loss:
        """The pointwise loss."""
        return self.batch.losses[self.place[2]]

    @property
    def names(self) -> tuple[str, ...]:
        """The shared parameters, and those tied to them."""
        free, law = self.batch.shares[self.place[0]], self.law
        places = free_positions(law)
        return tuple(name for name, at in zip(law.parameters, places, strict=True)
                     if at >= 0 and law.free[at] in free)

    @cached_property
    def params(self) -> dict[str, float]:
        """Shared parameter -> value."""
        rows = np.flatnonzero(np.diff(self._offsets))
        if not len(rows):
            return dict.fromkeys(self.names, float("nan"))
        full = self.law.expand(self.raw("params")[rows[0]])
        at = self.law.parameters.index
        # Adding zero spares the reader a negative zero.
        return {name: float(full[at(name)]) + 0.0 for name in self.names}

    @cached_property
    def stderr(self) -> dict[str, float]:
        """Shared parameter -> standard error of the default covariance; NaN on a bound."""
        errors = np.sqrt(np.diagonal(self._shared_part(self.default)))
        places = dict(zip(self.law.parameters, free_positions(self.law), strict=True))
        active = self._joint("active")
        return {name: float("nan") if active[places[name]] else float(error)
                for name, error in zip(self.names, errors, strict=True)}

    @property
    def objective(self) -> float:
        """The joint objective."""
        return float(self._joint("objective"))

    @property
    def status(self) -> str:
        """How the joint fit ended."""
        return _status.name_of(int(self._joint("status")))

    @property
    def groups(self) -> int:
        """How many groups have rows."""
        return int(np.count_nonzero(np.diff(self._offsets)))

    @property
    def rows(self) -> int:
        """How many rows all groups have."""
        return int(self._offsets[-1] - self._offsets[0])

    @cached_property
    def parameters(self) -> int:
        """How many parameters the rows determine: shared ones once, and every group's own."""
        return int(self._covariances(*self.default)[3])

    @cached_property
    def freedom(self) -> int:
        """Rows less ``parameters``."""
        return self.rows - self.parameters

    @cached_property
    def variance(self) -> float:
        """Weighted sum (with sigma, of r/sigma) of all groups' squared residuals, on ``freedom``.
        """
        from . import _core

        data, offsets = self.data
        squares = np.asarray(_core.rows_of_fits(
            self.law.graph(), data, objective_arguments(self.on, self.loss), offsets,
            self.raw("params"), self.raw("active"),
        )[1]) ** 2
        if data[2] is not None:
            squares = squares * data[2]
        if data[3] is not None:
            squares = squares / data[3] ** 2
        return float(squares.sum() / self.freedom) if self.freedom > 0 else float("nan")

    @property
    def diagnostics(self) -> dict[str, Any]:
        """``gradient_norm``, ``n_iterations``, ``active_bounds`` and ``not_identified``."""
        active, lost, free = self._joint("active"), self._joint("lost"), self.law.free
        return {
            "gradient_norm": float(self._joint("gradient_norm")),
            "n_iterations": int(self._joint("n_iterations")),
            "active_bounds": {free[at]: "lower" if active[at] < 0 else "upper"
                              for at in np.flatnonzero(active)},
            "not_identified": tuple(free[at] for at in np.flatnonzero(lost)),
        }

    def covariance(
        self, kind: str | None = None, *, by: Any = None, absolute_sigma: bool | None = None
    ) -> np.ndarray:
        """Covariance of the shared parameters, an array over ``names`` squared.

        Arguments as for ``Fit.covariance``, over the rows of all groups; clusters may span
        groups. Entries of parameters on a bound are 0; undefined ones are NaN, and one FitWarning
        says so.
        """
        absolute = self.batch.absolute_sigma if absolute_sigma is None else bool(absolute_sigma)
        kind = kind or ("cluster" if by is not None else self.default[0])
        matrix = self._shared_part((kind, absolute), by)
        if not np.isfinite(matrix).all():
            warnings.warn("Standard errors are undefined: " + self.why_undefined(), FitWarning,
                          stacklevel=2)
        return matrix

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value:.6g}" for name, value in self.params.items())
        return f"Shared({shown}; {self.groups:,} groups, {self.status})"

    # ---- for the fits of the groups ----

    def part(self, group: int) -> JointPart:
        """What the fit of one group knows of the joint fit."""
        kind, absolute = self.default
        return JointPart(
            shared=self.names, groups=self.groups, rows=self.rows, parameters=self.parameters,
            objective=self.objective, variance=self.variance, kind=kind, absolute=absolute,
            matrix=self.matrix(group, kind, absolute), source=self, group=group,
        )

    def matrix(self, group: int, kind: str, absolute: bool, by: Any = None) -> np.ndarray:
        """Covariance over ``law.parameters`` of one group, 0 for those fixed or on a bound."""
        inner = self._covariances(kind, absolute, by)[0][group].copy()
        held = self.raw("active")[group] != 0
        inner[held, :] = 0.0
        inner[:, held] = 0.0
        return self.law.full_covariance(inner, self.raw("params")[group])

    def errors(self) -> np.ndarray:
        """[groups, parameters]: standard errors of the default covariance, NaN on bounds."""
        full = self.law.full_covariance(self._covariances(*self.default)[0], self.raw("params"))
        with np.errstate(invalid="ignore"):
            return np.sqrt(np.diagonal(full, axis1=1, axis2=2))

    def why_undefined(self) -> str:
        if self.freedom <= 0:
            return (f"{self.rows} rows leave nothing to estimate the scatter around "
                    f"{self.parameters} parameters; add runs, or share or fix parameters.")
        return ("the rows do not tell some parameters apart; share, fix or drop one of them, or "
                "add runs.")

    @property
    def default(self) -> tuple[str, bool]:
        """(kind, absolute) of the default covariance."""
        return default_kind(self.loss), self.batch.absolute_sigma

    @cached_property
    def data(self) -> tuple[tuple[Any, ...], np.ndarray]:
        """((columns, y, weights, sigma), offsets) of the joint fit."""
        return joint_data(self.law, self.batch.sheet, self.batch.parts[self.place[3]])

    @property
    def mask(self) -> np.ndarray:
        """1 for the free parameters that are shared."""
        return mask_of(self.law, self.batch.shares[self.place[0]])

    def units(self, by: Any) -> np.ndarray:
        """The cluster of each of the joint fit's rows, numbered over the whole table."""
        rows = self.batch.parts[self.place[3]][0]
        units = units_of(self.batch.sheet.rows(slice(None), ()), by)
        return units if rows is None else units[rows]

    @cached_property
    def _known(self) -> dict[tuple[str, bool], tuple[Any, ...]]:
        return {}

    def _covariances(self, kind: str, absolute: bool, by: Any = None) -> tuple[Any, ...]:
        """([groups, free, free], freedom, scatter, parameters determined)."""
        from . import _core

        if kind not in KINDS:
            raise ValueError(f"kind: unknown covariance {kind!r}; choose from {', '.join(KINDS)}")
        if (kind == "cluster") != (by is not None):
            raise ValueError("by: goes with kind='cluster', and kind='cluster' needs it")
        if by is None and (kind, absolute) in self._known:
            return self._known[kind, absolute]
        data, offsets = self.data
        units = None
        if by is not None:
            units = self.units(by)
        law = self.law
        found = _core.shared_covariances(
            law.graph(), data, objective_arguments(self.on, self.loss),
            (*law.bounds(), law.guesses()), offsets,
            self.mask, self.raw("params"),
            self.raw("active"), kind, absolute, units, thread_count(None),
        )
        if by is None:
            self._known[kind, absolute] = found
        return found

    def _shared_part(self, which: tuple[str, bool], by: Any = None) -> np.ndarray:
        rows = np.flatnonzero(np.diff(self._offsets))
        if not len(rows):
            return np.full((len(self.names), len(self.names)), np.nan)
        at = [self.law.parameters.index(name) for name in self.names]
        return self.matrix(int(rows[0]), *which, by)[np.ix_(at, at)]

    @property
    def _at(self) -> tuple[int, int]:
        return self.place[1] * len(self.batch.losses) + self.place[2], self.place[3]

    @property
    def _offsets(self) -> np.ndarray:
        return self.batch.parts[self.place[3]][1]

    def raw(self, name: str) -> np.ndarray:
        """The engine's array of this joint fit: groups, then what one has."""
        return np.ascontiguousarray(self.batch.raw[self.place[0]][name][self._at])

    def _joint(self, name: str) -> Any:
        return self.batch.joints[self.place[0]][name][self._at]


@dataclass(frozen=True, eq=False)
class JointPart:
    """What the fit of one group knows of the joint fit it is part of: ``fit.joint``.

    ``shared`` names the parameters that all ``groups`` have in common; ``rows``, ``parameters``
    (shared ones once), ``objective`` and residual ``variance`` are those of all groups together.
    ``matrix`` is the joint covariance of ``kind`` over this group's parameters; ``source``, the
    whole joint fit while it is at hand, has the other kinds. It is not saved or pickled.
    """

    shared: tuple[str, ...]
    groups: int
    rows: int
    parameters: int
    objective: float
    variance: float
    kind: str
    absolute: bool
    matrix: np.ndarray
    source: Shared | None = None
    group: int = -1

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, ({f.name: getattr(self, f.name) for f in fields(self)
                           if f.name != "source"},)

    @property
    def freedom(self) -> int:
        """Rows less parameters of all groups together."""
        return self.rows - self.parameters

    def covariance(self, kind: str, absolute: bool, by: Any = None) -> tuple[np.ndarray, str]:
        """(matrix over ``law.parameters``, sentence saying why entries are NaN or "")."""
        if by is None and (kind, absolute) == (self.kind, self.absolute):
            matrix = self.matrix.copy()
        elif self.source is None:
            raise ValueError(
                f"kind: this fit shares {', '.join(self.shared)} with other groups, whose rows "
                f"are not at hand (it was loaded or unpickled); only the {self.kind!r} covariance "
                "came with it; save the Fits instead"
            )
        else:
            matrix = self.source.matrix(self.group, kind, absolute, by)
        if np.isfinite(matrix).all():
            return matrix, ""
        if self.freedom <= 0:
            return matrix, (f"Standard errors are undefined: {self.rows} rows of all groups leave "
                            f"nothing to estimate the scatter around {self.parameters} parameters.")
        return matrix, ("Standard errors are undefined for parameters that this group's rows do "
                        "not determine; share or fix them, or add runs.")


def _rebuild(kept: dict[str, Any]) -> JointPart:
    return JointPart(**kept)


def refuse_joint(fit: Fit, what: str, instead: str) -> None:
    """ValueError for what a group that shares parameters cannot do alone."""
    if fit.joint is not None:
        raise ValueError(f"{what}: this fit shares {', '.join(fit.joint.shared)} with "
                         f"{fit.joint.groups - 1:,} other groups; {instead}")
