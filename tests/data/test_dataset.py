import dataclasses

import numpy as np
import pytest

from vsc_jax.config.errors import UserError
from vsc_jax.data import Dataset, Split, check_range
from vsc_jax.data.dataset import first_outside, sample_rows
from vsc_jax.data.examples import LazyArray, from_source
from vsc_jax.models.scaling import Scaling


def vectors(test_value: float) -> Dataset:
    x = np.full((5, 3), 0.5, np.float32)
    test = x.copy()
    test[4, 1] = test_value
    return Dataset("gene.npy", Split(x), Split(test))


def test_bernoulli_likelihood_refuses_values_outside_the_unit_interval() -> None:
    with pytest.raises(UserError) as caught:
        check_range(vectors(-2.5), "bernoulli")
    message = str(caught.value)
    assert message.startswith("gene.npy: expected values in [0, 1] for the bernoulli likelihood")
    assert message.endswith("got -2.5 in row 4, column 1 of the test split")
    assert "model.likelihood gaussian" in message


def test_everything_else_passes() -> None:
    check_range(vectors(-2.5), "gaussian")
    check_range(vectors(1.0), "bernoulli")
    images = Split(np.full((2, 4, 4), 255, np.uint8))
    check_range(Dataset("faces", images, images), "bernoulli")


def test_scaled_values_suit_the_bernoulli_likelihood_only_in_the_unit_interval() -> None:
    scaled = dataclasses.replace(vectors(-2.5), scaling=Scaling("unit", (-3.0,), (4.0,)))
    check_range(scaled, "bernoulli")
    standardised = dataclasses.replace(vectors(0.5), scaling=Scaling("standardise", (0.5,), (1.0,)))
    check_range(standardised, "gaussian")
    with pytest.raises(UserError, match=r"^gene.npy: standardised values do not suit .* data.scaling unit$"):
        check_range(standardised, "bernoulli")


@pytest.mark.parametrize(
    ("shape", "channels", "form"),
    [
        ((28, 28), (), "image"),
        ((32, 32, 3), (), "image"),
        ((561,), (), "vector"),
        ((128, 9), (), "image"),
        ((128, 9), tuple("abcdefghi"), "signal"),
        ((128, 3), (), "vector"),
        ((2, 2), (), "vector"),
    ],
)
def test_an_example_is_a_signal_where_channels_are_named_and_an_image_where_there_is_room(
    shape, channels, form
) -> None:
    split = Split(np.zeros((2, *shape), np.float32))
    assert Dataset("x", split, split, channel_names=channels).form == form


def test_first_outside_finds_the_first_of_a_large_array() -> None:
    x = np.zeros((9_000_000, 1), np.float32)  # more than one chunk
    assert first_outside(x, 0.0, 1.0) is None
    x[8_999_990:] = np.nan
    assert first_outside(x, 0.0, 1.0) == (8_999_990, 0)


def test_first_keeps_every_field_in_step() -> None:
    split = Split(np.arange(6).reshape(3, 2), np.arange(3), None, np.ones((3, 4)), np.arange(7, 10))
    first = split.first(2)
    assert len(first) == 2
    assert first.labels is not None
    assert first.labels.tolist() == [0, 1]
    assert first.factors is None
    assert first.presence is not None
    assert first.presence.shape == (2, 4)
    chosen = split.take(np.array([False, True, True]))
    assert chosen.x.tolist() == [[2, 3], [4, 5]]
    assert chosen.subjects is not None
    assert chosen.subjects.tolist() == [8, 9]


def test_a_sample_is_random_keeps_the_order_and_is_that_of_its_seed() -> None:
    split = Split(np.arange(1000).reshape(1000, 1), np.arange(1000))
    sample = split.sample(50, seed=0)
    assert sample.labels is not None
    assert (np.diff(sample.labels) > 0).all()
    np.testing.assert_array_equal(sample.x[:, 0], sample.labels)
    assert sample.labels.mean() == pytest.approx(499.5, abs=120)
    np.testing.assert_array_equal(sample.labels, split.sample(50, seed=0).labels)
    assert (sample.labels != split.sample(50, seed=1).labels).any()
    assert len(split.sample(1001, seed=0)) == 1000


def test_a_sample_of_examples_that_are_read_stays_to_be_read() -> None:
    sample = Split(from_source(range(1000), lambda row: np.array([row]))).sample(50, seed=0)
    assert isinstance(sample.x, LazyArray)
    np.testing.assert_array_equal(sample.x[:][:, 0], np.arange(1000)[sample_rows(1000, 50, 0)])


def test_example_shape_is_that_of_one_example() -> None:
    assert vectors(0.0).example_shape == (3,)
