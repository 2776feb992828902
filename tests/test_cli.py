"""The shell: answers, exit codes, and messages that say what to do."""

from __future__ import annotations

import csv
import importlib.util
import json
import re

import numpy as np
import pytest
from samples import TWO_TERMS, check_expected, line_table, two_term_table

import lawfit as lf


def write(path, table):
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(table)
        writer.writerows(zip(*(column.tolist() for column in table.values()), strict=True))
    return str(path)


@pytest.fixture
def runs(tmp_path):
    table = two_term_table(0.005)
    renamed = {"params": table["N"], "tokens": table["D"], "loss": table["loss"],
               "flops": table["flops"], "diverged": table["diverged"]}  # fmt: skip
    return write(tmp_path / "runs.csv", renamed)


@pytest.fixture
def line(tmp_path):
    return write(tmp_path / "line.csv", line_table())


COLUMNS = ["--column", "N=params", "--column", "D=tokens"]

has_matplotlib = importlib.util.find_spec("matplotlib") is not None


def test_fit_gives_json_when_piped_and_equals_the_api(run, runs):
    code, out, err = run(
        "fit", runs, "--law", TWO_TERMS, *COLUMNS, "--on", "log", "--loss", "huber:1e-3",
        "--where", "flops < 1e21 and not diverged", "--bootstrap", 50, "--level", 0.9,
        "--derive", "beta/(alpha+beta)", "--allocate", "1e23",
    )  # fmt: skip
    assert code == 0 and err == ""
    (answer,) = json.loads(out)["fits"]
    fit = lf.fit(
        TWO_TERMS, two_term_table(0.005), on="log", loss=lf.Huber(1e-3),
        where="flops < 1e21 and not diverged",
    )
    boot = fit.bootstrap(50)
    assert answer["params"] == fit.params and answer["stderr"] == fit.stderr
    assert answer["status"] == "converged" and answer["rows"] == len(fit.rows)
    assert answer["bootstrap"]["stderr"] == boot.stderr()
    assert answer["bootstrap"]["interval"]["E"] == list(boot.interval(0.9)["E"])
    assert answer["bootstrap"]["failed"] == 0
    (derived,) = answer["derived"]
    exponent = boot.derive("beta/(alpha+beta)")
    assert derived["value"] == exponent.value
    assert derived["interval"] == list(exponent.interval(0.9))
    best = boot.allocate(1e23, level=0.9)
    assert answer["allocation"]["N"] == best.N
    assert answer["allocation"]["intervals"]["loss"] == list(best.intervals["loss"])


def test_fit_gives_tables_on_request(run, line):
    code, out, err = run("fit", line, "--law", "y = a + b*x", "--derive", "a/b", "--table")
    assert code == 0 and err == ""
    check_expected("cli_fit.txt", out)


def test_tables_on_a_terminal_and_json_on_request(run, line, monkeypatch):
    arguments = ["fit", line, "--law", "y = a + b*x"]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert run(*arguments)[1].startswith("y = a + b*x\n7 rows")
    assert json.loads(run(*arguments, "--json")[1])["fits"][0]["rows"] == 7


def test_bootstrap_and_allocation_tables(run, runs):
    code, out, _ = run("fit", runs, "--law", TWO_TERMS, *COLUMNS, "--bootstrap", 200,
                       "--allocate", 1e23, "--derive", "alpha/beta", "--table")  # fmt: skip
    assert code == 0
    assert "bootstrap: 200 pairs resamples, 0 failed, adjusted\n" in out
    assert re.search(r"^parameter +stderr +95 % low +high$", out, re.M)
    assert re.search(r"^derived +value +stderr +95 % low +high$", out, re.M)
    assert re.search(r"^alpha/beta( +[\d.]+){4}$", out, re.M)
    assert "\n\nfor 1e+23 FLOP, 5.56 times the largest run\n" in out
    assert re.search(r"^tokens per parameter( +[\d.e+]+){3}$", out, re.M)


