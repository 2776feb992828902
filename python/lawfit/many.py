"""``lf.fit_many``: laws x spaces x losses x subsets x groups in one native call."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .batch import INDEX, Batch, Part, native_fits
from .data import Reader, both
from .engine import options, progress_callback
from .errors import FitError, FitWarning
from .fit import measured, refuse_priors
from .fits import Fits
from .joint_call import native_shared, shared_names
from .keys import Groups, group, read_keys
from .law import Law, as_law
from .losses import Loss, as_loss
from .simplex import check_simplexes
from .starts import read_starts
from .status import GOOD
from .table import Table

__all__ = ["fit_many"]


def fit_many(
    laws: Any,
    data: Any,
    y: str | Any = None,
    *,
    by: str | Iterable[str] | None = None,
    share: str | Iterable[str] | None = None,
    columns: Mapping[str, str] | None = None,
    weights: Any = None,
    sigma: Any = None,
    on: str | Iterable[str] = "linear",
    losses: str | Loss | Iterable[str | Loss] = "squared",
    subsets: Mapping[str, Any] | None = None,
    starts: Any = "auto",
    where: Any = None,
    parameters: Any = None,
    priors: Mapping[str, Any] | None = None,
    threads: int | None = None,
    keep_starts: bool = False,
    seed: int = 0,
    progress: bool | Callable[[int, int], Any] | None = None,
    nan: str = "raise",
    max_iterations: int | None = None,
    max_seconds: float | None = None,
    tolerance: float = 1e-9,
    precise: bool = False,
    strict: bool = False,
    absolute_sigma: bool = False,
) -> Fits:
    """Fit every law, in every residual space, with every loss, to every subset of every group.

    ``laws`` is one law or a list of them (Laws, formulas, catalogue ids), or a dict name -> law.
    ``by`` names the key columns: rows with equal keys are a group, in any order in the table.
    ``on`` and ``losses`` are one or a list of what ``lf.fit`` takes. ``subsets`` maps names to
    boolean masks or filter texts (None: all rows). All other arguments are those of ``lf.fit``
    and hold for every fit; ``columns``, ``parameters`` and ``priors`` may name what only some
    laws have.

    ``share`` names parameters that all groups have in common: the groups of a law, space, loss
    and subset are then one joint fit, with these parameters once and all others for every group
    (also for groups with fewer rows than parameters). ``fits.shared`` has the joint objective,
    status and shared parameters; standard errors are those of the joint fit. Losses with a kink
    (absolute, quantile) cannot share.

    ``starts`` given by hand are an array or a dict name -> array as for ``lf.fit``, for one law;
    with ``by`` a leading axis of length groups, in the order of the result, gives each group its
    own. For several laws they are a dict law name -> starts, other laws keeping ``"auto"``.

    Rows with a cell that is not finite in any column needed by any law, or with a missing key,
    are refused (``nan="raise"``) or left out of every fit (``nan="drop"``).

    Returns a ``Fits``, one row a fit, in the order laws, on, losses, subsets, groups (the last
    fastest; groups in order of first appearance). Every fit is the one ``lf.fit`` makes of its
    rows, bit for bit. Fits that fail are rows with a status; one FitWarning counts them, or with
    ``strict`` a FitError that carries the result is raised. Columns of the table that are
    float64 arrays already are not copied: leave them as they are while the result is in use.

    Raises what ``lf.fit`` raises, and ValueError for unknown keys and repeated names.

    >>> runs = {"size": [1, 2, 3, 1, 2, 3], "seed": ["a", "a", "a", "b", "b", "b"],
    ...         "loss": [3.1, 5.0, 6.9, 2.0, 2.5, 3.0]}
    >>> fits = fit_many("loss = a + b*size", runs, by="seed")
    >>> len(fits), fits.params["b"].round(6), fits.index["seed"]
    (2, array([1.9, 0.5]), array(['a', 'b'], dtype='<U1'))
    """
    from . import _core

    table = Table(data)
    named = _named_laws(laws, parameters)
    spaces, kinds = _spaces(on), _losses(losses)
    resolved = _believed(_resolve(named, table, columns, starts), priors)
    for law in resolved:
        for kind in kinds:
            refuse_priors(law, kind)
    shares: tuple[tuple[str, ...], ...] = ()
    if share is not None:
        shares = shared_names(dict(zip(named, resolved, strict=True)), share, by, kinds)
        if keep_starts:
            raise ValueError("keep_starts: joint fits (share=) do not keep their starts")
    settings: dict[str, Any] = {
        "tolerance": tolerance, "max_iterations": max_iterations, "max_seconds": max_seconds,
        "precise": precise, "seed": seed,
    }
    chosen = options(**settings, keep_starts=keep_starts, threads=threads)
    report = progress_callback(progress)
    reader = Reader(
        table, dict.fromkeys(name for law in resolved for name in law.variables),
        _measured(resolved, y, table), columns=columns, weights=weights, sigma=sigma, on=spaces,
        nan=nan, losses=kinds,
    )
    keys = read_keys(table, by, reader.total)
    for key in keys:
        if key.name in INDEX:
            raise ValueError(f"by: a column of the result is called {key.name!r}; rename the key")
    masks = _masks(reader, subsets)
    keep = reader.mask(where, "where")
    if all(mask is not None for mask in masks.values()):
        keep = both(keep, np.logical_or.reduce(list(masks.values())))
    sheet = reader.sheet(keep, {f"column {key.name!r} (by)": key.missing for key in keys})
    for law in resolved:
        check_simplexes(law.simplexes, sheet.columns, sheet.sources, sheet.positions)
    groups = group(keys, sheet.positions, len(sheet))
    parts = _parts(groups, masks, sheet.positions)
    given = _starts(named, resolved, starts, len(groups))
    objectives = [(space, kind) for space in spaces for kind in kinds]
    asked = (resolved, given, sheet, objectives, parts, chosen, report)
    joints: tuple[Mapping[str, np.ndarray], ...] = ()
    if shares:
        raw, joints = native_shared(*asked, shares)
    else:
        raw = native_fits(*asked)
    fits = Fits(Batch(
        laws=resolved, labels=tuple(named), ons=spaces, losses=kinds, subsets=tuple(masks),
        keys=tuple(key.without_cells() for key in keys),
        key_rows=_taken(sheet.positions, groups.firsts), groups=groups, parts=parts, sheet=sheet,
        raw=raw,
        start_kinds=tuple(
            "given" if array is not None else "sobol" if count else "auto"
            for array, count in given
        ),
        settings=settings, absolute_sigma=bool(absolute_sigma), level=_core.level(),
        shares=shares, joints=joints,
    ))
    if report is not None:
        report(len(fits), len(fits))
    _tell(fits, strict)
    return fits


def _named_laws(laws: Any, parameters: Any) -> dict[str, Law]:
    """Name -> law: names as given, else ids or formulas, numbered where they repeat."""
    if isinstance(laws, Mapping):
        named = {str(name): as_law(law) for name, law in laws.items()}
    elif isinstance(laws, (Law, str)):
        named = {_label(law): law for law in (as_law(laws),)}
    elif isinstance(laws, Iterable):
        named = {}
        for law in map(as_law, laws):
            label, count = _label(law), 1
            while (name := label if count == 1 else f"{label} ({count})") in named:
                count += 1
            named[name] = law
    else:
        raise TypeError(f"laws: expected a law, a list or a dict, not {type(laws).__name__}")
    if not named:
        raise ValueError("laws: the list is empty; give at least one law")
    return _declared(named, parameters) if parameters is not None else named


def _label(law: Law) -> str:
    return law.id or law.formula


def _declared(named: dict[str, Law], parameters: Any) -> dict[str, Law]:
    """The laws with ``parameters=``, each with those names that occur in it."""
    given = dict(parameters) if isinstance(parameters, Mapping) else dict.fromkeys(parameters)
    for name in given:
        if not any(name in law.names for law in named.values()):
            raise ValueError(f"parameters: {name!r} does not occur in any of the laws")
    as_given = isinstance(parameters, Mapping)
    out = {}
    for label, law in named.items():
        own = {name: setting for name, setting in given.items() if name in law.names}
        out[label] = law.declare(own if as_given else list(own))
    return out


def _resolve(
    named: dict[str, Law], table: Table, columns: Mapping[str, str] | None, starts: Any
) -> tuple[Law, ...]:
    """The laws with their variables decided, each by those of ``columns=`` it knows."""
    if columns is not None and not isinstance(columns, Mapping):
        raise TypeError("columns: expected a dict, law variable -> data column")
    for name in columns or ():
        if not any(name in law.names for law in named.values()):
            raise ValueError(f"columns: {name!r} does not occur in any of the laws")
    decided = []
    for label, law in named.items():
        own = starts_of(named, starts, label)
        parameters = tuple(own) if isinstance(own, Mapping) else ()
        known = law.variables if law.decided else law.names
        mapped = [name for name in columns or () if name in known]
        decided.append(law.resolve(table.names, named=parameters, mapped=mapped))
        if not decided[-1].free:
            raise ValueError(f"law {label!r}: every parameter is fixed; nothing is left to fit")
    return tuple(decided)


def _believed(laws: tuple[Law, ...], priors: Mapping[str, Any] | None) -> tuple[Law, ...]:
    """The laws with ``priors=``, each with those of its own parameters."""
    for name in priors or ():
        if not any(name in law.parameters for law in laws):
            raise ValueError(f"priors: {name!r} is not a parameter of any of the laws")
    return tuple(law.prior(**{name: prior for name, prior in (priors or {}).items()
                              if name in law.parameters}) for law in laws)


def starts_of(named: Mapping[str, Law], starts: Any, label: str) -> Any:
    """The starts meant for one law."""
    if isinstance(starts, Mapping) and starts and all(name in named for name in starts):
        return starts.get(label, "auto")
    if len(named) > 1 and not isinstance(starts, (str, int, np.integer)):
        raise ValueError(
            "starts: given by hand they need a single law, or a dict law name -> starts; "
            f"laws: {', '.join(named)}"
        )
    return starts


def _starts(
    named: dict[str, Law], resolved: Sequence[Law], starts: Any, groups: int
) -> list[tuple[np.ndarray | None, int]]:
    return [
        read_starts(law, starts_of(named, starts, label), groups)
        for label, law in zip(named, resolved, strict=True)
    ]


def _measured(laws: Sequence[Law], y: Any, table: Table) -> Any:
    targets = dict.fromkeys(measured(law, y, table) for law in laws) if y is None else {}
    if len(targets) > 1:
        raise ValueError(
            f"y: the laws measure different columns ({', '.join(targets)}); name one with y="
        )
    return y if y is not None else next(iter(targets))


def _spaces(on: str | Iterable[str]) -> tuple[str, ...]:
    spaces = (on,) if isinstance(on, str) else tuple(on)
    return _distinct("on", spaces)


def _losses(losses: str | Loss | Iterable[str | Loss]) -> tuple[Loss, ...]:
    single = isinstance(losses, (str, Loss, type))
    kinds = tuple(as_loss(loss) for loss in ((losses,) if single else losses))
    _distinct("losses", tuple(str(kind) for kind in kinds))
    return kinds


def _distinct(argument: str, names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError(f"{argument}: the list is empty; give at least one")
    for place, name in enumerate(names):
        if name in names[:place]:
            raise ValueError(f"{argument}: {name!r} is given twice")
    return names


def _masks(reader: Reader, subsets: Mapping[str, Any] | None) -> dict[str, np.ndarray | None]:
    """Subset name -> the rows of the table it has, or None for all."""
    if subsets is None:
        return {"all": None}
    if not isinstance(subsets, Mapping):
        raise TypeError("subsets: expected a dict, name -> boolean mask or filter text")
    if not subsets:
        raise ValueError("subsets: the dict is empty; give at least one subset")
    return {str(name): reader.mask(mask, f"subsets[{name!r}]") for name, mask in subsets.items()}


def _parts(
    groups: Groups, masks: Mapping[str, np.ndarray | None], positions: np.ndarray | None
) -> tuple[Part, ...]:
    return tuple(
        groups.part(mask if mask is None or positions is None else mask[positions])
        for mask in masks.values()
    )


def _taken(positions: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
    """Rows of the sheet as rows of the table."""
    return rows if positions is None else positions[rows]


def _tell(fits: Fits, strict: bool) -> None:
    """One warning, or with ``strict`` one error, that counts what did not converge."""
    failed = int(np.count_nonzero(~fits.converged))
    if not failed:
        return
    counts = fits.status_counts()
    kinds = ", ".join(f"{n:,} {name}" for name, n in counts.items() if name not in GOOD)
    message = f"{failed:,} of {len(fits):,} fits did not converge: {kinds}; see fits.failed"
    if strict:
        raise FitError(message, fits)
    warnings.warn(message, FitWarning, stacklevel=3)
