"""Arrays in memory and in files: what they are read as, and what is refused, in one line."""

import pickle
import zipfile

import ml_dtypes
import numpy as np
import pytest
import scipy.sparse

from tests.refused import assert_refused
from vsc_jax.config import DataConfig
from vsc_jax.data import from_arrays, load

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 6, 5), np.uint8)
MASKS = (IMAGES > 100).astype(np.uint8)
LABELS = np.arange(20) % 3
VECTORS = (20, 6)


def rows(x):
    return [row.tobytes() for row in x]


def all_rows(dataset):
    return sorted(rows(dataset.train.x) + rows(dataset.test.x))


def read(path, **options):
    return load(DataConfig(path=path, **options))


def test_held_out_examples_are_the_asked_share_by_the_seed_and_keep_their_labels():
    dataset = from_arrays(IMAGES, LABELS, test_fraction=0.25, seed=3)
    assert (len(dataset.train), len(dataset.test), dataset.label_names) == (15, 5, ("0", "1", "2"))
    label_of = dict(zip(rows(IMAGES), LABELS.tolist(), strict=True))
    for split in (dataset.train, dataset.test):
        assert split.labels.dtype == np.int32
        assert [label_of[row] for row in rows(split.x)] == split.labels.tolist()
    assert all_rows(dataset) == sorted(rows(IMAGES))
    same, other = (from_arrays(IMAGES, test_fraction=0.25, seed=seed).test.x for seed in (3, 2))
    assert rows(same) == rows(dataset.test.x) != rows(other)
    for fraction in (0.001, 0.999):
        least = from_arrays(IMAGES[:2], test_fraction=fraction)
        assert (len(least.train), len(least.test)) == (1, 1)


@pytest.mark.parametrize("form", ["arrays", "mapping", "npz"])
def test_an_own_test_part_is_used_as_it_is(form, tmp_path):
    parts = {"x": IMAGES[:12], "y": LABELS[:12], "x_test": IMAGES[12:], "y_test": LABELS[12:]}
    np.savez(tmp_path / "x.npz", **parts)
    given = parts if form == "mapping" else tmp_path / "x.npz"
    dataset = from_arrays(**parts) if form == "arrays" else load(DataConfig(), given)
    np.testing.assert_array_equal(dataset.train.x, IMAGES[:12])
    np.testing.assert_array_equal(dataset.test.x, IMAGES[12:])
    assert dataset.test.labels.tolist() == LABELS[12:].tolist()


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int64, bool])
def test_vectors_are_numbers_as_they_are_and_whole_numbers_in_images_are_pixels(dtype):
    x = RNG.integers(0, 127, (20, 6)).astype(dtype)
    vectors = from_arrays(x[:10], x_test=x[10:]).train.x
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, x[:10])
    images = x.reshape(20, 3, 2)
    pixels = from_arrays(images[:10], x_test=images[10:]).test.x
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, images[10:] * np.uint8(255) if dtype is bool else images[10:])


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_images_of_0_and_1_are_black_and_white_in_both_parts(dtype):
    masks = MASKS.astype(dtype)
    dataset = from_arrays(masks[:10], x_test=masks[10:])
    of_bools = from_arrays(masks[:10].astype(bool), x_test=masks[10:])
    np.testing.assert_array_equal(dataset.train.x, MASKS[:10] * 255)
    for test in (dataset.test.x, of_bools.test.x):
        np.testing.assert_array_equal(test, MASKS[10:] * 255)
    assert dataset.notes[0] == "x: 0 and 1 are taken for black and white, as bool images are"


