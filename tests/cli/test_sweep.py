"""``python -m vsc_jax.sweep``: solo runs' folders, tables, pictures, one line for every mistake."""

import csv
import json

import numpy as np
import pytest
from vsc_jax.sweep import main

from tests.cli.conftest import contents
from vsc_jax import fit
from vsc_jax.cli.command_line import UsageError
from vsc_jax.config import from_json
from vsc_jax.config.errors import UserError

_SETTINGS = (
    "--data.path x.npy --model.hidden 8 --model.latents 3 --model.prior fixed --train.steps 12"
    " --train.batch_size 16 --train.log_every 6 --train.learning_rate 0.01 --evaluate.samples 3"
    " --evaluate.figures False --train.progress False"
)
SETTINGS = _SETTINGS.split()


def working_folder(folder, patch):
    """The current folder, with data in it."""
    patch.chdir(folder)
    patch.setenv("VSC_JAX_CACHE", str(folder / "cache"))
    np.save("x.npy", np.random.default_rng(0).random((60, 6), np.float32))
    return folder


@pytest.fixture(scope="module")
def swept(tmp_path_factory, optimized):
    """A sweep of two rates, two learning rates, one of them absurd, and one seed, with a second start."""
    with pytest.MonkeyPatch.context() as patch:
        folder = working_folder(tmp_path_factory.mktemp("sweep"), patch)
        # At the absurd one each iteration multiplies the kernels by 10^4.
        grid = ["--train.weight_decay", "10", "--grid", "model.alpha=0.1,0.3"]
        grid += ["--grid", "train.learning_rate=0.01,999"]
        with pytest.raises(UserError) as caught:
            main([*SETTINGS, *grid, "--workdir", "swept"])
        yield folder / "swept", str(caught.value), [*SETTINGS, *grid]


def test_every_member_has_the_folder_of_its_solo_run(swept, tmp_path):
    folder, _, _ = swept
    mine = folder / "model.alpha=0.3,train.learning_rate=0.01,seed=0"
    config = from_json(mine / "config.json")
    assert config.model.alpha == 0.3
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent)
        fit(config, tmp_path / "solo")
    names = ["config.json", "data.json", "metrics.jsonl", "results.json"]
    for name in names:
        assert (mine / name).read_bytes() == (tmp_path / "solo" / name).read_bytes()
    # What the process that runs a solo run holds while it works is no part of the run.
    files = [{path.name for path in run.iterdir()} - {".lock"} for run in (mine, tmp_path / "solo")]
    assert files[0] == files[1] == {*names, "checkpoints"}


def test_tables_and_pictures_and_members_that_diverge(swept):
    folder, end, _ = swept
    assert end == "2 of 4 members have no results; swept/sweep.csv"
    with (folder / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    settings = [(row["model.alpha"], row["train.learning_rate"], row["seed"]) for row in rows]
    assert settings == [(alpha, rate, "0") for alpha in ("0.1", "0.3") for rate in ("0.01", "999.0")]
    for row in rows:
        results = folder / row["member"] / "results.json"
        if row["train.learning_rate"] == "999.0":
            assert " in iterations " in row["problem"]
            assert row["elbo"] == ""
            assert not results.exists()
        else:
            assert float(row["elbo"]) == json.loads(results.read_text())["elbo"]
    summary = json.loads((folder / "sweep.json").read_text())
    assert [entry["members"] for entry in summary["over_seeds"]] == [1, 0, 1, 0]
    assert summary["members"][0]["settings"] == {"model.alpha": 0.1, "train.learning_rate": 0.01, "seed": 0}
    pictures = {path.name for path in (folder / "figures").iterdir()}
    assert pictures == {"bound_against_model.alpha.png", "bound_against_active.png"}


def test_a_second_start_trains_what_is_missing_and_keeps_the_rest(swept, capsys, monkeypatch):
    folder, _, argv = swept
    monkeypatch.chdir(folder.parent)
    before = contents(folder / "model.alpha=0.1,train.learning_rate=0.01,seed=0")
    argv = [*argv[:-2], "--grid", "train.learning_rate=0.01", "--workdir", str(folder)]
    monkeypatch.setattr("vsc_jax.run.sweep.train_members", None)
    main(argv)
    assert contents(folder / "model.alpha=0.1,train.learning_rate=0.01,seed=0") == before
    lines = capsys.readouterr().out.splitlines()
    main([*argv, "--json"])
    members = json.loads(capsys.readouterr().out)["members"]
    for entry in members:
        results = json.loads((folder / entry["member"] / "results.json").read_text())
        assert entry["results"]["elbo"] == results["elbo"]
    assert lines[0] == f"2 members of smiley_vsc; folder: {folder}"
    assert lines[2].split()[:4] == ["model.alpha", "train.learning_rate", "runs", "elbo"]
    assert lines[3].split()[:3] == ["0.1", "0.01", "1"]


def test_another_configuration_in_the_folder_is_refused_and_nothing_new_is_made(swept, monkeypatch):
    folder, _, argv = swept
    monkeypatch.chdir(folder.parent)
    before = contents(folder)
    with pytest.raises(UserError, match=r"holds a run with another configuration \(model.beta: 1.0 there"):
        main([*argv, "--model.beta", "2", "--seeds", "2", "--workdir", str(folder)])
    assert contents(folder) == before


@pytest.mark.parametrize(("argv", "kind", "message"), [
    ("", UsageError, "nothing to vary"),
    ("--seeds 2 --model.kind vae", UsageError, "--model.prior: only for model kind vsc, not vae"),
    ("--seeds 2 --memory 0", UsageError, "--memory: expected a number of GiB above 0, got 0.0"),
    ("--seeds 2 --parallel.members 2", UserError, "parallel.members: expected at most 1, the number of"),
    ("--seeds 2 --data.path no.npy", UserError, "no.npy: "),
    ("--grid train.batch_size=16,99", UserError, "train.batch_size: 99 is more than the 54"),
    ("--grid train.steps=auto,9", UserError, "train.steps: expected a number for the members of a sweep"),
    ("--seeds 2 --workdir x.npy", UserError, "--workdir: "),
])  # fmt: skip
def test_a_mistake_is_one_line_and_leaves_nothing(argv, kind, message, tmp_path, monkeypatch):
    folder = working_folder(tmp_path, monkeypatch)
    before = contents(folder)
    with pytest.raises(kind) as caught:
        main([*SETTINGS, *argv.split()])
    assert str(caught.value).startswith(message)
    assert len(str(caught.value).splitlines()) == 1
    assert contents(folder) == before
    assert not (folder / "runs").exists()
