"""The binary images that published likelihoods are about: order, split and bits, drawn as their code does."""

import numpy as np
import pytest

from tests.refused import assert_refused
from vsc_jax.config import DataConfig
from vsc_jax.data import load
from vsc_jax.evaluation import as_measured


def published(size):
    """The images of the tiny set in the order in which its builder gives them."""
    return np.random.default_rng(size).integers(0, 256, (size, 28, 28), np.uint8)


def test_bits_are_those_of_numpys_legacy_generator_validation_images_first(tiny_mnist):
    dataset = load(DataConfig(name="mnist", directory=tiny_mnist.root, binarize="literature"))
    train, test = published(40), published(20)
    np.testing.assert_array_equal(dataset.train.x, train[:34])
    np.testing.assert_array_equal(dataset.train.labels, np.arange(34) % 10)
    np.testing.assert_array_equal(dataset.test.labels, np.arange(20) % 10)
    legacy = np.random.RandomState(777)
    legacy.binomial(1, train[34:].astype("float32") / 255)
    expected = legacy.binomial(1, test.astype("float32") / 255)
    assert dataset.test.x.dtype == np.uint8
    np.testing.assert_array_equal(dataset.test.x, 255 * expected)
    # An evaluation of any seed is about these bits.
    np.testing.assert_array_equal(as_measured(dataset, "literature", 3).test.x, dataset.test.x)
    assert dataset.description.endswith(
        "34 training and 20 test images of 28 x 28, binarized anew at every draw for training,"
        " once for the test (the literature's bits)."
    )


def test_subsets_are_the_first_and_keep_their_bits(tiny_mnist):
    section = {"name": "mnist", "directory": tiny_mnist.root, "binarize": "literature"}
    whole, part = load(DataConfig(**section)), load(DataConfig(**section, train_examples=5, test_examples=7))
    np.testing.assert_array_equal(part.train.x, whole.train.x[:5])
    np.testing.assert_array_equal(part.test.x, whole.test.x[:7])


@pytest.mark.parametrize(("options", "data", "who"), [
    ({"name": "smiley", "train_examples": 3, "test_examples": 3}, None, "smiley"),
    ({"name": "mnist"}, np.ones((9, 4, 4), np.uint8), "arrays"),
])  # fmt: skip
def test_other_data_are_refused(options, data, who):
    message = f"^data.binarize: literature is for mnist and fashion_mnist, not for {who}$"
    assert_refused(message, load, DataConfig(**options, binarize="literature"), data)
