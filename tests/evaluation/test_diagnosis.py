"""What a run says of itself: of numbers on both sides of every limit, and of runs that were made to fail."""

import math
from functools import cache

import numpy as np
import pytest

from vsc_jax.config import Config, load_preset, preset_names, unfit_fields, with_overrides
from vsc_jax.data import Dataset, Split
from vsc_jax.evaluation import evaluate
from vsc_jax.evaluation.diagnosis import diagnose, late_gain, names
from vsc_jax.evaluation.encoding import gate_use
from vsc_jax.training import train

SMALL = {
    "model.latents": 16,
    "model.hidden": [64],
    "model.prior": "pseudo",
    "model.pseudo_inputs": 16,
    "model.usage_weight": 0.0,
    "model.noise": 0.0,
    "train.steps": 1500,
    "train.log_every": 20,
    "train.batch_size": 64,
    "train.learning_rate": 5e-3,
    "evaluate.samples": 1,
    "evaluate.examples": 20,
    "evaluate.probe_examples": 500,
}


def bars(count, seed):
    """Images in which each of 12 bars is there with probability 1/4 (Foldiak, Biol. Cybern., 1990)."""
    on = np.random.default_rng(seed).random((count, 12)) < 0.25
    return (255 * (on[:, :6, None] | on[:, None, 6:])).astype(np.uint8)


@cache
def ran(*, different: int = 4000, **changes):
    """Results and configuration of a small run on bars, so many of them different."""
    config = with_overrides(Config(), SMALL | {name.replace("__", "."): v for name, v in changes.items()})
    x = np.resize(bars(different, 0), (4000, 6, 6))
    dataset = Dataset("bars", Split(x), Split(bars(500, 1)))
    trained = train(config, dataset)
    return evaluate(trained.model, dataset, config, history=trained.history), config


def test_nothing_is_wrong_with_a_good_run():
    results, config = ran()
    assert diagnose(results, config) == []
    assert results["findings"] == "none"
    assert results["active_per_image"] == pytest.approx(3, abs=0.3)  # the truth


def test_gates_that_still_are_open_are_on_for_all_examples_and_follow_none():
    results, config = ran(train__steps=20, train__learning_rate=1e-4)
    assert results["findings"] == "too short, always on, fixed gates"
    short, always, fixed = diagnose(results, config)
    says = "20 iterations are too few to learn much, or to see whether the bound has settled"
    assert (short.says, short.changes) == (says, {"train.steps": 40})
    count = results["always_on_latents"]
    assert count > 4
    assert always.says == f"{count:.0f} of the 16 latents in use are on in over 95 % of the examples"
    assert fixed.says.startswith("the gates of 16 of the 16 latents in use hardly vary with the example")
    assert always.changes == fixed.changes
    assert list(always.changes) == ["model.active", "model.usage_weight", "train.steps"]


def test_a_bound_that_still_rises_is_too_short():
    results, config = ran(train__steps=240)
    short, gain = diagnose(results, config)[0], f"{results['late_gain']:.1f}"
    says = f"the training bound still rose by {gain} nats over the last tenth of the 240 iterations"
    assert str(short) == f"too short: {says}; try --train.steps 480"


def test_few_examples_and_many_steps_are_learned_by_heart():
    results, config = ran(different=40)
    [found] = [finding for finding in diagnose(results, config) if finding.name == "overfitted"]
    gap = results["train_elbo_median"] - results["elbo_median"]
    assert gap > 5
    assert (
        found.says
        == f"the bound of the median test example is {gap:.1f} nats below that of a training example"
    )
    assert found.changes == {"train.steps": 750, "train.weight_decay": 0.1}


def test_the_recipe_that_collapses_says_so():
    seed = load_preset("seed_vsc")
    recipe = ("latents", "prior", "gate", "initial_gate_logit", "weigh_slab_kl", "alpha")
    same = {f"model__{name}": getattr(seed.model, name) for name in recipe}
    results, config = ran(train__steps=400, schedule__kl__start=1.0, **same)
    [found] = [f for f in diagnose(results, config) if f.name != "too short"]
    assert found.name == "collapsed"
    assert found.says.endswith("no latent is on in even 1 % of the examples")
    assert found.changes["model.gate"] == "concrete"
    assert found.changes["model.weigh_slab_kl"] is True


def test_a_vae_says_what_applies_to_it():
    results, config = ran(model__kind="vae", model__beta=100.0, train__steps=400)
    assert results["findings"] == "collapsed"
    [found] = diagnose(results, config)
    assert found.says.endswith(" nats of an example")
    assert list(found.changes) == ["model.beta", "schedule.kl.until", "train.learning_rate"]


GOOD = {
    **{"elbo": -20.0, "reconstruction": -10.0, "iwae": -19.0, "kl": 10.0, "steps": 6000, "late_gain": 0.3},
    **{"elbo_median": -19.0, "train_elbo_median": -18.5, "median_error": 0.1, "explained_variance": 0.8},
    **{"mean_gamma": 0.1, "active_per_image": 6.0, "used_latents": 20.0},
    **{"always_on_latents": 0.0, "fixed_gates": 0.0},
}


