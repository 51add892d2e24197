"""Tables as they come: from pandas, spreadsheets, R, instruments, with and without names."""

import gzip

import numpy as np
import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest

from vsc_jax.config import DataConfig
from vsc_jax.config.errors import UserError
from vsc_jax.data import load
from vsc_jax.data.tables import from_frame, read_table

X = np.random.default_rng(0).random((20, 4))
FRAMES = {"pandas": pandas.DataFrame, "polars": polars.DataFrame, "arrow": pyarrow.table}
IRIS = "".join(f"5.{i % 10},3.1,1.4,0.2,{'setosa' if i < 10 else 'virginica'}\n" for i in range(20))


def written(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def of_text(tmp_path, content, name="t.csv", **options):
    return read_table(written(tmp_path / name, content), **options)


def of_frame(tmp_path, frame, label=None, **options):
    frame.to_csv(tmp_path / "t.csv", **options)
    return read_table(tmp_path / "t.csv", label)


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
    found = {}
    for split in (dataset.train, dataset.test):
        names = [dataset.label_names[label] for label in split.labels]
        found |= dict(zip(map(tuple, split.x.tolist()), names, strict=True))
    assert found == dict(zip(map(tuple, x.tolist()), species, strict=True))


def test_whole_numbers_bools_and_numbered_classes_are_taken():
    frame = pandas.DataFrame({"a": [1, 2, 3], "b": [True, False, True], "y": [7, 3, 7]})
    table = from_frame(frame, "y")
    assert (table.x.tolist(), table.y.tolist()) == ([[1, 1], [2, 0], [3, 1]], [1, 0, 1])
    assert table.label_names == ("3", "7")


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"b": [0.0, 0, None]}, "row 2, column 'b': missing value"),
        ({"b": [0.0, 0, np.inf]}, "row 2, column 'b': expected a finite float32 number, got inf"),
        ({"y": ["u", None, "v"]}, "row 1, column 'y': missing value"),
        ({"time": 1.7e9 + 3.0 * np.arange(3)}, "column 'time': stored as float32, which .*"),
    ],
)
def test_faults_of_a_frame_name_row_and_column(kind, columns, message):
    with pytest.raises(UserError, match=f"^{message}$"):
        load(DataConfig(label="y" if "y" in columns else None), FRAMES[kind]({"a": [1.0, 2, 3], **columns}))


def test_a_label_that_is_no_column_or_no_class_is_named():
    frame = pandas.DataFrame({"a": [1.0, 2.0], "two\nlines": [0.5, 0.25]})
    with pytest.raises(UserError, match="^data.label: no column 'z'; there are a, two lines$"):
        from_frame(frame, "z")
    with pytest.raises(
        UserError, match="^row 0, column 'b': expected classes as whole numbers, bools or text, got 0.5$"
    ):
        from_frame(frame.rename(columns={"two\nlines": "b"}), "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3,\n", "row 1, column 'b': missing value"),
        ("a,b\n1,2\nNA,4\n", "row 1, column 'a': missing value"),
        ("a,b\n1,2\n3,inf\n", "row 1, column 'b': expected a finite float32 number, got inf"),
        ("a,b\n1,2\n3,1e99\n", "row 1, column 'b': expected a finite float32 number, got 1e.99"),
        ("a,b\n1,2\n3,x\n", "column 'b': expected numbers, got String; .* the classes .row 1: 'x'.$"),
        ("a,b\n,2\n,3\n", "column 'a': expected numbers, got none"),
        ("a,b\n", "column 'a': expected numbers, got none|expected rows and columns of numbers"),
        ("a,b\n1,2\n3\n", "cannot be read as a .csv file .*Expected 2 columns, got 1"),
        ("", "cannot be read as a .csv file .*Empty CSV file"),
    ],
)
def test_faults_of_a_csv_name_row_and_column(text, message, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=f"^{path}: ({message})") as caught:
        read_table(path)
    assert "\n" not in str(caught.value)


# The line of names


