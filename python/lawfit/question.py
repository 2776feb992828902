"""What an allocation is asked, checked before any work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .expression import Array
from .repetition import PUBLISHED

if TYPE_CHECKING:
    from .law import Law

__all__ = ["Question", "as_question", "held_values", "roles", "targets"]


@dataclass(frozen=True)
class Question:
    """What ``Fit.allocate`` is asked; see there. ``held`` maps variables to fixed values."""

    compute: Any = None
    loss: Any = None
    size: str | None = None
    tokens: str | None = None
    cost: Any = 6.0
    inference: float = 0.0
    unique: float | None = None
    repetition: tuple[float, float] = PUBLISHED
    held: dict[str, float] = field(default_factory=dict)


def as_question(compute: Any, keywords: dict[str, Any]) -> Question:
    """The keywords of ``Fit.allocate``: those no argument bears are variables to hold.

    >>> as_question(1e21, {"cost": 6, "N": 7e9}).held
    {'N': 7000000000.0}
    """
    known = {name for name in Question.__dataclass_fields__ if name not in ("held", "compute")}
    arguments = {name: value for name, value in keywords.items() if name in known}
    held = {name: value for name, value in keywords.items() if name not in known}
    return Question(compute=compute, **arguments, held=held)


def targets(question: Question) -> tuple[Array, bool]:
    """The budgets, or the losses with True, as one axis."""
    if (question.compute is None) == (question.loss is None):
        raise ValueError("allocate: give either compute= (a budget) or loss= (a target)")
    by_loss = question.compute is None
    name, given = ("loss", question.loss) if by_loss else ("compute", question.compute)
    array = np.asarray(given)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name}: expected a number or an array of numbers, not {given!r}")
    array = array.astype(np.float64)
    fine = np.isfinite(array) & (by_loss | (array > 0))
    if array.ndim > 1 or not array.size or not fine.all():
        what = "finite losses" if by_loss else "positive FLOP"
        raise ValueError(f"{name}: expected {what}, a number or one axis: {given!r}")
    return np.atleast_1d(array), by_loss


def held_values(law: Law, given: dict[str, float], roles: tuple[str, str]) -> dict[str, float]:
    """The variables given a value, checked; every variable that is no role must be."""
    for name, value in given.items():
        if name not in law.variables:
            raise TypeError(
                f"allocate: {name!r} is neither an argument nor a variable of the law; "
                f"variables: {', '.join(law.variables)}"
            )
        if np.ndim(value) or not np.isfinite(value) or (name in roles and not value > 0):
            raise ValueError(f"{name}: expected one finite number to hold it at, not {value!r}")
    missing = [name for name in law.variables if name not in roles and name not in given]
    if missing:
        raise ValueError(f"allocate: give a value for {missing[0]}, as {missing[0]}=...")
    return {name: float(value) for name, value in given.items()}


def roles(law: Law, size: str | None, tokens: str | None) -> tuple[str, str]:
    """Which variable is the size and which the tokens."""
    names = law.variables
    for argument, name in (("size", size), ("tokens", tokens)):
        if name is not None and name not in names:
            raise ValueError(f"{argument}: {name!r} is not a variable; variables: {names}")
    if size is None and tokens is None and {"N", "D"} <= set(names):
        return "N", "D"
    if len(names) == 2:
        first = size or next(name for name in names if name != tokens)
        second = tokens or next(name for name in names if name != first)
        if first != second:
            return first, second
    if size is None or tokens is None or size == tokens:
        raise ValueError(
            f"allocate: say which variables are the size and the tokens (size=, tokens=); the "
            f"law has {', '.join(names) or 'none'}"
        )
    return size, tokens