def test_clusters_bca_and_everything_that_can_be_asked(run, tmp_path):
    data = two_term_table(0.01)
    data["run"] = np.repeat([f"run {i}" for i in range(20)], 2)
    path, picture = write(tmp_path / "c.csv", data), tmp_path / "figure.png"
    code, out, err = run(
        "fit", path, "--law", TWO_TERMS, "--on", "log", "--bootstrap", "cluster:60",
        "--by", "run", "--interval", "bca", "--derive", "beta/(alpha+beta)", "--allocate", "1e24",
        "--inference", "1e12", "--cost", "6*N*D", "--diagnose", "--checklist", "--json",
        *(("--plot", picture, "--figure", "allocation") if has_matplotlib else ()),
    )  # fmt: skip
    assert code == 0 and err == ""
    (answer,) = json.loads(out)["fits"]
    fit = lf.fit(TWO_TERMS, data, on="log")
    boot = fit.bootstrap(60, "cluster", by="run")
    assert answer["bootstrap"]["interval"]["E"] == list(boot.interval(0.95, "bca")["E"])
    assert answer["bootstrap"]["method"] == "bca" and answer["bootstrap"]["kind"] == "cluster"
    (derived,) = answer["derived"]
    exponent = boot.derive("beta/(alpha+beta)")
    assert derived["interval"] == list(exponent.interval(0.95, "bca"))
    best = boot.allocate(1e24, method="bca", inference=1e12, cost="6*N*D")
    assert answer["allocation"]["N"] == best.N and answer["allocation"]["exists"] == best.exists
    assert answer["allocation"]["intervals"]["N"] == list(best.intervals["N"])
    found = fit.diagnose()
    assert answer["diagnosis"]["leverage"] == found.leverage.tolist()
    assert answer["diagnosis"]["outlier"] == found.outlier.tolist()
    assert answer["checklist"]["Uncertainty"] == boot.fit.checklist(boot).to_dict()["Uncertainty"]
    assert not has_matplotlib or picture.stat().st_size > 5000


def test_least_compute_for_a_loss(run, runs):
    code, out, _ = run("fit", runs, "--law", TWO_TERMS, *COLUMNS, "--reach", 2.1, "--diagnose",
                       "--table")  # fmt: skip
    assert code == 0 and "\n\nfor a loss of 2.1, " in out and "most influential of 40" in out
    assert re.search(r"^compute( +[\d.e+]+){3}$", out, re.M)


def test_several_laws(run, line):
    code, out, _ = run("fit", line, "--law", "y = a + b*x", "--law", "y = a + b*x**2")
    assert code == 0
    assert [fit["law"] for fit in json.loads(out)["fits"]] == ["y = a + b*x", "y = a + b*x**2"]


def test_settings_of_parameters(run, line):
    code, out, _ = run(
        "fit", line, "--law", "y = a + b*x + c*x**2 + d*x", "--fix", "d=0.5", "--bound", "b=:1.2",
        "--tie", "a=c",
    )  # fmt: skip
    (answer,) = json.loads(out)["fits"]
    assert code == 0
    assert answer["params"]["d"] == 0.5 and answer["params"]["b"] == 1.2
    assert answer["params"]["a"] == answer["params"]["c"]
    assert answer["diagnostics"]["active_bounds"] == {"b": "upper"}
    assert answer["stderr"]["b"] is None  # JSON has no NaN


