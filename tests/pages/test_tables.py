"""What stands out in a table, and what must not."""

import dataclasses

import pytest

from vsc_jax.config import Config, Ramp, load_preset
from vsc_jax.pages.tables import ABSENT, results_tables, settings_rows


def marks(*sources):
    tables = results_tables(sources)
    return {row.name: [cell.marked for cell in row.cells] for rows in tables.values() for row in rows}


def test_the_best_is_marked_in_the_direction_of_each_number(make_source):
    a = make_source("a", {"data": "x", "elbo": -100.0, "mse": 0.1, "probe_accuracy": 0.9, "kl": 5.0})
    b = make_source("b", {"data": "x", "elbo": -90.0, "mse": 0.2, "probe_accuracy": 0.95, "kl": 4.0})
    best_is_b = [False, True]
    assert marks(a, b) == {
        **{"elbo": best_is_b, "probe_accuracy": best_is_b, "mse": [True, False]},
        **{"data": [False, False], "kl": [False, False]},  # neither more nor less is better
    }


@pytest.mark.parametrize(("a", "b", "name"), [
    ({"data": "grey", "elbo": -9.0}, {"data": "binary", "elbo": -8.0}, "elbo"),
    ({"iwae": -9.0, "iwae_samples": 10}, {"iwae": -8.0, "iwae_samples": 100}, "iwae"),
])  # fmt: skip
def test_numbers_about_different_things_are_not_ranked(make_source, a, b, name):
    assert marks(make_source("a", a), make_source("b", b))[name] == [False, False]


def test_groups_are_in_the_glossary_s_order_and_what_is_no_number_is_shown_as_such(make_source):
    a = make_source("a", {"probe_accuracy": 0.5, "elbo": float("nan")})
    tables = results_tables([a, make_source("b", {"odd": [1]})])
    assert list(tables) == ["Likelihood, nats per example", "Classes read off the code", "Other"]
    assert [cell.text for cell in tables["Likelihood, nats per example"][0].cells] == ["nan", ABSENT]
    assert [cell.text for cell in tables["Other"][0].cells] == [ABSENT, "[1]"]


def test_settings_that_differ_stand_out(make_source):
    differing, common = settings_rows([make_source("a", alpha=0.1), make_source("b", alpha=0.2)])
    texts = [(row.name, [cell.text for cell in row.cells]) for row in differing]
    assert texts == [("model.alpha", ["0.1", "0.2"])]
    assert all(not cell.marked for row in common for cell in row.cells)
    assert {"name", "model.latents", "schedule.kl", "evaluate.samples"} <= {row.name for row in common}


def test_a_single_run_is_held_against_its_preset(make_source):
    config = load_preset("smiley_vsc")
    changed = dataclasses.replace(config, train=dataclasses.replace(config.train, steps=7))
    source = dataclasses.replace(make_source("a"), config=changed)
    differing, _ = settings_rows([source])
    assert [(row.name, row.text) for row in differing] == [("train.steps", "preset: 6000")]
    unknown = dataclasses.replace(source, config=dataclasses.replace(changed, name="mine"))
    assert settings_rows([unknown])[0] == []


@pytest.mark.parametrize(("ramp", "text"), [
    (Ramp(0.0, 1.0, 0.0, 0.25), "0 to 1 from 0% to 25% of the run"),
    (Ramp(1.0, 1.0), "1"), (Ramp(0.5, 2.0), "2"),
    (Ramp(0.0, 1.0, 0.5, 0.5), "0, from 50% of the run on 1"),
])  # fmt: skip
def test_ramps_are_in_words(make_source, ramp, text):
    config = dataclasses.replace(Config(), name="mine")
    config = dataclasses.replace(config, schedule=dataclasses.replace(config.schedule, kl=ramp))
    _, common = settings_rows([dataclasses.replace(make_source("a"), config=config)])
    assert {row.name: row.cells[0].text for row in common}["schedule.kl"] == text
