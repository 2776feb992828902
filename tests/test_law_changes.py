"""Laws with ties, fixed values, bounds and guesses, and what the engine is handed of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from test_law import chinchilla, graph_values

import lawfit as lf
from lawfit import _core


def test_tie() -> None:
    law = chinchilla().tie("alpha", "beta")
    assert law.parameters == ("E", "A", "alpha", "B", "beta")
    assert law.free == ("E", "A", "alpha", "B")
    assert law.expand([1.0, 2.0, 0.5, 3.0]).tolist() == [1.0, 2.0, 0.5, 3.0, 0.5]
    assert law.contract([1.0, 2.0, 0.5, 3.0, 0.7]).tolist() == [1.0, 2.0, 0.5, 3.0]
    assert graph_values(law, [1.0, 2.0, 0.5, 3.0], [4.0], [9.0]) == [1.0 + 1.0 + 1.0]
    assert chinchilla().free == ("E", "A", "alpha", "B", "beta"), "the first law is as it was"


def test_the_first_name_leads_a_tie_wherever_it_stands() -> None:
    law = chinchilla().tie("beta", "alpha")
    assert law.free == ("E", "A", "B", "beta")
    assert law.expand([1.0, 2.0, 3.0, 0.5]).tolist() == [1.0, 2.0, 0.5, 3.0, 0.5]


def test_ties_join() -> None:
    law = lf.Law("a + b*x + c*x**2 + d*x**3", ["x"]).tie("a", "b").tie("c", "d").tie("d", "b")
    assert law.free == ("c",)
    assert law.expand([2.0]).tolist() == [2.0] * 4
    assert law.tie("a", "c") == law, "they are tied already"
    assert lf.Law("a + b*x + c*x**2", ["x"]).tie("a", "b", "c").free == ("a",)


def test_ties_through_parameter_objects() -> None:
    law = chinchilla(beta=lf.Parameter(tied="alpha"), alpha=lf.Parameter(start=0.3))
    assert law.free == ("E", "A", "alpha", "B") and law.guesses()[2] == 0.3
    with pytest.raises(ValueError, match="tied in a circle: alpha, beta"):
        chinchilla(beta=lf.Parameter(tied="alpha"), alpha=lf.Parameter(tied="beta"))
    with pytest.raises(ValueError, match=r"'alpha' is tied to 'bet', .* did you mean 'beta'"):
        chinchilla(alpha=lf.Parameter(tied="bet"))


def test_bounds_of_tied_parameters_intersect() -> None:
    law = chinchilla().bound(alpha=(0, 2), beta=(0.1, 3)).tie("alpha", "beta")
    lower, upper = law.bounds()
    assert (lower[2], upper[2]) == (0.1, 2.0)
    with pytest.raises(ValueError, match="alpha, beta leave no interval"):
        chinchilla().bound(alpha=(0, 1), beta=(1, 2)).tie("alpha", "beta")
    with pytest.raises(ValueError, match=r"alpha: start=0.5 lies outside \[1, 2\]"):
        chinchilla(alpha=lf.Parameter(start=0.5)).bound(beta=(1, 2)).tie("alpha", "beta")


def test_fix_and_set_free() -> None:
    law = chinchilla().fix(E=1.69, beta=0.25)
    assert law.free == ("A", "alpha", "B")
    assert law.expand([2.0, 0.5, 3.0]).tolist() == [1.69, 2.0, 0.5, 3.0, 0.25]
    assert law.expand([[2.0, 0.5, 3.0]] * 4).shape == (4, 5)
    assert graph_values(law, [2.0, 0.5, 3.0], [4.0], [16.0]) == [1.69 + 1.0 + 1.5]
    assert law.fix(E=None, beta=None) == chinchilla()
    assert law.fix(E=None).free == ("E", "A", "alpha", "B")


def test_fixing_one_of_a_tie_fixes_all() -> None:
    law = chinchilla().tie("alpha", "beta").fix(beta=0.5)
    assert law.free == ("E", "A", "B")
    assert law.expand([1.0, 2.0, 3.0]).tolist() == [1.0, 2.0, 0.5, 3.0, 0.5]
    assert chinchilla().fix(alpha=0.5).tie("alpha", "beta").expand([1.0, 2.0, 3.0])[4] == 0.5


def test_all_fixed() -> None:
    law = lf.Law("a*x", ["x"]).fix(a=2)
    assert law.free == () and law.expand(np.empty((3, 0))).tolist() == [[2.0]] * 3
    assert [bound.shape for bound in law.bounds()] == [(0,), (0,)] and law.guesses().shape == (0,)


def test_bound() -> None:
    law = chinchilla().bound(alpha=(0, 2), A=(0, None), E=(-math.inf, 5))
    lower, upper = law.bounds()
    assert lower.tolist() == [-math.inf, 0.0, 0.0, -math.inf, -math.inf]
    assert upper.tolist() == [5.0, math.inf, 2.0, math.inf, math.inf]
    assert law.bound(alpha=None).bounds()[1][2] == math.inf
    replaced = chinchilla(A=lf.Parameter(positive=True)).bound(A=(-1, 1))
    assert replaced.bounds()[0][1] == -1.0


@pytest.mark.parametrize(("change", "error", "part"), [
    (lambda law: law.fix(gamma=1), ValueError, "fix: 'gamma' is not a parameter"),
    (lambda law: law.fix(N=1), ValueError, "fix: 'N' is a variable"),
    (lambda law: law.fix(E="1"), TypeError, "E: fixed must be a number"),
    (lambda law: law.fix(alpha=3), ValueError, "alpha: fixed=3 lies outside the bounds"),
    (lambda law: law.fix(E=math.nan), ValueError, "E: fixed must be a number, not NaN"),
    (lambda law: law.bound(alpha=2), TypeError, r"alpha takes a pair \(low, high\)"),
    (lambda law: law.bound(alpha=(1, 2, 3)), TypeError, "alpha takes a pair"),
    (lambda law: law.bound(alpha=(2, 1)), ValueError, "alpha: low must be less than high"),
    (lambda law: law.bound(bet=(1, 2)), ValueError, "did you mean 'beta'"),
    (lambda law: law.fix(E=1).bound(E=(2, 3)), ValueError, "E: fixed=1 lies outside"),
    (lambda law: law.tie("alpha"), TypeError, "at least two"),
    (lambda law: law.tie("alpha", "N"), ValueError, "tie: 'N' is a variable"),
    (lambda law: law.tie("alpha", "gamma"), ValueError, "tie: 'gamma' is not a parameter"),
    (lambda law: law.fix(beta=1).tie("alpha", "beta"), ValueError, "'beta' is fixed"),
    (lambda law: law.declare({"q": lf.Parameter()}), ValueError, "'q' does not occur"),
])
def test_wrong_changes_are_named(change: object, error: type, part: str) -> None:
    with pytest.raises(error, match=part):
        change(chinchilla().bound(alpha=(0, 2)))  # type: ignore[operator]


def test_guesses() -> None:
    law = chinchilla(alpha=lf.Parameter(start=0.3), B=lf.Parameter(start=5, low=0))
    np.testing.assert_array_equal(law.guesses(), [math.nan, math.nan, 0.3, 5.0, math.nan])
    tied = chinchilla(beta=lf.Parameter(start=0.3)).tie("alpha", "beta")
    assert tied.guesses()[2] == 0.3, "a follower's start serves the tie"


@pytest.mark.parametrize("values", [1.0, [1.0], [[1.0, 2.0]]])
def test_expand_and_contract_check_the_last_axis(values: object) -> None:
    law = chinchilla()
    with pytest.raises(ValueError, match="last axis must hold the 5 free parameters"):
        law.expand(values)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="last axis must hold the 5 parameters"):
        law.contract(values)  # type: ignore[arg-type]


def test_expand_and_contract_are_inverse() -> None:
    law = chinchilla().fix(B=2).tie("beta", "alpha")
    free = np.arange(12.0).reshape(2, 2, 3)
    np.testing.assert_array_equal(law.contract(law.expand(free)), free)


def test_graph_counts_free_parameters_only() -> None:
    law = chinchilla().fix(E=1.5).tie("alpha", "beta")
    op, a, *_, value = law.graph()
    codes = _core.opcodes()
    assert sorted(set(a[op == codes["PARAM"]])) == [0, 1, 2]
    assert sorted(set(a[op == codes["VAR"]])) == [0, 1]
    assert value[op == codes["CONST"]].tolist() == [1.5]
    assert law.graph() is law.graph() and not op.flags.writeable
