"""Devices that share a batch train what one device trains. In a process of its own: one that has eight."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from flax import nnx

from vsc_jax.config import to_dict
from vsc_jax.errors import UserError
from vsc_jax.training import check, train
from vsc_jax.training.devices import Layout

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


@pytest.fixture(scope="module")
def shared(tiny, dataset, tmp_path_factory):
    """A run on eight devices: history and parameters."""
    folder = tmp_path_factory.mktemp("eight")
    paths = [folder / "train.npy", folder / "test.npy"]
    for path, split in zip(paths, (dataset.train, dataset.test), strict=True):
        np.save(path, split.x)
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    config = json.dumps(to_dict(tiny("vae", data={"binarize": "dynamic"})))
    command = [sys.executable, "-c", _RUN, config, *map(str, paths), f"{folder}/params.npz"]
    ended = subprocess.run(command, env=os.environ | flags, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout), list(np.load(folder / "params.npz").values())


def test_eight_devices_train_what_one_trains(tiny, dataset, shared):
    alone = train(tiny("vae", data={"binarize": "dynamic"}), dataset)
    history, params = shared
    for one, eight in zip(alone.history, history, strict=True):
        assert eight.pop("schedule") == one["schedule"]
        assert eight == pytest.approx({name: one[name] for name in eight}, rel=1e-4)
    leaves = jax.tree.leaves(nnx.state(alone.model))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), leaves, params)


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
        shares += range(16)[Layout().share(16)]
    assert shares == list(range(16))
