"""Batches: a pure function of seed and iteration, wherever they come from; a stream is resumed anywhere."""

import contextlib
import threading

import jax
import numpy as np
import pytest
from flax import nnx

from tests.refused import assert_refused
from vsc_jax.config import TrainConfig
from vsc_jax.training import batches as module
from vsc_jax.training import train
from vsc_jax.training.batches import batches, check_sizes, chunks, placement

SIZES = [(10, 3), (7, 7), (5, 4), (9, 1), (1, 1), (100, 64)]


@pytest.mark.parametrize(("examples", "batch_size"), SIZES)
def test_every_example_is_seen_once_an_epoch_and_batches_do_not_depend_on_the_chunk(examples, batch_size):
    sizes = {"batch_size": batch_size, "examples": examples}
    together = batches(0, 0, 80, **sizes)
    assert (together.shape, together.dtype) == ((80, batch_size), np.int32)
    epochs = together.ravel()[: together.size // examples * examples].reshape(-1, examples)
    assert len(epochs) >= 5
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(examples), (len(epochs), 1)))
    for step, iterations in ((0, 1), (5, 4), (79, 1)):
        np.testing.assert_array_equal(
            batches(0, step, iterations, **sizes), together[step : step + iterations]
        )
    if examples > 1:
        assert len(np.unique(epochs, axis=0)) > len(epochs) / 2
        assert np.any(batches(1, 0, 80, **sizes) != together)


def test_late_iterations_are_exact_and_quick():
    # Beyond 2 ** 42 examples; only the epochs that are touched are made.
    late = batches(0, 2**31 - 4, 3, batch_size=4096, examples=5000)
    place = (2**31 - 4) * 4096 % 5000
    within = late.ravel()[: 5000 - place]
    assert len(np.unique(within)) == len(within)
    assert (late.shape, late.min(), late.max()) == ((3, 4096), 0, 4999)


def test_sizes_that_cannot_be_are_refused():
    check_sizes(TrainConfig(batch_size=50, log_every=100), 50)
    message = "^train.batch_size: 51 is more than the 50 training examples; 13 would do$"
    assert_refused(message, check_sizes, TrainConfig(batch_size=51), 50)
    # Rows are not made more often than the run is long.
    check_sizes(TrainConfig(steps=10, batch_size=500, log_every=2**31 - 1), 60_000)
    long = TrainConfig(steps=10_000_000, batch_size=500, log_every=5_000_000)
    assert_refused("^train.log_every: 5000000 .* log every 268435 at the latest$", check_sizes, long, 60_000)


@pytest.fixture
def at(tiny):
    """The tiny autoencoder's configuration with its training data on the device, or streamed."""
    return lambda where, **data: tiny("ae", data={"placement": where, **data})


def drawn(config, data, step=0):
    """Every batch of the rest of a run, and the iterations of its chunks."""
    taken, lengths = [], []
    with contextlib.closing(chunks(config, data, step)) as rest:
        for chunk in rest:
            lengths.append(0)
            for source, length in chunk:
                lengths[-1] += length
                taken += [np.asarray(source.batch(jax.numpy.int32(i))) for i in range(length)]
    return np.stack(taken), lengths


@pytest.mark.parametrize("block_bytes", [1, 3 * 16 * 16, 2**25], ids=["one by one", "in threes", "whole"])
@pytest.mark.parametrize("step", [0, 10, 20])
def test_a_stream_is_the_batches_of_the_set_on_the_device(step, at, dataset, block_bytes, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_BYTES", block_bytes)
    order = batches(0, step, 23 - step, batch_size=16, examples=50)
    for where in ("stream", "device"):
        taken, lengths = drawn(at(where), dataset.train.x, step)
        assert lengths == [5, 5, 5, 5, 3][step // 5 :]
        np.testing.assert_array_equal(taken, dataset.train.x[order])


def assert_same(one, other):
    assert one.history == other.history
    jax.tree.map(np.testing.assert_array_equal, nnx.state(one.model), nnx.state(other.model))


@pytest.mark.parametrize("data", [{}, {"binarize": "dynamic"}])
def test_both_placements_are_the_same_run_and_blocks_change_the_averages_rounding_alone(
    data, at, dataset, monkeypatch
):
    resident = train(at("device", **data), dataset)
    assert_same(train(at("stream", **data), dataset), resident)
    monkeypatch.setattr(module, "BLOCK_BYTES", 2 * 16 * 16)
    streamed = train(at("stream", **data), dataset)
    for one, exact in zip(streamed.history, resident.history, strict=True):
        assert one.pop("schedule") == exact.pop("schedule")
        assert one == pytest.approx(exact, rel=1e-6)
    streamed.history[:] = resident.history
    assert_same(streamed, resident)


def test_a_streamed_run_goes_on_in_mid_epoch_and_on_another_placement(at, dataset, tmp_path):
    # 50 examples in batches of 16: iteration 10 is in the middle of the fourth epoch.
    def on_row(row):
        if row["step"] == 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(at("stream"), dataset, tmp_path, on_row)
    whole = train(at("stream"), dataset)
    for where in ("stream", "device"):
        assert_same(train(at(where), dataset, tmp_path), whole)


def test_nothing_reads_on_when_a_stream_is_left_and_errors_are_raised_where_due(at, dataset):
    before = threading.active_count()
    with contextlib.closing(chunks(at("stream"), dataset.train.x, 0)) as rest:
        next(next(rest))
    for thread in threading.enumerate():
        if thread.name.startswith("grain-prefetch"):
            thread.join(timeout=10)
    assert threading.active_count() <= before

    class Torn(np.ndarray):
        def __getitem__(self, index):
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        drawn(at("stream"), dataset.train.x.view(Torn))


def test_auto_streams_what_takes_more_than_a_quarter_of_the_memory(at, dataset, monkeypatch):
    x = dataset.train.x
    for memory, expected in ((4 * x.nbytes, "device"), (4 * x.nbytes - 1, "stream")):
        monkeypatch.setattr(module, "device_memory", lambda memory=memory: memory)
        assert placement(at("auto"), x) == expected
    assert placement(at("device"), x) == "device"


def test_sets_of_nearly_one_size_take_one_program_and_large_ones_are_left_alone(monkeypatch):
    rows = np.arange(13, dtype=np.float32).reshape(13, 1)
    padded = module.padded(rows)
    assert padded.shape == (16, 1)
    np.testing.assert_array_equal(padded[:13], rows)
    monkeypatch.setattr(module, "PADDED_BYTES", 63)
    assert module.padded(rows) is rows
