"""MNIST and Fashion-MNIST as published likelihoods of binary images are about them: the same images and bits.

Training is on the first 50,000 training images, whose pixels are drawn anew for every batch; the last 10,000
are left for validation. Their pixels and those of the test images were drawn once, in this order, by NumPy's
legacy generator. As in the code of Tomczak and Welling, *VAE with a VampPrior*, AISTATS 2018.
"""

from dataclasses import replace

import numpy as np

from vsc_jax.data.dataset import Dataset, Split

_SEED = 777


def with_fixed_bits(dataset: Dataset) -> Dataset:
    """The set, as TFDS prepares it, less its validation part, and its test images of 0 and 255."""
    train, test = in_first_order(dataset.train, "train"), in_first_order(dataset.test, "test")
    count = len(train) - len(train) // 6
    random = np.random.RandomState(_SEED)
    _bits(np.asarray(train.x[count:]), random)  # the validation images, drawn before the test images
    bits = _bits(test.x, random).astype(np.uint8) * np.uint8(255)
    return replace(dataset, train=train.first(count), test=replace(test, x=bits))


def in_first_order(split: Split, name: str) -> Split:
    """The examples in the order of the files that the set was published in.

    TFDS sorts examples by a hash of their number, salted with the split's name.
    """
    from tensorflow_datasets.core.hashing import Hasher

    hasher = Hasher(name)
    # Where the example of each number went.
    numbers = sorted(range(len(split)), key=hasher.hash_key)
    return split.take(np.argsort(numbers))


def _bits(x: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    return random.binomial(1, x.astype(np.float32) / 255)
