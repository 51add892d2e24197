"""The FactorVAE score on the Smiley generator.

Kim and Mnih, *Disentangling by Factorising*, ICML 2018, section 4: in a batch of images that share the
value of one factor, the latent that carries it varies least.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Int

from vsc_jax.data import smiley

BATCH = 64
VOTES = 30
# Images for the latents' overall standard deviations, and the smallest one that counts as variation.
REFERENCE = 5000
LEAST_DEVIATION = 1e-2

Represent = Callable[[smiley.Smileys], np.ndarray]


def factor_vae_score(
    represent: Represent, *, presence: float = 0.5, votes: int = VOTES, batch: int = BATCH, seed: int = 0
) -> float:
    """Share of new batches whose fixed factor a majority vote names from the latent that varies least.

    The factors are Smiley's 18 features. In a batch one feature has one value and its attribute is
    present; everything else is drawn anew for each image. Each latent's variance is divided by its
    variance over all images.

    Args:
      represent: gives the code of drawn images, ``[n, latents]``.
      presence: probability of an attribute.
      votes: batches for each factor that fix the majority vote, and as many that test it.
      batch: images in a batch.
      seed: seed of the images.

    Returns:
      In [0, 1]; about 1/18 is chance. 0 for a constant code.
    """
    stream = np.random.SeedSequence(seed)
    reference_seed, training_seed, test_seed = (int(s.generate_state(1)[0]) for s in stream.spawn(3))
    deviation = represent(smiley.generate(reference_seed, REFERENCE, presence)).std(axis=0)
    varies = deviation > LEAST_DEVIATION
    if not varies.any():
        return 0.0

    def winners(seed: int) -> Int[np.ndarray, "factors votes"]:
        faces = fixed_batches(seed, votes, batch, presence)
        code = represent(faces)[:, varies] / deviation[varies]
        variance = code.reshape(len(smiley.FACTORS), votes, batch, -1).var(axis=2)
        return variance.argmin(axis=-1)

    factors = np.repeat(np.arange(len(smiley.FACTORS)), votes)
    counts = np.zeros((len(smiley.FACTORS), int(varies.sum())), int)
    np.add.at(counts, (factors, winners(training_seed).reshape(-1)), 1)
    majority = counts.argmax(axis=0)
    return float((majority[winners(test_seed).reshape(-1)] == factors).mean())


def fixed_batches(seed: int, votes: int, batch: int, presence: float) -> smiley.Smileys:
    """``votes`` batches for each feature in turn, in which that feature is shown with one value.

    Returns:
      ``18 * votes * batch`` faces, those of one batch side by side.
    """
    faces = smiley.generate(seed, len(smiley.FACTORS) * votes * batch, presence)
    shape = (len(smiley.FACTORS), votes, batch, len(smiley.FACTORS))
    shown, values = faces.presence.reshape(shape).copy(), faces.values.reshape(shape).copy()
    for factor, attribute in enumerate(smiley.ATTRIBUTE_OF_FACTOR):
        values[factor, :, :, factor] = values[factor, :, :1, factor]
        shown[factor, :, :, smiley.GROUPS[attribute]] = 1
    flat_shown, flat_values = shown.reshape(faces.presence.shape), values.reshape(faces.values.shape)
    return smiley.Smileys(smiley.render(flat_shown, flat_values), flat_shown, flat_values)
