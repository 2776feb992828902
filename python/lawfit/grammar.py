"""The words of the law language, and the check of a text before it is parsed.

``scan`` reads a formula once from left to right. It lets only the closed grammar through, with
its limits of length and nesting, and it is where every mistake gets its caret and its hint;
``expression.py`` then only has to build the tree.
"""

from __future__ import annotations

import keyword
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .errors import LawError

__all__ = ["CONSTANTS", "FUNCTIONS", "MAX_CHARACTERS", "MAX_NESTING", "closest", "scan"]

MAX_CHARACTERS = 10_000
MAX_NESTING = 100

MANY = 10_000
FUNCTIONS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(
        (
            "exp", "log", "log10", "log2", "log1p", "expm1", "sqrt", "abs", "sin", "cos",
            "arctan", "tanh", "erf", "normcdf", "logistic", "gammaln",
        ),
        (1, 1),
    ),
    "logaddexp": (2, 2), "logsumexp": (2, MANY), "min": (2, MANY), "max": (2, MANY),
}
"""Every function of the grammar with the least and the largest number of its arguments."""

CONSTANTS = {"pi": math.pi}

_ELSEWHERE = {
    "ln": "log", "sigmoid": "logistic", "expit": "logistic", "logit": "log(p/(1 - p))",
    "ndtr": "normcdf", "Phi": "normcdf", "cdf": "normcdf", "norm": "normcdf",
    "lgamma": "gammaln", "loggamma": "gammaln", "atan": "arctan", "lse": "logsumexp",
    "fabs": "abs", "minimum": "min", "maximum": "max", "amin": "min", "amax": "max",
    "pow": "x**y", "power": "x**y", "square": "x**2", "cbrt": "x**(1/3)",
    "tan": "sin(x)/cos(x)", "sinh": "(exp(x) - exp(-x))/2", "cosh": "(exp(x) + exp(-x))/2",
    "arcsinh": "log(x + sqrt(x**2 + 1))", "softplus": "logaddexp(0, x)", "exp2": "2**x",
    "relu": "max(x, 0)", "erfc": "1 - erf(x)", "sum": "+", "prod": "*",
}
"""What other systems call it -> how it is written here."""

_SYMBOLS = {
    "^": "'^' is not a power here: write **",
    "//": "'//' is not part of a formula: write /",
    "%": "'%' is not part of a formula",
    "==": "'==' is not part of a formula: one '=' sets the measured name apart from the law",
    ":=": "':=' is not part of a formula: write =",
    "<": "comparisons are not part of a formula", ">": "comparisons are not part of a formula",
    "!": "'!' is not part of a formula: log(n!) is gammaln(n + 1)",
    "[": "indexing is not part of a formula: write x1 or x_1",
    "]": "indexing is not part of a formula: write x1 or x_1",
    "{": "braces are not part of a formula: write ( )",
    "}": "braces are not part of a formula: write ( )",
    ".": "names with a dot are not part of a formula: write log(x), not np.log(x)",
    "'": "quotes are not part of a formula", '"': "quotes are not part of a formula",
    "#": "comments are not part of a formula", "\\": "'\\' is not part of a formula",
    "|": "'|' is not part of a formula: write abs(x)",
    "\u2212": "this is a Unicode minus sign: write -", "\u2013": "this is a dash: write -",
    "\u2014": "this is a dash: write -", "\u00d7": "this is a Unicode sign: write *",
    "\u00b7": "this is a Unicode sign: write *", "\u22c5": "this is a Unicode sign: write *",
    "\u00f7": "this is a Unicode sign: write /", "\u00b2": "write **2", "\u00b3": "write **3",
    "\u221a": "write sqrt(x)", "\u221e": "infinity is not a number a formula can contain",
    "\u00a0": "this is a no-break space: write a plain space",
}

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<mark>//|==|:=|\*\*|[-+*/(),=])",
    re.ASCII,
)


def closest(name: str, known: Iterable[str]) -> str:
    """A hint ``; did you mean 'x'?`` for a mistyped name, or nothing.

    >>> closest("alhpa", ["alpha", "beta"])
    "; did you mean 'alpha'?"
    """
    import difflib  # only for messages

    found = difflib.get_close_matches(name, list(known), 1, 0.6)
    return f"; did you mean {found[0]!r}?" if found else ""


