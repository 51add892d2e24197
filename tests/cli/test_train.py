"""``python -m vsc_jax.train``: a run folder with something to look at, and one line for every mistake."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from vsc_jax.train import default_workdir, main

from vsc_jax.cli.command_line import UsageError
from vsc_jax.config import from_json, load_preset, smoke, to_dict
from vsc_jax.config.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def train(folder, *argv):
    """The command line as a user runs it, in a folder of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "VSC_JAX_CACHE": str(folder / "cache")}
    return subprocess.run(
        [sys.executable, "-m", "vsc_jax.train", *argv],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def smoked(tmp_path_factory):
    """A folder in which ``--smoke`` was run, and what it printed."""
    folder = tmp_path_factory.mktemp("train")
    return folder, train(folder, "--smoke")


def test_smoke_ends_with_results_and_figures(smoked):
    folder, done = smoked
    assert done.returncode == 0, done.stderr
    [workdir] = (folder / "runs").iterdir()
    assert workdir.name.startswith("smiley_vsc-")
    names = {path.name for path in workdir.iterdir()}
    files = {"config.json", "data.json", "metrics.jsonl", "results.json", "report.html", "report.md"}
    assert names == files | {".lock", "checkpoints", "figures"}
    assert from_json(workdir / "config.json") == smoke(load_preset("smiley_vsc"))
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [5, 10, 15, 20]
    results = json.loads((workdir / "results.json").read_text())
    expected = {"elbo", "iwae", "reconstruction", "kl", "selection_kl", "active_per_image", "used_latents"}
    assert expected <= results.keys()
    figures = {path.name for path in (workdir / "figures").iterdir()}
    assert {"reconstructions.png", "history.png"} <= figures
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (workdir / "figures").iterdir())


def test_data_are_made_and_looked_at_once_and_the_model_stays_in_memory(tmp_path, monkeypatch):
    from vsc_jax.data import arrays, dataset, smiley
    from vsc_jax.run import stored

    calls = []

    def counted(module, name):
        function = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *args, **options: calls.append(name) or function(*args, **options)
        )

    counted(smiley, "generate")
    counted(stored.StoredRun, "model")
    small = ["--smoke", "--model.hidden", "8", "--evaluate.samples", "1", "--train.progress", "False"]
    main(["--config", "smiley_vae", "--workdir", str(tmp_path / "faces"), *small])
    assert calls == ["generate", "generate"]  # training and test part
    assert (tmp_path / "faces" / "report.html").exists()
    calls.clear()
    counted(arrays, "first_outside")
    counted(dataset, "first_outside")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((40, 6), np.float32))
    main(
        [
            "--config",
            "smiley_vae",
            "--data.path",
            str(tmp_path / "x.npy"),
            "--workdir",
            str(tmp_path / "x"),
            *small,
        ]
    )
    # Are they finite; are those of both parts in [0, 1]?
    assert calls == ["first_outside"] * 3


def test_it_says_what_it_does_and_where_everything_is(smoked):
    folder, done = smoked
    [workdir] = (folder / "runs").iterdir()
    lines = done.stdout.splitlines()
    assert lines[0].startswith("VSC on smiley: ")
    assert lines[1] == f"run folder: {workdir.relative_to(folder)}"
    assert lines[2].startswith("test set (nats an example): elbo -")
    assert lines[3].startswith(f"figures: {workdir.relative_to(folder) / 'figures'} (")
    # The bar, and neither warnings nor the libraries' own messages.
    shown = [line for line in done.stderr.splitlines() if line]
    assert all(line.startswith(("compiling: ", "training: ")) for line in shown), done.stderr
    assert "20/20" in shown[-1]
    assert "loss=" in shown[-1]


def test_the_second_start_reads_the_run_and_changes_nothing(smoked):
    folder, first = smoked
    before = contents(folder / "runs")
    second = train(folder, "--smoke", "--train.progress", "False")
    assert second.returncode == 0, second.stderr
    assert second.stdout == first.stdout
    assert second.stderr == ""
    assert contents(folder / "runs") == before


def test_another_configuration_in_the_same_folder_is_one_line_and_changes_nothing(smoked):
    folder, _ = smoked
    [workdir] = (folder / "runs").iterdir()
    before = contents(folder)
    done = train(folder, "--smoke", "--seed", "3", "--workdir", str(workdir))
    assert done.returncode == 1
    assert done.stderr == (
        f"error: --workdir: {workdir} holds a run with another configuration (seed: 0 there, 3 asked);"
        " choose another folder\n"
    )
    assert contents(folder) == before


def test_a_run_that_diverges_ends_in_one_line(tmp_path):
    np.save(tmp_path / "x.npy", np.full((40, 3), 1e30, np.float32))
    settings = "--model.kind ae --model.likelihood gaussian --data.path x.npy --train.steps 3 --workdir run"
    argv = [
        *settings.split(),
        "--train.batch_size",
        "16",
        "--train.log_every",
        "2",
        "--train.progress",
        "False",
    ]
    done = train(tmp_path, *argv)
    assert done.returncode == 1
    assert done.stderr.startswith("error: reconstruction is ")
    assert "in iterations 0 to 1; " in done.stderr
    assert done.stderr.count("\n") == 1


