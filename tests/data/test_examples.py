"""Examples that are read when they are asked for are the examples, and leave no memory behind."""

import numpy as np
import pytest

from tests.refused import assert_refused, error_of
from vsc_jax.config import DataConfig
from vsc_jax.data import examples, from_arrays, load
from vsc_jax.data.dataset import Split, first_outside
from vsc_jax.data.examples import LazyArray, bernoulli_draw, chunks, from_source, read_ahead, select

ROWS = np.random.default_rng(0).integers(0, 256, (50, 4, 4), np.uint8)


@pytest.fixture
def everything_is_large(monkeypatch):
    monkeypatch.setattr(examples, "LARGE", 0)


@pytest.fixture
def mapped(tmp_path, everything_is_large):
    """ROWS in a memory-mapped file."""
    np.save(tmp_path / "rows.npy", ROWS)
    return np.load(tmp_path / "rows.npy", mmap_mode="r")


def of_a_source(_=None):
    return from_source([{"image": row} for row in ROWS], lambda record: record["image"])


@pytest.mark.parametrize("make", [select, of_a_source], ids=["mapped file", "source"])
@pytest.mark.parametrize("index", [
    3, -1, np.int64(7), slice(5), slice(40, 60), slice(None, None, -7), np.array([[4, 4], [0, 49]]),
    np.zeros(0, int),
])  # fmt: skip
def test_what_is_asked_for_is_what_an_array_would_give(make, index, mapped):
    lazy = make(mapped)
    assert isinstance(lazy, LazyArray)
    assert (lazy.shape, lazy.dtype, lazy.nbytes, len(lazy)) == (ROWS.shape, ROWS.dtype, ROWS.nbytes, 50)
    assert type(lazy[index]) is np.ndarray
    np.testing.assert_array_equal(lazy[index], ROWS[index])
    np.testing.assert_array_equal(np.asarray(lazy), ROWS)


def test_small_arrays_stay_arrays_and_large_ones_are_cut_without_reading(mapped, monkeypatch):
    split = Split(select(mapped), np.arange(50)).first(7)
    assert isinstance(split.x, LazyArray)
    np.testing.assert_array_equal(split.x[:], ROWS[:7])
    np.testing.assert_array_equal(split.labels, np.arange(7))
    monkeypatch.setattr(examples, "LARGE", mapped.nbytes)
    assert isinstance(select(mapped), np.ndarray)
    assert select(ROWS).base is ROWS


@pytest.mark.parametrize("rows", [slice(7), np.array([5, 5, 2]), np.arange(50) % 3 == 1])
def test_rows_are_chosen_and_converted_without_reading_them(rows, mapped):
    def refuse(values):
        assert not len(values), "read before it was asked for"
        return values.astype(np.float32)

    assert select(mapped, rows, refuse).shape == ROWS[rows].shape
    halves = select(select(mapped, convert=lambda values: values / np.float32(2)), rows)
    assert halves.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(halves), ROWS[rows] / np.float32(2))
    np.testing.assert_array_equal(select(ROWS, rows), ROWS[rows])


def test_a_pass_in_chunks_sees_every_row_once(mapped, monkeypatch):
    monkeypatch.setattr(examples, "CHUNK_BYTES", 7 * 16)
    parts = list(chunks(select(mapped)))
    assert [len(part) for part in parts] == [7] * 7 + [1]
    np.testing.assert_array_equal(np.concatenate(parts), ROWS)
    assert first_outside(select(mapped), 0.0, 254.0) == tuple(np.argwhere(ROWS > 254)[0])


def test_rows_of_a_large_file_are_read_without_its_pages(tmp_path, everything_is_large):
    np.save(path := tmp_path / "zeros.npy", np.zeros((1024, 4096), np.uint8))
    lazy = select(np.asarray(np.load(path, mmap_mode="r"))[5:])
    assert not lazy[np.array([7, 700, 900])].any()
    with open("/proc/self/smaps") as file:
        lines = file.read().splitlines()
    begin = next(i for i, line in enumerate(lines) if line.endswith(str(path)))
    assert next(line.split()[1:] for line in lines[begin:] if line.startswith("Rss:")) == ["0", "kB"]


def test_a_file_that_becomes_shorter_is_told(mapped):
    lazy = select(mapped)
    with open(mapped.filename, "r+b") as file:
        file.truncate(128 + 16 * 10)
    np.testing.assert_array_equal(lazy[9], ROWS[9])
    with pytest.raises(OSError, match="shorter"):
        lazy[10]


