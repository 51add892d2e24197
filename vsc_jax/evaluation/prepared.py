"""Test and probe examples as a model sees them, with their codes: what the later metrics read."""

from typing import NamedTuple

import numpy as np

from vsc_jax.evaluation.encoding import Codes


class Prepared(NamedTuple):
    """A model's test and probe examples, as it sees them, with their codes.

    Attributes:
      test: test examples ``[n, *example_shape]``.
      test_codes: their codes.
      probe: training examples on which probes are fitted, ``[m, *example_shape]``.
      probe_codes: their codes.
    """

    test: np.ndarray
    test_codes: Codes
    probe: np.ndarray
    probe_codes: Codes
