"""Many fits in one call: their order, that each is what ``lf.fit`` makes, and what is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from samples import TRUTH, TWO_TERMS, line_table, two_term_table
from test_archive import same

import lawfit as lf

LINE = "y = a + b*x"


def quiet(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        return lf.fit_many(*args, **kwargs)


def quiet_one(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        return lf.fit(*args, **kwargs)


def runs(groups=6, seed=0):
    """Groups of 9 to 40 runs in mixed order, some of few rows, with weights and gaps."""
    rng = np.random.default_rng(seed)
    tables = [two_term_table(0.01, seed=seed + g) for g in range(groups)]
    table = {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
    table["seed"] = np.repeat(rng.permutation(groups) * 10, 40)
    table["kind"] = np.array(["dense", "sparse"])[rng.integers(0, 2, 40 * groups)]
    table["w"] = rng.uniform(0.2, 3, 40 * groups)
    kept = rng.permutation(40 * groups)[: 25 * groups]
    lonely = table["seed"][kept] == 30
    kept = kept[~lonely | (np.cumsum(lonely) <= 1)]  # group 30 has one row
    return {name: column[kept] for name, column in table.items()}


def rows_of(table, fits, i):
    """The mask of the table that the index columns of fit i stand for."""
    mask = np.ones(len(table["loss"]), bool)
    for name in ("seed", "kind"):
        if name in fits.index:
            mask &= table[name] == fits.index[name][i]
    if fits.index["subset"][i] == "large":
        mask &= table["N"] > 1e8
    return mask


def bounded():
    return lf.Law(TWO_TERMS, ("N", "D"), {
        "E": lf.Parameter(low=0, high=1.7), "beta": lf.Parameter(tied="alpha"),
        "A": lf.Parameter(positive=True, start=100.0),
    })  # fmt: skip


CROSSINGS = {
    "groups": dict(laws=TWO_TERMS, by="seed"),
    "two keys": dict(laws=TWO_TERMS, by=["seed", "kind"], weights="w"),
    "everything": dict(
        laws={"free": TWO_TERMS, "bounded": bounded(), "size": "loss = E + A/N**alpha"},
        by="seed", on=["log", "linear"], losses=["squared", lf.Huber(1e-2), lf.Absolute()],
        subsets={"all": None, "large": "N > 1e8"},
    ),
    "sigma, filter": dict(laws=TWO_TERMS, by="seed", sigma="w", where="not diverged",
                          absolute_sigma=True),
    "limits": dict(laws=[TWO_TERMS, "loss = E + B/D**beta"], max_iterations=3, seed=4),
    "sobol": dict(laws=TWO_TERMS, by="kind", starts=5, keep_starts=True, on="log"),
}  # fmt: skip


@pytest.mark.parametrize("name", CROSSINGS)
def test_every_fit_is_the_one_of_its_rows(name):
    """Bit for bit: parameters, standard errors, diagnostics, residuals, starts, settings."""
    table, asked = runs(), dict(CROSSINGS[name])
    fits = quiet(data=table, **asked)
    laws = asked.pop("laws")
    for argument in ("by", "on", "losses", "subsets", "where"):
        asked.pop(argument, None)
    for i in range(0, len(fits), max(1, len(fits) // 20)):
        fit = fits[i]
        mask = rows_of(table, fits, i)
        if name == "sigma, filter":
            mask &= ~table["diverged"]
        assert len(fit.rows) == mask.sum() == fits.rows[i]
        law = laws[fits.index["law"][i]] if isinstance(laws, dict) else fits.index["law"][i]
        if mask.any():
            same(fit, quiet_one(law, table, on=fit.on, loss=fit.loss, where=mask, **asked))
        for parameter in fits.params:
            expected = fit.params.get(parameter, np.nan), fit.stderr.get(parameter, np.nan)
            got = fits.params[parameter][i], fits.stderr[parameter][i]
            np.testing.assert_array_equal(got, expected)
        assert fits.objective[i] == fit.objective or np.isnan(fit.objective)
        assert fits.status[i] == fit.status and fits.converged[i] == fit.converged
        for key in ("n_starts", "n_converged", "moved", "n_iterations", "gradient_norm"):
            np.testing.assert_array_equal(fits.diagnostics[key][i], fit.diagnostics[key])
        sides = {"lower": -1, "upper": 1}
        for parameter, side in fit.diagnostics["active_bounds"].items():
            assert fits.diagnostics["active_bounds"][parameter][i] == sides[side]


def test_the_order_is_laws_spaces_losses_subsets_groups():
    table = runs(3)
    fits = quiet(["loss = E + A/N**alpha", TWO_TERMS], table, by="seed", on=["log", "linear"],
                 losses=["squared", lf.SoftL1(0.1)], subsets={"all": None, "large": "N > 1e8"})
    assert fits.batch.shape == (2, 2, 2, 2, 3) and len(fits) == 48
    first_seen = list(dict.fromkeys(table["seed"].tolist()))
    expected = [
        (law, on, loss, subset, seed) for law in ("loss = E + A/N**alpha", TWO_TERMS)
        for on in ("log", "linear") for loss in ("squared", "soft_l1:0.1")
        for subset in ("all", "large") for seed in first_seen
    ]
    columns = [fits.index[name].tolist() for name in ("law", "on", "loss", "subset", "seed")]
    assert list(zip(*columns, strict=True)) == expected
    assert np.isnan(fits.params["B"][:24]).all() and np.isfinite(fits.params["B"][24:]).any()


def bits(fits):
    return [column.tobytes() for column in
            (*fits.params.values(), fits.objective, fits.codes,
             *(fits.diagnostics[n]
               for n in ("n_starts", "second_objective", "gradient_norm")))]  # fmt: skip


def test_threads_do_not_show():
    table = runs(12)
    asked = dict(by=["seed", "kind"], on=["linear", "log"], losses=["squared", lf.Huber(1e-2)])
    one, two, seven = (quiet(TWO_TERMS, table, threads=t, **asked) for t in (1, 2, 7))
    assert bits(one) == bits(two) == bits(seven)


def test_other_groups_do_not_show():
    """Alone or among others, whatever the others hold and wherever their rows stand."""
    table = runs(8)
    everything = quiet(TWO_TERMS, table, by="seed", on="log")
    rng = np.random.default_rng(3)
    seeds = everything.index["seed"]
    mine = table["seed"] == seeds[2]
    order = np.arange(len(mine))
    order[~mine] = rng.permutation(order[~mine])
    shuffled = {name: column[order] for name, column in table.items()}
    others = {**table, "loss": np.where(mine, table["loss"], 1 + rng.random(len(mine)))}
    for changed in (shuffled, others, {n: c[mine] for n, c in table.items()}):
        fits = quiet(TWO_TERMS, changed, by="seed", on="log")
        assert bits(fits.where(seed=seeds[2])) == bits(everything[2:3])
    for extra in (["loss = E + A/N**alpha"], ["loss = E + A/N**alpha", "loss = a + 0*N"]):
        fits = quiet([*extra, TWO_TERMS], table, by="seed", on=["linear", "log"])
        again = fits.where(law=TWO_TERMS, on="log")
        assert bits(again)[-4:] == bits(everything)[-4:]


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_mixed_lengths_one_point_and_empty_groups(order):
    rng = np.random.default_rng(1)
    lengths = [1, 7, 2, 3, 40, 1, 13]
    key = np.repeat(list("abcdefg"), lengths)
    x = rng.uniform(1, 9, len(key))
    table = {"key": key, "x": x, "y": 1 + 2 * x + 0.1 * rng.standard_normal(len(key))}
    if order == "shuffled":
        at = rng.permutation(len(key))
        table = {name: column[at] for name, column in table.items()}
    with pytest.warns(lf.FitWarning, match=r"5 of 14 fits did not converge: 5 too_few_points"):
        fits = lf.fit_many(LINE, table, by="key", subsets={"all": None, "few": "key != 'd'"})
    counts = dict(zip(fits.index["key"][:7].tolist(), fits.rows[:7].tolist(), strict=True))
    assert counts == dict(zip("abcdefg", lengths, strict=True))
    empty = fits.where(subset="few", key="d")
    assert empty.rows.tolist() == [0] and empty.status.tolist() == ["too_few_points"]
    assert "0 rows" in str(empty[0]) and np.isnan(empty.objective[0])
    assert fits.failed.status_counts() == {"too_few_points": 5}
    assert set(fits.failed.index["key"].tolist()) == {"a", "f", "d"}
    with pytest.raises(lf.FitError) as caught:
        lf.fit_many(LINE, table, by="key", strict=True)
    assert len(caught.value.result) == 7


def test_rows_are_chosen_by_number_mask_and_name():
    fits = quiet([TWO_TERMS, "loss = E + A/N**alpha"], runs(4), by="seed")
    assert len(fits[2:5]) == 3 and len(fits[-1:]) == 1 and len(fits[[0, 0, 3]]) == 3
    assert fits[-1].params == fits[len(fits) - 1].params
    assert bits(fits[fits.converged]) == bits(fits.where(status=["converged"]))
    nested = fits[1:].where(law=TWO_TERMS)[::2]
    assert nested.index["seed"].tolist() == fits.index["seed"][[1, 3]].tolist()
    assert len(fits[[]]) == len(fits[np.zeros(len(fits), bool)]) == 0
    assert [fit.objective for fit in fits.where(status="converged")[:2]] == [
        value for value in fits.objective.tolist() if value == value
    ][:2]
    for which, error in ((99, IndexError), (-99, IndexError), ("law", TypeError),
                         (np.ones(3, bool), IndexError), (1.5, TypeError)):
        with pytest.raises(error):
            fits[which]
    for asked, match in (({"lwa": 1}, "did you mean 'law'"), ({"seed": 77}, "no fit has seed=77"),
                         ({"on": "log"}, "there are linear"), ({"status": "fine"}, "no fit has")):
        with pytest.raises(ValueError, match=match):
            fits.where(**asked)
    with pytest.raises(ValueError, match="read-only"):
        fits.params["E"][0] = 1.0


def test_laws_are_named_by_id_formula_or_as_given():
    table = two_term_table(0.01)
    chinchilla = lf.laws["chinchilla"]
    fits = quiet(["chinchilla", chinchilla.fix(E=1.8), "E + A/N**alpha"], table, "loss")
    assert fits.index["law"].tolist() == ["chinchilla", "chinchilla (2)", "E + A/N**alpha"]
    assert fits.params["E"][1] == 1.8 and fits.stderr["E"][1] == 0.0
    fits = quiet({"tied": chinchilla.tie("alpha", "beta"), "free": chinchilla}, table)
    assert fits.index["law"].tolist() == ["tied", "free"]
    assert fits.params["alpha"][0] == fits.params["beta"][0] != fits.params["beta"][1]


def test_columns_and_parameters_go_to_the_laws_that_know_them():
    table = two_term_table(0.01)
    table = {"size": table["N"], "tokens": table["D"], "loss": table["loss"]}
    laws = ["loss = E + A/n**alpha", "loss = E + B/tokens**beta", "loss = E + B/d**beta"]
    fits = quiet(laws, table, columns={"n": "size", "d": "tokens"},
                 parameters={"A": lf.Parameter(high=100.0)})
    assert fits.params["A"][0] == 100.0 and fits[0].diagnostics["active_bounds"] == {"A": "upper"}
    assert fits.params["B"][1] == fits.params["B"][2]
    assert fits[2].rows.sources == {"d": "tokens"}
    for asked, match in ((dict(columns={"k": "size"}), "'k' does not occur in any of the laws"),
                         (dict(columns={"n": "size"}, parameters={"q": lf.Parameter()}),
                          "'q' does not occur in any of the laws")):
        with pytest.raises(ValueError, match=match):
            lf.fit_many(laws[:2], table, **asked)


def test_starts_for_each_group_and_each_law():
    table = {name: np.tile(column, 3) for name, column in two_term_table(0.01).items()}
    table["g"] = np.repeat([5, 1, 3], 40)
    law = lf.Law(TWO_TERMS, variables=("N", "D"))
    truth = np.array([TRUTH[name] for name in law.parameters])
    own = truth * np.array([0.9, 1.0, 1.1])[:, None, None]  # [groups, 1, parameters]
    fits = lf.fit_many(law, table, by="g", starts=own, max_iterations=1000)
    for g, start in enumerate(own):
        single = lf.fit(law, {n: c[40 * g : 40 * g + 40] for n, c in table.items()}, starts=start)
        assert single.params == fits[g].params and fits[g].settings["starts"] == "given"
    named = {name: own[:, :, place] for place, name in enumerate(law.parameters)}
    assert bits(lf.fit_many(law, table, by="g", starts=named)) == bits(fits)
    shared = lf.fit_many([law, "loss = E + A/N**alpha"], table, by="g", starts={TWO_TERMS: truth})
    assert [shared[i].settings["starts"] for i in (0, 5)] == ["given", "auto"]
    for starts, laws, match in (
        (own[:2], law, r"or \(3, starts, 5\)"), (truth, [law, LINE], "a single law, or a dict law"),
        (own * [[[1, 1, np.nan, 1, 1]]], law, "start 0 of group 0 has alpha = nan"),
        ({"E": np.ones((2, 1))}, law, r"or \(3, starts\), got \(2, 1\)"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=match):
            lf.fit_many(laws, {**table, "x": table["N"], "y": table["D"]}, "loss", by="g",
                        starts=starts)  # fmt: skip


def test_missing_keys_and_cells():
    table = {"x": [1.0, 2, 3, 4, 5, np.nan], "y": [1.0, 2, 3, 4.5, 5, 6],
             "k": np.array(["a", "a", None, "a", "b", "b"], dtype=object)}  # fmt: skip
    with pytest.raises(ValueError, match="column 'x' has 1 cell that is not finite"):
        lf.fit_many(LINE, table, by="k")
    with pytest.raises(ValueError,
                       match=r"column 'k' \(by\) has 1 cell that is missing, first at row 2"):
        lf.fit_many(LINE, table, by="k", where="x < 9")
    fits = quiet(LINE, table, by="k", nan="drop")
    assert fits.rows.tolist() == [3, 1] and fits.index["k"].tolist() == ["a", "b"]
    assert fits[0].rows.positions.tolist() == [0, 1, 3]


@pytest.mark.parametrize(("asked", "error", "match"), [
    (dict(laws=[]), ValueError, "laws: the list is empty"),
    (dict(laws=3), TypeError, "laws: expected a law, a list or a dict, not int"),
    (dict(laws=[LINE, 3]), TypeError, "not int"),
    (dict(on=[]), ValueError, "on: the list is empty"),
    (dict(on=["log", "log"]), ValueError, "on: 'log' is given twice"),
    (dict(on="loglog"), ValueError, "on: unknown residual space"),
    (dict(losses=["squared", "square"]), ValueError, "loss: unknown name 'square'"),
    (dict(losses=[lf.Huber(0.1), "huber:0.1"]), ValueError, "losses: 'huber:0.1' is given twice"),
    (dict(subsets={}), ValueError, "subsets: the dict is empty"),
    (dict(subsets=["all"]), TypeError, "subsets: expected a dict"),
    (dict(subsets={"few": [True]}), ValueError, r"subsets\['few'\]: mask of shape \(1,\) for 7"),
    (dict(subsets={"odd": "z > 1"}), ValueError, "unknown column 'z'"),
    (dict(subsets={"none": "x > 99"}), ValueError, "no rows are left"),
    (dict(by="z"), ValueError, "by: column 'z' is not in the data"),
    (dict(by="loss"), ValueError, "a column of the result is called 'loss'; rename the key"),
    (dict(laws=[LINE, "loss = a*x"]), ValueError, "the laws measure different columns"),
    (dict(laws="a + b*x"), ValueError, "name the measured column"),
    (dict(laws=lf.Law(LINE, ["x"]).fix(a=1, b=2)), ValueError, "every parameter is fixed"),
    (dict(on=["linear", "log"], where="x < 9"), ValueError, "first at row 3"),
])  # fmt: skip
def test_refusals(asked, error, match):
    table = {**line_table(), "loss": np.ones(7)}
    table["y"][3] = -1.0
    with pytest.raises(error, match=match):
        lf.fit_many(**{"laws": LINE, **asked}, data=table)


def test_read_only_strided_and_foreign_columns():
    table = runs(3)
    expected = bits(quiet(TWO_TERMS, table, by="seed"))
    strided = {name: np.repeat(column, 2)[::2] for name, column in table.items()}
    for column in strided.values():
        column.flags.writeable = False
    assert bits(quiet(TWO_TERMS, strided, by="seed")) == expected
    for library in ("pandas", "polars"):
        frame = pytest.importorskip(library).DataFrame(table)
        assert bits(quiet(TWO_TERMS, frame, by="seed")) == expected