def test_a_headless_table_with_a_column_of_text_keeps_its_first_row(tmp_path):
    table = of_text(tmp_path, IRIS, label="f4")
    np.testing.assert_allclose(table.x[0], [5.0, 3.1, 1.4, 0.2])
    assert (len(table.x), table.label_names) == (20, ("setosa", "virginica"))
    assert table.notes == (
        "separator comma; the first line is an example, 5.0, 3.1, 1.4, 0.2, setosa"
        " (data.separator, data.header)",
        "4 columns: f0, f1, f2, f3",
        "column 'f4': 2 classes, setosa, virginica",
    )
    with pytest.raises(UserError, match="column 'f4': expected numbers, got String; .*row 0: 'setosa'"):
        of_text(tmp_path, IRIS)
    with pytest.raises(UserError) as caught:
        of_text(tmp_path, IRIS, label="setosa")
    assert str(caught.value) == (
        f"{tmp_path}/t.csv: data.label: no column 'setosa'; there are f0, f1, f2, f3, f4;"
        " the first line is taken for an example (data.header)"
    )


def test_numbers_that_rise_beside_a_class_that_comes_again_are_an_example(tmp_path):
    table = of_text(tmp_path, "1,2,3,cat\n4,9,1,dog\n7,1,5,cat\n2,8,6,dog\n", label="f3")
    np.testing.assert_array_equal(table.x[:2], [[1, 2, 3], [4, 9, 1]])


@pytest.mark.parametrize("gap", ["", "NA", "nan"])
def test_a_missing_value_in_the_first_of_headless_rows_is_missing(gap, tmp_path):
    with pytest.raises(UserError, match="t.csv: row 0, column 'f1': missing value$"):
        of_text(tmp_path, f"1.0,{gap},3.0\n" + "1.0,2.0,3.0\n" * 20)


@pytest.mark.parametrize("index", [False, True])
@pytest.mark.parametrize("columns", [1, 2, 4, 12])
def test_names_that_pandas_makes_up_are_no_example(columns, index, tmp_path):
    x = np.random.default_rng(0).random((20, columns))
    table = of_frame(tmp_path, pandas.DataFrame(x), index=index)
    np.testing.assert_allclose(table.x, x, rtol=1e-6)


def test_names_that_pandas_makes_up_stand_beside_those_of_classes(tmp_path):
    frame = pandas.DataFrame(X).assign(species=["owl", "cat"] * 10)
    table = of_frame(tmp_path, frame, "species", index=False)
    np.testing.assert_allclose(table.x, X, rtol=1e-6)
    assert table.label_names == ("cat", "owl")


@pytest.mark.parametrize("dtype", [float, int])
def test_wavelengths_are_names(dtype, tmp_path):
    x = (np.random.default_rng(0).random((30, 10)) * 900).astype(dtype)
    table = of_frame(tmp_path, pandas.DataFrame(x, columns=range(400, 410)), index=False)
    np.testing.assert_allclose(table.x, x, rtol=1e-6)
    assert "10 columns: 400, 401," in table.notes[1]


@pytest.mark.parametrize(
    "x",
    [
        np.arange(80).reshape(10, 8) + 5,  # every row rises
        np.arange(40).reshape(10, 4) % 7 + 1,
        np.random.default_rng(0).integers(0, 9, (30, 3))[:, ::-1],
        np.array([[0.5, 1], [2, 3], [4, 5]]),
        np.array([[7], [0.5], [0.25]]),
    ],
)
def test_numbers_that_are_an_example_stay_one(x, tmp_path):
    np.savetxt(tmp_path / "t.csv", x, delimiter=",", fmt="%g")
    np.testing.assert_array_equal(read_table(tmp_path / "t.csv").x, x)


@pytest.mark.parametrize(
    "content", ["0,1,2\n5,3,4\n1,1,0\n", "0,1\n1,2\n0,1.5\n", "id,2019,2020\n1,3,2\n", "0\n1\n2\n"]
)
def test_where_it_is_open_the_option_decides(content, tmp_path):
    first = ", ".join(content.splitlines()[0].split(","))
    with pytest.raises(UserError) as caught:
        of_text(tmp_path, content)
    assert str(caught.value) == (
        f"{tmp_path}/t.csv: the first line, {first}, may hold names of columns or an example;"
        " expected data.header true or false"
    )
    rows = content.count("\n")
    assert len(of_text(tmp_path, content, header="true").x) == rows - 1
    if "id" not in content:
        assert len(of_text(tmp_path, content, header="false").x) == rows


