"""Formulas as LaTeX, with as few parentheses as the mathematics needs.

The text is written from left to right from a stack of pieces, so that a formula of any size
takes time in proportion to its length.
"""

from __future__ import annotations

import re

from .expression import Expression, Node

__all__ = ["latex", "latex_name"]

_LETTERS = {
    *("alpha beta gamma delta epsilon zeta eta theta iota kappa mu nu xi pi rho sigma tau "
      "upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi "
      "Omega").split(), "lambda",
}
_WORDS = {"inf": r"\infty", "min": r"\min", "max": r"\max"}  # as subscripts
_SHORT = {"lam": r"\lambda", "gam": r"\gamma"}
_FUNCTIONS = {
    "exp": r"\exp", "log": r"\log", "log10": r"\log_{10}", "log2": r"\log_{2}", "sin": r"\sin",
    "cos": r"\cos", "arctan": r"\arctan", "tanh": r"\tanh", "normcdf": r"\Phi",
    "gammaln": r"\log\Gamma", "betaln": r"\log\mathrm{B}", "digamma": r"\psi",
    "min": r"\min", "max": r"\max",
    **{name: rf"\operatorname{{{name}}}"
       for name in ("log1p", "expm1", "erf", "logistic", "softplus")},
}
_INFIX = {
    "<": "<", "<=": r"\le", ">": ">", ">=": r"\ge", "==": "=", "!=": r"\ne",
    "and": r"\land", "or": r"\lor",
}
_LARGE = {"sum": r"\sum", "prod": r"\prod"}
_Piece = str | tuple[int, bool]
"""Text to write as it is, or a node still to be written and whether it is inline."""


def latex(expression: Expression) -> str:
    r"""The formula as LaTeX mathematics, without the surrounding ``$``.

    >>> from lawfit.expression import parse
    >>> print(latex(parse("loss = E + A/N**alpha_N")))
    \mathrm{loss} = E + \frac{A}{N^{\alpha_{N}}}
    """
    head = f"{latex_name(expression.target)} = " if expression.target else ""
    return head + _Writer(expression.written()).write()


def latex_name(name: str) -> str:
    r"""A parameter's or variable's name: Greek letters, subscripts, upright words.

    >>> print(latex_name("alpha_N"), latex_name("D_l"), latex_name("c0"), latex_name("loss"))
    \alpha_{N} D_{l} c_{0} \mathrm{loss}
    """
    base, below = _base_and_subscripts(name)
    return f"{base}_{{{','.join(below)}}}" if below else base


def _base_and_subscripts(name: str) -> tuple[str, list[str]]:
    parts = [part for part in name.split("_") if part]
    if not parts:
        return r"\mathrm{" + name.replace("_", r"\_") + "}", []
    match = re.fullmatch(r"([A-Za-z]+)([0-9]+)", parts[0])
    if match:
        parts[:1] = match.groups()
    return _word(parts[0], base=True), [_word(part) for part in parts[1:]]


def _word(word: str, base: bool = False) -> str:
    if word in _SHORT or (word in _WORDS and not base):
        return _SHORT.get(word) or _WORDS[word]
    if word in _LETTERS:
        return "\\" + word
    if len(word) == 1 or (word.isdigit() and not base):
        return word
    return rf"\mathrm{{{word}}}"


def _number(value: float) -> str:
    """Shortest digits that read back to the same number; powers of ten written as such."""
    mantissa, _, exponent = repr(value).partition("e")
    mantissa = mantissa.removesuffix(".0")
    if not exponent:
        return mantissa
    power = f"10^{{{int(exponent)}}}"
    return power if mantissa == "1" else rf"{mantissa} \times {power}"


