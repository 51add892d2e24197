"""The spike-and-slab distribution as a pytree: sampling, log-density and warm-up.

One latent is a mixture of a slab, Gaussian or Laplace, and a point mass at zero,
``gamma N(mean, exp(log_var)) + (1 - gamma) delta_0`` (Tonolini, Jensen and Murray-Smith,
*Variational Sparse Coding*, UAI 2019). The gate probability is kept as its logit,
``gamma = sigmoid(gate_logit)``, because ``log(gamma)`` and ``log(1 - gamma)`` computed through
``gamma`` lose all precision, and then become NaN, once ``|gate_logit|`` exceeds about 20 in float32.
"""

import math
from typing import Any, NamedTuple, TypeVar

import chex
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from vsc_jax.config.choices import Gate


class SpikeSlab(NamedTuple):
    """Independent spike-and-slab variables, one per entry of the last axis.

    The fields share one shape and one floating dtype. The tuple is a pytree, so index or reshape it
    with ``jax.tree.map(lambda a: a[:, None], q)``; ``q[0]`` is the mean, as in any tuple.

    Attributes:
      mean: slab means, ``[..., latents]``.
      log_var: logarithms of the slab variances, ``[..., latents]``.
      gate_logit: logits of the slab probabilities gamma, ``[..., latents]``.
    """

    mean: Float[Array, "*shape"]
    log_var: Float[Array, "*shape"]
    gate_logit: Float[Array, "*shape"]

    @property
    def gamma(self) -> Float[Array, "*shape"]:
        """Probability that each latent is on, ``[..., latents]``."""
        return jax.nn.sigmoid(self.gate_logit)

    @property
    def std(self) -> Float[Array, "*shape"]:
        """Standard deviation of each slab, ``[..., latents]``."""
        return jnp.exp(0.5 * self.log_var)

    def sample(
        self,
        key: PRNGKeyArray,
        *,
        gate: Gate = "bernoulli",
        sharpness: ArrayLike = 1.0,
        sample_shape: tuple[int, ...] = (),
    ) -> Float[Array, "..."]:
        """Method form of :func:`sample`."""
        return sample(self, key, gate=gate, sharpness=sharpness, sample_shape=sample_shape)

    def log_prob(self, z: ArrayLike) -> Float[Array, "..."]:
        """Method form of :func:`log_prob`."""
        return log_prob(self, z)

    def warm_up(self, lam: ArrayLike) -> "SpikeSlab":
        """Method form of :func:`warm_up`."""
        return warm_up(self, lam)

    def sample_slab(self, key: PRNGKeyArray) -> Float[Array, "*shape"]:
        """Draws of the slabs alone, ``[..., latents]``."""
        return self.mean + self.std * self.noise(key, self.mean.shape, self.mean.dtype)

    @staticmethod
    def noise(key: PRNGKeyArray, shape: tuple[int, ...], dtype: jnp.dtype) -> Float[Array, "..."]:
        """Draws of a slab of mean 0 and variance 1."""
        return jax.random.normal(key, shape, _wide_dtype(dtype)).astype(dtype)

    @staticmethod
    def log_density(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Log-density of a slab of mean 0 and variance 1."""
        return -0.5 * (jnp.square(z) + math.log(2 * math.pi))


class SpikeLaplace(SpikeSlab):
    """A :class:`SpikeSlab` whose slabs are Laplace distributions of these means and variances.

    The scale is ``exp(log_var / 2) / sqrt(2)``; tails are heavier than a Gaussian's, and values near the mean
    more frequent.
    """

    __slots__ = ()

    @staticmethod
    def noise(key: PRNGKeyArray, shape: tuple[int, ...], dtype: jnp.dtype) -> Float[Array, "..."]:
        """Draws of a slab of mean 0 and variance 1."""
        return (jax.random.laplace(key, shape, _wide_dtype(dtype)) * math.sqrt(0.5)).astype(dtype)

    @staticmethod
    def log_density(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Log-density of a slab of mean 0 and variance 1."""
        return -0.5 * math.log(2) - math.sqrt(2) * jnp.abs(z)


Code = TypeVar("Code", bound=Any)  # a SpikeSlab, a SpikeLaplace or a SoftThreshold


def validated(q: Code) -> Code:
    """The same distribution with JAX arrays for fields, all of the dtype of the first.

    Raises:
      AssertionError: if the fields differ in shape, or the first is not floating-point.
    """
    first = jnp.asarray(q[0])
    chex.assert_type(first, float)
    fields: Code = type(q)(first, *(jnp.asarray(field, first.dtype) for field in q[1:]))
    chex.assert_equal_shape(fields)
    return fields


def sample(
    q: SpikeSlab,
    key: PRNGKeyArray,
    *,
    gate: Gate = "bernoulli",
    sharpness: ArrayLike = 1.0,
    sample_shape: tuple[int, ...] = (),
) -> Float[Array, "..."]:
    """Draw ``z = gate * slab``, differentiable in the slab and, but for ``bernoulli``, in the gate.

    Args:
      q: the distribution, fields ``[..., latents]``.
      key: a JAX random key.
      gate: how the gate is drawn, see :func:`sample_gate`.
      sharpness: slope of the relaxed gates, see :func:`sample_gate`.
      sample_shape: leading axes of independent draws.

    Returns:
      Samples ``[*sample_shape, ..., latents]`` of the dtype of ``q.mean``; with ``bernoulli`` and
      ``straight_through`` the latents that are off are exactly 0.

    Raises:
      AssertionError: if the fields of ``q`` differ in shape.
      ValueError: if ``gate`` is not one of the four names.
    """
    q = validated(q)
    slab_key, gate_key = jax.random.split(key)
    shape = (*sample_shape, *q.mean.shape)
    mean, std, gate_logit = (jnp.broadcast_to(field, shape) for field in (q.mean, q.std, q.gate_logit))
    noise = q.noise(slab_key, shape, mean.dtype)
    return sample_gate(gate_logit, gate_key, gate=gate, sharpness=sharpness) * (mean + std * noise)


def sample_gate(
    gate_logit: Float[ArrayLike, "*shape"],
    key: PRNGKeyArray,
    *,
    gate: Gate = "bernoulli",
    sharpness: ArrayLike = 1.0,
) -> Float[Array, "*shape"]:
    """Draw gates in [0, 1] with ``P(gate > 1/2) = gamma``, by one of four estimators.

    With ``eta`` uniform on (0, 1) and ``c = sharpness``:

    * ``sigmoid``: ``S(c (eta - 1 + gamma))``, the paper's relaxation (the
      authors anneal c upwards);
    * ``concrete``: ``S(c (gate_logit + logit(eta)))``, the binary Concrete distribution at
      temperature 1/c (Maddison, Mnih and Teh, ICLR 2017; Jang, Gu and Poole, ICLR 2017);
    * ``straight_through``: hard gates forward, the ``concrete`` gradient backward (Bengio, Leonard
      and Courville, 2013);
    * ``bernoulli``: hard gates without a gradient; right for evaluation, and in training the reason
      why an encoder's gates never learn.

    The four share their uniform draw: for one key they agree about which gates are above one half.

    Args:
      gate_logit: logits of gamma, any shape.
      key: a JAX random key.
      gate: the estimator.
      sharpness: positive slope c, scalar; ignored by ``bernoulli``.

    Returns:
      Gates of the shape and dtype of ``gate_logit``.

    Raises:
      ValueError: if ``gate`` is not one of the four names.
    """
    gate_logit = jnp.asarray(gate_logit)
    noise_dtype = _wide_dtype(gate_logit.dtype)
    logit = gate_logit.astype(noise_dtype)
    logistic = jax.random.logistic(key, logit.shape, noise_dtype)  # logit(eta)
    slope = jnp.asarray(sharpness, noise_dtype)
    hard = (logit + logistic > 0).astype(gate_logit.dtype)
    if gate == "bernoulli":
        return hard
    if gate == "sigmoid":
        soft = jax.nn.sigmoid(slope * (jax.nn.sigmoid(logistic) - jax.nn.sigmoid(-logit)))
        return soft.astype(gate_logit.dtype)
    soft = jax.nn.sigmoid(slope * (logit + logistic)).astype(gate_logit.dtype)
    if gate == "concrete":
        return soft
    if gate == "straight_through":
        return hard + (soft - jax.lax.stop_gradient(soft))
    raise ValueError(f"gate: expected sigmoid, concrete, straight_through or bernoulli, not {gate!r}")


def _wide_dtype(dtype: jnp.dtype) -> jnp.dtype:
    # In bfloat16 a uniform takes 128 values: no gate rarer than 1/128 would ever be drawn as on.
    return dtype if jnp.finfo(dtype).bits >= 32 else jnp.dtype(jnp.float32)


def is_on(z: Float[Array, "*shape"]) -> Bool[Array, "*shape"]:
    """Which latents of a hard sample are on: those that are not exactly zero."""
    return z != 0


def log_prob(q: SpikeSlab, z: ArrayLike) -> Float[Array, "..."]:
    """Log-density of each latent with respect to the mixed measure, in nats.

    The dominating measure is a unit mass at 0 plus Lebesgue measure elsewhere, so the density is
    ``1 - gamma`` at ``z == 0`` and gamma times the slab's where ``z != 0``. It sums and
    integrates to one, and it lets a sparse model and a Gaussian one be compared in the same nats.

    Args:
      q: the distribution, fields ``[..., latents]``.
      z: values, broadcastable against ``[..., latents]`` and of any rank (samples ``[samples, ...,
        latents]`` of :func:`sample`, say); exact zeros mean *off*.

    Returns:
      Elementwise log-density of the broadcast shape, not summed over latents.

    Raises:
      AssertionError: if the fields of ``q`` differ in shape.
    """
    q = validated(q)
    z = jnp.asarray(z, q.mean.dtype)
    shape = jnp.broadcast_shapes(z.shape, q.mean.shape)
    z, mean, log_var, gate_logit = (jnp.broadcast_to(a, shape) for a in (z, *q))
    on = is_on(z)
    # Where the latent is off the slab is evaluated at its mean, so that its gradient stays finite.
    standardized = jnp.where(on, z - mean, 0) * jnp.exp(-0.5 * log_var)
    slab = q.log_density(standardized) - 0.5 * log_var
    return jnp.where(on, jax.nn.log_sigmoid(gate_logit) + slab, jax.nn.log_sigmoid(-gate_logit))


def warm_up(q: SpikeSlab, lam: ArrayLike) -> SpikeSlab:
    """The warmed-up posterior: slabs of mean ``lam mean`` and variance ``lam var + 1 - lam``, gates kept.

    At ``lam = 0`` every slab is the standard one and only the pattern of the gates carries
    information; at ``lam = 1`` the distribution is ``q`` itself (the paper's warm-up). ``lam``
    is meant to grow with the *iteration* count, and evaluation is always at 1.

    Args:
      q: the distribution, fields ``[..., latents]``.
      lam: warm-up coefficient in [0, 1], scalar or broadcastable.

    Returns:
      A distribution of the shape and dtype of ``q``.

    Raises:
      AssertionError: if the fields of ``q`` differ in shape.
    """
    q = validated(q)
    lam = jnp.asarray(lam, q.mean.dtype)
    # log(lam var + 1 - lam). At its ends lam or 1 - lam has no logarithm, and lam = 1 gives log_var to the
    # last bit: there it is the tangent, cut off long before the exponential overflows.
    limits = jnp.finfo(lam.dtype)
    cap = math.log(float(limits.max)) / 2
    inside = (lam >= limits.tiny) & (lam < 1)
    between = jnp.where(inside, lam, 0.5)
    mixed = jnp.logaddexp(jnp.log(between) + q.log_var, jnp.log1p(-between))
    at_zero = lam * jnp.expm1(jnp.minimum(q.log_var, cap))
    at_one = q.log_var + (1 - lam) * jnp.expm1(jnp.minimum(-q.log_var, cap))
    log_var = jnp.where(inside, mixed, jnp.where(lam < 1, at_zero, at_one))
    return q._replace(mean=lam * q.mean, log_var=log_var)


def blend_gates(p: SpikeSlab, epsilon: ArrayLike, rate: ArrayLike) -> SpikeSlab:
    """Mix the gates of ``p`` with a constant: ``gamma <- (1 - epsilon) gamma + epsilon rate``.

    With ``epsilon = 1`` the gates of a pseudo-input prior are ignored and every latent costs what it
    would under a fixed prior of that rate; with ``epsilon = 0`` nothing changes. Annealing from
    1 to 0 lets the code become sparse image by image before the pseudo-inputs learn its patterns.

    Args:
      p: the distribution, fields ``[..., latents]``.
      epsilon: blending weight in [0, 1], scalar: the value of a schedule, so no gradient flows to it
        (the true one is unbounded where a gate is saturated).
      rate: the constant gate probability in (0, 1), scalar.

    Returns:
      ``p`` with new gate logits.

    Raises:
      AssertionError: if the fields of ``p`` differ in shape.
    """
    p = validated(p)
    dtype = p.gate_logit.dtype
    epsilon, rate = jax.lax.stop_gradient(jnp.asarray(epsilon, dtype)), jnp.asarray(rate, dtype)
    log_keep, log_blend = jnp.log1p(-epsilon), jnp.log(epsilon)
    log_on = jnp.logaddexp(log_keep + jax.nn.log_sigmoid(p.gate_logit), log_blend + jnp.log(rate))
    log_off = jnp.logaddexp(log_keep + jax.nn.log_sigmoid(-p.gate_logit), log_blend + jnp.log1p(-rate))
    return p._replace(gate_logit=log_on - log_off)


def log_prob_matrix(p: Code, z: ArrayLike) -> Float[Array, "n components"]:
    """Log-density of every code under every component, summed over latents, in nats.

    The same number as ``log_prob`` summed over the last axis up to rounding. With Gaussian slabs all pairs
    come from one matrix product; see :func:`expected_log_prob_matrix` for the rounding. Lower precisions are
    computed in float32.

    Args:
      p: mixture components, fields ``[components, latents]``.
      z: codes ``[n, latents]``; exact zeros mean *off*.

    Returns:
      ``[n, components]``, of the dtype of ``p``.

    Raises:
      AssertionError: if the fields of ``p`` differ in shape or are not matrices, or ``z`` is not a matrix
        with as many latents.
    """
    p, z = validated(p), jnp.asarray(z)
    chex.assert_rank([p.mean, z], 2)
    chex.assert_equal_shape_suffix([p.mean, z], 1)
    dtype = p.mean.dtype
    if type(p) is not SpikeSlab:  # no sum of products
        of_pairs: Array = jax.tree.map(lambda field: field[None], p).log_prob(z[:, None])
        return jnp.sum(of_pairs, axis=-1)
    p, z = jax.tree.map(widened, p), widened(z.astype(dtype))
    on = is_on(z).astype(z.dtype)
    constant = -0.5 * math.log(2 * math.pi) * jnp.sum(on, axis=-1, keepdims=True)
    return (expected_log_prob_matrix(p, on, 1 - on, z, jnp.zeros_like(z)) + constant).astype(dtype)


def expected_log_prob_matrix(
    p: SpikeSlab,
    on: Float[Array, "n latents"],
    off: Float[Array, "n latents"],
    mean: Float[Array, "n latents"],
    var: Float[Array, "n latents"],
) -> Float[Array, "n components"]:
    """Expected log-density of every row under every component, summed over latents, in nats.

    A row says of each latent how probably it is on and off, and the mean and variance that it has when
    it is on. ``log(2 pi) / 2`` for every latent that is on is left out. The expectation is bilinear in
    features of the row and of the component, so that all pairs come from one matrix product. It rounds
    relative to the *largest* terms, ``mean ** 2 / variance`` of the components: about 1e-3 nats in
    float32 where slabs are a tenth as wide as their means are spread.

    Args:
      p: mixture components, fields ``[components, latents]``, in float32 or wider.
      on: probability that a latent is on.
      off: probability that it is off.
      mean: its mean when on.
      var: its variance when on.
    """
    precision = jnp.exp(-p.log_var)
    # No pair depends on the origin of z; one close to the narrowest components rounds least.
    origin = jnp.sum(precision * p.mean, axis=0, keepdims=True) / jnp.sum(precision, axis=0, keepdims=True)
    origin = jax.lax.stop_gradient(origin)
    mean, p_mean = mean - origin, p.mean - origin
    rows = [on * (var + jnp.square(mean)), on * mean, on, off]
    columns = [
        -0.5 * precision,
        p_mean * precision,
        jax.nn.log_sigmoid(p.gate_logit) - 0.5 * (p.log_var + jnp.square(p_mean) * precision),
        jax.nn.log_sigmoid(-p.gate_logit),
    ]
    return jnp.matmul(
        _side_by_side(rows),
        _side_by_side(columns).T,
        precision=jax.lax.Precision.HIGHEST,  # accelerators would round the inputs to 8 or 10 bits
    )


def _side_by_side(features: list[Float[Array, "n latents"]]) -> Float[Array, "n features"]:
    # Not concatenated: XLA takes a product with concatenated constants apart, and on a CPU multiplies wrongly
    # by those that are one number throughout (docs/mathematics.md, "A product with constants").
    return jnp.stack(features, axis=1).reshape(len(features[0]), -1)


def widened(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The array in float32 where its own precision is lower."""
    return x.astype(_wide_dtype(x.dtype))


def sample_given_support(
    p: Code, on: Bool[ArrayLike, "n latents"], key: PRNGKeyArray, samples: int
) -> Float[Array, "n samples latents"]:
    """Draw codes from an equal mixture given which latents are on.

    Given the support, component u has probability proportional to its probability of that support; each
    latent that is on is then drawn from the component's slab (conditional sampling: Tonolini, Jensen and
    Murray-Smith, *Variational Sparse Coding*, UAI 2019).

    Args:
      p: mixture components, fields ``[components, latents]``.
      on: which latents are on, booleans ``[n, latents]``.
      key: a JAX random key.
      samples: draws for each support.

    Returns:
      Codes ``[n, samples, latents]``, exactly 0 where the support is off.
    """
    p, on = validated(p), jnp.asarray(on, bool)
    component_key, slab_key = jax.random.split(key)
    open_, closed = jax.nn.log_sigmoid(p.gate_logit), jax.nn.log_sigmoid(-p.gate_logit)
    log_weights = jnp.sum(jnp.where(on[:, None], open_, closed), axis=-1)
    chosen = jax.random.categorical(component_key, log_weights, shape=(samples, len(on))).T
    return jnp.where(on[:, None], jax.tree.map(lambda field: field[chosen], p).sample_slab(slab_key), 0)