def test_an_empty_line_of_one_column_is_a_missing_value(tmp_path):
    for content in ("a\n0.5\n\n2\n", 'a\n0.5\n""\n2\n'):
        with pytest.raises(UserError, match="t.csv: row 1, column 'a': missing value$"):
            of_text(tmp_path, content)
    assert len(of_text(tmp_path, "a,b\n1,2\n\n3,4\n\n").x) == 2


# Index columns, and columns without a name


def test_an_index_that_pandas_wrote_is_left_out_and_told(tmp_path):
    frame = pandas.DataFrame(X, columns=list("abcd"))
    table = of_frame(tmp_path, frame)
    np.testing.assert_allclose(table.x, X, rtol=1e-6)
    assert table.notes[1:] == ("column '' is left out: an index, no values", "4 columns: a, b, c, d")
    again = from_frame(pandas.read_csv(tmp_path / "t.csv"))
    assert again.notes[0] == "column 'Unnamed: 0' is left out: an index, no values"
    np.testing.assert_array_equal(again.x, table.x)
    part = frame[frame.a > 0.3]
    part.to_parquet(tmp_path / "t.parquet")
    for stored in (
        read_table(tmp_path / "t.parquet"),
        from_frame(polars.read_parquet(tmp_path / "t.parquet")),
    ):
        np.testing.assert_allclose(stored.x, part, rtol=1e-6)
        assert stored.notes[0] == "column '__index_level_0__' is left out: an index, no values"


def test_a_named_index_is_left_out_unless_it_holds_the_classes(tmp_path):
    frame = pandas.DataFrame(X[:2], columns=list("abcd"), index=pandas.Index(["owl", "cat"], name="kind"))
    frame.to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").notes[0] == "column 'kind' is left out: an index, no values"
    table = read_table(tmp_path / "t.parquet", "kind")
    assert (table.x.shape, table.label_names) == ((2, 4), ("cat", "owl"))
    assert from_frame(frame).notes[0] == ("index kind is left out; frame.reset_index() makes it a column")


def test_other_columns_without_a_name_are_refused_unless_they_are_empty(tmp_path):
    table = of_text(tmp_path, "a,b,\n1,2,\n3,4,\n")
    assert table.x.tolist() == [[1, 2], [3, 4]]
    assert table.notes[1] == "column 2 is left out: it has no name and no values"
    with pytest.raises(UserError, match="t.csv: column 1: expected a name, got ''; name it or leave it out$"):
        of_text(tmp_path, "a,,b\n1,2,3\n3,4,5\n")


# Frames whose names are no unique text


def test_names_of_any_type_are_read_as_text_and_columns_by_position(tmp_path):
    y = np.array([0, 1] * 10)
    numbered = pandas.DataFrame(np.c_[X, y])
    table = from_frame(numbered, "4")
    np.testing.assert_array_equal(table.x, X.astype("f4"))
    assert table.label_names == ("0", "1")
    assert load(DataConfig(), pandas.DataFrame(X)).test.x.shape == (2, 4)
    twice = pandas.DataFrame(X, columns=list("aabc"))
    several = pandas.DataFrame(X, columns=pandas.MultiIndex.from_product([["u", "v"], [1, 2]]))
    for frame in (twice, several, pyarrow.Table.from_arrays(list(X.T), names=list("aabc"))):
        np.testing.assert_array_equal(from_frame(frame).x, X.astype("f4"))
    np.testing.assert_allclose(of_frame(tmp_path, twice, index=False).x, X, rtol=1e-6)
    with pytest.raises(UserError, match="^data.label: 2 columns are called 'a'$"):
        from_frame(twice, "a")


