"""The seed report's runs: which they are, and that only those that are missing are trained."""

import dataclasses
from pathlib import Path

import pytest

from vsc_jax.cli.progress import Progress
from vsc_jax.config import load_preset, to_dict
from vsc_jax.config.errors import UserError
from vsc_jax.pages import comparison as module
from vsc_jax.pages.comparison import comparison, train_missing
from vsc_jax.training.run_folder import write_json


@pytest.fixture
def trained(monkeypatch):
    """Folders that were trained, without training."""
    folders = []
    monkeypatch.setattr(module, "fit", lambda config, folder, **_: folders.append(folder))
    return folders


def finish(folder, config):
    folder.mkdir(parents=True)
    write_json(folder / "config.json", to_dict(config))
    write_json(folder / "results.json", {"elbo": -1.0})


def train(compared):
    lines = []
    train_missing(compared, on_run=lines.append, progress=Progress)
    return lines


def test_every_model_is_compared_with_convolutions_at_both_sizes(tmp_path):
    compared = comparison(["ae", "vsc_wu"], "mnist", tmp_path)
    names = {folder.name: config for folder, config in compared.configs.items()}
    assert list(names) == [
        "mnist_ae_conv_2",
        "mnist_vsc_wu_conv_2",
        "mnist_ae_conv_32",
        "mnist_vsc_wu_conv_32",
    ]
    assert list(compared.groups) == ["2 latents", "32 latents"]
    preset = load_preset("mnist_vsc_wu")
    model = dataclasses.replace(preset.model, network="conv", latents=32, alpha=0.25)
    budget = dataclasses.replace(preset.train, steps=5859, batch_size=256)
    assert names["mnist_vsc_wu_conv_32"] == dataclasses.replace(preset, model=model, train=budget)


def test_a_whole_name_of_a_preset_and_another_budget_are_taken(tmp_path):
    compared = comparison(["vae", "seed_vsc"], "mnist", tmp_path, steps=100)
    assert [folder.name for folder in compared.groups["2 latents"]] == ["mnist_vae_conv_2", "seed_vsc_conv_2"]
    assert {config.train.steps for config in compared.configs.values()} == {100}
    assert compared.configs[tmp_path / "seed_vsc_conv_32"].model.alpha == load_preset("seed_vsc").model.alpha


def test_small_runs_have_folders_of_their_own(tmp_path):
    compared = comparison(["vae"], "smiley", tmp_path, shrink=True)
    assert [folder.name for folder in compared.configs] == [
        "smiley_vae_conv_2_smoke",
        "smiley_vae_conv_32_smoke",
    ]
    assert {config.train.steps for config in compared.configs.values()} == {20}


def test_an_unknown_model_or_prefix_is_named(tmp_path):
    with pytest.raises(UserError, match="--compare: no preset 'mnist_gan'; presets are .*mnist_vae"):
        comparison(["gan"], "mnist", tmp_path)
    with pytest.raises(UserError, match="no preset 'minst_ae'"):
        comparison(["ae"], "minst", tmp_path)


def test_finished_runs_are_not_trained_again(tmp_path, trained):
    compared = comparison(["ae", "vae"], "mnist", tmp_path)
    done = tmp_path / "mnist_ae_conv_2"
    finish(done, compared.configs[done])
    assert train(compared) == [f"training {folder}" for folder in trained]
    assert trained == [folder for folder in compared.configs if folder != done]


def test_where_the_data_lie_does_not_make_another_run(tmp_path, trained):
    for folder, config in comparison(["ae"], "mnist", tmp_path).configs.items():
        finish(folder, config)
    train(comparison(["ae"], "mnist", tmp_path, directory=Path("elsewhere")))
    assert trained == []


def test_a_folder_with_another_run_is_left_to_fit_which_refuses_it(tmp_path, trained):
    compared = comparison(["ae"], "mnist", tmp_path)
    folder = next(iter(compared.configs))
    finish(folder, dataclasses.replace(compared.configs[folder], seed=9))
    train(compared)
    assert folder in trained
