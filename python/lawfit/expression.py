"""A law's text as an expression.

``parse`` reads untrusted text: ``scan.scan`` lets only the closed grammar through, Python's
``ast`` builds the syntax tree (nothing is ever evaluated or compiled), and ``tree.build`` turns
that into nodes in which equal parts are one. ``Expression.graph`` lowers the nodes to the arrays
the engine reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import LawError
from .lowering import lower
from .nodes import Array, Graph, Leaf, Node
from .scan import scan
from .tree import build

__all__ = ["Array", "Expression", "Graph", "Leaf", "Node", "parse"]


@dataclass(frozen=True)
class Expression:
    """A parsed formula: ``text`` as given, ``target`` (the name left of ``=``, or None),
    ``names`` in order of first appearance, and ``nodes`` with the root last.

    Sums are expanded: ``k[i]`` under ``for i in 1..3`` gives the names ``k_1``, ``k_2``, ``k_3``.

    >>> parse("E + A/N**alpha").names
    ('E', 'A', 'N', 'alpha')
    >>> parse("sum(k[i]*x**i for i in 0..2)").names
    ('k_0', 'x', 'k_1', 'k_2')
    """

    text: str
    target: str | None
    names: tuple[str, ...]
    nodes: tuple[Node, ...]

    def graph(self, leaves: Mapping[str, Leaf], opcodes: Mapping[str, int]) -> Graph:
        """Lower to the engine's arrays; ``leaves`` says what each name stands for."""
        return lower(self.nodes, leaves, opcodes)

    def written(self) -> tuple[Node, ...]:
        """The nodes as written: sums not expanded.

        >>> [node.kind for node in parse("sum(k[i] for i in 1..9)").written()]
        ['name', 'indexed', 'number', 'number', 'over', 'sum']
        """
        if not self.text:  # made of nodes, not of a text
            return self.nodes
        _, body = scan(self.text)
        return build(self.text, body, expand=False)[0]


def parse(text: str) -> Expression:
    """Read a formula, with or without ``target =`` in front.

    The grammar: numbers, names, ``+ - * / **``, unary minus, parentheses, ``pi``, the functions
    of ``grammar.FUNCTIONS``, comparisons with ``and``, ``or`` and ``not`` as the condition of
    ``where``, and ``sum`` and ``prod`` over an index; at most 10,000 characters nested at most
    100 deep. Raises LawError for anything else, and TypeError when ``text`` is not a text.

    >>> parse("A*exp(-b*x)").names
    ('A', 'b', 'x')
    """
    target, body = scan(text)
    nodes, names = build(text, body)
    if target in names:
        raise LawError(f"{target!r} is what the law predicts; it cannot be part of the law",
                       text, names[target])
    return Expression(text, target, tuple(names), nodes)
