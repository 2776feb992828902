"""Row filters as text: what they mean, and that nothing else gets through."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lawfit.table import Table
from lawfit.filters import FilterError, evaluate_filter

TABLE = {
    "flops": np.array([1e18, 1e20, 1e21, np.nan, 1e22]),
    "width": np.array([64, 128, 256, 512, 1024]),
    "diverged": np.array([False, True, False, False, True]),
    "flag": np.array([0.0, 1.0, 1.0, 0.0, 0.0]),
    "family": np.array(["c4", "rw", "c4", "pile", None], dtype=object),
    "größe": np.arange(5.0),
}


def mask(text: str) -> list[int]:
    result = evaluate_filter(text, Table(TABLE), 5)
    assert result.dtype == bool and result.shape == (5,)
    return np.flatnonzero(result).tolist()


@pytest.mark.parametrize(("text", "rows"), [
    ("flops < 1e21", [0, 1]),
    ("flops < 1e21 and not diverged", [0]),
    ("not diverged", [0, 2, 3]),
    ("flag", [1, 2]),
    ("not flag or diverged", [0, 1, 3, 4]),
    ("100 < width <= 512", [1, 2, 3]),
    ("family == 'c4'", [0, 2]),
    ("family != 'c4'", [1, 3, 4]),
    ("family in ('c4', 'pile')", [0, 2, 3]),
    ("width not in [64, 128]", [2, 3, 4]),
    ("family == 'c4' or flops > 1e21", [0, 2, 4]),
    ("flops/width**2 > 6e15", [1, 2, 4]),
    ("-width + 1 >= -127", [0, 1]),
    ("width == +64", [0]),
    ("flops == flops", [0, 1, 2, 4]),
    ("not flops < 1e21", [2, 3, 4]),
    ("diverged == True", [1, 4]),
    ("True", [0, 1, 2, 3, 4]),
    ("1 > 2", []),
    ("9**9**9 > flops", [0, 1, 2, 4]),
    ("1/0 > flops", [0, 1, 2, 4]),
    ("größe > 2 and\n  width > 600", [4]),
    ("  width == 64  ", [0]),
])  # fmt: skip
def test_meaning(text, rows):
    assert mask(text) == rows


@pytest.mark.parametrize(("text", "message", "column"), [
    ("flop < 1e21", "unknown column 'flop'; did you mean 'flops'?", 0),
    ("width < 5 and zzz > 1", "unknown column 'zzz'; columns: flops", 14),
    ("flops = 1", "write '==' to compare", 6),
    ("(width < 5) & diverged", "write 'and' instead of '&'", 0),
    ("width < 5 && diverged", "write 'and' and 'or'", 11),
    ("~diverged", "write 'not' instead of '~'", 0),
    ("abs(width) < 5", "functions are not part of filters", 0),
    ("width.real < 5", "names with dots", 0),
    ("width[0] < 5", "indexing is not part of filters", 0),
    ("width is 5", "write ==", 9),
    ("width // 2 == 1", "FloorDiv is not part of filters", 0),
    ("family < 5", "text is compared with something that is not text", 9),
    ("family < 'd'", "cells of this column cannot be ordered", 0),
    ("family + 1 > 2", "this is not a number", 0),
    ("width", "neither true nor false", 0),
    ("family and True", "neither true nor false", 0),
    ("width in 5", "after 'in' write constants", 9),
    ("width < 2j", "is not a number, text, True or False", 8),
    ("width < None", "is not a number, text, True or False", 8),
    ("width < (5", "cannot read this filter", 8),
    ("größe > 1 and zzz", "unknown column 'zzz'", 14),
    ("[x for x in width]", "ListComp is not part of filters", 0),
    ("lambda: 1", "Lambda is not part of filters", 0),
    ("(width := 5)", "NamedExpr is not part of filters", 1),
    ("f'{width}' == 'a'", "JoinedStr is not part of filters", 0),
    ("   ", "the filter is empty", 0),
    ("(" * 101 + "width" + ")" * 101, "nested deeper than 100 levels", 100),
    ("width < 5\x00", "cannot read this filter", 0),
    ("not " * 300 + "diverged", "nested deeper", 404),
])  # fmt: skip
def test_refusals_have_a_caret_under_the_place(text, message, column):
    with pytest.raises(FilterError) as caught:
        mask(text)
    error = caught.value
    assert isinstance(error, ValueError)
    assert message in str(error)
    assert error.position == column
    shown, caret = str(error).split("\n")[-2:]
    assert caret.strip() == "^"
    if text.strip() and column < len(text):
        assert shown[len(caret) - 1] == text[column].replace("\n", " ")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_length_limit():
    with pytest.raises(FilterError, match="at most 10,000 characters"):
        mask("width < 5 and " * 1000 + "width < 5")


def test_column_of_another_length():
    table = Table({"a": np.arange(3.0), "b": np.arange(4.0)})
    with pytest.raises(FilterError, match="column 'a' has 3 rows, the fit has 4"):
        evaluate_filter("a > 1", table, 4)


WORDS = ["flops", "width", "family", "diverged", "1e21", "0", "'c4'", "<", "==", "and", "or",
         "not", "in", "(", ")", "[", "]", ",", "+", "-", "*", "/", "**", "if", "else", "lambda",
         "x", "=", ":", ".", "%", "@", "f'", "\\", "\n", "#", "é", "await", "yield", "**9"]


@settings(max_examples=300, deadline=None)
@given(st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join),
))  # fmt: skip
def test_any_text_is_a_mask_or_a_filter_error(text):
    try:
        result = evaluate_filter(text, Table(TABLE), 5)
    except FilterError as error:
        assert str(error)
    else:
        assert result.dtype == bool and result.shape == (5,)
