"""The words of the law language, its limits, and what is said about words of other languages."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable

__all__ = [
    "COMPARISONS", "CONSTANTS", "FUNCTIONS", "INDEXABLE", "INDEXED_ONLY", "MAX_CHARACTERS",
    "MAX_NESTING", "MAX_PARTS", "MAX_RANGE", "SYMBOLS", "WORDS", "closest", "not_a_function",
    "reserved", "strange",
]

MAX_CHARACTERS = 10_000
MAX_NESTING = 100
MAX_RANGE = 1_000
"""Most values an index may run over."""
MAX_PARTS = 10_000
"""Most parts the sums of a formula may expand to."""

MANY = 10_000
FUNCTIONS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(
        (
            "exp", "log", "log10", "log2", "log1p", "expm1", "sqrt", "abs", "sin", "cos",
            "arctan", "tanh", "erf", "normcdf", "logistic", "softplus", "gammaln", "digamma",
        ),
        (1, 1),
    ),
    "betaln": (2, 2), "logaddexp": (2, 2), "logsumexp": (2, MANY), "min": (2, MANY),
    "max": (2, MANY), "where": (3, 3),
}
"""Every function of the grammar with the least and the largest number of its arguments."""

INDEXED_ONLY = {"sum": "+", "prod": "*"}
"""What takes one term for every value of an index, and the operator that joins the terms."""
INDEXABLE = {*INDEXED_ONLY, "logsumexp", "min", "max"}

COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
WORDS = {"and", "or", "not", "for", "in"}
"""Words of Python that are part of the grammar."""

CONSTANTS = {"pi": math.pi}

_ELSEWHERE = {
    "ln": "log", "sigmoid": "logistic", "expit": "logistic", "logit": "log(p/(1 - p))",
    "ndtr": "normcdf", "Phi": "normcdf", "cdf": "normcdf", "norm": "normcdf",
    "lgamma": "gammaln", "loggamma": "gammaln", "atan": "arctan", "lse": "logsumexp",
    "fabs": "abs", "minimum": "min", "maximum": "max", "amin": "min", "amax": "max",
    "pow": "x**y", "power": "x**y", "square": "x**2", "cbrt": "x**(1/3)",
    "tan": "sin(x)/cos(x)", "sinh": "(exp(x) - exp(-x))/2", "cosh": "(exp(x) + exp(-x))/2",
    "arcsinh": "log(x + sqrt(x**2 + 1))", "exp2": "2**x",
    "relu": "max(x, 0)", "erfc": "1 - erf(x)", "psi": "digamma", "lbeta": "betaln",
    "product": "prod", "ifelse": "where(condition, a, b)", "select": "where(condition, a, b)",
    "heaviside": "where(x > 0, 1, 0)", "sign": "where(x > 0, 1, -1)",
}
"""What other systems call it -> how it is written here."""

SYMBOLS = {
    "^": "'^' is not a power here: write **",
    "//": "'//' is not part of a formula: write /",
    "%": "'%' is not part of a formula",
    ":=": "':=' is not part of a formula: write =",
    "<>": "'<>' is not part of a formula: write !=",
    "&": "'&' is not part of a formula: write and",
    "!": "'!' is not part of a formula: log(n!) is gammaln(n + 1)",
    "{": "braces are not part of a formula: write ( )",
    "}": "braces are not part of a formula: write ( )",
    ".": "names with a dot are not part of a formula: write log(x), not np.log(x)",
    "'": "quotes are not part of a formula", '"': "quotes are not part of a formula",
    "#": "comments are not part of a formula", "\\": "'\\' is not part of a formula",
    "|": "'|' is not part of a formula: write abs(x), or or between conditions",
    "\u2212": "this is a Unicode minus sign: write -", "\u2013": "this is a dash: write -",
    "\u2014": "this is a dash: write -", "\u00d7": "this is a Unicode sign: write *",
    "\u00b7": "this is a Unicode sign: write *", "\u22c5": "this is a Unicode sign: write *",
    "\u00f7": "this is a Unicode sign: write /", "\u00b2": "write **2", "\u00b3": "write **3",
    "\u221a": "write sqrt(x)", "\u221e": "infinity is not a number a formula can contain",
    "\u00a0": "this is a no-break space: write a plain space",
}

def closest(name: str, known: Iterable[str]) -> str:
    """A hint ``; did you mean 'x'?`` for a mistyped name, or nothing.

    >>> closest("alhpa", ["alpha", "beta"])
    "; did you mean 'alpha'?"
    """
    import difflib  # only for messages

    found = difflib.get_close_matches(name, list(known), 1, 0.6)
    return f"; did you mean {found[0]!r}?" if found else ""


def not_a_function(name: str) -> str:
    if name in CONSTANTS:
        return f"{name!r} is a constant: write {name}*(...) for a product"
    if name in _ELSEWHERE:
        return f"there is no function {name!r}: write {_ELSEWHERE[name]}"
    return (f"there is no function {name!r}{closest(name, (*FUNCTIONS, *INDEXED_ONLY))}"
            f" (for a product write {name}*(...))")


def strange(character: str) -> str:
    """What to say about a character that no token starts with."""
    if character in SYMBOLS:
        return SYMBOLS[character]
    words = unicodedata.name(character, "").split()
    if words[:1] == ["GREEK"] and words[2:3] == ["LETTER"] and len(words) == 4:
        name = words[3].lower()
        name = name.capitalize() if words[1] == "CAPITAL" else name
        return f"names are plain ASCII: write {'lam' if name == 'lambda' else name}"
    if character.isalpha():
        return f"names are plain ASCII letters, digits and '_': {character!r} is none of them"
    return f"{character!r} is not part of a formula"


def reserved(word: str) -> str:
    """What to say about a word of Python that cannot be a name.

    >>> reserved("lambda")
    "'lambda' is a reserved word of Python: rename it, say 'lam'"
    """
    if word in ("if", "else"):
        return f"{word!r} is a reserved word of Python: for a choice write where(condition, a, b)"
    other = "lam" if word == "lambda" else f"{word}_"
    return f"{word!r} is a reserved word of Python: rename it, say {other!r}"