@pytest.mark.parametrize(
    "x",
    [
        np.array([[-1e30, 3.0], [2.5, 1e30]]),
        np.ma.masked_array(np.eye(3)),
        scipy.sparse.random_array((6, 5), density=0.4, rng=0).tocsr(),
        scipy.sparse.csc_matrix(np.eye(4)),
        np.array([[0.5, 2.0], [1.0, 3.0]], ml_dtypes.bfloat16),
        5.8e6 + 5 * np.sin(np.arange(200.0))[:, None],  # whose variation float32 holds
        0.1 + 1e-13 * np.arange(200.0)[:, None],  # rounding, no variation
    ],
)
def test_numbers_of_any_kind_are_taken_as_vectors(x):
    expected = x.toarray() if scipy.sparse.issparse(x) else np.asarray(x)
    np.testing.assert_array_equal(from_arrays(x, x_test=x).train.x, expected.astype(np.float32))


@pytest.mark.parametrize(("y", "names", "expected"), [
    ([-1, 1, -1, 1], ("-1", "1"), [0, 1, 0, 1]),
    ([1e9, 5.0, 5.0, 5.0], ("5", "1000000000"), [1, 0, 0, 0]),
    ([True, False, True, True], ("False", "True"), [1, 0, 1, 1]),
    (["owl", " cat", "owl ", "cat"], ("cat", "owl"), [1, 0, 1, 0]),
    (np.array(["caf\u00e9", "bar", "bar", "bar"], object), ("bar", "caf\u00e9"), [1, 0, 0, 0]),
    (np.array([b"owl", b"cat", b"owl", b"owl"]), ("cat", "owl"), [1, 0, 1, 1]),
    (np.array([7, 3, 7, 7], np.uint64), ("3", "7"), [1, 0, 1, 1]),
])  # fmt: skip
def test_labels_of_any_kind_are_indices_of_their_sorted_values(y, names, expected):
    dataset = from_arrays(IMAGES[:4], y, IMAGES[4:6], y[:2])
    assert dataset.label_names == names
    assert (dataset.train.labels.tolist(), dataset.test.labels.tolist()) == (expected, expected[:2])
    assert dataset.notes[-1] == f"y: 2 classes, {', '.join(names)}"
    assert ("y: spaces around the names of classes are taken off" in dataset.notes) == (" cat" in list(y))


def with_value(value, dtype=np.float32, shape=(20, 6, 5)):
    x = np.full(shape, 0.5, dtype)
    x[7, 2, ...] = value
    return x


MASKED = np.ma.masked_array(np.arange(12.0).reshape(4, 3), np.arange(12).reshape(4, 3) == 7)
SECONDS = np.stack([np.arange(200.0), 1.7e9 + 3 * np.arange(200)], axis=1)  # float32 has steps of 128 there
ROUNDED = r"column 1: stored as float32, .* away \(mean 1.7e\+09, deviation 1.7e\+02\); subtract an offset"


@pytest.mark.parametrize(("x", "message"), [
    (with_value(np.nan), r"expected images in \[0, 1\].* got nan in row 7, pixel \(2, 0\)$"),
    (with_value(-0.1, np.float64), r"expected images in \[0, 1\], or uint8, got -0.1 in row 7, pixel"),
    (with_value(np.nan, shape=VECTORS), r"expected finite .* got nan in row 7, column 2$"),
    (with_value(-np.inf, np.float16, VECTORS), r".* got -inf in row 7, column 2$"),
    (with_value(1e300, np.float64, VECTORS), r".* float32 numbers, got 1e\+300 in row 7"),
    (IMAGES.astype(np.int64) + 1, r".* from 0 to 255, got 256 in row \d+, pixel"),
    (IMAGES.astype(np.int16) - 9, r"expected whole numbers from 0 to 255, got -\d in row"),
    (IMAGES.astype(np.complex64), "expected numbers or bools, got complex64$"),
    (np.full((3, 2), None), "expected numbers or bools, got object$"),
    ([[1.0], [2.0, 3.0]], "expected an array of numbers"),
    (MASKED, "missing value in row 2, column 1$"),
    (list(MASKED), "missing value in row 2, column 1$"),
    (np.zeros(5), r"expected vectors \[n, d\] or images .* got shape \(5,\)$"),
    (np.float32(1), r"expected vectors .* got shape \(\)$"),
    (np.zeros((0, 4)), r"expected at least one value, got shape \(0, 4\)$"),
    (np.zeros((1, 4)), "expected at least 2 examples"),
    (np.zeros((3, 4, 4), int), "expected images, got nothing but 0$"),
    (np.zeros((6, 3, 16, 16), "f4"), r".* \(6, 3, 16, 16\); .* channels last: x.transpose\(0, 2, 3, 1\)$"),
    (scipy.sparse.eye_array(6), "6 x 6 values would take 0.0 GB, more than the 0.0 GB of memory"),
    (SECONDS, ROUNDED),
])  # fmt: skip
def test_unusable_examples_are_named(x, message, monkeypatch):
    monkeypatch.setattr("vsc_jax.data.files.machine_memory", lambda: 100)
    assert_refused(f"^x: {message}", from_arrays, x)


