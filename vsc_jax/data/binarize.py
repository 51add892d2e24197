"""Binary data from grey values: every value is the probability of a one."""

import numpy as np

from vsc_jax.data.cache import scratch
from vsc_jax.data.examples import Examples, give_back

_CHUNK = 4096  # examples drawn at a time


def bernoulli_draw(x: Examples, rng: np.random.Generator) -> np.ndarray:
    """One Bernoulli draw of every value.

    The draw of the first examples does not depend on how many follow.

    Args:
      x: probabilities ``[n, ...]``: uint8, which stands for x / 255, or float in [0, 1].
      rng: source of randomness.

    Returns:
      uint8 of the same shape, 0 or 255; above 1 GiB in a temporary file.
    """
    drawn = scratch(x.shape, np.uint8)
    for start in range(0, len(x), _CHUNK):
        chunk = x[start : start + _CHUNK]
        if x.dtype == np.uint8:
            ones = rng.integers(0, 255, chunk.shape, np.uint8) < chunk
        else:
            ones = rng.random(chunk.shape, np.float32) < chunk
        drawn[start : start + _CHUNK] = np.where(ones, 255, 0)
        give_back(drawn)
    return drawn
