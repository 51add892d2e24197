"""Arrays in memory and in files: what they are read as, and what is refused, in one line."""

import pickle
import zipfile

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vsc_jax.config import DataConfig
from vsc_jax.config.errors import UserError
from vsc_jax.data import from_arrays, load

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 6, 5), np.uint8)
MASKS = (IMAGES > 100).astype(np.uint8)
LABELS = np.arange(20) % 3
VECTORS = (20, 6)


def rows(x):
    return [row.tobytes() for row in x]


def read(path, **options):
    return load(DataConfig(path=path, **options))


def test_npy_and_npz_give_the_same_data_set(tmp_path):
    np.save(tmp_path / "faces.npy", IMAGES)
    np.savez_compressed(tmp_path / "faces.npz", x=np.asfortranarray(IMAGES))
    npy, npz = read(tmp_path / "faces.npy"), read(tmp_path / "faces.npz")
    np.testing.assert_array_equal(npy.train.x, npz.train.x)
    np.testing.assert_array_equal(npy.test.x, npz.test.x)
    assert (npy.name, npz.name, npy.train.labels, npy.label_names) == ("faces.npy", "faces.npz", None, ())


def test_held_out_examples_are_the_asked_share_by_the_seed_and_keep_their_labels():
    dataset = from_arrays(IMAGES, LABELS, test_fraction=0.25, seed=3)
    assert (len(dataset.train), len(dataset.test), dataset.label_names) == (15, 5, ("0", "1", "2"))
    label_of = dict(zip(rows(IMAGES), LABELS.tolist(), strict=True))
    for split in (dataset.train, dataset.test):
        assert split.labels.dtype == np.int32
        assert [label_of[row] for row in rows(split.x)] == split.labels.tolist()
    assert sorted(rows(dataset.train.x) + rows(dataset.test.x)) == sorted(rows(IMAGES))
    same, other = (from_arrays(IMAGES, test_fraction=0.25, seed=seed).test.x for seed in (3, 2))
    assert rows(same) == rows(dataset.test.x) != rows(other)
    for fraction in (0.001, 0.999):
        least = from_arrays(IMAGES[:2], test_fraction=fraction)
        assert (len(least.train), len(least.test)) == (1, 1)


@pytest.mark.parametrize("form", ["arrays", "mapping", "npz"])
def test_an_own_test_part_is_used_as_it_is(form, tmp_path):
    parts = {"x": IMAGES[:12], "y": LABELS[:12], "x_test": IMAGES[12:], "y_test": LABELS[12:]}
    np.savez(tmp_path / "x.npz", **parts)
    dataset = {
        "arrays": lambda: from_arrays(**parts),
        "mapping": lambda: load(DataConfig(), parts),
        "npz": lambda: load(DataConfig(), tmp_path / "x.npz"),
    }[form]()
    np.testing.assert_array_equal(dataset.train.x, IMAGES[:12])
    np.testing.assert_array_equal(dataset.test.x, IMAGES[12:])
    assert dataset.test.labels.tolist() == LABELS[12:].tolist()


@pytest.mark.parametrize("y", [None, [0, 1, 0, 2, 1, 0, 2, 1]])
@pytest.mark.parametrize("make", [np.asarray, jnp.asarray, lambda x: x.tolist()])
def test_arrays_lists_tuples_and_mappings_are_taken(make, y):
    x = np.arange(24, dtype=np.float32).reshape(8, 3) / 7
    forms = [make(x)] if y is None else [(make(x), y), {"x": make(x), "y": np.array(y)}]
    for data in forms:
        dataset = load(DataConfig(test_fraction=0.25), data)
        assert (len(dataset.train), len(dataset.test)) == (6, 2)
        assert sorted(rows(dataset.train.x) + rows(dataset.test.x)) == sorted(rows(x))
        assert (dataset.train.labels is not None) == (y is not None)


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


