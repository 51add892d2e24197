"""The spike-and-slab inside numpyro: samples, densities, the registered divergence, and inference with it."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import optax
import pytest
from numpyro.infer import MCMC, NUTS, SVI, TraceMeanField_ELBO

from vsc_jax import spike_slab
from vsc_jax.contrib.numpyro import SpikeSlab
from vsc_jax.losses import spike_slab_kl

P = spike_slab.SpikeSlab(*(jnp.asarray(v) for v in ([0.0, -1.0], [0.0, 0.7], [-1.0, 2.0])))
Q = spike_slab.SpikeSlab(*(jnp.asarray(v) for v in ([1.0, 0.5], [-1.0, 0.2], [0.3, -0.4])))


@pytest.fixture(autouse=True)
def _numpyros_own_promotion() -> Iterator[None]:
    """numpyro promotes ranks and dtypes as NumPy does."""
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


def test_samples_are_zero_or_slab_with_the_moments_that_it_says():
    z = np.asarray(SpikeSlab(*Q).sample(jax.random.key(0), (200_000,)))
    np.testing.assert_allclose((z != 0).mean(0), Q.gamma, atol=0.005)
    np.testing.assert_allclose(z.mean(0), SpikeSlab(*Q).mean, atol=0.01)
    np.testing.assert_allclose(z.var(0), SpikeSlab(*Q).variance, atol=0.01)


def test_the_density_is_that_of_the_mixed_measure_and_parameters_broadcast():
    wide = SpikeSlab(Q.mean[:, None], 0.0, jnp.zeros(3), validate_args=True)
    assert wide.batch_shape == (2, 3)
    assert wide.sample(jax.random.key(0), (5,)).shape == (5, 2, 3)
    z = jnp.array([[0.0, 1.5], [2.0, 0.0]])
    np.testing.assert_allclose(SpikeSlab(*Q).log_prob(z), Q.log_prob(z))
    np.testing.assert_allclose(SpikeSlab(*Q).to_event(1).log_prob(z), Q.log_prob(z).sum(-1), rtol=1e-6)
    np.testing.assert_array_equal(wide.support(jnp.array([0.0, -1.5, jnp.nan])), [True, True, False])


def test_the_registered_divergence_is_the_mean_log_ratio_of_samples():
    q, p = SpikeSlab(*Q), SpikeSlab(*P)
    kl = dist.kl_divergence(q, p)
    np.testing.assert_allclose(kl, spike_slab_kl(Q, P), rtol=1e-6)
    z = q.sample(jax.random.key(1), (200_000,))
    np.testing.assert_allclose((q.log_prob(z) - p.log_prob(z)).mean(0), kl, atol=0.02)
    np.testing.assert_allclose(dist.kl_divergence(q.to_event(1), p.to_event(1)), kl.sum(), rtol=1e-6)
    np.testing.assert_allclose(dist.kl_divergence(q, SpikeSlab(gate_logit=-1.0))[0], kl[0], rtol=1e-6)


def test_inference_finds_the_posterior_that_is_known_in_closed_form():
    """z spike-and-slab, x = z + noise: the posterior is spike-and-slab again."""
    x, rate, variance = jnp.array([0.02, 0.9, -2.5]), 0.3, 0.1
    prior_logit = float(np.log(rate / (1 - rate)))
    there, not_there = (dist.Normal(0, np.sqrt(v)).log_prob(x) for v in (1 + variance, variance))
    log_odds = there - not_there

    def model():
        z = numpyro.sample("z", SpikeSlab(jnp.zeros(3), 0.0, prior_logit).to_event(1))
        numpyro.sample("x", dist.Normal(z, np.sqrt(variance)).to_event(1), obs=x)

    def guide():
        fields = (numpyro.param(name, jnp.zeros(3)) for name in ("loc", "log_var", "gate_logit"))
        numpyro.sample("z", SpikeSlab(*fields, gate="concrete", sharpness=8.0).to_event(1))

    svi = SVI(model, guide, optax.adam(0.02), TraceMeanField_ELBO(num_particles=32))
    found = svi.run(jax.random.key(0), 600, progress_bar=False).params
    gamma = jax.nn.sigmoid(found["gate_logit"])
    np.testing.assert_allclose(gamma, jax.nn.sigmoid(prior_logit + log_odds), atol=0.08)
    on = gamma > 0.5
    np.testing.assert_allclose(found["loc"][on], (x / (1 + variance))[on], atol=0.08)
    np.testing.assert_allclose(jnp.exp(found["log_var"])[on], variance / (1 + variance), atol=0.03)


@pytest.mark.parametrize("independent", [False, True])
def test_nuts_refuses_it_as_a_latent(independent):
    def model():
        slab = SpikeSlab(jnp.zeros(3), 0.0, -2.0)
        numpyro.sample("z", slab.to_event(1) if independent else slab)

    sampler = MCMC(NUTS(model), num_warmup=2, num_samples=2, progress_bar=False)
    with pytest.raises(ValueError, match=r"^SpikeSlab: 0 has a probability of its own, which HMC and NUTS"):
        sampler.run(jax.random.key(0))
