"""Pseudo-inputs of the prior and the classifier that selects among them.

Tonolini, Jensen and Murray-Smith, *Variational Sparse Coding*, UAI 2019, after the
VampPrior of Tomczak and Welling, AISTATS 2018.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vsc_jax.models.nets.networks import MLP
from vsc_jax.models.scaling import Scaling

_MARGIN = 0.02
CLASSIFIER_WIDTH = 256


class PseudoInputs(nnx.Module):
    """U learned examples ``[U, *example_shape]`` in the range of the data.

    Data in [0, 1] are kept inside by a sigmoid; others are free. Where the model scales its data, that is
    said of scaled data, and what is learned is scaled too.

    Args:
      initial: where they start, ``[U, *example_shape]``; training examples, as a rule.
      support: the least and the largest value of the data.
      scaling: how the model sees its data; None as they are.
    """

    def __init__(
        self,
        initial: Float[Array, "components ..."],
        *,
        support: tuple[float, float],
        scaling: Scaling | None = None,
    ):
        self.bounded = support == (0, 1)
        self.scaling = scaling
        initial = initial if scaling is None else scaling.apply(initial)
        self.raw = nnx.Param(_logit(initial) if self.bounded else initial)

    def __call__(self) -> Float[Array, "components ..."]:
        """The pseudo-inputs as examples."""
        raw = self.raw[...]
        inside = jax.nn.sigmoid(raw) if self.bounded else raw
        return inside if self.scaling is None else self.scaling.undo(inside)


@jax.jit
def _logit(x: Float[Array, "components ..."]) -> Float[Array, "components ..."]:
    # Black and white pixels start a little inside: at 0 and 1 a sigmoid has no gradient.
    inside = jnp.clip(x, _MARGIN, 1 - _MARGIN)
    return jnp.log(inside) - jnp.log1p(-inside)


class Classifier(nnx.Module):
    """C_omega(x): logits over the pseudo-inputs, ``[n, ...] -> [n, components]``."""

    def __init__(self, inputs: int, components: int, *, rngs: nnx.Rngs):
        self.network = MLP(inputs, (CLASSIFIER_WIDTH, components), rngs=rngs)

    def __call__(self, x: Float[Array, "n ..."]) -> Float[Array, "n components"]:
        """Logits of the components for each example."""
        return self.network(x)
