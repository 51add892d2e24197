"""Which examples make up each batch: a pure function of the seed and the iteration.

The examples are an endless stream of epochs, each a permutation of its own, cut into batches; a batch
may straddle two epochs, so every example is seen exactly once an epoch whatever the sizes. Nothing has
to be saved to resume. The order is made on the host, a whole stretch of iterations at a time: that
takes a millisecond, and permutations in the compiled loop would take half a second to compile. The
newest two epochs are kept, at 4 bytes an example.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Int32

from vsc_jax.config import TrainConfig
from vsc_jax.config.errors import UserError
from vsc_jax.data.streams import Stream, generator

# Entries of a stretch's order that take 512 MiB.
_LONGEST = 2**27


def check_sizes(config: TrainConfig, examples: int) -> None:
    """See that batches can be made.

    Raises:
      UserError: if a batch is larger than the training set, or there are too many batches between two
        log points to list their examples.
    """
    batch_size, iterations = config.batch_size, min(config.log_every, config.steps)
    if batch_size > examples:
        raise UserError(f"train.batch_size: {batch_size} is more than the {examples} training examples")
    if iterations * batch_size > _LONGEST:
        raise UserError(
            f"train.log_every: {config.log_every} iterations of {batch_size} examples are too many between"
            f" two log points; log every {_LONGEST // batch_size} at the latest"
        )


def batches(
    seed: int, step: int, iterations: int, *, batch_size: int, examples: int
) -> Int32[np.ndarray, "iterations batch"]:
    """Indices of the examples in the batches of successive iterations.

    Args:
      seed: seed of the run.
      step: the first iteration.
      iterations: how many.
      batch_size: examples in a batch.
      examples: number of training examples.
    """
    begin, end = step * batch_size, (step + iterations) * batch_size
    order = [
        _epoch(seed, epoch, examples)[max(0, begin - epoch * examples) : end - epoch * examples]
        for epoch in range(begin // examples, -(-end // examples))
    ]
    return np.concatenate(order).reshape(iterations, batch_size)


@lru_cache(maxsize=2)
def _epoch(seed: int, epoch: int, examples: int) -> Int32[np.ndarray, " examples"]:
    order = generator(seed, Stream.EPOCHS, epoch).permutation(examples).astype(np.int32)
    order.flags.writeable = False
    return order
