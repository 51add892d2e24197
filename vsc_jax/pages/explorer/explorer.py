"""A trained model and its test examples, as the explorer shows them: codes, pictures, samples."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from vsc_jax.data import smiley, streams
from vsc_jax.data.dataset import Dataset
from vsc_jax.data.streams import Stream
from vsc_jax.evaluation.encoding import codes
from vsc_jax.evaluation.statistics import USED_SHARE
from vsc_jax.models import VSC, Autoencoder, Model
from vsc_jax.spike_slab import SpikeSlab, sample_given_support

EXAMPLES = 1000
"""How many test examples can be picked, at most."""

SAMPLES = 8
"""How many samples are drawn at once."""

REACH = 99.5
"""Percentile of the codes' size that the bars reach to, over all used latents."""


class Code(NamedTuple):
    """The code of one test example.

    Attributes:
      z: what is decoded, ``[latents]``: exactly 0 where the latent is off.
      gamma: gate probabilities ``[latents]``; ones without gates.
      start: the value that each latent takes when it is switched on, ``[latents]``: its own where it is
        on, else the median of the examples that have it on.
    """

    z: np.ndarray
    gamma: np.ndarray
    start: np.ndarray


class Explorer:
    """Everything that the page asks for.

    Args:
      model: any trained model.
      dataset: its data; the test split is shown.
      name: of the run.
      seed: seed of the posterior samples behind the codes.
    """

    def __init__(self, model: Model, dataset: Dataset, *, name: str, seed: int = 0):
        self.name = name
        self.dataset = dataset
        self.test = dataset.test.sample(EXAMPLES, seed)
        self.latents = model.latents
        self.gated = isinstance(model, VSC)
        encoded = codes(model, self.test.x, streams.key(seed, Stream.SHOWN_CODES))
        self.gamma, self.codes = encoded.gamma, encoded.sparse
        self.density = codes(model, dataset.test.x, streams.key(seed, Stream.SHOWN_CODES)).on.mean(axis=0)
        self.used = self.density >= USED_SHARE
        values = np.abs(self.codes[self.codes != 0])
        self.reach = float(np.percentile(values, REACH)) * 1.1 if values.size else 1.0
        self._typical = np.array([self._median(latent) for latent in range(self.latents)])
        self._prior: SpikeSlab | None = None
        if isinstance(model, VSC):
            self._prior = model.components()
        elif not isinstance(model, Autoencoder):
            zeros = jnp.zeros((1, self.latents), jnp.float32)
            self._prior = SpikeSlab(zeros, zeros, zeros)
        graph, params = nnx.split(model)
        self._decode = jax.jit(lambda z: nnx.merge(graph, params).decode(z))

    @property
    def samples(self) -> bool:
        """Whether there is a prior to sample from."""
        return self._prior is not None

    def describe(self) -> dict[str, Any]:
        """What the page shows of the model, and what it needs to draw its bars."""
        return {
            "name": self.name,
            "data": self.dataset.description or self.dataset.name,
            "gated": self.gated,
            "samples": self.samples,
            "latents": self.latents,
            "density": [round(float(share), 4) for share in self.density],
            "used": self.used.tolist(),
            "reach": self.reach,
            "examples": len(self.test),
            "notes": self._notes(),
        }

    def code(self, example: int) -> Code:
        """The code of a test example."""
        z = self.codes[example]
        return Code(z, self.gamma[example], np.where(z != 0, z, self._typical))

    def caption(self, example: int) -> str:
        """What is known of a test example: its class, or the attributes that a face has."""
        if self.test.labels is not None:
            label = int(self.test.labels[example])
            names = self.dataset.label_names
            return f"class {names[label] if label < len(names) else label}"
        if self.test.presence is not None and self.dataset.factor_names == smiley.FACTORS:
            shown = [self.test.presence[example][group.start] for group in smiley.GROUPS]
            present = [name for name, there in zip(smiley.ATTRIBUTES, shown, strict=True) if there]
            return f"with {', '.join(present)}" if present else "no attributes"
        return ""

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Decoded codes ``[n, latents]``."""
        return np.asarray(self._decode(jnp.asarray(z, jnp.float32)))

    def sample(self, support: np.ndarray, seed: int) -> np.ndarray:
        """Codes from the prior given which latents are on, ``[SAMPLES, latents]``.

        Raises:
          ValueError: if the model has no prior.
        """
        if self._prior is None:
            raise ValueError("an autoencoder has no prior to sample from")
        key = streams.key(seed, Stream.EXPLORED)
        return np.asarray(sample_given_support(self._prior, support[None], key, SAMPLES)[0])

    def _median(self, latent: int) -> float:
        values = self.codes[:, latent]
        values = values[values != 0]
        return float(np.median(values)) if values.size else 1.0

    def _notes(self) -> list[str]:
        notes = []
        if not self.gated:
            notes.append("This model has no gates: every latent is on; switched off it is set to zero.")
        if not self.samples:
            notes.append("An autoencoder has no prior, so there is nothing to sample from.")
        if not self.used.any():
            notes.append("No latent is on in any test example: the code has collapsed.")
        return notes
