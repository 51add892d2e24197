"""``python -m vsc_jax.train``: a run folder with something to look at, and one line for every mistake."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from vsc_jax.train import default_workdir, main

from tests.cli.conftest import contents
from vsc_jax.cli.command_line import UsageError
from vsc_jax.config import from_json, load_preset, smoke
from vsc_jax.config.errors import UserError


@pytest.fixture(scope="module")
def train(python):
    """The command line as a user runs it, in a folder of its own."""
    return lambda folder, argv: python(
        "-m", "vsc_jax.train", *argv.split(), cwd=folder, VSC_JAX_CACHE=str(folder / "cache")
    )


@pytest.fixture(scope="module")
def smoked(tmp_path_factory, train):
    """A folder in which ``--smoke`` was run, the run folder in it, and what was printed."""
    folder = tmp_path_factory.mktemp("train")
    done = train(folder, "--smoke")
    assert done.returncode == 0, done.stderr
    [workdir] = (folder / "runs").iterdir()
    return folder, workdir, done


def test_smoke_ends_with_results_and_figures(smoked):
    _, workdir, _ = smoked
    assert workdir.name.startswith("smiley_vsc-")
    files = {"config.json", "data.json", "metrics.jsonl", "results.json", "report.html", "report.md"}
    assert {path.name for path in workdir.iterdir()} == files | {".lock", "checkpoints", "figures"}
    assert from_json(workdir / "config.json") == smoke(load_preset("smiley_vsc"))
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [5, 10, 15, 20]
    expected = {"elbo", "iwae", "reconstruction", "kl", "selection_kl", "active_per_image", "used_latents"}
    assert expected <= json.loads((workdir / "results.json").read_text()).keys()
    assert {"reconstructions.png", "history.png"} <= {path.name for path in (workdir / "figures").iterdir()}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (workdir / "figures").iterdir())


def test_it_says_what_it_does_and_where_everything_is(smoked):
    folder, workdir, done = smoked
    results = json.loads((workdir / "results.json").read_text())
    found = results["findings"].split(", ")
    assert found[0] == "too short"
    workdir = workdir.relative_to(folder)
    expected = [
        "VSC on smiley: ",
        f"run folder: {workdir}",
        "test set (nats per example): elbo -",
        f"{results['idle_latents']:.0f} of {results['used_latents']:.0f} used latents are idle, ",
        *(f"{name}: " for name in found),
        f"figures: {workdir / 'figures'} (",
        f"report: {workdir / 'report.html'}",
    ]
    for line, start in zip(done.stdout.splitlines(), expected, strict=True):
        assert line.startswith(start)
    # The bar, and neither warnings nor the libraries' own messages.
    shown = [line for line in done.stderr.splitlines() if line]
    assert all(line.startswith(("compiling: ", "training: ")) for line in shown), done.stderr
    assert "20/20" in shown[-1]
    assert "loss=" in shown[-1]


def test_the_second_start_reads_the_run_and_changes_nothing(smoked, train):
    folder, _, first = smoked
    before = contents(folder / "runs")
    second = train(folder, "--smoke --train.progress False")
    assert (second.returncode, second.stdout, second.stderr) == (0, first.stdout, "")
    assert contents(folder / "runs") == before


def test_data_are_made_and_looked_at_once_and_the_model_stays_in_memory(tmp_path, monkeypatch):
    from vsc_jax.data import arrays, dataset, smiley
    from vsc_jax.run import stored

    calls = []

    def counted(module, name):
        function = getattr(module, name)
        counting = lambda *args, **options: calls.append(name) or function(*args, **options)  # noqa: E731
        monkeypatch.setattr(module, name, counting)

    def train(argv):
        small = "--config smiley_ae --smoke --model.hidden 8 --model.latents 2 --train.progress False"
        main(f"{small} {argv}".split())

    monkeypatch.chdir(tmp_path)
    counted(smiley, "generate")
    counted(stored.StoredRun, "model")
    train("--workdir faces")
    assert calls == ["generate", "generate"]  # training and test part
    assert Path("faces/report.html").exists()
    calls.clear()
    counted(arrays, "first_outside")
    counted(dataset, "first_outside")
    np.save("x.npy", np.random.default_rng(0).random((40, 6), np.float32))
    train("--data.path x.npy --evaluate.figures False --workdir x")
    # Are they finite; are those of both parts in [0, 1]?
    assert calls == ["first_outside"] * 3


def test_the_steps_that_are_tried_are_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    bounds = iter([-9.0, -5.0])
    monkeypatch.setattr("vsc_jax.run.steps._scores", lambda *_: np.full(50, next(bounds), np.float32))
    monkeypatch.setattr("vsc_jax.run.steps.DOUBLINGS", 1)
    np.save("x.npy", np.random.default_rng(0).random((120, 6), np.float32))
    small = "--data.path x.npy --model.kind ae --model.hidden 8 --evaluate.figures False --workdir run"
    main(f"{small} --train.batch_size 16 --train.steps auto --train.log_every 2".split())
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("train.steps")]
    assert [line.split()[1] for line in said] == ["4:", "8:"]
    assert said[-1].endswith("; 8 are taken")
    assert json.loads(Path("run/results.json").read_text())["steps"] == 8


# The other mistakes of a user, without a process for each: the one line and the exit code that a mistake
# becomes are pinned in test_command_line.py.


@pytest.fixture
def arrays(tmp_path, monkeypatch):
    """A folder with your own arrays, good and bad, as the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VSC_JAX_CACHE", str(tmp_path / "cache"))
    good = np.random.default_rng(0).random((40, 6), np.float32)
    np.save("good.npy", good)
    np.save("range.npy", good * 3)
    return tmp_path


