"""Checkpoints: exact round trips, the newest few kept, damage told in one line."""

import jax
import numpy as np
import pytest
from flax import nnx

from vsc_jax.config import CheckpointConfig
from vsc_jax.config.errors import UserError
from vsc_jax.training import initial_model, initial_state
from vsc_jax.training.checkpoints import Checkpoints, named_leaves, with_leaves


@pytest.fixture(scope="module")
def state(tiny, dataset):
    """A state whose every leaf is told from the initial one."""
    fresh = initial_state(nnx.split(initial_model(tiny("vsc"), dataset))[1])
    rng = np.random.default_rng(0)

    def changed(leaf):
        if np.issubdtype(leaf.dtype, np.integer):
            return np.asarray(leaf) + np.int32(7)
        return rng.standard_normal(leaf.shape, np.float32)

    return jax.tree.map(lambda leaf: jax.device_put(changed(leaf)), fresh)


def at(state, step):
    return state._replace(step=jax.device_put(np.int32(step)))


def saved(folder, state, *steps, keep=2):
    with Checkpoints(folder, CheckpointConfig(keep=keep)) as checkpoints:
        for step in steps:
            checkpoints.save(at(state, step))


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


def test_the_newest_few_are_kept(tmp_path, state):
    saved(tmp_path, state, 10, 20, 30, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["20", "30"]
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest_step() == 30
        assert int(checkpoints.restore(state).step) == 30


def test_an_unfinished_save_is_not_a_checkpoint(tmp_path, state):
    saved(tmp_path, state, 10)
    (tmp_path / "20.orbax-checkpoint-tmp-123").mkdir()
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest_step() == 10


def refusal(folder, template):
    with pytest.raises(UserError) as caught, Checkpoints(folder) as checkpoints:
        checkpoints.restore(template)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_no_checkpoint(tmp_path, state):
    assert refusal(tmp_path, state) == f"{tmp_path}: no checkpoint"


def remove(path):
    path.unlink()


def truncate(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def garble(path):
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize(
    ("damage", "pattern"),
    [(remove, "d/*"), (truncate, "d/*"), (garble, "d/*"), (remove, "manifest.ocdbt"), (remove, "*")],
)
def test_a_damaged_checkpoint_is_named(tmp_path, state, damage, pattern):
    saved(tmp_path, state, 10)
    hit = [path for path in (tmp_path / "10").rglob(pattern) if path.is_file()]
    assert hit
    for path in hit:
        damage(path)
    assert refusal(tmp_path, state) == (
        f"{tmp_path / '10'}: a damaged checkpoint, or one of another model, and there is no other; without"
        f" {tmp_path} the run starts anew"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["10"]


def flip_a_bit(folder):
    largest = max(folder.rglob("d/*"), key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)


def truncate_all(folder):
    for path in folder.rglob("d/*"):
        truncate(path)


def test_a_flipped_bit_is_noticed(tmp_path, state):
    saved(tmp_path, state, 10)
    flip_a_bit(tmp_path / "10")
    assert refusal(tmp_path, state).startswith(f"{tmp_path / '10'}: a damaged checkpoint")


@pytest.mark.parametrize("damage", [flip_a_bit, truncate_all])
def test_the_checkpoint_before_a_damaged_one_is_taken_and_the_log_says_so(
    tmp_path, state, damage, caplog, capfd
):
    saved(tmp_path, state, 10, 20)
    damage(tmp_path / "20")
    with Checkpoints(tmp_path) as checkpoints:  # As `load` reads it: nothing is changed.
        assert int(checkpoints.restore(state).step) == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["10", "20"]
    [record] = caplog.records
    assert record.message == f"{tmp_path / '20'}: damaged; going on from iteration 10, saved before it"
    with Checkpoints(tmp_path, CheckpointConfig(keep=2)) as checkpoints:
        assert int(checkpoints.restore(state).step) == 10
        assert checkpoints.latest_step() == 10
        checkpoints.save(at(state, 20))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["10", "20", "20.damaged"]
    with Checkpoints(tmp_path, CheckpointConfig(keep=2)) as checkpoints:
        assert int(checkpoints.restore(state).step) == 20
    assert capfd.readouterr().out == ""


def test_what_an_unfinished_save_left_is_cleared(tmp_path, state):
    saved(tmp_path, state, 10)
    (tmp_path / "20.orbax-checkpoint-tmp-123").mkdir()
    saved(tmp_path, state, 30)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["10", "30"]


def test_a_checkpoint_of_another_model_is_refused(tmp_path, state, tiny, dataset):
    saved(tmp_path, state, 10)
    other = tiny("vsc", model={"latents": 4})
    template = initial_state(nnx.split(initial_model(other, dataset))[1])
    assert refusal(tmp_path, template).startswith(
        f"{tmp_path / '10'}: a damaged checkpoint, or one of another"
    )


def test_leaves_have_readable_names(state):
    leaves = named_leaves(state)
    assert {"step", "params/encoder/layers/0/kernel", "params/pseudo_inputs/raw"} <= leaves.keys()
    again = with_leaves(state, leaves)
    jax.tree.map(np.testing.assert_array_equal, again, state)
    del leaves["step"]
    with pytest.raises(KeyError, match="step"):
        with_leaves(state, leaves)
