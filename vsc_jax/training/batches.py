"""Which examples make up each batch: a pure function of the seed and the iteration.

The examples are an endless stream of epochs, each a permutation by its own key, cut into batches;
a batch may straddle two epochs, so every example is seen exactly once an epoch whatever the sizes.
Nothing has to be saved to resume.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

from vsc_jax.config import TrainConfig
from vsc_jax.errors import UserError


def check_sizes(config: TrainConfig, examples: int) -> None:
    """See that batches can be made.

    Raises:
      UserError: if a batch is larger than the training set, or the order of the examples between two
        log points has more entries than 32 bits can count.
    """
    batch_size, stretch = config.batch_size, min(config.log_every, config.steps)
    if batch_size > examples:
        raise UserError(f"train.batch_size: {batch_size} is more than the {examples} training examples")
    if epochs_spanned(stretch, batch_size, examples) * examples >= 2**31:
        raise UserError(
            f"train.log_every: {config.log_every} iterations of {batch_size} examples are too many between"
            " two log points; log more often"
        )


def epochs_spanned(batches: int, batch_size: int, examples: int) -> int:
    """The largest number of epochs that so many successive batches can touch."""
    return -(-batches * batch_size // examples) + 1


def position(step: int, batch_size: int, examples: int) -> tuple[int, int]:
    """Epoch and place within it at which the batch of iteration ``step`` begins."""
    return divmod(step * batch_size, examples)


def stream(key: PRNGKeyArray, first_epoch: Int[Array, ""], epochs: int, examples: int) -> Int[Array, " n"]:
    """Indices of ``epochs`` epochs in the order in which they are used, ``[epochs * examples]``.

    Args:
      key: key of the order.
      first_epoch: number of the first epoch.
      epochs: how many epochs.
      examples: number of training examples.
    """

    def epoch(number: Int[Array, ""]) -> Int[Array, " examples"]:
        return jax.random.permutation(jax.random.fold_in(key, number), examples)

    return jax.lax.map(epoch, first_epoch + jnp.arange(epochs)).reshape(-1)