GOOD = "--data.path good.npy --train.batch_size 8"


@pytest.mark.parametrize(("argv", "kind", "message"), [
    ("--model.kind vae --model.alpha .2", UsageError, "--model.alpha: only for model kind vsc, not vae"),
    ("--data.name cifar", UserError, "data.name: expected"),
    ("--data.path good.npy --train.batch_size 37", UserError, "train.batch_size: 37 is more than the 36"),
    ("--data.path missing.npy", UserError, "missing.npy: "),
    ("--data.train_examples 2147483647", UserError, "data.train_examples, data.test_examples: the exam"),
    (f"--data.path {'a' * 300}.npy", UserError, f"data.path: '{'a' * 300}.npy' cannot be a path"),
    ("--config smiley_vsc --data.path \0.npy", UserError, "data.path: '\\x00.npy' cannot be a path"),
    (f"{GOOD} --workdir {'a' * 300}", UserError, f"--workdir: '{'a' * 300}' cannot be a path"),
    (f"{GOOD} --workdir \0", UserError, "--workdir: '\\x00' cannot be a path"),
    ("--data.path range.npy --train.batch_size 8", UserError, "range.npy: expected values in [0, 1]"),
    (f"{GOOD} --model.likelihood poisson", UserError, "good.npy: expected counts 0, 1, 2, ... for the p"),
    (f"{GOOD} --model.network conv", UserError, "model.network: conv needs images, but the examples"),
    ("--config mnist_vae --data.directory .", UserError, ""),
])  # fmt: skip
def test_a_mistake_is_one_line_and_leaves_no_run(argv, kind, message, arrays):
    before = contents(arrays)
    with pytest.raises(kind) as caught:
        main(argv.split())
    assert str(caught.value).startswith(message)
    assert len(str(caught.value).splitlines()) == 1
    assert contents(arrays) == before
    assert not (arrays / "runs").exists()


def test_smoke_takes_a_set_smaller_than_its_batch(arrays, monkeypatch):
    asked = []

    def fit(config, workdir, *, dataset, **callbacks):
        asked.append((config.train.batch_size, len(dataset.train)))
        raise UserError("far enough")

    monkeypatch.setattr("vsc_jax.run.fit", fit)
    with pytest.raises(UserError, match="^far enough$"):
        main(["--smoke", "--data.path", "good.npy", "--workdir", "run"])
    assert asked == [(36, 36)]


def test_the_folder_is_the_presets_name_and_has_a_suffix_for_other_settings():
    preset = load_preset("smiley_vsc")
    assert default_workdir(preset) == Path("runs/smiley_vsc")
    names = {default_workdir(dataclasses.replace(preset, seed=seed)).name for seed in (1, 2)}
    assert len(names) == 2
    assert all(name.startswith("smiley_vsc-") for name in names)
    assert default_workdir(dataclasses.replace(preset, name="mine")).name.startswith("mine-")
