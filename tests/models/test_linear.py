"""The VSC with a linear decoder: its bound, its prior, what it learns, and how many latents it has on."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vsc_jax import losses
from vsc_jax.config import Config, with_overrides
from vsc_jax.config.errors import UserError
from vsc_jax.data import Dataset, Split
from vsc_jax.evaluation import recovery
from vsc_jax.models import build
from vsc_jax.models.linear import LinearVSC
from vsc_jax.training import train

ASCENT = {
    "model.decoder": "linear",
    "model.inference": "ascent",
    "model.likelihood": "gaussian",
    "model.prior": "fixed",
    "model.latents": 12,
    "train.batch_size": 128,
    "train.learning_rate": 3e-3,
}


def configured(**overrides):
    named = {name.replace("__", "."): value for name, value in overrides.items()}
    return with_overrides(Config(name="test"), ASCENT | named)


@pytest.fixture(scope="module")
def data():
    """Rows of a dictionary of 12 unit atoms in 10 dimensions, 2 on; codes and atoms."""
    rng = np.random.default_rng(0)
    atoms = rng.normal(size=(12, 10))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    codes = np.where(rng.random((3000, 12)).argsort(axis=1) < 2, rng.normal(size=(3000, 12)), 0)
    x = codes @ atoms + 0.05 * rng.normal(size=(3000, 10))
    return (x / x.std()).astype(np.float32), codes, atoms


@pytest.fixture(scope="module")
def learned(data):
    x, _, _ = data
    rows = Dataset("x", Split(x[:2500]), Split(x[2500:]))
    return train(configured(model__active=2.0, train__steps=600), rows)


def test_it_finds_the_atoms_and_the_supports(learned, data):
    x, codes, atoms = data
    assert recovery.atoms_found(np.asarray(learned.model.dictionary.atoms), atoms) == 12
    gamma = np.asarray(learned.model.encode(x[2500:]).gamma)
    assert recovery.support_auc(gamma, codes[2500:] != 0) > 0.92


def test_an_unrolled_search_knows_the_supports_better_than_an_mlp(data):
    x, codes, _ = data
    rows, areas = Dataset("x", Split(x[:2500]), Split(x[2500:])), {}
    for inference in ("lista", "encoder"):
        config = configured(model__inference=inference, model__active=2.0, train__steps=600)
        gamma = np.asarray(train(config, rows).model.encode(x[2500:]).gamma)
        areas[inference] = recovery.support_auc(gamma, codes[2500:] != 0)
    assert areas["lista"] > areas["encoder"] + 0.02


def test_as_many_latents_are_on_as_were_asked_for(learned, data):
    on = np.sum(np.asarray(learned.model.code(data[0][2500:])) != 0, axis=1)
    assert 1.7 < on.mean() < 2.3


def test_without_a_number_the_rate_is_learned(data):
    x, _, _ = data
    start = configured(train__steps=600)
    assert start.model.rate * 12 == pytest.approx(1.2)
    model = train(start, Dataset("x", Split(x), Split(x[:1]))).model
    # Of mean fields the learned number is somewhat too large; two are on.
    assert 1.7 < np.sum(np.asarray(model.code(x)) != 0, axis=1).mean() < 2.5


def test_a_given_rate_stays():
    model = build(configured(model__alpha=0.05).model, (10,), jax.random.key(0))
    assert model.raw_rate is None
    np.testing.assert_allclose(jax.nn.sigmoid(model.components().gate_logit), 0.05, rtol=1e-5)


def test_the_bound_is_the_mean_of_its_samples(learned, data):
    x = jnp.asarray(data[0][:20])
    graph, params = nnx.split(learned.model)

    @jax.jit
    def measure(params):
        model = nnx.merge(graph, params)
        kl = losses.spike_slab_kl(model.encode(x), model.components()).sum(axis=1)
        return (
            model.terms(x, jax.random.key(0)),
            model.log_importance_weights(x, jax.random.key(1), 4000),
            kl,
        )

    terms, weights, kl = measure(params)
    error = np.asarray(weights).std(axis=0) / np.sqrt(4000)
    np.testing.assert_array_less(np.abs(weights.mean(axis=0) - (terms.reconstruction - terms.kl)), 5 * error)
    np.testing.assert_allclose(terms.kl, kl, rtol=1e-5)


def test_gradients_are_those_of_the_bound_at_a_fixed_posterior(coefficients):
    model = build(configured(model__active=3.0).model, (10,), jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (8, 10), jnp.float32)
    graph, params = nnx.split(model)

    def objective(params):
        return nnx.merge(graph, params).objective(x, jax.random.key(2), coefficients)[0]

    gradient = jax.jit(jax.grad(objective))(params)
    q = jax.jit(lambda x: model._posterior(x, model.components(coefficients.alpha), 20))(x)

    def loss(params):
        model = nnx.merge(graph, params)
        terms = model._terms(x, q, model.components(coefficients.alpha))
        return jnp.mean(terms.kl - terms.reconstruction)

    expected = jax.jit(jax.grad(loss))(params)
    on = jnp.mean(jnp.sum(q.gate_logit > 0, axis=1), dtype=jnp.float32)
    np.testing.assert_allclose(gradient["raw_rate"][...], 120 * jnp.log((on + 0.01) / 3), rtol=1e-5)
    for name in ("raw_mean", "decoder"):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
            gradient[name],
            expected[name],
        )


def test_late_in_training_the_posterior_is_searched_longer_and_a_number_asked_for(coefficients, monkeypatch):
    model = build(configured(model__active=3.0).model, (10,), jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (8, 10), jnp.float32)
    graph, params = nnx.split(model)
    prior, search, searched = model.components(coefficients.alpha), LinearVSC._posterior, []
    posterior = jax.jit(lambda sweeps: search(model, x, prior, sweeps))

    def recorded(self, x, prior, sweeps):
        jax.debug.callback(lambda sweeps: searched.append(int(sweeps)), sweeps)
        return search(self, x, prior, sweeps)

    monkeypatch.setattr(LinearVSC, "_posterior", recorded)

    @partial(jax.jit, static_argnums=0)
    def gradient(graph, params, progress):
        at = coefficients._replace(progress=progress)
        return jax.grad(lambda p: nnx.merge(graph, p).objective(x, jax.random.key(2), at)[0])(params)

    def slope(progress, rate=0.0):
        params["raw_rate"][...] = jnp.float32(rate)
        found = float(gradient(graph, params, jnp.float32(progress))["raw_rate"][...])
        jax.effects_barrier()
        return found

    for progress, pulled, sweeps in [(0, 0, 5), (0.5, 0, 5), (0.55, 0.25, 9), (0.7, 1, 20), (1, 1, 20)]:
        q = posterior(sweeps)
        of_the_bound = 10 * float(jnp.sum(prior.gamma) - jnp.mean(jnp.sum(q.gamma, axis=1)))
        on = float(jnp.mean(jnp.sum(q.gate_logit > 0, axis=1), dtype=jnp.float32))
        expected = (1 - pulled) * of_the_bound + pulled * 120 * np.log((on + 0.01) / 3)
        assert slope(progress) == pytest.approx(expected, rel=1e-3)
        assert searched.pop() == sweeps
    model.active = 20.0  # more than can be on
    graph, params = nnx.split(model)
    assert slope(1.0, rate=0.29) < 0 == slope(1.0, rate=0.31)


def test_steps_of_refinement_are_more_sweeps(monkeypatch):
    model, sweeps = build(configured().model, (10,), jax.random.key(0)), []
    search = LinearVSC._posterior
    monkeypatch.setattr(
        LinearVSC, "_posterior", lambda self, x, prior, n: (sweeps.append(n), search(self, x, prior, n))[1]
    )
    x = jnp.zeros((2, 10), jnp.float32)
    model.encode(x)
    model.encode(x, refine=7)
    assert sweeps == [30, 37]


def test_a_rate_is_not_pulled_further_than_its_reach():
    model = build(configured(model__active=3.0).model, (10,), jax.random.key(0))

    def slope(logit, on):
        model.raw_rate[...] = jnp.float32(logit / 10)
        graph, params = nnx.split(model)
        pull = jax.grad(lambda p: nnx.merge(graph, p).pull(jnp.float32(on), (-3.0, 3.0)))
        return float(pull(params)["raw_rate"][...])

    assert slope(3.1, 2.0) == slope(-3.1, 4.0) == 0
    assert slope(3.1, 4.0) == slope(2.9, 4.0) > 0 > slope(2.9, 2.0) == slope(-3.1, 2.0)


def test_where_all_gates_stay_closed_a_number_that_is_asked_for_leaves_the_loss_finite(data):
    changes = {"model.inference": "encoder", "model.prior": "pseudo", "model.pseudo_inputs": 4}
    closed = {"model.active": 3.0, "model.initial_gate_logit": -90.0, "train.learning_rate": 0.02}
    config = with_overrides(configured(), changes | closed | {"train.steps": 300, "model.hidden": [16]})
    last = train(config, Dataset("x", Split(data[0][:500]), Split(data[0][500:]))).history[-1]
    assert last["active_per_image"] == 0
    assert np.isfinite(last["sparsity_kl"])


def test_codes_do_not_depend_on_the_units_of_a_feature():
    x = np.random.default_rng(0).normal(size=(50, 10)).astype(np.float32)
    units = np.float32(2.0) ** np.arange(-4, 6, dtype=np.float32)
    config = configured().model
    plain, other = (build(config, (10,), jax.random.key(0), examples=rows) for rows in (x, x * units))
    # The same start in both units: the noise on the atoms is in those of the data.
    dictionary, noise = other.dictionary, 2 * np.log(units)
    dictionary.raw_atoms[...] = plain.dictionary.raw_atoms[...] * units[None]
    plain.decoder.raw_log_var[...] = jnp.zeros(10, jnp.float32) + 1
    other.decoder.raw_log_var[...] = (10 + jnp.asarray(noise)) / 10
    np.testing.assert_allclose(
        other.encode(x * units).gate_logit, plain.encode(x).gate_logit, rtol=0.02, atol=0.02
    )


def test_noise_starts_at_the_variance_of_the_data_and_no_weight_lets_its_floor_count_more():
    units = np.float32([1e-3, 0.05, 0.3, 1, 2, 5, 10, 20, 50, 100])
    x = np.random.default_rng(0).normal(size=(500, 10)).astype(np.float32) * units
    model = build(configured(model__min_log_var=-6.0).model, (10,), jax.random.key(0), examples=x)
    floor = np.exp(-3)
    deviation = np.maximum(x.std(axis=0), floor)
    np.testing.assert_allclose(model.weights[...], 1 / deviation, rtol=1e-4)
    np.testing.assert_allclose(np.exp(0.5 * model.decoder.log_var)[2:], deviation[2:], rtol=1e-4)
    assert floor < np.exp(0.5 * model.decoder.log_var).min() < 1.1 * floor


def test_unit_norm_changes_the_units_of_the_code_alone():
    x = jax.random.normal(jax.random.key(1), (6, 10), jnp.float32)
    free, unit = (
        build(configured(model__unit_norm=on).model, (10,), jax.random.key(0)) for on in (False, True)
    )
    assert isinstance(unit, LinearVSC)
    np.testing.assert_allclose(jnp.linalg.norm(unit.dictionary.atoms, axis=1), 1, rtol=1e-5)
    norms = jnp.linalg.norm(free.dictionary.atoms, axis=1)
    np.testing.assert_allclose(unit.encode(x).mean, free.encode(x).mean * norms[None], rtol=1e-3, atol=1e-4)
    bounds = [model.bounds(x, jax.random.key(2))["elbo"] for model in (free, unit)]
    np.testing.assert_allclose(*bounds, rtol=1e-4)


@pytest.mark.parametrize(("overrides", "message"), [
    ({"model.active": 12.0}, "model.active: expected more than 0 and less than the 12 latents, got 12"),
    ({"model.active": 0.0}, "model.active: expected more than 0 and less than the 12 latents, got 0"),
    ({"model.active": 2.0, "model.alpha": 0.1}, "model.active: alpha is given as well; give one of the two"),
    ({"model.decoder": "mlp"}, "model.inference: ascent needs model.decoder linear, got mlp"),
    ({"model.likelihood": "bernoulli"},
     "model.inference: ascent needs model.likelihood gaussian, got bernoulli"),
    ({"model.prior": "pseudo"}, "model.inference: ascent needs model.prior fixed, got pseudo"),
    ({"model.beta": 2.0}, "model.inference: ascent needs model.beta 1.0, got 2.0"),
    ({"model.kind": "vae"}, "model.inference: ascent needs model.kind vsc, got vae"),
    ({"model.inference": "lista", "model.decoder": "mlp"},
     "model.inference: lista needs model.decoder linear, got mlp"),
    ({"model.inference": "lista", "model.kind": "ae"}, "model.inference: lista needs model.kind vsc, got ae"),
    ({"model.inference": "lista", "model.gate": "threshold"},
     "model.gate: threshold needs model.inference encoder, got lista"),
])  # fmt: skip
def test_what_does_not_go_together_is_refused(overrides, message):
    with pytest.raises(UserError, match=f"^{message}$"):
        with_overrides(Config(name="test"), ASCENT | overrides)


def test_a_linear_decoder_needs_flat_networks():
    config = with_overrides(Config(), {"model.decoder": "linear", "model.network": "conv"})
    with pytest.raises(UserError, match="model.decoder: linear goes with model.network mlp, not with conv"):
        build(config.model, (8, 8), jax.random.key(0))


@pytest.mark.parametrize("kind", ["ae", "vae", "vsc"])
def test_a_linear_decoder_goes_with_every_encoder(kind):
    config = with_overrides(Config(), {"model.decoder": "linear", "model.kind": kind, "model.latents": 4})
    model = build(config.model, (3, 2), jax.random.key(0))
    z = jax.random.normal(jax.random.key(1), (2, 4), jnp.float32)
    dictionary = model.decoder.trunk
    logits = (z @ dictionary.atoms + dictionary.bias[None]).reshape(2, 3, 2)
    np.testing.assert_allclose(model.decode(z), jax.nn.sigmoid(logits), rtol=1e-5)
