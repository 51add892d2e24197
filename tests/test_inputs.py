"""Whole configurations, right and wrong: a valid one trains with finite numbers or ends in one line.

The long form, thousands of cases, is ``python -m benchmarks.inputs``.
"""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from benchmarks.inputs import HINTS, as_json, as_options, changes, fields, small_enough, trained
from vsc_jax.config import Config, ModelConfig, Ramp, ScheduleConfig, TrainConfig, to_dict


def test_every_field_is_drawn():
    def leaves(values: dict[str, Any], prefix: str = "") -> set[str]:
        found: set[str] = set()
        for name, value in values.items():
            found |= leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}"}
        return found

    assert dict(fields()).keys() == HINTS.keys() == leaves(to_dict(Config()))


@settings(max_examples=100)
@given(values=changes())
def test_json_is_a_configuration_or_one_line(values):
    config = as_json(values)
    assert isinstance(config, Config) or len(config.splitlines()) == 1


@settings(max_examples=20)
@given(values=changes())
def test_options_are_a_configuration_or_one_line(values):
    assert as_options(values)


MODELS = [
    ModelConfig(kind="vae", tc_weight=2.0),
    ModelConfig(kind="vsc", selection="paper", gate="sigmoid"),
]
_EXTREMES = {
    "model.alpha": (2e-37, 1 - 1e-7),
    "model.beta": (0.0, 1e6),
    "model.prior_rate": (2e-37, 1 - 1e-7),
    "model.sparsity_weight": (0.0, 1e6),
    "schedule.sharpness": (0.0, 1e6),
    "train.learning_rate": (1e-38, 999.0),
}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.kind)
def test_extreme_numbers_train_with_finite_numbers_or_end_in_one_line(model):
    rng = np.random.default_rng(0)
    for _ in range(4):  # All of them share one compiled program.
        chosen = {name: float(rng.choice(ends)) for name, ends in _EXTREMES.items()}
        sharpness = chosen["schedule.sharpness"]
        config = Config(
            model=dataclasses.replace(
                model,
                alpha=chosen["model.alpha"],
                beta=chosen["model.beta"],
                prior_rate=chosen["model.prior_rate"],
                sparsity_weight=chosen["model.sparsity_weight"],
            ),
            schedule=dataclasses.replace(ScheduleConfig(), sharpness=Ramp(sharpness, sharpness)),
            train=TrainConfig(learning_rate=chosen["train.learning_rate"], log_every=2),
        )
        assert trained(small_enough(config, rng)) in ("finite", "refused")
