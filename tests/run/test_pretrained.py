"""The models that come with the package: small, found by name, as good as their cards say."""

from pathlib import Path

import jax
import numpy as np
import pytest
from vsc_jax.evaluate import main as evaluate_command

import vsc_jax
from tests.refused import error_of
from tests.tiny import contents
from vsc_jax.config import load_preset, replaced
from vsc_jax.config.fields import read_json
from vsc_jax.evaluation import evaluate
from vsc_jax.pages import write_report
from vsc_jax.run import PRETRAINED, open_run
from vsc_jax.run.stored import pretrained_names

NAMES = pretrained_names()
FILES = ["README.md", "config.json", "data.json", "model.safetensors", "results.json"]


@pytest.fixture(params=NAMES)
def name(request):
    """The name of one of them."""
    return request.param


def test_each_is_below_1_mb_and_in_half_precision(name):
    from safetensors.numpy import load_file

    assert sorted(path.name for path in (PRETRAINED / name).iterdir()) == FILES
    sizes = {file: (PRETRAINED / name / file).stat().st_size for file in FILES}
    assert max(sizes.values()) < 1_000_000
    weights = load_file(PRETRAINED / name / "model.safetensors")
    assert {leaf.dtype for leaf in weights.values()} == {np.dtype(np.float16)}
    assert all(np.isfinite(leaf).all() for leaf in weights.values())


def test_each_is_its_preset_with_a_smaller_network(name):
    stored = open_run(name).config
    smaller = {"model.hidden": list(stored.model.hidden), "train.steps": stored.train.steps}
    assert replaced(load_preset(name), {**smaller, "evaluate.figures": False}) == stored
    card = (PRETRAINED / name / "README.md").read_text()
    assert f"| training | {stored.train.steps:,} iterations of" in card
    assert f"| `elbo` | {read_json(PRETRAINED / name / 'results.json')['elbo']:.2f} |" in card
    assert "in float16, " in card


def test_each_loads_by_its_name_as_float32_and_draws(name):
    model = vsc_jax.load(name)
    sides = model.decoder.example_shape
    images = model.sample(jax.random.key(0), 4)
    assert (images.shape, images.dtype) == ((4, *sides), np.float32)
    # Not the average image: the four differ as images of the set do.
    assert float(np.std(np.asarray(images), axis=0).mean()) > 0.05
    assert model.encode(images).mean.shape == (4, 60)


# Each of them is of all test examples, so that a small sample elsewhere changes nothing.
CHECKED = ("elbo", "reconstruction", "kl", "selection_kl", "active_per_image", "mse", "explained_variance")


def test_the_numbers_of_each_are_those_of_an_evaluation(name, request):
    directory = None if name == "smiley_vsc" else request.getfixturevalue("test_data") / "tfds"
    stored = open_run(name)
    few = {"evaluate.samples": 1, "evaluate.examples": 10, "evaluate.probe_examples": 500}
    config = replaced(stored.config, few)
    dataset = stored.dataset(config=config, directory=directory)
    found, kept = evaluate(stored.model(), dataset, config), read_json(PRETRAINED / name / "results.json")
    assert found["data"] == kept["data"]
    found, kept = ({key: numbers[key] for key in CHECKED} for numbers in (found, kept))
    assert found == pytest.approx(kept, rel=1e-3)


def test_a_folder_of_that_name_goes_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smiley_vsc").mkdir()
    message = "smiley_vsc: neither a run folder nor a saved model (no config.json)"
    assert error_of(vsc_jax.load, "smiley_vsc") == message


def test_an_unknown_name_is_refused_with_those_that_are_known(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = f", and no pretrained model: those are {', '.join(NAMES)}"
    for given in ("smiley", tmp_path / "smiley_vsc"):
        refused = f"{given}: neither a run folder nor a saved model (no config.json)"
        assert error_of(vsc_jax.load, given) == refused + known * (given == "smiley")


def test_reports_and_results_are_not_written_into_the_package(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = contents(PRETRAINED)
    evaluate_command(["smiley_vsc", "--samples", "1", "--examples", "10", "--probe_examples", "500"])
    assert "not written: a pretrained model stays as it is; --output FILE keeps" in capsys.readouterr().out
    written = write_report([Path("smiley_vsc")], every_figure=False)
    assert written.html == Path("report/report.html")
    assert (tmp_path / "report" / "figures" / "reconstructions.png").is_file()
    assert "smiley_vsc" in written.markdown.read_text()
    assert contents(PRETRAINED) == before
