import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vsc_jax.config import DataConfig
from vsc_jax.config.errors import UserError
from vsc_jax.data import from_arrays
from vsc_jax.data.arrays import load_file

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 6, 5), np.uint8)
MASKS = (IMAGES > 100).astype(np.uint8)
LABELS = np.arange(20) % 3


def saved(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def rows(x: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in x]


def test_npy_and_npz_give_the_same_data_set(tmp_path: Path) -> None:
    np.save(tmp_path / "faces.npy", IMAGES)
    from_npy = load_file(tmp_path / "faces.npy", DataConfig())
    from_npz = load_file(saved(tmp_path / "faces.npz", x=IMAGES), DataConfig())
    np.testing.assert_array_equal(from_npy.train.x, from_npz.train.x)
    np.testing.assert_array_equal(from_npy.test.x, from_npz.test.x)
    assert (from_npy.name, from_npz.name) == ("faces.npy", "faces.npz")
    assert from_npy.train.labels is None
    assert from_npy.label_names == ()


def test_compressed_and_fortran_ordered_arrays_are_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.asfortranarray(IMAGES))
    expected = from_arrays(IMAGES, name="a.npz")
    np.testing.assert_array_equal(load_file(tmp_path / "a.npz", DataConfig()).train.x, expected.train.x)


def test_held_out_examples_are_the_asked_share_and_keep_their_labels() -> None:
    dataset = from_arrays(IMAGES, LABELS, test_fraction=0.25, seed=3)
    assert (len(dataset.train), len(dataset.test)) == (15, 5)
    label_of = dict(zip(rows(IMAGES), LABELS.tolist(), strict=True))
    for split in (dataset.train, dataset.test):
        assert split.labels is not None
        assert split.labels.dtype == np.int32
        assert [label_of[row] for row in rows(split.x)] == split.labels.tolist()
    assert sorted(rows(dataset.train.x) + rows(dataset.test.x)) == sorted(rows(IMAGES))
    assert dataset.label_names == ("0", "1", "2")


def test_held_out_examples_follow_the_seed() -> None:
    one, same, other = (from_arrays(IMAGES, seed=seed).test.x for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert rows(one) != rows(other)


@pytest.mark.parametrize("fraction", [0.001, 0.999])
def test_both_parts_keep_at_least_one_example(fraction: float) -> None:
    dataset = from_arrays(IMAGES[:2], test_fraction=fraction)
    assert (len(dataset.train), len(dataset.test)) == (1, 1)


def test_own_test_part_is_used_as_it_is() -> None:
    dataset = from_arrays(IMAGES[:12], LABELS[:12], IMAGES[12:], LABELS[12:])
    np.testing.assert_array_equal(dataset.train.x, IMAGES[:12])
    np.testing.assert_array_equal(dataset.test.x, IMAGES[12:])
    assert dataset.test.labels is not None
    assert dataset.test.labels.tolist() == LABELS[12:].tolist()


def test_bool_becomes_black_and_white() -> None:
    x = IMAGES > 100
    dataset = from_arrays(x[:10], x_test=x[10:])
    assert dataset.train.x.dtype == np.uint8
    np.testing.assert_array_equal(dataset.train.x, np.where(x[:10], 255, 0))


def test_vectors_may_hold_any_finite_number() -> None:
    x = np.array([[-1e30, 3.0], [2.5, 1e30]])
    dataset = from_arrays(x, x_test=x)
    assert dataset.train.x.dtype == np.float32
    np.testing.assert_array_equal(dataset.train.x, x.astype(np.float32))
    assert dataset.example_shape == (2,)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int64, bool])
