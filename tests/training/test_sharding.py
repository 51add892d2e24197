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

from vsc_jax.config import ParallelConfig, to_dict
from vsc_jax.config.errors import UserError
from vsc_jax.training import check, train
from vsc_jax.training.loop import train_members
from vsc_jax.training.sharding import Sharding, members_sharding

_RUN = """
import json, sys
import jax, numpy as np
from flax import nnx
from vsc_jax.config import from_dict, with_overrides
from vsc_jax.data import Dataset, Split
from vsc_jax.training import train

config = from_dict(json.loads(sys.argv[1]))
dataset = Dataset("tiny", *(Split(np.load(path)) for path in sys.argv[2:4]))
trained = train(with_overrides(config, {"parallel.data": 8}), dataset)
leaves = jax.tree.leaves(nnx.state(trained.model))
assert all(len(leaf.devices()) == 1 for leaf in leaves)
np.savez(sys.argv[4], *leaves)
print(json.dumps(trained.history))
"""


_SWEEP = """
import json, sys, zlib
from pathlib import Path
import jax, numpy as np
from flax import nnx
from vsc_jax.config import ParallelConfig, from_dict
from vsc_jax.data import Dataset, Split
from vsc_jax.training import train
from vsc_jax.training.sharding import members_sharding
from vsc_jax.training.loop import train_members

configs = [from_dict(values) for values in json.loads(sys.argv[1])]
dataset = Dataset("tiny", *(Split(np.load(path)) for path in sys.argv[2:4]))

def summary(runs):
    leaves = [jax.tree.leaves(nnx.state(run.model)) for run in runs]
    assert all(len(leaf.devices()) == 1 for member in leaves for leaf in member)
    return {
        "histories": [run.history for run in runs],
        "params": [[zlib.crc32(np.asarray(leaf)) for leaf in member] for member in leaves],
    }

def told(data, folders, **options):
    sharding, stages = members_sharding(ParallelConfig(data=data, members=2)), []
    options |= {"sharding": sharding, "on_stage": stages.append}
    done = list(train_members(configs, dataset, folders, **options))
    return {"stages": stages, **summary([outcome.trained for outcome in done])}

folders = [Path(sys.argv[4]) / str(number) for number in range(3)]
for folder in folders:
    folder.mkdir()
print(json.dumps({
    "alone": summary([train(config, dataset) for config in configs]),
    "each": told(1, folders),
    "pairs": told(2, [None] * 3, method="vmap"),
}))
"""


def on_eight_devices(program, configs, dataset, folder, output):
    """What the program prints, as JSON."""
    paths = [folder / "train.npy", folder / "test.npy"]
    for path, split in zip(paths, (dataset.train, dataset.test), strict=True):
        np.save(path, split.x)
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", program, json.dumps(configs), *map(str, paths), str(output)]
    ended = subprocess.run(command, env=os.environ | flags, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture(scope="module")
def shared(tiny, dataset, tmp_path_factory):
    """A run on eight devices: history and parameters."""
    folder = tmp_path_factory.mktemp("eight")
    config = to_dict(tiny("vae", data={"binarize": "dynamic"}))
    history = on_eight_devices(_RUN, config, dataset, folder, folder / "params.npz")
    return history, list(np.load(folder / "params.npz").values())


def test_eight_devices_train_what_one_trains(tiny, dataset, shared):
    alone = train(tiny("vae", data={"binarize": "dynamic"}), dataset)
    history, params = shared
    for one, eight in zip(alone.history, history, strict=True):
        assert eight.pop("schedule") == one["schedule"]
        assert eight == pytest.approx({name: one[name] for name in eight}, rel=1e-4)
    leaves = jax.tree.leaves(nnx.state(alone.model))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), leaves, params)


@pytest.fixture(scope="module")
def members(tiny):
    """Configurations of three members."""
    settings = ((0.1, 0.01, 0), (0.3, 0.01, 1), (0.3, 0.02, 1))
    return [tiny("vsc", model={"alpha": a}, train={"learning_rate": r}, seed=s) for a, r, s in settings]


@pytest.fixture(scope="module")
def spread(members, dataset, tmp_path_factory):
    """The members over two groups of devices: what was told of each way, and their folders."""
    folder = tmp_path_factory.mktemp("members")
    told = on_eight_devices(_SWEEP, [to_dict(config) for config in members], dataset, folder, folder)
    return told, [folder / str(number) for number in range(3)]


@pytest.fixture(scope="module")
def alone(members, dataset):
    """The members, each on its own on one device."""
    return [train(config, dataset) for config in members]


def test_members_over_two_devices_are_the_runs_alone_to_the_last_bit(spread, members, dataset):
    told, folders = spread
    each, alone = told["each"], told["alone"]
    assert each["stages"] == ["compiling", "wave 1 of 1: 3 members"]
    assert each["histories"] == alone["histories"]
    assert each["params"] == alone["params"]
    # A checkpoint that was written there is finished here, on one device, and read.
    for number, here in enumerate(train_members(members, dataset, folders)):
        assert here.trained.history == each["histories"][number]
        restored = jax.tree.leaves(nnx.state(here.trained.model))
        assert [zlib.crc32(np.asarray(leaf)) for leaf in restored] == each["params"][number]


def test_members_over_two_pairs_that_share_batches_are_the_runs_alone_within_rounding(spread, alone):
    told = spread[0]["pairs"]
    assert told["stages"] == ["compiling", "wave 1 of 1: 3 members"]
    for rows, one in zip(told["histories"], alone, strict=True):
        for row, expected in zip(rows, one.history, strict=True):
            assert row.pop("schedule") == pytest.approx(expected["schedule"])
            assert row == pytest.approx({name: expected[name] for name in row}, rel=2e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"members": 5}, "parallel.members: expected at most 4, the number of devices, got 5"),
        (
            {"members": 3, "data": 2},
            "parallel.members: expected at most 2, the number of devices over 2 for each batch (",
        ),
        ({"data": 5}, "parallel.data: expected at most 4, the number of devices, got 5"),
        ({"distributed": True}, "parallel.distributed: expected False for a sweep, which is trained by one"),
    ],
)
def test_a_mesh_that_cannot_be_is_refused(settings, message, monkeypatch):
    monkeypatch.setattr("jax.device_count", lambda: 4)
    with pytest.raises(UserError) as caught:
        members_sharding(ParallelConfig(**settings))
    assert str(caught.value).startswith(message)


def test_a_run_on_its_own_has_no_members(tiny, dataset):
    message = (
        r"parallel.members: expected 1 for a run on its own, got 2; python -m vsc_jax.sweep trains members"
    )
    with pytest.raises(UserError, match=message):
        check(tiny(parallel={"members": 2}), dataset)


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        (2, "parallel.data: expected at most 1, the number of devices, got 2"),
        (3, "train.batch_size: expected a multiple of 3, the devices that share a batch (parallel.data), "),
    ],
)
def test_devices_that_cannot_be_are_refused(devices, message, tiny, dataset, monkeypatch):
    if devices == 3:
        monkeypatch.setattr("jax.device_count", lambda: 4)
    with pytest.raises(UserError) as caught:
        check(tiny(parallel={"data": devices}), dataset)
    assert str(caught.value).startswith(message)


def test_processes_provide_their_own_share_of_each_batch(monkeypatch):
    monkeypatch.setattr("jax.process_count", lambda: 4)
    shares = []
    for process in range(4):
        monkeypatch.setattr("jax.process_index", lambda process=process: process)
        shares += range(16)[Sharding().batch_share(16)]
    assert shares == list(range(16))