def test_orders_priors_and_shares_are_those_of_the_api(run, tmp_path):
    x, q = np.arange(1.0, 21.0), np.linspace(0.1, 0.9, 20)
    y = np.where(x < 6, 1.0, np.where(x < 13, 2.0, 4.0)) + 0.01 * np.cos(9 * x) + 0.3 * q
    table = {"x": x, "p": 1 - q, "q": q, "y": y}
    path = write(tmp_path / "shares.csv", table)
    text = "y = a*logistic(x - d1) + b*logistic(x - d2) + k*q + 0*p"
    code, out, err = run(
        "fit", path, "--law", text, "--order", "d1 < d2", "--bound", "d1=0:", "--bound",
        "d2_above_d1=0:9", "--prior", "k ~ normal(0.3, 0.05)", "--prior", "a~LogNormal(1, .5)",
        "--bound", "a=0:", "--simplex", "p + q = 1",
    )  # fmt: skip
    (answer,) = json.loads(out)["fits"]
    law = lf.Law(text).bound(d1=(0, None), a=(0, None)).order("d1", "d2").bound(d2_above_d1=(0, 9))
    law = law.prior(k=lf.Normal(0.3, 0.05), a=lf.LogNormal(1, 0.5)).simplex("p", "q")
    fit = lf.fit(law, table)
    assert code == 0 and err == "" and answer["params"] == fit.params
    assert answer["params"]["d2"] > answer["params"]["d1"]
    code, _, err = run("fit", write(tmp_path / "half.csv", {**table, "p": q}), "--law", text,
                       "--simplex", "p + q = 1")  # fmt: skip
    assert code == 2 and "columns 'p', 'q' are shares" in err and "half.csv, line 2]" in err
    code, out, _ = run("fit", path, "--law", text, "--order", "d1 <= d2", "--simplex", "q <= 1",
                       "--on", "linear,log", "--prior", "k ~ ridge(0.1)")  # fmt: skip
    assert code in (0, 1) and len(json.loads(out)["fits"]) == 2


@pytest.mark.parametrize(("option", "given", "expected"), [
    ("--order", "d1", "--order d1: write 'NAME < NAME', as in 'd1 < d2 < d3'"),
    ("--order", "d1 > d2", "--order d1 > d2: write 'NAME < NAME'"),
    ("--order", "a < c", "order: 'c' is not a parameter of this law; it has"),
    ("--prior", "a = 3", "--prior a = 3: write 'NAME ~ normal(MEAN, SD)'"),
    ("--prior", "a ~ gauss(0, 1)", "prior: expected normal(MEAN, SD), lognormal(MEDIAN, SD)"),
    ("--prior", "a ~ normal(0)", "prior: normal takes mean and sd, not 'normal(0)'"),
    ("--prior", "a ~ normal(0, one)", "'normal(0, one)': could not convert string to float"),
    ("--prior", "a ~ ridge(-1)", "Ridge: strength must be positive and finite, not -1"),
    ("--prior", "slope ~ ridge(1)", "prior: 'slope' is not a parameter of this law"),
    ("--simplex", "x + b", "--simplex x + b: write 'p + q + r = 1', or 'p + q <= 1'"),
    ("--simplex", "x = 1", "simplex: 'x' alone would always be 1"),
    ("--simplex", "x + q = 1", "simplex: 'q' is not a variable of"),
])  # fmt: skip
def test_what_orders_priors_and_shares_must_look_like(run, line, option, given, expected):
    code, out, err = run("fit", line, "--law", "y = a + b*x", option, given)
    assert code == 2 and out == "" and expected in err


def test_weights_starts_and_limits(run, tmp_path):
    path = write(tmp_path / "w.csv", {**line_table(), "w": np.arange(7.0)})
    code, out, _ = run("fit", path, "--law", "y = a + b*x", "--weights", "w", "--starts", 3,
                       "--seed", 5, "--threads", 1, "--max-seconds", 60, "--precise")  # fmt: skip
    (answer,) = json.loads(out)["fits"]
    assert code == 0 and answer["rows"] == 6 and answer["diagnostics"]["n_starts"] == 3
    code, out, err = run("fit", path, "--law", "y = a + b*x", "--sigma", "w")
    assert code == 2 and "column 'w' (sigma) has 1 value that is not positive" in err
    assert "line 2]" in err


def test_failed_fits_exit_with_1(run, line):
    code, out, _ = run("fit", line, "--law", "y = a + b + c*x", "--bootstrap", 20)
    assert code == 1
    assert json.loads(out)["fits"][0]["status"] == "not_identified"
    code, out, _ = run("fit", line, "--law", "y = a + b + c*x", "--law", "y = a + b*x", "--table")
    assert code == 1 and "NOT RELIABLE, not_identified" in out and "Converged" in out


