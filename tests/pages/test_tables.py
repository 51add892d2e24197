"""What stands out in a table, and what must not."""

import dataclasses

from vsc_jax.config import Config, Ramp, load_preset
from vsc_jax.pages.tables import ABSENT, results_tables, settings_rows


def rows_of(sources):
    return {row.name: row for rows in results_tables(sources).values() for row in rows}


def marks(row):
    return [cell.marked for cell in row.cells]


def results(data="mnist", **values):
    return {"data": data, **values}


def test_the_best_is_marked_in_the_direction_of_each_number(make_source):
    a = make_source("a", results(elbo=-100.0, mse=0.1, probe_accuracy=0.9, kl=5.0))
    b = make_source("b", results(elbo=-90.0, mse=0.2, probe_accuracy=0.95, kl=4.0))
    rows = rows_of([a, b])
    assert marks(rows["elbo"]) == [False, True]
    assert marks(rows["mse"]) == [True, False]
    assert marks(rows["probe_accuracy"]) == [False, True]
    assert marks(rows["kl"]) == [False, False]  # neither more nor less is better


def test_nothing_is_best_across_different_data(make_source):
    sources = [make_source("a", results("grey", elbo=-9.0)), make_source("b", results("binary", elbo=-8.0))]
    assert marks(rows_of(sources)["elbo"]) == [False, False]


def test_importance_bounds_of_different_numbers_of_samples_are_not_ranked(make_source):
    a = make_source("a", results(iwae=-9.0, iwae_samples=10))
    b = make_source("b", results(iwae=-8.0, iwae_samples=100))
    assert marks(rows_of([a, b])["iwae"]) == [False, False]


def test_a_result_that_a_run_lacks_or_that_is_no_number_is_shown_as_such(make_source):
    a, b = make_source("a", results(elbo=float("nan"))), make_source("b", results(odd=[1]))
    rows = rows_of([a, b])
    assert [cell.text for cell in rows["elbo"].cells] == ["nan", ABSENT]
    assert [cell.text for cell in rows["odd"].cells] == [ABSENT, "[1]"]


def test_groups_come_in_the_order_of_their_meanings(make_source):
    tables = results_tables([make_source("a", {"probe_accuracy": 0.5, "elbo": -1.0, "new": 2.0})])
    assert list(tables) == [
        "Likelihood, nats an example",
        "Classes read off the code",
        "Other",
    ]


def test_settings_that_differ_stand_out(make_source):
    differing, common = settings_rows([make_source("a", alpha=0.1), make_source("b", alpha=0.2)])
    assert [(row.name, [cell.text for cell in row.cells]) for row in differing] == [
        ("model.alpha", ["0.1", "0.2"])
    ]
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


def test_ramps_are_told_in_words(make_source):
    ramps = [Ramp(0.0, 1.0, 0.0, 0.25), Ramp(1.0, 1.0), Ramp(0.5, 2.0), Ramp(0.0, 1.0, 0.5, 0.5)]
    expected = ["0 to 1 from 0% to 25% of the run", "1", "2", "0, from 50% of the run on 1"]
    for ramp, text in zip(ramps, expected, strict=True):
        config = dataclasses.replace(Config(), name="mine")
        config = dataclasses.replace(config, schedule=dataclasses.replace(config.schedule, kl=ramp))
        _, common = settings_rows([dataclasses.replace(make_source("a"), config=config)])
        assert {row.name: row.cells[0].text for row in common}["schedule.kl"] == text
