"""What may happen to a run: signals, a second process, a full disk, damage, a strange clock, no memory."""

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.refused import assert_refused
from vsc_jax.config.errors import UserError
from vsc_jax.config.stopping import Stopped
from vsc_jax.data import Split
from vsc_jax.training import train
from vsc_jax.training.run_folder import hold, read_rows


def steps(workdir):
    return [row["step"] for row in read_rows(workdir / "metrics.jsonl")]


def saved_steps(workdir):
    return sorted(path.name for path in (workdir / "checkpoints").iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_resumed_run_is_bit_identical(finished, tmp_path, number):
    def on_row(row):
        if row["step"] == 5:
            os.kill(os.getpid(), number)

    message = (
        f"stopped by {number.name} at iteration 5 of 23, which is saved; the same command goes on from there"
    )
    with pytest.raises(Stopped, match=message) as caught:
        train(finished.config, finished.dataset, tmp_path, on_row)
    assert caught.value.signal == number
    assert steps(tmp_path) == [5]
    assert saved_steps(tmp_path) == ["5"]
    finished.assert_same(tmp_path, train(finished.config, finished.dataset, tmp_path))


# Two processes

HOLDER = """
import filelock, sys
with filelock.FileLock(sys.argv[1]):
    print("held", flush=True)
    input()
"""


def test_a_folder_in_use_is_refused_until_its_process_is_dead(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(UserError) as caught, hold(tmp_path):
            pass
        assert str(caught.value) == (
            f"--workdir: {tmp_path} is in use by another process; wait for its end or choose another folder"
        )
        process.kill()
    assert (tmp_path / ".lock").exists()
    with hold(tmp_path):
        for _ in range(2):  # nor is it held twice in one process
            with pytest.raises(UserError, match="in use"), hold(tmp_path):
                pass
    with pytest.raises(FileNotFoundError), hold(tmp_path):  # an error that is not the disk's passes through
        (tmp_path / "missing").read_text()
    message = r"^x.json: cannot be written \(No space left on device\)$"
    with pytest.raises(UserError, match=message), hold(tmp_path):
        raise OSError(28, "No space left on device", "x.json")


@pytest.fixture
def disk(tmp_path):
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "vsc_jax_test", folder]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(folder, free):
    """Leave about ``free`` bytes."""
    with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    os.truncate(folder / "filler", (folder / "filler").stat().st_size - free)


@pytest.mark.parametrize("free", [0, 8192, 32768, 65536])
def test_a_full_disk_is_one_line_and_loses_nothing(finished, stopped, disk, free):
    workdir = Path(shutil.copytree(stopped, disk / "run"))
    fill(disk, free)
    with pytest.raises(UserError, match=r"cannot be written \(No space left on device\)$"), hold(workdir):
        train(finished.config, finished.dataset, workdir)
    assert "10" in saved_steps(workdir)
    assert steps(workdir)[:2] == [5, 10]
    (disk / "filler").unlink()
    with hold(workdir):
        finished.assert_same(workdir, train(finished.config, finished.dataset, workdir))


def test_a_read_only_disk_is_one_line(stopped, disk):
    workdir = Path(shutil.copytree(stopped, disk / "run"))
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(UserError, match=f"^--workdir: {workdir} is not writable$"), hold(workdir):
        pass


def test_a_damaged_log_is_kept_aside_and_that_is_logged(finished, workdir, caplog):
    whole = (workdir / "metrics.jsonl").read_text()
    damaged = whole.replace('{"step": 10', '{"step": 1\x00')
    (workdir / "metrics.jsonl").write_text(damaged)
    train(finished.config, finished.dataset, workdir)
    assert steps(workdir) == [5, 15, 20, 23]
    assert (workdir / "metrics.jsonl.damaged").read_text() == damaged
    assert "metrics.jsonl: damaged; the rows before iteration 10 are not all there" in caplog.text


def test_a_clock_that_runs_backwards_is_harmless(finished, workdir, monkeypatch):
    now = time.time()
    for path in workdir.rglob("*"):
        os.utime(path, (now + 10**6, now + 10**6))
    clock = iter(range(10**9, 0, -1000))
    monkeypatch.setattr("time.time", lambda: float(next(clock)))
    monkeypatch.setattr("time.time_ns", lambda: next(clock) * 10**9)
    finished.assert_same(workdir, train(finished.config, finished.dataset, workdir))


def test_a_batch_too_large_for_the_memory_is_named(tiny, dataset):
    overcommit = Path("/proc/sys/vm/overcommit_memory")
    if not overcommit.exists() or overcommit.read_text().strip() == "1":
        pytest.skip("needs a system that refuses more memory than there is")
    width, total = 100_000, psutil.virtual_memory().total
    size = 8 * total // (4 * width)  # The hidden layer alone takes eight times what there is.
    few = Split(np.zeros((size, 1, 2), np.uint8))
    settings = {"train": {"batch_size": size, "steps": 1, "log_every": 1}, "data": {"placement": "device"}}
    config = tiny("ae", model={"hidden": (width,), "latents": 1}, **settings)
    message = rf"^train.batch_size, model.latents: batches of {size} do not fit; .* \(out of memory, "
    assert_refused(message, train, config, dataclasses.replace(dataset, train=few, test=few.first(2)))
