"""Joint fits of groups: what may be shared, and the native call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .engine import free_positions, objective_arguments
from .grammar import closest
from .resolve import as_names

if TYPE_CHECKING:
    from .batch import Part
    from .data import Sheet
    from .law import Law
    from .losses import Loss

__all__ = ["joint_data", "mask_of", "native_shared", "shared_names"]

_KINKS = ("absolute", "quantile")
_JOINT = ("objective", "gradient_norm", "status", "n_iterations", "active", "lost")


def shared_names(
    laws: Mapping[str, Law], share: str | Iterable[str], by: Any, losses: Sequence[Loss]
) -> tuple[tuple[str, ...], ...]:
    """For each law the free parameters that its groups share; ValueError for what cannot be.

    >>> from lawfit import Law
    >>> shared_names({"l": Law("a*x**b", ["x"])}, ["b"], "run", [])
    (('b',),)
    """
    names = (share,) if isinstance(share, str) else as_names(share, "share")
    if not names:
        raise ValueError("share: no parameter is named; leave share= out to fit groups alone")
    if by is None:
        raise ValueError("share: needs by=, the keys of the groups that share the parameters")
    if kinked := [loss for loss in losses if loss.name in _KINKS]:
        raise ValueError(f"share: the loss {kinked[0]} has a kink, and joint fits need slopes "
                         "that change smoothly; use 'huber' with a small delta")
    if own := [loss for loss in losses if loss.free or loss.name == "gaussian"]:
        raise ValueError(f"share: the loss {own[0]} has numbers of its own that joint fits do not "
                         "estimate; use 'squared', or a likelihood whose numbers are given")
    for name in names:
        if not any(name in law.parameters for law in laws.values()):
            known = dict.fromkeys(known for law in laws.values() for known in law.parameters)
            raise ValueError(f"share: {name!r} is not a parameter of any law"
                             f"{closest(name, list(known))}; there are {', '.join(known)}")
    return tuple(_of_law(label, law, names) for label, law in laws.items())


def _of_law(label: str, law: Law, names: tuple[str, ...]) -> tuple[str, ...]:
    places = dict(zip(law.parameters, free_positions(law).tolist(), strict=True))
    if fixed := [name for name in names if places.get(name, 0) < 0]:
        raise ValueError(f"share: {fixed[0]!r} is fixed in the law {label!r}, so it is the same "
                         "in all groups already")
    if law.priors:
        raise ValueError(f"share: the law {label!r} has priors ({', '.join(law.priors)}), which "
                         "joint fits do not take; fix or bound parameters instead")
    found = tuple(dict.fromkeys(law.free[places[name]] for name in names if name in places))
    if not found:
        raise ValueError(f"share: the law {label!r} has none of {', '.join(names)}")
    if len(found) == len(law.free):
        raise ValueError(f"share: every free parameter of the law {label!r} is shared, so groups "
                         "make no difference; leave out by= and share=")
    return found


def native_shared(
    laws: Sequence[Law], starts: Sequence[tuple[np.ndarray | None, int]], sheet: Sheet,
    objectives: Sequence[tuple[str, Loss]], parts: Sequence[Part], chosen: dict[str, Any],
    report: Callable[[int, int], Any] | None, shares: Sequence[tuple[str, ...]],
) -> tuple[tuple[Mapping[str, np.ndarray], ...], tuple[Mapping[str, np.ndarray], ...]]:
    """(arrays of the groups, arrays of the joint fits), one mapping for each law.

    Leading axes are objectives and parts, then groups, as those of ``native_fits``.
    """
    from . import _core

    each, joint = [], []
    for law, start, share in zip(laws, starts, shares, strict=True):
        found = []
        for space, loss in objectives:
            for part in parts:
                data, offsets = joint_data(law, sheet, part)
                found.append(_core.fit_shared(
                    law.graph(), data, objective_arguments(space, loss),
                    (*law.bounds(), law.guesses()), offsets, mask_of(law, share), *start, chosen,
                    report,
                ))
        shape = (len(objectives), len(parts))
        joint.append({name: np.array([one["joint"][name] for one in found]).reshape(
            *shape, *np.shape(found[0]["joint"][name])) for name in _JOINT})
        each.append({name: np.stack([one[name] for one in found]).reshape(
            *shape, *found[0][name].shape) for name in found[0] if name != "joint"})
    return tuple(each), tuple(joint)


def joint_data(law: Law, sheet: Sheet, part: Part) -> tuple[tuple[Any, ...], np.ndarray]:
    """((columns, y, weights, sigma), offsets): the rows of a part, group after group."""
    rows, offsets = part

    def cut(column: np.ndarray | None) -> np.ndarray | None:
        return column if column is None or rows is None else column[rows]

    columns = [cut(sheet.columns[name]) for name in law.variables]
    return (columns, cut(sheet.y), cut(sheet.weights), cut(sheet.sigma)), offsets


def mask_of(law: Law, share: Sequence[str]) -> np.ndarray:
    """1 for the free parameters that are shared."""
    return np.array([name in share for name in law.free], dtype=np.int8)
