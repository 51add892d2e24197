"""The decoder p(x|z): a trunk whose output a likelihood (:mod:`vsc_jax.models.nets.likelihoods`) reads."""

import math
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Shaped

from vsc_jax.config.choices import Scale
from vsc_jax.models.nets.dictionary import Dictionary
from vsc_jax.models.nets.networks import MLP, ConvDecoder, GatedMLP, SignalDecoder
from vsc_jax.models.scaling import Scaling

REAL = (-math.inf, math.inf)


@runtime_checkable
class Rows(Protocol):
    """Examples that can be had by their number."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> np.ndarray: ...


class Decoder(nnx.Module):
    """Distribution of an example given its code; about scaled data where there is a scaling.

    A likelihood is a subclass: what it takes, its own parameters, :meth:`expected` and :meth:`log_prob`.

    Args:
      trunk: network ``[n, latents] -> [n, pixels]``.
      example_shape: shape of one example.
      min_log_var: floor of a learned log-variance.
      scaling: how the model sees its data; None as they are.

    Attributes:
      likelihood: its name.
      support: the least and the largest value that it takes.
      whole: whether it takes whole numbers alone.
      values: the values that it takes, in words.
      scalings: the kinds of scaling that its data may have.
    """

    likelihood: ClassVar[str]
    support: ClassVar[tuple[float, float]] = REAL
    whole: ClassVar[bool] = False
    values: ClassVar[str] = "finite numbers"
    scalings: ClassVar[tuple[Scale, ...]] = ("unit", "standardize")

    def __init__(
        self,
        trunk: MLP | GatedMLP | ConvDecoder | SignalDecoder | Dictionary,
        example_shape: tuple[int, ...],
        min_log_var: float = -6.0,
        scaling: Scaling | None = None,
    ):
        self.trunk = trunk
        self.example_shape = example_shape
        self.min_log_var = min_log_var
        self.scaling = scaling

    @classmethod
    def check(cls, train: Any, test: Any) -> None:
        """Refuse examples whose values are allowed, but not together: none."""

    def start(self, examples: Rows) -> None:
        """Take from the training examples what the likelihood starts with: nothing."""

    def expected(self, output: Float[Array, "*batch pixels"]) -> Float[Array, "*batch pixels"]:
        """Mean of every value, given the trunk's output."""
        raise NotImplementedError

    def log_prob(
        self, output: Float[Array, "*batch pixels"], x: Float[Array, "*batch pixels"]
    ) -> Float[Array, "*batch pixels"]:
        """Log-likelihood of every value, given the trunk's output, in nats."""
        raise NotImplementedError

    @property
    def offset(self) -> float | Float[Array, " pixels"]:
        """What the likelihood adds to the trunk's output."""
        return 0.0

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the largest value of data as given, as far as the likelihood says."""
        return self.support if self.scaling is None else REAL

    @property
    def pixels(self) -> int:
        """Number of values of an example."""
        return math.prod(self.example_shape)

    def scaled(self, x: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        """Examples as the likelihood sees them."""
        return x if self.scaling is None else self.scaling.apply(x)

    def inputs(self, x: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        """Examples as the encoder sees them."""
        return self.scaled(x)

    def mean(
        self, z: Float[Array, "*batch latents"], x: Float[Array, "n ..."] | None = None
    ) -> Float[Array, "..."]:
        """``E[x|z]``, the scaling undone: ``[..., latents] -> [..., *example_shape]``.

        ``x`` are the examples that the codes are of, ``[batch, *example_shape]``, if a likelihood is given
        something of them, such as their totals.
        """
        del x
        mean = self.expected(self.trunk(z.reshape(-1, z.shape[-1])))
        mean = mean.reshape(*z.shape[:-1], *self.example_shape)
        return mean if self.scaling is None else self.scaling.undo(mean)

    def log_likelihood(
        self,
        z: Float[Array, "*samples batch latents"],
        x: Shaped[Array, "batch ..."],
        observed: Bool[Array, "batch ..."] | None = None,
    ) -> Float[Array, "*samples batch"]:
        """``log p(x|z)`` summed over the example, in nats: one value for every code.

        Args:
          z: codes ``[..., batch, latents]``; any number of leading sample axes.
          x: examples ``[batch, *example_shape]``, floats.
          observed: which values are summed over, shape of ``x``; all, if not given.

        Raises:
          TypeError: if ``x`` are whole numbers; a model's own methods know what they stand for.
        """
        if jnp.issubdtype(x.dtype, jnp.integer):
            raise TypeError(f"x: expected floats (pixels from 0 to 255 are divided by 255), got {x.dtype}")
        output = self.trunk(z.reshape(-1, z.shape[-1])).reshape(*z.shape[:-1], self.pixels)
        x = jnp.broadcast_to(self.scaled(x).reshape(x.shape[0], self.pixels), output.shape)
        nats = self.log_prob(output, x)
        if observed is not None:
            nats = jnp.where(jnp.broadcast_to(observed.reshape(-1, self.pixels), nats.shape), nats, 0)
        return jnp.sum(nats, axis=-1)
