"""Variables that are shares of one whole: checked at fits and predictions."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import lawfit as lf

LAW = lf.Law("loss = c + k*exp(a*p + b*q)", ["p", "q"]).fix(k=1.0).simplex("p", "q")


def mixtures(rows=30):
    p = np.linspace(0.02, 0.98, rows)
    return {"web": p, "q": 1 - p, "loss": 1.5 + np.exp(-1.0 * p + 0.3 * (1 - p)),
            "run": np.arange(rows) % 2}


def test_shares_that_are_shares():
    fit = lf.fit(LAW, mixtures(), columns={"p": "web"})
    assert fit.params["a"] == pytest.approx(-1.0) and fit.params["b"] == pytest.approx(0.3)
    assert fit.predict(p=[0.25, 0.5], q=[0.75, 0.5]).shape == (2,)
    assert fit.predict({"web": [0.1], "q": [0.9 + 1e-7]}).shape == (1,)
    written = mixtures()
    written["web"], written["q"] = (np.round(written[name], 6) for name in ("web", "q"))
    assert lf.fit(LAW, written, columns={"p": "web"}).converged


@pytest.mark.parametrize(("row", "change", "shown"), [
    (4, 0.1, "first at row 4"), (0, -0.5, "first at row 0"),
])  # fmt: skip
def test_fits_name_columns_and_row(row, change, shown):
    data = mixtures()
    data["web"] = data["web"].copy()
    data["web"][row] += change
    for call in (lambda: lf.fit(LAW, data, columns={"p": "web"}),
                 lambda: lf.fit_many(LAW, data, columns={"p": "web"}, by="run")):
        with pytest.raises(ValueError, match=f"columns 'web', 'q' are shares.* sum to 1.*{shown}"):
            call()
    kept = lf.fit(LAW, data, columns={"p": "web"}, where=np.arange(30) != row)
    assert len(kept.rows) == 29
    with pytest.raises(ValueError, match="first at row 4|first at row 0"):  # rows of the table
        lf.fit(LAW, data, columns={"p": "web"}, where=(np.arange(30) < 3) | (np.arange(30) == row))


def test_predictions_too():
    fit = lf.fit(LAW, mixtures(), columns={"p": "web"})
    with pytest.raises(ValueError, match=r"'p', 'q' are shares.*row 1 \(p 0.5, q 0.7\)"):
        fit.predict(p=[0.4, 0.5], q=[0.6, 0.7])
    with pytest.raises(ValueError, match="'web', 'q' are shares"):
        fit.predict({"web": [-0.5], "q": [1.5]})
    with pytest.raises(ValueError, match="shares"):
        fit.predict(p=0.9, q=0.2, level=0.9)


def test_one_share_may_be_left_unnamed():
    law = lf.laws["ye_mixing3"]
    assert law.simplexes[0].names == ("r1", "r2") and law.simplexes[0].rest
    data = {name: column.copy() for name, column in law.design(40).items()}
    data["loss"] = law(**data, **law.typical)
    assert lf.fit(law.fix(k=1.0), data).converged
    data["r1"][7] = 0.9
    data["r2"][7] = 0.2
    with pytest.raises(ValueError, match="'r1', 'r2' are shares, none below 0, that sum to at most "
                                         r"1; there is 1 row .* row 7 \(r1 0.9, r2 0.2\)"):
        lf.fit(law, data)
    for id_ in ("shukor_additive2", "shukor_joint2", "dcpt"):
        assert lf.laws[id_].simplexes[0].rest


def test_kept():
    again = lf.Law.from_dict(LAW.to_dict())
    assert again == LAW == pickle.loads(pickle.dumps(LAW)) and again.simplexes == LAW.simplexes
    assert LAW.bound(a=(None, 0)).simplexes == LAW.simplexes and LAW != LAW.fix(k=None)


def test_what_is_refused():
    law = lf.Law("c + k*exp(a*p + b*q)", ["p", "q"])
    for call, message in (
        (lambda: law.simplex("p", "a"), "'a' is not a variable"),
        (lambda: law.simplex("p"), "'p' alone would always be 1"),
        (lambda: law.simplex("p", "q").simplex("q", rest=True), "a share of two wholes"),
        (lambda: law.simplex("p", "p"), "given twice"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
