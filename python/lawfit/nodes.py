"""The parts a formula is made of, as Python holds them and as the engine reads them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Array", "Graph", "Index", "Leaf", "Node"]

Array = np.ndarray[Any, np.dtype[np.float64]]
"""An array of float64."""

Index = np.ndarray[Any, np.dtype[np.int32]]

Graph = tuple[Index, Index, Index, Index, Array]
"""Operation code, first child (or index), second and third child, and value, one entry a node;
children come before their parents and the last node is the root."""


class Node(NamedTuple):
    """One part of a formula: its kind, the nodes it is made of, and a number's value.

    ``kind`` is ``"number"``, ``"name"``, an operator (``+ - * / **``), ``"neg"``, a comparison,
    ``"and"``, ``"or"``, ``"not"`` or a function; ``name`` is the name of a leaf, as written.
    As written, before sums are expanded, there are also ``"indexed"`` names (``args`` are the
    indices), ``"sum"`` and ``"prod"``, and ``"over"``, the argument of these: a term, the least
    and the largest value of the index ``name``.
    """

    kind: str
    args: tuple[int, ...] = ()
    value: float = 0.0
    name: str = ""


class Leaf(NamedTuple):
    """What a name stands for in a graph: ``op`` is CONST (``value``), PARAM or VAR (``index``)."""

    op: str
    index: int = -1
    value: float = 0.0
