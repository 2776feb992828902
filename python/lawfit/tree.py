"""From a checked text to the nodes of a formula: what its parts mean, and its sums expanded."""

from __future__ import annotations

import ast
import math
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from .constants import constant_value
from .errors import LawError
from .grammar import (
    COMPARISONS, CONSTANTS, FUNCTIONS, INDEXABLE, INDEXED_ONLY, MAX_PARTS, MAX_RANGE,
)
from .nodes import Node

__all__ = ["build", "syntax_tree"]

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**",
}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}
_JOINED = ("and", "or", "not")
# Python 3.11's own parser keeps count of its depth in one place for all threads.
_ONE_AT_A_TIME = threading.Lock()
_NO_INDEX: Mapping[str, int] = MappingProxyType({})


def build(text: str, body: str, expand: bool = True) -> tuple[tuple[Node, ...], dict[str, int]]:
    """The nodes of ``body`` (as ``scan`` gives it), the root last, and name -> its first column.

    Without ``expand`` the nodes are as written: an index stays an index. Raises LawError.
    """
    builder = _Builder(text, expand)
    root = builder.walk(_tree(text, body))
    if root in builder.conditions:
        raise LawError("a condition is no number: write where(condition, 1, 0)", text,
                       len(body) - len(body.lstrip()))
    # The root may be an earlier node, when a sum has a single term.
    return tuple(builder.nodes[: root + 1]), builder.names


def syntax_tree(text: str) -> ast.expr:
    """Python's reading of an expression, safe to ask for from several threads."""
    with _ONE_AT_A_TIME:
        return ast.parse(text, mode="eval").body


def _tree(text: str, body: str) -> ast.expr:
    """The syntax tree; the parentheses put around the body shift its columns by one."""
    try:
        return syntax_tree(f"({body})")
    except (RecursionError, MemoryError):
        raise LawError("this formula chains too many operations", text, len(text)) from None
    except (SyntaxError, ValueError) as error:
        column = (getattr(error, "offset", None) or 2) - 2
        raise LawError("cannot read this formula", text, max(0, min(column, len(text)))) from None


class _Part(NamedTuple):
    """A part of the syntax tree still to be turned into a node, and the indices it stands under."""

    tree: ast.expr
    index: Mapping[str, int]
    children: int = -1
    """How many nodes it is made of, once they are there."""
    kind: str = ""


