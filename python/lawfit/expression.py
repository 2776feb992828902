"""A law's text as an expression graph.

``parse`` reads untrusted text: ``grammar.scan`` lets only the closed grammar through, Python's
``ast`` builds the tree (nothing is ever evaluated or compiled), and a walk without recursion
turns it into nodes in which equal parts are one. ``Expression.graph`` lowers the nodes to the
arrays the engine reads.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .errors import LawError
from .grammar import CONSTANTS, FUNCTIONS, scan

__all__ = ["Array", "Expression", "Graph", "Leaf", "Node", "parse"]

Array = np.ndarray[Any, np.dtype[np.float64]]
"""An array of float64."""

Index = np.ndarray[Any, np.dtype[np.int32]]

Graph = tuple[Index, Index, Index, Array]
"""Operation code, first child (or index), second child and value, one entry a node; children
come before their parents and the last node is the root."""


class Node(NamedTuple):
    """One part of a formula: its kind, the nodes it is made of, and a number's value.

    ``kind`` is ``"number"``, ``"name"``, an operator (``+ - * / **``), ``"neg"`` or a
    function; ``name`` is the name of a leaf, as written.
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


_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**",
}
_CODES = {
    "+": "ADD", "-": "SUB", "*": "MUL", "/": "DIV", "**": "POW", "neg": "NEG",
    "logsumexp": "LOGADDEXP", **{name: name.upper() for name in FUNCTIONS if name != "logsumexp"},
}


@dataclass(frozen=True)
class Expression:
    """A parsed formula: ``text`` as given, ``target`` (the name left of ``=``, or None),
    ``names`` in order of first appearance, and ``nodes`` with the root last.

    >>> parse("loss = E + A/N**alpha").names
    ('E', 'A', 'N', 'alpha')
    """

    text: str
    target: str | None
    names: tuple[str, ...]
    nodes: tuple[Node, ...]

    def graph(self, leaves: Mapping[str, Leaf], opcodes: Mapping[str, int]) -> Graph:
        """Lower to the engine's arrays; ``leaves`` says what each name stands for.

        Functions of several arguments become a chain of operations on two.
        """
        rows: list[tuple[int, int, int, float]] = []
        place: list[int] = []  # where each of our nodes went
        for node in self.nodes:
            if node.args:
                code, last = opcodes[_CODES[node.kind]], place[node.args[0]]
                if len(node.args) == 1:
                    rows.append((code, last, -1, 0.0))
                for arg in node.args[1:]:
                    rows.append((code, last, place[arg], 0.0))
                    last = len(rows) - 1
            else:
                leaf = leaves[node.name] if node.kind == "name" else Leaf("CONST", -1, node.value)
                rows.append((opcodes[leaf.op], leaf.index, -1, leaf.value))
            place.append(len(rows) - 1)
        op, a, b, value = zip(*rows, strict=True)
        return (
            np.array(op, np.int32), np.array(a, np.int32), np.array(b, np.int32),
            np.array(value, np.float64),
        )


def parse(text: str) -> Expression:
    """Read a formula, with or without ``target =`` in front.

    The grammar: numbers, names, ``+ - * / **``, unary minus, parentheses, ``pi``, and the
    functions of ``grammar.FUNCTIONS``; at most 10,000 characters nested at most 100 deep.
    Raises LawError for anything else, and TypeError when ``text`` is not a text.

    >>> parse("A*exp(-b*x)").names
    ('A', 'b', 'x')
    """
    target, body = scan(text)
    builder = _Builder(text)
    builder.walk(_tree(text, body))
    names = tuple(builder.names)
    if target in builder.names:
        raise LawError(f"{target!r} is what the law predicts; it cannot be part of the law",
                       text, builder.names[target])
    return Expression(text, target, names, tuple(builder.nodes))


def _tree(text: str, body: str) -> ast.expr:
    """The syntax tree; the parentheses put around the body shift its columns by one."""
    try:
        return ast.parse(f"({body})", mode="eval").body
    except (RecursionError, MemoryError):
        raise LawError("this formula chains too many operations", text, len(text)) from None
    except (SyntaxError, ValueError) as error:
        column = (getattr(error, "offset", None) or 2) - 2
        raise LawError("cannot read this formula", text, max(0, column)) from None


