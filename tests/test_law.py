"""Laws: names, parameters, evaluation, and laws as values."""

from __future__ import annotations

import copy
import json
import math
import pickle

import numpy as np
import pytest

import lawfit as lf
from lawfit import _reference
from lawfit.law import as_law

CHINCHILLA = "E + A/N**alpha + B/D**beta"


def chinchilla(**parameters: lf.Parameter) -> lf.Law:
    return lf.Law(CHINCHILLA, variables=("N", "D"), parameters=parameters)


def graph_values(law: lf.Law, free: list[float], *columns: list[float]) -> list[float]:
    """The law by the twin, from the graph over its free parameters."""
    result: list[float] = _reference.evaluate(law.graph(), [free], list(columns))[0].tolist()
    return result


# ---- names ----


def test_parameters_in_order_of_first_appearance() -> None:
    law = chinchilla()
    assert law.parameters == ("E", "A", "alpha", "B", "beta")
    assert law.variables == ("N", "D")
    assert law.formula == CHINCHILLA
    assert law.target is None and law.source is None and law.id is None
    assert lf.Law("loss = " + CHINCHILLA).target == "loss"
    assert lf.Law("a*x", ["x"], source="Hooke 1678").source == "Hooke 1678"


def test_variables_in_order_of_the_formula() -> None:
    assert lf.Law("a*x + b*y", variables=["y", "x"]).variables == ("x", "y")


def test_open_law_says_how_to_decide() -> None:
    law = lf.Law("E + A/N**alpha")
    assert not law.decided and law.names == ("E", "A", "N", "alpha")
    for ask in (lambda: law.variables, lambda: law.parameters, lambda: law.free, law.graph,
                law.bounds, law.guesses, lambda: law.expand([1.0])):
        with pytest.raises(ValueError, match=r"variables=\(\.\.\.\)"):
            ask()


def test_law_whose_names_are_all_declared_is_decided() -> None:
    law = lf.Law("a + b", parameters=["a", "b"])
    assert law.decided and law.variables == () and law.parameters == ("a", "b")


@pytest.mark.parametrize(("arguments", "error", "part"), [
    ({"variables": ["M"]}, ValueError, "variables: 'M' does not occur"),
    ({"variables": "N"}, TypeError, r"write \('N',\)"),
    ({"variables": ["N", "N"]}, ValueError, "'N' is given twice"),
    ({"variables": [1]}, TypeError, "takes names"),
    ({"variables": 3}, TypeError, "list of names, not int"),
    ({"parameters": {"alpa": lf.Parameter()}}, ValueError, "did you mean 'alpha'"),
    ({"parameters": {"A": (0, 1)}}, TypeError, "'A' must be a Parameter"),
    ({"parameters": "A"}, TypeError, r"write \('A',\)"),
    ({"variables": ["N"], "parameters": ["N"]}, ValueError, "both as a variable"),
    ({"variables": ["E", "A", "N", "alpha", "B", "D", "beta"]}, lf.LawError, "no parameter"),
    ({"parameters": {"A": lf.Parameter(tied="N")}, "variables": ["N"]}, ValueError, "not a param"),
    ({"parameters": {"A": lf.Parameter(tied="A")}}, ValueError, "circle"),
])
def test_wrong_calls_are_named(arguments: dict[str, object], error: type, part: str) -> None:
    with pytest.raises(error, match=part):
        lf.Law(CHINCHILLA, **arguments)  # type: ignore[arg-type]


def test_a_number_is_no_law() -> None:
    with pytest.raises(lf.LawError, match="no parameter"):
        lf.Law("2*3")


# ---- parameters ----


