"""What a run folder holds of its data: ``data.json`` with a digest of the values, and ``data.npz``."""

from dataclasses import replace

import numpy as np
import pytest

from vsc_jax.config import Config, EvaluateConfig
from vsc_jax.config.errors import UserError
from vsc_jax.data import Dataset, Split, from_arrays, identity
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


@pytest.mark.parametrize(
    "other",
    [
        replace(DATA, train=Split(changed(X[:30], (29, 2)), Y[:30])),
        replace(DATA, test=Split(changed(X[30:], (0, 0)), Y[30:])),
        replace(DATA, train=Split(X[:30], changed(Y[:30], 7))),
        replace(DATA, test=Split(X[30:], changed(Y[30:], 7))),
        replace(DATA, train=Split(X[:30])),
        replace(DATA, train=Split(X[:30][::-1], Y[:30])),
        replace(DATA, train=Split(X[:30].view(np.int32), Y[:30])),
    ],
)
def test_any_other_value_gives_another_digest(other):
    assert digest(other) != digest(DATA)


def test_the_digest_is_of_values_not_of_how_they_lie_in_memory():
    again = replace(DATA, train=Split(np.asfortranarray(X)[:30], Y[:30]), description="in other words")
    assert digest(again) == digest(DATA) == "a6518b85a64bc27cfdda47afb7ebe7bb"


@pytest.mark.parametrize("read", [False, True])
def test_of_large_or_lazily_read_examples_a_fixed_sample_of_rows_is_looked_at(read, monkeypatch):
    monkeypatch.setattr(identity, "SAMPLED", 5)
    if not read:
        monkeypatch.setattr(identity, "LARGE", 100)
    rows = []

    def decode(row):
        rows.append(int(row))
        return X[row]

    def data(x):
        return Dataset(
            "mine", Split(from_source(range(len(x)), lambda row: x[row])) if read else Split(x), DATA.test
        )

    assert digest(data(changed(X[:30], 29))) != digest(data(X[:30]))
    assert digest(data(changed(X[:30], 1))) == digest(data(X[:30]))
    digest(Dataset("mine", Split(from_source(range(30), decode)), DATA.test))
    assert rows == [0, 0, 7, 14, 21, 29]  # the first tells the shape


def test_data_differ_in_what_they_are_and_not_in_how_they_are_described():
    there = describe(DATA)
    assert difference(there, describe(replace(DATA, description="in other words"))) is None
    assert difference(there, describe(replace(DATA, name="yours"))) == "name: 'mine' there, 'yours' asked"
    fewer = describe(replace(DATA, train=DATA.train.first(20)))
    assert difference(there, fewer) == "train_examples: 30 there, 20 asked"
    other = describe(from_arrays(X + 1, Y, name="mine", test_fraction=0.25))
    assert difference({**other, "digest": "0"}, other) == "of the same shape, with other values"
    del there["digest"], there["channel_names"]  # which earlier versions did not write
    assert difference(there, describe(replace(DATA, train=Split(X[:30] + 1, Y[:30])))) is None


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
    np.testing.assert_array_equal(found.test.x, GIVEN.test.x)
    np.testing.assert_array_equal(found.test.labels, GIVEN.test.labels)
    np.testing.assert_array_equal(found.test.subjects, GIVEN.test.subjects)
    chosen = GIVEN.train.sample(12, CONFIG.data.seed)
    np.testing.assert_array_equal(found.train.x, chosen.x)
    np.testing.assert_array_equal(found.train.sample(12, CONFIG.data.seed).labels, chosen.labels)
    empty = Split(np.zeros(0)), Split(np.zeros(0))
    assert replace(found, train=empty[0], test=empty[1]) == replace(GIVEN, train=empty[0], test=empty[1])
    assert [path.name for path in tmp_path.iterdir()] == ["data.npz"]


def test_large_data_are_not_kept_and_what_to_do_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "LARGEST", 4 * 24 * 22 - 1)
    identity.save_examples(tmp_path, GIVEN, CONFIG)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError) as caught:
        identity.load_examples(tmp_path, describe(GIVEN), CONFIG)
    assert str(caught.value) == (
        f"{tmp_path}: was trained on data given from Python (mine), and does not keep them; give the data"
        " again from Python, with dataset="
    )


def test_more_probe_examples_than_are_kept_are_refused(tmp_path):
    identity.save_examples(tmp_path, GIVEN, CONFIG)
    more = Config(evaluate=EvaluateConfig(probe_examples=13))
    with pytest.raises(
        UserError, match=r"probe_examples: the run keeps 12 training examples, 13 are asked for"
    ):
        identity.load_examples(tmp_path, describe(GIVEN), more)


def test_a_damaged_file_is_named(tmp_path):
    identity.save_examples(tmp_path, GIVEN, CONFIG)
    path = tmp_path / "data.npz"
    with pytest.raises(UserError, match=f"^{path}: not of this run; give the data again"):
        identity.load_examples(
            tmp_path, {**describe(GIVEN), "scaling": None, "example_shape": [8, 4]}, CONFIG
        )
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match=f"^{path}: damaged, or not of this run"):
        identity.load_examples(tmp_path, describe(GIVEN), CONFIG)