def test_a_fit_without_rows_enough_still_answers(run, tmp_path):
    path = write(tmp_path / "one.csv", {"x": np.array([1.0]), "y": np.array([2.0])})
    code, out, err = run("fit", path, "--law", "y = a + b*x", "--bootstrap", 20, "--derive", "a/b")
    assert code == 1 and err == ""
    assert json.loads(out)["fits"][0]["params"] == {"a": None, "b": None}


@pytest.mark.parametrize(("arguments", "message"), [
    (["--law", "y = a + b^x"], "write **"),
    (["--law", "y = a + b*z"], "no name of the law"),
    (["--law", "y = a + b*x", "--y", "loss"], "y: column 'loss' is not in the data"),
    (["--law", "y = a + b*x", "--column", "x"], "--column x: write NAME=VALUE"),
    (["--law", "y = a + b*x", "--where", "x <"], "cannot read this filter"),
    (["--law", "y = a + b*x", "--where", "q < 1"], "unknown column 'q'"),
    (["--law", "y = a + b*x", "--loss", "huber:x"], "'x' in 'huber:x' is not a number"),
    (["--law", "y = a + b*x", "--fix", "a=x"], "'x' in 'a=x' is not a number"),
    (["--law", "y = a + b*x", "--fix", "q=1"], "'q'"),
    (["--law", "y = a + b*x", "--bound", "a=1"], "write NAME=LOW:HIGH"),
    (["--law", "y = a + b*x", "--starts", "-3"], "starts: must be at least 1"),
    (["--law", "y = a + b*x", "--derive", "a/q"], "'q' is not a parameter"),
    (["--law", "y = a + b*x", "--allocate", "1e20"], "allocate: "),
    (["--law", "y = a + b*x", "--bootstrap", "pairs:x"], "write a kind, a number, or KIND:NUMBER"),
    (["--law", "y = a + b*x", "--bootstrap", "sheep"], "'sheep'"),
    (["--law", "y = a + b*x", "--plot", "x.png", "--figure", "pairs"], "needs --bootstrap"),
    (["--law", "y = a + b*x", "--level", "95"], "level: must lie between 0 and 1"),
    (["--law", "a", "--law", "b", "--save", "x.json"], "--save and --plot take one law"),
], ids=str)  # fmt: skip
def test_wrong_calls_exit_with_2_and_one_message(run, line, arguments, message):
    code, out, err = run("fit", line, *arguments, "--derive", "a")
    assert code == 2 and out == ""
    assert err.startswith("lawfit: error: ") and message in err


@pytest.mark.parametrize("arguments", [[], ["fit"], ["fit", "runs.csv"], ["nonsense"],
                                       ["fit", "a.csv", "--law", "a", "--on", "logs"]])  # fmt: skip
def test_usage_errors(run, arguments):
    code, out, err = run(*arguments)
    assert code == 2 and out == "" and err.startswith("usage: lawfit")


def test_help(run):
    code, out, _ = run("--help")
    assert code == 0 and all(word in out for word in ("fit", "laws", "info", "demo"))
    assert run("fit", "--help")[0] == 0