class _Writer:
    """Writes nodes; ``inline`` pieces, in exponents, use a slash in place of a fraction."""

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        self.nodes = nodes

    def write(self) -> str:
        out: list[str] = []
        stack: list[_Piece] = [(len(self.nodes) - 1, False)]
        while stack:
            piece = stack.pop()
            if isinstance(piece, str):
                out.append(piece)
            else:
                stack.extend(reversed(self._pieces(*piece)))
        return "".join(out)

    def _pieces(self, index: int, inline: bool) -> list[_Piece]:
        node = self.nodes[index]
        kind, args = node.kind, node.args
        if kind in ("+", "-"):
            return [(args[0], inline), f" {kind} ", *self._term(args[1], inline, kind)]
        if kind == "neg":
            return ["-", *self._term(args[0], inline, "-")]
        if kind == "*":
            return self._product(args[0], args[1], inline)
        if kind == "/":
            return self._quotient(args[0], args[1], inline)
        if kind == "**":
            base = self._fenced(args[0], inline, not self._is_atom(args[0]))
            return [*base, "^{", (args[1], True), "}"]
        if kind == "indexed":
            return self._indexed(node)
        if kind in _INFIX:
            return self._infix(kind, args)
        if kind == "where":
            return [r"\begin{cases} ", (args[1], True), r" & \text{if } ", (args[0], True),
                    r" \\ ", (args[2], True), r" & \text{otherwise} \end{cases}"]
        if kind in _LARGE:
            return self._large(_LARGE[kind], args[0], inline)
        if args:
            return self._call(kind, args, inline)
        return [latex_name(node.name) if node.name else _number(node.value)]

    def _fenced(self, index: int, inline: bool, fence: bool) -> list[_Piece]:
        return [r"\left(", (index, inline), r"\right)"] if fence else [(index, inline)]

    def _is_atom(self, index: int) -> bool:
        """Whether an exponent can stand right behind this."""
        node = self.nodes[index]
        if node.kind == "number" and not node.name:
            return "10^" not in _number(node.value)
        return node.kind in ("number", "name", "indexed", "abs")

    def _lead(self, index: int, inline: bool) -> str:
        """What the written form starts with: a kind of node, or ``"("``."""
        node = self.nodes[index]
        while node.kind in ("+", "-", "*") or (node.kind == "/" and inline):
            first = node.args[0]
            if node.kind in ("*", "/") and self._fences_factor(first, inline and node.kind == "*"):
                return "("
            node = self.nodes[first]
        if node.kind == "/":
            return "neg" if self.nodes[node.args[0]].kind == "neg" else "fraction"
        if node.kind == "**":
            return self.nodes[node.args[0]].kind if self._is_atom(node.args[0]) else "("
        return "pi" if node.kind == "number" and node.name else node.kind

    def _fences_factor(self, index: int, slash: bool) -> bool:
        """Whether the left side of a product needs a fence: for a sum, or a slash if told so."""
        node = self.nodes[index]
        bare = self.nodes[node.args[0]] if node.kind == "neg" else node
        return node.kind in ("+", "-", *_LARGE) or (slash and bare.kind == "/")

    def _term(self, index: int, inline: bool, sign: str) -> list[_Piece]:
        """What stands right of a plus or minus sign."""
        fence = self._lead(index, inline) == "neg"
        if sign == "-":
            fence = fence or self.nodes[index].kind in ("+", "-")
        return self._fenced(index, inline, fence)

    def _product(self, left: int, right: int, inline: bool) -> list[_Piece]:
        lead = self._lead(right, inline)
        fence = self._fences_factor(right, inline) or lead == "neg"
        dot = lead == "number" and not fence
        return [
            *self._fenced(left, inline, self._fences_factor(left, inline)),
            r" \cdot " if dot else r"\,",
            *self._fenced(right, inline, fence),
        ]

    def _quotient(self, top: int, bottom: int, inline: bool) -> list[_Piece]:
        if not inline:
            # A sign goes in front of the fraction, not on top of it.
            sign = self.nodes[top].kind == "neg"
            above = self.nodes[top].args[0] if sign else top
            return ["-" * sign, r"\frac{", (above, False), "}{", (bottom, False), "}"]
        below = self.nodes[bottom]
        fence = below.kind in ("+", "-", "neg", "*", "/", *_LARGE)
        if below.kind == "number" and not below.name:
            fence = "times" in _number(below.value)
        return [*self._fenced(top, True, self._fences_factor(top, False)), "/",
                *self._fenced(bottom, True, fence)]

    def _call(self, kind: str, args: tuple[int, ...], inline: bool) -> list[_Piece]:
        if kind == "sqrt":
            return [r"\sqrt{", (args[0], inline), "}"]
        if kind == "abs":
            return [r"\left|", (args[0], inline), r"\right|"]
        if kind == "not":
            return [r"\lnot\left(", (args[0], True), r"\right)"]
        adds = kind in ("logaddexp", "logsumexp")
        if self.nodes[args[0]].kind == "over":
            if adds:
                total = self._large(r"\sum", args[0], inline, r"\exp")
                return [r"\log\left(", *total, r"\right)"]
            return self._large(_FUNCTIONS[kind], args[0], inline, "")
        pieces: list[_Piece] = [_FUNCTIONS["log" if adds else kind], r"\left("]
        for position, arg in enumerate(args):
            if position:
                pieces.append(" + " if adds else ", ")
            pieces += [r"\exp", *self._fenced(arg, inline, True)] if adds else [(arg, inline)]
        return [*pieces, r"\right)"]

    def _indexed(self, node: Node) -> list[_Piece]:
        base, below = _base_and_subscripts(node.name)
        pieces: list[_Piece] = [base + "_{" + "".join(f"{word}," for word in below)]
        for place, arg in enumerate(node.args):
            pieces += [",", (arg, True)] if place else [(arg, True)]
        return [*pieces, "}"]

    def _infix(self, kind: str, args: tuple[int, ...]) -> list[_Piece]:
        pieces: list[_Piece] = []
        for place, arg in enumerate(args):
            joined = self.nodes[arg].kind in ("and", "or")
            pieces += [f" {_INFIX[kind]} "] if place else []
            pieces += self._fenced(arg, True, joined)
        return pieces

    def _large(self, sign: str, over: int, inline: bool, function: str | None = None) \
            -> list[_Piece]:
        """A sign with the range of its index, and the term: of a function, or fenced if a sum."""
        node = self.nodes[over]
        term, low, high = node.args
        fence = function is not None or self.nodes[term].kind in ("+", "-") \
            or self._lead(term, inline) == "neg"
        return [sign, f"_{{{latex_name(node.name)}=", (low, True), "}^{", (high, True), "}",
                " " if function is None else function, *self._fenced(term, inline, fence)]
