"""The shell beside fitting: laws, bench, info and the demo."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pytest

import lawfit as lf


def test_laws_lists_searches_and_shows(run):
    code, out, _ = run("laws")
    listed = json.loads(out)
    assert code == 0 and len(listed) == len(lf.laws) >= 25
    assert {"id", "family", "title", "formula"} == set(listed[0])
    code, out, _ = run("laws", "chinchilla")
    shown = json.loads(out)
    assert code == 0 and shown["formula"] == lf.laws["chinchilla"].formula
    assert shown["latex"] == lf.laws["chinchilla"].latex()
    code, out, _ = run("laws", "chinchilla", "--table")
    assert code == 0
    assert out.startswith(f"chinchilla: {lf.laws['chinchilla'].title}\n")
    assert f"LaTeX: {lf.laws['chinchilla'].latex()}\n" in out
    assert re.search(r"^  published for Besiroglu .* A 482.01,", out, re.M)
    code, out, _ = run("laws", "COVERAGE", "--table")
    assert code == 0 and re.search(r"^id +family +title +formula$", out, re.M)
    assert "monkeys_coverage" in out and "chinchilla" not in out
    code, out, _ = run("laws", "floor", "--family", "allocation", "--source", "porian")
    assert [law["id"] for law in json.loads(out)] == ["porian_loss_saturation"]
    code, _, err = run("laws", "--family", "alocation")
    assert code == 2 and "no family 'alocation'" in err and "allocation" in err
    code, _, err = run("laws", "kaplan_S_min")
    assert code == 2 and "see lawfit.transforms.minimum_steps" in err
    code, _, err = run("laws", "--source", "nobody")
    assert code == 2 and "'nobody' in its source" in err
    code, out, err = run("laws", "zzzzzz")
    assert code == 2 and "no law of the catalogue has 'zzzzzz' in its entry" in err


def test_bench(run):
    code, out, _ = run("bench", "--seconds", 0.02)
    answer = json.loads(out)
    assert code == 0 and answer["installation"]["level"]
    assert [result["fits"] for result in answer["results"]] == [2000, 2000]
    for result in answer["results"]:
        assert result["fits_per_second"] == pytest.approx(result["fits"] / result["seconds"])
        assert result["scipy_fits"] >= 1 and result["as_good"] == 1


def test_bench_without_scipy(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    code, out, _ = run("bench", "--table")
    assert code == 0 and "pip install scipy" in out and "times faster" not in out
    code, out, _ = run("bench", "--json")
    assert code == 0 and {result["as_good"] for result in json.loads(out)["results"]} == {None}


def test_bench_needs_some_time(run):
    code, _, err = run("bench", "--seconds", 0)
    assert code == 2 and "--seconds: must be positive" in err


def test_info(run):
    code, out, _ = run("info")
    facts = json.loads(out)
    assert code == 0
    assert set(facts) == {
        "lawfit", "level", "levels", "threads", "cpus", "machine", "python", "numpy",
    }
    assert facts["numpy"] == np.__version__ and facts["threads"] >= 1
    assert re.search(r"^level +\w+$", run("info", "--table")[1], re.M)


def test_threads_from_the_environment(monkeypatch):
    from lawfit.engine import thread_count

    monkeypatch.setenv("LAWFIT_THREADS", "1")
    assert thread_count(None) == 1
    assert thread_count(3) == 3
    monkeypatch.setenv("LAWFIT_THREADS", "many")
    assert thread_count(None) >= 1


def test_demo_is_text_even_when_piped(run):
    code, out, err = run("demo")
    lines = out.splitlines()
    assert code == 0 and err == ""
    assert lines[0].endswith("E + A/N**alpha + B/D**beta")
    assert "residuals on log, loss huber:0.001" in lines[1]
    assert sum(line.startswith("Converged") for line in lines) == 1
    assert any(line.startswith("bootstrap: 4,000 pairs resamples") for line in lines)
    found = re.fullmatch(
        r"compute-optimal exponent a = beta/\(alpha\+beta\) in N ~ C\*\*a: ([\d.]+), "
        r"95 % interval ([\d.]+) to ([\d.]+)", lines[-2],
    )
    value, low, high = map(float, found.groups())
    assert 0 < low < value < high < 1
    assert float(re.fullmatch(r"fitting: (\d+\.\d{3}) s", lines[-1])[1]) > 0