@pytest.mark.parametrize(("y", "message"), [
    (LABELS[:19], r"expected 20 labels, one an example, got shape \(19,\)$"),
    (LABELS[:, None], "expected 20 labels"),
    (LABELS / 2, "expected classes as whole .* or text, got 0.5 in row 1$"),
    (LABELS * 1e30, "expected classes as whole .* of 64 bits, got 1e[+]30 in row 1$"),
    ([1.0, np.nan] * 10, "missing value in row 1$"),
    (["cat", " "] * 10, "missing value in row 1$"),
    ([None, "cat"] * 10, "missing value in row 0$"),
    ([1, "cat"] * 10, "expected classes of one kind, got numbers and str$"),
    ([b"caf\xe9"] * 20, r"expected text in UTF-8, got b'caf\\xe9' in row 0$"),
    (np.ma.masked_equal(LABELS, 2), "missing value in row 2$"),
    (np.zeros(20, "datetime64[s]"), r"expected classes .* got datetime64\[s\]$"),
    (np.arange(20).astype(str), "expected at most 19 classes, got 20$"),
])  # fmt: skip
def test_unusable_labels_are_named(y, message, monkeypatch):
    monkeypatch.setattr("vsc_jax.data.arrays._MOST_CLASSES", 19)
    assert_refused(f"^y: {message}", from_arrays, IMAGES, y)


@pytest.mark.parametrize(("parts", "message"), [
    ({"x": MASKS, "x_test": IMAGES}, "x: expected whole numbers .* as in x_test, got nothing above 1$"),
    ({"x_test": MASKS}, "x_test: expected whole numbers .* as in x, got nothing above 1$"),
    ({"x_test": IMAGES[:, :4]}, r"x_test: .* of shape \(6, 5\) as in x, got"),
    ({"x_test": IMAGES / 255}, "x_test: expected examples of dtype uint8 as in x, got"),
    ({"x_test": np.zeros((2, 6, 5), "U1")}, "x_test: expected numbers"),
    ({"x_test": IMAGES[:4], "y": LABELS, "y_test": LABELS[:5]}, "y_test: expected 4"),
    ({"x_test": IMAGES, "y": LABELS, "y_test": LABELS.astype(str)},
     "y_test: expected classes as whole numbers as in y, got text$"),
    ({"y_test": LABELS}, "y_test: given without x_test$"),
    ({"y": LABELS, "x_test": IMAGES}, "y and y_test: expected both or neither"),
    ({"x_test": IMAGES, "y_test": LABELS}, "y and y_test: expected both or neither"),
    ({"test_fraction": 0.0}, "test_fraction: expected a number between 0 and 1"),
    ({"test_fraction": 1.0}, "test_fraction: expected a number between 0 and 1"),
])  # fmt: skip
def test_parts_that_do_not_fit_are_named(parts, message):
    assert_refused(f"^{message}", from_arrays, **{"x": IMAGES, **parts})