@pytest.mark.parametrize("change", ["removed", "transposed", "private"])
def test_what_cannot_be_read_from_its_file_is_read_from_the_mapping(change, tmp_path, everything_is_large):
    np.save(tmp_path / "rows.npy", ROWS)
    x = np.load(tmp_path / "rows.npy", mmap_mode="c" if change == "private" else "r")
    expected = ROWS.copy()
    if change == "removed":
        (tmp_path / "rows.npy").unlink()
    if change == "transposed":
        x, expected = x.swapaxes(1, 2), ROWS.swapaxes(1, 2)
    if change == "private":
        x[3] = expected[3] = 7
    np.testing.assert_array_equal(select(x)[2:5], expected[2:5])


@pytest.mark.parametrize(
    "values", [ROWS, ROWS > 99, ROWS / 255, (ROWS / 255).astype(np.float32)], ids=lambda x: str(x.dtype)
)
def test_a_large_file_gives_the_same_data_set_as_a_small_one(values, tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", values)
    small = load(DataConfig(path=tmp_path / "x.npy"))
    monkeypatch.setattr(examples, "LARGE", 0)
    large = load(DataConfig(path=tmp_path / "x.npy"))
    assert isinstance(large.train.first(7).x, LazyArray)
    assert type(large.test.x) is np.ndarray
    assert large.train.x.dtype == small.train.x.dtype
    np.testing.assert_array_equal(np.asarray(large.train.x), small.train.x)
    np.testing.assert_array_equal(large.test.x, small.test.x)
    np.testing.assert_array_equal(np.asarray(large.train.first(7).x), small.train.x[:7])


def test_a_source_becomes_a_data_set():
    labels = np.arange(50) % 3
    dataset = from_arrays(of_a_source(), labels, of_a_source(), labels)
    assert isinstance(dataset.train.x, LazyArray)
    assert type(dataset.test.x) is np.ndarray
    np.testing.assert_array_equal(dataset.train.x[40:], ROWS[40:])


def test_what_is_wrong_in_a_large_file_is_named(tmp_path, everything_is_large):
    x = np.zeros((10, 3))
    x[6, 1] = np.nan
    np.save(tmp_path / "x.npy", x)
    assert_refused("x: .* got nan in row 6, column 1$", load, DataConfig(path=tmp_path / "x.npy"))
    source = from_source(list(ROWS.astype(int)[..., None] + 1))
    assert_refused(r"x: expected whole numbers from 0 to 255, got .* in row \d+, pixel", from_arrays, source)


@pytest.mark.parametrize("usable", [True, False])
def test_what_is_too_large_for_memory_is_drawn_into_a_file(usable, cache_folder, monkeypatch):
    if not usable:
        cache_folder.write_text("a file")
    expected = bernoulli_draw(ROWS, np.random.default_rng(0))
    monkeypatch.setattr(examples, "LARGEST_IN_MEMORY", 0)
    drawn = bernoulli_draw(of_a_source(), np.random.default_rng(0))
    assert isinstance(drawn, np.memmap)
    np.testing.assert_array_equal(drawn, expected)
    assert not usable or list(cache_folder.iterdir()) == []


def test_a_full_disk_is_told(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    monkeypatch.setattr(examples, "LARGEST_IN_MEMORY", 0)
    message = error_of(examples.scratch, (2_000_000_000,), np.uint8)
    assert message == "no room on the disk for 2.0 GB (No space left on device)"


@pytest.mark.parametrize("grey", [np.uint8, np.float32])
def test_every_value_is_the_probability_of_a_one(grey):
    levels = np.array([0, 1, 51, 128, 254, 255], np.uint8)
    x = np.tile(levels if grey is np.uint8 else levels / np.float32(255), (20_000, 1))
    drawn = bernoulli_draw(x, np.random.default_rng(0))
    assert (drawn.dtype, set(np.unique(drawn))) == (np.uint8, {0, 255})
    p = levels / 255
    assert (np.abs((drawn == 255).mean(axis=0) - p) <= 5 * (p * (1 - p) / 20_000) ** 0.5).all()
    for n in (1, 4096, 5001):  # the first examples do not depend on how many follow
        np.testing.assert_array_equal(bernoulli_draw(x[:n], np.random.default_rng(0)), drawn[:n])


def test_what_is_read_ahead_comes_in_order_and_an_error_where_it_is_due():
    with read_ahead(lambda number: 6 // (2 - number), 4) as blocks:
        assert [next(blocks), next(blocks)] == [3, 6]
        with pytest.raises(ZeroDivisionError):
            next(blocks)
