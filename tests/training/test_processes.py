"""Two processes over loopback are one run; when one is killed the other says so, and the run goes on."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest

from vsc_jax.config import to_dict
from vsc_jax.config.errors import UserError
from vsc_jax.training import processes, train
from vsc_jax.training.run_folder import read_rows

_RUN = """
import json, os, signal, sys
from pathlib import Path
import numpy as np
from vsc_jax.cli.command_line import run_command
from vsc_jax.config import from_dict
from vsc_jax.data import Dataset, Split
from vsc_jax.training import processes, train

config, train_x, test_x, workdir, kill_at = sys.argv[1:]

def on_row(row):
    if row["step"] == int(kill_at) and not processes.is_first():
        os.kill(os.getpid(), signal.SIGKILL)

def main():
    with processes.joined(True):
        dataset = Dataset("tiny", Split(np.load(train_x)), Split(np.load(test_x)))
        train(from_dict(json.loads(config)), dataset, Path(workdir) if processes.is_first() else None, on_row)
        processes.leave()

run_command(main)
"""


@pytest.fixture(scope="module")
def start(tiny, dataset, tmp_path_factory):
    """Starts both processes on a run folder and waits; exit code and messages of each."""
    folder = tmp_path_factory.mktemp("two")
    paths = [str(folder / "train.npy"), str(folder / "test.npy")]
    for path, split in zip(paths, (dataset.train, dataset.test), strict=True):
        np.save(path, split.x)

    def run(workdir, kill_at, placement):
        config = tiny("ae", parallel={"data": 2, "distributed": True}, data={"placement": placement})
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        known = {"JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}", "JAX_NUM_PROCESSES": "2"}
        known |= {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
        arguments = [json.dumps(to_dict(config)), *paths, str(workdir), str(kill_at)]
        command = [sys.executable, "-c", _RUN, *arguments]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        environments = [os.environ | known | {"JAX_PROCESS_ID": number} for number in ("0", "1")]
        both = [subprocess.Popen(command, env=environment, **options) for environment in environments]
        try:
            messages = [process.communicate(timeout=40)[1] for process in both]
        finally:
            for process in both:
                process.kill()
        return [process.returncode for process in both], messages

    return run


@pytest.fixture(scope="module")
def killed(start, tmp_path_factory):
    """A run whose second process was killed after iteration 15."""
    workdir = tmp_path_factory.mktemp("runs") / "killed"
    workdir.mkdir()
    return workdir, *start(workdir, 15, "device")


def test_one_process_killed_ends_the_other_with_one_line(killed):
    workdir, codes, messages = killed
    assert codes == [1, -signal.SIGKILL]
    errors = [line for line in messages[0].splitlines() if line.startswith("error:")]
    assert len(errors) == 1, messages[0]
    assert "error: process 0 of 2 has lost another one" in errors[0]
    assert "Traceback" not in messages[0]
    assert [path.name for path in (workdir / "checkpoints").iterdir()] == ["10"]


def test_two_processes_go_on_from_there_to_what_one_trains(killed, start, tiny, dataset, tmp_path):
    workdir = shutil.copytree(killed[0], tmp_path / "run")
    codes, messages = start(workdir, 0, "stream")
    assert codes == [0, 0], messages
    rows = read_rows(workdir / "metrics.jsonl")
    for together, one in zip(rows, train(tiny("ae"), dataset).history, strict=True):
        assert together.pop("schedule") == one["schedule"]
        assert together == pytest.approx({name: one[name] for name in together}, rel=1e-4)


@pytest.mark.parametrize(("variables", "message"), [
    ({}, r"^parallel.distributed: expected SLURM, a TPU pod, or JAX_COORDINATOR_ADDRESS"),
    ({"JAX_NUM_PROCESSES": "two"}, r"^JAX_NUM_PROCESSES: expected a number, got 'two'$"),
])  # fmt: skip
def test_what_is_missing_to_join_is_named(variables, message, monkeypatch):
    for name in ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=message), processes.joined(True):
        pass
