"""Files from strangers are data: nothing is unpickled, nothing is run, nothing is written elsewhere."""

import contextlib
import dataclasses
import json
import os
import pickle
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vsc_jax
from tests import tiny
from tests.refused import assert_refused
from tests.tiny import noise
from vsc_jax.config import DataConfig, from_json, replaced
from vsc_jax.config.errors import UserError
from vsc_jax.data import load

CONFIG = replaced(tiny.CONFIG, {"model.kind": "ae"})
_watching: list[str] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching is not None and event in ("pickle.find_class", "os.system", "subprocess.Popen"):
        _watching.append(event)


sys.addaudithook(_watch)  # an audit hook stays for the life of the process


@contextlib.contextmanager
def watched() -> Iterator[list[str]]:
    """What is unpickled, and what is started, meanwhile."""
    global _watching
    _watching = events = []
    try:
        yield events
    finally:
        _watching = None


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return vsc_jax.fit(CONFIG, tmp_path_factory.mktemp("runs") / "run", dataset=noise())


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


def test_the_watch_sees_an_unpickling(tmp_path):
    with watched() as events:
        pickle.loads(pickle.dumps(Evil(tmp_path / "broken")))
    assert "pickle.find_class" in events
    assert (tmp_path / "broken").exists()


def test_reading_runs_and_saved_models_unpickles_and_starts_nothing(run, tmp_path):
    vsc_jax.save(run, tmp_path / "saved")
    copy = Path(shutil.copytree(run.workdir, tmp_path / "copy"))
    shutil.rmtree(copy / "checkpoints" / "6")
    with watched() as events:
        vsc_jax.load(run.workdir)
        vsc_jax.load(tmp_path / "saved")
        vsc_jax.fit(CONFIG, copy, dataset=noise())  # goes on from iteration 3
    assert events == []


@pytest.mark.parametrize("name", ["evil.npy", "evil.npz"])
def test_an_array_with_a_pickle_in_it_is_refused(name, tmp_path):
    objects = np.array([Evil(tmp_path / "broken")], object)
    save = np.save if name.endswith(".npy") else np.savez
    save(tmp_path / name, objects) if name.endswith(".npy") else save(tmp_path / name, x=objects)
    with watched() as events, pytest.raises(UserError, match="Python objects"):
        load(DataConfig(path=tmp_path / name))
    assert events == []
    assert not (tmp_path / "broken").exists()


@pytest.mark.parametrize("file", ["checkpoints/6/default/manifest.ocdbt", "checkpoints/6/default/_METADATA"])
def test_a_pickle_in_place_of_a_checkpoints_file_is_not_read(run, tmp_path, file):
    copy = Path(shutil.copytree(run.workdir, tmp_path / "copy"))
    (copy / file).write_bytes(pickle.dumps(Evil(tmp_path / "broken")))
    shutil.rmtree(copy / "checkpoints" / "3", ignore_errors=True)
    with watched() as events, pytest.raises(UserError, match="a damaged checkpoint"):
        vsc_jax.load(copy)
    assert events == []
    assert not (tmp_path / "broken").exists()


def test_a_runs_config_is_data_and_its_paths_stay_words(run, tmp_path):
    copy = Path(shutil.copytree(run.workdir, tmp_path / "copy"))
    values = json.loads((copy / "config.json").read_text())
    values["name"] = "../../elsewhere"
    (copy / "config.json").write_text(json.dumps(values))
    assert_refused("config.json: name: expected letters", vsc_jax.load, copy)
    values["name"] = "__import__('os').system('false')"
    (copy / "config.json").write_text(json.dumps(values))
    with watched() as events, pytest.raises(UserError, match="config.json: name: expected letters"):
        from_json(copy / "config.json")
    assert events == []


@pytest.mark.parametrize(("file", "section", "values", "message"), [
    ("config.json", "model", {"latents": 2**31 - 1}, "model.latents, model.hidden, model.pseudo_inputs:"),
    ("config.json", "model", {"latents": -5}, "config.json: model.latents: expected a number from 1"),
    ("data.json", None, {"example_shape": [2**40]}, "model.latents, model.hidden, model.pseudo_inputs:"),
])  # fmt: skip
def test_sizes_that_would_take_all_the_memory_are_refused_first(
    run, tmp_path, file, section, values, message
):
    copy = Path(shutil.copytree(run.workdir, tmp_path / "copy"))
    content = json.loads((copy / file).read_text())
    (content if section is None else content[section]).update(values)
    (copy / file).write_text(json.dumps(content))
    assert_refused(message, vsc_jax.load, copy)


def test_nothing_is_written_outside_the_run_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    vsc_jax.fit(dataclasses.replace(CONFIG, seed=1), tmp_path / "run", dataset=noise())
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
