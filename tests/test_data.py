"""Any table to columns, and every refusal by name, count and first row."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from samples import TRUTH, TWO_TERMS, line_table, two_term_table

import lawfit as lf
from lawfit.data import read_rows
from lawfit.table import Table

GOOD = line_table()
LINE = "y = a + b*x"


def fitted(data, **arguments):
    return lf.fit(LINE, data, **arguments).params


EXACT = fitted(GOOD)


@pytest.mark.parametrize("change", [
    lambda x: x.tolist(),
    lambda x: tuple(x),
    lambda x: np.repeat(x, 3)[::3],
    lambda x: x[::-1].copy()[::-1],
    lambda x: x.astype(">f8"),
    lambda x: x.astype(np.longdouble),
    lambda x: x.astype(object),
    lambda x: np.array([Decimal(repr(float(v))) for v in x], dtype=object),
    lambda x: np.ma.masked_array(x),
], ids=["list", "tuple", "strided", "negative stride", "big endian", "long double", "object",
        "decimal", "masked"])  # fmt: skip
def test_numbers_in_any_form_give_the_same_bits(change):
    data = {name: change(column) for name, column in GOOD.items()}
    assert fitted(data) == EXACT


def test_read_only_columns_are_read_and_left_alone():
    data = {name: column.copy() for name, column in GOOD.items()}
    for column in data.values():
        column.flags.writeable = False
    assert fitted(data) == EXACT


def test_later_changes_of_the_users_arrays_do_not_reach_the_fit():
    data = {name: column.copy() for name, column in GOOD.items()}
    result = lf.fit(LINE, data)
    before = result.predict(x=2.0), result.covariance()
    data["y"] *= 5
    assert result.predict(x=2.0) == before[0]
    np.testing.assert_array_equal(result.covariance(), before[1])


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint16, bool, np.float32])
def test_integer_and_boolean_columns(kind):
    x = np.array([0, 1, 1, 0, 1], dtype=kind)
    y = np.array([1, 3, 4, 1, 3], dtype=np.int32)
    result = lf.fit(LINE, {"x": x, "y": y})
    assert result.params == pytest.approx({"a": 1.0, "b": 7 / 3})


def test_records():
    records = np.zeros(7, dtype=[("x", "f4"), ("name", "U3"), ("y", "f8")])
    records["x"], records["y"] = GOOD["x"], GOOD["y"]
    assert fitted(records) == EXACT


@pytest.mark.parametrize("package", ["pandas", "polars", "pyarrow"])
def test_dataframes(package):
    module = pytest.importorskip(package)
    if package == "pyarrow":
        frame = module.table(GOOD)
    else:
        frame = module.DataFrame(GOOD)
    result = lf.fit(LINE, frame)
    assert result.params == EXACT
    np.testing.assert_array_equal(result.predict(frame), result.fitted)


def test_lazy_frames_are_collected_with_narwhals():
    polars = pytest.importorskip("polars")
    pytest.importorskip("narwhals")
    assert lf.fit(LINE, polars.DataFrame(GOOD).lazy()).params == EXACT


def test_without_narwhals_other_frames_are_refused_with_the_pip_line(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "narwhals", None)

    class Lazy:
        columns = ["x", "y"]

        def collect(self):
            raise AssertionError("not ours to call")

    refusal(TypeError, "data: cannot read columns from test_data.", Lazy())
    refusal(TypeError, "pip install 'lawfit[frames]'", Lazy())


def test_missing_cells_of_dataframes_are_found():
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    pyarrow = pytest.importorskip("pyarrow")
    holes = {"x": [1, 2, None, 4, None, 6], "y": [2.0, 3.0, 4.0, 5.0, 6.0, 7.5]}
    frames = [
        pandas.DataFrame(holes).astype({"x": "Int64"}), pandas.DataFrame(holes),
        polars.DataFrame(holes), pyarrow.table(holes),
    ]
    for frame in frames:
        with pytest.raises(ValueError, match="column 'x' has 2 cells that are not finite .* row 2"):
            lf.fit(LINE, frame)
        assert len(lf.fit(LINE, frame, nan="drop").rows) == 4


def test_masked_cells_are_missing():
    x = np.ma.masked_array(GOOD["x"], mask=[0, 0, 0, 1, 0, 0, 0])
    with pytest.raises(ValueError, match=r"column 'x' has 1 cell that is not finite .* row 3"):
        fitted({**GOOD, "x": x})
    assert len(lf.fit(LINE, {**GOOD, "x": x}, nan="drop").rows) == 6


def refusal(error, message, data=None, law=LINE, **arguments):
    """The call is refused with exactly this beginning, before any fitting."""
    with pytest.raises(error) as caught:
        lf.fit(law, GOOD if data is None else data, **arguments)
    assert message in str(caught.value)


def test_wrong_tables():
    refusal(TypeError, "data: a plain array has no column names", np.zeros((3, 2)))
    refusal(TypeError, "data: cannot read columns from builtins.int", 5)
    refusal(TypeError, "data: cannot read columns from builtins.str", "runs.csv")
    refusal(ValueError, "no rows are left", {"x": [], "y": []})


def test_wrong_columns():
    refusal(ValueError, "y: column 'loss' is not in the data; columns: x, y", y="loss")
    refusal(ValueError, "y: column 'lss' is not in the data; did you mean 'loss'?",
            {"x": [1, 2], "loss": [1, 2]}, "a*x", y="lss")  # fmt: skip
    refusal(ValueError, "variable z: column 'zed' is not in the data", law="y = a*z",
            columns={"z": "zed"})  # fmt: skip
    refusal(ValueError, "y: name the measured column, since the formula has no left-hand side; "
            "columns: x, y", law="a + b*x")  # fmt: skip
    refusal(ValueError, "column 'x' has 3 rows, column 'y' (y) has 7; all columns",
            {**GOOD, "x": [1, 2, 3]})  # fmt: skip
    refusal(ValueError, "variable x: column 'x' has 2 dimensions", {**GOOD, "x": np.ones((7, 1))})
    ragged = {**GOOD, "x": [[1], [1, 2]]}
    refusal(ValueError, "variable x: column 'x' is not a plain column", ragged)
    refusal(TypeError, "columns: expected a dict", columns=["x"])


@pytest.mark.parametrize(("cells", "what"), [
    (["a", "b", "c", "d", "e", "f", "g"], "text, first at row 0"),
    (np.array([1 + 2j] * 7), "complex numbers"),
    (np.array(["2020-01-01"] * 7, dtype="M8[D]"), "dates"),
    (np.array([1] * 7, dtype="m8[s]"), "time spans"),
    (np.array([1.0, 2, 3, "4", 5, 6, 7], dtype=object), "'4' at row 3, which is not a number"),
    (np.array([1.0, [2], 3, 4, 5, 6, 7], dtype=object), "[2] at row 1, which is not a number"),
])  # fmt: skip
def test_cells_that_are_not_numbers(cells, what):
    refusal(TypeError, "column 'x' holds " + what, {**GOOD, "x": cells})
    refusal(TypeError, "column 'y' (y) holds " + what, {**GOOD, "y": cells})
    refusal(TypeError, "column 'w' (weights) holds " + what, {**GOOD, "w": cells}, weights="w")


@pytest.mark.parametrize("cell", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["x", "y", "w"])
def test_cells_that_are_not_finite(name, cell):
    data = {**GOOD, "w": np.ones(7)}
    data[name] = data[name].copy()
    data[name][[2, 5]] = cell
    label = {"x": "column 'x'", "y": "column 'y' (y)", "w": "column 'w' (weights)"}[name]
    refusal(ValueError, f"{label} has 2 cells that are not finite (NaN or infinite), first at "
            "row 2; clean the data, filter with where=, or pass nan='drop'",
            data, weights="w")  # fmt: skip
    dropped = lf.fit(LINE, data, weights="w", nan="drop")
    assert dropped.rows.positions.tolist() == [0, 1, 3, 4, 6]
    assert dropped.rows.total == 7
    kept = {key: column[[0, 1, 3, 4, 6]] for key, column in data.items()}
    assert dropped.params == lf.fit(LINE, kept, weights="w").params


def test_nan_is_dropped_across_all_columns_together():
    data = {**GOOD, "s": np.ones(7)}
    for row, name in enumerate(("x", "y", "s")):
        data[name] = np.where(np.arange(7) == row, np.nan, data[name])
    assert lf.fit(LINE, data, sigma="s", nan="drop").rows.positions.tolist() == [3, 4, 5, 6]


def test_the_filter_applies_before_missing_cells_are_looked_for():
    data = {**GOOD, "x": np.where(np.arange(7) == 6, np.nan, GOOD["x"])}
    assert len(lf.fit(LINE, data, where="y < 12").rows) == 6
    assert len(lf.fit(LINE, data, where=np.isfinite(data["x"])).rows) == 6
    refusal(ValueError, "no rows are left", data, where="y < -5")


def test_masks():
    mask = np.arange(7) % 2 == 0
    assert lf.fit(LINE, GOOD, where=mask).rows.positions.tolist() == [0, 2, 4, 6]
    refusal(TypeError, "where: expected a boolean mask or a text", where=mask.astype(int))
    refusal(ValueError, "where: mask of shape (6,) for 7 rows", where=mask[1:])


@pytest.mark.parametrize(("on", "cell", "why"), [
    ("log", 0.0, "not positive, and on='log' takes logarithms"),
    ("log", -1.0, "not positive"),
    ("logit", 1.0, "outside (0, 1), and on='logit' needs shares"),
    ("relative", 0.0, "zero, and on='relative' divides"),
])  # fmt: skip
def test_measured_values_outside_the_residual_space(on, cell, why):
    y = np.array([0.5, 0.4, cell, 0.3, cell, 0.25, 0.2])
    refusal(ValueError, f"column 'y' (y) has 2 values that are {why}", {**GOOD, "y": y}, on=on)
    refusal(ValueError, "(first at row 2)", {**GOOD, "y": y}, on=on)
    assert len(lf.fit(LINE, {**GOOD, "y": y}, on=on, where="y > 0 and y < 1").rows) == 5
    # A row of zero weight takes no part in the fit.
    weights = np.where(np.isin(np.arange(7), [2, 4]), 0.0, 1.0)
    assert len(lf.fit(LINE, {**GOOD, "y": y}, on=on, weights=weights).rows) == 5


def test_weights_and_sigma():
    weights = np.array([1.0, 2, 0, 1, 3, 0, 1])
    result = lf.fit(LINE, GOOD, weights=weights)
    assert result.rows.positions.tolist() == [0, 1, 3, 4, 6]
    assert result.params == lf.fit(LINE, {**GOOD, "w": weights}, weights="w").params
    assert fitted(GOOD, weights=2.5) == pytest.approx(EXACT)
    assert fitted(GOOD, sigma=0.1) == pytest.approx(EXACT)
    by_sigma = fitted(GOOD, sigma=1 / np.sqrt(np.arange(1.0, 8)))
    assert by_sigma == pytest.approx(fitted(GOOD, weights=np.arange(1, 8)))


def test_wrong_weights_and_sigma():
    bad = np.array([1.0, 2, -1, 1, -3, 0, 1])
    refusal(ValueError, "weights has 2 values that are negative; weights must be >= 0 (first at "
            "row 2)", weights=bad)  # fmt: skip
    refusal(ValueError, "sigma has 3 values that are not positive; sigma is a standard deviation "
            "(first at row 2)", sigma=bad)  # fmt: skip
    refusal(ValueError, "weights: all weights are zero", weights=0)
    refusal(ValueError, "weights and sigma: give one of them", weights=1.0, sigma=1.0)
    refusal(ValueError, "weights: 3 values for 7 rows", weights=[1, 2, 3])
    refusal(ValueError, "sigma: expected one value a row, got shape (7, 1)", sigma=np.ones((7, 1)))
    refusal(ValueError, "weights: column 'ww' is not in the data", weights="ww")


def test_wrong_choices():
    refusal(ValueError, "on: unknown residual space 'logs'; choose from linear, log", on="logs")
    refusal(ValueError, "nan: must be 'raise' or 'drop'", nan="omit")
    refusal(ValueError, "seed: must be at least 0", seed=-1)
    refusal(TypeError, "seed: expected a whole number", seed=1.5)
    refusal(ValueError, "threads: must be at least 1", threads=0)
    refusal(ValueError, "tolerance: must be positive", tolerance=0)
    refusal(ValueError, "max_seconds: must be positive", max_seconds=-1)
    refusal(ValueError, "max_iterations: must be at least 1", max_iterations=0)
    refusal(TypeError, "progress: expected True or a callable", progress="yes")
    refusal(ValueError, "every parameter is fixed", law=lf.Law(LINE, ("x",)).fix(a=1, b=2))


def test_refusals_come_before_any_work(monkeypatch):
    from lawfit import _core

    def fail(*_):
        raise AssertionError("the engine was called")

    monkeypatch.setattr(_core, "fit", fail)
    refusal(ValueError, "not finite", {**GOOD, "x": GOOD["x"] * np.nan})


def test_columns_map_variables_to_data():
    table = two_term_table(noise=1e-9)
    renamed = {"params": table["N"], "tokens": table["D"], "loss": table["loss"]}
    result = lf.fit(TWO_TERMS, renamed, columns={"N": "params", "D": "tokens"})
    assert result.params == pytest.approx(TRUTH, rel=1e-6)
    assert result.rows.sources == {"N": "params", "D": "tokens"}


def test_rows_know_their_places():
    rows = read_rows(Table(GOOD), ("x",), "y", where="x >= 2", weights=np.arange(7.0))
    assert rows.positions.tolist() == [2, 3, 4, 5, 6] and rows.total == 7 and len(rows) == 5
    assert rows.weights.tolist() == [2, 3, 4, 5, 6]
    assert rows.y_name == "y"
