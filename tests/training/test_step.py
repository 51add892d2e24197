"""One iteration, and a compiled chunk of them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from vsc_jax.training import hyperparameters, initial_model, initial_state, keys_of, run_chunk, train_step
from vsc_jax.training.batches import DeviceData, batches
from vsc_jax.training.step import NORMS, statics

step_once = partial(jax.jit, static_argnums=0)(train_step)


def start(config, dataset):
    graph, params = nnx.split(initial_model(config, dataset))
    return graph, initial_state(params)


def run(config, dataset, lengths):
    """The state after chunks of these lengths, and the metrics and schedules of each."""
    graph, state = start(config, dataset)
    hyper, keys, x = hyperparameters(config), keys_of(config.seed), jnp.asarray(dataset.train.x)
    batch_size, logged = config.train.batch_size, []
    for length in lengths:
        order = np.zeros((5, batch_size), np.int32)
        order[:length] = batches(config.seed, int(state.step), length, batch_size=batch_size, examples=50)
        data, before = DeviceData(x, jnp.asarray(order)), state
        state, *rows = run_chunk(graph, hyper, state, keys, data, jnp.int32(length), **statics(config))
        assert all(leaf.is_deleted() for leaf in jax.tree.leaves(before.params))  # donated
        logged.append(rows)
    return state, logged


def assert_identical(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.parametrize("kind", ["ae", "vae", "vsc"])
def test_a_chunk_is_the_same_as_its_iterations_one_by_one(kind, tiny, dataset):
    config = tiny(kind)
    together, [(means, schedule)] = run(config, dataset, [5])
    one_by_one, rows = run(config, dataset, [1] * 5)
    assert int(together.step) == 5
    assert_identical(together, one_by_one)
    for name, mean in means.items():
        values = [float(row[name]) for row, _ in rows]
        assert float(mean) == pytest.approx(values[-1] if name in NORMS else np.mean(values), rel=1e-5)
    assert all(means[name] > 0 for name in NORMS)
    assert_identical(schedule, rows[-1][1])


def test_chunks_of_every_length_and_runs_that_differ_in_traced_numbers_are_one_program(tiny, dataset):
    run(tiny(), dataset, [5])
    compiled = run_chunk._cache_size()
    state, _ = run(tiny(), dataset, [5, 5, 3])
    assert int(state.step) == 13
    run(tiny(seed=1, model={"beta": 3.0}, train={"learning_rate": 0.1}), dataset, [1])
    assert run_chunk._cache_size() == compiled


def test_an_iteration_is_optax_adam_at_the_scheduled_rate(tiny, dataset):
    config = tiny("vae", train={"steps": 4})
    hyper = hyperparameters(config)
    graph, state = start(config, dataset)
    reference = state.params
    adam = optax.adam(lambda count: hyper.learning_rate_at(count))
    moments = adam.init(reference)
    x = jnp.asarray(dataset.train.x[:16].astype(np.float32) / 255)

    @jax.jit
    def by_optax(params, moments, key, step):
        coefficients = hyper.coefficients_at(step)
        gradient = jax.grad(lambda params: nnx.merge(graph, params).objective(x, key, coefficients)[0])(
            params
        )
        update, moments = adam.update(gradient, moments)
        norms = [optax.tree.norm(tree) for tree in (gradient, update)]
        return optax.apply_updates(params, update), moments, norms

    for step in range(4):
        state, metrics = step_once(graph, hyper, state, x, jax.random.key(step))
        key = jax.random.key(step)
        reference, moments, (gradient, update) = by_optax(reference, moments, key, np.int32(step))
        squares = sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(reference))
        assert float(metrics["gradient_norm"]) == pytest.approx(float(gradient), rel=1e-5)
        assert float(metrics["update_norm"]) == pytest.approx(float(update), rel=1e-4)
        assert float(metrics["parameter_norm"]) == pytest.approx(np.sqrt(squares), rel=1e-5)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-5), state.params, reference)


def test_normalized_gradients_are_divided_by_the_norm_of_their_array_before_adam(tiny, dataset):
    # Every batch is the whole set, in some order. Adam itself does not see a scale that stays the same.
    config = tiny("ae", train={"steps": 3, "batch_size": 50, "normalize_gradients": True})
    hyper, keys = hyperparameters(config), keys_of(config.seed)
    graph, state = start(config, dataset)
    x = jnp.asarray(dataset.train.x.astype(np.float32) / 255)
    params, moments = state.params, [(0.0, 0.0) for _ in jax.tree.leaves(state.params)]

    @jax.jit
    def gradient_of(params, step):
        coefficients, key = hyper.coefficients_at(step), jax.random.fold_in(keys.model, step)
        return jax.grad(lambda params: nnx.merge(graph, params).objective(x, key, coefficients)[0])(params)

    for step in range(3):
        raw = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(gradient_of(params, jnp.int32(step)))]
        leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(params)]
        for place, gradient in enumerate(raw):
            given, (mean, square) = gradient / (np.sqrt(np.sum(gradient**2)) + 1e-7), moments[place]
            mean, square = 0.9 * mean + 0.1 * given, 0.999 * square + 0.001 * given**2
            moments[place] = mean, square
            corrected = (mean / (1 - 0.9 ** (step + 1)), square / (1 - 0.999 ** (step + 1)))
            rate = float(hyper.learning_rate_at(jnp.int32(step)))
            leaves[place] = leaves[place] - rate * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)
        params = jax.tree.unflatten(
            jax.tree.structure(params), [jnp.asarray(leaf, jnp.float32) for leaf in leaves]
        )
    trained, rows = run(config, dataset, [1, 2])
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-5), trained.params, params)
    norm = np.sqrt(sum(np.sum(gradient**2) for gradient in raw))  # of the last gradient as it was
    assert float(rows[-1][0]["gradient_norm"]) == pytest.approx(norm, rel=1e-3)


def test_weight_decay_shrinks_kernels_and_nothing_else(tiny, dataset):
    x = jnp.asarray(dataset.train.x[:16].astype(np.float32) / 255)
    after = []
    for decay in (0.0, 0.5):
        config = tiny("vsc", train={"learning_rate": 0.1, "weight_decay": decay})
        hyper = hyperparameters(config)
        graph, state = start(config, dataset)
        before = state.params
        after.append(step_once(graph, hyper, state, x, jax.random.key(0))[0].params)
    rate = float(hyper.learning_rate_at(jnp.int32(0)))
    kernels = 0
    for (path, old), plain, decayed in zip(
        jax.tree.leaves_with_path(before), *map(jax.tree.leaves, after), strict=True
    ):
        if old.ndim > 1 and "pseudo_inputs" not in jax.tree_util.keystr(path):
            kernels += 1
            np.testing.assert_allclose(decayed, plain - rate * 0.5 * old, rtol=1e-5, atol=1e-6)
        else:
            np.testing.assert_array_equal(decayed, plain)
    assert kernels >= 5


def test_dynamic_binarization_draws_pixels_anew_in_every_iteration(tiny, dataset):
    # Nothing is learned, and every batch is the whole set: rows differ by the drawn pixels alone.
    settings = {"train": {"batch_size": 50, "learning_rate": 1e-30}}
    grey, *drawn = (
        [float(means["reconstruction"]) for means, _ in run(config, dataset, [1] * 4)[1]]
        for config in (
            tiny("ae", data={"binarize": binarize}, **settings)
            for binarize in ("none", "dynamic", "literature")
        )
    )
    assert np.ptp(grey) < 1e-3
    for values in drawn:
        assert len({round(value, 3) for value in values}) == 4
        assert np.mean(values) == pytest.approx(np.mean(grey), abs=0.5)
