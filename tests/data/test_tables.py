"""Tables as they come: from pandas, spreadsheets, R, instruments, with and without names."""

import gzip

import numpy as np
import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest

from tests.refused import assert_refused, error_of
from vsc_jax.config import DataConfig
from vsc_jax.data import from_arrays, load
from vsc_jax.data.tables import from_frame, read_table

X = np.random.default_rng(0).random((20, 4))
ABCD = pandas.DataFrame(X, columns=list("abcd"))
FRAMES = {"pandas": pandas.DataFrame, "polars": polars.DataFrame, "arrow": pyarrow.table}
IRIS = "".join(f"5.{i % 10},3.1,1.4,0.2,{'setosa' if i < 10 else 'virginica'}\n" for i in range(20))


@pytest.fixture
def of(tmp_path):
    """The table in a file with some content, or with what pandas writes of a frame."""

    def read(content, label=None, name="t.csv", header="auto", **options):
        path = tmp_path / name
        if isinstance(content, pandas.DataFrame):
            content.to_csv(path, **options)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(path, label, header)

    return read


def classes(table):
    return from_arrays(**table._asdict()).label_names


# Frames and files alike


@pytest.mark.parametrize("kind", [*FRAMES, "csv", "parquet"])
def test_tables_become_vectors_with_the_label_s_column_apart(kind, tmp_path):
    x = np.arange(24, dtype=np.float32).reshape(8, 3) / 8
    species = ["owl", "cat", "owl", "bee", "cat", "owl", "bee", "cat"]
    columns = {"width": x[:, 0], "height": x[:, 1], "weight": x[:, 2], "species": species}
    data = FRAMES.get(kind, pandas.DataFrame)(columns)
    if kind == "csv":
        data.to_csv(data := tmp_path / "table.csv", index=False)
    if kind == "parquet":
        data.to_parquet(data := tmp_path / "table.parquet")
    dataset = load(DataConfig(label="species"), data)
    assert (dataset.name, dataset.label_names) == (getattr(data, "name", "frame"), ("bee", "cat", "owl"))
    assert dataset.column_names == tuple(name for name in columns if name != "species")
    found = {}
    for split in (dataset.train, dataset.test):
        names = [dataset.label_names[label] for label in split.labels]
        found |= dict(zip(map(tuple, split.x.tolist()), names, strict=True))
    assert found == dict(zip(map(tuple, x.tolist()), species, strict=True))


def test_whole_numbers_bools_and_numbered_classes_are_taken():
    frame = pandas.DataFrame({"a": [1, 2, 3], "b": [True, False, True], "y": [7, 3, 7]})
    table = from_frame(frame, "y")
    assert table.x.tolist() == [[1, 1], [2, 0], [3, 1]]
    assert classes(table) == ("3", "7")


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize(("columns", "message"), [
    ({"b": [0.0, 0, None]}, "row 2, column 'b': missing value$"),
    ({"b": [0.0, 0, np.inf]}, "row 2, column 'b': expected a finite float32 number, got inf$"),
    ({"y": ["u", None, "v"]}, "row 1, column 'y': missing value$"),
    ({"y": ["u", " ", "v"]}, "row 1, column 'y': missing value$"),
    ({"y": [1.0, 0.5, 2]}, "row 1, column 'y': expected classes as whole numbers, bools or text, got 0.5$"),
    ({"time": 1.7e9 + 3.0 * np.arange(3)}, "column 'time': stored as float32, which"),
    ({}, "data.label: no column 'y'; there are a$"),
])  # fmt: skip
def test_faults_of_a_frame_name_row_and_column(kind, columns, message):
    label = "y" if "y" in columns or not columns else None
    frame = FRAMES[kind]({"a": [1.0, 2, 3], **columns})
    assert_refused(f"^{message}", load, DataConfig(label=label), frame)


