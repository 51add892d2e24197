"""``train.steps auto``: which number the search ends in, and that one that was stopped ends in the same."""

import dataclasses
import json
import os
import shutil
import signal

import numpy as np
import pytest

import vsc_jax
from tests import tiny
from tests.refused import assert_refused, error_of
from tests.tiny import contents, identical
from vsc_jax.config import replaced
from vsc_jax.config.stopping import Stopped
from vsc_jax.data import Dataset, Split
from vsc_jax.pages.sentences import what_was_run
from vsc_jax.pages.source import read_source
from vsc_jax.run import open_run, steps
from vsc_jax.run.steps import with_steps
from vsc_jax.training import TrainingError, train

CONFIG = replaced(
    tiny.CONFIG,
    {"train.steps": "auto", "train.log_every": 2, "train.learning_rate": 0.01, "checkpoint.every": 8},
)
GREY = np.random.default_rng(0).integers(0, 256, (120, 4, 4), np.uint8)
NOISE = Dataset("tiny", Split(GREY[:100]), Split(GREY[100:]), description="Noise")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that has looked for its number, and the lines that it said."""
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "DOUBLINGS", 2)
        done = vsc_jax.fit(
            CONFIG, tmp_path_factory.mktemp("runs") / "run", dataset=NOISE, on_stage=said.append
        )
    return done, [line for line in said if line.startswith("train.steps")]


ROWS = np.random.default_rng(0).normal(size=50).astype(np.float32)


@pytest.mark.parametrize(
    ("means", "found", "tried"),
    [
        ([-9, -5, -3, -3.5, 0], 16, 4),
        ([-9, -8.85, 0], 8, 2),  # better, and not worth to go on
        ([-9, -9, 0], 4, 2),
        ([-9, -5, np.nan, 0], 8, 3),
        ([np.nan, -5, -6], 8, 3),
        (range(-9, 0), 4 * 2**8, 9),  # the greatest number
    ],
)
def test_doubling_goes_on_while_the_bound_of_held_out_examples_gains(means, found, tried, monkeypatch):
    asked = []

    def scores(config, *_):
        asked.append(config.train.steps)
        if np.isnan(mean := list(means)[len(asked) - 1]) and len(asked) > 1:
            raise TrainingError("loss is nan")
        return (mean + ROWS).astype(np.float32)

    monkeypatch.setattr(steps, "_scores", scores)
    assert with_steps(CONFIG, NOISE) == replaced(CONFIG, {"train.steps": found})
    assert asked == [4 * 2**doublings for doublings in range(tried)]


def test_a_gain_is_more_than_a_standard_error_of_the_paired_differences(monkeypatch):
    # Differences of mean .5 and deviation 7: a standard error of 1; of deviation 1.4, of .2.
    for spread, found in ((7.0, 4), (1.4, 8)):
        apart = spread * np.resize([-1.0, 1.0], 50)
        given = iter([ROWS, ROWS + 0.5 + apart, *[ROWS - 1] * 3])
        monkeypatch.setattr(steps, "_scores", lambda *_, given=given: next(given).astype(np.float32))
        assert with_steps(CONFIG, NOISE).train.steps == found


def test_a_single_example_does_not_decide(monkeypatch):
    given = iter([ROWS, ROWS + 1 - np.where(np.arange(50) == 3, 1000, 0), *[ROWS - 1] * 3])
    monkeypatch.setattr(steps, "_scores", lambda *_: next(given).astype(np.float32))
    assert with_steps(CONFIG, NOISE).train.steps == 8


def test_a_first_number_that_diverges_is_an_error(monkeypatch):
    monkeypatch.setattr(steps, "_scores", lambda *_: (_ for _ in ()).throw(TrainingError("loss is nan")))
    with pytest.raises(TrainingError, match="^loss is nan$"):
        with_steps(CONFIG, NOISE)


def test_the_run_is_an_ordinary_one_of_the_number_that_was_found(run):
    done, said = run
    found = json.loads((done.workdir / "steps.json").read_text())
    assert list(found["scores"]) == ["4", "8", "16"]
    assert {len(scores) for scores in found["scores"].values()} == {50}
    number = found["steps"]
    assert (
        number
        == done.results["steps"]
        == done.history[-1]["step"]
        == open_run(done.workdir).config.train.steps
    )
    assert json.loads((done.workdir / "config.json").read_text())["train"]["steps"] == "auto"
    assert said[0].startswith("train.steps 4: validation bound -")
    assert said[0].endswith("; go on")
    assert said[-1].endswith(f"; {number} are taken")
    alone = train(replaced(CONFIG, {"train.steps": number}), NOISE)
    assert alone.history == done.history
    identical(alone.model, done.model)


def test_a_search_that_was_stopped_goes_on_and_ends_in_the_same_run(run, tmp_path, monkeypatch):
    done, said = run
    monkeypatch.setattr(steps, "DOUBLINGS", 2)

    def stop(stage):
        if stage.startswith("trying 8 steps"):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(
        Stopped, match="^stopped by SIGTERM in the search for train.steps; numbers of steps that"
    ):
        vsc_jax.fit(CONFIG, tmp_path, dataset=NOISE, on_stage=stop)
    assert list(json.loads((tmp_path / "steps.json").read_text())["scores"]) == ["4"]
    unfinished = read_source(tmp_path, "unfinished")
    assert "training is at iteration 0 of auto" in unfinished.missing[-1]
    assert "; auto iterations of 16 examples" in what_was_run(unfinished)
    more = []
    again = vsc_jax.fit(CONFIG, tmp_path, dataset=NOISE, on_stage=more.append)
    assert [line for line in more if line.startswith("train.steps")] == said[1:]
    identical(again.model, done.model)
    for name in ("steps.json", "metrics.jsonl", "results.json"):
        assert (tmp_path / name).read_bytes() == (done.workdir / name).read_bytes()
    monkeypatch.setattr(steps, "_scores", None)  # nothing is tried again, whatever the rule is by then
    monkeypatch.setattr(steps, "LEAST_GAIN", 100.0)
    before = contents(tmp_path)
    assert vsc_jax.fit(CONFIG, tmp_path, dataset=NOISE).results == done.results
    assert contents(tmp_path) == before


@pytest.mark.parametrize(("found", "message"), [
    ({"steps": "many"}, "steps: expected a positive integer or null, got 'many'"),
    ({"steps": None}, "scores: expected lists for 4, 8, 16, ... steps"),
    ({"steps": None, "scores": {"4": [0.0] * 50, "16": [0.0] * 50}}, "scores: expected lists for 4, 8,"),
    ({"steps": None, "scores": {"4": [0.0] * 49}}, "scores: expected 50 numbers for 4 steps"),
    ({"steps": None, "scores": {"4": [10**400] * 50}}, "scores: expected 50 numbers for 4 steps"),
    ([], "expected a JSON object"),
])  # fmt: skip
def test_a_damaged_file_is_refused_by_name(found, message, run, tmp_path):
    copy = shutil.copytree(run[0].workdir, tmp_path / "copy")
    (copy / "steps.json").write_text(json.dumps(found))
    assert error_of(vsc_jax.fit, CONFIG, copy, dataset=NOISE).startswith(f"{copy / 'steps.json'}: {message}")


def test_the_test_part_decides_nothing_and_what_is_held_out_is_not_trained_on(monkeypatch):
    seen = []

    def spy(config, dataset, **options):
        seen.append(dataset.train.x)
        return train(config, dataset, **options)

    monkeypatch.setattr(steps, "train", spy)
    monkeypatch.setattr(steps, "DOUBLINGS", 0)
    scores = []
    monkeypatch.setattr(steps, "_line", lambda tried: scores.append(tried[4]) or "")
    other = dataclasses.replace(NOISE, test=Split(255 - GREY[100:]))
    for data in (NOISE, other):
        with_steps(CONFIG, data)
    np.testing.assert_array_equal(*scores)
    rows = {row.tobytes() for row in seen[0]}
    assert len(rows) == len(seen[0]) == 50 == len(scores[0])
    with_steps(replaced(CONFIG, {"train.batch_size": 100}), NOISE)  # as many as there are: they are repeated
    assert len(seen[-1]) == 100
    assert {row.tobytes() for row in seen[-1]} == rows


def one_hot():
    """Three classes beside two; the third is in one row alone, and the last column in another."""
    x = np.zeros((60, 5), np.float32)
    x[np.arange(60), np.resize([0, 1], 60)] = 1
    x[np.arange(60), np.resize([3, 3, 4], 60)] = 1
    x[17, :3] = 0, 0, 1
    return x


@pytest.mark.parametrize(
    ("x", "changes"),
    [
        (GREY[:60], {"model.kind": "ae"}),
        (GREY[:60], {"data.binarize": "dynamic", "model.kind": "vae"}),
        (one_hot(), {"model.kind": "vae", "model.likelihood": "categorical"}),
        (
            np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32),
            {"model.decoder": "linear", "model.likelihood": "gaussian", "model.prior": "fixed",
             "model.inference": "ascent"},
        ),
    ],
    ids=["ae", "dynamic", "categorical", "ascent"],
)  # fmt: skip
def test_every_model_and_likelihood_can_look_for_it(x, changes, monkeypatch):
    monkeypatch.setattr(steps, "DOUBLINGS", 0)
    said = []
    found = with_steps(replaced(CONFIG, changes), Dataset("x", Split(x), Split(x[:5])), on_stage=said.append)
    assert found.train.steps == 4
    assert np.isfinite([float(line.split()[4]) for line in said if line.startswith("train.steps")]).all()


def test_where_it_cannot_be_found_one_line_says_so():
    few = Dataset("few", Split(GREY[:3]), Split(GREY[3:5]))
    small = replaced(CONFIG, {"train.batch_size": 2})
    message = "^train.steps: auto needs more training examples to hold some out, got 3$"
    assert_refused(message, with_steps, small, few)
    assert_refused("^train.steps: expected a number, got auto", train, CONFIG, NOISE)
    message = "^train.steps: expected a number where parallel.distributed is True, got"
    assert_refused(message, vsc_jax.fit, replaced(CONFIG, {"parallel.distributed": True}))