def test_vectors_may_hold_any_finite_number():
    x = np.array([[-1e30, 3.0], [2.5, 1e30]])
    np.testing.assert_array_equal(from_arrays(x, x_test=x).train.x, x.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_images_of_0_and_1_are_black_and_white_in_both_parts(dtype):
    masks = MASKS.astype(dtype)
    dataset = from_arrays(masks[:10], x_test=masks[10:])
    of_bools = from_arrays(masks[:10].astype(bool), x_test=masks[10:])
    np.testing.assert_array_equal(dataset.train.x, MASKS[:10] * 255)
    for test in (dataset.test.x, of_bools.test.x):
        np.testing.assert_array_equal(test, MASKS[10:] * 255)
    assert dataset.notes[0] == "x: 0 and 1 are taken for black and white, as bool images are"


def test_masked_values_are_missing():
    x = np.arange(12.0).reshape(4, 3)
    masked = np.ma.masked_array(x, x == 7)
    for arrays in ({"x": masked}, {"x": list(masked)}, {"x": x, "x_test": masked}):
        with pytest.raises(UserError, match=f"^{list(arrays)[-1]}: missing value in row 2, column 1$"):
            from_arrays(**arrays)
    np.testing.assert_array_equal(from_arrays(np.ma.masked_array(x), x_test=x).train.x, x)


def test_sparse_matrices_become_dense_where_there_is_memory(monkeypatch):
    x = scipy.sparse.random_array((6, 5), density=0.4, rng=0)
    for matrix in (x.tocsr(), scipy.sparse.csc_matrix(x)):
        np.testing.assert_array_equal(from_arrays(matrix, x_test=matrix).train.x, x.toarray().astype("f4"))
    monkeypatch.setattr("vsc_jax.data.files.machine_memory", lambda: 100)
    with pytest.raises(UserError, match="^x: 6 x 5 values would take 0.0 GB, more than the 0.0 GB of memory"):
        from_arrays(x)


def test_bfloat16_is_a_floating_point_number():
    x = np.array([[0.5, 2.0], [1.0, 3.0]])
    np.testing.assert_array_equal(from_arrays(x.astype(ml_dtypes.bfloat16), x_test=x).train.x, x)


@pytest.mark.parametrize(
    ("y", "names", "expected"),
    [
        ([-1, 1, -1, 1], ("-1", "1"), [0, 1, 0, 1]),
        ([1e9, 5.0, 5.0, 5.0], ("5", "1000000000"), [1, 0, 0, 0]),
        ([True, False, True, True], ("False", "True"), [1, 0, 1, 1]),
        (["owl", " cat", "owl ", "cat"], ("cat", "owl"), [1, 0, 1, 0]),
        (np.array(["caf\u00e9", "bar", "bar", "bar"], object), ("bar", "caf\u00e9"), [1, 0, 0, 0]),
        (np.array([b"owl", b"cat", b"owl", b"owl"]), ("cat", "owl"), [1, 0, 1, 1]),
        (np.array([7, 3, 7, 7], np.uint64), ("3", "7"), [1, 0, 1, 1]),
    ],
)
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


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": with_value(np.nan)}, r"^x: expected images in \[0, 1\].* got nan in row 7, pixel \(2, 0\)$"),
        ({"x": with_value(1.5)}, r"^x: expected images in \[0, 1\], or uint8, got 1.5 in row 7, pixel"),
        ({"x": with_value(-0.1, np.float64)}, r"^x: .* got -0.1 in row 7"),
        ({"x": with_value(np.nan, shape=VECTORS)}, r"^x: expected finite .* got nan in row 7, column 2$"),
        ({"x": with_value(-np.inf, np.float16, VECTORS)}, r"^x: .* got -inf in row 7, column 2$"),
        ({"x": with_value(1e300, np.float64, VECTORS)}, r"^x: .* float32 numbers, got 1e\+300 in row 7"),
        ({"x": IMAGES.astype(np.int64) + 1}, r"^x: .* from 0 to 255, got 256 in row \d+, pixel"),
        ({"x": IMAGES.astype(np.int16) - 9}, r"^x: expected whole numbers from 0 to 255, got -\d in row"),
        ({"x": IMAGES.astype(np.complex64)}, r"^x: expected numbers or bools, got complex64$"),
        ({"x": np.full((3, 2), "a")}, r"^x: expected numbers or bools, got <U1$"),
        ({"x": np.full((3, 2), None)}, r"^x: expected numbers or bools, got object$"),
        ({"x": [[1.0], [2.0, 3.0]]}, r"^x: expected an array of numbers"),
        ({"x": np.zeros(5)}, r"^x: expected vectors \[n, d\] or images .* got shape \(5,\)$"),
        ({"x": np.zeros((2, 3, 4, 5, 6))}, r"^x: expected vectors"),
        ({"x": np.float32(1)}, r"^x: expected vectors .* got shape \(\)$"),
        ({"x": np.zeros((0, 4))}, r"^x: expected at least one value, got shape \(0, 4\)$"),
        ({"x": np.zeros((4, 0, 3))}, r"^x: expected at least one value"),
        ({"x": np.zeros((1, 4))}, r"^x: expected at least 2 examples"),
        ({"x": IMAGES > 100, "x_test": np.zeros((2, 6, 5), "U1")}, r"^x_test: expected numbers"),
        ({"x": np.zeros((3, 4, 4), int)}, "^x: expected images, got nothing but 0$"),
        ({"x": MASKS, "x_test": IMAGES}, "^x: expected whole numbers .* as in x_test, got nothing above 1$"),
        ({"x": IMAGES, "x_test": MASKS}, "^x_test: expected whole numbers .* as in x, got nothing above 1$"),
        ({"x": IMAGES, "y": LABELS[:19]}, r"^y: expected 20 labels, one an example, got shape \(19,\)$"),
        ({"x": IMAGES, "y": LABELS[:, None]}, r"^y: expected 20 labels"),
        ({"x": IMAGES, "y": LABELS / 2}, "^y: expected classes as whole .* or text, got 0.5 in row 1$"),
        ({"x": IMAGES, "y": [1.0, np.nan] * 10}, "^y: missing value in row 1$"),
        ({"x": IMAGES, "y": ["cat", " "] * 10}, "^y: missing value in row 1$"),
        ({"x": IMAGES, "y": [None, "cat"] * 10}, "^y: missing value in row 0$"),
        ({"x": IMAGES, "y": [1, "cat"] * 10}, "^y: expected classes of one kind, got numbers and str$"),
        ({"x": IMAGES, "y": [b"caf\xe9"] * 20}, r"^y: expected text in UTF-8, got b'caf\\xe9' in row 0$"),
        ({"x": IMAGES, "y": np.ma.masked_equal(LABELS, 2)}, "^y: missing value in row 2$"),
        ({"x": IMAGES, "y": np.zeros(20, "datetime64[s]")}, r"^y: expected classes .* got datetime64\[s\]$"),
        (
            {"x": IMAGES[:2], "y": [0, 1], "x_test": IMAGES[:2], "y_test": ["a", "b"]},
            "^y_test: expected classes as whole numbers as in y, got text$",
        ),
        ({"x": IMAGES, "y_test": LABELS}, r"^y_test: given without x_test$"),
        ({"x": IMAGES, "y": LABELS, "x_test": IMAGES}, r"^y and y_test: expected both or neither"),
        ({"x": IMAGES, "x_test": IMAGES, "y_test": LABELS}, r"^y and y_test: expected both or neither"),
        ({"x": IMAGES, "y": LABELS, "x_test": IMAGES[:4], "y_test": LABELS[:5]}, "^y_test: expected 4"),
        ({"x": IMAGES, "x_test": IMAGES[:, :4]}, r"^x_test: .* of shape \(6, 5\) as in x, got"),
        ({"x": np.zeros((6, 3, 16, 16), "f4")}, r"\(6, 3, 16, 16\); give them channels last"),
        ({"x": np.zeros((6, 1, 28, 28), "f4")}, r"channels last: x.transpose\(0, 2, 3, 1\)$"),
        ({"x": IMAGES, "test_fraction": 0.0}, "^test_fraction: expected a number between 0 and 1"),
        ({"x": IMAGES, "test_fraction": 1.0}, "^test_fraction: expected a number between 0 and 1"),
        ({"x": IMAGES, "test_fraction": float("nan")}, "^test_fraction: expected a number between 0 and 1"),
        ({"x": IMAGES, "y": LABELS, "label_names": "ab"}, "^y: expected labels from 0 to 1, .* got 2"),
        ({"x": IMAGES, "x_test": IMAGES / 255}, r"^x_test: expected examples of dtype uint8 as in x, got"),
    ],
)
def test_unusable_arrays_are_named(arrays, message):
    with pytest.raises(UserError, match=message) as caught:
        from_arrays(**arrays)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((IMAGES, IMAGES, IMAGES), "^expected a tuple of examples and labels, got 3 entries$"),
        ({"x": IMAGES, "z": IMAGES}, "^unknown array z; expected x, y, x_test, y_test, channels$"),
        ({"y": LABELS}, "^expected an array x, got y$"),
        ("nowhere.npy", "^nowhere.npy: no such file or directory$"),
        ("table.xlsx", "^table.xlsx: expected a file .npy, .npz, .csv, .* or a folder of"),
        ("har.zip", r"or a folder of images \(the UCI HAR archive needs data.name uci_har\)$"),
        (object(), "^x: expected numbers or bools, got object$"),
    ],
)
def test_anything_else_names_what_was_expected(data, message):
    with pytest.raises(UserError, match=message):
        load(DataConfig(), data)