class _Builder:
    """Turns a syntax tree into nodes, depth first with a stack of its own."""

    def __init__(self, text: str, expand: bool) -> None:
        self.text = text
        self.expand = expand
        self.nodes: list[Node] = []
        self.names: dict[str, int] = {}  # name -> column where it first stands
        self.constants: dict[int, float] = {}  # nodes without a name in them -> their value
        self.conditions: set[int] = set()
        self.parts = 0  # parts met under an index so far
        self._known: dict[Node, int] = {}

    def walk(self, root: ast.expr) -> int:
        todo = [_Part(root, _NO_INDEX)]
        done: list[int] = []
        while todo:
            part = todo.pop()
            if part.children >= 0:
                args = tuple(done[len(done) - part.children :])
                del done[len(done) - part.children :]
                done.append(self._operation(part.kind, args, part.tree))
                continue
            kind, children = self._open(part)
            if kind:
                todo.append(part._replace(children=len(children), kind=kind))
                todo.extend(reversed(children))
            else:
                done.append(self._leaf(part))
        return done[0]

    def _open(self, part: _Part) -> tuple[str, list[_Part]]:
        """The kind of a part and its children, or no kind for a leaf; nothing else is a law."""
        tree, index = part.tree, part.index
        if index:
            self.parts += 1
            if self.parts > MAX_PARTS:
                raise self._error(f"the sums of a formula expand to at most {MAX_PARTS:,} parts",
                                  tree)
        match tree:
            case ast.Constant() | ast.Name() | ast.Subscript():
                return "", []
            case ast.BinOp(op=op) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)], [_Part(t, index) for t in (tree.left, tree.right)]
            case ast.UnaryOp(op=ast.USub()):
                return "neg", [_Part(tree.operand, index)]
            case ast.UnaryOp(op=ast.Not()):
                return "not", [_Part(tree.operand, index)]
            case ast.BoolOp(op=op):
                kind = "and" if isinstance(op, ast.And) else "or"
                return kind, [_Part(t, index) for t in tree.values]
            case ast.Compare(ops=ops) if all(type(op) in _COMPARISONS for op in ops):
                kinds = " ".join(_COMPARISONS[type(op)] for op in ops)
                return kinds, [_Part(t, index) for t in (tree.left, *tree.comparators)]
            case ast.Call(func=ast.Name(id=name), args=[ast.GeneratorExp() as terms], keywords=[]):
                return self._open_indexed(name, terms, part)
            case ast.Call(func=ast.Name(id=name), keywords=[]):
                self._check_count(name, len(tree.args), tree)
                return name, [_Part(t, index) for t in tree.args]
        raise self._error("this is not part of a formula", tree)

    def _check_count(self, name: str, count: int, tree: ast.expr) -> None:
        if name in INDEXED_ONLY:
            raise self._error(f"{name} takes one indexed term: {name}(a[i]*x for i in 1..5)", tree)
        if name not in FUNCTIONS:
            raise self._error("this is not part of a formula", tree)
        least, most = FUNCTIONS[name]
        if not least <= count <= most:
            wanted = f"{least}" if least == most else f"at least {least}"
            plural = "" if wanted == "1" else "s"
            raise self._error(f"{name} takes {wanted} argument{plural}, not {count}", tree)

    # ---- indices ----

    def _open_indexed(
        self, name: str, terms: ast.GeneratorExp, part: _Part
    ) -> tuple[str, list[_Part]]:
        """One child a value of the index; as written, the term with the ends of its range."""
        match terms.generators:
            case [ast.comprehension(
                target=ast.Name(id=index), ifs=[],
                iter=ast.BinOp(left=ast.Constant(value=int(low)), op=ast.BitOr(),
                               right=ast.Constant(value=int(high))) as ends,
            )] if name in INDEXABLE:
                pass
            case _:
                raise self._error("this is not part of a formula", terms)
        if index in part.index:
            raise self._error(f"{index!r} is already the index of the sum around this one", terms)
        if low > high:
            raise self._error(f"{low}..{high} holds no number: write the smaller one first", ends)
        if high - low >= MAX_RANGE:
            raise self._error(f"an index runs over at most {MAX_RANGE:,} values", ends)
        if not self.expand:
            under = {**part.index, index: low}
            return f"{name} {index}", [_Part(t, under) for t in (terms.elt, ends.left, ends.right)]
        return name, [_Part(terms.elt, {**part.index, index: value})
                      for value in range(low, high + 1)]

    def _indexed_name(self, tree: ast.Subscript, index: Mapping[str, int]) -> str:
        """``k[i]`` as the name it stands for, ``k_1`` where i is 1."""
        entries = tree.slice.elts if isinstance(tree.slice, ast.Tuple) else [tree.slice]
        if not isinstance(tree.value, ast.Name):
            raise self._error("this is not part of a formula", tree)
        return "_".join([tree.value.id, *(str(self._entry(e, index)) for e in entries)])

    def _entry(self, tree: ast.expr, index: Mapping[str, int]) -> int:
        """The value of one index: a whole number, an index, or one plus or minus the other."""
        match tree:
            case ast.Constant(value=int(value)):
                return value
            case ast.Name(id=name) if name in index:
                return index[name]
            case ast.Name(id=name):
                raise self._error(f"{name!r} is no index here: write a number, or "
                                  f"sum(... for {name} in 1..5) around it", tree)
            case ast.BinOp(op=ast.Add() | ast.Sub() as op, left=ast.Name() | ast.Constant() as left,
                           right=ast.Name() | ast.Constant() as right):
                first, second = self._entry(left, index), self._entry(right, index)
                value = first + second if isinstance(op, ast.Add) else first - second
                if value < 0 and self.expand:
                    raise self._error(f"an index is not negative, this is {value}", tree)
                return value
        raise self._error("an index is a whole number or the index of a sum, plus or minus one "
                          "at most", tree)

    # ---- nodes ----

    def _leaf(self, part: _Part) -> int:
        tree = part.tree
        match tree:
            case ast.Name(id=name) if name in part.index:
                if not self.expand:
                    return self._add(Node("name", name=name))
                return self._number(float(part.index[name]))
            case ast.Name(id=name) if name in CONSTANTS:
                return self._number(CONSTANTS[name], name)
            case ast.Name(id=name):
                return self._name(name, tree)
            case ast.Subscript():
                name = self._indexed_name(tree, part.index)
                return self._name(name, tree) if self.expand else self._as_written(tree, part)
        value = getattr(tree, "value", None)
        if type(value) not in (int, float):
            raise self._error("this is not part of a formula", tree)
        return self._number(float(value))

    def _as_written(self, tree: ast.Subscript, part: _Part) -> int:
        """An indexed name with its indices as nodes of their own."""
        entries = tree.slice.elts if isinstance(tree.slice, ast.Tuple) else [tree.slice]
        args = []
        for entry in entries:
            if isinstance(entry, ast.BinOp):
                sides = [self._leaf(_Part(t, part.index)) for t in (entry.left, entry.right)]
                args.append(self._add(Node(_OPERATORS[type(entry.op)], tuple(sides))))
            else:
                args.append(self._leaf(_Part(entry, part.index)))
        return self._add(Node("indexed", tuple(args), name=getattr(tree.value, "id", "")))

    def _name(self, name: str, tree: ast.expr) -> int:
        self.names.setdefault(name, self._column(tree))
        return self._add(Node("name", name=name))

    def _number(self, value: float, name: str = "") -> int:
        index = self._add(Node("number", value=value, name=name))
        self.constants[index] = value
        return index

    def _operation(self, kind: str, args: tuple[int, ...], tree: ast.expr) -> int:
        kind, *others = kind.split()
        if kind in COMPARISONS:
            pairs = zip((kind, *others), args, args[1:], strict=False)
            compared = tuple(self._checked(one, (a, b), tree) for one, a, b in pairs)
            return compared[0] if not others else self._checked("and", compared, tree)
        if others:  # as written: the term and the ends of the range
            return self._add(Node(kind, (self._add(Node("over", args, name=others[0])),)))
        if kind in INDEXED_ONLY:
            last = args[0]
            for arg in args[1:]:
                last = self._checked(INDEXED_ONLY[kind], (last, arg), tree)
            return last
        if kind in INDEXABLE and len(args) == 1:
            return args[0]  # over a range of one value
        return self._checked(kind, args, tree)

    def _checked(self, kind: str, args: tuple[int, ...], tree: ast.expr) -> int:
        """Add an operation after checking that conditions stand where conditions are due."""
        for place, arg in enumerate(args):
            due = kind in _JOINED or (kind == "where" and place == 0)
            if due and arg not in self.conditions:
                raise self._error(f"{kind} takes a condition such as x > 1"
                                  f"{' first' if kind == 'where' else ''}", tree)
            if not due and arg in self.conditions:
                raise self._error("a condition is no number: write where(condition, 1, 0)", tree)
        index = self._add(Node(kind, args))
        if kind in COMPARISONS or kind in _JOINED:
            self.conditions.add(index)
        if index not in self.constants and all(arg in self.constants for arg in args):
            value = constant_value(kind, [self.constants[arg] for arg in args])
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
