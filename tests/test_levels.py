"""CPU levels: which are there, pinning one, and that all of them find the same optima."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import lawfit as lf
from lawfit import _core
from lawfit.engine import objective_arguments, options

LEVELS = _core.built_levels()


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60,
        env={**os.environ, **environment},
    )


def test_info_says_what_is_in_use():
    facts = lf.info()
    assert facts["levels"] == LEVELS and facts["level"] == _core.level()
    pinned = os.environ.get("LAWFIT_ISA")
    assert facts["level"] == (pinned or LEVELS[0])


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_can_be_pinned(level):
    done = run_python("import lawfit as lf; print(lf.info()['level'])", LAWFIT_ISA=level)
    assert done.stdout == f"{level}\n", done.stderr


@pytest.mark.parametrize("level", ["v9", "../_core_base"])
def test_a_level_that_is_not_there_is_refused_by_name(level):
    done = run_python("import lawfit", LAWFIT_ISA=level)
    assert done.returncode == 1
    assert f"LAWFIT_ISA={level!r} cannot be used" in done.stderr
    assert ", ".join(LEVELS) in done.stderr


def test_results_carry_the_level(tmp_path):
    fit = lf.fit("y = a + b*x", {"x": [0.0, 1, 2, 3], "y": [1.1, 2.9, 5.2, 6.8]})
    fit.save(tmp_path / "line.json")
    for holder in (fit.diagnostics, fit.to_dict()["diagnostics"],
                   lf.load(tmp_path / "line.json").diagnostics):
        assert holder["level"] == _core.level()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("on, loss", [
    ("linear", "squared"), ("log", lf.Huber(1e-3)), ("log", lf.Absolute()),
    ("relative", lf.Cauchy(0.01)),
])
def test_every_level_finds_the_same_optimum(level, on, loss):
    """All levels load side by side; rounding differs, the optimum does not."""
    rng = np.random.default_rng(11)
    n, d = np.exp(rng.uniform(np.log(1e7), np.log(1e10), (2, 50)))
    y = (1.7 + 400 / n**0.34 + 900 / d**0.37) * np.exp(0.005 * rng.standard_normal(50))
    law = lf.Law("E + A/N**alpha + B/D**beta", variables=("N", "D"))
    here = lf.fit(law, {"N": n, "D": d, "y": y}, y="y", on=on, loss=loss)
    kind = here.loss
    raw = _core.load(level).fit(
        law.graph(), [n, d], y, None, None, np.array([0, 50]), *objective_arguments(on, kind),
        *law.bounds(), law.guesses(), None, 0,
        options(tolerance=1e-9, max_iterations=None, max_seconds=None, precise=False,
                keep_starts=False, seed=0, threads=1), None,
    )
    assert raw["objective"][0] == pytest.approx(here.objective, rel=1e-9)
    assert here.converged
