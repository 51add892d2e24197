"""The command line ``python -m vsc_jax.report``."""

import contextlib
import dataclasses

import pytest
from vsc_jax.report import main

from vsc_jax.cli.command_line import UsageError
from vsc_jax.config import load_preset, smoke, to_dict, with_overrides
from vsc_jax.config.errors import UserError
from vsc_jax.pages import page
from vsc_jax.run import fit
from vsc_jax.training.run_folder import write_json


@pytest.fixture
def quick(monkeypatch):
    """Reports without figures."""
    monkeypatch.setattr(page, "illustrate", lambda *_, **options: None)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A real run folder of a run that is as short as can be."""
    small = {"data.test_examples": 32, "model.hidden": [16], "model.latents": 6, "train.log_every": 1}
    small |= {"train.steps": 2, "evaluate.figures": False}
    config = with_overrides(smoke(load_preset("smiley_vae")), small)
    return fit(config, tmp_path_factory.mktemp("runs") / "run").workdir


def test_a_real_run_gets_its_report(run, capsys):
    main([str(run)])
    line = capsys.readouterr().out.splitlines()[-1]
    assert line == f"written: {run / 'report.html'} and {run / 'report.md'}"
    text = (run / "report.md").read_text()
    assert text.startswith("# run\n")
    assert "Smiley drawn from seed 0" in text
    assert "| train.steps | **2** | preset: 6000 |" in text
    assert (run / "figures" / "correlations.png").exists()
    assert "no figures of gates and pseudo-inputs: the model has no gates" in text
    assert "no figure of classes: smiley has no labels" in text


def test_what_is_no_run_is_named_and_the_rest_is_written_all_the_same(run, quick, tmp_path, capsys):
    with pytest.raises(UserError, match=f"the report is without {tmp_path / 'none'}"):
        main([str(run), str(tmp_path / "none"), "-o", str(tmp_path / "out")])
    assert "none: neither a run folder" in capsys.readouterr().out
    assert (tmp_path / "out" / "report.html").exists()


def test_a_page_of_every_latent_is_written_where_asked_for(run, few_figures, tmp_path, capsys):
    main([str(run), "--latents", "-o", str(tmp_path)])
    assert f"written: {tmp_path / 'latents.html'}" in capsys.readouterr().out
    assert "This model has no gates: all 6 latents are always on" in (tmp_path / "latents.html").read_text()
    texts = tmp_path / "texts.txt"
    texts.write_text("one\ntwo\n")
    with pytest.raises(UserError, match="^--texts: expected 32 lines, one per test example, got 2$"):
        main([str(run), "--latents", "--texts", str(texts), "-o", str(tmp_path)])
    with pytest.raises(UserError, match=f"^--texts: {tmp_path / 'none'}: expected a text file in UTF-8"):
        main([str(run), "--latents", "--texts", str(tmp_path / "none")])
    with pytest.raises(UsageError, match="^--texts: goes with --latents$"):
        main([str(run), "--texts", str(texts)])


@pytest.mark.parametrize("argv", [[], ["run", "--compare", "ae"]])
def test_runs_and_compare_exclude_each_other(argv):
    with pytest.raises(UsageError, match=r"either RUN \[RUN \.\.\.\] or --compare"):
        main(argv)


@pytest.fixture
def compare(monkeypatch, quick, run, tmp_path):
    """Configurations by name that ``--compare`` trains; a run that is there stands in for training."""

    def compare(*argv):
        trained = {}

        def fit(config, folder, **_):
            trained[folder.name] = config
            folder.parent.mkdir(exist_ok=True)
            with contextlib.suppress(FileExistsError):
                folder.symlink_to(run)

        monkeypatch.setattr("vsc_jax.run.fit", fit)
        main(["--compare", *argv, "--workdir", str(tmp_path / "runs"), "-o", str(tmp_path / "out")])
        return trained

    return compare


def test_compare_trains_with_convolutions_at_both_sizes_and_sets_side_by_side(compare, tmp_path, capsys):
    trained = compare("ae,vsc_wu", "--config-prefix", "mnist", "--directory", "here")
    names = [f"mnist_{model}_conv_{latents}" for latents in (2, 32) for model in ("ae", "vsc_wu")]
    assert list(trained) == names
    lines = capsys.readouterr().out.splitlines()
    plan = "to train: 4 of 4 convolutional models, 5,859 iterations each: "
    assert lines[0] == plan + ", ".join(str(tmp_path / "runs" / name) for name in names)
    assert [line for line in lines if line.startswith("training")] == [
        f"training {tmp_path / 'runs' / name} ({number} of 4{'; about 1 min left' if number > 1 else ''})"
        for number, name in enumerate(names, 1)
    ]
    changes = {"model.network": "conv", "model.latents": 32, "model.alpha": 0.25, "train.batch_size": 256}
    changes |= {"train.steps": 5859, "data.directory": "here"}
    assert trained[names[-1]] == with_overrides(load_preset("mnist_vsc_wu"), changes)
    text = (tmp_path / "out" / "report.md").read_text()
    assert text.startswith("# ae, vsc_wu on mnist, side by side at 2 and 32 latents\n")
    assert text.index("### 2 latents") < text.index("### 32 latents")


def test_a_whole_name_of_a_preset_another_budget_and_small_runs_are_taken(compare):
    trained = compare("vae,seed_vsc", "--steps", "100")
    assert list(trained)[:2] == ["mnist_vae_conv_2", "seed_vsc_conv_2"]
    assert {config.train.steps for config in trained.values()} == {100}
    assert trained["seed_vsc_conv_32"].model.alpha == load_preset("seed_vsc").model.alpha
    small = compare("vae", "--config-prefix", "smiley", "--smoke")
    assert [*small] == ["smiley_vae_conv_2_smoke", "smiley_vae_conv_32_smoke"]
    assert {config.train.steps for config in small.values()} == {20}
    with pytest.raises(UserError, match="--compare: no preset 'mnist_gan'; presets are .*mnist_vae"):
        compare("gan")


def test_only_what_is_missing_is_trained_and_where_data_lie_does_not_matter(compare, tmp_path):
    done, *rest = compare("ae,vae").items()
    for (name, config), seed in ((done, 0), (rest[0], 9)):  # which fit refuses
        (tmp_path / "runs" / name).unlink()
        (tmp_path / "runs" / name).mkdir()
        there = to_dict(dataclasses.replace(config, seed=seed))
        write_json(tmp_path / "runs" / name / "config.json", there)
        write_json(tmp_path / "runs" / name / "results.json", {"elbo": -1.0})
    assert list(compare("ae,vae", "--directory", "elsewhere")) == [name for name, _ in rest]
