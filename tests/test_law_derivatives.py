"""Values and derivatives of every law of the catalogue, against complex steps through the formula
as Python reads it, at random points of the domain and on its bounds.

Left out are rows on which a power of 0 is taken, whose slope is 0 by definition whatever the limit,
rows on which something is divided by 0, and rows where the law has no real value.
"""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest
from scipy import special

import lawfit as lf
from lawfit import _core

Array = np.ndarray
STEP = 1e-150
ROWS = 11


def first_order(function: Any, slope: Any) -> Any:
    """A real function carried to numbers whose imaginary part is a first-order step."""
    return lambda z: function(np.real(z)) + 1j * np.imag(z) * slope(np.real(z))


def chosen(pick: Any) -> Any:
    return lambda a, b: np.where(pick(np.real(a), np.real(b)), a, b)


FUNCTIONS = {
    "exp": np.exp, "log": np.log, "log10": lambda z: np.log(z) / np.log(10), "sqrt": np.sqrt,
    "tanh": first_order(np.tanh, lambda x: 1 / np.cosh(np.minimum(np.abs(x), 300)) ** 2),
    "max": chosen(np.greater_equal), "min": chosen(np.less_equal), "pi": np.pi,
    "normcdf": first_order(special.ndtr, lambda x: np.exp(-x**2 / 2) / np.sqrt(2 * np.pi)),
}


def columns(law: lf.Law) -> list[Array]:
    table = law.design(ROWS)
    return [table[name] for name in law.variables]


class Named(ast.NodeTransformer):
    """Every ``a**b`` becomes ``power(a, b)`` and every ``a/b`` becomes ``over(a, b)``."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        name = {ast.Pow: "power", ast.Div: "over"}.get(type(node.op))
        if name is None:
            return node
        return ast.Call(ast.Name(name, ast.Load()), [node.left, node.right], [])


def by_python(law: lf.Law, params: Array) -> tuple[Array, Array]:
    """The formula evaluated by Python itself, for (possibly complex) parameters along the last
    axis, and where it has a smooth real value; shapes (..., rows)."""
    shape = (*np.shape(params)[:-1], ROWS)
    smooth = np.ones(shape, dtype=bool)

    def power(base: Any, exponent: Any) -> Any:
        nonlocal smooth
        smooth = smooth & ((np.real(base) > 0) | (np.real(base) < 0) & (exponent == 2))
        return np.power(np.asarray(base, dtype=complex), exponent)

    def over(above: Any, below: Any) -> Any:
        nonlocal smooth
        smooth = smooth & (np.real(below) != 0)
        return np.asarray(above, dtype=complex) / below

    names = FUNCTIONS | dict(zip(law.variables, columns(law), strict=True))
    apart = np.moveaxis(np.asarray(params, dtype=complex), -1, 0)[..., None]
    names |= dict(zip(law.free, apart, strict=True))
    tree = ast.fix_missing_locations(Named().visit(ast.parse(law.formula, mode="eval")))
    code = compile(tree, str(law.id), "eval")
    with np.errstate(all="ignore"):
        value = eval(code, {"__builtins__": {}}, names | {"power": power, "over": over})
    return np.broadcast_to(value, shape), smooth & (np.abs(np.imag(value)) < STEP**0.5)


def slopes(law: lf.Law, params: Array) -> Array:
    """Exact to rounding; shape (..., rows, parameters)."""
    steps = 1j * STEP * np.eye(params.shape[-1])
    value, _ = by_python(law, params[..., None, :] + steps)
    with np.errstate(over="ignore"):
        return np.swapaxes(value.imag / STEP, -1, -2)


def near_typical(law: lf.Law, count: int) -> list[Array]:
    """The typical parameters, and others around them inside the domain."""
    random = np.random.default_rng(11)
    typical = np.array([law.typical[name] for name in law.free])
    width = np.where(typical == 0, 0.1, 0.2 * np.abs(typical))
    return [typical] + [np.clip(typical + width * random.uniform(-1, 1, len(typical)),
                                *law.bounds()) for _ in range(count)]


def on_bounds(law: lf.Law) -> list[Array]:
    """The typical parameters with one at a finite bound, for every one and bound."""
    found = []
    for place, ends in enumerate(zip(*law.bounds(), strict=True)):
        for end in filter(np.isfinite, ends):
            found.append(np.array([law.typical[name] for name in law.free]))
            found[-1][place] = end
    return found


@pytest.mark.parametrize("id_", lf.laws)
def test_slopes(id_: str) -> None:
    law = lf.laws[id_]
    points = np.array([*near_typical(law, 6), *on_bounds(law)])
    values, smooth = by_python(law, points)
    for place, params in enumerate(points):
        plain, expected = values[place].real, slopes(law, params)
        usable = smooth[place] & np.isfinite(plain) & np.isfinite(expected).all(axis=1)
        assert usable.sum() > 5 or place, "at the typical parameters most rows count"
        value = _core.evaluate(law.graph(), params[None], columns(law))[0]
        np.testing.assert_allclose(value[usable], plain[usable], rtol=1e-10, atol=1e-290)
        expected = expected[usable]
        found = _core.jacobian(law.graph(), params, columns(law))[usable]
        # Slopes that are differences round at the size of what cancels.
        scale = np.abs(expected).max(axis=0, initial=0.0)
        scale += 1e-3 * np.abs(plain[usable]).max(initial=0.0) / np.where(params, np.abs(params), 1)
        assert (np.abs(found - expected) <= 1e-10 * scale + 1e-290).all(), params


@pytest.mark.parametrize("id_", lf.laws)
def test_curvature(id_: str) -> None:
    """Second derivatives, summed over rows, against differences of the complex steps."""
    law = lf.laws[id_]
    params = near_typical(law, 1)[0]
    sizes = np.where(params == 0, 1.0, np.abs(params))
    found = _core.model_hessian(law.graph(), params, columns(law)) * sizes[:, None] * sizes
    steps = 1e-4 * np.diag(sizes)
    far, near, nearer, farther = (slopes(law, params + k * steps) for k in (-2, -1, 1, 2))
    expected = sizes * (far - 8 * near + 8 * nearer - farther).sum(axis=1) / 12e-4
    # The engine makes it from two Hessians of an objective, which round at the size of J'J.
    first = np.abs(slopes(law, params) * sizes)
    noise = 1e-12 * np.square(first).sum() + 1e-11 * first.sum()
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=noise + 1e-290)
