"""Schedules by iteration, and how the configuration becomes traced numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vsc_jax.config import Config, Ramp, ScheduleConfig, with_overrides
from vsc_jax.training import Hyperparameters, hyperparameters
from vsc_jax.training.schedules import without_hyperparameters


def values(tiny, ramp, steps, at):
    config = tiny(schedule={"sharpness": ramp}, train={"steps": steps})
    schedule = hyperparameters(config).schedules["sharpness"]
    return jax.jit(jax.vmap(schedule.at))(jnp.array(at, jnp.int32)).tolist()


@pytest.mark.parametrize(("ramp", "expected"), [
    (Ramp(2.0, 10.0, 0.25, 0.75), {0: 2, 24: 2, 25: 2, 26: 2.16, 50: 6, 74: 9.84, 75: 10, 99: 10}),
    (Ramp(1.0, 0.0, 0.0, 1.0), {0: 1, 1: 0.99, 50: 0.5, 99: 0.01, 100: 0}),
    (Ramp(3.0, 5.0), {0: 5, 99: 5}),
    (Ramp(3.0, 5.0, 0.5, 0.5), {0: 5, 49: 5, 50: 5, 99: 5}),
    (Ramp(0.0, 4.0, 0.5, 0.51), {49: 0, 50: 0, 51: 4}),
])  # fmt: skip
def test_ramps_by_iteration(ramp, expected, tiny):
    assert values(tiny, ramp, 100, list(expected)) == pytest.approx(list(expected.values()), abs=1e-6)


def test_begin_and_until_are_fractions_rounded_to_iterations_and_late_ones_are_distinct(tiny):
    # A tenth of 6 iterations is the first; a third is the second.
    assert values(tiny, Ramp(0.0, 1.0, 0.1, 1 / 3), 6, [0, 1, 2, 3]) == [0, 0, 1, 1]
    later = values(tiny, Ramp(0.0, 1000.0, 0.0, 1.0), 10_000_000, [9_998_000, 9_999_000])
    assert later == pytest.approx([999.8, 999.9], abs=1e-3)


def test_coefficients_are_the_configured_values_times_their_schedules(tiny):
    model = {"beta": 4.0, "tc_weight": 2.0, "alpha": 0.3, "sparsity_weight": 6.0, "usage_weight": 8.0}
    half = Ramp(0.0, 1.0, 0.0, 1.0)
    schedule = ScheduleConfig(
        learning_rate=half, kl=half, warm_up=half, sharpness=Ramp(2.0, 4.0, 0.0, 1.0), sparsity=half,
        prior_blend=Ramp(1.0, 0.0, 0.0, 1.0), slab_blend=Ramp(0.8, 0.0, 0.0, 1.0),
    )  # fmt: skip
    hyper = hyperparameters(
        tiny(model=model | {"prior_rate": 0.2}, schedule=schedule, train={"steps": 20, "learning_rate": 0.5})
    )
    coefficients, rate = jax.jit(lambda step: (hyper.coefficients_at(step), hyper.learning_rate_at(step)))(
        np.int32(5)
    )
    expected = {
        "kl_weight": 1.0, "tc_weight": 2.0, "alpha": 0.3, "warm_up": 0.25, "sharpness": 2.5,
        "sparsity_weight": 1.5, "usage_weight": 2.0,
        "prior_blend": 0.75, "prior_rate": 0.2, "slab_blend": 0.6, "progress": 0.25,
    }  # fmt: skip
    assert coefficients._asdict() == pytest.approx(expected, rel=1e-6)
    assert float(rate) == pytest.approx(0.125)
    # Pseudo-inputs are blended with alpha unless a rate is given.
    assert float(hyperparameters(tiny(model={"alpha": 0.25})).prior_rate) == 0.25


def test_nothing_that_is_traced_is_left_without_hyperparameters():
    base = Config()
    traced = {"train.learning_rate": 0.5, "train.weight_decay": 0.3, "model.beta": 3.0, "model.alpha": 0.3,
              "model.sparsity_weight": 7.0, "model.usage_weight": 7.0, "model.prior_rate": 0.4}  # fmt: skip
    for name, value in {**traced, "schedule.kl.until": 0.9, "seed": 9}.items():
        changed = with_overrides(base, {name: value})
        assert without_hyperparameters(changed) == without_hyperparameters(base) != changed
    names = {name.rpartition(".")[2] for name in traced} | {"tc_weight", "schedules"}
    assert set(Hyperparameters._fields) == names
    tc = [without_hyperparameters(with_overrides(base, {"model.tc_weight": w})) for w in (0.0, 1.0, 2.0)]
    assert tc[0] != tc[1] == tc[2]
    latents = without_hyperparameters(with_overrides(base, {"model.latents": 3}))
    assert latents != without_hyperparameters(base)
    for leaf in jax.tree.leaves(hyperparameters(base)):
        assert (leaf.shape, leaf.dtype) == ((), jnp.float32)
