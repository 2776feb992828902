"""The figure: what is on it, and that matplotlib stays optional."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from samples import TWO_TERMS, line_table, two_term_table

import lawfit as lf


@pytest.fixture
def axes():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot.subplots()[1]
    pyplot.close("all")


def drawn(axes):
    points, curve = axes.lines
    (band,) = axes.collections
    return points.get_xydata(), curve.get_xydata(), band.get_paths()[0].vertices


def test_one_variable_shows_data_fit_and_band(axes):
    data = line_table()
    fit = lf.fit("y = a + b*x", data)
    assert fit.plot(ax=axes) is axes
    points, curve, band = drawn(axes)
    np.testing.assert_array_equal(points, np.stack([data["x"], data["y"]], axis=1))
    np.testing.assert_allclose(curve[:, 1], fit.predict(x=curve[:, 0]))
    low, high = fit.predict(x=0.0, level=0.95)[1:]
    at_zero = band[band[:, 0] == 0.0, 1]
    assert at_zero.min() == pytest.approx(low) and at_zero.max() == pytest.approx(high)
    assert axes.get_xlabel() == "x" and axes.get_ylabel() == "y"
    assert axes.get_xscale() == axes.get_yscale() == "linear"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "runs", "95 % band of the mean", "fit",
    ]


@pytest.mark.parametrize("on", ["linear", "log", "relative"])
def test_runs_keep_their_residuals_when_moved_along_other_variables(axes, on):
    data = two_term_table(0.01)
    fit = lf.fit(TWO_TERMS, {"params": data["N"], "D": data["D"], "loss": data["loss"]}, on=on,
                 columns={"N": "params", "D": "D"})  # fmt: skip
    fit.plot("N", ax=axes, level=None)
    points, curve = (line.get_xydata() for line in axes.lines)
    at = fit.predict(N=points[:, 0], D=np.median(data["D"]))
    residual = {"linear": points[:, 1] - at, "log": np.log(points[:, 1] / at),
                "relative": 1 - at / points[:, 1]}[on]  # fmt: skip
    np.testing.assert_allclose(residual, fit.residuals, atol=1e-12)
    assert axes.get_xscale() == "log" and axes.get_yscale() == "linear"
    assert axes.get_xlabel() == "params"
    assert axes.get_ylabel() == "loss, moved to D = 1.73e+10"


def test_a_new_figure_is_made_without_axes(axes):
    made = lf.fit("y = a + b*x", line_table()).plot()
    assert made is not axes and made.figure is not axes.figure


def test_wrong_variable(axes):
    with pytest.raises(ValueError, match="along: 'z' is not a variable; x"):
        lf.fit("y = a + b*x", line_table()).plot("z", ax=axes)


def test_matplotlib_is_imported_by_plots_alone_and_missed_with_a_pip_line():
    program = (
        "import sys, lawfit as lf\n"
        "fit = lf.fit('y = a + b*x', {'x': [0., 1, 2], 'y': [1., 3, 5.5]})\n"
        "assert 'matplotlib' not in sys.modules\n"
        "sys.modules['matplotlib'] = sys.modules['matplotlib.pyplot'] = None\n"
        "try:\n"
        "    fit.plot()\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "plotting needs matplotlib: pip install 'lawfit[plot]'\n", done.stderr
