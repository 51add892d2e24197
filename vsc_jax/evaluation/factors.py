"""The true factors of a data set in the form that disentanglement metrics read: Smiley at two levels.

*Attributes*: is the bow tie, the hat, ... there? Four yes-or-no factors, which a gate should tell.
*Features*: position, size, ... of an attribute that is there: 18 real factors, each with a meaning only
in the images that show its attribute, and each best carried by one latent.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from vsc_jax.data import smiley
from vsc_jax.data.dataset import Dataset, Split


class Factor(NamedTuple):
    """One true factor of n examples.

    Attributes:
      name: what it is called.
      values: ``[n]``; whole numbers if it is discrete.
      given: where it has a meaning, ``[n]``; metrics read nothing else.
      discrete: whether its values are classes.
    """

    name: str
    values: np.ndarray
    given: Bool[np.ndarray, " n"]
    discrete: bool

    def first(self, n: int) -> "Factor":
        """The factor of the first n examples."""
        return self._replace(values=self.values[:n], given=self.given[:n])


Factors = Sequence[Factor]
_FEWEST_EXAMPLES = 20


def has_factors(dataset: Dataset) -> bool:
    """Whether the data set is Smiley, with its factors."""
    return dataset.factor_names == smiley.FACTORS and dataset.test.presence is not None


def attributes(split: Split) -> list[Factor]:
    """The presence of the four attributes of a Smiley split."""
    presence = _presence(split)
    everywhere = np.ones(len(split), bool)
    return [
        Factor(name, presence[:, group.start].astype(np.int64), everywhere, discrete=True)
        for name, group in zip(smiley.ATTRIBUTES, smiley.GROUPS, strict=True)
    ]


def features(split: Split) -> list[Factor]:
    """The 18 features of a Smiley split, each given that its attribute is present."""
    presence = _presence(split)
    if split.factors is None:
        raise ValueError("expected a split with factors")
    return [
        Factor(name, split.factors[:, i].astype(np.float64), presence[:, i] > 0, discrete=False)
        for i, name in enumerate(smiley.FACTORS)
    ]


def measurable(train: Factors, test: Factors) -> tuple[list[Factor], list[Factor]]:
    """The factors that vary, and are given often enough to be learned and tested, in both splits."""
    pairs = [pair for pair in zip(train, test, strict=True) if all(_varies(factor) for factor in pair)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _varies(factor: Factor) -> bool:
    values = factor.values[factor.given]
    return len(values) >= _FEWEST_EXAMPLES and bool((values != values[0]).any())


def _presence(split: Split) -> np.ndarray:
    if split.presence is None:
        raise ValueError("expected a split with the presence of its factors")
    return split.presence