LATIN = "caf\u00e9"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n3,\n", "row 1, column 'b': missing value"),
        ("a,b\n1,2\nNA,4\n", "row 1, column 'a': missing value"),
        *(
            (f"1.0,{gap},3.0\n" + "1.0,2.0,3.0\n" * 20, "row 0, column 'f1': missing")
            for gap in ("", "NA", "nan")
        ),
        ("a\n0.5\n\n2\n", "row 1, column 'a': missing value$"),
        ('a\n0.5\n""\n2\n', "row 1, column 'a': missing value$"),
        ("a,b\n1,2\n3,inf\n", "row 1, column 'b': expected a finite float32 number, got inf"),
        ("a,b\n1,2\n3,1e99\n", "row 1, column 'b': expected a finite float32 number, got 1e.99"),
        ("a,b\n1,2\n3,x\n", "column 'b': expected numbers, got String; .* the classes .row 1: 'x'.$"),
        (IRIS, "column 'f4': expected numbers, got String; .*row 0: 'setosa'"),
        ("a;b\n1.5;2\n1.234,5;3\n", "column 'a': expected numbers, got String; .*row 1: '1.234,5'.$"),
        ("a,b\n,2\n,3\n", "column 'a': expected numbers, got none"),
        ("a,b\n", "column 'a': expected numbers, got none|expected rows and columns of numbers"),
        ("a,b\n1,2\n3\n", "cannot be read as a .csv file .*Expected 2 columns, got 1"),
        ("a,b\n1,2\n3,4,5\n", r"cannot be read as a .csv file \(CSV parse error: Expected 2 columns, got 3"),
        ("", "cannot be read as a .csv file .*Empty CSV file"),
        ("a,,b\n1,2,3\n3,4,5\n", "column 1: expected a name, got ''; name it or leave it out$"),
        (f"a,k\n1,{LATIN}\n".encode("latin-1"), "expected text in UTF-8, .*0xe9 in position 9.* as UTF-8$"),
        ("a,b\n1,2\n".encode("utf-16-le"), "expected text in UTF-8, or in UTF-16 .*, got zero"),
        (
            b"a,k\n" + b"1,owl\n" * 5000 + b"1,caf\xe9\n",
            "expected text in UTF-8, .* in line 5002 .* as UTF-8$",
        ),
    ],
)
def test_faults_of_a_text_table_name_the_place(content, message, of):
    assert_refused(f"^({message})", of, content)


# The line of names


def test_a_headless_table_with_a_column_of_text_keeps_its_first_row(of):
    table = of(IRIS, "f4")
    np.testing.assert_allclose(table.x[0], [5.0, 3.1, 1.4, 0.2])
    assert (len(table.x), classes(table)) == (20, ("setosa", "virginica"))
    assert table.notes == (
        "separator comma; the first line is an example, 5.0, 3.1, 1.4, 0.2, setosa"
        " (data.separator, data.header)",
        "4 columns: f0, f1, f2, f3",
    )
    assert error_of(of, IRIS, "setosa") == (
        "data.label: no column 'setosa'; there are f0, f1, f2, f3, f4;"
        " the first line is taken for an example (data.header)"
    )


RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("index", [False, True])
@pytest.mark.parametrize(
    ("x", "names", "label"),
    [
        *((RANDOM.random((20, columns)), None, None) for columns in (1, 2, 4, 12)),  # as pandas makes them up
        (X, None, "species"),
        *(((RANDOM.random((30, 10)) * 900).astype(dtype), range(400, 410), None) for dtype in (float, int)),
    ],
)
def test_numbers_that_are_names_stay_names(x, names, label, index, of):
    frame = pandas.DataFrame(x, columns=names)
    table = of(frame.assign(species=["owl", "cat"] * 10) if label else frame, label, index=index)
    np.testing.assert_allclose(table.x, x, rtol=1e-6)
    assert f": {', '.join(map(str, frame.columns[:8]))}" in table.notes[-1]
    assert not label or classes(table) == ("cat", "owl")


@pytest.mark.parametrize(
    "rows",
    [
        np.arange(80).reshape(10, 8) + 5,  # every row rises
        np.arange(40).reshape(10, 4) % 7 + 1,
        np.random.default_rng(0).integers(0, 9, (30, 3))[:, ::-1],
        [[0.5, 1], [2, 3], [4, 5]],
        [[7], [0.5], [0.25]],
        [[1, 2, 3, "cat"], [4, 9, 1, "dog"], [7, 1, 5, "cat"], [2, 8, 6, "dog"]],  # a class comes again
    ],
)
def test_numbers_that_are_an_example_stay_one(rows, of):
    label = "f3" if isinstance(rows[0][-1], str) else None
    table = of("".join(",".join(map(str, row)) + "\n" for row in rows), label)
    np.testing.assert_array_equal(table.x, [row[:3] for row in rows] if label else rows)


@pytest.mark.parametrize(
    "content", ["0,1,2\n5,3,4\n1,1,0\n", "0,1\n1,2\n0,1.5\n", "id,2019,2020\n1,3,2\n", "0\n1\n2\n"]
)
def test_where_it_is_open_the_option_decides(content, of):
    first, rows = ", ".join(content.splitlines()[0].split(",")), content.count("\n")
    assert error_of(of, content) == (
        f"the first line, {first}, may hold names of columns or an example;"
        " expected data.header true or false"
    )
    assert len(of(content, header="true").x) == rows - 1
    if "id" not in content:
        assert len(of(content, header="false").x) == rows


