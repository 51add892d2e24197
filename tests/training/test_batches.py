"""Batches: every example once an epoch, whatever the sizes, as a pure function of key and iteration."""

from functools import partial

import jax
import numpy as np
import pytest

from vsc_jax.config import TrainConfig
from vsc_jax.errors import UserError
from vsc_jax.training.batches import check_sizes, epochs_spanned, position, stream

SIZES = [(10, 3), (7, 7), (5, 4), (9, 1)]

order_of = partial(jax.jit, static_argnums=(2, 3))(stream)


def batches(seed, first, count, batch_size, examples):
    """Batches ``first`` to ``first + count - 1``, as one compiled stretch takes them."""
    epochs = epochs_spanned(4, batch_size, examples)
    epoch, offset = position(first, batch_size, examples)
    order = np.asarray(order_of(jax.random.key(seed), np.int32(epoch), epochs, examples))
    taken = order[offset : offset + count * batch_size]
    assert len(taken) == count * batch_size
    return taken.reshape(count, batch_size)


@pytest.mark.parametrize(("examples", "batch_size"), SIZES)
def test_every_example_is_seen_exactly_once_an_epoch(examples, batch_size):
    seen = np.concatenate([batches(0, step, 4, batch_size, examples) for step in range(0, 40, 4)]).ravel()
    epochs = seen[: len(seen) // examples * examples].reshape(-1, examples)
    assert len(epochs) >= 2
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(examples), (len(epochs), 1)))
    assert len(np.unique(epochs, axis=0)) > 1


@pytest.mark.parametrize(("examples", "batch_size"), SIZES)
def test_batches_depend_on_key_and_iteration_and_not_on_the_stretch(examples, batch_size):
    together = np.concatenate([batches(0, step, 4, batch_size, examples) for step in (0, 4)])
    one_by_one = np.concatenate([batches(0, step, 1, batch_size, examples) for step in range(8)])
    np.testing.assert_array_equal(one_by_one, together)
    assert np.any(batches(1, 0, 4, batch_size, examples) != together[:4])


def test_a_stretch_never_touches_more_epochs_than_it_is_given():
    for examples in range(1, 9):
        for batch_size in range(1, examples + 1):
            for count in range(1, 7):
                room = epochs_spanned(count, batch_size, examples) * examples
                last = max(position(step, batch_size, examples)[1] for step in range(examples))
                assert last + count * batch_size <= room


def test_positions_of_late_iterations_are_exact():
    assert position(2**31 - 2, 4096, 60_000) == divmod((2**31 - 2) * 4096, 60_000)
    epoch, offset = position(2**31 - 2, 60_000, 60_000)
    assert (epoch, offset) == (2**31 - 2, 0)


def test_sizes_that_cannot_be_are_refused():
    check_sizes(TrainConfig(batch_size=50, log_every=100), 50)
    with pytest.raises(UserError, match=r"^train.batch_size: 51 is more than the 50 training examples$"):
        check_sizes(TrainConfig(batch_size=51), 50)
    # Not more often than the run is long.
    check_sizes(TrainConfig(steps=10, batch_size=500, log_every=2**31 - 1), 60_000)
    with pytest.raises(UserError, match=r"^train.log_every: 5000000 iterations of 500 examples are too many"):
        check_sizes(TrainConfig(steps=10_000_000, batch_size=500, log_every=5_000_000), 60_000)
