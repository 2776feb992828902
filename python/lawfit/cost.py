"""What a run costs in compute, as an expression of its size and tokens."""

from __future__ import annotations

import numbers
from typing import Any

from .expression import Expression, parse
from .substitute import substitute

__all__ = ["as_cost", "attention_cost", "with_inference"]


def attention_cost(
    context: float, aspect: float = 100.0, *, size: str = "N", tokens: str = "D"
) -> str:
    """Training compute with attention: ``6*N*D`` and the products of queries, keys and values.

    ``context`` is the sequence length in tokens, ``aspect`` the ratio of width to depth, which
    with ``N = 12*depth*width**2`` gives the width of every size. A token costs another
    ``12*depth*width*context`` (no saving by causal masks). ``size`` and ``tokens`` are the law's
    names for N and D, in parameters and tokens. The text returned goes to ``allocate(cost=)``.

    Source: A. Chowdhery et al., "PaLM" (2022), appendix B.

    >>> attention_cost(2048)
    '6*N*D + 12*2048.0*(N*100.0/12)**(2/3)/100.0*D'
    """
    for name, value in (("context", context), ("aspect", aspect)):
        if not value > 0:
            raise ValueError(f"{name}: must be positive, not {value!r}")
    context, aspect = float(context), float(aspect)
    return (
        f"6*{size}*{tokens} + 12*{context!r}*({size}*{aspect!r}/12)**(2/3)/{aspect!r}*{tokens}"
    )


def as_cost(cost: Any, size: str, tokens: str) -> str:
    """The cost of training as a text: a number k is ``k*size*tokens``.

    Raises ValueError when it is not positive, or a text without one of the two names.

    >>> as_cost(6, "N", "D")
    '6.0*N*D'
    """
    if isinstance(cost, str):
        names = parse(cost).names
        if size not in names or tokens not in names:
            raise ValueError(f"cost: {cost!r} must depend on {size} and on {tokens}")
        return cost
    if isinstance(cost, bool) or not isinstance(cost, numbers.Real):
        raise TypeError(f"cost: expected a number or an expression, not {cost!r}")
    if not (cost > 0 and cost < float("inf")):
        raise ValueError(f"cost: must be positive, not {cost!r}")
    return f"{float(cost)!r}*{size}*{tokens}"


def with_inference(cost: str, tokens: str, served: float) -> Expression:
    """The cost of training and of then serving ``served`` tokens.

    Serving is the forward pass alone, a third of what training costs a token.

    Source: N. Sardana et al., "Beyond Chinchilla-Optimal" (2023), equation 2.

    >>> from lawfit.surface import Surface
    >>> total = Surface(with_inference("6*N*D", "D", 5.0), ("N", "D"))
    >>> float(total.values({"N": 10.0, "D": 2.0}))
    220.0
    """
    if not (served >= 0 and served < float("inf")):
        raise ValueError(f"inference: expected a number of tokens >= 0, not {served!r}")
    training = parse(cost)
    if served == 0:
        return training
    serving = substitute(training, {tokens: repr(float(served))})
    return substitute(parse("training + serving/3"), {"training": training, "serving": serving})