# Index columns, columns without a name, names that are no unique text


def test_an_index_that_pandas_wrote_is_left_out_and_told(of, tmp_path):
    table = of(ABCD)
    np.testing.assert_allclose(table.x, X, rtol=1e-6)
    assert table.notes[1:] == ("column '' is left out: an index, no values", "4 columns: a, b, c, d")
    again = from_frame(pandas.read_csv(tmp_path / "t.csv"))
    assert again.notes[0] == "column 'Unnamed: 0' is left out: an index, no values"
    np.testing.assert_array_equal(again.x, table.x)
    part = ABCD[ABCD.a > 0.3]
    part.to_parquet(path := tmp_path / "t.parquet")
    for stored in (read_table(path), from_frame(polars.read_parquet(path))):
        np.testing.assert_allclose(stored.x, part, rtol=1e-6)
        assert stored.notes[0] == "column '__index_level_0__' is left out: an index, no values"


def test_a_named_index_is_left_out_unless_it_holds_the_classes(tmp_path):
    frame = ABCD[:2].set_index(pandas.Index(["owl", "cat"], name="kind"))
    frame.to_parquet(path := tmp_path / "t.parquet")
    assert read_table(path).notes[0] == "column 'kind' is left out: an index, no values"
    table = read_table(path, "kind")
    assert (table.x.shape, classes(table)) == ((2, 4), ("cat", "owl"))
    assert from_frame(frame).notes[0] == "index kind is left out; frame.reset_index() makes it a column"


def test_names_of_any_type_are_read_as_text_and_columns_by_position(of):
    table = from_frame(pandas.DataFrame(np.c_[X, [0, 1] * 10]), "4")
    np.testing.assert_array_equal(table.x, X.astype("f4"))
    assert classes(table) == ("0", "1")
    assert load(DataConfig(), pandas.DataFrame(X)).test.x.shape == (2, 4)
    twice = pandas.DataFrame(X, columns=list("aabc"))
    several = pandas.DataFrame(X, columns=pandas.MultiIndex.from_product([["u", "v"], [1, 2]]))
    for frame in (twice, several, pyarrow.Table.from_arrays(list(X.T), names=list("aabc"))):
        np.testing.assert_array_equal(from_frame(frame).x, X.astype("f4"))
    np.testing.assert_allclose(of(twice, index=False).x, X, rtol=1e-6)
    assert error_of(from_frame, twice, "a") == "data.label: 2 columns are called 'a'"
    lines = pandas.DataFrame({"a": [1.0, 2.0], "two\nlines": [0.5, 0.25]})
    assert error_of(from_frame, lines, "z") == "data.label: no column 'z'; there are a, two lines"


def test_unusual_types_are_read_or_told():
    large = polars.DataFrame({"a": [1, 2]}, schema={"a": polars.Int128})
    assert from_frame(large).x.tolist() == [[1], [2]]
    mixed = pandas.DataFrame({"a": [1.0, 2.0], "y": [1, "a"]})
    assert_refused(
        "^column 'y': expected classes of one kind, got numbers and str$", classes, from_frame(mixed, "y")
    )
    assert_refused("^expected a frame in memory, got a LazyFrame; ", load, DataConfig(), large.lazy())
    categories = pandas.DataFrame({"a": [1, 2], "y": pandas.Categorical(["u", "v"])})
    assert classes(from_frame(categories, "y")) == ("u", "v")


def test_a_frame_may_come_with_a_series_of_labels():
    labels = pandas.Series(["owl", "cat"] * 10)
    for data in ((ABCD, labels), {"x": polars.DataFrame(ABCD), "y": polars.Series(labels)}):
        dataset = load(DataConfig(label="owl"), data)
        assert dataset.label_names == ("cat", "owl")
        assert dataset.notes == (
            "4 columns: a, b, c, d",
            "data.label owl is not used: the data are no table with a column of labels",
            "y: 2 classes, cat, owl",
        )


@pytest.mark.parametrize("blank", ["", " ", "NA", '""'])
def test_an_empty_class_is_a_missing_value(blank, tmp_path):
    (tmp_path / "t.csv").write_text(f"a,y\n1,u\n2,{blank}\n3,v\n")
    config = DataConfig(path=tmp_path / "t.csv", label="y")
    assert_refused(f"^{tmp_path}/t.csv: row 1, column 'y': missing value$", load, config)


def test_spaces_after_commas_are_no_part_of_names_or_classes(of):
    table = of("a, b, species\n1, 2, owl\n3, 4.5, cat\n5, 6,owl\n", "species")
    assert (table.x.tolist(), classes(table)) == ([[1, 2], [3, 4.5], [5, 6]], ("cat", "owl"))
    notes = from_arrays(**table._asdict()).notes
    assert "column 'species': spaces around the names of classes are taken off" in notes
    assert "column 'species': 2 classes, cat, owl" in notes