def test_errors_name_the_line_of_the_file(run, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("# a comment\nx,y\n0,1\n1,oops\n2,5\n", encoding="utf-8")
    code, _, err = run("fit", path, "--law", "y = a + b*x")
    assert code == 2
    assert f"holds 'oops' at row 1, which is not a number; convert the column or filter the row " \
           f"out first [{path}, line 4]" in err  # fmt: skip
    path.write_text("x,y\n0,1\n\n1,\n2,5\n", encoding="utf-8")
    assert "first at row 1;" in (err := run("fit", path, "--law", "y = a + b*x")[2])
    assert f"[{path}, line 4]" in err
    path.write_text("x,y\n0,1\n1\n", encoding="utf-8")
    assert f"{path}, line 3: 1 cells, the header has 2" in run("fit", path, "--law", "a*x")[2]
    assert "No such file" in run("fit", tmp_path / "none.csv", "--law", "a*x")[2]


def test_save_and_plot(run, line, tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    code, _, err = run("fit", line, "--law", "y = a + b*x", "--save", tmp_path / "fit.json",
                       "--plot", tmp_path / "fit.png")  # fmt: skip
    assert code == 0 and err == ""
    assert lf.load(tmp_path / "fit.json").params == lf.fit("y = a + b*x", line_table()).params
    assert (tmp_path / "fit.png").read_bytes().startswith(b"\x89PNG")
    matplotlib.pyplot.close("all")


def test_progress_goes_to_standard_error(run, line):
    code, out, err = run("fit", line, "--law", "y = a + b*x**c", "--progress")
    assert code == 0 and json.loads(out)
    assert re.search(r"\d+ of \d+\n$", err)


def test_interrupted(run, line, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("lawfit.shell.fit_law", interrupted)
    code, out, err = run("fit", line, "--law", "y = a + b*x")
    assert code == 130 and out == "" and err == "lawfit: interrupted\n"


@pytest.fixture
def families(tmp_path):
    tables = [two_term_table(0.005, seed=seed) for seed in range(3)]
    table = {name: np.concatenate([t[name] for t in tables]) for name in ("N", "D", "loss")}
    return write(tmp_path / "families.csv", {**table, "family": np.repeat(["b", "a", "c"], 40)})


def test_many_fits_are_one_table(run, families, tmp_path):
    arguments = ("fit", families, "--law", TWO_TERMS, "--law", "loss = E + A/N**alpha",
                 "--by", "family", "--on", "linear,log", "--loss", "squared,huber:1e-2")
    code, out, err = run(*arguments, "--save", tmp_path / "all.fits")
    answers = json.loads(out)["fits"]
    fits = lf.load(tmp_path / "all.fits")
    assert code == 0 and err == "" and len(answers) == len(fits) == 24
    for at, answer in enumerate(answers):
        assert answer["params"] == fits[at].params and answer["stderr"] == fits[at].stderr
        assert answer["family"] == fits.index["family"][at] and answer["rows"] == 40
        assert (answer["on"], answer["loss"]) == (fits[at].on, str(fits[at].loss))
    code, out, _ = run(*arguments, "--table")
    assert code == 0 and out.count("converged") == 24 + 1
    assert "2 laws x 2 spaces x 2 losses x 3 groups = 24 fits; loss in 120 rows" in out


def test_shared_parameters(run, families):
    arguments = ("fit", families, "--law", TWO_TERMS, "--by", "family", "--share", "alpha,beta",
                 "--on", "log")
    code, out, err = run(*arguments)
    answer = json.loads(out)
    (shared,) = answer["shared"]
    assert code == 0 and err == "" and shared["groups"] == 3 and shared["parameters"] == 11
    assert all(fit["params"]["beta"] == shared["params"]["beta"] for fit in answer["fits"])
    code, out, _ = run(*arguments, "--table")
    assert code == 0 and "shared by 3 groups: alpha" in out
    code, _, err = run("fit", families, "--law", TWO_TERMS, "--share", "alpha")
    assert code == 2 and "share: needs by=" in err


def test_many_fits_that_fail_or_cannot_be_asked(run, families, line):
    code, out, _ = run("fit", line, "--law", "y = a + b*x", "--by", "x", "--table")
    assert code == 1 and "7 too_few_points" in out
    code, _, err = run("fit", families, "--law", TWO_TERMS, "--by", "family", "--derive", "E")
    assert code == 2 and "--derive is for single fits" in err
    code, _, err = run("fit", families, "--law", TWO_TERMS, "--on", "log,linear", "--bootstrap", 9)
    assert code == 2 and "--bootstrap is for single fits" in err
    code, _, err = run("fit", families, "--law", TWO_TERMS, "--by", "famly")
    assert code == 2 and "did you mean 'family'?" in err