def test_unusual_types_are_read_or_told():
    large = polars.DataFrame({"a": [1, 2]}, schema={"a": polars.Int128})
    assert from_frame(large).x.tolist() == [[1], [2]]
    with pytest.raises(UserError, match="^column 'y': expected classes of one kind, got numbers and str$"):
        from_frame(pandas.DataFrame({"a": [1.0, 2.0], "y": [1, "a"]}), "y")
    with pytest.raises(UserError, match=r"^expected a frame in memory, got a LazyFrame; frame.collect\(\)"):
        load(DataConfig(), large.lazy())
    categories = pandas.DataFrame({"a": [1, 2], "y": pandas.Categorical(["u", "v"])})
    assert from_frame(categories, "y").label_names == ("u", "v")


def test_a_frame_may_come_with_a_series_of_labels():
    frame = pandas.DataFrame(X, columns=list("abcd"))
    labels = pandas.Series(["owl", "cat"] * 10)
    for data in ((frame, labels), {"x": polars.DataFrame(frame), "y": polars.Series(labels)}):
        dataset = load(DataConfig(label="owl"), data)
        assert dataset.label_names == ("cat", "owl")
        assert dataset.notes == (
            "4 columns: a, b, c, d",
            "data.label owl is not used: the data are no table with a column of labels",
            "y: 2 classes, cat, owl",
        )


# Classes


@pytest.mark.parametrize("blank", ["", " ", "NA", '""'])
def test_an_empty_class_is_a_missing_value(blank, tmp_path):
    with pytest.raises(UserError, match="t.csv: row 1, column 'y': missing value$"):
        of_text(tmp_path, f"a,y\n1,u\n2,{blank}\n3,v\n", label="y")
    with pytest.raises(UserError, match="^row 1, column 'y': missing value$"):
        from_frame(pandas.DataFrame({"a": [1, 2], "y": ["u", " "]}), "y")


def test_spaces_after_commas_are_no_part_of_names_or_classes(tmp_path):
    table = of_text(tmp_path, "a, b, species\n1, 2, owl\n3, 4.5, cat\n5, 6,owl\n", label="species")
    assert (table.x.tolist(), table.label_names) == ([[1, 2], [3, 4.5], [5, 6]], ("cat", "owl"))
    assert "column 'species': spaces around the names of classes are taken off" in table.notes


# Separators, encodings, widths


@pytest.mark.parametrize(
    ("name", "content", "note"),
    [
        ("t.csv", "a;b\n1,5;2\n2,5;3\n", "separator semicolon, decimal comma; the first line names"),
        ("t.csv", "a;b\n1.5;2\n2.5;3\n", "separator semicolon; "),
        ("t.csv", "1,5;2\n2,5;3\n", "separator semicolon, decimal comma; the first line is an ex"),
        ("t.TSV", "a\tb\n1.5\t2\n2.5\t3\n", "separator tab; "),
        ("t.txt", "  1.5  2.0\n  2.5  3.0\n", "separator space; the first line is an example"),
        ("t.data", "1.5 2\n2.5 3\n", "separator space; "),
        ("t.csv", "a|b\n1.5|2\n2.5|3\n", "separator bar; "),
        ("t.CSV", "a,b\r\n1.5,2\r\n2.5,3\r\n", "separator comma; "),
        ("t.csv", "\ufeffa,b\n1.5,2\n2.5,3\n", "separator comma; "),
        ("t.csv", "a\tb\n1,5\t2\n2,5\t3\n".encode("utf-16"), "separator tab, decimal comma; "),
        ("t.csv.gz", gzip.compress(b"a,b\n1.5,2\n2.5,3\n"), "separator comma; "),
        ("t.tsv.GZ", gzip.compress(b"a\tb\n1.5\t2\n2.5\t3\n"), "separator tab; "),
    ],
)
def test_separator_decimal_sign_and_encoding_are_found_out(name, content, note, tmp_path):
    dataset = load(DataConfig(path=written(tmp_path / name, content), test_fraction=0.5))
    assert sorted(np.concatenate([dataset.train.x, dataset.test.x]).tolist()) == [[1.5, 2], [2.5, 3]]
    assert dataset.notes[0].startswith(note)
    assert "2 columns: " in dataset.notes[1]


