"""Laws of unique tokens: what repeating data, and size beyond what the data deserve, are worth.

Source: N. Muennighoff et al., "Scaling Data-Constrained Language Models" (2023), equations 5-7:
tokens seen again count less and less, ``D' = U + U*R_D*(1 - exp(-R/R_D))`` after R repetitions,
and likewise parameters beyond G, the size for which the U unique tokens would be optimal.
"""

from __future__ import annotations

from typing import NamedTuple

from .expression import Expression
from .substitute import fresh_name, substitute

__all__ = ["PUBLISHED", "Repeated", "repeated"]

PUBLISHED = (15.387756, 5.309743)  # R_D* and R_N* of the paper, unrounded


class Repeated(NamedTuple):
    """A law whose size and tokens count less beyond ``base`` and ``unique`` (names in it)."""

    expression: Expression
    unique: str
    base: str


def repeated(
    expression: Expression, size: str, tokens: str, half_lives: tuple[float, float]
) -> Repeated:
    """The law with effective tokens and effective size in place of those that were spent.

    >>> from lawfit.expression import parse
    >>> from lawfit.surface import Surface
    >>> law = repeated(parse("N + 1000*D"), "N", "D", (2.0, 4.0))
    >>> at = {"N": 3.0, law.base: 10.0, "D": [2.0, 5.0, 10.0, 1e9], law.unique: 5.0}
    >>> Surface(law.expression, ("N", "D")).values(at).round(1).tolist()
    [2003.0, 5003.0, 8937.7, 15003.0]
    """
    for value in half_lives:
        if not value > 0:
            raise ValueError(f"repetition: expected two positive numbers, not {half_lives!r}")
    unique = fresh_name("unique_tokens", expression.names)
    base = fresh_name("base_size", expression.names)

    def effective(name: str, limit: str, half_life: float) -> str:
        once = f"min({name}, {limit})"
        rate = repr(float(half_life))
        return f"{once}*(1 + {rate}*(1 - exp(-({name}/{once} - 1)/{rate})))"

    return Repeated(
        substitute(expression, {
            size: effective(size, base, half_lives[1]),
            tokens: effective(tokens, unique, half_lives[0]),
        }),
        unique, base,
    )
