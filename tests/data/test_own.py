"""Your own data in every form that they may come in."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest

from vsc_jax.config import DataConfig
from vsc_jax.config.errors import UserError
from vsc_jax.data import Dataset, Split, load

X = np.arange(24, dtype=np.float32).reshape(8, 3) / 7
SPECIES = ["owl", "cat", "owl", "bee", "cat", "owl", "bee", "cat"]
COLUMNS = {"width": X[:, 0], "height": X[:, 1], "weight": X[:, 2], "species": SPECIES}

FRAMES = {"pandas": pandas.DataFrame, "polars": polars.DataFrame, "arrow": pyarrow.table}


def all_of(dataset: Dataset) -> dict[tuple, str]:
    """Every example with the name of its class."""
    found = {}
    for split in (dataset.train, dataset.test):
        names = [""] * len(split)
        if split.labels is not None:
            names = [dataset.label_names[label] for label in split.labels]
        found |= {tuple(row): name for row, name in zip(split.x.tolist(), names, strict=True)}
    return found


EXPECTED = {tuple(row): name for row, name in zip(X.tolist(), SPECIES, strict=True)}


def written(folder: Path, kind: str) -> Path:
    path = folder / f"table.{kind}"
    if kind == "csv":
        pandas.DataFrame(COLUMNS).to_csv(path, index=False)
    else:
        pyarrow.parquet.write_table(pyarrow.table(COLUMNS), path)
    return path


@pytest.mark.parametrize("kind", FRAMES)
def test_frames_become_vectors_with_the_label_s_column_apart(kind: str) -> None:
    dataset = load(DataConfig(label="species"), FRAMES[kind](COLUMNS))
    assert all_of(dataset) == EXPECTED
    assert dataset.label_names == ("bee", "cat", "owl")
    assert dataset.train.x.dtype == np.float32


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_table_files_become_vectors(kind: str, tmp_path: Path) -> None:
    dataset = load(DataConfig(path=written(tmp_path, kind), label="species"))
    assert {tuple(np.float32(v) for v in row): name for row, name in all_of(dataset).items()} == {
        tuple(np.float32(v) for v in row): name for row, name in EXPECTED.items()
    }
    assert dataset.name == f"table.{kind}"


def test_whole_numbers_bools_and_numbered_classes_are_taken(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"a": [1, 2, 3], "b": [True, False, True], "y": [7, 3, 7]})
    dataset = load(DataConfig(label="y"), frame)
    assert all_of(dataset) == {(1.0, 1.0): "7", (2.0, 0.0): "3", (3.0, 1.0): "7"}


def test_a_csv_without_a_line_of_names_loses_no_row(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("0.5,1\n2,3\n4,5\n")
    dataset = load(DataConfig(path=tmp_path / "x.csv"))
    assert sorted(all_of(dataset)) == [(0.5, 1), (2, 3), (4, 5)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3,\n", "row 1, column 'b': missing value"),
        ("a,b\n1,2\nNA,4\n", "row 1, column 'a': missing value"),
        ("a,b\n1,2\n3,inf\n", "row 1, column 'b': expected a finite float32 number, got inf"),
        ("a,b\n1,2\n3,1e99\n", "row 1, column 'b': expected a finite float32 number, got 1e.99"),
        (
            "a,b\n1,2\n3,x\n",
            "column 'b': expected numbers, got String; leave it out, .* the classes .row 1: 'x'.$",
        ),
        ("a,b\n,2\n,3\n", "column 'a': expected numbers, got none"),
        ("a,b\n", "column 'a': expected numbers, got none|expected rows and columns of numbers"),
        ("a,b\n1,2\n3\n", "cannot be read as a .csv file .*Expected 2 columns, got 1"),
        ("", "cannot be read as a .csv file .*Empty CSV file"),
    ],
)
def test_faults_of_a_csv_name_row_and_column(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=f"^{path}: ({message})") as caught:
        load(DataConfig(path=path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (None, "row 2, column 'b': missing value"),
        (np.inf, "row 2, column 'b': expected a finite float32 number, got inf"),
    ],
)
def test_missing_and_non_finite_values_of_a_frame_name_row_and_column(kind, bad, message) -> None:
    with pytest.raises(UserError, match=f"^{message}$"):
        load(DataConfig(), FRAMES[kind]({"a": [1.0, 2, 3], "b": [0.0, 0, bad]}))


@pytest.mark.parametrize("kind", FRAMES)
def test_missing_classes_name_the_row(kind) -> None:
    with pytest.raises(UserError, match="^row 1, column 'y': missing value$"):
        load(DataConfig(label="y"), FRAMES[kind]({"a": [1.0, 2, 3], "y": ["u", None, "v"]}))


def test_a_label_that_is_no_column_or_no_class_is_named() -> None:
    frame = pandas.DataFrame({"a": [1.0, 2.0], "b": [0.5, 0.25]})
    with pytest.raises(UserError, match="^data.label: no column 'z'; there are a, b$"):
        load(DataConfig(label="z"), frame)
    with pytest.raises(UserError, match="^data.label: no column 'z'; there are a, two lines$"):
        load(DataConfig(label="z"), frame.rename(columns={"b": "two\nlines"}))
    with pytest.raises(
        UserError, match="^row 0, column 'b': expected classes as whole numbers, bools or text, got 0.5$"
    ):
        load(DataConfig(label="b"), frame)


def test_damaged_parquet_names_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "parquet")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match=f"^{path}: cannot be read as a .parquet file"):
        load(DataConfig(path=path))


# Arrays in memory


@pytest.mark.parametrize(
    ("data", "labelled"),
    [
        (X, False),
        (X.tolist(), False),
        ((X, [0, 1, 0, 2, 1, 0, 2, 1]), True),
        ({"x": X, "y": np.array([0, 1, 0, 2, 1, 0, 2, 1])}, True),
    ],
)
def test_arrays_lists_tuples_and_mappings_are_taken(data: Any, labelled: bool) -> None:
    dataset = load(DataConfig(test_fraction=0.25), data)
    assert (len(dataset.train), len(dataset.test)) == (6, 2)
    assert sorted(all_of(dataset)) == sorted(EXPECTED)
    assert (dataset.train.labels is not None) == labelled


def test_arrays_of_jax_are_taken() -> None:
    import jax.numpy as jnp

    assert sorted(all_of(load(DataConfig(), jnp.asarray(X)))) == sorted(EXPECTED)


def test_a_mapping_may_bring_its_own_test_part_and_a_path_is_read(tmp_path: Path) -> None:
    dataset = load(DataConfig(), {"x": X[:5], "x_test": X[5:]})
    np.testing.assert_array_equal(dataset.test.x, X[5:])
    np.save(tmp_path / "x.npy", X)
    assert sorted(all_of(load(DataConfig(), tmp_path / "x.npy"))) == sorted(EXPECTED)


def test_a_data_set_is_taken_as_it_is() -> None:
    dataset = Dataset("mine", Split(X), Split(X))
    assert load(DataConfig(scaling="unit"), dataset) is dataset


def test_own_data_are_scaled_and_binarised_as_the_section_says() -> None:
    dataset = load(DataConfig(scaling="standardise"), X)
    assert dataset.scaling is not None
    assert dataset.description.endswith("values standardised.")
    binary = load(DataConfig(binarize="static"), X / X.max())
    assert binary.train.x.dtype == np.float32
    assert set(np.unique(binary.train.x)) == {0, 1}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((X, X, X), "^expected a tuple of examples and labels, got 3 entries$"),
        ({"x": X, "z": X}, "^unknown array z; expected x, y, x_test, y_test$"),
        ("nowhere.npy", "^nowhere.npy: no such file or directory$"),
        (
            "table.xlsx",
            "^table.xlsx: expected a file .npy, .npz, .csv, .tsv, .txt or .parquet, or a folder of images$",
        ),
        ("har.zip", r"or a folder of images \(the UCI HAR archive needs data.name uci_har\)$"),
        (object(), "^x: expected numbers or bools, got object$"),
    ],
)
def test_anything_else_is_told_what_was_expected(data: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(DataConfig(), data)


def test_images_of_any_range_are_taken_where_they_are_scaled() -> None:
    images = np.random.default_rng(0).normal(1000, 50, (10, 6, 6))
    with pytest.raises(UserError, match=r"^x: expected images in \[0, 1\], or uint8, got"):
        load(DataConfig(), images)
    dataset = load(DataConfig(scaling="unit"), images)
    assert dataset.scaling is not None
    scaled = dataset.scaling.apply(dataset.train.x)
    assert (scaled.min(), scaled.max()) == (0, 1)


def test_named_channels_make_signals(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(5, 3, (10, 32, 2)).astype(np.float32)
    np.savez(tmp_path / "s.npz", x=x, channels=["left", "right"])
    dataset = load(DataConfig(path=tmp_path / "s.npz"))
    assert (dataset.form, dataset.channel_names) == ("signal", ("left", "right"))
    assert dataset.scaling is not None  # auto standardises signals
    np.savez(tmp_path / "s.npz", x=x, channels=["left"])
    with pytest.raises(UserError, match=r"s.npz: x: expected signals \[n, time, 1\], one channel a name"):
        load(DataConfig(path=tmp_path / "s.npz"))


def test_an_npz_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch) -> None:
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((1000, 100), np.float32))
    monkeypatch.setattr("vsc_jax.data.arrays.machine_memory", lambda: 100_000)
    with pytest.raises(UserError, match=f"^{tmp_path}/x.npz: refused, as it would unpack to 0.0 GB"):
        load(DataConfig(path=tmp_path / "x.npz"))


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(
        UserError, match="x.npy: holds Python objects; expected numbers, or text of dtype str$"
    ):
        load(DataConfig(path=tmp_path / "x.npy"))


@pytest.mark.parametrize("kind", FRAMES)
def test_a_column_whose_variation_float32_rounds_away_is_named(kind: str) -> None:
    frame = FRAMES[kind]({"time": 1.7e9 + 3.0 * np.arange(50), "width": np.arange(50.0)})
    with pytest.raises(
        UserError, match=r"^column 'time': stored as float32, which rounds its variation away"
    ):
        load(DataConfig(), frame)
