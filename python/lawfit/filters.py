"""Row filters as text: ``"flops < 1e21 and not diverged"``.

The text is parsed with ``ast`` and walked over a closed list of nodes: names of columns,
numbers, texts, ``True``/``False``, comparisons (chained, ``in``), ``and or not``, arithmetic
``+ - * / **`` and parentheses. Nothing is ever evaluated by Python itself.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .tree import syntax_tree

if TYPE_CHECKING:
    from .table import Table

__all__ = ["FilterError", "evaluate_filter"]

MAX_CHARACTERS = 10_000
MAX_DEPTH = 100

_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}
_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.Pow: operator.pow,
}
_HINTS: dict[type, str] = {
    ast.BitAnd: "write 'and' instead of '&'",
    ast.BitOr: "write 'or' instead of '|'",
    ast.BitXor: "write '**' for powers",
    ast.Invert: "write 'not' instead of '~'",
    ast.Call: "functions are not part of filters; pass a boolean mask instead",
    ast.Attribute: "names with dots are not part of filters; pass a boolean mask instead",
    ast.Subscript: "indexing is not part of filters; pass a boolean mask instead",
}


class FilterError(ValueError):
    """A row filter that cannot be read or applied; shows the text with a caret.

    >>> print(FilterError("unknown column 'flop'", "flop < 1", 0))
    unknown column 'flop'
      flop < 1
      ^
    """

    def __init__(self, message: str, text: str, position: int) -> None:
        # All three in args, so that the error survives pickling.
        super().__init__(message, text, position)
        self.message, self.text, self.position = message, text, position

    def __str__(self) -> str:
        start = max(0, self.position - 60)
        shown = self.text[start : start + 100].replace("\n", " ").replace("\t", " ")
        return f"{self.message}\n  {shown}\n  {' ' * (self.position - start)}^"


def evaluate_filter(text: str, table: Table, total: int) -> np.ndarray:
    """The boolean mask (one value a row of ``table``) that a filter text stands for.

    Cells that are NaN compare as false. Raises FilterError, a ValueError, with a caret for
    anything outside the grammar, unknown columns, and columns that cannot be compared.

    >>> from lawfit.table import Table
    >>> evaluate_filter("1 < N <= 3 and kind in ('a', 'b')",
    ...                 Table({"N": [1, 2, 3], "kind": ["a", "b", "c"]}), 3)
    array([False,  True, False])
    """
    return _Filter(text, table, total).mask()


class _Filter:
    """One walk over the tree of one filter text."""

    def __init__(self, text: str, table: Table, total: int) -> None:
        self.text, self.table, self.total = text, table, total

    def mask(self) -> np.ndarray:
        tree = self._parse()
        with np.errstate(all="ignore"):  # overflow and 0/0 make inf and NaN, which compare so
            value = self._truth(tree, self._value(tree, 0))
        return np.array(np.broadcast_to(value, (self.total,)))

    def _parse(self) -> ast.expr:
        text = self.text
        if not text.strip():
            raise FilterError("the filter is empty; leave where= out to keep all rows", text, 0)
        if len(text) > MAX_CHARACTERS:
            raise FilterError(f"a filter has at most {MAX_CHARACTERS:,} characters", text, 0)
        depth = 0
        for position, character in enumerate(text):
            depth += (character in "([{") - (character in ")]}")
            if depth > MAX_DEPTH:  # before Python's own parser meets it
                raise FilterError(f"nested deeper than {MAX_DEPTH} levels", text, position)
        flat = text.replace("\n", " ").replace("\r", " ")
        lead = len(flat) - len(flat.lstrip())
        try:
            with warnings.catch_warnings():  # odd escapes in texts warn; they are harmless here
                warnings.simplefilter("ignore")
                return syntax_tree(flat.strip())
        except SyntaxError as error:
            position = min(lead + max((error.offset or 1) - 1, 0), len(text))
            hint = self._syntax_hint(position)
            raise FilterError(f"cannot read this filter{hint}", text, position) from None
        except (ValueError, MemoryError, RecursionError):
            raise FilterError("cannot read this filter", text, 0) from None

    def _syntax_hint(self, position: int) -> str:
        near = self.text[max(0, position - 2) : position + 2]
        if "&&" in near or "||" in near:
            return "; write 'and' and 'or'"
        if "=" in near and not any(pair in near for pair in ("==", "<=", ">=", "!=")):
            return "; write '==' to compare"
        return ""

    def _fail(self, node: ast.AST, message: str) -> FilterError:
        flat = self.text.replace("\n", " ").replace("\r", " ")
        lead = len(flat) - len(flat.lstrip())
        # ast counts bytes of UTF-8, people count characters.
        before = flat.strip().encode()[: getattr(node, "col_offset", 0)]
        return FilterError(message, self.text, lead + len(before.decode(errors="ignore")))

    def _value(self, node: ast.expr, depth: int) -> Any:
        """The value of a node: a scalar or an array with one value a row."""
        if depth > MAX_DEPTH:
            raise self._fail(node, f"nested deeper than {MAX_DEPTH} levels")
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name():
                return self._column(node)
            case ast.BoolOp():
                parts = [self._truth(part, self._value(part, depth + 1)) for part in node.values]
                join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
                return join.reduce(np.broadcast_arrays(*parts))
            case ast.UnaryOp(op=ast.Not()):
                return ~self._truth(node.operand, self._value(node.operand, depth + 1))
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                number = self._number(node.operand, depth)
                return -number if isinstance(node.op, ast.USub) else number
            case ast.BinOp() if type(node.op) in _ARITHMETIC:
                left, right = self._number(node.left, depth), self._number(node.right, depth)
                return _ARITHMETIC[type(node.op)](left, right)
            case ast.Compare():
                return self._compare(node, depth)
        op = getattr(node, "op", None)
        hint = _HINTS.get(type(op)) or _HINTS.get(type(node))
        what = type(op or node).__name__
        raise self._fail(node, f"{hint or f'{what} is not part of filters'}")

    def _constant(self, node: ast.Constant) -> Any:
        if isinstance(node.value, (bool, str)):
            return np.asarray(node.value)
        if isinstance(node.value, (int, float)):
            try:
                return np.float64(node.value)
            except OverflowError:
                return np.float64(np.inf)
        raise self._fail(node, f"{node.value!r} is not a number, text, True or False")

    def _column(self, node: ast.Name) -> np.ndarray:
        if node.id not in self.table:
            near = self.table.close_to(node.id)
            raise self._fail(node, f"unknown column {node.id!r}; {near}")
        column = self.table.raw(node.id)
        if len(column) != self.total:
            raise self._fail(
                node, f"column {node.id!r} has {len(column)} rows, the fit has {self.total}"
            )
        return column

    def _number(self, node: ast.expr, depth: int) -> Any:
        value = self._value(node, depth + 1)
        return self._as_float(node, value)

    def _as_float(self, node: ast.expr, value: np.ndarray) -> np.ndarray:
        from .table import to_float

        if value.dtype.kind == "f" and value.ndim == 0:
            return value
        try:
            return to_float(np.atleast_1d(value), "this").reshape(value.shape)
        except TypeError:
            raise self._fail(node, "this is not a number") from None

    def _truth(self, node: ast.expr, value: np.ndarray) -> np.ndarray:
        """Booleans as they are; 0 and 1 count as false and true (files have no booleans)."""
        if value.dtype.kind == "b":
            return value
        try:
            numbers = self._as_float(node, value)
        except FilterError:
            numbers = np.asarray(np.nan)
        if not np.all((numbers == 0) | (numbers == 1)):
            raise self._fail(node, "this is neither true nor false; compare it with something")
        return numbers == 1

    def _compare(self, node: ast.Compare, depth: int) -> np.ndarray:
        result: np.ndarray = np.asarray(True)
        left_node, left = node.left, self._value(node.left, depth + 1)
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, (ast.In, ast.NotIn)):
                found = self._member(left_node, left, right_node)
                result = result & (found if isinstance(op, ast.In) else ~found)
                right = found
            elif type(op) in _COMPARE:
                right = self._value(right_node, depth + 1)
                result = result & self._pair(type(op), left_node, left, right_node, right)
            else:
                raise self._fail(right_node, "'is' is not part of filters; write ==")
            left_node, left = right_node, right
        return result

    def _pair(
        self, op: type, left_node: ast.expr, left: Any, right_node: ast.expr, right: Any
    ) -> np.ndarray:
        """One comparison, text with text or number with number."""
        if _is_text(left) != _is_text(right):
            raise self._fail(right_node, "text is compared with something that is not text")
        if _is_text(left):
            left, right = np.asarray(left, dtype=object), np.asarray(right, dtype=object)
            try:
                return np.asarray(_COMPARE[op](left, right), dtype=bool)
            except TypeError:
                raise self._fail(left_node, "cells of this column cannot be ordered") from None
        left, right = self._as_float(left_node, left), self._as_float(right_node, right)
        return np.asarray(_COMPARE[op](left, right))

    def _member(self, left_node: ast.expr, left: Any, node: ast.expr) -> np.ndarray:
        if not isinstance(node, (ast.Tuple, ast.List)):
            raise self._fail(node, "after 'in' write constants in parentheses: ('a', 'b')")
        found = np.zeros(np.shape(left), dtype=bool)
        for item in node.elts:
            found = found | self._pair(ast.Eq, left_node, left, item, self._value(item, 0))
        return found


def _is_text(value: np.ndarray) -> bool:
    """Whether a column or constant holds text (object columns: any cell does)."""
    if value.dtype.kind == "O":
        return any(isinstance(cell, str) for cell in np.atleast_1d(value))
    return value.dtype.kind in "UT"
