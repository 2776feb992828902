"""A formula over many rows, each with its own value of every name: the replicates' own points.

The engine evaluates k parameter vectors at n common points. An optimum differs from replicate to
replicate, so here parameters become columns like any variable, and k replicates at k points of
their own are one native call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from .expression import Array, Expression, Leaf
from .substitute import fresh_name, substitute

__all__ = ["Surface"]

_BLOCK = 1 << 17  # rows at once, so that memory stays small


class Surface:
    """A formula of named numbers, and its slopes along the logarithms of ``along``.

    >>> from lawfit.expression import parse
    >>> area = Surface(parse("a*x*y**2"), ("x", "y"))
    >>> at = {"a": 2.0, "x": np.array([1.0, 3.0]), "y": 1.0}
    >>> area.values(at).tolist(), area.slopes(at).tolist()
    ([2.0, 6.0], [[2.0, 4.0], [6.0, 12.0]])
    """

    def __init__(self, expression: Expression, along: tuple[str, ...]) -> None:
        from . import _core

        self.names = expression.names
        shift = {name: fresh_name(f"log_{name}", self.names) for name in along}
        moved = substitute(expression, {name: f"{name}*exp({shift[name]})" for name in along})
        leaves = {name: Leaf("VAR", at) for at, name in enumerate(self.names)}
        leaves |= {shift[name]: Leaf("PARAM", at) for at, name in enumerate(along)}
        self._graph = moved.graph(leaves, _core.opcodes())
        self._at_rest = np.zeros(len(along))

    def values(self, at: Mapping[str, Array | float]) -> Array:
        """The formula at values by name, which broadcast against each other."""
        from . import _core

        start = self._at_rest[None, :]
        return self._over_rows(at, lambda part: _core.evaluate(self._graph, start, part)[0])

    def slopes(self, at: Mapping[str, Array | float]) -> Array:
        """Derivatives along the logarithm of each name of ``along``, as a last axis."""
        from . import _core

        return self._over_rows(at, lambda part: _core.jacobian(self._graph, self._at_rest, part))

    def _over_rows(
        self, at: Mapping[str, Array | float], work: Callable[[list[Array]], Array]
    ) -> Array:
        given = np.broadcast_arrays(*(np.asarray(at[name], dtype=np.float64)
                                      for name in self.names))
        shape = given[0].shape
        columns = [array.ravel() for array in given]
        count = columns[0].size
        parts = [
            np.asarray(work([np.ascontiguousarray(column[begin : begin + _BLOCK])
                             for column in columns]))
            for begin in range(0, max(count, 1), _BLOCK)
        ]
        flat = np.concatenate(parts)
        return flat.reshape(shape + flat.shape[1:])
