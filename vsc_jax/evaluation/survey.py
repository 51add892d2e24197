"""One pass over a split that gathers what all the statistics need, in one compiled program.

The modules of this package also measure a split each by itself; compiled together they share the encoder
and the random numbers, which saves most of the time that a short evaluation takes.
"""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from vsc_jax.evaluation.batches import map_batches
from vsc_jax.evaluation.collapse import latent_divergences
from vsc_jax.evaluation.elbo import bound_terms
from vsc_jax.evaluation.encoding import Codes, encoded
from vsc_jax.evaluation.reconstruction import squared_errors
from vsc_jax.evaluation.selection import Choices, chosen
from vsc_jax.models import VSC, Autoencoder, Model


class Survey(NamedTuple):
    """What is known of each of n examples.

    Attributes:
      bound: parts of the bound, see :func:`vsc_jax.evaluation.elbo.bound_terms`.
      codes: the codes.
      errors: squared errors, see :func:`vsc_jax.evaluation.reconstruction.squared_errors`.
      latent_kl: divergence of each latent from the prior, ``[n, latents]``; None for an autoencoder.
      choices: weights of the pseudo-inputs; None for a model without.
    """

    bound: dict[str, np.ndarray]
    codes: Codes
    errors: dict[str, np.ndarray]
    latent_kl: Float[np.ndarray, "n latents"] | None
    choices: Choices | None


def survey(model: Model, x: np.ndarray, key: PRNGKeyArray, *, batch_size: int = 500) -> Survey:
    """Measure every example of ``x``.

    Args:
      model: any model.
      x: examples as the likelihood sees them, ``[n, *example_shape]``.
      key: key of the posterior samples; all measures see the same one.
      batch_size: examples at a time.
    """
    bound, code, errors, latent_kl, choices = map_batches(_survey, model, x, key, batch_size=batch_size)
    return Survey(bound, Codes(*code), errors, latent_kl, None if choices is None else Choices(*choices))


def _survey(model: Model, x: Float[Array, "n ..."], key: PRNGKeyArray) -> tuple[Any, ...]:
    same = jax.random.clone  # the parts are meant to draw the same sample
    return (
        bound_terms(model, x, same(key)),
        encoded(model, x, same(key)),
        squared_errors(model, x, same(key)),
        None if isinstance(model, Autoencoder) else latent_divergences(model, x, same(key)),
        chosen(model, x, same(key)) if isinstance(model, VSC) and model.classifier is not None else None,
    )
