"""Table files: what a cell means, and refusals that name the line."""

from __future__ import annotations

import io

import numpy as np
import pytest

from lawfit.files import read_csv, read_table


def columns(text, **kwargs):
    return read_csv(io.StringIO(text, newline=""), "runs.csv", **kwargs)


def test_kinds_of_columns():
    table = columns(
        "# made by hand\n#\nN, loss ,ok,name,mixed\n"
        "1e6,3.5,true,a,1\n\n2_000,NA,False,\"b,\nc\",x\n,3,TRUE,,-inf\n"
    )
    assert list(table) == ["N", "loss", "ok", "name", "mixed"]
    assert table["N"].tolist() == ["1e6", "2_000", ""]  # 2_000 is a name, so the column is text
    np.testing.assert_array_equal(table["loss"], [3.5, np.nan, 3.0])
    assert table["ok"].tolist() == [True, False, True] and table["ok"].dtype == bool
    assert table["name"].tolist() == ["a", "b,\nc", ""]
    assert table["mixed"].dtype == object
    assert table.lines == [4, 7, 8]  # where each row ends


@pytest.mark.parametrize("cell", ["", "NA", "n/a", "NaN", "null", "None", " nan "])
def test_missing_cells(cell):
    table = columns(f"a,b\n1,2\n{cell},3\n")
    np.testing.assert_array_equal(table["a"], [1.0, np.nan])


@pytest.mark.parametrize(("text", "message"), [
    ("", "runs.csv, line 1: a header line with the names of the columns is needed"),
    ("# only\n# comments\n", "runs.csv, line 2: a header line"),
    ("a,b,a\n1,2,3\n", "runs.csv, line 1: the column name 'a' occurs twice"),
    ("a,,b\n1,2,3\n", "runs.csv, line 1: column 2 has no name"),
    ("a,b\n1,2\n\n1,2,3\n", "runs.csv, line 4: 3 cells, the header has 2"),
    ("a,b\n1,2\n1\n", "runs.csv, line 3: 1 cells, the header has 2"),
    ('a,b\n1,"2\n3,4\n', "runs.csv, line 3: unexpected end of data"),
])  # fmt: skip
def test_refusals_name_the_line(text, message):
    with pytest.raises(ValueError) as caught:
        columns(text)
    assert str(caught.value).startswith(message)


def test_a_header_alone_is_a_table_without_rows():
    table = columns("a,b\n")
    assert list(table) == ["a", "b"] and len(table["a"]) == 0 and table.lines == []


def test_files(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfN,loss\r\n1,2\r\n3,4\r\n")  # a byte order mark
    (tmp_path / "a.tsv").write_text("N\tloss\n1\t2\n3\t4\n")
    for name in ("a.csv", "a.tsv"):
        table = read_table(str(tmp_path / name))
        assert table["N"].tolist() == [1, 3] and table["loss"].tolist() == [2, 4]
    (tmp_path / "bad.csv").write_bytes(b"N,loss\n1,2\n\xff,4\n")
    with pytest.raises(ValueError, match="bad.csv, line 3: not UTF-8 text"):
        read_table(str(tmp_path / "bad.csv"))
    with pytest.raises(FileNotFoundError):
        read_table(str(tmp_path / "none.csv"))


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("a,b\n1,2\n"))
    assert read_table("-")["b"].tolist() == [2.0]


def test_other_formats(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"N": [1.0, 2.0], "loss": [3.0, 4.0]})
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_feather(tmp_path / "a.feather")
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    frame.to_json(tmp_path / "a.json")
    for suffix in ("parquet", "feather", "json", "jsonl"):
        table = read_table(str(tmp_path / f"a.{suffix}"))
        assert np.asarray(table["loss"]).tolist() == [3.0, 4.0]


@pytest.mark.parametrize(("suffix", "package"), [("parquet", "pyarrow"), ("jsonl", "pandas")])
def test_a_missing_package_is_named_with_the_pip_line(suffix, package, monkeypatch, tmp_path):
    for name in (package, f"{package}.parquet"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(ImportError, match=f"pip install {package}"):
        read_table(str(tmp_path / f"a.{suffix}"))
