"""Devices that share a batch, or a sweep's members, train what one trains. In a process that has eight."""

import json
import os
import subprocess
import sys
import zlib

import jax
import numpy as np
import pytest
from flax import nnx

from tests.refused import error_of
from vsc_jax.config import ParallelConfig, to_dict
from vsc_jax.training import check, train, train_members
from vsc_jax.training.sharding import Sharding, members_sharding

_PROGRAM = """
import json, sys, zlib
from pathlib import Path
import jax, numpy as np
from flax import nnx
from vsc_jax.config import ParallelConfig, from_dict, with_overrides
from vsc_jax.data import Dataset, Split
from vsc_jax.training import train, train_members
from vsc_jax.training.sharding import members_sharding

shared, *configs = [from_dict(values) for values in json.loads(sys.argv[1])]
folder = Path(sys.argv[2])
dataset = Dataset("tiny", *(Split(np.load(folder / name)) for name in ("train.npy", "test.npy")))

def summary(runs):
    leaves = [jax.tree.leaves(nnx.state(run.model)) for run in runs]
    assert all(len(leaf.devices()) == 1 for member in leaves for leaf in member)
    return {
        "histories": [run.history for run in runs],
        "params": [[zlib.crc32(np.asarray(leaf)) for leaf in member] for member in leaves],
    }

def together(data, folders, **options):
    sharding, stages = members_sharding(ParallelConfig(data=data, members=2)), []
    options |= {"sharding": sharding, "on_stage": stages.append}
    done = list(train_members(configs, dataset, folders, **options))
    return {"stages": stages, **summary([trained for _, trained in done])}

folders = [folder / str(number) for number in range(3)]
for made in folders:
    made.mkdir()
trained = train(with_overrides(shared, {"parallel.data": 8}), dataset)
np.savez(folder / "params.npz", *jax.tree.leaves(nnx.state(trained.model)))
print(json.dumps({
    "shared": summary([trained]),
    "alone": summary([train(config, dataset) for config in configs]),
    "each": together(1, folders),
    "pairs": together(2, [None] * 3, method="vmap"),
}))
"""


@pytest.fixture(scope="module")
def shared(tiny):
    """A configuration whose batches are shared by eight devices."""
    return tiny("vae", data={"binarize": "dynamic"})


@pytest.fixture(scope="module")
def members(tiny):
    """Configurations of three members."""
    settings = ((1.0, 0.01, 0), (2.0, 0.01, 1), (2.0, 0.02, 1))
    return [tiny("vae", model={"beta": b}, train={"learning_rate": r}, seed=s) for b, r, s in settings]


@pytest.fixture(scope="module")
def eight(shared, members, dataset, tmp_path_factory, optimized):
    """What eight devices trained, and the folder."""
    folder = tmp_path_factory.mktemp("eight")
    np.save(folder / "train.npy", dataset.train.x)
    np.save(folder / "test.npy", dataset.test.x)
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    flags["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "0"
    configs = json.dumps([to_dict(config) for config in (shared, *members)])
    command = [sys.executable, "-c", _PROGRAM, configs, str(folder)]
    ended = subprocess.run(command, env=os.environ | flags, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout), folder


def assert_near(rows, expected, tolerance):
    for row, other in zip(rows, expected, strict=True):
        assert row.pop("schedule") == pytest.approx(other["schedule"])
        assert row == pytest.approx({name: other[name] for name in row}, rel=tolerance)


def test_eight_devices_train_what_one_trains(shared, dataset, eight):
    alone = train(shared, dataset)
    assert_near(eight[0]["shared"]["histories"][0], alone.history, 1e-4)
    params = list(np.load(eight[1] / "params.npz").values())
    leaves = jax.tree.leaves(nnx.state(alone.model))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), leaves, params)


def test_members_over_two_devices_are_the_runs_alone_to_the_last_bit(eight, members, dataset):
    each, alone = eight[0]["each"], eight[0]["alone"]
    assert each.pop("stages") == ["compiling", "wave 1 of 1: 3 members"]
    assert each == alone
    # A checkpoint that was written there is finished here, on one device, and read.
    folders = [eight[1] / str(number) for number in range(3)]
    for number, here in train_members(members, dataset, folders):
        assert here.history == each["histories"][number]
        restored = jax.tree.leaves(nnx.state(here.model))
        assert [zlib.crc32(np.asarray(leaf)) for leaf in restored] == each["params"][number]


def test_members_over_two_pairs_that_share_batches_are_the_runs_alone_within_rounding(
    eight, members, dataset
):
    assert eight[0]["pairs"]["stages"] == ["compiling", "wave 1 of 1: 3 members"]
    for rows, config in zip(eight[0]["pairs"]["histories"], members, strict=True):
        assert_near(rows, train(config, dataset).history, 2e-3)


AT_MOST = "expected at most 4, the number of devices, got 5"


@pytest.mark.parametrize(("of_members", "settings", "message"), [
    (True, {"members": 5}, f"parallel.members: {AT_MOST}"),
    (True, {"members": 3, "data": 2}, "parallel.members: expected at most 2, the number of devices over"),
    (True, {"data": 5}, f"parallel.data: {AT_MOST}"),
    (True, {"distributed": True}, "parallel.distributed: expected False for a sweep, which is trained b"),
    (False, {"data": 5}, f"parallel.data: {AT_MOST}"),
    (False, {"data": 3}, "train.batch_size: expected a multiple of 3, the devices that share a batch (p"),
    (False, {"members": 2}, "parallel.members: expected 1 for a run on its own, got 2; python -m vsc_ja"),
])  # fmt: skip
def test_devices_that_there_are_not_are_refused(of_members, settings, message, tiny, dataset, monkeypatch):
    monkeypatch.setattr("jax.device_count", lambda: 4)
    of_all, of_one = (members_sharding, ParallelConfig(**settings)), (check, tiny(parallel=settings), dataset)
    assert error_of(*(of_all if of_members else of_one)).startswith(message)


def test_processes_provide_their_own_share_of_each_batch(monkeypatch):
    monkeypatch.setattr("jax.process_count", lambda: 4)
    shares = []
    for process in range(4):
        monkeypatch.setattr("jax.process_index", lambda process=process: process)
        shares += range(16)[Sharding().batch_share(16)]
    assert shares == list(range(16))