@pytest.mark.parametrize(("arguments", "error", "part"), [
    ({"low": 1, "high": 1}, ValueError, "use fixed="),
    ({"low": 2, "high": 1}, ValueError, "low must be less than high"),
    ({"low": math.inf}, ValueError, "low must be less than high"),
    ({"positive": True, "low": -1}, ValueError, "contradicts"),
    ({"positive": True, "high": 0}, ValueError, "low must be less than high"),
    ({"low": math.nan}, ValueError, "low must be a number, not NaN"),
    ({"high": "2"}, TypeError, "high must be a number, not str"),
    ({"high": True}, TypeError, "high must be a number, not bool"),
    ({"start": 1j}, TypeError, "start must be a number"),
    ({"start": [1.0]}, TypeError, "start must be a number"),
    ({"start": np.array([1.0])}, TypeError, "start must be a number"),
    ({"start": math.inf}, ValueError, "start must be finite"),
    ({"fixed": -math.inf}, ValueError, "fixed must be finite"),
    ({"fixed": 10**400}, ValueError, "too large"),
    ({"start": -0.1, "positive": True}, ValueError, "outside the bounds"),
    ({"fixed": 3, "high": 2}, ValueError, "outside the bounds"),
    ({"tied": 3}, TypeError, "tied must be"),
    ({"tied": "a", "fixed": 1}, ValueError, "either fixed or tied"),
    ({"positive": "yes"}, TypeError, "positive must be True or False"),
])
def test_parameters_are_checked(arguments: dict[str, object], error: type, part: str) -> None:
    with pytest.raises(error, match=part):
        lf.Parameter(**arguments)  # type: ignore[arg-type]


def test_positive_is_the_closed_half_line() -> None:
    assert lf.Parameter(positive=True).bounds == (0.0, math.inf)
    assert lf.Parameter(positive=True, low=0.5, high=2).bounds == (0.5, 2.0)
    assert lf.Parameter(positive=True, start=0).start == 0.0
    assert lf.Parameter(low=-math.inf, high=math.inf) == lf.Parameter()


def test_parameters_are_frozen_numbers_of_any_kind() -> None:
    numbers = {"low": np.float32(0.5), "high": np.int64(2), "start": np.array(1.0)}
    parameter = lf.Parameter(**numbers)  # type: ignore[arg-type]
    assert parameter == lf.Parameter(low=0.5, high=2.0, start=1.0)
    assert type(parameter.start) is float
    with pytest.raises(AttributeError):
        parameter.low = 0.0  # type: ignore[misc]
    assert repr(lf.Parameter(low=0.0, start=1)) == "Parameter(low=0.0, start=1.0)"


# ---- evaluation ----


def test_evaluation_by_hand() -> None:
    value = chinchilla()(N=16, D=27, E=1, A=8, alpha=0.5, B=27, beta=1 / 3)
    assert type(value) is float
    assert value == pytest.approx(1 + 8 / 4 + 27 / 3, rel=1e-14)


def test_everything_broadcasts() -> None:
    law = lf.Law("E + A/N**alpha", variables=["N"])
    N, A = np.array([1.0, 4.0, 16.0]), np.array([[2.0], [8.0]])
    value = law(N=N, A=A, E=0.5, alpha=0.5)
    assert isinstance(value, np.ndarray) and value.dtype == np.float64
    np.testing.assert_allclose(value, 0.5 + A / np.sqrt(N), rtol=1e-14)
    same = law(N=N[:, None, None], A=A, E=np.full(4, 0.5), alpha=0.5)
    assert isinstance(same, np.ndarray) and same.shape == (3, 2, 4)
    np.testing.assert_allclose(same[:, :, 0].T, value, rtol=1e-14)


@pytest.mark.parametrize("given", [
    [1, 4, 16], np.array([1, 4, 16], np.int32), np.array([1.0, 4, 16], np.float32),
    np.array([16.0, 4, 1])[::-1], np.array([1.0, 9, 4, 9, 16])[::2],
], ids=["list", "int32", "float32", "reversed", "strided"])
def test_any_real_array(given: object) -> None:
    value = lf.Law("a*x", ["x"])(x=given, a=2)  # type: ignore[arg-type]
    np.testing.assert_array_equal(value, [2.0, 8.0, 32.0])


