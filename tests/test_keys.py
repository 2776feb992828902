"""Groups of rows from key columns of any type, against a dict of tuples."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lawfit import _core
from lawfit.keys import group, read_keys
from lawfit.table import Table

RNG = np.random.default_rng(5)
WORDS = np.array(["pile", "c4", "the stack", "", "π"])
CELLS = {
    "whole": RNG.integers(-3, 3, 60),
    "huge": RNG.integers(0, 3, 60) * (2**62),
    "byte": RNG.integers(0, 4, 60).astype(np.uint8),
    "truth": RNG.integers(0, 2, 60).astype(bool),
    "real": RNG.integers(0, 4, 60) / 3,
    "signed zero": np.where(RNG.integers(0, 2, 60), 0.0, -0.0),
    "half": (RNG.integers(0, 4, 60) / 4).astype(np.float16),
    "text": WORDS[RNG.integers(0, 5, 60)],
    "objects": WORDS.astype(object)[RNG.integers(0, 5, 60)],
    "mixed": np.array([1, "a", (2, 3), 1.5], dtype=object)[RNG.integers(0, 3, 60)],
    "date": np.datetime64("2024-02-28") + RNG.integers(0, 3, 60),
    "sorted": np.repeat(np.arange(12), 5),
    "runs": np.repeat([3, 1, 2, 9, 8, 7], 10),
    "runs again": np.repeat([3, 1, 3, 9, 1, 7], 10),
    "strided": np.repeat(np.arange(40), 3)[::2],
}
FRAMES = ("dict", "list", "records", "pandas", "polars", "pyarrow", "narwhals")


def groups_of(table, names, positions=None):
    table = Table(table)
    total = len(table.raw(names[0]))
    keys = read_keys(table, names, total)
    count = total if positions is None else len(positions)
    return keys, group(keys, positions, count)


def by_dict(*columns):
    """Key -> rows, in order of first appearance."""
    rows = {}
    for row, key in enumerate(zip(*(list(column) for column in columns), strict=True)):
        rows.setdefault(key, []).append(row)
    return rows


def check(found, expected, count):
    rows = np.arange(count) if found.rows is None else found.rows
    parts = [rows[a:b].tolist() for a, b in zip(found.offsets, found.offsets[1:], strict=False)]
    assert parts == list(expected.values())
    assert found.firsts.tolist() == [part[0] for part in parts]
    assert found.ids[rows].tolist() == np.repeat(range(len(parts)), np.diff(found.offsets)).tolist()


def as_frame(kind, columns):
    if kind == "dict":
        return columns
    if kind == "list":
        return {name: list(column) for name, column in columns.items()}
    if kind == "records":
        return np.rec.fromarrays(list(columns.values()), names=list(columns))
    library = pytest.importorskip("pandas" if kind == "narwhals" else kind)
    if kind == "pyarrow":
        return library.table(columns)
    frame = library.DataFrame(columns)
    return pytest.importorskip("narwhals").from_native(frame) if kind == "narwhals" else frame


@pytest.mark.parametrize("name", CELLS)
def test_one_key(name):
    cells = CELLS[name]
    (key,), found = groups_of({"k": cells}, ["k"])
    expected = by_dict(cells)
    check(found, expected, len(cells))
    assert key.values(found.firsts).tolist() == [key for key, in by_dict(cells.tolist())]


@pytest.mark.parametrize("name", ["sorted", "runs"])
def test_rows_that_stand_together_are_not_sorted_again(name):
    assert groups_of({"k": CELLS[name]}, ["k"])[1].rows is None


@pytest.mark.parametrize("names", [("whole", "text"), ("objects", "real", "truth"),
                                   ("runs", "sorted"), ("date", "whole")])
@pytest.mark.parametrize("kind", FRAMES)
def test_several_keys_of_any_frame(kind, names):
    columns = {name.replace(" ", "_"): CELLS[name] for name in names}
    keys, found = groups_of(as_frame(kind, columns), list(columns))
    expected = by_dict(*(column.tolist() for column in columns.values()))
    check(found, expected, 60)
    values = zip(*(key.values(found.firsts).tolist() for key in keys), strict=True)
    for value, wanted in zip(values, expected, strict=True):
        assert [str(v)[:10] for v in value] == [str(w)[:10] for w in wanted]


@pytest.mark.parametrize("kind", ["dict", "pandas", "polars", "pyarrow"])
def test_missing_keys_are_known(kind):
    texts = np.array(["a", None, "b", "a", None], dtype=object)
    reals = np.array([1.0, 2.0, np.nan, 1.0, np.nan])
    frame = as_frame(kind, {"t": texts, "r": reals})
    table = Table(frame)
    text, real = read_keys(table, ["t", "r"], 5)
    assert text.missing.tolist() == [False, True, False, False, True]
    assert real.missing.tolist() == [False, False, True, False, True]
    found = group([text], np.array([0, 2, 3]), 3)
    check(found, {"a": [0, 2], "b": [1]}, 3)


def test_categories_and_nullable_numbers():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({
        "c": pandas.Categorical(["x", "y", "x", None], categories=["y", "x", "z"]),
        "n": pandas.array([5, 4, 5, None], dtype="Int64"),
        "d": [datetime.date(2024, 1, 1)] * 3 + [None],
    })
    for name, first in (("c", "x"), ("n", 5), ("d", datetime.date(2024, 1, 1))):
        (key,) = read_keys(Table(frame), name, 4)
        assert key.missing.tolist() == [False, False, False, True]
        found = group([key], np.array([0, 1, 2]), 3)
        assert len(found) == (1 if name == "d" else 2)
        assert key.values(found.firsts)[0] == first


def test_chunks_of_arrow_tables_agree():
    arrow = pytest.importorskip("pyarrow")
    chunks = arrow.chunked_array([["a", "b"], ["b", "c", "a"], []])
    encoded = arrow.chunked_array([
        arrow.array(["a", "b"]).dictionary_encode(),
        arrow.array(["b", "c", "a"]).dictionary_encode(),
    ])
    for column in (chunks, encoded):
        _, found = groups_of(arrow.table({"k": column}), ["k"])
        check(found, by_dict(["a", "b", "b", "c", "a"]), 5)


@given(st.lists(st.integers(-2, 2), max_size=30), st.data())
def test_any_rows_in_any_order(cells, data):
    """Rows left out before grouping and rows left out by a mask afterwards."""
    cells = np.array(cells, dtype=np.int64)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(cells), max_size=len(cells))),
                    dtype=bool)
    positions = np.flatnonzero(keep)
    _, found = groups_of({"k": cells}, ["k"], positions)
    expected = by_dict(cells[positions])
    check(found, expected, len(positions))
    mask = positions % 2 == 0
    rows, offsets = found.part(mask)
    rows = np.flatnonzero(mask) if rows is None else rows
    parts = [rows[a:b].tolist() for a, b in zip(offsets, offsets[1:], strict=False)]
    assert parts == [[row for row in part if mask[row]] for part in expected.values()]


def test_the_counting_sort_leaves_rows_out():
    rows, offsets = _core.group_rows(np.array([2, -1, 0, 2, 0]), 4)
    assert rows.tolist() == [2, 4, 0, 3] and offsets.tolist() == [0, 2, 2, 4, 4]
    with pytest.raises(ValueError, match="ids"):
        _core.group_rows(np.array([0, 4]), 4)


@pytest.mark.parametrize(("by", "error", "match"), [
    ("k", ValueError, "by: column 'k' is not in the data"),
    ([], ValueError, "by: no key is named"),
    (["a", "a"], ValueError, "'a' is given twice"),
    (3, TypeError, "by takes a list of names"),
    ("grid", ValueError, "'grid' has 2 dimensions"),
    ("wave", TypeError, "column 'wave' holds values of type complex"),
    ("lists", TypeError, "'lists' holds values that cannot be keys: unhashable"),
    ("long", ValueError, "'long' has 4 rows for 3"),
])
def test_refused_keys(by, error, match):
    lists = np.empty(3, dtype=object)
    lists[:] = [[1], [2], [1]]
    table = {"a": [1, 2, 3], "grid": np.ones((3, 2)), "wave": np.ones(3, complex),
             "lists": lists, "long": [1, 2, 3, 4]}
    with pytest.raises(error, match=match):
        read_keys(Table(table), by, 3)