def test_vectors_are_numbers_as_they_are_and_whole_numbers_in_images_are_pixels(dtype: type) -> None:
    x = RNG.integers(0, 127, (20, 6)).astype(dtype)
    dataset = from_arrays(x[:10], x_test=x[10:])
    assert dataset.train.x.dtype == np.float32
    np.testing.assert_array_equal(dataset.train.x, x[:10])
    images = x.reshape(20, 3, 2)
    dataset = from_arrays(images[:10], x_test=images[10:])
    assert dataset.test.x.dtype == np.uint8
    np.testing.assert_array_equal(
        dataset.test.x, images[10:] * np.uint8(255) if dtype is bool else images[10:]
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_images_of_0_and_1_are_black_and_white_in_both_parts(dtype: type) -> None:
    masks = MASKS.astype(dtype)
    dataset = from_arrays(masks[:10], x_test=masks[10:])
    np.testing.assert_array_equal(dataset.train.x, MASKS[:10] * 255)
    np.testing.assert_array_equal(dataset.test.x, MASKS[10:] * 255)
    assert dataset.notes[0] == "x: 0 and 1 are taken for black and white, as bool images are"
    of_bools = from_arrays(masks[:10].astype(bool), x_test=masks[10:])
    np.testing.assert_array_equal(of_bools.test.x, dataset.test.x)


def test_masked_values_are_missing() -> None:
    x = np.arange(12.0).reshape(4, 3)
    mask = x == 7
    masked = np.ma.masked_array(x, mask)
    for data in (masked, list(masked)):
        with pytest.raises(UserError, match="^x: missing value in row 2, column 1$"):
            from_arrays(data)
    with pytest.raises(UserError, match="^x_test: missing value in row 2, column 1$"):
        from_arrays(x, x_test=masked)
    np.testing.assert_array_equal(from_arrays(np.ma.masked_array(x), x_test=x).train.x, x)


def test_sparse_matrices_become_dense_where_there_is_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    x = scipy.sparse.random_array((6, 5), density=0.4, rng=0)
    for matrix in (x.tocsr(), scipy.sparse.csc_matrix(x)):
        np.testing.assert_array_equal(from_arrays(matrix, x_test=matrix).train.x, x.toarray().astype("f4"))
    monkeypatch.setattr("vsc_jax.data.limits.machine_memory", lambda: 100)
    with pytest.raises(UserError, match="^x: 6 x 5 values would take 0.0 GB, more than the 0.0 GB of memory"):
        from_arrays(x)


def test_bfloat16_is_a_floating_point_number() -> None:
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
def test_labels_of_any_kind_are_indices_of_their_sorted_values(y: Any, names: Any, expected: Any) -> None:
    dataset = from_arrays(IMAGES[:4], y, IMAGES[4:6], y[:2])
    assert dataset.label_names == names
    assert dataset.train.labels is not None
    assert dataset.train.labels.tolist() == expected
    assert dataset.test.labels is not None
    assert dataset.test.labels.tolist() == expected[:2]
    assert dataset.notes[-1] == f"y: 2 classes, {', '.join(names)}"
    assert ("y: spaces around the names of classes are taken off" in dataset.notes) == (" cat" in list(y))


def with_value(value: float, dtype: type = np.float32, shape: tuple[int, ...] = (20, 6, 5)) -> np.ndarray:
    x = np.full(shape, 0.5, dtype)
    x[7, 2, ...] = value
    return x


VECTORS = (20, 6)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": with_value(np.nan)}, r"^x: expected images in \[0, 1\].* got nan in row 7, pixel \(2, 0\)$"),
        ({"x": with_value(1.5)}, r"^x: expected images in \[0, 1\], or uint8, got 1.5 in row 7, pixel"),
        ({"x": with_value(-0.1, np.float64)}, r"^x: .* got -0.1 in row 7"),
        ({"x": with_value(np.nan, shape=VECTORS)}, r"^x: expected finite .* got nan in row 7, column 2$"),
        ({"x": with_value(-np.inf, np.float16, VECTORS)}, r"^x: .* got -inf in row 7, column 2$"),
        ({"x": with_value(1e300, np.float64, VECTORS)}, r"^x: .* float32 numbers, got 1e\+300 in row 7"),
        (
            {"x": IMAGES.astype(np.int64) + 1},
            r"^x: expected whole .* from 0 to 255, got 256 in row \d+, pixel",
        ),
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
        ({"x": IMAGES, "y_test": LABELS}, r"^y_test: given without x_test$"),
        ({"x": IMAGES, "y": LABELS, "x_test": IMAGES}, r"^y and y_test: expected both or neither"),
        ({"x": IMAGES, "x_test": IMAGES, "y_test": LABELS}, r"^y and y_test: expected both or neither"),
        (
            {"x": IMAGES, "y": LABELS, "x_test": IMAGES[:4], "y_test": LABELS[:5]},
            r"^y_test: expected 4 labels",
        ),
        (
            {"x": IMAGES, "x_test": IMAGES[:, :4]},
            r"^x_test: expected examples of shape \(6, 5\) as in x, got",
        ),
        ({"x": IMAGES, "x_test": IMAGES / 255}, r"^x_test: expected examples of dtype uint8 as in x, got"),
    ],
)
def test_unusable_arrays_are_named(arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        from_arrays(**arrays)
    assert "\n" not in str(caught.value)


def test_share_outside_its_range_is_named() -> None:
    for fraction in (0.0, 1.0, float("nan")):
        with pytest.raises(UserError, match=r"^test_fraction: expected a number between 0 and 1"):
            from_arrays(IMAGES, test_fraction=fraction)


def write_object_npy(path: Path) -> Path:
    np.save(path, np.array([{}, None], dtype=object), allow_pickle=True)
    return path


def write_truncated(path: Path, keep: float) -> Path:
    np.save(path, IMAGES) if path.suffix == ".npy" else np.savez_compressed(path, x=IMAGES)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    return path


def write_bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def write_member(path: Path, name: str, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: d / "none.npy", "no such file or directory$"),
        (lambda d: d / "x.txt", r"expected a file \.npy, \.npz, "),
        (lambda d: d, r"expected a file \.npy, \.npz, "),
        (lambda d: write_bytes(d / "x.npy", b""), "not a .npy file that NumPy wrote$"),
        (lambda d: write_bytes(d / "x.npz", b"a,b\n"), "not a .npz file that NumPy wrote$"),
        (lambda d: write_bytes(d / "x.npy", pickle.dumps([1])), "not a .npy file that NumPy wrote$"),
        (lambda d: write_truncated(d / "x.npy", 0.6), "damaged or incomplete"),
        (lambda d: write_truncated(d / "x.npy", 0.1), "damaged or incomplete"),
        (lambda d: write_truncated(d / "x.npz", 0.6), "damaged or incomplete"),
        (
            lambda d: write_object_npy(d / "x.npy"),
            "holds Python objects; expected numbers, or text of dtype str$",
        ),
        (
            lambda d: saved(d / "x.npz", x=np.array([{}], dtype=object)),
            "holds Python objects; expected numbers, or text of dtype str$",
        ),
        (
            lambda d: saved(d / "x.npz", images=IMAGES),
            "unknown array images; expected x, y, x_test, y_test, channels$",
        ),
        (lambda d: saved(d / "x.npz", x=IMAGES, xtest=IMAGES), "unknown array xtest; expected"),
        (lambda d: saved(d / "x.npz", y=LABELS), "expected an array x, got y$"),
        (lambda d: saved(d / "x.npz"), "not a .npz file that NumPy wrote$|expected an array x, got none$"),
        (lambda d: write_member(d / "x.npz", "x", b"text"), "x: expected numbers"),
        (lambda d: saved(d / "x.npz", x=with_value(np.nan)), "x: expected images in .* row 7, pixel"),
        (lambda d: saved(d / "x.npz", x=IMAGES, y=LABELS[:3]), "y: expected 20 labels"),
    ],
)
def test_unusable_files_are_named(make: Callable[[Path], Path], message: str, tmp_path: Path) -> None:
    path = make(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        load_file(path, DataConfig())
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from([".npy", ".npz"]), cut=st.floats(0, 1), flip=st.floats(0, 1), bit=st.integers(0, 7)
)
def test_damaged_files_load_or_are_refused_in_one_line(
    suffix: str, cut: float, flip: float, bit: int, tmp_path: Path
) -> None:
    path = tmp_path / f"x{suffix}"
    np.save(path, IMAGES) if suffix == ".npy" else np.savez_compressed(path, x=IMAGES, y=LABELS)
    content = bytearray(path.read_bytes())
    content[int(flip * (len(content) - 1))] ^= 1 << bit
    path.unlink()
    path.write_bytes(content[: round(cut * len(content))] if cut < 0.5 else content)
    try:
        load_file(path, DataConfig())
    except UserError as error:
        message = str(error)
    else:
        return
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
def test_any_array_is_kept_exactly_or_refused(x: np.ndarray) -> None:
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


@pytest.mark.parametrize("shape", [(6, 3, 16, 16), (6, 1, 28, 28)])
def test_channels_first_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError) as caught:
        from_arrays(np.zeros(shape, np.float32))
    assert str(caught.value) == (
        f"x: expected images [n, height, width, channels], got shape {shape}; give them channels"
        " last: x.transpose(0, 2, 3, 1)"
    )


@pytest.mark.parametrize("scaling", ["none", "unit", "standardise"])
def test_a_column_whose_variation_float32_rounds_away_is_refused(scaling) -> None:
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


@pytest.mark.parametrize(
    "column", [5.8e6 + 5 * np.sin(np.arange(200)), 0.1 + 1e-13 * np.arange(200), np.arange(200)]
)
def test_a_column_that_float32_holds_or_that_is_constant_but_for_rounding_is_taken(column) -> None:
    assert len(from_arrays(np.stack([column, np.arange(200.0)], axis=1)).train) == 180
