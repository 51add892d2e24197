"""Members trained together are the runs that they would be alone, whatever happens to the others."""

import shutil
import signal

import jax
import jax.numpy as jnp
import numpy as np
import psutil
import pytest
from flax import nnx

from tests.refused import assert_refused
from vsc_jax.config.stopping import Stopped
from vsc_jax.training import TrainingError, train
from vsc_jax.training.loop import train_members
from vsc_jax.training.memory import bytes_needed, free_memory, largest_wave
from vsc_jax.training.run_folder import read_rows


@pytest.fixture(scope="module")
def alone(tiny, finish, optimized):
    """Runs on their own."""
    return [
        finish(tiny("vsc", model={"alpha": alpha, "beta": beta}, train={"learning_rate": rate}, seed=seed))
        for alpha, beta, rate, seed in ((0.1, 1.0, 0.01, 0), (0.3, 2.0, 0.01, 1), (0.3, 1.0, 0.02, 1))
    ]


@pytest.fixture
def configs(alone):
    return [run.config for run in alone]


@pytest.fixture
def folders(tmp_path):
    made = [tmp_path / str(number) for number in range(3)]
    for folder in made:
        folder.mkdir()
    return made


def assert_same(alone, outcomes, folders):
    """Models, histories, logs and newest checkpoints are those of the runs alone, to the last bit."""
    assert sorted(number for number, _ in outcomes) == list(range(len(alone)))
    for number, trained in outcomes:
        alone[number].assert_same(folders[number], trained)


@pytest.mark.parametrize("memory", [None, 1])
def test_members_are_bit_identical_to_the_runs_alone_in_waves_that_fit_memory(
    alone, configs, dataset, folders, memory
):
    stages, limit = [], {} if memory is None else {"memory": memory}
    outcomes = list(train_members(configs, dataset, folders, on_stage=stages.append, **limit))
    assert_same(alone, outcomes, folders)
    if memory is None:
        assert stages == ["compiling", "wave 1 of 1: 3 members"]
    else:
        waves = [stage for stage in stages if stage != "compiling"]
        assert waves == [f"wave {wave} of 3: 1 members" for wave in (1, 2, 3)]


def test_under_vmap_they_are_the_same_within_rounding(alone, configs, dataset):
    outcomes = list(train_members(configs, dataset, [None] * 3, method="vmap"))
    for number, trained in outcomes:
        for mine, other in zip(trained.history, alone[number].trained.history, strict=True):
            assert mine.pop("schedule") == pytest.approx(other["schedule"])
            assert mine == pytest.approx({k: v for k, v in other.items() if k != "schedule"}, rel=2e-3)


def test_a_member_with_normalized_gradients_is_its_run_alone(tiny, dataset):
    config = tiny("ae", train={"normalize_gradients": True})
    [(_, one)] = train_members([config], dataset, [None])
    assert one.history == train(config, dataset).history
    assert one.history != train(tiny("ae"), dataset).history


def test_at_a_lower_precision_a_member_is_near_float32_and_still_its_run_alone(alone, tiny, dataset):
    config = tiny("vsc", train={"precision": "bfloat16"})
    [(_, one)] = train_members([config], dataset, [None])
    trained = train(config, dataset)
    assert one.history == trained.history
    jax.tree.map(np.testing.assert_array_equal, nnx.state(one.model), nnx.state(trained.model))
    for row, exact in zip(trained.history, alone[0].trained.history, strict=True):
        assert 0 < abs(row["loss"] - exact["loss"]) < 0.02 * abs(exact["loss"])


def test_a_member_that_diverges_is_reported_and_the_others_go_on(alone, configs, tiny, dataset, folders):
    # Each iteration multiplies its kernels by 10^4.
    wild = tiny("vsc", train={"learning_rate": 999.0, "weight_decay": 10.0})
    one, other, third = train_members([*configs[:2], wild], dataset, folders)
    assert_same(alone[:2], (one, other), [None, None])
    assert isinstance(third[1], TrainingError)
    assert " in iterations " in str(third[1])
    assert all(np.isfinite(row["loss"]) for row in read_rows(folders[2] / "metrics.jsonl"))
    assert not (folders[2] / "checkpoints" / "23").exists()


def test_members_stopped_at_different_iterations_resume_to_the_same_runs(alone, configs, dataset, folders):
    def stop(rows):
        if rows[0]["step"] == 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(train_members(configs, dataset, folders, on_rows=stop))
    # The second was stopped before its first checkpoint, the third finished long ago.
    shutil.rmtree(folders[1] / "checkpoints")
    shutil.rmtree(folders[2])
    shutil.copytree(alone[2].workdir, folders[2])
    seen = []
    outcomes = train_members(configs, dataset, folders, on_rows=seen.extend)
    assert_same(alone, list(outcomes), folders)
    assert [row["step"] for row in seen] == [5, 10, 15, 20, 23, 15, 20, 23]


def test_damaged_checkpoints_are_passed_over_or_reported_and_the_others_go_on(
    alone, configs, dataset, folders
):
    for number, damaged in ((0, (20, 23)), (1, (23,))):
        shutil.copytree(alone[number].workdir, folders[number], dirs_exist_ok=True)
        for step in damaged:
            shutil.rmtree(folders[number] / "checkpoints" / str(step) / "default" / "d")
    (_, none_left), (_, from_20) = train_members(configs[:2], dataset, folders[:2])
    assert "checkpoints/23: a damaged checkpoint" in str(none_left)
    alone[1].assert_same(None, from_20)


def test_a_signal_saves_every_member_and_they_go_on_from_there(alone, configs, dataset, folders):
    def stop(rows):
        if rows[0]["step"] == 5:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Stopped, match=r"stopped by SIGTERM at iteration 5 of 23, which is saved"):
        list(train_members(configs, dataset, folders, on_rows=stop))
    assert [sorted(path.name for path in (f / "checkpoints").iterdir()) for f in folders] == [["5"]] * 3
    assert_same(alone, list(train_members(configs, dataset, folders)), folders)


def test_a_configuration_that_does_not_suit_the_data_is_refused_first(tiny, dataset, folders):
    for changes, message in (
        ({"train": {"batch_size": 51}}, "^train.batch_size: 51 is more than the 50 training examples"),
        ({"data": {"placement": "stream"}}, "^data.placement: the members of a sweep share"),
    ):
        assert_refused(message, next, train_members([tiny(**changes)], dataset, folders[:1]))
    assert list(folders[0].iterdir()) == []


def test_the_largest_wave_is_what_the_compiler_says_fits():
    asked = []

    def bytes_of(size):
        asked.append(size)
        return 1000 + 50 * size

    assert largest_wave(bytes_of, 40, memory=1500, shared=1000) == 10
    assert asked == [40, 10]
    assert largest_wave(bytes_of, 8, memory=1500, shared=1000) == 8
    assert largest_wave(bytes_of, 8, memory=10, shared=1000) == 1
    # A program needs arguments, results and intermediates; there is a part of the machine's memory.
    assert 2**20 < free_memory() < psutil.virtual_memory().total
    x = jax.ShapeDtypeStruct((200, 50), jnp.float32)
    program = jax.jit(lambda x: jnp.sort(x @ x.T, axis=0) @ x).lower(x).compile()
    assert 4 * (2 * 200 * 50 + 200 * 200) <= bytes_needed(program) < 4 * 6 * 200 * 200
