"""``lf.fit_many``: laws x spaces x losses x subsets x groups in one native call."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from .batch import Batch, Crossed, native_fits
from .batches import Batches
from .engine import options, progress_callback
from .errors import FitError, FitWarning
from .fits import Fits
from .joint_call import native_shared, shared_names
from .law import Law
from .losses import Loss
from .request import (
    Request,
    believed,
    kinds_of,
    named_laws,
    read_request,
    resolve,
    spaces_of,
    starts_of,
)
from .status import GOOD
from .tables import each_law, naming, refuse_rows, tables_of

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
    on: str | Iterable[str] | Mapping[str, Any] = "linear",
    losses: str | Loss | Iterable[str | Loss] | Mapping[str, Any] = "squared",
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

    ``data`` is one table, or a dict law name -> table where every law has its own; names are
    those of the dict ``laws``, else catalogue ids or formulas. ``on`` and ``losses`` may then be
    dicts by law, too, and ``y`` is by default what each law measures. All other arguments hold for
    every table, so that none of them has one value a row. Groups of one table are other groups
    than those of another: ``rank`` compares fits of the same law only, and nothing is shared.

    Rows with a cell that is not finite in any column needed by any law, or with a missing key,
    are refused (``nan="raise"``) or left out of every fit (``nan="drop"``).

    Returns a ``Fits``, one row a fit, in the order laws, on, losses, subsets, groups (the last
    fastest; groups in order of first appearance). Every fit is the one ``lf.fit`` makes of its
    rows, bit for bit. Fits that fail are rows with a status; one FitWarning counts them, or with
    ``strict`` a FitError that carries the result is raised. Columns of the table that are
    float64 arrays already are not copied: leave them as they are while the result is in use.

    Raises what ``lf.fit`` raises, and ValueError for unknown keys and repeated names, and for
    laws without a table and tables without a law.

    >>> runs = {"size": [1, 2, 3, 1, 2, 3], "seed": ["a", "a", "a", "b", "b", "b"],
    ...         "loss": [3.1, 5.0, 6.9, 2.0, 2.5, 3.0]}
    >>> fits = fit_many("loss = a + b*size", runs, by="seed")
    >>> len(fits), fits.params["b"].round(6), fits.index["seed"]
    (2, array([1.9, 0.5]), array(['a', 'b'], dtype='<U1'))

    Two laws of the catalogue, each on data of its own:

    >>> import lawfit as lf
    >>> laws = [lf.laws["kaplan_L_N"], lf.laws["passk_unbiased_single"]]
    >>> tables = {law.id: {**law.design(), law.target: law(**law.design(), **law.typical)}
    ...           for law in laws}
    >>> fits = fit_many(laws, tables, on={law.id: law.usual.space for law in laws})
    >>> for each in fits:
    ...     print(each.on, {name: f"{value:.6g}" for name, value in each.params.items()})
    log {'N_c': '8.8e+13', 'alpha_N': '0.076'}
    linear {'p': '0.01'}
    """
    from . import _core

    named = named_laws(laws, parameters)
    tables, own = tables_of(data, named)
    if own:
        refuse_rows(y=y, weights=weights, sigma=sigma, where=where, subsets=subsets)
    spaces = {law: spaces_of(given) for law, given in each_law("on", on, named, own).items()}
    kinds = {law: kinds_of(given) for law, given in each_law("losses", losses, named, own).items()}
    given_starts = {label: starts_of(named, starts, label) for label in named}
    resolved = believed(resolve(named, tables, columns, given_starts), priors)
    shares = _shares(resolved, share, by, next(iter(kinds.values())), own, keep_starts)
    settings: dict[str, Any] = {
        "tolerance": tolerance, "max_iterations": max_iterations, "max_seconds": max_seconds,
        "precise": precise, "seed": seed,
    }
    chosen = options(**settings, keep_starts=keep_starts, threads=threads)
    report = progress_callback(progress)
    requests = []
    for label in named if own else list(named)[:1]:
        with naming(label if own else None):
            requests.append(read_request(
                {label: resolved[label]} if own else resolved, tables[label], y,
                starts=given_starts, by=by, columns=columns, weights=weights, sigma=sigma,
                spaces=spaces[label], losses=kinds[label], subsets=subsets, where=where, nan=nan,
            ))
    if shares:
        raw, joints = native_shared(*requests[0].asked, chosen, report, shares)
        answers = [raw]
    else:
        answers, joints = native_fits([request.asked for request in requests], chosen, report), ()
    batches = tuple(
        _batch(request, answer, settings=settings, absolute_sigma=bool(absolute_sigma),
               level=_core.level(), shares=shares, joints=joints)
        for request, answer in zip(requests, answers, strict=True)
    )
    fits = Fits(batches[0] if len(batches) == 1 else Batches(batches))
    if report is not None:
        report(len(fits), len(fits))
    _tell(fits, strict)
    return fits


def _shares(
    laws: Mapping[str, Law], share: str | Iterable[str] | None, by: Any, losses: Sequence[Loss],
    own: bool, keep_starts: bool,
) -> tuple[tuple[str, ...], ...]:
    """For each law the parameters its groups share; empty where groups are fitted alone."""
    if share is None:
        return ()
    if own:
        raise ValueError("share: laws with tables of their own cannot share parameters")
    shares = shared_names(laws, share, by, losses)
    if keep_starts:
        raise ValueError("keep_starts: joint fits (share=) do not keep their starts")
    return shares


def _batch(request: Request, raw: tuple[Mapping[str, np.ndarray], ...], **rest: Any) -> Batch:
    """What was asked with what the engine answered."""
    same = {field.name: getattr(request, field.name) for field in fields(Crossed)}
    return Batch(**same, raw=raw, start_kinds=request.start_kinds, **rest)


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
