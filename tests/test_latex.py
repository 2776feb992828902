"""LaTeX of laws: reference output, and a reader that computes what the LaTeX says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fuzz_expression import INDEXED, NAMES, Tree, grown, meaning, names, render
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from latex_reader import compute

import lawfit as lf
from lawfit.latex import latex_name

EXPECTED = Path(__file__).parent / "expected" / "latex.txt"


def _cases() -> list[tuple[str, str]]:
    """Pairs of lines, a formula (or ``id: ...`` of the catalogue) and its LaTeX."""
    lines = [line for line in EXPECTED.read_text().splitlines() if line and line[0] != "#"]
    return list(zip(lines[::2], lines[1::2], strict=True))


@pytest.mark.parametrize(("formula", "expected"), _cases())
def test_reference_output(formula: str, expected: str) -> None:
    id_ = formula.removeprefix("id: ")
    law = lf.laws[id_] if id_ != formula else lf.Law(formula)
    assert law.latex() == expected


def test_every_catalogue_law_has_a_reference() -> None:
    shown = {formula.removeprefix("id: ") for formula, _ in _cases()}
    assert shown >= set(lf.laws)


@pytest.mark.parametrize("id_", lf.laws)
def test_the_latex_of_every_catalogue_law_computes_the_law(id_: str) -> None:
    law = lf.laws[id_]
    point = {name: column[4] for name, column in law.design(9).items()} | law.typical
    values = {latex_name(name): value for name, value in point.items()}
    assert len(values) == len(law.names)
    found = compute(law.latex().partition(" = ")[2], values)
    assert found == pytest.approx(law(**point), rel=1e-9)


@pytest.mark.parametrize(("name", "expected"), [
    ("alpha", r"\alpha"), ("Omega", r"\Omega"), ("lam", r"\lambda"), ("N", "N"),
    ("alpha_N", r"\alpha_{N}"), ("D_l", "D_{l}"), ("c0", "c_{0}"), ("beta12", r"\beta_{12}"),
    ("L_inf", r"L_{\infty}"), ("S_min", r"S_{\min}"), ("loss", r"\mathrm{loss}"),
    ("x_val", r"x_{\mathrm{val}}"), ("k1_a", "k_{1,a}"), ("a_b_c", "a_{b,c}"),
    ("eta_beta", r"\eta_{\beta}"), ("a1b", r"\mathrm{a1b}"), ("x_1", "x_{1}"),
    ("_", r"\mathrm{\_}"), ("_k", "k"), ("omicron", r"\mathrm{omicron}"),
])
def test_names(name: str, expected: str) -> None:
    assert latex_name(name) == expected


plain_numbers = st.sampled_from([0.0, 1.0, 2.0, 3.0, 10.0, 0.5, 2.75, 1e-5]).map(
    lambda value: ("number", repr(value), value)
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(grown(st.one_of(plain_numbers, names)))
def test_latex_means_the_formula(tree: Tree) -> None:
    """What a reader of the LaTeX computes is what the formula computes."""
    everything = (*NAMES, *INDEXED)
    values = {name: np.float64(0.4 + 0.3 * place) for place, name in enumerate(everything)}
    expected, constant, broken = meaning(tree, {n: np.full(8, v) for n, v in values.items()})
    assume(not broken and not constant)
    law = lf.Law(render(tree, lambda: "", lambda: False))
    # Written as a logarithm of a sum, which overflows in a reader: see the reference output.
    assume("logaddexp" not in law.formula and "logsumexp" not in law.formula)
    with np.errstate(all="ignore"):
        found = compute(law.latex(), {latex_name(name): value for name, value in values.items()})
    np.testing.assert_allclose(found, expected[0], rtol=1e-9, atol=1e-300)


def test_long_formulas_take_no_recursion() -> None:
    text = " + ".join(f"a{i}*x" for i in range(400))
    assert lf.Law(text, variables=["x"]).latex().count(" + ") == 399
