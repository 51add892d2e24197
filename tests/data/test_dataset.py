import dataclasses

import numpy as np
import pytest

from tests.refused import error_of
from vsc_jax.data import Dataset, Split, check_range
from vsc_jax.data.examples import LazyArray, from_source
from vsc_jax.models.scaling import Scaling


def vectors(test_value, **options):
    x = np.full((5, 3), 0.5, np.float32)
    test = x.copy()
    test[4, 1] = test_value
    return Dataset("gene.npy", Split(x), Split(test), **options)


def test_the_likelihood_says_what_values_may_be():
    assert error_of(check_range, vectors(-2.5), "bernoulli") == (
        "gene.npy: expected values in [0, 1] for the bernoulli likelihood (model.likelihood gaussian takes"
        " any value, data.scaling unit scales), got -2.5 in row 4, column 1 of the test split"
    )
    check_range(vectors(-2.5), "gaussian")
    check_range(vectors(1.0), "bernoulli")
    images = Split(np.full((2, 4, 4), 255, np.uint8))
    check_range(Dataset("faces", images, images), "bernoulli")
    check_range(vectors(-2.5, scaling=Scaling("unit", (-3.0,), (4.0,))), "bernoulli")
    standardized = vectors(0.5, scaling=Scaling("standardize", (0.5,), (1.0,)))
    check_range(standardized, "gaussian")
    assert error_of(check_range, standardized, "bernoulli").startswith("gene.npy: standardized values do not")


def test_counts_are_whole_and_not_negative():
    counts = vectors(7.0)
    counts.train.x[:], counts.test.x[:] = 3, 4
    check_range(counts, "poisson")
    hint = (
        "expected counts 0, 1, 2, ... for the poisson likelihood (model.likelihood gaussian takes any value)"
    )
    for value in (-1.0, 2.5):
        counts.test.x[4, 1] = value
        refused = f"gene.npy: {hint}, got {value} in row 4, column 1 of the test split"
        assert error_of(check_range, counts, "poisson") == refused
    images = Split(np.full((2, 4, 4), 255, np.uint8))
    assert error_of(check_range, Dataset("faces", images, images), "poisson").endswith("from 0 to 255")
    standardized = vectors(0.5, scaling=Scaling("standardize", (0.5,), (1.0,)))
    expected = "expected model.likelihood gaussian, or data.scaling none"
    assert error_of(check_range, standardized, "negative_binomial").endswith(expected)
    check_range(standardized, "student_t")


def test_one_hot_columns_have_the_groups_of_the_training_split():
    rows = np.eye(3, dtype=np.float32)
    check_range(Dataset("colors.csv", Split(rows), Split(rows[:1])), "categorical")
    test = rows[:, [0, 0, 1]]
    assert error_of(check_range, Dataset("colors.csv", Split(rows), Split(test)), "categorical") == (
        "colors.csv: expected one 1 in columns 0 to 2, as in the training split, in every row, got none or"
        " more in row 0 of the test split"
    )
    refused = error_of(check_range, Dataset("colors.csv", Split(rows * 2), Split(rows)), "categorical")
    assert refused.startswith(
        "colors.csv: expected one-hot columns of 0 and 1 for the categorical likelihood"
    )


@pytest.mark.parametrize(("shape", "channels", "form"), [
    ((28, 28), "", "image"), ((32, 32, 3), "", "image"), ((561,), "", "vector"), ((128, 9), "", "image"),
    ((128, 9), "abcdefghi", "signal"), ((128, 3), "", "vector"),
])  # fmt: skip
def test_an_example_is_a_signal_where_channels_are_named_and_an_image_where_there_is_room(
    shape, channels, form
):
    split = Split(np.zeros((2, *shape), np.float32))
    dataset = Dataset("x", split, split, channel_names=tuple(channels))
    assert (dataset.form, dataset.example_shape) == (form, shape)


def test_first_and_take_keep_every_field_in_step():
    split = Split(np.arange(6).reshape(3, 2), np.arange(3), None, np.ones((3, 4)), np.arange(7, 10))
    for part, rows in ((split.first(2), [0, 1]), (split.take(np.array([False, True, True])), [1, 2])):
        assert len(part) == 2
        for field in dataclasses.fields(Split):
            whole = getattr(split, field.name)
            np.testing.assert_array_equal(
                getattr(part, field.name), None if whole is None else whole[rows], field.name
            )


def test_a_sample_is_random_keeps_the_order_and_is_that_of_its_seed():
    split = Split(np.arange(1000).reshape(1000, 1), np.arange(1000))
    sample = split.sample(50, seed=0)
    assert (np.diff(sample.labels) > 0).all()
    np.testing.assert_array_equal(sample.x[:, 0], sample.labels)
    assert sample.labels.mean() == pytest.approx(499.5, abs=120)
    np.testing.assert_array_equal(sample.labels, split.sample(50, seed=0).labels)
    assert (sample.labels != split.sample(50, seed=1).labels).any()
    assert len(split.sample(1001, seed=0)) == 1000
    lazy = Split(from_source(range(1000), lambda row: np.array([row]))).sample(50, seed=0)
    assert isinstance(lazy.x, LazyArray)
    np.testing.assert_array_equal(lazy.x[:][:, 0], sample.labels)
