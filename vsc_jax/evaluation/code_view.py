"""A trained model's codes of a test split, encoded once: what figures, reports and the explorer read.

Codes are exactly 0 where a latent is off. :func:`discrete_path` is the discrete interpolation of Tonolini,
Jensen and Murray-Smith, *Variational Sparse Coding*, UAI 2019.
"""

from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from vsc_jax import losses
from vsc_jax.data import streams
from vsc_jax.data.dataset import Dataset
from vsc_jax.data.streams import Stream
from vsc_jax.evaluation.encoding import USED_SHARE, Codes, codes, map_batches
from vsc_jax.evaluation.factors import Factor, correlations
from vsc_jax.evaluation.recovery import correlation
from vsc_jax.models import VSC, Autoencoder, Model
from vsc_jax.models.vsc import Posterior
from vsc_jax.spike_slab import SpikeSlab, sample_given_support

TRAVERSED = 40  # latents, at most
SPAN = (1.0, 99.0)  # percentiles of a latent's values, where it is on, that grids and traversals cover


class CodeView:
    """A trained model, the test examples of its data, and their codes; each part is computed when first read.

    Args:
      model: any trained model.
      dataset: its data, as the results are measured (:func:`vsc_jax.evaluation.results.as_measured`).
      seed: seed of noise and samples.
      codes: the codes of the test examples, where they are there already.

    Attributes:
      test: the test split, with ``x``, ``labels``, ``factors`` and ``presence``.
      gated: whether the model switches latents on and off. Without gates every latent is on.
      latents: number of latents J.
    """

    def __init__(self, model: Model, dataset: Dataset, *, seed: int = 0, codes: Codes | None = None):
        self.model, self.dataset, self.seed = model, dataset, seed
        self.test, self.gated, self.latents = dataset.test, model.gated, int(model.latents)
        self._graph, self._params = nnx.split(model)
        if codes is not None:
            self.codes = codes

    @cached_property
    def codes(self) -> Codes:
        """Means, gates and samples of the posteriors, ``[n, latents]`` each."""
        return codes(self.model, self.test.x, streams.key(self.seed, Stream.SHOWN_CODES))

    @cached_property
    def code(self) -> Float[np.ndarray, "n latents"]:
        """The deterministic code, ``model.code``: the mean where gamma is above one half, else exactly 0."""
        return self.codes.sparse

    @cached_property
    def density(self) -> Float[np.ndarray, " latents"]:
        """Share of the examples in which each latent is on."""
        return self.codes.on.mean(axis=0)

    @property
    def used(self) -> np.ndarray:
        """Indices of the latents that are on in at least 1 % of the examples."""
        return np.flatnonzero(self.density >= USED_SHARE)

    @cached_property
    def prior(self) -> Posterior | None:
        """The components of the prior, fields ``[components, latents]``; None for an autoencoder."""
        if isinstance(self.model, VSC):
            return self.model.components()
        if isinstance(self.model, Autoencoder):
            return None
        zeros = jnp.zeros((1, self.latents), jnp.float32)
        return SpikeSlab(zeros, zeros, zeros)

    @cached_property
    def nearest(self) -> np.ndarray:
        """Index of the component of a VSC's prior that is nearest to each example, ``[n]``."""
        return map_batches(_nearest, self.model, self.test.x, jax.random.key(0))

    def decode(self, z: ArrayLike) -> np.ndarray:
        """``E[x|z]`` of codes ``[..., latents]``, ``[..., *example_shape]``."""
        return np.asarray(_decode(self._graph, self._params, jnp.asarray(z, jnp.float32)))

    def resampled(self, on: ArrayLike, count: int, key: PRNGKeyArray) -> Float[np.ndarray, "n count latents"]:
        """Codes with these latents on, booleans ``[n, latents]``, and values from the prior given that."""
        if self.prior is None:
            raise ValueError("an autoencoder has no prior to sample from")
        return np.asarray(sample_given_support(self.prior, jnp.asarray(on), key, count))

    def examples(self, count: int) -> np.ndarray:
        """Indices of the first test examples of different classes, ``[count]``; the first without labels."""
        if self.test.labels is None:
            return np.arange(min(count, len(self.test)))
        _, first = np.unique(self.test.labels, return_index=True)
        rest = np.setdiff1d(np.arange(len(self.test)), first)
        return np.concatenate([np.sort(first), rest])[:count]

    def moving_pair(self, example: int) -> tuple[int, int]:
        """The two latents whose sweep moves what is decoded of one example most, of those on in it first."""
        on = self.code[example] != 0
        latents = np.lexsort((-self.code.var(axis=0), ~on))[: max(2, min(np.count_nonzero(on), TRAVERSED))]
        codes = np.tile(self.code[example].astype(np.float64), (2, len(latents), 1))
        codes[:, np.arange(len(latents)), latents] = np.stack([self.span(int(j), 2) for j in latents], axis=1)
        low, high = self.decode(codes)
        moved = np.square(high - low).reshape(len(latents), -1).sum(axis=1)
        first, second = latents[np.argsort(-moved, kind="stable")[:2]]
        return int(first), int(second)

    def span(
        self, latent: int, count: int, percentiles: tuple[float, float] = SPAN
    ) -> Float[np.ndarray, " count"]:
        """Evenly spaced values over the range of a latent where it is on; -1 to 1 if it never is."""
        values = self.code[:, latent].astype(np.float64)
        values = values[values != 0]
        low, high = np.percentile(values, percentiles) if len(values) else (-1.0, 1.0)
        return np.linspace(low, high, count)

    def median_example(self, latent: int) -> int | None:
        """Index of the example whose value of a latent is the median of those that have it on."""
        rows = np.flatnonzero(self.codes.on[:, latent])
        order = np.argsort(self.code[rows, latent], kind="stable")
        return int(rows[order[len(rows) // 2]]) if len(rows) else None

    def grid(
        self, example: int, pair: tuple[int, int], count: int = 7
    ) -> tuple[Float[np.ndarray, "y x latents"], Float[np.ndarray, " x"], Float[np.ndarray, " y"]]:
        """Codes around one example that vary two latents over their ranges, and the values along x and y."""
        x, y = (self.span(latent, count) for latent in pair)
        codes = np.tile(self.code[example].astype(np.float64), (count, count, 1))
        codes[:, :, pair[0]] = x[None, :]
        codes[:, :, pair[1]] = y[:, None]
        return codes, x, y

    def traversals(
        self, example: int, count: int = 6
    ) -> tuple[Float[np.ndarray, "rows columns latents"], Float[np.ndarray, "rows count"], np.ndarray]:
        """Every used latent changed in one example: those that are on in it first, then the most used.

        Codes of which the first of each row has its latent off and the others set it to the values, these
        values, and the latents ``[rows]``.
        """
        order = np.lexsort((-self.code.var(axis=0), -self.density, self.code[example] == 0))
        latents = order[np.isin(order, self.used)][:TRAVERSED]
        values = np.stack([self.span(int(latent), count) for latent in latents])
        codes = np.tile(self.code[example].astype(np.float64), (len(latents), count + 1, 1))
        codes[np.arange(len(latents)), :, latents] = np.pad(values, ((0, 0), (1, 0)))
        return codes, values, latents

    def correlations(
        self,
    ) -> tuple[Float[np.ndarray, "factors latents"], Float[np.ndarray, "factors latents"]]:
        """How the true factors S V follow the code: ``corr(|S V|, |z|)``, and ``corr(V, z)`` where present.

        The first, over all examples, is that of Tonolini, Jensen and Murray-Smith, *Variational Sparse
        Coding*, UAI 2019. Raises ValueError if the factors are not known.
        """
        factors, presence = self.test.factors, self.test.presence
        if factors is None or presence is None:
            raise ValueError(f"{self.dataset.name}: has no true factors")
        parts = zip(factors.T, presence.T, strict=True)
        values = [Factor("", v, there > 0, discrete=False) for v, there in parts]
        return correlation(np.abs(factors), np.abs(self.code)), correlations(self.code, values).T


def discrete_path(start: ArrayLike, end: ArrayLike, most: int) -> tuple[np.ndarray, list[str]]:
    """Codes ``[steps, latents]`` that change one latent at a time, and what each step is.

    First the latents that are on only in ``end`` are switched on (``+j``), then those on in both take their
    new value (``~j``), then those on only in ``start`` are switched off (``-j``); within each group the
    largest change comes first. A path of more than ``most`` steps, start and end among them, is thinned
    evenly; a step that holds other changes, too, has an ellipsis in its name.
    """
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    groups = (("+", (a == 0) & (b != 0)), ("~", (a != 0) & (b != 0) & (a != b)), ("-", (a != 0) & (b == 0)))
    codes, names = [a], ["start"]
    for sign, members in groups:
        latents = np.flatnonzero(members)
        for latent in latents[np.argsort(-np.abs(b - a)[latents], kind="stable")]:
            codes.append(np.where(np.arange(len(a)) == latent, b, codes[-1]))
            names.append(f"{sign}{latent}")
    steps = np.round(np.linspace(0, len(codes) - 1, min(most, len(codes)))).astype(int)
    gaps = np.diff(steps, prepend=0)
    names = [names[i] if gap <= 1 else f"{names[i]}…" for i, gap in zip(steps, gaps, strict=True)]
    return np.stack(codes)[steps], names


@partial(jax.jit, static_argnums=0)
def _decode(graph: nnx.GraphDef, params: Any, z: Array) -> Array:
    return nnx.merge(graph, params).decode(z)


def _nearest(model: VSC, x: Array, key: PRNGKeyArray) -> Array:
    del key
    return jnp.argmin(losses.spike_slab_kl_matrix(model.encode(x), model.components()), axis=-1)
