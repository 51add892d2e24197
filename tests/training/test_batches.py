"""Batches: every example once an epoch, whatever the sizes, as a pure function of seed and iteration."""

import numpy as np
import pytest

from vsc_jax.config import TrainConfig
from vsc_jax.config.errors import UserError
from vsc_jax.training.batches import batches, check_sizes

SIZES = [(10, 3), (7, 7), (5, 4), (9, 1), (1, 1), (100, 64)]


@pytest.mark.parametrize(("examples", "batch_size"), SIZES)
def test_every_example_is_seen_exactly_once_an_epoch(examples, batch_size):
    sizes = {"batch_size": batch_size, "examples": examples}
    seen = np.concatenate([batches(0, step, 4, **sizes).ravel() for step in range(0, 80, 4)])
    epochs = seen[: len(seen) // examples * examples].reshape(-1, examples)
    assert len(epochs) >= 5
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(examples), (len(epochs), 1)))
    assert examples == 1 or len(np.unique(epochs, axis=0)) > len(epochs) / 2


@pytest.mark.parametrize(("examples", "batch_size"), SIZES)
def test_batches_depend_on_seed_and_iteration_and_not_on_the_chunk(examples, batch_size):
    sizes = {"batch_size": batch_size, "examples": examples}
    together = batches(0, 0, 12, **sizes)
    assert together.shape == (12, batch_size)
    assert together.dtype == np.int32
    np.testing.assert_array_equal(
        np.concatenate([batches(0, step, 1, **sizes) for step in range(12)]), together
    )
    np.testing.assert_array_equal(batches(0, 5, 4, **sizes), together[5:9])
    assert examples == 1 or np.any(batches(1, 0, 12, **sizes) != together)


def test_late_iterations_are_exact_and_quick():
    # Beyond 2 ** 42 examples; only the epochs that are touched are made.
    late = batches(0, 2**31 - 4, 3, batch_size=4096, examples=5000)
    assert late.shape == (3, 4096)
    place = (2**31 - 4) * 4096 % 5000
    within = late.ravel()[: 5000 - place]
    assert len(np.unique(within)) == len(within)
    assert (late.min(), late.max()) == (0, 4999)


def test_sizes_that_cannot_be_are_refused():
    check_sizes(TrainConfig(batch_size=50, log_every=100), 50)
    with pytest.raises(UserError, match=r"^train.batch_size: 51 is more than the 50 training examples$"):
        check_sizes(TrainConfig(batch_size=51), 50)
    # Rows are not made more often than the run is long.
    check_sizes(TrainConfig(steps=10, batch_size=500, log_every=2**31 - 1), 60_000)
    with pytest.raises(UserError, match=r"^train.log_every: 5000000 .* log every 268435 at the latest$"):
        check_sizes(TrainConfig(steps=10_000_000, batch_size=500, log_every=5_000_000), 60_000)
