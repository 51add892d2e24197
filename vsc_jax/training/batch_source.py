"""Where a stretch of iterations takes its batches from: a set on the device, or a stream from the host.

Both give the same batches in the same order (:mod:`vsc_jax.training.batches`), so that the placement of
the data changes no result. The order is a function of the seed and the iteration: a run that is resumed in
the middle of an epoch asks for its next iteration, and no state of a reader has to be saved.
"""

import itertools
import math
from collections.abc import Generator, Iterator
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Int, Shaped

from vsc_jax.config import Config
from vsc_jax.data.examples import Examples
from vsc_jax.data.streaming import filled, read_ahead
from vsc_jax.training.batches import batches
from vsc_jax.training.devices import Layout
from vsc_jax.training.memory import device_memory, memory_errors

DEVICE_SHARE = 0.25
"""``data.placement auto`` streams a training set that takes more than this share of the device's memory."""
BLOCK_BYTES = 2**25
"""A stretch whose batches take more than this is streamed in several parts."""
ROUNDED_BYTES = 2**26
"""Up to this size a set on the device is filled up to a power of two, see :func:`rounded_up`."""
ONE_DEVICE = Layout()


class Gathered(NamedTuple):
    """Batches as rows of a set that is on the device.

    Attributes:
      data: the training examples as they are stored, uint8 or float.
      order: indices of the examples in each batch.
    """

    data: Shaped[Array, "examples ..."]
    order: Int[Array, "longest batch"]

    def batch(self, i: Int[Array, ""]) -> Shaped[Array, "batch ..."]:
        """The examples of the i-th batch."""
        return self.data[self.order[i]]

    def of_size(self, size: int) -> "Gathered":
        """The shapes of such batches with ``size`` examples each."""
        return self._replace(order=_resized(self.order, size))


class Stacked(NamedTuple):
    """Batches that were put together on the host.

    Attributes:
      data: the examples of each batch as they are stored, uint8 or float.
    """

    data: Shaped[Array, "longest batch ..."]

    def batch(self, i: Int[Array, ""]) -> Shaped[Array, "batch ..."]:
        """The examples of the i-th batch."""
        return self.data[i]

    def of_size(self, size: int) -> "Stacked":
        """The shapes of such batches with ``size`` examples each."""
        return self._replace(data=_resized(self.data, size))


def _resized(stacked: Array, size: int) -> Any:
    return jax.ShapeDtypeStruct((stacked.shape[0], size, *stacked.shape[2:]), stacked.dtype)


Batches = Gathered | Stacked
"""The batches of successive iterations; those beyond the iterations that are run are not used."""


class Part(NamedTuple):
    """Successive iterations that are run by one call.

    Attributes:
      batches: their batches.
      iterations: how many they are.
    """

    batches: Batches
    iterations: int


class Stretch(NamedTuple):
    """The iterations between two log points.

    Attributes:
      iterations: how many they are.
      parts: the same in pieces of bounded size, to be used before the next stretch is asked for.
    """

    iterations: int
    parts: Iterator[Part]


Stretches = Generator[Stretch]
"""All that is left of a run; closing it ends the threads that read ahead."""


def placement(config: Config, data: Examples) -> Literal["device", "stream"]:
    """Where the training examples will live: as ``data.placement`` says, or as their size asks for."""
    if config.data.placement != "auto":
        return config.data.placement
    return "stream" if data.nbytes > DEVICE_SHARE * device_memory() else "device"


def stretches(config: Config, data: Examples, step: int, where: Layout = ONE_DEVICE) -> Stretches:
    """The rest of a run, from one log point to the next.

    Args:
      config: the run.
      data: its training examples.
      step: number of iterations done.
      where: the devices; each process reads its own share of every batch.
    """
    if step == config.train.steps:
        return _nothing()
    return {"device": _on_device, "stream": _streamed}[placement(config, data)](config, data, step, where)


def _nothing() -> Stretches:
    yield from ()


def _on_device(config: Config, data: Examples, step: int, where: Layout) -> Stretches:
    steps, log_every, batch_size = config.train.steps, config.train.log_every, config.train.batch_size
    with memory_errors(lambda: "data.placement: the training examples do not fit on the device; try stream"):
        on_device = where.everywhere(rounded_up(np.asarray(data)))
    for start in range(step, steps, log_every):
        iterations = min(log_every, steps - start)
        order = batches(config.seed, start, iterations, batch_size=batch_size, examples=len(data))
        padded = where.divided(filled(order[:, where.share(batch_size)], min(log_every, steps)))
        yield Stretch(iterations, iter([Part(Gathered(on_device, padded), iterations)]))


def _streamed(config: Config, data: Examples, step: int, where: Layout) -> Stretches:
    steps, log_every, batch_size = config.train.steps, config.train.log_every, config.train.batch_size
    batch_bytes = batch_size * math.prod(data.shape[1:]) * data.dtype.itemsize
    longest = max(1, min(log_every, steps, BLOCK_BYTES // batch_bytes))
    parts = -(-log_every // longest)  # in every stretch but the last, which may have fewer

    def span(number: int) -> tuple[int, int]:
        """The first iteration of a part, and how many it has."""
        stretch, place = divmod(number, parts)
        start = step + stretch * log_every + place * longest
        return start, min(longest, log_every - place * longest, steps - start)

    def read(number: int) -> Part:
        start, iterations = span(number)
        order = batches(config.seed, start, iterations, batch_size=batch_size, examples=len(data))
        # The transfer to the device starts here too, in the reader's thread.
        examples = data[order[:, where.share(batch_size)]]
        return Part(Stacked(where.divided(filled(examples, longest))), iterations)

    whole, rest = divmod(steps - step, log_every)
    with read_ahead(read, whole * parts + -(-rest // longest)) as ahead:
        for start in range(step, steps, log_every):
            iterations = min(log_every, steps - start)
            yield Stretch(iterations, itertools.islice(ahead, -(-iterations // longest)))


def rounded_up(data: np.ndarray) -> np.ndarray:
    """The examples, and more that no batch takes, so that sets of nearly one size share a program.

    So the folds of a cross-validation are compiled once. Large sets are left as they are.
    """
    size = 1 << (len(data) - 1).bit_length()
    return filled(data, size) if size * data[:1].nbytes <= ROUNDED_BYTES else data