class _Builder:
    """Turns a syntax tree into nodes, depth first with a stack of its own."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.nodes: list[Node] = []
        self.names: dict[str, int] = {}  # name -> column where it first stands
        self.constants: dict[int, float] = {}  # nodes without a name in them -> their value
        self._known: dict[Node, int] = {}

    def walk(self, root: ast.expr) -> None:
        todo: list[tuple[ast.expr, bool]] = [(root, False)]
        done: list[int] = []
        while todo:
            tree, ready = todo.pop()
            kind, children = self._check(tree)
            if not children:
                done.append(self._leaf(tree))
            elif not ready:
                todo.append((tree, True))
                todo.extend((child, False) for child in reversed(children))
            else:
                args = tuple(done[-len(children) :])
                del done[-len(children) :]
                done.append(self._operation(Node(kind, args), tree))

    def _check(self, tree: ast.expr) -> tuple[str, list[ast.expr]]:
        """The kind of a tree's top and its children; only the nodes listed here are a law."""
        match tree:
            case ast.Constant() | ast.Name():
                return "", []
            case ast.BinOp(op=op) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)], [tree.left, tree.right]
            case ast.UnaryOp(op=ast.USub()):
                return "neg", [tree.operand]
            case ast.Call(func=ast.Name(id=name), keywords=[]) if name in FUNCTIONS:
                self._check_count(name, len(tree.args), tree)
                return name, tree.args
        raise self._error("this is not part of a formula", tree)

    def _check_count(self, name: str, count: int, tree: ast.expr) -> None:
        least, most = FUNCTIONS[name]
        if not least <= count <= most:
            wanted = f"{least}" if least == most else f"at least {least}"
            plural = "" if wanted == "1" else "s"
            raise self._error(f"{name} takes {wanted} argument{plural}, not {count}", tree)

    def _leaf(self, tree: ast.expr) -> int:
        if isinstance(tree, ast.Name) and tree.id not in CONSTANTS:
            self.names.setdefault(tree.id, self._column(tree))
            return self._add(Node("name", name=tree.id))
        if isinstance(tree, ast.Name):
            node = Node("number", value=CONSTANTS[tree.id], name=tree.id)
        else:
            node = Node("number", value=self._literal(tree))
        index = self._add(node)
        self.constants[index] = node.value
        return index

    def _literal(self, tree: ast.expr) -> float:
        value = getattr(tree, "value", None)
        if type(value) not in (int, float):
            raise self._error("this is not part of a formula", tree)
        return float(value)

    def _operation(self, node: Node, tree: ast.expr) -> int:
        index = self._add(node)
        if index not in self.constants and all(arg in self.constants for arg in node.args):
            value = _constant_value(node.kind, [self.constants[arg] for arg in node.args])
            if not math.isfinite(value):
                raise self._error("this constant part is not a finite number", tree)
            self.constants[index] = value
        return index

    def _add(self, node: Node) -> int:
        index = self._known.setdefault(node, len(self.nodes))
        if index == len(self.nodes):
            self.nodes.append(node)
        return index

    def _column(self, tree: ast.expr) -> int:
        return max(0, tree.col_offset - 1)

    def _error(self, message: str, tree: ast.expr) -> LawError:
        return LawError(message, self.text, self._column(tree))


def _logaddexp(a: float, b: float) -> float:
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))


def _chain(function: Callable[[float, float], float]) -> Callable[..., float]:
    def fold(first: float, *others: float) -> float:
        for other in others:
            first = function(first, other)
        return first

    return fold


_FLOAT: dict[str, Callable[..., float]] = {
    "+": float.__add__, "-": float.__sub__, "*": float.__mul__, "/": float.__truediv__,
    "**": math.pow, "neg": float.__neg__, "exp": math.exp, "log": math.log,
    "log10": math.log10, "log2": math.log2, "log1p": math.log1p, "expm1": math.expm1,
    "sqrt": math.sqrt, "abs": abs, "sin": math.sin, "cos": math.cos, "arctan": math.atan,
    "tanh": math.tanh, "erf": math.erf, "gammaln": math.lgamma, "min": min, "max": max,
    "normcdf": lambda x: 0.5 * math.erfc(-x / math.sqrt(2.0)),
    "logistic": lambda x: 0.5 * (1.0 + math.tanh(0.5 * x)),
    "logaddexp": _logaddexp, "logsumexp": _chain(_logaddexp),
}


def _constant_value(kind: str, args: list[float]) -> float:
    """The float64 value of an operation on constants; NaN where there is none.

    Only asked whether it is finite: the engine folds constants itself.
    """
    try:
        return float(_FLOAT[kind](*args))
    except (ArithmeticError, ValueError):
        return math.nan
