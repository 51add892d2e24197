"""Checkpoints: exact round trips, the newest few kept, damage reported in one line."""

from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from tests.refused import assert_refused, error_of
from vsc_jax.config import CheckpointConfig
from vsc_jax.training import initial_model, initial_state
from vsc_jax.training.checkpoints import Checkpoints, named_leaves, with_leaves


@pytest.fixture(scope="module")
def state(tiny, dataset):
    """A state whose every leaf differs from the initial one."""
    fresh = initial_state(nnx.split(initial_model(tiny("vsc"), dataset))[1])
    rng = np.random.default_rng(0)
    changed = jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape, np.float32), fresh)
    optimizer = changed.optimizer._replace(count=fresh.optimizer.count + 7)
    return jax.device_put(changed._replace(step=np.int32(7), optimizer=optimizer))


def saved(folder, state, *steps):
    with Checkpoints(folder, CheckpointConfig(keep=2)) as checkpoints:
        for step in steps:
            checkpoints.save(state._replace(step=jax.device_put(np.int32(step))))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_round_trip_is_exact_and_silent(tmp_path, state, capfd):
    with Checkpoints(tmp_path / "checkpoints", CheckpointConfig()) as checkpoints:
        assert checkpoints.latest_step() is None
        checkpoints.save(state)
        assert checkpoints.latest_step() == 7
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        restored = checkpoints.restore(jax.eval_shape(lambda: state))
    assert jax.tree.structure(restored) == jax.tree.structure(state)
    jax.tree.map(np.testing.assert_array_equal, restored, state)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(restored))
    assert capfd.readouterr() == ("", "")


def test_the_newest_few_are_kept_and_an_unfinished_save_is_none_and_cleared(tmp_path, state):
    saved(tmp_path, state, 10, 20, 30)
    assert names(tmp_path) == ["20", "30"]
    (tmp_path / "40.orbax-checkpoint-tmp-123").mkdir()
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest_step() == int(checkpoints.restore(state).step) == 30
    saved(tmp_path, state, 50)
    assert names(tmp_path) == ["30", "50"]


def refusal(folder, template):
    with Checkpoints(folder) as checkpoints:
        return error_of(checkpoints.restore, template)


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


REMOVE = Path.unlink
TRUNCATE = lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])  # noqa: E731
GARBLE = lambda path: path.write_bytes(bytes(path.stat().st_size))  # noqa: E731


def damaged(damage, folder, pattern="d/*"):
    hit = [path for path in folder.rglob(pattern) if path.is_file()]
    assert hit
    for path in sorted(hit, key=lambda path: path.stat().st_size)[-1:] if damage is flip_a_bit else hit:
        damage(path)


@pytest.mark.parametrize(("damage", "pattern"), [
    *((damage, "d/*") for damage in (REMOVE, TRUNCATE, GARBLE, flip_a_bit)),
    (REMOVE, "manifest.ocdbt"),
    (REMOVE, "*"),
])  # fmt: skip
def test_a_damaged_checkpoint_is_named(tmp_path, state, damage, pattern):
    saved(tmp_path, state, 10)
    damaged(damage, tmp_path / "10", pattern)
    assert refusal(tmp_path, state) == (
        f"{tmp_path / '10'}: a damaged checkpoint, or one of another model, and there is no other; without"
        f" {tmp_path} the run starts anew"
    )
    assert names(tmp_path) == ["10"]


def test_a_checkpoint_of_another_model_and_none_at_all_are_refused(tmp_path, state, tiny, dataset):
    assert refusal(tmp_path, state) == f"{tmp_path}: no checkpoint"
    saved(tmp_path, state, 10)
    other = tiny("vsc", model={"latents": 4})
    template = initial_state(nnx.split(initial_model(other, dataset))[1])
    assert refusal(tmp_path, template).startswith(
        f"{tmp_path / '10'}: a damaged checkpoint, or one of another"
    )


@pytest.mark.parametrize("damage", [flip_a_bit, TRUNCATE])
def test_the_checkpoint_before_a_damaged_one_is_taken_and_that_is_logged(
    tmp_path, state, damage, caplog, capfd
):
    saved(tmp_path, state, 10, 20)
    damaged(damage, tmp_path / "20")
    with Checkpoints(tmp_path) as checkpoints:  # As `load` reads it: nothing is changed.
        assert int(checkpoints.restore(state).step) == 10
    assert names(tmp_path) == ["10", "20"]
    [record] = caplog.records
    assert record.message == f"{tmp_path / '20'}: damaged; going on from iteration 10, saved before it"
    with Checkpoints(tmp_path, CheckpointConfig(keep=2)) as checkpoints:
        assert int(checkpoints.restore(state).step) == checkpoints.latest_step() == 10
    saved(tmp_path, state, 20)
    assert names(tmp_path) == ["10", "20", "20.damaged"]
    with Checkpoints(tmp_path) as checkpoints:
        assert int(checkpoints.restore(state).step) == 20
    assert capfd.readouterr().out == ""


def test_leaves_have_readable_names(state):
    leaves = named_leaves(state)
    assert {"step", "params/encoder/layers/0/kernel", "params/pseudo_inputs/raw"} <= leaves.keys()
    jax.tree.map(np.testing.assert_array_equal, with_leaves(state, leaves, Path("x")), state)
    del leaves["step"]
    assert_refused(r"^x: step: expected shape \(\), found None$", with_leaves, state, leaves, Path("x"))
