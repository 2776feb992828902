"""Figures: what is on them, how they look, and that matplotlib stays optional.

After a change that is meant, look at them and ``python tests/test_plot.py`` writes the reference
images anew.
"""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
from samples import EXPECTED, TWO_TERMS, campaign, line_table, two_term_table

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
    assert axes.get_ylabel() == r"loss, moved to D = $1.73\times10^{10}$"


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


# ---- the other figures ----

def robust_fit():
    data = two_term_table(0.01)
    data["loss"][7] *= 1.2
    return lf.fit("chinchilla", data, on="log", loss=lf.Huber(1e-3))


def campaign_slices():
    runs = campaign(noise=0.003, sizes=8)
    part = {name: column[(runs["flops"] < 5e20) | (runs["N"] < runs["best"])]
            for name, column in runs.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)  # the last slice has no vertex
        return lf.isoflop(part, replicates=200)


def test_residuals_show_every_row_and_ring_the_outliers(axes):
    fit = robust_fit()
    assert lf.plots.residuals(fit, "D", ax=axes) is axes
    found = fit.diagnose()
    drawn = {line.get_label(): line.get_xydata() for line in axes.lines}
    np.testing.assert_allclose(drawn["runs"], np.stack([fit.rows.columns["D"], found.standardised],
                                                       axis=1))  # fmt: skip
    ringed = drawn["outliers, with their rows"]
    np.testing.assert_allclose(ringed[:, 1], found.standardised[found.outlier])
    assert "7" in [text.get_text() for text in axes.texts]
    assert axes.get_xlabel() == "D (token)" and axes.get_xscale() == "log"


def test_residuals_by_groups_and_fitted(axes):
    fit = robust_fit()
    groups = np.where(fit.rows.columns["N"] > 1e9, 2e9, 1e8)
    lf.plots.residuals(fit, groups, ax=axes)
    assert [text.get_text() for text in axes.get_xticklabels()] == [r"$10^{8}$", r"$2\times10^{9}$"]
    medians = [line.get_ydata()[0] for line in axes.lines if len(line.get_ydata()) == 2][-2:]
    standardised = fit.diagnose().standardised
    np.testing.assert_allclose(medians, [np.median(standardised[groups == value])
                                         for value in (1e8, 2e9)])
    assert lf.plots.residuals(fit, "fitted").get_xlabel() == "fitted loss"
    for wrong, message in [("M", "neither 'fitted' nor a variable"),
                           ([1, 2], "one label for each")]:
        with pytest.raises(ValueError, match=message):
            lf.plots.residuals(fit, wrong, ax=axes)


def test_pairs_of_replicates(axes):
    boot = robust_fit().bootstrap(300)
    panels = lf.plots.pairs(boot, names=["A", "alpha"])
    assert panels.shape == (2, 2) and not panels[0, 1].get_visible()
    points = panels[1, 0].lines[0].get_xydata()
    np.testing.assert_array_equal(points,
                                  np.stack([boot.params["A"], boot.params["alpha"]], axis=1))
    assert panels[1, 0].get_xlabel() == "A" and panels[1, 0].get_ylabel() == "alpha"
    for arguments, message in [({"names": ["Z"]}, "'Z' is not a parameter"),
                               ({"axes": panels}, "expected an array of 5 x 5")]:
        with pytest.raises(ValueError, match=message):
            lf.plots.pairs(boot, **arguments)


def test_isoflop_slices_and_vertices(axes):
    found = campaign_slices()
    assert found.plot(ax=axes) is axes
    diamonds = [line for line in axes.lines if line.get_marker() == "D"]
    has = [part.status == "vertex" for part in found.slices]
    np.testing.assert_allclose([line.get_xydata()[0] for line in diamonds],
                               np.stack([found.size[has], found.loss[has]], axis=1))
    assert not all(has) and len(axes.get_legend().get_texts()) == len(found.slices)
    low, high = axes.get_ylim()
    assert low < np.nanmin(found.loss) and high > found.slices[0].losses.max()


