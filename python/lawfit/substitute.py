"""Formulas put into formulas: a name replaced by an expression of other names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .expression import Expression, Node, parse

__all__ = ["fresh_name", "substitute"]


def substitute(
    expression: Expression, replacements: Mapping[str, str | Expression]
) -> Expression:
    """``expression`` with every occurrence of a name replaced by another formula's value.

    The names inside a replacement are the outer ones and are not replaced again.

    >>> doubled = substitute(parse("a + b*x"), {"x": "x*exp(u)"})
    >>> doubled.names, len(doubled.nodes)
    (('a', 'b', 'x', 'u'), 8)
    """
    inner = {
        name: (parse(value) if isinstance(value, str) else value).nodes
        for name, value in replacements.items()
    }
    nodes: list[Node] = []
    place: list[int] = []  # where each of the expression's nodes went
    for node in expression.nodes:
        if node.kind == "name" and node.name in inner:
            begin = len(nodes)
            nodes += [
                part._replace(args=tuple(begin + arg for arg in part.args))
                for part in inner[node.name]
            ]
        else:
            nodes.append(node._replace(args=tuple(place[arg] for arg in node.args)))
        place.append(len(nodes) - 1)
    names = tuple(dict.fromkeys(node.name for node in nodes if node.kind == "name"))
    return Expression(expression.text, expression.target, names, tuple(nodes))


def fresh_name(wanted: str, taken: Iterable[str]) -> str:
    """``wanted``, with underscores appended until nobody else uses it.

    >>> fresh_name("u", ["u", "v"])
    'u_'
    """
    used = set(taken)
    while wanted in used:
        wanted += "_"
    return wanted