# The other mistakes of a user, without a process for each: the one line and the exit code that a mistake
# becomes are pinned in test_command_line.py.


@pytest.fixture
def arrays(tmp_path, monkeypatch):
    """A folder with your own arrays, good and bad, as the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VSC_JAX_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    good = rng.random((40, 6), np.float32)
    np.save("good.npy", good)
    bad = good.copy()
    bad[7, 2] = np.nan
    np.save("nan.npy", bad)
    np.save("range.npy", good * 3)
    np.save("scalar.npy", np.float32(3))
    Path("corrupt.npy").write_bytes(Path("good.npy").read_bytes()[:200])
    Path("file").write_text("precious")
    return tmp_path


@pytest.mark.parametrize(
    ("argv", "kind", "message"),
    [
        ("--config nope", UsageError, "--config: no preset 'nope'"),
        ("--model.latent 3", UsageError, "unknown option --model.latent; did you mean --model.latents?"),
        ("--model.alpha 1", UsageError, "model.alpha: expected a number between 0 and 1, exclusive, got 1.0"),
        ("--model.latents 0", UsageError, "model.latents: expected a number from 1 to"),
        ("--data.name cifar", UserError, "data.name: expected"),
        ("--data.path good.npy --train.batch_size 37", UserError, "train.batch_size: 37 is more than the 36"),
        ("--data.path missing.npy", UserError, "missing.npy: "),
        ("--data.train_examples 2147483647", UserError, "data.train_examples, data.test_examples: the exam"),
        (f"--data.path {'a' * 300}.npy", UserError, f"data.path: '{'a' * 300}.npy' cannot be a path"),
        ("--data.path ~nobody-of-this-name/x.npy", UserError, "data.path: '~nobody-of-this-name/x.npy' can"),
        ("--config smiley_vsc --data.path \0.npy", UserError, "data.path: '\\x00.npy' cannot be a path"),
        (
            f"--data.path good.npy --train.batch_size 8 --workdir {'a' * 300}",
            UserError,
            f"--workdir: cannot make {'a' * 300}: File name too long",
        ),
        (
            "--data.path good.npy --train.batch_size 8 --workdir \0",
            UserError,
            "--workdir: cannot make '\\x00': there is a zero byte in it",
        ),
        ("--data.path corrupt.npy", UserError, "corrupt.npy: "),
        ("--data.path nan.npy", UserError, "nan.npy: "),
        ("--data.path range.npy --train.batch_size 8", UserError, "range.npy: expected values in [0, 1]"),
        ("--data.path scalar.npy", UserError, "scalar.npy: "),
        (
            "--data.path good.npy --train.batch_size 8 --model.network conv",
            UserError,
            "model.network: conv needs images, but the examples have shape [6]",
        ),
        (
            "--data.path good.npy --train.batch_size 8 --workdir file",
            UserError,
            "--workdir: file is a file, not a folder",
        ),
        (
            "--data.path good.npy --train.batch_size 8 --workdir file/below",
            UserError,
            "--workdir: cannot make file/below: Not a directory",
        ),
        (
            "--config mnist_vae --data.directory .",
            UserError,
            "",
        ),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_run(argv, kind, message, arrays):
    before = contents(arrays)
    with pytest.raises(kind) as caught:
        main(argv.split())
    assert str(caught.value).startswith(message)
    assert len(str(caught.value).splitlines()) == 1
    assert contents(arrays) == before
    assert not (arrays / "runs").exists()


def test_smoke_takes_a_set_smaller_than_its_batch(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((20, 4), np.float32))
    asked = []

    def fit(config, workdir, *, dataset, **callbacks):
        asked.append((config.train.batch_size, len(dataset.train)))
        raise UserError("far enough")

    monkeypatch.setattr("vsc_jax.run.fit", fit)
    with pytest.raises(UserError, match="^far enough$"):
        main(["--smoke", "--data.path", str(tmp_path / "x.npy"), "--workdir", str(tmp_path / "run")])
    assert asked == [(18, 18)]


def test_the_folder_is_the_presets_name_and_has_a_suffix_for_other_settings():
    preset = load_preset("smiley_vsc")
    assert default_workdir(preset) == Path("runs/smiley_vsc")
    changed = [dataclasses.replace(preset, seed=seed) for seed in (1, 2)]
    names = {default_workdir(config).name for config in changed}
    assert len(names) == 2
    assert all(name.startswith("smiley_vsc-") for name in names)
    assert default_workdir(dataclasses.replace(preset, name="mine")).name.startswith("mine-")
    assert to_dict(preset)["name"] == "smiley_vsc"
