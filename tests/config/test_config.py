"""The configuration: presets, JSON and back, and one line that names the field for every bad value."""

import dataclasses
import json
import math
import sys
from typing import Any

import pytest

from tests.refused import error_of
from vsc_jax.config import (
    FIELDS,
    FREE,
    TRACED,
    Config,
    DataConfig,
    ModelConfig,
    Ramp,
    from_dict,
    from_json,
    load_preset,
    preset_names,
    replaced,
    smoke,
    to_dict,
    to_flat,
    unfit_fields,
    validate,
)
from vsc_jax.config.errors import UserError
from vsc_jax.config.fields import Only

VALUES = to_flat(Config())
NUMBERS = [name for name, value in VALUES.items() if type(value) in (int, float) and "image" not in name]


def with_value(path: str, value: Any) -> Config:
    """The default configuration with one plain value changed, read from what a file would hold."""
    return replaced(Config(), {path: value})


@pytest.mark.parametrize("name", preset_names())
def test_preset_is_valid_named_after_its_file_survives_json_and_can_be_shrunk(name, tmp_path):
    config = load_preset(name)
    validate(config)
    assert config.name == name
    path = tmp_path / "config.json"
    path.write_text(json.dumps(to_dict(config), allow_nan=False))
    assert from_json(path) == load_preset(path) == config
    small = smoke(config)
    assert small.train.steps <= 20
    assert small.train.batch_size <= small.data.train_examples <= 512
    assert small.model == config.model


@pytest.mark.parametrize("data", ["smiley", "mnist", "fashion", "har"])
def test_warm_up_preset_differs_from_its_twin_in_the_warm_up_and_how_far_gates_are_open(data):
    assert {f"{data}_{kind}" for kind in ("ae", "vae", "vsc", "vsc_wu")} <= set(preset_names())
    plain, warm = load_preset(f"{data}_vsc"), load_preset(f"{data}_vsc_wu")
    start, opened = (0.3, 4.0) if data in ("mnist", "fashion") else (0.0, plain.model.initial_gate_logit)
    assert warm.schedule.warm_up == Ramp(start, 1.0, 0.0, 0.25)
    assert warm.model.initial_gate_logit == opened
    model = dataclasses.replace(warm.model, initial_gate_logit=plain.model.initial_gate_logit)
    schedule = dataclasses.replace(warm.schedule, warm_up=plain.schedule.warm_up)
    assert dataclasses.replace(warm, name=plain.name, model=model, schedule=schedule) == plain


def test_a_preset_file_is_given_by_path_and_may_import_its_neighbours(tmp_path):
    (tmp_path / "shared_by_mine.py").write_text("SEED = 5\n")
    path = tmp_path / "mine.py"
    imports = "from shared_by_mine import SEED\nfrom vsc_jax.config import Config\n"
    path.write_text(f"{imports}config = Config(name='mine', seed=SEED)\n")
    before = list(sys.path)
    assert load_preset(path) == Config(name="mine", seed=5)
    assert sys.path == before


