"""Evaluating a law at values given by name, numbers and arrays alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from . import _core
from .expression import Array, Expression, Leaf
from .grammar import closest
from .layout import Layout

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["evaluate"]


def evaluate(
    expression: Expression, layout: Layout, values: Mapping[str, ArrayLike]
) -> float | Array:
    """The formula at ``values``; see ``Law.__call__``."""
    given = {name: _real(name, value) for name, value in values.items()}
    for name in given:
        if name not in expression.names and name not in layout.names:
            raise TypeError(f"{name!r} is not a name of the law{closest(name, expression.names)}; "
                            f"it has {', '.join(expression.names)}")
    _complete(layout, given)
    if missing := [name for name in expression.names if name not in given]:
        raise TypeError(f"the law needs a value for {', '.join(missing)}")
    try:
        shape = np.broadcast_shapes(*(array.shape for array in given.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in given.items() if array.ndim)
        raise ValueError(f"these shapes do not broadcast: {shapes}") from None
    if 0 in shape:
        return np.empty(shape)
    result = _run(expression, given, shape).reshape(shape)
    return result if shape else float(result)


def _real(name: str, value: ArrayLike) -> Array:
    array = np.asarray(value)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} must hold real numbers, not {array.dtype}")
    return array.astype(np.float64, copy=False)


def _complete(layout: Layout, given: dict[str, Array]) -> None:
    """Fill in fixed and tied parameters; refuse values that contradict them."""
    for leader, group in layout.groups.items():
        told = [name for name in group if name in given]
        if leader in layout.fixed:
            value = np.asarray(layout.fixed[leader])
            for name in told:
                if not np.all(given[name] == value):
                    raise ValueError(f"{name} is fixed at {value:g}; leave it out, or evaluate "
                                     f"the law's fix({name}=None)")
        elif told:
            value = given[told[0]]
            for name in told[1:]:
                if not np.array_equal(value, given[name], equal_nan=True):
                    raise ValueError(f"{told[0]} and {name} are tied but have different values")
        else:
            continue
        given.update(dict.fromkeys(group, value))
    for name in layout.ties.order:
        _fill_formula(layout, given, name)


def _fill_formula(layout: Layout, given: dict[str, Array], name: str) -> None:
    """Fill in a parameter tied to a formula; refuse a value that contradicts it."""
    needs = layout.ties.needs(name)
    if any(other not in given for other in needs):
        return
    arrays = np.broadcast_arrays(*(given[other] for other in needs))
    flat = {other: array.ravel() for other, array in zip(needs, arrays, strict=True)}
    value = layout.ties.value(name, lambda other: flat[other]).reshape(arrays[0].shape)
    for other in layout.groups[name]:
        if other in given and not np.allclose(given[other], value, rtol=1e-12, atol=0,
                                              equal_nan=True):
            raise ValueError(f"{other} is tied to {layout.ties.texts[name]}, and the value given "
                             "contradicts it; leave it out")
        given[other] = value


def _run(expression: Expression, given: Mapping[str, Array], shape: tuple[int, ...]) -> Array:
    """Numbers go to the engine as parameters and arrays as columns, so that what depends on
    numbers alone is computed once."""
    names = expression.names
    arrays = [name for name in names if given[name].ndim] or [names[0]]
    numbers = [name for name in names if name not in arrays]
    leaves = {name: Leaf("PARAM", place) for place, name in enumerate(numbers)}
    leaves |= {name: Leaf("VAR", place) for place, name in enumerate(arrays)}
    columns = [np.ascontiguousarray(np.broadcast_to(given[n], shape)).ravel() for n in arrays]
    params = np.array([[float(given[name]) for name in numbers]]).reshape(1, len(numbers))
    return np.asarray(_core.evaluate(expression.graph(leaves, _core.opcodes()), params, columns))
