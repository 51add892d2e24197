"""A run looked at again: with the data that it was trained on, from any folder, or not at all."""

import json
from pathlib import Path

import numpy as np
import pytest

import vsc_jax
from tests.refused import assert_refused
from tests.tiny import CONFIG
from vsc_jax import encode, evaluate, explore, report
from vsc_jax.config import replaced
from vsc_jax.data import identity
from vsc_jax.run import open_run
from vsc_jax.run.grid import Axis
from vsc_jax.run.sweep import sweep

pytestmark = pytest.mark.usefixtures("few_figures")
OF_FILE = replaced(CONFIG, {"data.path": "x.npy"})
OTHER = (
    r"the run was trained on other data than its config\.json names now \(of the same shape, with other val"
)
REFUSED = r"holds a run on other data \(of the same shape, with other values\); choose another folder"


def images(seed):
    return np.random.default_rng(seed).random((60, 4, 4), np.float32)


def labelled(seed):
    return images(seed), np.arange(60) % 3


@pytest.fixture
def a(tmp_path, monkeypatch):
    """A folder with x.npy, in which the test works; b beside it has another x.npy of the same shape."""
    for seed, name in enumerate("ab"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "x.npy", images(seed))
    monkeypatch.chdir(tmp_path / "a")
    return tmp_path / "a"


def test_the_numbers_of_other_data_are_neither_given_nor_written_over_results(a):
    vsc_jax.fit(OF_FILE, "run")
    evaluate.main(["run", "--binarize", "static", "--output", "binary.json"])
    measured = "x.npy, 6 test examples, binarised statically"
    assert json.loads(Path("binary.json").read_text())["data"] == measured
    before = Path("run/results.json").read_text()
    np.save("x.npy", images(1))
    for argv in (["run"], ["run", "--binarize", "static", "--output", "binary.json"]):
        assert_refused(OTHER, evaluate.main, argv)
    assert_refused(OTHER, explore.main, ["run", "--port", "0"])
    assert_refused(OTHER, encode.main, ["run", "-o", "codes.npz"])
    report.main(["run"])
    refused = "no figures of the model: run: the run was trained on other data"
    assert refused in Path("run/report.md").read_text()
    assert Path("run/results.json").read_text() == before
    for finished in (True, False):
        if not finished:
            Path("run/results.json").unlink()
        assert_refused(REFUSED, vsc_jax.fit, OF_FILE, "run")


def test_a_relative_path_is_that_of_the_first_start(a, monkeypatch):
    results = vsc_jax.fit(OF_FILE, "run").results
    assert json.loads(Path("run/config.json").read_text())["data"]["path"] == "x.npy"
    assert json.loads(Path("run/data.json").read_text())["path"] == str(a / "x.npy")
    monkeypatch.chdir(a.parent / "b")
    assert evaluate.evaluate("../a/run") == pytest.approx(results)
    assert_refused(REFUSED, vsc_jax.fit, OF_FILE, "../a/run")
    # A project that was moved: its files are where they are named from.
    a.rename(a.parent / "moved")
    monkeypatch.chdir(a.parent / "moved")
    assert evaluate.evaluate("run") == pytest.approx(results)


def test_a_sweep_made_longer_after_the_data_changed_is_refused(a):
    sweep(OF_FILE, [Axis(("seed",), (0,))], "swept")
    np.save("x.npy", images(1))
    assert_refused(REFUSED, sweep, OF_FILE, [Axis(("seed",), (0, 1))], "swept")
    assert [path.name for path in Path("swept").iterdir() if path.is_dir()] == ["seed=0"]


def test_a_run_on_arrays_is_looked_at_again_from_the_command_line(tmp_path, capsys):
    run = vsc_jax.fit(CONFIG, tmp_path / "run", dataset=labelled(0))
    evaluate.main([str(run.workdir)])
    assert "arrays, 6 test examples, grey values" in capsys.readouterr().out
    assert json.loads((run.workdir / "results.json").read_text()) == pytest.approx(run.results)
    report.main([str(run.workdir)])
    assert (run.workdir / "figures" / "activation.png").exists()
    assert "iley" not in (run.workdir / "report.md").read_text()
    message = r"data\.binarize: the data that .* keeps are none, got static"
    assert_refused(message, evaluate.main, [str(run.workdir), "--binarize", "static"])


def test_data_that_are_not_kept_are_given_again(monkeypatch, tmp_path):
    monkeypatch.setattr(identity, "LARGEST", 100)
    run = vsc_jax.fit(CONFIG, tmp_path / "run", dataset=labelled(0))
    message = "and does not keep them; give the data again from Python, with data"
    assert_refused(message, evaluate.evaluate, run.workdir)
    assert evaluate.evaluate(run.workdir, labelled(0)) == pytest.approx(run.results)
    assert report.report(run.workdir, labelled(0)) == run.workdir / "report.html"
    assert (run.workdir / "figures" / "activation.png").exists()
    assert_refused("trained on other data than are given now", open_run(run.workdir).dataset, labelled(1))
    # An earlier version kept neither the data, nor their name, nor a digest.
    for name, change in (
        ("config.json", lambda values: values["data"].update(name="smiley")),
        ("data.json", lambda values: values.pop("digest")),
    ):
        values = json.loads((run.workdir / name).read_text())
        change(values)
        (run.workdir / name).write_text(json.dumps(values))
    asked = r"\(name: 'arrays' there, 'smiley' asked\); those that were given from Py"
    assert_refused(asked, evaluate.main, [str(run.workdir)])
    assert vsc_jax.fit(CONFIG, run.workdir, dataset=labelled(0)).results == run.results
    assert evaluate.evaluate(run.workdir, labelled(0)) == pytest.approx(run.results)
