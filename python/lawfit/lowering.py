"""From the nodes of a formula to the arrays the engine reads.

The engine has operations on one, two and three numbers; what the grammar adds to them is
written in their terms here. Conditions are numbers there, 1 where they hold and 0 elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .grammar import FUNCTIONS
from .nodes import Graph, Leaf, Node

__all__ = ["lower"]

_CODES = {
    "+": "ADD", "-": "SUB", "*": "MUL", "/": "DIV", "**": "POW", "neg": "NEG",
    "<": "LESS", "<=": "LESS_EQUAL", "==": "EQUAL", "and": "MUL", "or": "MAX",
    **{name: name.upper() for name in FUNCTIONS}, "logsumexp": "LOGADDEXP",
}
_SWAPPED = {">": "<", ">=": "<="}


def lower(nodes: Sequence[Node], leaves: Mapping[str, Leaf], opcodes: Mapping[str, int]) -> Graph:
    """The graph of ``nodes``; ``leaves`` says what each name stands for.

    Functions of any number of arguments become a chain of operations on two.
    """
    lowering = _Lowering(opcodes)
    for node in nodes:
        lowering.place.append(lowering.operation(node) if node.args else lowering.leaf(
            leaves[node.name] if node.kind == "name" else Leaf("CONST", -1, node.value)))
    op, a, b, c, value = zip(*lowering.rows, strict=True)
    return (
        np.array(op, np.int32), np.array(a, np.int32), np.array(b, np.int32),
        np.array(c, np.int32), np.array(value, np.float64),
    )


class _Lowering:
    def __init__(self, opcodes: Mapping[str, int]) -> None:
        self.opcodes = opcodes
        self.rows: list[tuple[int, int, int, int, float]] = []
        self.place: list[int] = []  # where each of the formula's nodes went

    def leaf(self, leaf: Leaf) -> int:
        self.rows.append((self.opcodes[leaf.op], leaf.index, -1, -1, leaf.value))
        return len(self.rows) - 1

    def number(self, value: float) -> int:
        return self.leaf(Leaf("CONST", -1, value))

    def make(self, kind: str, *args: int) -> int:
        children = (*args, -1, -1)[:3]
        self.rows.append((self.opcodes[_CODES[kind]], *children, 0.0))
        return len(self.rows) - 1

    def operation(self, node: Node) -> int:
        args = [self.place[arg] for arg in node.args]
        match node.kind:
            case ">" | ">=":
                return self.make(_SWAPPED[node.kind], args[1], args[0])
            case "!=":
                return self.make("-", self.number(1.0), self.make("==", *args))
            case "not":
                return self.make("-", self.number(1.0), *args)
            case "softplus":
                return self.make("logaddexp", self.number(0.0), *args)
            case "where" | "neg":
                return self.make(node.kind, *args)
        if len(args) == 1:
            return self.make(node.kind, *args)
        last = args[0]
        for arg in args[1:]:
            last = self.make(node.kind, last, arg)
        return last
