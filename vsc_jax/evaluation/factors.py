"""The true factors of a data set, how single gates and latents tell them: Smiley at two levels.

*Attributes*: is the bow tie, the hat, ... there? Four yes-or-no factors, which a gate should tell.
*Features*: position, size, ... of an attribute that is there: 18 real factors, each with a meaning only
in the images that show its attribute, and each best carried by one latent.

The paper (Tonolini et al., UAI 2019, figure 5) shows ``|corr(|S V|, |z|)|``. A latent that only says "hat
present" scores 0.683 there with every feature of the hat. These are signed correlations *given presence*:
of the feature's value with the latent, over the images that show its attribute.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from vsc_jax.data import smiley
from vsc_jax.data.dataset import Dataset, Split
from vsc_jax.evaluation.recovery import areas, calibration, correlation, matched_mean, matched_sum

_FEWEST_EXAMPLES = 20
# Correlation of prediction and value, given presence, on new 32 x 32 images, in the order of smiley.FACTORS.
# `python benchmarks/smiley_ceiling.py`: a network of 1024-512-256 units trained on 100,000 images.
# A picture of whole pixels does not tell its real factors exactly, so no code can correlate perfectly.
CEILING_32 = np.array([
    *(0.599, 0.840, 0.981, 0.957),
    *(0.957, 0.919, 0.949, 0.917, 0.917, 0.845),
    *(0.973, 0.973, 0.987),
    *(0.724, 0.729, 0.734, 0.755, 0.905),
])  # fmt: skip


class Factor(NamedTuple):
    """One true factor of n examples."""

    name: str
    values: np.ndarray  # [n]; whole numbers if it is discrete
    given: Bool[np.ndarray, " n"]  # where it has a meaning; metrics read nothing else
    discrete: bool  # whether its values are classes

    def first(self, n: int) -> "Factor":
        """The factor of the first n examples."""
        return self._replace(values=self.values[:n], given=self.given[:n])


Factors = Sequence[Factor]


def has_factors(dataset: Dataset) -> bool:
    """Whether the data set is Smiley, with its factors."""
    return dataset.factor_names == smiley.FACTORS and dataset.test.presence is not None


def attributes(split: Split) -> list[Factor]:
    """The presence of the four attributes of a Smiley split."""
    always, presence = np.ones(len(split), bool), _known(split.presence, "the presence of its factors")
    return [
        Factor(name, presence[:, group.start].astype(np.int64), always, discrete=True)
        for name, group in zip(smiley.ATTRIBUTES, smiley.GROUPS, strict=True)
    ]


def features(split: Split) -> list[Factor]:
    """The 18 features of a Smiley split, each given that its attribute is present."""
    presence, values = _known(split.presence, "the presence of its factors"), _known(split.factors, "factors")
    return [
        Factor(name, values[:, i].astype(np.float64), presence[:, i] > 0, discrete=False)
        for i, name in enumerate(smiley.FACTORS)
    ]


def _known(values: np.ndarray | None, what: str) -> np.ndarray:
    if values is None:
        raise ValueError(f"expected a split with {what}")
    return values


def measurable(train: Factors, test: Factors) -> tuple[list[Factor], list[Factor]]:
    """The factors that vary, and are given often enough to be learned and tested, in both splits."""
    pairs = [pair for pair in zip(train, test, strict=True) if all(_varies(factor) for factor in pair)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _varies(factor: Factor) -> bool:
    values = factor.values[factor.given]
    return len(values) >= _FEWEST_EXAMPLES and bool((values != values[0]).any())


def auc(scores: np.ndarray, present: np.ndarray) -> Float[np.ndarray, " latents"]:
    """Area under the ROC curve of each column of scores, ``[n, latents]``, or of its negative, if larger.

    1 for a perfect detector of ``present`` (0 or 1, ``[n]``), 1/2 for chance and for a constant.
    """
    area = areas(scores, present[:, None])[:, 0]
    return np.maximum(area, 1 - area)


def gate_statistics(gamma: np.ndarray, attributes: Factors) -> dict[str, float]:
    """``gate_auc_NAME``, the area of the best gate ``[n, latents]`` for each, and ``attributes_found``.

    These are told with an area of at least .99, no gate counting twice. ``gate_ece`` and ``gate_brier``:
    are the best gates the probabilities that their attributes are there?
    """
    present = np.stack([attribute.values for attribute in attributes], axis=1)
    signed = areas(gamma, present)
    told = np.maximum(signed, 1 - signed)
    best, columns = told.argmax(axis=0), range(len(attributes))
    absent = signed[best, columns] < 0.5
    error = calibration(np.where(absent, 1 - gamma[:, best], gamma[:, best]), present)
    names = [f"gate_auc_{attribute.name.replace(' ', '_')}" for attribute in attributes]
    found = {name: float(told[j, i]) for i, (name, j) in enumerate(zip(names, best, strict=True))}
    found["attributes_found"] = matched_sum(told >= 0.99)
    return found | {"gate_ece": error.ece, "gate_brier": error.brier}


def correlations(code: np.ndarray, features: Factors) -> Float[np.ndarray, "latents features"]:
    """Correlation of each latent with each real feature where that is given; 0 for a constant."""
    columns = [correlation(code[f.given], f.values[f.given, None]) for f in features]
    return np.concatenate(columns, axis=1)


def feature_statistics(
    code: np.ndarray, features: Factors, ceiling: Float[np.ndarray, " features"] | None
) -> dict[str, float]:
    """Best ``|correlation|`` of a latent with each real feature, mean over features.

    Also the same with no latent counting for two features, and as a share of the mean ceiling, which a
    supervised regressor reaches.
    """
    magnitude = np.abs(correlations(code, features))
    best = float(magnitude.max(axis=0).mean())
    statistics = {"feature_correlation": best, "feature_correlation_distinct": matched_mean(magnitude)}
    if ceiling is not None:
        statistics["feature_ceiling_share"] = best / float(ceiling.mean())
    return statistics