def test_read_only_arrays_stay_untouched() -> None:
    x = np.array([1.0, 2.0])
    x.flags.writeable = False
    np.testing.assert_array_equal(lf.Law("a*x", ["x"])(x=x, a=x), [1.0, 4.0])


def test_empty_arrays() -> None:
    value = lf.Law("a*x", ["x"])(x=np.empty((0, 3)), a=1.0)
    assert isinstance(value, np.ndarray) and value.shape == (0, 3)


def test_no_finite_value_is_nan_or_infinite() -> None:
    law = lf.Law("a/x + log(x)", variables=["x"])
    value = law(x=[0.0, -1.0], a=1.0)
    assert isinstance(value, np.ndarray) and not np.isfinite(value).any()


def test_law_of_parameters_alone_and_open_laws_evaluate() -> None:
    assert lf.Law("a + b", variables=())(a=1.0, b=2.0) == 3.0
    assert lf.Law("beta/(alpha + beta)")(alpha=1.0, beta=3.0) == 0.75


def test_names_of_any_kind() -> None:
    assert lf.Law("self*x + cls + values")(self=2.0, x=3.0, cls=1.0, values=1.0) == 8.0


@pytest.mark.parametrize(("values", "error", "part"), [
    ({"x": 1.0}, TypeError, "needs a value for a"),
    ({"x": 1.0, "a": 1.0, "b": 2.0}, TypeError, "'b' is not a name of the law"),
    ({"x": "1", "a": 1.0}, TypeError, "x must hold real numbers"),
    ({"x": 1j, "a": 1.0}, TypeError, "x must hold real numbers, not complex"),
    ({"x": None, "a": 1.0}, TypeError, "x must hold real numbers, not object"),
    ({"x": [1.0, 2.0], "a": [1.0, 2.0, 3.0]}, ValueError, r"a \(3,\), x \(2,\)"),
])
def test_wrong_values_are_named(values: dict[str, object], error: type, part: str) -> None:
    with pytest.raises(error, match=part):
        lf.Law("a*x", ["x"])(**dict(sorted(values.items())))  # type: ignore[arg-type]


def test_fixed_and_tied_values_may_be_left_out_but_not_contradicted() -> None:
    law = chinchilla().fix(E=1.5).tie("alpha", "beta")
    rest = {"N": 4.0, "D": 9.0, "A": 2.0, "B": 3.0}
    assert law(**rest, alpha=0.5) == law(**rest, beta=0.5) == 1.5 + 1 + 1
    assert law(**rest, alpha=0.5, beta=0.5, E=1.5) == 3.5
    with pytest.raises(ValueError, match=r"E is fixed at 1\.5"):
        law(**rest, alpha=0.5, E=1.6)
    with pytest.raises(ValueError, match="alpha and beta are tied"):
        law(**rest, alpha=0.5, beta=[0.5, 0.6])
    with pytest.raises(TypeError, match="needs a value for alpha, beta"):
        law(**rest)


# ---- which names are variables ----


@pytest.mark.parametrize(("columns", "named", "mapped", "expected"), [
    (["N", "D", "loss"], [], [], ("N", "D")),
    (["loss", "D", "N", "run"], [], [], ("N", "D")),
    (["N", "D", "E", "loss"], ["E"], [], ("N", "D")),
    (["params", "tokens"], [], ["N", "D"], ("N", "D")),
    (["params", "D"], [], ["D", "N"], ("N", "D")),
    (["N"], [], [], ("N",)),
    (["N", "D", "E"], ["E", "D"], ["N"], ("N",)),
])
def test_resolve(
    columns: list[str], named: list[str], mapped: list[str], expected: tuple[str, ...]
) -> None:
    law = lf.Law(CHINCHILLA).resolve(columns, named, mapped)
    assert law.decided and law.variables == expected


