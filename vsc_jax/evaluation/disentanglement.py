"""Disentanglement scores of single latents against single true factors: MIG, modularity, SAP, DCI and others.

For mutual information latents and real factors are cut into twenty bins that hold equally many examples, so
that the scores do not change under a monotone map of a latent (``disentanglement_lib``, the usual reference,
cuts latents into bins of equal width, which a few outliers can empty). Exact 0, a latent that is off, has a
cell of its own beside them: it never shares one with small values.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import entr
from scipy.stats import entropy, ks_2samp
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

from vsc_jax.data import smiley
from vsc_jax.evaluation.factors import Factor, Factors, correlations
from vsc_jax.evaluation.recovery import varies

BINS = 20
INFORMATIVE = 0.05  # a latent that tells at least this share of the entropy of some factor
TREE_EXAMPLES = 5000  # training examples that DCI's trees are fitted on, at most


def information(code: np.ndarray, factors: Factors) -> Float[np.ndarray, "latents factors"]:
    """``I(z_j; v_k) / H(v_k)`` of latents and factors, over the examples that have the factor; in [0, 1].

    Adjusted for chance: among n examples in a x b bins independent variables seem to share
    ``(a - 1)(b - 1) / (2 n)`` nats (Miller, 1955), which is taken off the information and off the entropy, so
    that independence is about 0 and a latent that determines the factor 1.
    """
    columns = []
    for factor in factors:
        values = factor.values[factor.given]
        classes = np.unique(values if factor.discrete else binned(values), return_inverse=True)[1]
        columns.append([_share(binned(latent), classes) for latent in code[factor.given].T])
    return np.array(columns).T


def _share(cells: np.ndarray, classes: np.ndarray) -> float:
    kinds, n = classes.max() + 1, len(classes)
    joint = np.bincount(cells * kinds + classes, minlength=(BINS + 1) * kinds).reshape(-1, kinds) / n
    by_cell, by_class = joint.sum(axis=1), joint.sum(axis=0)
    chance = (np.count_nonzero(by_cell) - 1) * (kinds - 1) / (2 * n)
    total = entr(by_class).sum()
    shared = entr(by_cell).sum() + total - entr(joint).sum()
    return max(0.0, float((shared - chance) / (total - chance))) if total > chance else 0.0


def binned(values: np.ndarray) -> Int[np.ndarray, " n"]:
    """Numbers of the bins that ``values``, ``[n]``, fall into: 0 alone, others equal in frequency."""
    on = values != 0
    if not on.any():
        return np.zeros(len(values), np.int64)
    edges = np.unique(np.quantile(values[on], np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.where(on, np.searchsorted(edges, values, side="right") + 1, 0)


def mig(shares: Float[np.ndarray, "latents factors"]) -> float:
    """Mutual information gap of :func:`information`: best latent minus the next, mean over factors.

    Chen, Li, Grosse and Duvenaud, *Isolating Sources of Disentanglement in VAEs*, NeurIPS 2018, eq. 6.
    About 1 when each factor has a latent that tells it, and no other does; 0 for a constant code and
    where the best latent has a twin. A single latent is compared with 0.
    """
    ordered = np.sort(np.pad(shares, ((1, 0), (0, 0))), axis=0)
    return float((ordered[-1] - ordered[-2]).mean())


def modularity(shares: Float[np.ndarray, "latents factors"]) -> float:
    """How far each informative latent tells one factor only, in [0, 1], from :func:`information`.

    Ridgeway and Mozer, *Learning Deep Disentangled Embeddings with the F-Statistic Loss*, NeurIPS 2018,
    section 2: one minus the squared information about all other factors, relative to that about the
    best one. Here of information as a share of the factor's entropy, and averaged over the latents that
    tell at least 5 % of some factor; 0 if there is none.
    """
    informative = shares[shares.max(axis=1) >= INFORMATIVE]
    if not len(informative):
        return 0.0
    largest = informative.max(axis=1) ** 2
    others = (informative**2).sum(axis=1) - largest
    return float((1 - others / (largest * max(shares.shape[1] - 1, 1))).mean())


def infomec(code: np.ndarray, factors: Factors) -> tuple[float, float]:
    """Modularity InfoM and compactness InfoC, in [0, 1].

    How much of a latent's (a factor's) information is about (in) a single factor (latent), mean over those.

    Hsu, Dorrell, Whittington, Wu and Finn, *Disentanglement via Latent Quantization*, NeurIPS 2023. Their
    code leaves out latents of a small range, that of their next paper those of a small interquartile range,
    which is 0 for a latent that is on in fewer than a quarter of the examples. Here only latents that hardly
    vary are left out (:func:`vsc_jax.evaluation.recovery.varies`); what tells nothing counts as 0.
    ``code`` is exactly 0 where a latent is off.
    """
    used = varies(code)
    if not used.any():
        return 0.0, 0.0
    shares = information(code[:, used], factors)
    return _concentration(shares), _concentration(shares.T)


def _concentration(shares: Float[np.ndarray, "rows columns"]) -> float:
    """How much of each row lies in its largest entry, 0 for equal entries, mean over rows."""
    best, columns = shares.max(axis=1), shares.shape[1]
    part = best / np.maximum(shares.sum(axis=1), INFORMATIVE)
    scaled = (part - 1 / columns) / (1 - 1 / columns) if columns > 1 else part
    return float(np.where(best >= INFORMATIVE, scaled, 0).mean())


def sap(code: np.ndarray, factors: Factors) -> float:
    """Separated attribute predictability: how much better the best latent predicts a factor than the next.

    Kumar, Sattigeri and Balakrishnan, *Variational Inference of Disentangled Latent
    Concepts*, ICLR 2018, section 3. Known values as :func:`mig`; factors are real or of two classes.
    """
    return mig(predictability(code, factors))  # the same gap, of other scores


def predictability(code: np.ndarray, factors: Factors) -> Float[np.ndarray, "latents factors"]:
    """How well each latent alone predicts each factor, in [0, 1].

    For a real factor R^2 of linear regression. For one of two classes the balanced accuracy of the best
    threshold, scaled so that chance is 0 and not 1/2.
    """
    return np.stack(
        [_threshold(code, f) if f.discrete else correlations(code, [f])[:, 0] ** 2 for f in factors], axis=1
    )


def _threshold(code: np.ndarray, factor: Factor) -> Float[np.ndarray, " latents"]:
    values = factor.values[factor.given]
    kinds = np.unique(values)
    if len(kinds) > 2:
        raise ValueError(f"{factor.name}: expected two classes, got {len(kinds)}")
    if len(kinds) < 2:
        return np.zeros(code.shape[1])
    one, other = (code[factor.given][values == kind] for kind in kinds)
    # The gap between the two distribution functions at a threshold is 2 (balanced accuracy) - 1.
    return np.asarray(ks_2samp(one, other, method="asymp").statistic)


class DCI(NamedTuple):
    """Does each latent serve one factor? Is each served by one latent? How well does the whole code predict?

    Scores in [0, 1]; the first weighs latents by their importance. ``informativeness`` is, of new examples,
    the mean over factors of R^2, or for a discrete one of the share of a constant guess's errors avoided.
    """

    disentanglement: float
    completeness: float
    informativeness: float


def dci(train_code: np.ndarray, train_factors: Factors, test_code: np.ndarray, test_factors: Factors) -> DCI:
    """Disentanglement, completeness and informativeness, from boosted trees fitted for each factor.

    Eastwood and Williams, *A Framework for the Quantitative Evaluation of Disentangled Representations*,
    ICLR 2018; 100 trees of depth 3, as in ``disentanglement_lib``, on the first 5,000 training examples.
    """
    importances, scores = [], []
    for train, test in zip(train_factors, test_factors, strict=True):
        train = train.first(TREE_EXAMPLES)
        kind = GradientBoostingClassifier if train.discrete else GradientBoostingRegressor
        trees = kind(subsample=0.5, random_state=0)
        trees.fit(train_code[:TREE_EXAMPLES][train.given], train.values[train.given])
        # Rounding can leave an importance of -1e-20, whose entropy is infinite.
        importances.append(np.maximum(trees.feature_importances_, 0))
        guess = trees.predict(test_code[test.given])
        scores.append(_informativeness(guess, test.values[test.given], train))
    return DCI(*of_importances(np.stack(importances, axis=1)), float(np.mean(scores)))


def of_importances(importance: Float[np.ndarray, "latents factors"]) -> tuple[float, float]:
    """Disentanglement and completeness, from how important each latent is for each factor, not negative.

    One minus the entropy, in base "number of factors", of each latent's importances, averaged over latents in
    proportion to their importance; and the same of each factor's, mean over factors, of which one that
    nothing tells counts as 0.
    """
    weights = importance.sum(axis=1)
    pure = np.average(_purity(importance), weights=weights) if weights.any() else 0.0
    return float(pure), float(_purity(importance.T).mean())


def _purity(importance: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, " rows"]:
    scores = (importance.sum(axis=1) > 0).astype(np.float64)
    if importance.shape[1] > 1:
        there = scores > 0
        scores[there] = 1 - entropy(importance[there], axis=1, base=importance.shape[1])
    return scores


def _informativeness(guess: np.ndarray, values: np.ndarray, train: Factor) -> float:
    if train.discrete:
        kinds, counts = np.unique(train.values[train.given], return_counts=True)
        errors, constant = np.mean(guess != values), np.mean(kinds[counts.argmax()] != values)
    else:
        errors, constant = np.mean((guess - values) ** 2), np.var(values)
    return float(max(0.0, 1 - errors / constant)) if constant > 0 else 0.0


def factor_vae_score(
    represent: Callable[[smiley.Smileys], np.ndarray], *, votes: int = 30, batch: int = 64, seed: int = 0
) -> float:
    """Share of new batches whose fixed factor a majority vote names from the latent that varies least.

    Kim and Mnih, *Disentangling by Factorising*, ICML 2018, section 4.

    The factors are Smiley's 18 features. In a batch one feature has one value and its attribute is
    present; everything else is drawn anew for each image. Each latent's variance is divided by its
    variance over all images. About 1/18 is chance; 0 for a constant code. ``represent`` gives the code of
    drawn images, ``[n, latents]``; as many votes as fix the majority for a factor test it.
    """
    stream = np.random.SeedSequence(seed)
    reference_seed, training_seed, test_seed = (int(s.generate_state(1)[0]) for s in stream.spawn(3))
    deviation = represent(smiley.generate(reference_seed, 5000)).std(axis=0)
    varying = deviation > 1e-2
    if not varying.any():
        return 0.0

    def winners(seed: int) -> Int[np.ndarray, "factors votes"]:
        code = represent(fixed_batches(seed, votes, batch))[:, varying] / deviation[varying]
        return code.reshape(len(smiley.FACTORS), votes, batch, -1).var(axis=2).argmin(axis=-1)

    counts = np.stack([np.bincount(row, minlength=varying.sum()) for row in winners(training_seed)])
    majority = counts.argmax(axis=0)
    return float((majority[winners(test_seed)] == np.arange(len(smiley.FACTORS))[:, None]).mean())


def fixed_batches(seed: int, votes: int, batch: int) -> smiley.Smileys:
    """``votes`` batches for each feature in turn, side by side, in which that feature has one value."""
    faces = smiley.generate(seed, len(smiley.FACTORS) * votes * batch)
    present, values = faces.presence.copy(), faces.values.copy()
    shape = (len(smiley.FACTORS), votes, batch, len(smiley.FACTORS))
    for factor, attribute in enumerate(smiley.ATTRIBUTE_OF_FACTOR):  # reshaped, but the same memory
        values.reshape(shape)[factor, :, :, factor] = values.reshape(shape)[factor, :, :1, factor]
        present.reshape(shape)[factor, :, :, smiley.GROUPS[attribute]] = 1
    return smiley.Smileys(smiley.render(present, values), present, values)
