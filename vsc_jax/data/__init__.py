"""Data sets: Smiley, MNIST, Fashion-MNIST and your own data, all as one type."""

from vsc_jax.data import smiley
from vsc_jax.data.arrays import from_arrays
from vsc_jax.data.dataset import Dataset, Split, check_range
from vsc_jax.data.loading import load

__all__ = ["Dataset", "Split", "check_range", "from_arrays", "load", "smiley"]