@pytest.mark.parametrize(("columns", "named", "mapped", "part"), [
    (["loss", "params"], [], [], "no name of the law .* is a column .*loss, params"),
    (["N", "D", "E"], [], ["N", "D"], "'E' is a name of the law and a column .* not in columns="),
    (["params"], ["N"], ["N"], "'N' is given both in columns= and as a parameter"),
    (["params"], [], ["n"], "columns: 'n' is not a variable"),
])
def test_resolve_refuses_to_guess(
    columns: list[str], named: list[str], mapped: list[str], part: str
) -> None:
    with pytest.raises(ValueError, match=part):
        lf.Law(CHINCHILLA).resolve(columns, named, mapped)


def test_declared_parameters_are_never_columns() -> None:
    law = lf.Law(CHINCHILLA, parameters={"E": lf.Parameter(positive=True)}).bound(B=(0, None))
    assert law.resolve(["N", "D", "E", "B"]).variables == ("N", "D")


def test_resolve_keeps_a_decided_law() -> None:
    law = chinchilla()
    assert law.resolve(["a", "b"]) is law
    assert law.resolve(["params"], mapped=["N"]) is law
    with pytest.raises(ValueError, match="columns: 'E' is not a variable"):
        law.resolve(["params"], mapped=["E"])


def test_changes_before_deciding_are_kept() -> None:
    law = lf.Law(CHINCHILLA).fix(E=1.5).tie("alpha", "beta").resolve(["N", "D", "E"])
    assert law.free == ("A", "alpha", "B")


# ---- as values ----


def test_frozen() -> None:
    law = chinchilla()
    with pytest.raises(AttributeError, match="frozen"):
        law.info = None
    with pytest.raises(AttributeError, match="frozen"):
        del law.info
    with pytest.raises(TypeError):
        law.settings["A"] = lf.Parameter()  # type: ignore[index]


LAWS = [
    lf.Law(CHINCHILLA), chinchilla(), chinchilla().fix(E=1).tie("alpha", "beta"),
    lf.Law("y = a*x", ["x"], {"a": lf.Parameter(positive=True, high=3, start=1)}, source="me"),
    lf.laws["chinchilla"], lf.laws["monkeys_coverage"].fix(b=0.5),
]


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_copies_are_equal(law: lf.Law) -> None:
    law.decided and law.graph()  # with and without what is computed once
    for same in (pickle.loads(pickle.dumps(law)), copy.deepcopy(law), copy.copy(law),
                 lf.Law.from_dict(law.to_dict()),
                 lf.Law.from_dict(json.loads(json.dumps(law.to_dict(), allow_nan=False)))):
        assert same == law and hash(same) == hash(law)
        assert (same.source, same.typical) == (law.source, law.typical)


def test_different_laws_differ() -> None:
    assert len(set(LAWS)) == len(LAWS)
    assert chinchilla() != chinchilla().fix(E=1) and chinchilla() != CHINCHILLA


def test_repr_can_be_read_and_run() -> None:
    law = chinchilla(A=lf.Parameter(positive=True)).fix(E=1.5).tie("alpha", "beta")
    scope = {"Law": lf.Law, "Parameter": lf.Parameter}
    assert eval(repr(law), scope) == law
    assert eval(repr(lf.Law(CHINCHILLA)), scope) == lf.Law(CHINCHILLA)
    assert repr(lf.laws["M1"].fix(c=-0.5)) == "<Law M1: beta*x**c; c = -0.5>"


def test_as_law() -> None:
    law = chinchilla()
    assert as_law(law) is law
    assert as_law("chinchilla") is lf.laws["chinchilla"]
    assert as_law(" M1 ") is lf.laws["M1"]
    assert as_law(CHINCHILLA) == lf.Law(CHINCHILLA)
    assert as_law("chinchila") == lf.Law("chinchila")
    declared = as_law("M1", parameters={"beta": lf.Parameter(low=2)})
    assert declared.id == "M1" and declared.bounds()[0].tolist() == [2.0, -2.0]
    with pytest.raises(TypeError, match="not int"):
        as_law(3)  # type: ignore[arg-type]
    with pytest.raises(lf.LawError):
        as_law("a ^ x")
