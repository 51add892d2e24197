"""One iteration from a fixed seed gives the numbers that are stored in ``reference_step.json``."""

import json
import os
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vsc_jax.training import hyperparameters, initial_model, initial_state, train_step

REFERENCE = Path(__file__).with_name("reference_step.json")
REGENERATE = "VSC_REGENERATE=1 python -m pytest tests/training/test_reference_step.py"
# In the middle of the run, where every schedule is between its two ends or has some effect.
STEP = 12

ADVICE = f"""
An iteration of training no longer gives the numbers it gave: {{changes}}
If you did not mean to change initialisation, random keys, objective or optimiser, this is a bug: find the
commit with `git bisect`. If you did, say so in CHANGELOG.md (old runs cannot be resumed exactly), and store
the new numbers with

    {REGENERATE}
"""


def one_step(config, dataset):
    graph, params = nnx.split(initial_model(config, dataset))
    state = initial_state(params)._replace(step=jnp.int32(STEP))
    x = jnp.asarray(dataset.train.x[:16].astype(np.float32) / 255)
    step = partial(jax.jit, static_argnums=0)(train_step)
    _, metrics = step(graph, hyperparameters(config), state, x, jax.random.key(7))
    return {name: float(value) for name, value in metrics.items()}


@pytest.mark.parametrize("kind", ["vae", "vsc"])
def test_one_step_gives_the_stored_numbers(kind, tiny, dataset):
    found = one_step(tiny(kind), dataset)
    stored = json.loads(REFERENCE.read_text()) if REFERENCE.exists() else {}
    if os.environ.get("VSC_REGENERATE"):
        REFERENCE.write_text(json.dumps({**stored, kind: found}, indent=2, sort_keys=True) + "\n")
        pytest.skip(f"stored {kind} in {REFERENCE.name}")
    expected = stored[kind]
    changes = [
        f"{kind} {name}: {expected.get(name)} stored, {found.get(name)} found"
        for name in sorted({*expected, *found})
        if found.get(name) != pytest.approx(expected.get(name), rel=1e-3, abs=1e-5)
    ]
    assert not changes, ADVICE.format(changes="".join(f"\n  {change}" for change in changes))
