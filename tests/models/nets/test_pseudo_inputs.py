"""Pseudo-inputs start at the data, stay in their range and can be learned."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from vsc_jax.models.nets import Classifier, PseudoInputs
from vsc_jax.models.nets.decoder import REAL


def test_bounded_ones_start_at_the_data_but_a_little_inside():
    initial = jnp.array([[0.0, 0.01, 0.3], [0.5, 0.99, 1.0]])
    np.testing.assert_allclose(
        PseudoInputs(initial, support=(0.0, 1.0))(), [[0.02, 0.02, 0.3], [0.5, 0.98, 0.98]], atol=1e-6
    )


def test_bounded_ones_stay_in_range_wherever_the_parameters_go():
    module = PseudoInputs(jnp.full((2, 3), 0.5), support=(0.0, 1.0))
    module.raw[...] = jnp.array([[-1e4, -3.0, 0.0], [3.0, 50.0, 1e4]])
    values = module()
    assert float(values.min()) >= 0
    assert float(values.max()) <= 1


def test_free_ones_are_the_data_themselves():
    initial = jnp.array([[-3.0, 0.0], [20.0, 1.0]])
    np.testing.assert_array_equal(PseudoInputs(initial, support=REAL)(), initial)


def test_gradient_reaches_every_pixel_also_where_the_data_are_black_or_white():
    graph, params = nnx.split(PseudoInputs(jnp.array([[0.0, 0.5, 1.0]]), support=(0.0, 1.0)))
    gradient = jax.grad(lambda params: jnp.sum(nnx.merge(graph, params)()))(params)
    np.testing.assert_allclose(gradient["raw"][...], [[0.0196, 0.25, 0.0196]], rtol=1e-4)


def test_classifier_gives_one_logit_a_component():
    module = Classifier(12, 5, rngs=nnx.Rngs(0))
    logits = module(jax.random.normal(jax.random.key(0), (3, 4, 3)))
    assert logits.shape == (3, 5)
    assert float(jnp.std(logits)) > 0.1


def test_counts_start_near_the_data_and_stay_positive():
    module = PseudoInputs(jnp.array([[0.0, 1.0, 20.0]]), support=(0.0, float("inf")))
    np.testing.assert_allclose(module(), [[0.1, 1, 20]], rtol=1e-5)
    module.raw[...] = jnp.full((1, 3), -50.0)
    assert (module() > 0).all()