def npz(path, **arrays):
    np.savez(path, **arrays)


def truncated(path, keep):
    np.save(path, IMAGES) if path.suffix == ".npy" else np.savez_compressed(path, x=IMAGES)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])


def member(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", content)


OBJECTS = np.array([{}, None], object)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("x.npy", lambda path: None, "no such file or directory$"),
        ("x.npy", lambda path: path.write_bytes(b""), "not a .npy file that NumPy wrote$"),
        ("x.npz", lambda path: path.write_bytes(b"a,b\n"), "not a .npz file that NumPy wrote$"),
        ("x.npy", lambda path: path.write_bytes(pickle.dumps([1])), "not a .npy file that NumPy wrote$"),
        ("x.npy", lambda path: truncated(path, 0.6), "damaged or incomplete"),
        ("x.npy", lambda path: truncated(path, 0.1), "damaged or incomplete"),
        ("x.npz", lambda path: truncated(path, 0.6), "damaged or incomplete"),
        ("x.npy", lambda path: np.save(path, OBJECTS, allow_pickle=True), "holds Python objects; expected"),
        ("x.npz", lambda path: npz(path, x=OBJECTS), "holds Python objects; expected numbers, or text of"),
        ("x.npz", lambda path: npz(path, images=IMAGES), "unknown array images; expected x, y,"),
        ("x.npz", lambda path: npz(path, x=IMAGES, xtest=IMAGES), "unknown array xtest; expected"),
        ("x.npz", lambda path: npz(path, y=LABELS), "expected an array x, got y$"),
        ("x.npz", npz, "not a .npz file that NumPy wrote$|expected an array x, got none$"),
        ("x.npz", lambda path: member(path, b"text"), "x: expected numbers"),
        ("x.npz", lambda path: npz(path, x=with_value(np.nan)), "x: expected images in .* row 7, pixel"),
        ("x.npz", lambda path: npz(path, x=IMAGES, y=LABELS[:3]), "y: expected 20 labels"),
        ("x.npz", lambda path: npz(path, x=IMAGES / 255, channels=["a"]), r"x: .* \[n, time, 1\]"),
        ("x.npz", lambda path: npz(path, x=IMAGES, channels=list("abcde")), "x: expected signals as floats"),
    ],
)
def test_unusable_files_are_named(name, write, message, tmp_path):
    write(tmp_path / name)
    with pytest.raises(UserError, match=f"^{tmp_path}/{name}: ({message})") as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_an_npz_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((1000, 100), np.float32))
    monkeypatch.setattr("vsc_jax.data.arrays.machine_memory", lambda: 100_000)
    with pytest.raises(UserError, match=f"^{tmp_path}/x.npz: refused, as it would unpack to 0.0 GB"):
        read(tmp_path / "x.npz")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from([".npy", ".npz"]), cut=st.floats(0, 1), flip=st.floats(0, 1), bit=st.integers(0, 7)
)
def test_damaged_files_load_or_are_refused_in_one_line(suffix, cut, flip, bit, tmp_path):
    path = tmp_path / f"x{suffix}"
    np.save(path, IMAGES) if suffix == ".npy" else np.savez_compressed(path, x=IMAGES, y=LABELS)
    content = bytearray(path.read_bytes())
    content[int(flip * (len(content) - 1))] ^= 1 << bit
    path.unlink()
    path.write_bytes(content[: round(cut * len(content))] if cut < 0.5 else content)
    message = f"{path}: "
    try:
        read(path)
    except UserError as error:
        message = str(error)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message


