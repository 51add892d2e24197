"""From the text of a grid to the configurations of its members."""

import dataclasses
from pathlib import Path

import pytest

from tests.refused import error_of
from vsc_jax.config import Config, ParallelConfig
from vsc_jax.run.grid import Axis, axes_of, default_workdir, expand


def test_all_combinations_with_their_seeds():
    config = Config(seed=3, parallel=ParallelConfig(data=2, members=4))
    axes = axes_of(config, ["model.alpha=0.01,0.5", "schedule.kl.until=0.1"], 2)
    alphas, until = Axis(("model.alpha",), (0.01, 0.5)), Axis(("schedule.kl.until",), (0.1,))
    assert axes == [alphas, until, Axis(("seed",), (3, 4))]
    members = expand(config, axes)
    assert [member.name for member in members] == [
        f"model.alpha={alpha},schedule.kl.until=0.1,seed={seed}" for alpha in (0.01, 0.5) for seed in (3, 4)
    ]
    last = members[-1].config
    assert (last.model.alpha, last.schedule.kl.until, last.seed) == (0.5, 0.1, 4)
    assert last.parallel == ParallelConfig(data=2)  # the devices of a sweep are not a member's own
    same = {name: getattr(config, name) for name in ("seed", "model", "schedule", "parallel")}
    assert dataclasses.replace(last, **same) == config


def test_fields_that_move_together():
    axes = axes_of(Config(), ["model.alpha=model.prior_rate=0.2,0.3"])
    assert axes[0] == Axis(("model.alpha", "model.prior_rate"), (0.2, 0.3))
    member = expand(Config(), axes)[1]
    assert member.name == "model.alpha=0.3,seed=0"
    assert member.config.model.alpha == member.config.model.prior_rate == 0.3


@pytest.mark.parametrize(("text", "values"), [
    ("model.hidden=400,800x400", ([400], [800, 400])),
    ("model.network=mlp,conv", ("mlp", "conv")),
    ("model.beta=1,.5,1e-3", (1.0, 0.5, 0.001)),
    ("model.weigh_slab_kl=True,False", (True, False)),
    ("data.train_examples=None,100", (None, 100)),
    ("seed=7,1", (7, 1)),
    ("data.name=mnist", ("mnist",)),
])  # fmt: skip
def test_values_of_every_kind(text, values):
    assert axes_of(Config(), [text])[0].values == values


@pytest.mark.parametrize(("grid", "seeds", "message"), [
    ([], None, "nothing to vary: expected --grid FIELD=VALUE,VALUE or --seeds N"),
    ([], 0, "--seeds: expected 1 or more, got 0"),
    (["model.alpha"], None, "--grid: expected FIELD=VALUE,VALUE, got 'model.alpha'"),
    (["model.alpha="], None, "--grid: model.alpha: no values; expected model.alpha=VALUE,VALUE"),
    (["model.alhpa=1"], None, "--grid: no field 'model.alhpa'; did you mean model.alpha?"),
    (["batch_sise=1"], None, "--grid: no field 'batch_sise'; did you mean train.batch_size?"),
    (["qqq=1"], None, "--grid: no field 'qqq'"),
    (["schedule.kl=1"], None, "--grid: schedule.kl is a section; expected one of schedule.kl.start, "),
    (["evaluate.samples=1,2"], None, "--grid: evaluate.samples cannot vary: "),
    (["name=a,b"], None, "--grid: name cannot vary: "),
    (["model.alpha=a,b"], None, '--grid: model.alpha: expected float, got "a"'),
    (["model.latents=1.5"], None, "--grid: model.latents: expected int, got 1.5"),
    (["model.alpha=0.1,0.10"], None, "--grid: model.alpha: 0.1 is given twice"),
    (["model.alpha=0.1,2"], None, "--grid: model.alpha: expected a number between 0 and 1, exclusive, got 2"),
    (["seed=1", "seed=2"], None, "--grid: seed is given twice"),
    (["seed=1"], 2, "--seeds: the grid holds seed already"),
])  # fmt: skip
def test_a_grid_that_cannot_be_is_one_line(grid, seeds, message):
    assert error_of(lambda: expand(Config(), axes_of(Config(), grid, seeds))).startswith(message)


def test_a_longer_grid_finds_the_folder_again():
    config = Config(name="mine")
    first = default_workdir(config, axes_of(config, ["model.alpha=0.1"]))
    longer = axes_of(config, ["model.alpha=0.1,0.2"], 5)
    assert first == default_workdir(dataclasses.replace(config, seed=1), longer)
    assert (first.parent, first.name[:11]) == (Path("runs"), "sweep-mine-")
    others = ["model.beta=1", "model.alpha=model.prior_rate=0.1"]
    assert len({default_workdir(config, axes_of(config, [grid])) for grid in others} | {first}) == 3
