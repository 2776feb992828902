"""The check of a formula's text before it is parsed.

``scan`` reads a formula once from left to right. It lets only the closed grammar through, with
its limits of length and nesting, and it is where mistakes of spelling get their caret and their
hint; ``tree.py`` then only has to ask what the parts mean.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .errors import LawError
from .grammar import (
    COMPARISONS, CONSTANTS, FUNCTIONS, INDEXABLE, INDEXED_ONLY, MAX_CHARACTERS, MAX_NESTING,
    SYMBOLS, WORDS, not_a_function, reserved, strange,
)

__all__ = ["scan"]

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<range>[0-9]+\s*\.\.\s*[0-9]+)"
    r"|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<mark>//|==|:=|\*\*|<=|>=|!=|<>|[-+*/(),=<>\[\]])",
    re.ASCII,
)
_CLAUSE = "an indexed sum is written sum(a[i]*x for i in 1..5)"


def scan(text: str) -> tuple[str | None, str]:
    """Split ``target = law`` and check every token; (target or None, the law's own text).

    The second text has the same length as ``text``, with blanks for the target and for every
    kind of white space, so that columns in it are columns in ``text``; the dots of ``1..5``
    become a bar, which Python's parser can read and which stands nowhere else.
    Raises LawError.

    >>> scan("loss = E + A/N**alpha")
    ('loss', '       E + A/N**alpha')
    """
    if not isinstance(text, str):
        raise TypeError(f"a formula is a text, not {type(text).__name__}")
    if len(text) > MAX_CHARACTERS:
        raise LawError(
            f"a formula has at most {MAX_CHARACTERS:,} characters, this has {len(text):,}",
            text, MAX_CHARACTERS,
        )
    if not text.strip():
        raise LawError("the formula is empty", text, 0)
    reader = _Reader(text)
    for kind, token, position in _tokens(text):
        reader.take(kind, token, position)
    reader.finish()
    plain = "".join(" " if c.isspace() else c for c in text).replace("..", "| ")
    start = reader.body
    return reader.target, " " * start + plain[start:]


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """The (kind, token, column) of a text; refuses every character outside the grammar."""
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise LawError(strange(text[position]), text, position)
        kind, token = str(match.lastgroup), match.group()
        if token in SYMBOLS:
            raise LawError(SYMBOLS[token], text, position)
        if kind == "number":
            _check_number(text, token, position, match.end())
        elif kind == "name":
            kind = "word" if token in WORDS else kind
            _check_name(text, token, position)
        if kind != "space":
            yield kind, token, position
        position = match.end()


def _check_number(text: str, token: str, position: int, end: int) -> None:
    """Refuse numbers that are not finite, and tails that Python or C would give a meaning."""
    tail = text[end : end + 1]
    if tail == "_":
        raise LawError("numbers have no underscores: write 1000, not 1_000", text, end)
    if tail in ("j", "J") and not text[end + 1 : end + 2].isalnum():
        raise LawError("complex numbers are not part of a formula", text, end)
    if len(token) > 1 and token.isdigit() and token[0] == "0":
        raise LawError("a whole number does not start with 0", text, position)
    if not math.isfinite(float(token)):
        raise LawError("this number is too large for float64", text, position)


def _check_name(text: str, name: str, position: int) -> None:
    """Refuse names that would not do as a parameter in Python, or that look like numbers."""
    if keyword.iskeyword(name) and name not in WORDS:
        raise LawError(reserved(name), text, position)
    if name.startswith("__"):
        raise LawError("a name does not start with two underscores", text, position)
    if name.lower() in ("inf", "nan", "infinity"):
        raise LawError(f"{name!r} is not a number a formula can contain", text, position)


@dataclass
class _Group:
    """An open parenthesis or bracket: what it belongs to and how deep the operators in it nest."""

    position: int
    bracket: str = "("
    function: str | None = None
    pending: int = 0
    commas: int = 0


@dataclass
class _Reader:
    """Follows the tokens: is an operand or an operator due, and how deep are we."""

    text: str
    target: str | None = None
    body: int = 0
    operand_due: bool = True
    last: tuple[str, str, int] = ("", "", 0)
    groups: list[_Group] = field(default_factory=lambda: [_Group(-1)])
    clause: list[str] = field(default_factory=list)
    """What is still due of ``for i in 1..5)``."""

    def take(self, kind: str, token: str, position: int) -> None:
        if self.clause:
            self._continue_clause(kind, token, position)
        elif token == "=":
            self._equals(position)
        elif token in ("(", "["):
            self._open(token, position)
        elif token in (")", "]"):
            self._close(token, position)
        elif token == "for":
            self._start_clause(position)
        elif token == "in" or kind == "range":
            self._fail(f"{token!r} stands only in an indexed sum: {_CLAUSE}", position)
        elif kind in ("mark", "word"):
            self._operator(token, position)
        else:
            self._need_operator_before(position)
            self.operand_due = False
        self.last = (kind, token, position)

    def finish(self) -> None:
        if len(self.groups) > 1:
            self._fail(f"this {self.groups[-1].bracket!r} is never closed",
                       self.groups[-1].position)
        if self.operand_due:
            self._fail("the formula ends where a number or a name is due", len(self.text))
        self._bare_name()

    def _fail(self, message: str, position: int) -> None:
        raise LawError(message, self.text, position)

    def _equals(self, position: int) -> None:
        kind, name, at = self.last
        if len(self.groups) > 1:
            self._fail("'=' cannot stand inside parentheses: a comparison is written ==", position)
        if self.target is not None:
            self._fail("a formula has at most one '='", position)
        if kind != "name" or self.text[:at].strip():
            self._fail("left of '=' stands one name, the measured column: give y=, and on= for "
                       "a residual space such as 'log'", position)
        self._bare_name()
        if name in CONSTANTS:
            self._fail(f"{name!r} is a constant and cannot be measured", at)
        self.target, self.body, self.operand_due = name, position + 1, True

    def _open(self, token: str, position: int) -> None:
        kind, name, at = self.last
        function = name if kind == "name" and not self.operand_due else None
        if token == "[":
            if function is None:
                self._fail("'[' stands only behind a name: write k[i]", position)
            self._bare_name()
            if function in CONSTANTS:
                self._fail(f"{function!r} is a constant and has no index", at)
        elif function is None:
            self._need_operator_before(position)
        elif function not in FUNCTIONS and function not in INDEXED_ONLY:
            self._fail(not_a_function(function), at)
        self.groups.append(_Group(position, token, function))
        self.operand_due = True
        self._check_nesting(position)

    def _close(self, token: str, position: int) -> None:
        if len(self.groups) == 1:
            self._fail(f"this {token!r} closes nothing", position)
        group = self.groups[-1]
        if (group.bracket, token) not in (("(", ")"), ("[", "]")):
            self._fail(f"the {group.bracket!r} before this {token!r} is not closed", position)
        if self.operand_due:
            self._fail(f"a number or a name is due before {token!r}", position)
        self._bare_name()
        self.groups.pop()

    def _operator(self, token: str, position: int) -> None:
        group = self.groups[-1]
        if self.operand_due:
            if token not in ("-", "not"):
                self._fail(f"a number or a name is due before {token!r}", position)
            group.pending += 1
        else:
            self._bare_name()
            self._check_place(token, group, position)
            # ** binds to the right, so that each one nests; the others close what is pending.
            group.pending = group.pending + 1 if token == "**" else 0
            group.commas += token == ","
            self.operand_due = True
        self._check_nesting(position)

    def _check_place(self, token: str, group: _Group, position: int) -> None:
        """Refuse operators where they can have no meaning."""
        if token == "," and group.function is None:
            self._fail("',' stands only between the arguments of a function", position)
        if token == "not":
            self._need_operator_before(position)
        if token == "==" and len(self.groups) == 1:
            self._fail("one '=' sets the measured name apart from the law; '==' stands only in "
                       "where(condition, a, b)", position)
        if token in COMPARISONS and len(self.groups) == 1:
            self._fail("comparisons stand only in where(condition, a, b)", position)

    # ---- for i in 1..5 ----

    def _start_clause(self, position: int) -> None:
        group = self.groups[-1]
        if group.function not in INDEXABLE or group.commas or group.bracket != "(":
            self._fail(f"'for' stands only in an indexed sum: {_CLAUSE}", position)
        if self.operand_due:
            self._fail("a number or a name is due before 'for'", position)
        self._bare_name()
        self.clause = ["name", "in", "range", ")"]

    def _continue_clause(self, kind: str, token: str, position: int) -> None:
        if self.clause[0] != (kind if kind in ("name", "range") else token):
            self._fail(_CLAUSE, position)
        if kind == "name" and (token in FUNCTIONS or token in CONSTANTS or token in INDEXED_ONLY):
            self._fail(f"{token!r} cannot be an index: write i", position)
        if self.clause.pop(0) == ")":
            self.groups.pop()

    def _check_nesting(self, position: int) -> None:
        if len(self.groups) - 1 + sum(group.pending for group in self.groups) > MAX_NESTING:
            self._fail(f"parentheses, signs and powers nest at most {MAX_NESTING} deep", position)

    def _need_operator_before(self, position: int) -> None:
        if not self.operand_due:
            self._fail("an operator is missing here: write a*b for a product", position)

    def _bare_name(self) -> None:
        """Refuse a function's name that no '(' followed."""
        kind, name, at = self.last
        if kind == "name" and (name in FUNCTIONS or name in INDEXED_ONLY):
            self._fail(f"{name!r} is a function: write {name}(...), or rename it", at)
