"""Spike-and-slabs to test with."""

import jax
import jax.numpy as jnp
import numpy as np

from vsc_jax.spike_slab import SpikeSlab


def random_spike_slab(seed, shape):
    rng = np.random.default_rng(seed)
    fields = rng.normal(0, 1, shape), rng.normal(-0.5, 0.7, shape), rng.normal(0, 1.5, shape)
    return SpikeSlab(*fields)


def gradients(f, *args):
    """Of the sum of what a function gives, by each argument."""

    def total(*args):
        return jnp.sum(f(*args).astype(jnp.float32))

    return jax.jit(jax.grad(total, argnums=tuple(range(len(args)))))(*args)