def test_options_say_it_where_nothing_is_guessed(tmp_path):
    path = written(tmp_path / "t.csv", "1,5\n2,5\n3,5\n")
    given = load(DataConfig(path=path, separator="semicolon", header="false", test_fraction=0.5))
    assert sorted(np.concatenate([given.train.x, given.test.x]).ravel().tolist()) == [1.5, 2.5, 3.5]
    assert given.notes[0] == "separator semicolon, decimal comma; the first line is an example, 1,5"
    assert load(DataConfig(path=path, header="false")).example_shape == (2,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,k\n1,caf\u00e9\n".encode("latin-1"), "expected text in UTF-8, .*0xe9 in position 9.* as UTF-8$"),
        ("caf\u00e9,k\n1,2\n".encode("latin-1"), "expected text in UTF-8, .*0xe9"),
        ("a,b\n1,2\n".encode("utf-16-le"), "expected text in UTF-8, or in UTF-16 .*, got zero"),
        (
            b"a,k\n" + b"1,owl\n" * 5000 + b"1,caf\xe9\n",
            "expected text in UTF-8, .* in line 5002 .* as UTF-8$",
        ),
        ("a;b\n1.5;2\n1.234,5;3\n", "column 'a': expected numbers, got String; .*row 1: '1.234,5'.$"),
        ("a,b\n1,2\n3,4,5\n", r"cannot be read as a .csv file \(CSV parse error: Expected 2 columns, got 3"),
    ],
)
def test_what_is_no_such_text_is_told(content, message, tmp_path):
    label = "k" if isinstance(content, bytes) else None
    with pytest.raises(UserError, match=f"^{tmp_path}/t.csv: {message}"):
        of_text(tmp_path, content, label=label)


def test_a_damaged_gz_is_told(tmp_path):
    content = gzip.compress(b"a,b\n" + b"1.5,2\n" * 1000)
    for damaged in (content[:-20], b"a,b\n1,2\n"):
        with pytest.raises(UserError, match="t.csv.gz: cannot be read as a .gz file"):
            of_text(tmp_path, damaged, "t.csv.gz")


def test_wide_rows_are_read(tmp_path):
    x = np.random.default_rng(0).random((3, 6000))
    np.savetxt(tmp_path / "t.csv", x, delimiter=",", fmt="%.300f")  # 1.8 MB a row
    np.testing.assert_allclose(read_table(tmp_path / "t.csv").x, x, rtol=1e-6)


# Parquet files


def test_damaged_parquet_names_the_file(tmp_path):
    path = tmp_path / "t.parquet"
    pandas.DataFrame(X, columns=list("abcd")).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match=f"^{path}: cannot be read as a .parquet file"):
        read_table(path)


def test_a_folder_of_parquet_files_is_one_table(tmp_path):
    folder = tmp_path / "x.parquet"
    folder.mkdir()
    (folder / "_SUCCESS").touch()
    for part in range(2):
        table = pandas.DataFrame(X[10 * part : 10 * part + 10], columns=list("abcd"))
        table.to_parquet(folder / f"part-{part}.parquet", index=False)
    for path in (folder, tmp_path / "x"):
        folder.rename(path)
        dataset = load(DataConfig(path=path))
        assert len(dataset.train) + len(dataset.test) == 20
        assert dataset.notes[0] == "2 files as one table: part-0.parquet, part-1.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"a": [1.0]}), tmp_path / "x" / "part-2.parquet")
    with pytest.raises(
        UserError, match="x: cannot be read as a .parquet file .Schema at index 2 was different"
    ):
        load(DataConfig(path=tmp_path / "x"))


def test_a_folder_of_splits_or_of_other_files_is_no_table(tmp_path):
    folder = tmp_path / "x.parquet"
    folder.mkdir()
    with pytest.raises(UserError, match="x.parquet: expected a folder of .parquet files and nothing else$"):
        load(DataConfig(path=folder))
    for name in ("test", "train"):
        pyarrow.parquet.write_table(pyarrow.table({"a": [1.0, 2.0]}), folder / f"{name}.parquet")
    with pytest.raises(UserError, match="train.parquet: the parts of a split cannot be read as one table"):
        load(DataConfig(path=folder))
