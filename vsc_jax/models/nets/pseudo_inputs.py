"""Pseudo-inputs of the prior, or components of its own, and the classifier that selects among them.

Tonolini, Jensen and Murray-Smith, *Variational Sparse Coding*, UAI 2019, after the
VampPrior of Tomczak and Welling, AISTATS 2018.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vsc_jax.models.nets.networks import MLP
from vsc_jax.models.objective import PACE, bounded_log_var
from vsc_jax.models.scaling import Scaling
from vsc_jax.spike_slab import Code

_MARGIN = 0.02
_NO_COUNT = 0.1  # what stands for 0, which an exponential never is
CLASSIFIER_WIDTH = 256


class PseudoInputs(nnx.Module):
    """U learned examples ``[U, *example_shape]`` in the range of the data.

    Data in [0, 1] are kept inside by a sigmoid, counts by an exponential; others are free. Where the model
    scales its data, that is said of scaled data, and what is learned is scaled too.

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
        self.support = support
        self.scaling = scaling
        initial = initial if scaling is None else scaling.apply(initial)
        self.raw = nnx.Param(_free(initial, support))

    def __call__(self) -> Float[Array, "components ..."]:
        """The pseudo-inputs as examples."""
        raw = self.raw[...]
        if self.support == (0, 1):
            raw = jax.nn.sigmoid(raw)
        elif self.support[0] == 0:
            raw = jnp.exp(raw)
        return raw if self.scaling is None else self.scaling.undo(raw)


class Components(nnx.Module):
    """Components of the prior that are learned themselves: codes of training examples, and offsets from them.

    The encoder sees nothing here that no example is. Of pseudo-inputs it may learn signs by which it knows
    them, as a background that is not quite black.

    Args:
      examples: where they start, ``[U, *example_shape]``; they stay what they are.
      latents: number of latents J.
    """

    def __init__(self, examples: Float[Array, "components ..."], latents: int):
        self.raw = nnx.Param(examples)  # no gradient reaches it
        self.offsets = nnx.Param(jnp.zeros((3, len(examples), latents), jnp.float32))

    def __call__(self) -> Float[Array, "components ..."]:
        """The examples from whose codes the components are learned."""
        return jax.lax.stop_gradient(self.raw[...])

    def moved(self, codes: Code) -> Code:
        """The components, given the codes of the examples."""
        mean, log_var, gate_logit = PACE * self.offsets[...]
        return codes._replace(
            mean=codes.mean + mean,
            log_var=bounded_log_var(codes.log_var + log_var),
            gate_logit=codes.gate_logit + gate_logit,
        )


def _free(x: Float[Array, "components ..."], support: tuple[float, float]) -> Float[Array, "components ..."]:
    if support == (0, 1):
        return _logit(x)
    return jnp.log(jnp.maximum(x, _NO_COUNT)) if support[0] == 0 else x


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
