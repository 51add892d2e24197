"""The spike-and-slab as a numpyro distribution, for probabilistic programs. Needs the extra ``numpyro``."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray
from numpyro.distributions import Distribution, constraints
from numpyro.distributions.kl import kl_divergence
from numpyro.distributions.transforms import biject_to
from numpyro.distributions.util import promote_shapes, validate_sample

from vsc_jax import spike_slab
from vsc_jax.config.choices import Gate
from vsc_jax.losses import spike_slab_kl
from vsc_jax.losses._arrays import float_arrays

_PARAMETERS = ("loc", "log_var", "gate_logit")


class _RealWithMassAtZero(type(constraints.real)):  # type: ignore[misc]
    """The reals, of which 0 has a probability of its own."""


@biject_to.register(_RealWithMassAtZero)
def _no_density(constraint: Any) -> Any:
    raise ValueError(
        "SpikeSlab: 0 has a probability of its own, which HMC and NUTS would never draw; take SVI, with a"
        " SpikeSlab as the guide"
    )


class SpikeSlab(Distribution):
    """Independent variables ``gamma N(loc, exp(log_var)) + (1 - gamma) delta_0``.

    ``SpikeSlab(*q)`` takes the library's own :class:`vsc_jax.spike_slab.SpikeSlab`. In a guide take relaxed
    gates and ``numpyro.infer.TraceMeanField_ELBO``, which uses the closed divergence: a relaxed sample is
    never exactly 0, so that its ``log_prob`` would be that of a slab. With the hard gates of ``bernoulli``
    the ``log_prob`` of a sample is right, and the gates have no gradient through it.

    HMC and NUTS refuse it as a latent: they know densities alone, and would draw from the slab.

    Tonolini, Jensen and Murray-Smith, *Variational Sparse Coding*, UAI 2019.

    Args:
      loc: slab means.
      log_var: logarithms of the slab variances.
      gate_logit: logits of gamma; the three are broadcast together to the batch shape.
      gate: how samples draw their gates, with relaxed ones of slope ``sharpness``
        (:func:`vsc_jax.spike_slab.sample_gate`).
    """

    arg_constraints: ClassVar[dict[str, Any]] = dict.fromkeys(_PARAMETERS, constraints.real)
    support = _RealWithMassAtZero()
    reparametrized_params: ClassVar[list[str]] = list(_PARAMETERS)
    pytree_data_fields = (*_PARAMETERS, "sharpness")
    pytree_aux_fields = ("gate",)

    def __init__(
        self,
        loc: ArrayLike = 0.0,
        log_var: ArrayLike = 0.0,
        gate_logit: ArrayLike = 0.0,
        *,
        gate: Gate = "bernoulli",
        sharpness: ArrayLike = 1.0,
        validate_args: bool | None = None,
    ):
        self.loc, self.log_var, self.gate_logit = promote_shapes(loc, log_var, gate_logit)
        self.gate, self.sharpness = gate, sharpness
        shape = jnp.broadcast_shapes(*(jnp.shape(given) for given in (loc, log_var, gate_logit)))
        super().__init__(batch_shape=shape, validate_args=validate_args)

    @property
    def fields(self) -> spike_slab.SpikeSlab:
        """The same distribution as the library's own, fields of the batch shape."""
        given = float_arrays(self.loc, self.log_var, self.gate_logit)
        return spike_slab.SpikeSlab(*(jnp.broadcast_to(field, self.batch_shape) for field in given))

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Draws ``[*sample_shape, *batch_shape]``; what is off is exactly 0 where gates are hard."""
        return self.fields.sample(key, gate=self.gate, sharpness=self.sharpness, sample_shape=sample_shape)

    @validate_sample
    def log_prob(self, value: ArrayLike) -> Float[Array, "..."]:
        """Log-density with respect to a unit mass at 0 and Lebesgue measure elsewhere, in nats."""
        return self.fields.log_prob(value)

    @property
    def mean(self) -> Float[Array, "..."]:
        """``gamma loc``."""
        q = self.fields
        return q.gamma * q.mean

    @property
    def variance(self) -> Float[Array, "..."]:
        """``gamma (exp(log_var) + loc ** 2) - (gamma loc) ** 2``."""
        q = self.fields
        return q.gamma * (jnp.exp(q.log_var) + jnp.square(q.mean)) - jnp.square(self.mean)


@kl_divergence.register(SpikeSlab, SpikeSlab)
def spike_slab_divergence(p: SpikeSlab, q: SpikeSlab) -> Float[Array, "..."]:
    """``KL(p || q)`` of each variable, in nats: what ``numpyro.distributions.kl_divergence`` calls."""
    shape = jnp.broadcast_shapes(p.batch_shape, q.batch_shape)
    first, second = (
        spike_slab.SpikeSlab(*(jnp.broadcast_to(field, shape) for field in d.fields)) for d in (p, q)
    )
    return spike_slab_kl(first, second)