def scan(text: str) -> tuple[str | None, str]:
    """Split ``target = law`` and check every token; (target or None, the law's own text).

    The second text has the same length as ``text``, with blanks for the target and for every
    kind of white space, so that columns in it are columns in ``text``.
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
    plain = "".join(" " if c.isspace() else c for c in text)
    start = reader.body
    return reader.target, " " * start + plain[start:]


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """The (kind, token, column) of a text; refuses every character outside the grammar."""
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise LawError(_strange(text[position]), text, position)
        kind, token = str(match.lastgroup), match.group()
        if token in _SYMBOLS:
            raise LawError(_SYMBOLS[token], text, position)
        if kind == "number":
            _check_number(text, token, position, match.end())
        elif kind == "name":
            _check_name(text, token, position)
        if kind != "space":
            yield kind, token, position
        position = match.end()


def _strange(character: str) -> str:
    """What to say about a character that no token starts with."""
    if character in _SYMBOLS:
        return _SYMBOLS[character]
    words = unicodedata.name(character, "").split()
    if words[:1] == ["GREEK"] and words[2:3] == ["LETTER"] and len(words) == 4:
        name = words[3].lower()
        name = name.capitalize() if words[1] == "CAPITAL" else name
        return f"names are plain ASCII: write {'lam' if name == 'lambda' else name}"
    if character.isalpha():
        return f"names are plain ASCII letters, digits and '_': {character!r} is none of them"
    return f"{character!r} is not part of a formula"


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
    if keyword.iskeyword(name):
        other = "lam" if name == "lambda" else f"{name}_"
        raise LawError(f"{name!r} is a reserved word of Python: rename it, say {other!r}",
                       text, position)
    if name.startswith("__"):
        raise LawError("a name does not start with two underscores", text, position)
    if name.lower() in ("inf", "nan", "infinity"):
        raise LawError(f"{name!r} is not a number a formula can contain", text, position)


@dataclass
class _Group:
    """An open parenthesis: what it belongs to and how deep the operators in it nest."""

    position: int
    function: str | None = None
    pending: int = 0


@dataclass
class _Reader:
    """Follows the tokens: is an operand or an operator due, and how deep are we."""

    text: str
    target: str | None = None
    body: int = 0
    operand_due: bool = True
    last: tuple[str, str, int] = ("", "", 0)
    groups: list[_Group] = field(default_factory=lambda: [_Group(-1)])

    def take(self, kind: str, token: str, position: int) -> None:
        if token == "=":
            self._equals(position)
        elif token == "(":
            self._open(position)
        elif token == ")":
            self._close(position)
        elif kind == "mark":
            self._operator(token, position)
        else:
            self._need_operator_before(position)
            self.operand_due = False
        self.last = (kind, token, position)

    def finish(self) -> None:
        if len(self.groups) > 1:
            self._fail("this '(' is never closed", self.groups[-1].position)
        if self.operand_due:
            self._fail("the formula ends where a number or a name is due", len(self.text))
        self._bare_name()

    def _fail(self, message: str, position: int) -> None:
        raise LawError(message, self.text, position)

    def _equals(self, position: int) -> None:
        kind, name, at = self.last
        if len(self.groups) > 1:
            self._fail("'=' cannot stand inside parentheses", position)
        if self.target is not None:
            self._fail("a formula has at most one '='", position)
        if kind != "name" or self.text[:at].strip():
            self._fail("left of '=' stands one name, the measured column: give y=, and on= for "
                       "a residual space such as 'log'", position)
        self._bare_name()
        if name in CONSTANTS:
            self._fail(f"{name!r} is a constant and cannot be measured", at)
        self.target, self.body, self.operand_due = name, position + 1, True

    def _open(self, position: int) -> None:
        kind, name, at = self.last
        function = name if kind == "name" and not self.operand_due else None
        if function is None:
            self._need_operator_before(position)
        elif function not in FUNCTIONS:
            self._fail(_not_a_function(function), at)
        self.groups.append(_Group(position, function))
        self.operand_due = True
        self._check_nesting(position)

    def _close(self, position: int) -> None:
        if len(self.groups) == 1:
            self._fail("this ')' closes nothing", position)
        if self.operand_due:
            self._fail("a number or a name is due before ')'", position)
        self._bare_name()
        self.groups.pop()

    def _operator(self, token: str, position: int) -> None:
        group = self.groups[-1]
        if self.operand_due:
            if token != "-":
                self._fail(f"a number or a name is due before {token!r}", position)
            group.pending += 1
        else:
            self._bare_name()
            if token == "," and group.function is None:
                self._fail("',' stands only between the arguments of a function", position)
            # ** binds to the right, so that each one nests; the others close what is pending.
            group.pending = group.pending + 1 if token == "**" else 0
            self.operand_due = True
        self._check_nesting(position)

    def _check_nesting(self, position: int) -> None:
        if len(self.groups) - 1 + sum(group.pending for group in self.groups) > MAX_NESTING:
            self._fail(f"parentheses, signs and powers nest at most {MAX_NESTING} deep", position)

    def _need_operator_before(self, position: int) -> None:
        if not self.operand_due:
            self._fail("an operator is missing here: write a*b for a product", position)

    def _bare_name(self) -> None:
        """Refuse a function's name that no '(' followed."""
        kind, name, at = self.last
        if kind == "name" and name in FUNCTIONS:
            self._fail(f"{name!r} is a function: write {name}(...), or rename it", at)


def _not_a_function(name: str) -> str:
    if name in CONSTANTS:
        return f"{name!r} is a constant: write {name}*(...) for a product"
    if name in _ELSEWHERE:
        return f"there is no function {name!r}: write {_ELSEWHERE[name]}"
    return (f"there is no function {name!r}{closest(name, FUNCTIONS)}"
            f" (for a product write {name}*(...))")