@pytest.mark.parametrize(("inside", "outside", "name", "settings"), [
    ({"elbo": -1e9}, {"elbo": math.nan}, "not finite", {}),
    ({"late_gain": 0.49}, {"late_gain": 0.51}, "too short", {}),
    ({"late_gain": 1.9, "kl": 100.0}, {"late_gain": 2.1, "kl": 100.0}, "too short", {}),
    ({"steps": 400}, {"steps": 399}, "too short", {}),
    ({"steps": 200}, {"steps": 199}, "too short", {"train.log_every": 5}),
    ({"kl": 0.11}, {"kl": 0.09}, "collapsed", {}),
    ({"used_latents": 1.0}, {"used_latents": 0.0}, "collapsed", {}),
    ({"fixed_gates": 0.0}, {"fixed_gates": 1.0}, "fixed gates", {}),
    ({"always_on_latents": 0.0}, {"always_on_latents": 1.0}, "always on", {}),
    ({"active_per_image": 5.7}, {"active_per_image": 5.8}, "number on", {"model.active": 5.0}),
    ({"active_per_image": 4.3}, {"active_per_image": 4.2}, "number on", {"model.active": 5.0}),
    ({"active_per_image": 11.9}, {"active_per_image": 12.1}, "number on", {"model.alpha": 0.1}),
    ({"active_per_image": 3.1}, {"active_per_image": 2.9}, "number on", {"model.alpha": 0.1}),
    ({"train_elbo_median": -16.9}, {"train_elbo_median": -16.7}, "overfitted", {}),
    ({"train_elbo_median": -15.0, "median_error": 1.1}, {"train_elbo_median": -15.0}, "overfitted", {}),
])  # fmt: skip
def test_every_rule_has_a_limit(inside, outside, name, settings):
    config = with_overrides(Config(), settings)
    assert diagnose(GOOD | inside, config) == []
    assert names(diagnose(GOOD | outside, config)) == name


def test_what_is_not_measured_is_not_judged():
    autoencoder = {"reconstruction": -10.0, "active_per_image": 60.0, "used_latents": 60.0, "steps": 6000}
    config = with_overrides(Config(), {"model.kind": "ae"})
    assert diagnose({}, config) == diagnose(autoencoder | {"explained_variance": 0.02}, config) == []
    [found] = diagnose(autoencoder | {"explained_variance": 0.001}, config)
    assert found.says == "its output explains 0.1% of the variance"
    # A number that nobody asked for, as the rate was learned or a default.
    assert diagnose(GOOD | {"active_per_image": 40.0}, Config()) == []


FAILED = (
    {"elbo": math.nan}, {"late_gain": 9.0}, {"kl": 0.0}, {"always_on_latents": 9.0}, {"fixed_gates": 9.0},
    {"active_per_image": 50.0}, {"active_per_image": 0.5}, {"train_elbo_median": 0.0},
    {"explained_variance": 0.0},
)  # fmt: skip
ASCENT = {"decoder": "linear", "inference": "ascent", "likelihood": "gaussian", "prior": "fixed"}
KINDS = [
    *map(load_preset, preset_names()),
    *(
        with_overrides(Config(), {"model.latents": 8, **{f"model.{k}": v for k, v in settings.items()}})
        for settings in (
            ASCENT, {**ASCENT, "active": 2.0}, {"active": 2.0}, {"gate": "threshold", "prior": "fixed"},
            {"latents": 1}, {"usage_weight": 10.0, "active": 2.0}, {"kind": "vae", "beta": 4.0},
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize("config", KINDS, ids=lambda config: config.name)
def test_everything_that_is_to_be_tried_exists_and_changes_something(config):
    for wrong in FAILED:
        for found in diagnose(GOOD | {"steps": config.train.steps} | wrong, config):
            assert found.changes, found
            for field, value in found.changes.items():
                changed = with_overrides(config, {field: value})
                assert changed != config, (found, field)
                assert field not in unfit_fields(config), (found, field)
            assert found.in_words(["steps", "active", "learning_rate", "prior", "latents"]).split("; try ")[1]


def test_the_same_line_for_a_command_line_and_for_a_class():
    config = with_overrides(Config(), {"model.alpha": 0.1, "model.usage_weight": 0.0})
    [found] = diagnose(GOOD | {"always_on_latents": 1.0}, config)
    says = "always on: 1 of the 20 latents in use is on in over 95 % of the examples; try "
    tried = "--model.active 6, or --model.usage_weight 10, or --train.steps 12000"
    assert str(found) == says + tried
    assert found.in_words({"active", "steps"}) == says + "active=6, or steps=12000"


def test_the_late_gain_compares_two_tenths_of_the_run():
    rows = [{"step": step, "elbo": float(step), "reconstruction": 0.0} for step in range(1, 101)]
    assert late_gain(rows) == 10
    assert late_gain(rows[::10]) == 10
    assert late_gain([{"step": 50, "reconstruction": 1.0}, {"step": 100, "reconstruction": 3.0}]) == 2
    assert late_gain(rows[:1]) is late_gain([]) is None


def test_gates_that_are_rarely_on_follow_the_data():
    rare, always, fixed, half = np.zeros((4, 1000))
    rare[:20], always[:980], half[::2] = 1, 1, 1
    fixed[:] = np.random.default_rng(0).normal(0.5, 0.05, 1000)
    found = gate_use(np.stack([rare, always, fixed, half], axis=1))
    assert (found["used_latents"], found["fixed_gates"], found["always_on_latents"]) == (4, 1, 1)
