"""Parameters tied to formulas of others: the fit, its errors, and what is refused."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from samples import TWO_TERMS, two_term_table
from scipy.optimize import least_squares

import lawfit as lf
from lawfit.cli import main

FORMULA = "alpha/(1+alpha) + 0.1"


def tied():
    return lf.Law(TWO_TERMS, ("N", "D")).tie("beta", FORMULA)


def table(noise=0.01, seed=1):
    data = two_term_table(noise, seed)
    data["family"] = np.repeat(["p", "q"], 20)[np.random.default_rng(3).permutation(40)]
    return data


def by_scipy(data):
    """(parameters E, A, alpha, B and beta; their standard errors) on log residuals."""

    def beta(alpha):
        return alpha / (1 + alpha) + 0.1

    def residuals(x):
        E, A, alpha, B = x[0], np.exp(x[1]), x[2], np.exp(x[3])
        return np.log(data["loss"]) - np.log(E + A / data["N"]**alpha + B / data["D"]**beta(alpha))

    start = [1.8, np.log(480), 0.35, np.log(2000)]
    found = least_squares(residuals, start, x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15,
                          jac="3-point")
    inverse = np.linalg.inv(np.linalg.qr(found.jac)[1])
    scatter = 2 * found.cost / (len(data["loss"]) - 4)
    error = np.sqrt(scatter * (inverse**2).sum(axis=1))
    E, A, alpha, B = found.x[0], np.exp(found.x[1]), found.x[2], np.exp(found.x[3])
    return ({"E": E, "A": A, "alpha": alpha, "B": B, "beta": beta(alpha)},
            {"E": error[0], "A": A * error[1], "alpha": error[2], "B": B * error[3],
             "beta": error[2] / (1 + alpha) ** 2})


def test_fit_and_errors_agree_with_scipy():
    data = table()
    fit = lf.fit(tied(), data, on="log")
    params, errors = by_scipy(data)
    assert fit.converged and fit.law.free == ("E", "A", "alpha", "B")
    for name in params:
        assert fit.params[name] == pytest.approx(params[name], rel=1e-6)
        assert fit.stderr[name] == pytest.approx(errors[name], rel=1e-4)
    matrix = fit.covariance()
    at = fit.law.parameters.index
    assert matrix[at("beta"), at("alpha")] == pytest.approx(
        fit.stderr["beta"] * fit.stderr["alpha"], rel=1e-6)
    assert f"= {FORMULA}" in str(fit)
    assert fit.derive("beta").stderr == pytest.approx(fit.stderr["beta"], rel=1e-5)
    profile = fit.profile("beta")
    ends = [a / (1 + a) + 0.1 for a in fit.profile("alpha").interval]
    assert profile.interval == pytest.approx(ends, rel=1e-6)
    mixed = fit.profile(derived="alpha/beta")  # beta follows alpha along the way
    want = [a / (a / (1 + a) + 0.1) for a in fit.profile("alpha").interval]
    assert mixed.interval == pytest.approx(want, rel=1e-6)
    assert set(fit.interval(method="wald")) == set(params)


def test_many_fits_bootstraps_and_sharing():
    data = table()
    fits = lf.fit_many(tied(), data, by="family", on="log")
    for i in range(2):
        assert fits[i].params["beta"] == fits.params["beta"][i]
        assert fits.stderr["beta"][i] == pytest.approx(fits[i].stderr["beta"], rel=1e-9)
    beta = fits.params["alpha"] / (1 + fits.params["alpha"]) + 0.1
    np.testing.assert_allclose(fits.params["beta"], beta, rtol=1e-14)
    boot = fits[0].bootstrap(50)
    np.testing.assert_allclose(boot.params["beta"],
                               boot.params["alpha"] / (1 + boot.params["alpha"]) + 0.1, rtol=1e-14)
    assert boot.stderr()["beta"] > 0
    shared = lf.fit_many(tied(), data, by="family", share="alpha", on="log")
    assert len(set(shared.params["beta"].tolist())) == 1
    ratio = shared.stderr["beta"] / shared.stderr["alpha"]
    np.testing.assert_allclose(ratio, 1 / (1 + shared.params["alpha"]) ** 2, rtol=1e-6)
    assert shared[0].stderr["beta"] == pytest.approx(shared.stderr["beta"][0])


def test_a_chain_of_ties_and_followers():
    law = lf.Law("a*x + b*y + c*z + d*u", ["x", "y", "z", "u"], {
        "b": lf.Parameter(tied="2*a"), "c": lf.Parameter(tied="b**2"), "d": lf.Parameter(tied="c"),
    })  # fmt: skip
    assert law.free == ("a",) and law.places.tolist() == [0, -1, -1, -1]
    assert law.expand([[3.0], [0.5]]).tolist() == [[3, 6, 36, 36], [0.5, 1, 1, 1]]
    assert law(x=1.0, y=1.0, z=1.0, u=0.0, a=3.0) == 45
    assert law.fix(a=3.0).expand([]).tolist() == [3, 6, 36, 36]
    with pytest.raises(ValueError, match="b is tied to 2\\*a, and the value given contradicts"):
        law(x=1.0, y=1.0, z=1.0, u=0.0, a=3.0, b=5.0)
    held = lf.Law("a*x + b + c*x**2", ["x"]).fix(b=2.0).tie("a", "b*c")
    x = np.arange(5.0)
    fit = lf.fit(held, {"x": x, "y": 2 + 6 * x + 3 * x**2}, y="y")
    assert fit.params == pytest.approx({"a": 6.0, "b": 2.0, "c": 3.0})


def test_saved_written_and_pickled(tmp_path, capsys):
    law = tied()
    assert lf.Law.from_dict(json.loads(json.dumps(law.to_dict()))) == law
    assert pickle.loads(pickle.dumps(law)).ties == {"beta": FORMULA}
    assert law.latex().endswith(r",\quad \beta = \frac{\alpha}{1 + \alpha} + 0.1")
    fit = lf.fit(law, table(), on="log")
    fit.save(tmp_path / "fit.json")
    again = lf.load(tmp_path / "fit.json")
    assert str(again) == str(fit) and (again.covariance() == fit.covariance()).all()
    data = table()
    rows = zip(data["N"], data["D"], data["loss"], strict=True)
    (tmp_path / "runs.csv").write_text("N,D,loss\n" + "".join(f"{n},{d},{y}\n" for n, d, y in rows))
    code = main(["fit", str(tmp_path / "runs.csv"), "--law", TWO_TERMS, "--tie",
                 f"beta={FORMULA}", "--on", "log", "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert code == 0
    found = answer["fits"][0] if "fits" in answer else answer
    assert found["params"]["beta"] == pytest.approx(fit.params["beta"], rel=1e-9)


@pytest.mark.parametrize(("ties", "error", "message"), [
    ({"beta": "gamma/2"}, ValueError, "'gamma' is not a parameter of this law"),
    ({"beta": "N/2"}, ValueError, "'N' is not a parameter"),
    ({"beta": "1/2"}, ValueError, "names no parameter; to hold it at a number use fix"),
    ({"beta": "alpha/"}, lf.LawError, "alpha/"),
    ({"beta": "alpha^2"}, lf.LawError, "alpha"),
    ({"beta": "2*beta"}, lf.LawError, "tied in a circle: beta -> beta"),
    ({"alpha": "2*beta", "beta": "alpha/2"}, lf.LawError, "in a circle: alpha -> beta -> alpha"),
])  # fmt: skip
def test_what_is_refused(ties, error, message):
    with pytest.raises(error, match=message):
        lf.Law(TWO_TERMS, ("N", "D"), {n: lf.Parameter(tied=t) for n, t in ties.items()})


def test_a_formula_says_all_there_is_to_say():
    law = lf.Law(TWO_TERMS, ("N", "D")).bound(beta=(0, 1))
    with pytest.raises(ValueError, match=r"beta: low does not go with the formula '2\*alpha'"):
        law.tie("beta", "2*alpha")
    with pytest.raises(ValueError, match="either fixed or tied"):
        tied().fix(beta=0.3)
    fit = lf.fit(tied(), table(), on="log", parameters={"alpha": lf.Parameter(low=0.36)})
    assert fit.diagnostics["active_bounds"] == {"alpha": "lower"} and fit.stderr["beta"] == 0
