"""Hyperparameters as traced numbers, and their value in each iteration.

All numbers that a sweep varies without recompiling are array leaves of :class:`Hyperparameters`, so that one
compiled program trains many members.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from vsc_jax.config import FIELDS, TRACED, Config, Ramp, replaced, to_flat
from vsc_jax.models import Coefficients
from vsc_jax.models.objective import Scalar


class Schedule(NamedTuple):
    """A linear ramp in iterations: ``start`` up to ``begin``, ``end`` from ``until`` on."""

    start: Scalar
    end: Scalar
    begin: Scalar
    until: Scalar

    def at(self, step: Int[Array, ""]) -> Scalar:
        """Value in iteration ``step``, counted from 0."""
        elapsed = step.astype(jnp.float32) - self.begin
        length = jnp.maximum(self.until - self.begin, 1)
        # A ramp of no length is its end value throughout, also when it begins later than now.
        moved = jnp.where(self.until > self.begin, jnp.clip(elapsed / length, 0, 1), 1.0)
        return self.start + (self.end - self.start) * moved


class Hyperparameters(NamedTuple):
    """What a run's objective and optimizer depend on, as float32 scalars.

    All but ``schedules`` are fields of ``config.model`` or ``config.train``; this is the only list of those
    that are traced.
    """

    learning_rate: Scalar
    weight_decay: Scalar
    beta: Scalar
    tc_weight: Scalar
    alpha: Scalar
    sparsity_weight: Scalar
    usage_weight: Scalar
    prior_rate: Scalar
    schedules: dict[str, Schedule]

    def learning_rate_at(self, step: Int[Array, ""]) -> Scalar:
        """Adam's step size in iteration ``step``."""
        return self.learning_rate * self.schedules["learning_rate"].at(step)

    def coefficients_at(self, step: Int[Array, ""]) -> Coefficients:
        """The objective's coefficients in iteration ``step``."""
        at = {name: schedule.at(step) for name, schedule in self.schedules.items()}
        return Coefficients(
            kl_weight=self.beta * at["kl"],
            tc_weight=self.tc_weight,
            alpha=self.alpha,
            warm_up=at["warm_up"],
            sharpness=at["sharpness"],
            sparsity_weight=self.sparsity_weight * at["sparsity"],
            usage_weight=self.usage_weight * at["sparsity"],
            prior_blend=at["prior_blend"],
            prior_rate=self.prior_rate,
            slab_blend=at["slab_blend"],
            progress=at["progress"],
        )


def hyperparameters(config: Config) -> Hyperparameters:
    """The traced numbers of a configuration."""
    rates = {"alpha": config.model.rate, "prior_rate": config.model.blended_rate}
    rates["usage_weight"] = config.model.usage_weight_used
    values = {**vars(config.train), **vars(config.model), **rates}
    traced = {name: jnp.float32(values[name]) for name in Hyperparameters._fields[:-1]}
    schedules, steps = {}, config.train.iterations
    for name, ramp in {**vars(config.schedule), "progress": Ramp(0.0, 1.0, 0.0, 1.0)}.items():
        moments = (float(np.round(fraction * steps)) for fraction in (ramp.begin, ramp.until))
        schedules[name] = Schedule(*map(jnp.float32, (ramp.start, ramp.end, *moments)))
    return Hyperparameters(**traced, schedules=schedules)


def without_hyperparameters(config: Config) -> Config:
    """The configuration with the default of everything that :class:`Hyperparameters` and the seed vary.

    Runs for which this is the same, but for what is shown, kept and measured, can be members of one program.
    """
    traced = {name: value for name, value in to_flat(Config()).items() if TRACED in FIELDS[name].marks}
    # Without a weight the total correlation is not even computed; a rate that is given is not learned.
    model = config.model
    learns = model.inference_used == "ascent" or model.gate == "threshold"
    traced["model.tc_weight"] = float(model.tc_weight > 0)
    traced["model.alpha"] = 0.1 if learns and model.alpha is not None else None
    return replaced(config, traced)