@pytest.mark.parametrize(("data", "message"), [
    ((IMAGES, IMAGES, IMAGES), "^expected a tuple of examples and labels, got 3 entries$"),
    ({"x": IMAGES, "z": IMAGES}, "^unknown array z; expected x, y, x_test, y_test, channels$"),
    ({"y": LABELS}, "^expected an array x, got y$"),
    ("nowhere.npy", "^nowhere.npy: no such file or directory$"),
    ("no\0where.npy", r"^data.path: 'no\\x00where.npy' cannot be a path"),
    ("table.xlsx", "^table.xlsx: expected a file .npy, .npz, .csv, .* or a folder of"),
    ("har.zip", r"or a folder of images \(the UCI HAR archive needs data.name uci_har\)$"),
    (object(), "^x: expected numbers or bools, got object$"),
])  # fmt: skip
def test_anything_else_names_what_was_expected(data, message):
    assert_refused(message, load, DataConfig(), data)


def npz(**arrays):
    return lambda path: np.savez(path, **arrays)


def truncated(keep):
    def write(path):
        np.save(path, IMAGES) if path.suffix == ".npy" else np.savez_compressed(path, x=IMAGES)
        path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])

    return write


def member(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", b"text")


OBJECTS = np.array([{}, None], object)


@pytest.mark.parametrize(("name", "write", "message"), [
    ("x.npy", lambda path: path.write_bytes(b""), "not a .npy file that NumPy wrote$"),
    ("x.npz", lambda path: path.write_bytes(b"a,b\n"), "not a .npz file that NumPy wrote$"),
    ("x.npy", lambda path: path.write_bytes(pickle.dumps([1])), "not a .npy file that NumPy wrote$"),
    ("x.npy", truncated(0.6), "damaged or incomplete"),
    ("x.npz", truncated(0.6), "damaged or incomplete"),
    ("x.npy", lambda path: np.save(path, OBJECTS, allow_pickle=True), "holds Python objects; expected"),
    ("x.npz", npz(x=OBJECTS), "holds Python objects; expected numbers, or text of"),
    ("x.npz", npz(images=IMAGES), "unknown array images; expected x, y,"),
    ("x.npz", npz(), "not a .npz file that NumPy wrote$|expected an array x, got none$"),
    ("x.npz", member, "x: expected numbers"),
    ("x.npz", npz(x=with_value(np.nan)), "x: expected images in .* row 7, pixel"),
    ("x.npz", npz(x=IMAGES, y=LABELS[:3]), "y: expected 20 labels"),
    ("x.npz", npz(x=IMAGES / 255, channels=["a"]), r"x: .* \[n, time, 1\]"),
    ("x.npz", npz(x=IMAGES, channels=list("abcde")), "x: expected signals as floats"),
    ("x.npz", npz(x=np.zeros((1000, 100))), "refused, as it would unpack to 0.0 GB"),
])  # fmt: skip
def test_unusable_files_are_named(name, write, message, tmp_path, monkeypatch):
    monkeypatch.setattr("vsc_jax.data.arrays.machine_memory", lambda: 100_000)
    write(tmp_path / name)
    assert_refused(f"^{tmp_path}/{name}: ({message})", read, tmp_path / name)


def test_images_of_any_range_are_taken_where_they_are_scaled():
    images = np.random.default_rng(0).normal(1000, 50, (10, 6, 6))
    assert_refused(r"^x: expected images in \[0, 1\], or uint8, got", load, DataConfig(), images)
    dataset = load(DataConfig(scaling="unit"), images)
    scaled = dataset.scaling.apply(dataset.train.x)
    assert (scaled.min(), scaled.max()) == (0, 1)


def test_named_channels_make_signals(tmp_path):
    parts = {"x": np.random.default_rng(0).normal(5, 3, (10, 32, 2)), "channels": ["left", "right"]}
    np.savez(tmp_path / "s.npz", **parts)
    for dataset in (read(tmp_path / "s.npz"), load(DataConfig(), parts)):
        assert (dataset.form, dataset.channel_names) == ("signal", ("left", "right"))
        assert dataset.scaling.kind == "standardize"  # which is what auto does
