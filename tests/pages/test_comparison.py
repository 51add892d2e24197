"""Which runs a comparison has, and that only those that are missing are trained."""

import dataclasses
from pathlib import Path

import pytest

from vsc_jax.cli.progress import Progress
from vsc_jax.config import load_preset, to_dict, with_overrides
from vsc_jax.config.errors import UserError
from vsc_jax.pages import comparison as module
from vsc_jax.pages.comparison import comparison, train_missing
from vsc_jax.training.run_folder import write_json


def test_every_model_is_compared_with_convolutions_at_both_sizes(tmp_path):
    compared = comparison(["ae", "vsc_wu"], "mnist", tmp_path)
    names = {
        f"{n} latents": [tmp_path / f"mnist_{model}_conv_{n}" for model in ("ae", "vsc_wu")] for n in (2, 32)
    }
    assert {heading: list(group) for heading, group in compared.items()} == names
    changes = {"model.network": "conv", "model.latents": 32, "model.alpha": 0.25, "train.steps": 5859}
    changes["train.batch_size"] = 256
    config = compared["32 latents"][tmp_path / "mnist_vsc_wu_conv_32"]
    assert config == with_overrides(load_preset("mnist_vsc_wu"), changes)


def test_a_whole_name_of_a_preset_another_budget_and_small_runs_are_taken(tmp_path):
    compared = comparison(["vae", "seed_vsc"], "mnist", tmp_path, steps=100)["32 latents"]
    assert [folder.name for folder in compared] == ["mnist_vae_conv_32", "seed_vsc_conv_32"]
    assert {config.train.steps for config in compared.values()} == {100}
    assert compared[tmp_path / "seed_vsc_conv_32"].model.alpha == load_preset("seed_vsc").model.alpha
    [(folder, config)] = comparison(["vae"], "smiley", tmp_path, shrink=True)["2 latents"].items()
    assert (folder.name, config.train.steps) == ("smiley_vae_conv_2_smoke", 20)


def test_an_unknown_model_or_prefix_is_named(tmp_path):
    with pytest.raises(UserError, match="--compare: no preset 'mnist_gan'; presets are .*mnist_vae"):
        comparison(["gan"], "mnist", tmp_path)


def test_only_what_is_missing_is_trained_and_where_data_lie_does_not_matter(tmp_path, monkeypatch):
    trained, lines = [], []
    monkeypatch.setattr(module, "fit", lambda config, folder, **_: trained.append(folder))
    compared = comparison(["ae", "vae"], "mnist", tmp_path)
    configs = {folder: config for group in compared.values() for folder, config in group.items()}
    done, other, *rest = configs
    # Another run in the folder is left to fit, which refuses it.
    for folder, seed in ((done, 0), (other, 9)):
        folder.mkdir(parents=True)
        write_json(folder / "config.json", to_dict(dataclasses.replace(configs[folder], seed=seed)))
        write_json(folder / "results.json", {"elbo": -1.0})
    elsewhere = comparison(["ae", "vae"], "mnist", tmp_path, directory=Path("elsewhere"))
    train_missing(elsewhere, on_run=lines.append, progress=Progress)
    assert trained == [other, *rest]
    assert lines == [f"training {folder}" for folder in trained]
