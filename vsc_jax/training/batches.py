"""Which examples make up each batch, and where they are read from.

The order is a pure function of the seed and the iteration: an endless stream of epochs, each a permutation
of its own, cut into batches. A batch may straddle two epochs, so every example is seen once an epoch whatever
the sizes, and a run that is resumed asks for its next iteration; no state of a reader is saved. The batches
come from a set on the device or in blocks from the host. Both give the same examples in the same order.
"""

import math
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from functools import lru_cache
from itertools import islice
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Array, Int, Int32, Shaped

from vsc_jax.config import Config, TrainConfig
from vsc_jax.config.errors import UserError
from vsc_jax.data.examples import Examples, read_ahead
from vsc_jax.data.streams import Stream, generator
from vsc_jax.training.memory import device_memory, memory_errors
from vsc_jax.training.sharding import ONE_DEVICE, Sharding

DEVICE_SHARE = 0.25
"""``data.placement auto`` streams a training set that takes more than this share of the device's memory."""
BLOCK_BYTES = 2**25
"""A chunk whose batches take more than this is streamed in several blocks."""
PADDED_BYTES = 2**26
"""Up to this size a set on the device is padded to a power of two, see :func:`padded`."""
_LONGEST = 2**27  # entries of a chunk's order that take 512 MiB


class DeviceData(NamedTuple):
    """Batches as rows of a set on the device: examples as they are stored, and the indices of each batch."""

    data: Shaped[Array, "examples ..."]
    order: Int[Array, "longest batch"]

    def batch(self, i: Int[Array, ""]) -> Shaped[Array, "batch ..."]:
        """The examples of the i-th batch."""
        return self.data[self.order[i]]


class HostBatches(NamedTuple):
    """Batches that were put together on the host: the examples of each."""

    data: Shaped[Array, "longest batch ..."]

    def batch(self, i: Int[Array, ""]) -> Shaped[Array, "batch ..."]:
        """The examples of the i-th batch."""
        return self.data[i]


Batches = DeviceData | HostBatches
"""The batches of successive iterations; those beyond the iterations that are run are not used."""
Chunk = Iterator[tuple[Batches, int]]
"""The iterations between two log points: batches, and how many of them to run, in blocks of bounded size."""


def check_sizes(config: TrainConfig, examples: int) -> None:
    """Refuse a batch that is larger than the training set, and more batches in a chunk than can be listed."""
    batch_size, iterations = config.batch_size, config.log_every
    if config.steps != "auto":
        iterations = min(iterations, config.steps)
    if batch_size > examples:
        raise UserError(
            f"train.batch_size: {batch_size} is more than the {examples} training examples;"
            f" {-(-examples // 4)} would do"
        )
    if iterations * batch_size > _LONGEST:
        raise UserError(
            f"train.log_every: {config.log_every} iterations of {batch_size} examples are too many between"
            f" two log points; log every {_LONGEST // batch_size} at the latest"
        )


def batches(
    seed: int, step: int, iterations: int, *, batch_size: int, examples: int
) -> Int32[np.ndarray, "iterations batch"]:
    """Indices of the examples in the batches of ``iterations`` iterations from ``step`` on."""
    begin, end = step * batch_size, (step + iterations) * batch_size
    order = [
        _epoch(seed, epoch, examples)[max(0, begin - epoch * examples) : end - epoch * examples]
        for epoch in range(begin // examples, -(-end // examples))
    ]
    return np.concatenate(order).reshape(iterations, batch_size)


# On the host: permutations in the compiled loop would take half a second to compile.
@lru_cache(maxsize=2)
def _epoch(seed: int, epoch: int, examples: int) -> Int32[np.ndarray, " examples"]:
    order = generator(seed, Stream.EPOCHS, epoch).permutation(examples).astype(np.int32)
    order.flags.writeable = False
    return order


def placement(config: Config, data: Examples) -> Literal["device", "stream"]:
    """Where the training examples will live: as ``data.placement`` says, or as their size asks for."""
    if config.data.placement != "auto":
        return config.data.placement
    return "stream" if data.nbytes > DEVICE_SHARE * device_memory() else "device"


def chunks(config: Config, data: Examples, step: int, sharding: Sharding = ONE_DEVICE) -> Generator[Chunk]:
    """The rest of a run after ``step`` iterations, from one log point to the next.

    A chunk is used before the next is asked for; closing ends the threads that read ahead.
    """
    steps, log_every, batch_size = config.train.iterations, config.train.log_every, config.train.batch_size
    longest, share = min(log_every, steps), sharding.batch_share(batch_size)
    if streamed := placement(config, data) == "stream":
        batch_bytes = batch_size * math.prod(data.shape[1:]) * data.dtype.itemsize
        longest = max(1, min(longest, BLOCK_BYTES // batch_bytes))
    else:
        with memory_errors("data.placement: the training examples do not fit on the device; try stream"):
            on_device = sharding.replicate(padded(np.asarray(data)))
    blocks = -(-log_every // longest)  # of every chunk but the last, which may have fewer
    whole, rest = divmod(steps - step, log_every)
    numbers = range(whole * blocks + -(-rest // longest))

    def read(number: int) -> tuple[Batches, int]:
        chunk, place = divmod(number, blocks)
        start = step + chunk * log_every + place * longest
        iterations = min(longest, log_every - place * longest, steps - start)
        order = batches(config.seed, start, iterations, batch_size=batch_size, examples=len(data))[:, share]
        if not streamed:
            return DeviceData(on_device, sharding.shard_batches(_filled(order, longest))), iterations
        # The transfer to the device starts here too, in the reader's thread.
        return HostBatches(sharding.shard_batches(_filled(data[order], longest))), iterations

    with read_ahead(read, len(numbers)) if streamed else nullcontext(map(read, numbers)) as ahead:
        for begin in range(step, steps, log_every):
            yield islice(ahead, -(-min(log_every, steps - begin) // longest))


def padded(data: np.ndarray) -> np.ndarray:
    """The examples, and more that no batch takes, so that the folds of a cross-validation share a program."""
    size = 1 << (len(data) - 1).bit_length()
    return _filled(data, size) if size * data[:1].nbytes <= PADDED_BYTES else data


def _filled(rows: np.ndarray, length: int) -> np.ndarray:
    """``rows`` with zeros behind them, so that there are ``length``."""
    if len(rows) == length:
        return rows
    return np.concatenate([rows, np.zeros((length - len(rows), *rows.shape[1:]), rows.dtype)])
