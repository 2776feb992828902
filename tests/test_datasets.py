"""The shipped data sets: what the datasheet promises, checked on every row."""

import csv
from importlib.resources import files

import numpy as np
import pytest

from lawfit import datasets

RUNS = datasets.load("tiny_lm")
CURVES = datasets.load("tiny_lm", table="curves")
SWEEP = datasets.load("tiny_lm", table="lr_sweep")


def test_every_table_loads_and_is_rectangular():
    for name, tables in datasets.names().items():
        for table in tables:
            columns = datasets.load(name, table)
            lengths = {len(values) for values in columns.values()}
            assert len(lengths) == 1 and lengths.pop() > 0
            for values in columns.values():
                assert values.dtype in (np.int64, np.float64) and values.ndim == 1
                assert np.isfinite(values).all()


def test_cells_survive_the_way_through_the_file():
    text = files(datasets).joinpath("tiny_lm.csv").read_text(encoding="ascii")
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    assert len(rows) == len(RUNS["run"])
    for column, values in RUNS.items():
        assert [float(row[column]) for row in rows] == values.tolist()


def test_design_is_balanced_isoflop():
    budgets, seeds = np.unique(RUNS["budget"]), np.unique(RUNS["seed"])
    assert len(budgets) == 7 and budgets[-1] / budgets[0] == 1000 and len(seeds) == 2
    for budget in budgets:
        sizes = [RUNS["params"][(RUNS["budget"] == budget) & (RUNS["seed"] == s)] for s in seeds]
        assert len(np.unique(sizes[0])) == len(sizes[0]) == 8
        np.testing.assert_array_equal(sizes[0], sizes[1])
    # Rounding to whole batches is all that parts a run from its slice.
    batch = 6 * RUNS["params"] * RUNS["batch_tokens"]
    assert (np.abs(RUNS["flops"] - RUNS["budget"]) <= 0.5 * batch).all()


def test_counts_agree_with_each_other():
    np.testing.assert_array_equal(RUNS["run"], np.arange(len(RUNS["run"])))
    width, depth = RUNS["width"], RUNS["depth"]
    body = depth * (12 * width**2 + 2 * width) + width
    np.testing.assert_array_equal(RUNS["params_non_embedding"], body)
    np.testing.assert_array_equal(RUNS["params"], body + 97 * width)
    np.testing.assert_array_equal(RUNS["flops"], 6 * RUNS["params"] * RUNS["tokens"])
    np.testing.assert_array_equal(RUNS["tokens"], RUNS["batch_tokens"] * RUNS["steps"])
    forward = 24 * depth * width**2 + 4 * depth * 64 * width + 2 * 96 * width
    np.testing.assert_array_equal(RUNS["flops_exact"], 3 * forward * RUNS["tokens"])


def test_losses_are_those_of_trained_models():
    uniform = np.log(96)
    assert ((RUNS["loss"] > 1.0) & (RUNS["loss"] < uniform)).all()
    # The datasheet's range, which is rounded to four decimals.
    errors = RUNS["loss_error"]
    assert round(errors.min(), 4) == 0.0040 and round(errors.max(), 4) == 0.0050
    assert (RUNS["epochs"] < 1).all() and RUNS["steps"].min() == 56
    # More compute is better: the best loss of a slice falls from every budget to the next.
    best = [RUNS["loss"][RUNS["budget"] == b].min() for b in np.unique(RUNS["budget"])]
    assert (np.diff(best) < 0).all()


def test_every_slice_has_sizes_on_both_sides_of_its_best():
    for budget in np.unique(RUNS["budget"]):
        for seed in np.unique(RUNS["seed"]):
            of_slice = (RUNS["budget"] == budget) & (RUNS["seed"] == seed)
            losses = RUNS["loss"][of_slice][np.argsort(RUNS["params"][of_slice])]
            assert 0 < np.argmin(losses) < len(losses) - 1


def test_seeds_differ_as_the_datasheet_says():
    first, second = (RUNS["loss"][RUNS["seed"] == s] for s in (1, 2))
    assert (first != second).all()
    budget = RUNS["budget"][RUNS["seed"] == 1]
    spread = {b: np.sqrt(np.mean((first - second)[budget == b] ** 2)) for b in (1e9, 1e12)}
    assert round(spread[1e9], 2) == 0.04 and round(spread[1e12], 3) == 0.006


def test_curves_cover_every_run_from_start_to_end():
    np.testing.assert_array_equal(np.unique(CURVES["run"]), RUNS["run"])
    for run in RUNS["run"]:
        of_run = CURVES["run"] == run
        starts, ends = CURVES["tokens_from"][of_run], CURVES["tokens"][of_run]
        assert starts[0] == 0 and ends[-1] == RUNS["tokens"][run]
        np.testing.assert_array_equal(starts[1:], ends[:-1])
        assert (ends > starts).all()
        for column in ("budget", "seed", "params"):
            assert (CURVES[column][of_run] == RUNS[column][run]).all()
        losses = CURVES["train_loss"][of_run]
        assert losses[-1] < losses[0]


def test_learning_rates_come_from_a_bracketed_sweep():
    for params in np.unique(RUNS["params"]):
        tried = SWEEP["params"] == params
        order = np.argsort(SWEEP["learning_rate"][tried])
        rates, losses = SWEEP["learning_rate"][tried][order], SWEEP["loss"][tried][order]
        best = int(np.argmin(losses))
        assert 0 < best < len(rates) - 1
        used = RUNS["params"] == params
        at_sweep_batch = RUNS["learning_rate"][used] * np.sqrt(
            SWEEP["batch_tokens"][tried][0] / RUNS["batch_tokens"][used])
        assert np.ptp(at_sweep_batch) <= 1e-3 * at_sweep_batch.mean()
        assert rates[best - 1] < at_sweep_batch.mean() < rates[best + 1]


def test_metadata_names_the_source_and_no_place():
    for table in datasets.names()["tiny_lm"]:
        notes = datasets.metadata("tiny_lm", table)
        assert notes["package"] == "dict-gcide"
        assert all(len(notes[key]) == 64 for key in ("sha256_source", "sha256_text"))
        assert not any("/" in value for value in notes.values())


def test_all_files_together_stay_small():
    sizes = [len(f.read_bytes()) for f in files(datasets).iterdir() if f.name.endswith(".csv")]
    assert len(sizes) == 3 and sum(sizes) < 500_000


def test_each_call_returns_arrays_of_its_own():
    first = datasets.load("tiny_lm")
    first["loss"][:] = 0.0
    np.testing.assert_array_equal(datasets.load("tiny_lm")["loss"], RUNS["loss"])


def test_unknown_names_say_what_there_is():
    with pytest.raises(ValueError, match="name: no data set 'tiny'; there are tiny_lm"):
        datasets.load("tiny")
    with pytest.raises(ValueError, match="table: .* no table 'loss'; it has runs, curves, lr_swe"):
        datasets.load("tiny_lm", table="loss")
