"""Batches of one size over a whole split."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vsc_jax.evaluation.batches import batches, map_batches, means


def test_the_last_batch_is_filled_up_and_says_how_many_count():
    x = np.arange(5)
    parts = list(batches(x, 2))
    np.testing.assert_array_equal([batch for batch, _ in parts], [[0, 1], [2, 3], [4, 4]])
    assert [valid for _, valid in parts] == [2, 2, 1]


@pytest.mark.parametrize("batch_size", [1, 5, 12, 100])
def test_every_example_is_measured_once_and_in_order(tiny, examples, batch_size):
    def total(model, x, key):
        return {"sum": jnp.sum(x, axis=-1)}

    measured = map_batches(total, tiny("ae"), examples, jax.random.key(0), batch_size=batch_size)
    np.testing.assert_allclose(measured["sum"], examples.sum(axis=1))


def test_batches_have_keys_of_their_own(tiny, examples):
    def draw(model, x, key):
        return jax.random.normal(key, x.shape[:1])

    drawn = map_batches(draw, tiny("ae"), examples, jax.random.key(0), batch_size=4)
    assert len(np.unique(drawn)) == len(examples)


def test_uint8_is_measured_as_fractions_of_255(tiny):
    def value(model, x, key):
        return x[:, 0]

    x = np.array([[0, 1], [51, 1], [255, 1]], np.uint8)
    measured = map_batches(value, tiny("ae"), x, jax.random.key(0))
    np.testing.assert_allclose(measured, [0, 0.2, 1], rtol=1e-6)


def test_progress_counts_examples(tiny, examples):
    done = []

    def nothing(model, x, key):
        return x

    map_batches(nothing, tiny("ae"), examples, jax.random.key(0), batch_size=5, on_batch=done.append)
    assert done == [5, 10, 12]


def test_means_are_summed_in_double_precision():
    values = np.full(2**20, 16777.217, np.float32)
    assert means({"x": values})["x"] == pytest.approx(float(values[0]), rel=1e-12)