@given(
    x=st.one_of(
        hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=5)),
        hnp.arrays(np.bool_, hnp.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=5)),
        hnp.arrays(
            st.sampled_from([np.float16, np.float32, np.float64]),
            hnp.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=5),
            elements=st.sampled_from([0.0, 0.25, 1.0, -1.0, 2.0, np.nan, np.inf]),
        ),
        hnp.arrays(hnp.integer_dtypes(), hnp.array_shapes(max_side=4)),
    )
)
def test_any_array_is_kept_exactly_or_refused(x):
    whole = x.ndim > 2 and x.dtype.kind in "iu"
    try:
        dataset = from_arrays(x)
    except UserError:
        if x.ndim not in (2, 3, 4) or x.size == 0 or len(x) < 2 or (whole and not x.any()):
            return
        assert x.dtype != bool
        inside = np.isfinite(x).all() if x.ndim == 2 else ((x >= 0) & (x <= (255 if whole else 1))).all()
        assert not inside
        return
    kept = np.concatenate([dataset.train.x, dataset.test.x])
    expected = x * 255 if (x.dtype == bool and x.ndim > 2) or (whole and x.max() == 1) else x
    assert kept.dtype == (np.uint8 if whole or (x.dtype == bool and x.ndim > 2) else np.float32)
    assert sorted(rows(kept)) == sorted(rows(expected.astype(kept.dtype)))


