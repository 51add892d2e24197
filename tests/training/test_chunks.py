"""Where the batches come from changes no number, and a stream may be cut and taken up anywhere."""

import contextlib
import threading

import jax
import numpy as np
import pytest
from flax import nnx

from vsc_jax.training import batches as module
from vsc_jax.training import train
from vsc_jax.training.batches import batches, chunks, placement

DYNAMIC = {"binarize": "dynamic"}


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


def at(tiny, placement, **sections):
    return tiny(**{**sections, "data": {"placement": placement, **sections.get("data", {})}})


@pytest.fixture(params=[1, 3 * 16 * 16, 2**25], ids=["one by one", "in threes", "whole"])
def block_bytes(request, monkeypatch):
    """Chunks streamed in blocks of one iteration, of three, and at once."""
    monkeypatch.setattr(module, "BLOCK_BYTES", request.param)


@pytest.mark.parametrize("step", [0, 10, 20])
def test_a_stream_is_the_batches_of_the_set_on_the_device(step, tiny, dataset, block_bytes):
    streamed, lengths = drawn(at(tiny, "stream"), dataset.train.x, step)
    gathered, expected = drawn(at(tiny, "device"), dataset.train.x, step)
    assert lengths == expected == [5, 5, 5, 5, 3][step // 5 :]
    np.testing.assert_array_equal(streamed, gathered)
    order = batches(0, step, 23 - step, batch_size=16, examples=50)
    np.testing.assert_array_equal(streamed, dataset.train.x[order])


@pytest.mark.parametrize(("kind", "data"), [("vae", DYNAMIC), ("ae", {})])
def test_both_placements_are_the_same_run(kind, data, tiny, dataset):
    streamed, resident = (
        train(at(lambda **sections: tiny(kind, **sections), where, data=data), dataset)
        for where in ("stream", "device")
    )
    assert streamed.history == resident.history
    jax.tree.map(np.testing.assert_array_equal, nnx.state(streamed.model), nnx.state(resident.model))


def test_chunks_streamed_in_blocks_train_the_same_model(tiny, dataset, monkeypatch):
    # The metrics are averaged in another order; all else is bit for bit the same.
    resident = train(at(tiny, "device"), dataset)
    monkeypatch.setattr(module, "BLOCK_BYTES", 2 * 16 * 16)
    streamed = train(at(tiny, "stream"), dataset)
    jax.tree.map(np.testing.assert_array_equal, nnx.state(streamed.model), nnx.state(resident.model))
    for one, other in zip(streamed.history, resident.history, strict=True):
        assert one.pop("schedule") == other.pop("schedule")
        assert one == pytest.approx(other, rel=1e-6)


def test_a_streamed_run_goes_on_in_mid_epoch_and_on_another_placement(tiny, dataset, tmp_path):
    # 50 examples in batches of 16: iteration 10 is in the middle of the fourth epoch.
    whole = train(at(tiny, "stream"), dataset)

    def on_row(row):
        if row["step"] == 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(at(tiny, "stream"), dataset, tmp_path, on_row)
    for where in ("stream", "device"):
        resumed = train(at(tiny, where), dataset, tmp_path)
        assert resumed.history == whole.history
        jax.tree.map(np.testing.assert_array_equal, nnx.state(resumed.model), nnx.state(whole.model))


def test_nothing_reads_on_when_a_stream_is_left(tiny, dataset):
    before = threading.active_count()
    with contextlib.closing(chunks(at(tiny, "stream"), dataset.train.x, 0)) as rest:
        next(next(rest))
    for thread in threading.enumerate():
        if thread.name.startswith("grain-prefetch"):
            thread.join(timeout=10)
    assert threading.active_count() <= before


def test_what_cannot_be_read_stops_the_run_where_it_is_due(tiny, dataset):
    class Torn(np.ndarray):
        def __getitem__(self, index):
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        drawn(at(tiny, "stream"), dataset.train.x.view(Torn))


def test_auto_streams_what_takes_more_than_a_quarter_of_the_memory(tiny, dataset, monkeypatch):
    x = dataset.train.x
    for memory, expected in ((4 * x.nbytes, "device"), (4 * x.nbytes - 1, "stream")):
        monkeypatch.setattr(module, "device_memory", lambda memory=memory: memory)
        assert placement(tiny(), x) == expected
    assert placement(at(tiny, "device"), x) == "device"


def test_sets_of_nearly_one_size_take_one_program_and_large_ones_are_left_alone(monkeypatch):
    rows = np.arange(13, dtype=np.float32).reshape(13, 1)
    rounded = module.padded(rows)
    assert rounded.shape == (16, 1)
    np.testing.assert_array_equal(rounded[:13], rows)
    monkeypatch.setattr(module, "PADDED_BYTES", 63)
    assert module.padded(rows) is rows