# Separators, encodings, widths


@pytest.mark.parametrize(("name", "content", "note"), [
    ("t.csv", "a;b\n1,5;2\n2,5;3\n", "separator semicolon, decimal comma; the first line names"),
    ("t.csv", "a;b\n1.5;2\n2.5;3\n", "separator semicolon; "),
    ("t.csv", "1,5;2\n2,5;3\n", "separator semicolon, decimal comma; the first line is an ex"),
    ("t.TSV", "a\tb\n1.5\t2\n2.5\t3\n", "separator tab; "),
    ("t.txt", "  1.5  2.0\n  2.5  3.0\n", "separator space; the first line is an example"),
    ("t.data", "1.5 2\n2.5 3\n", "separator space; "),
    ("t.csv", "a|b\n1.5|2\n2.5|3\n", "separator bar; "),
    ("t.CSV", "\r\na,b\r\n1.5,2\r\n\r\n2.5,3\r\n", "separator comma; "),
    ("t.csv", "\ufeffa,b,\n1.5,2,\n2.5,3,\n", "separator comma; "),
    ("t.csv", "a\tb\n1,5\t2\n2,5\t3\n".encode("utf-16"), "separator tab, decimal comma; "),
    ("t.csv.gz", gzip.compress(b"a,b\n1.5,2\n2.5,3\n", mtime=0), "separator comma; "),
    ("t.tsv.GZ", gzip.compress(b"a\tb\n1.5\t2\n2.5\t3\n", mtime=0), "separator tab; "),
])  # fmt: skip
def test_separator_decimal_sign_and_encoding_are_found_out(name, content, note, of):
    table = of(content, name=name)
    assert table.x.tolist() == [[1.5, 2], [2.5, 3]]
    assert table.notes[0].startswith(note)
    assert any("2 columns: " in line for line in table.notes)
    assert ("column 2 is left out: it has no name and no values" in table.notes) == ("b,\n" in str(content))


def test_options_say_it_where_nothing_is_guessed(of, tmp_path):
    assert of("1,5\n2,5\n3,5\n", header="false").x.shape == (3, 2)
    given = load(
        DataConfig(path=tmp_path / "t.csv", separator="semicolon", header="false", test_fraction=0.5)
    )
    assert sorted(np.concatenate([given.train.x, given.test.x]).ravel().tolist()) == [1.5, 2.5, 3.5]
    assert given.notes[0] == "separator semicolon, decimal comma; the first line is an example, 1,5"


def test_wide_rows_are_read(tmp_path):
    x = np.random.default_rng(0).random((3, 6000))
    np.savetxt(tmp_path / "t.csv", x, delimiter=",", fmt="%.300f")  # 1.8 MB a row
    np.testing.assert_allclose(read_table(tmp_path / "t.csv").x, x, rtol=1e-6)


# Parquet files


def test_damaged_files_are_told(of, tmp_path):
    ABCD.to_parquet(path := tmp_path / "t.parquet")
    content = gzip.compress(b"a,b\n" + b"1.5,2\n" * 1000)
    for name, damaged in (("gz", content[:-20]), ("gz", b"a,b\n1,2\n"), ("parquet", path.read_bytes()[:-20])):
        assert_refused(f"^cannot be read as a .{name} file", of, damaged, name=f"t.csv.{name}")


def test_a_folder_of_parquet_files_is_one_table(tmp_path):
    folder = tmp_path / "x.parquet"
    folder.mkdir()
    (folder / "_SUCCESS").touch()
    for part in range(2):
        ABCD[10 * part : 10 * part + 10].to_parquet(folder / f"part-{part}.parquet", index=False)
    for path in (folder, tmp_path / "x"):
        folder.rename(path)
        dataset = load(DataConfig(path=path))
        assert len(dataset.train) + len(dataset.test) == 20
        assert dataset.notes[0] == "2 files as one table: part-0.parquet, part-1.parquet"
    ABCD[["a"]].to_parquet(path / "part-2.parquet")
    assert_refused("^cannot be read as a .parquet file .Schema at index 2 was different", read_table, path)


def test_a_folder_of_splits_or_of_other_files_is_no_table(tmp_path):
    folder = tmp_path / "x.parquet"
    folder.mkdir()
    assert_refused("^expected a folder of .parquet files and nothing else$", read_table, folder)
    for name in ("test", "train"):
        ABCD.to_parquet(folder / f"{name}.parquet")
    assert_refused("train.parquet: the parts of a split cannot be read as one", read_table, folder)