@pytest.mark.parametrize("scaling", ["none", "unit", "standardize"])
def test_a_column_whose_variation_float32_rounds_away_is_refused(scaling):
    x = np.random.default_rng(0).normal(size=(200, 3))
    x[:, 1] = 1.7e9 + 3 * np.arange(200)  # seconds; float32 has steps of 128 there
    with pytest.raises(UserError) as caught:
        from_arrays(x, scaling=scaling)
    assert str(caught.value) == (
        "x: column 1: stored as float32, which rounds its variation away (mean 1.7e+09, deviation 1.7e+02);"
        " subtract an offset, or leave it out"
    )
    x[:, 1] -= 1.7e9
    from_arrays(x, scaling=scaling)
    for column in (5.8e6 + 5 * np.sin(np.arange(200)), 0.1 + 1e-13 * np.arange(200), np.arange(200)):
        assert len(from_arrays(np.stack([column, np.arange(200.0)], axis=1)).train) == 180


def test_images_of_any_range_are_taken_where_they_are_scaled():
    images = np.random.default_rng(0).normal(1000, 50, (10, 6, 6))
    with pytest.raises(UserError, match=r"^x: expected images in \[0, 1\], or uint8, got"):
        load(DataConfig(), images)
    dataset = load(DataConfig(scaling="unit"), images)
    scaled = dataset.scaling.apply(dataset.train.x)
    assert (scaled.min(), scaled.max()) == (0, 1)


def test_named_channels_make_signals(tmp_path):
    x = np.random.default_rng(0).normal(5, 3, (10, 32, 2)).astype(np.float32)
    np.savez(tmp_path / "s.npz", x=x, channels=["left", "right"])
    dataset = read(tmp_path / "s.npz")
    assert (dataset.form, dataset.channel_names) == ("signal", ("left", "right"))
    assert dataset.scaling.kind == "standardize"  # which is what auto does