def test_allocation_has_bands_and_says_where_the_runs_end(axes):
    fit = robust_fit()
    lf.plots.allocation(fit, 1e25, ax=axes, level=0.9)
    drawn = {line.get_label(): line.get_xydata() for line in axes.lines}
    best = drawn["best N (parameter), 90 % band"]
    np.testing.assert_allclose(best[:, 1], fit.allocate(best[:, 0]).N)
    flops = 6 * fit.rows.columns["N"] * fit.rows.columns["D"]
    assert axes.get_xlim() == pytest.approx((flops.min(), 1e25))
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert f"beyond the runs, up to {1e25 / flops.max():.0f} times" in legend
    boot = fit.bootstrap(50)
    lf.plots.allocation(boot, 1e24, ax=axes, inference=1e12)


def test_every_variable_has_its_panel(axes):
    fit = robust_fit()
    panels = lf.plots.variables(fit)
    assert [ax.get_xlabel() for ax in panels] == ["N (parameter)", "D (token)"]
    with pytest.raises(ValueError, match="axes: expected 2, one a variable, not 1"):
        lf.plots.variables(fit, axes=axes)


def test_profile_curves(axes):
    fit = robust_fit()
    found = fit.profile("alpha", level=0.9)
    assert lf.plots.profile(found, ax=axes) is axes
    curve = axes.lines[0].get_xydata()
    np.testing.assert_array_equal(curve, np.stack([found.at, np.abs(found.z)], axis=1))
    height = axes.lines[1].get_ydata()[0]
    np.testing.assert_allclose(np.interp([found.low, found.high], found.at, np.abs(found.z)),
                               [height, height], rtol=1e-6)
    panels = lf.plots.profiles(fit.profile())
    assert [ax.get_xlabel() for ax in panels] == ["E", "A", "alpha", "B", "beta"]
    with pytest.raises(ValueError, match="axes: expected 5, one a quantity, not 1"):
        lf.plots.profiles(fit.profile(), axes=axes)


@pytest.mark.parametrize("low, high, expected", [
    (1e7, 1e11, [r"$\mathdefault{10^{8}}$", r"$\mathdefault{10^{10}}$"]),
    (1.8, 60, ["2", "5", "10", "20", "50"]),
    (2.1, 3.4, ["2.2", "2.4", "2.6", "2.8", "3", "3.2", "3.4"]),
    (1e9, 5e10, [r"$10^{9}$", r"$5\times10^{9}$", r"$5\times10^{10}$"]),
])  # fmt: skip
def test_logarithmic_ticks_can_be_read(axes, low, high, expected):
    from lawfit.plots.style import ticks

    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks(axes.xaxis)
    axes.figure.canvas.draw()
    shown = [text.get_text() for text in axes.get_xticklabels()]
    assert set(expected) <= set(shown) and 3 <= len(shown) <= 12


# ---- how they look ----

FIGURES = {
    "along": lambda: robust_fit().plot("N"),
    "residuals": lambda: lf.plots.residuals(robust_fit(), "N"),
    "groups": lambda: lf.plots.residuals(robust_fit(), two_term_table()["D"]),
    "pairs": lambda: lf.plots.pairs(robust_fit().bootstrap(400))[0, 0],
    "isoflop": lambda: campaign_slices().plot(),
    "profiles": lambda: lf.plots.profiles(robust_fit().profile())[0],
    "allocation": lambda: lf.plots.allocation(robust_fit().bootstrap(400), 1e26),
}
TOLERANCE = 4.0  # root mean square difference of the colours, of 255


def picture(name, path):
    """Draws a figure at a size that is small to keep and large enough to see."""
    figure = FIGURES[name]().figure
    figure.savefig(path, dpi=45, metadata={"Software": None})


@pytest.mark.parametrize("name", FIGURES)
def test_reference_images(axes, name, tmp_path):
    import matplotlib
    from matplotlib.image import imread

    if not matplotlib.__version__.startswith("3.11."):
        pytest.skip("the reference images are those of matplotlib 3.11")
    reference = EXPECTED / f"plot_{name}.png"
    picture(name, tmp_path / "now.png")
    now, then = imread(tmp_path / "now.png"), imread(reference)
    assert now.shape == then.shape, f"{reference}: write it with python tests/test_plot.py"
    difference = 255 * np.sqrt(np.mean((now[..., :3] - then[..., :3]) ** 2))
    assert difference < TOLERANCE, f"{reference} differs by {difference:.1f}"


if __name__ == "__main__":
    import matplotlib

    matplotlib.use("Agg")
    for each in FIGURES:
        picture(each, EXPECTED / f"plot_{each}.png")
