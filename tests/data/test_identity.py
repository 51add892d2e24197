"""What a run folder holds of its data: ``data.json`` with a digest of the values, and ``data.npz``."""

from dataclasses import replace

import numpy as np
import pytest

from tests.refused import error_of
from vsc_jax.config import Config, EvaluateConfig
from vsc_jax.data import Dataset, Split, identity
from vsc_jax.data.examples import from_source
from vsc_jax.data.identity import describe, difference, digest
from vsc_jax.models import scaling

RNG = np.random.default_rng(0)
X, Y = RNG.random((40, 3)).astype(np.float32), np.arange(40, dtype=np.int32) % 4
DATA = Dataset("mine", Split(X[:30], Y[:30]), Split(X[30:], Y[30:]))


def changed(array, index):
    other = array.copy()
    other[index] += 1
    return other


@pytest.mark.parametrize("part", [
    {"train": Split(changed(X[:30], (29, 2)), Y[:30])},
    {"test": Split(changed(X[30:], (0, 0)), Y[30:])},
    {"train": Split(X[:30], changed(Y[:30], 7))},
    {"test": Split(X[30:], changed(Y[30:], 7))},
    {"train": Split(X[:30])},
    {"train": Split(X[:30][::-1], Y[:30])},
    {"train": Split(X[:30].view(np.int32), Y[:30])},
])  # fmt: skip
def test_any_other_value_gives_another_digest(part):
    assert digest(replace(DATA, **part)) != digest(DATA)


def test_names_of_columns_are_kept_and_no_other_data_without_them(tmp_path):
    data = replace(DATA, column_names=("a", "b", "c"))
    identity.save_examples(tmp_path, data, Config())
    assert identity.load_examples(tmp_path, describe(data), Config()).column_names == data.column_names
    older = {key: value for key, value in describe(data).items() if key != "column_names"}
    assert identity.load_examples(tmp_path, older, Config()).column_names == ()
    assert difference(older, describe(data)) is difference(describe(data), describe(DATA)) is None


def test_the_digest_is_of_values_not_of_how_they_lie_in_memory():
    again = replace(DATA, train=Split(np.asfortranarray(X)[:30], Y[:30]), description="in other words")
    assert digest(again) == digest(DATA) == "a6518b85a64bc27cfdda47afb7ebe7bb"


@pytest.mark.parametrize("lazy", [False, True])
def test_of_large_or_lazily_read_examples_a_fixed_sample_of_rows_is_looked_at(lazy, monkeypatch):
    monkeypatch.setattr(identity, "SAMPLED", 5)
    monkeypatch.setattr(identity, "LARGE", identity.LARGE if lazy else 100)
    rows = []

    def of(x):
        split = Split(from_source(range(30), lambda row: rows.append(row) or x[row]) if lazy else x)
        return digest(Dataset("mine", split, DATA.test))

    assert of(changed(X[:30], 29)) != of(X[:30]) == of(changed(X[:30], 1))
    assert rows[:6] == ([0, 0, 7, 14, 21, 29] if lazy else [])  # the first tells the shape


def test_data_differ_in_what_they_are_and_not_in_how_they_are_described():
    there = describe(DATA)
    others = {
        None: replace(DATA, description="in other words"),
        "name: 'mine' there, 'yours' asked": replace(DATA, name="yours"),
        "train_examples: 30 there, 20 asked": replace(DATA, train=DATA.train.first(20)),
        "of the same shape, with other values": replace(DATA, train=Split(X[:30] + 1, Y[:30])),
    }
    for expected, other in others.items():
        assert difference(there, describe(other)) == expected
    del there["digest"], there["channel_names"]  # which earlier versions did not write
    assert difference(there, describe(other)) is None


SIGNALS, CLASSES = RNG.random((40, 8, 3)).astype(np.float32), np.arange(40, dtype=np.int32) % 4
GIVEN = Dataset(
    "mine",
    Split(SIGNALS[:30], CLASSES[:30]),
    Split(SIGNALS[30:], CLASSES[30:], subjects=CLASSES[:10]),
    ("a", "b", "c", "d"),
    description="Mine",
    channel_names=("x", "y", "z"),
    scaling=scaling.fit("standardize", SIGNALS, signals=True),
)
CONFIG = Config(evaluate=EvaluateConfig(probe_examples=12))


def test_what_evaluation_needs_comes_back(tmp_path):
    identity.save_examples(tmp_path, GIVEN, CONFIG)
    found = identity.load_examples(tmp_path, describe(GIVEN), CONFIG)
    for field in ("x", "labels", "subjects"):
        np.testing.assert_array_equal(getattr(found.test, field), getattr(GIVEN.test, field))
    chosen = GIVEN.train.sample(12, CONFIG.data.seed)
    np.testing.assert_array_equal(found.train.x, chosen.x)
    np.testing.assert_array_equal(found.train.sample(12, CONFIG.data.seed).labels, chosen.labels)
    empty = {"train": Split(np.zeros(0)), "test": Split(np.zeros(0))}
    assert replace(found, **empty) == replace(GIVEN, **empty)
    assert [path.name for path in tmp_path.iterdir()] == ["data.npz"]


def test_large_data_are_not_kept_and_what_to_do_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "LARGEST", 4 * 24 * 22 - 1)
    identity.save_examples(tmp_path, GIVEN, CONFIG)
    assert list(tmp_path.iterdir()) == []
    assert error_of(identity.load_examples, tmp_path, describe(GIVEN), CONFIG) == (
        f"{tmp_path}: was trained on data given from Python (mine), and does not keep them; give the data"
        " again from Python, with dataset="
    )


def test_what_does_not_suit_is_named(tmp_path):
    identity.save_examples(tmp_path, GIVEN, CONFIG)
    path, described = tmp_path / "data.npz", describe(GIVEN)
    more = Config(evaluate=EvaluateConfig(probe_examples=13))
    message = error_of(identity.load_examples, tmp_path, described, more)
    assert "probe_examples: the run keeps 12 training examples, 13 are asked for" in message
    other = {**described, "scaling": None, "example_shape": [8, 4]}
    message = error_of(identity.load_examples, tmp_path, other, CONFIG)
    assert message.startswith(f"{path}: not of this run; give the data again")
    path.write_bytes(path.read_bytes()[:-200])
    message = error_of(identity.load_examples, tmp_path, described, CONFIG)
    assert message.startswith(f"{path}: damaged, or not of this run")
