"""A run folder and a saved model of every release load, and encode and reconstruct as they did then.

``tests/releases/VERSION`` holds them, with what they gave. To store those of the current version, before its
release: ``VSC_REGENERATE=1 python -m pytest tests/test_older_releases.py``.
"""

import json
import os
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

import vsc_jax
from tests.tiny import CONFIG, noise
from vsc_jax.config import replaced

RELEASES = Path(__file__).with_name("releases")
VERSIONS = sorted(path.name for path in RELEASES.glob("*")) or [vsc_jax.__version__]
ADVICE = """
The {kind} of release {version} no longer loads, or gives other numbers. Users have such folders. Make it
load, or have loading refuse it in one line that says why and what to do, say so in CHANGELOG.md, and change
this test.
"""


def outputs(model):
    x = noise().test.x[:4]
    values = [*jax.tree.leaves(model.encode(x)), model.reconstruct(x)]
    return [np.asarray(value).ravel().tolist() for value in values]


@pytest.fixture(scope="session", autouse=True)
def regenerated():
    if not os.environ.get("VSC_REGENERATE"):
        return
    folder = RELEASES / vsc_jax.__version__
    shutil.rmtree(folder, ignore_errors=True)
    small = replaced(CONFIG, {"checkpoint.every": 6, "checkpoint.keep": 1})
    run = vsc_jax.fit(small, folder / "run", dataset=noise())
    (folder / "run" / ".lock").unlink()
    vsc_jax.save(run, folder / "saved")
    (folder / "outputs.json").write_text(json.dumps(outputs(run.model)) + "\n")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["run", "saved"])
def test_it_loads_and_gives_what_it_gave(version, kind):
    try:
        found = outputs(vsc_jax.load(RELEASES / version / kind))
        expected = json.loads((RELEASES / version / "outputs.json").read_text())
        for value, before in zip(found, expected, strict=True):
            np.testing.assert_allclose(value, before, rtol=1e-4, atol=1e-5)
    except Exception as error:
        raise AssertionError(ADVICE.format(kind=kind, version=version)) from error


@pytest.mark.parametrize("version", VERSIONS)
def test_its_run_is_finished_and_needs_no_training(version, tmp_path, monkeypatch):
    folder = Path(shutil.copytree(RELEASES / version / "run", tmp_path / "run"))
    monkeypatch.setattr("vsc_jax.training.loop.run_chunk", None)
    run = vsc_jax.fit(CONFIG, folder, dataset=noise())
    assert run.results == json.loads((RELEASES / version / "run" / "results.json").read_text())


def test_the_fixtures_are_small():
    sizes = [path.stat().st_size for path in RELEASES.rglob("*") if path.is_file()]
    assert 0 < sum(sizes) < 200_000 * len(VERSIONS)
