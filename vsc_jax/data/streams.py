"""Every stream of random numbers of a run, by name: no two draw from the same place.

JAX keys are folded with the stream's number, NumPy's generators are seeded with it. The streams of training
have the numbers that they always had, so that older runs go on.
"""

from enum import IntEnum, unique
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import PRNGKeyArray


@unique
class Stream(IntEnum):
    """What is drawn."""

    INITIAL = 0  # the initial model
    MODEL = 2  # the objective's samples, folded with the iteration
    PIXELS = 3  # dynamic binarization of batches, folded with the iteration
    DENOISING = 4  # noise and codes of the further evaluation
    EVALUATION = 5  # posterior samples of the results
    SHOWN_CODES = 6  # posterior samples behind figures, pages and the explorer
    SHOWN_NOISE = 7  # noise of figures and pages
    SHOWN_SAMPLES = 8  # samples of figures and pages
    EXPLORED = 9  # samples that are asked for in the explorer
    BUDGET = 13  # posterior samples by which train.steps auto judges a number of steps
    # Of NumPy's generators.
    EPOCHS = 1  # the order of the training examples, with the epoch
    ROWS = 10  # subsets of a data set
    VALIDATION = 12  # training examples that train.steps auto holds out
    PROBE_PIXELS = 11  # dynamic binarization of the probe's examples; the test's is drawn from the seed alone


def key(seed: int, stream: Stream) -> "PRNGKeyArray":
    """The JAX key of a stream."""
    import jax

    return jax.random.fold_in(jax.random.key(seed), int(stream))


def generator(seed: int, stream: Stream, *numbers: int) -> np.random.Generator:
    """NumPy's generator of a stream, or of one of its parts."""
    return np.random.default_rng((seed, int(stream), *numbers))