@pytest.mark.parametrize(("text", "expected"), [
    ("config = 3", "defines no `config`"),
    ("config = ", "SyntaxError"),
    ("import no_such_module", "ModuleNotFoundError"),
    ("raise SystemExit(3)", "SystemExit: 3"),
    ("from vsc_jax.config import *\nconfig = Config(model=ModelConfig(latents='60'))", "latents"),
])  # fmt: skip
def test_bad_preset_file_is_named(text, expected, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(UserError, match=f"(?s)^--config: {path}.*{expected}"):
        load_preset(path)


def test_unknown_preset_lists_the_known_ones():
    assert "no preset 'mnist_vcs'; presets are fashion_ae, " in error_of(load_preset, "mnist_vcs")
    for missing in ("missing.json", f"{'a' * 300}.py", "\0.py"):
        assert error_of(load_preset, missing) == f"--config: no file {missing}"


@pytest.mark.parametrize(("text", "expected"), [
    ("{", "not a readable JSON file"),
    ("[]", "expected a JSON object"),
    ("[" * 100_000, "not a readable JSON file"),
    ('{"seed": ' + "9" * 5000 + "}", "not a readable JSON file"),
    ('{"model": {"latent": 3}}', "model.latent: unknown key"),
    ('{"modle": {}}', "modle: unknown key"),
    ('{"schedule": {"kl": {"start": 1.0}}}', "schedule.kl.end: missing"),
    ('{"schedule": {"kl": {"start": 1.0, "end": 1, "till": 1}}}', "schedule.kl.till: unknown key"),
    ('{"data": {"presence": 0.4}}', "data.presence: unknown key"),
])  # fmt: skip
def test_bad_json_is_one_line_that_names_file_and_key(text, expected, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(text)
    assert error_of(from_json, path).startswith(f"{path}: {expected}")


def test_what_older_versions_wrote_opens(tmp_path):
    values = to_dict(Config(data=DataConfig(color="rgb", scaling="standardize")))
    old = {**values, "data": {**values["data"], "presence": 0.5, "scaling": "standardise"}}
    old["data"]["colour"] = old["data"].pop("color")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(old))
    assert from_json(path) == from_dict(values)


def test_every_mark_names_values_that_there_are_and_fields_fit_their_model_and_data():
    marks = [mark for field in FIELDS.values() for mark in field.marks]
    kinds = {value for mark in marks if isinstance(mark, Only) for value in mark.values}
    assert kinds == {"vae", "vsc", "smiley", "uci_har", "tfds", "files"}
    assert not [name for name, field in FIELDS.items() if {TRACED, FREE} <= set(field.marks)]
    unfit = unfit_fields(replaced(Config(), {"model.kind": "vae", "data.name": "tfds:mnist"}))
    assert unfit["model.alpha"] == unfit["schedule.warm_up.end"] == "only for model kind vsc, not vae"
    assert unfit["data.separator"] == "only for data source files, not tfds"
    assert not {"seed", "model.beta", "model.tc_weight", "data.crop", "data.image"} & unfit.keys()


def test_missing_fields_keep_their_defaults_and_whole_numbers_are_taken_for_floats():
    assert from_dict({}) == Config()
    assert from_dict({"model": {"latents": 5}}).model == ModelConfig(latents=5)
    beta = with_value("model.beta", 4).model.beta
    assert (beta, type(beta)) == (4.0, float)


@pytest.mark.parametrize(("path", "value", "expected"), [
    ("model.latents", True, "model.latents: expected int, got True"),
    ("model.latents", 60.0, "model.latents: expected int, got 60.0"),
    ("model.latents", None, "model.latents: expected int, got None"),
    ("model.alpha", "0.1", 'model.alpha: expected float, got "0.1"'),
    ("model.kind", "zz", 'model.kind: expected one of ae, vae, vsc, got "zz"'),
    ("data.image_size", 28.0, "data.image_size: expected one of 28, 32, got 28.0"),
    ("model.hidden", 400, "model.hidden: expected list, got 400"),
    ("model.hidden", [400, "b"], 'model.hidden[1]: expected int, got "b"'),
    ("train.progress", 1, "train.progress: expected bool, got 1"),
    ("data.path", 3, "data.path: expected path, got 3"),
    ("schedule.kl", 1.0, "schedule.kl: expected an object, got 1.0"),
    ("model.alpha", 0.0, "model.alpha: expected a number between 0 and 1, exclusive, got 0.0"),
    ("model.alpha", 1.0, "model.alpha: expected a number between 0 and 1, exclusive, got 1.0"),
    ("model.latents", 0, "model.latents: expected a number from 1 to 2147483647, got 0"),
    ("model.hidden", [400, 0], "model.hidden[1]: expected a number from 1 to 2147483647, got 0"),
    ("model.alpha", 1e-50, "model.alpha: expected a number neither 0 nor 1 in float32"),
    ("model.prior_rate", 0.99999999, "model.prior_rate: expected a number neither 0 nor 1 in fl"),
    ("train.steps", "aut", 'train.steps: expected a number or auto, got "aut"'),
    ("train.steps", None, "train.steps: expected int, got None"),
    ("train.learning_rate", 0.0, "train.learning_rate: expected a number between 0 and 1000, exclusive"),
    ("schedule.warm_up.end", 1.5, "schedule.warm_up: expected start and end from 0 to 1"),
    ("schedule.prior_blend.start", 2.0, "schedule.prior_blend: expected start and end from 0 to 1"),
    ("schedule.sparsity.begin", 0.9, "schedule.sparsity: expected begin <= until"),
    ("train.precision", "float16", "train.precision: expected one of "),
    ("name", "../elsewhere", "name: expected letters, digits, dots, dashes and underscores"),
    ("name", "", "name: expected letters, digits, dots, dashes and underscores"),
])  # fmt: skip
def test_wrong_type_or_value_is_named_with_what_was_expected(path, value, expected):
    assert error_of(lambda: validate(with_value(path, value))).startswith(expected)


@pytest.mark.parametrize("path", NUMBERS)
def test_numbers_out_of_range_are_refused_with_the_fields_name(path):
    for value in [-1e9, math.nan, math.inf] if type(VALUES[path]) is float else [-(10**9), 2**31]:
        error = error_of(lambda value=value: validate(with_value(path, value)))
        assert error.startswith(f"{path}: expected a number ")
        assert error.endswith(f", got {value!r}")
