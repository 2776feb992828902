"""Saved fits come back with the same bits and can do the same things."""

from __future__ import annotations

import dataclasses
import json
import math
import warnings

import numpy as np
import pytest
from samples import TWO_TERMS, line_table, two_term_table

import lawfit as lf
from lawfit.archive import VERSION


def quiet_fit(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        return lf.fit(*args, **kwargs)


def bounded():
    law = lf.Law(
        "loss = E + A/N**alpha + B/D**beta", ("N", "D"),
        {"E": lf.Parameter(positive=True, high=1.7), "beta": lf.Parameter(tied="alpha")},
        source="made up",
    )
    return quiet_fit(law, two_term_table(0.01), on="log", loss=lf.Huber(1e-3))


CASES = {
    "plain": lambda: lf.fit(TWO_TERMS, two_term_table(0.01)),
    "bounded, tied, robust": bounded,
    "weights, filter, starts": lambda: quiet_fit(
        TWO_TERMS, two_term_table(0.01), weights="flops", where="not diverged", starts=6,
        keep_starts=True, seed=3, max_seconds=60.0,
    ),
    "sigma": lambda: lf.fit("y = a + b*x", line_table(), sigma=0.1, absolute_sigma=True),
    "catalogue": lambda: quiet_fit("chinchilla", two_term_table(0.01)),
    "failed": lambda: quiet_fit("y = a + b*x", {"x": [1.0], "y": [1.0]}),
    "mapped": lambda: lf.fit("y = a + b*z", line_table(), columns={"z": "x"}),
}  # fmt: skip


def same(one, other):
    """Equal to the last bit, NaN being equal to NaN."""
    if isinstance(one, np.ndarray):
        assert one.dtype.kind == other.dtype.kind
        np.testing.assert_array_equal(one, other)
    elif dataclasses.is_dataclass(one):
        assert type(one) is type(other)
        for field in dataclasses.fields(one):
            if field.name == "table":  # the table itself is not saved
                continue
            same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for name in one:
            same(one[name], other[name])
    elif isinstance(one, float) and math.isnan(one):
        assert math.isnan(other)
    else:
        assert one == other and type(one) is type(other)


@pytest.mark.parametrize("name", CASES)
def test_every_field_survives(name, tmp_path):
    fit = CASES[name]()
    path = tmp_path / "fit.json"
    fit.save(path)
    loaded = lf.load(path)
    same(fit, loaded)
    assert str(loaded) == str(fit)
    assert list(tmp_path.iterdir()) == [path]


def test_a_loaded_fit_can_do_what_the_saved_one_could(tmp_path):
    fit = CASES["plain"]()
    fit.save(tmp_path / "fit.json")
    loaded = lf.load(str(tmp_path / "fit.json"))
    assert loaded.predict(N=1e9, D=1e10, level=0.9) == fit.predict(N=1e9, D=1e10, level=0.9)
    np.testing.assert_array_equal(loaded.covariance("hessian"), fit.covariance("hessian"))
    same(loaded.bootstrap(20).params, fit.bootstrap(20).params)
    assert loaded.allocate(1e21) == fit.allocate(1e21)
    assert loaded.derive("alpha/beta").stderr == fit.derive("alpha/beta").stderr


def test_the_file_is_strict_json_with_the_formula_as_text(tmp_path):
    path = tmp_path / "fit.json"
    CASES["failed"]().save(path)

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    document = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert document["format"] == "lawfit.fit" and document["version"] == VERSION
    assert document["law"]["formula"] == "y = a + b*x"
    assert document["params"] == {"a": "nan", "b": "nan"}


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "fit.json"
    fit = CASES["plain"]()
    fit.save(path)
    before = path.read_bytes()

    def broken(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.replace", broken)
    with pytest.raises(OSError, match="disk full"):
        fit.save(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_wrong_files(tmp_path):
    path = tmp_path / "fit.json"
    CASES["plain"]().save(path)
    text = path.read_text(encoding="utf-8")
    document = json.loads(text)

    def refused(content, message):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ValueError) as caught:
            lf.load(path)
        assert message in str(caught.value) and str(path) in str(caught.value)

    refused("", "is not a saved fit")
    refused(text[: len(text) // 2], "is not a saved fit")
    refused("[1, 2]", "is not a saved fit: its 'format'")
    refused(json.dumps({**document, "version": VERSION + 1}), "install a later lawfit")
    refused(json.dumps({k: v for k, v in document.items() if k != "rows"}), "is damaged: KeyError")
    refused(json.dumps({**document, "law": {**document["law"], "formula": "__import__('os')"}}),
            "is damaged: LawError")  # fmt: skip
    refused(json.dumps({**document, "params": {"E": "x"}}), "is damaged")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is not a saved fit"):
        lf.load(path)
    with pytest.raises(FileNotFoundError):
        lf.load(tmp_path / "other.json")
