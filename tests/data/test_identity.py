"""What a data set is known by: a digest of its values, and what ``data.json`` says."""

import time
from dataclasses import replace

import numpy as np
import pytest

from vsc_jax.data import Dataset, Split, from_arrays, identity
from vsc_jax.data.examples import from_source
from vsc_jax.data.identity import describe, difference, digest

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


def test_the_digest_of_smileys_size_takes_no_noticeable_time():
    x = np.zeros((100_000, 32, 32), np.uint8)
    start = time.process_time()
    digest(Dataset("large", Split(x), Split(x[:5000])))
    assert time.process_time() - start < 1


def test_data_differ_in_what_they_are_and_not_in_how_they_are_described():
    there = describe(DATA)
    assert difference(there, describe(replace(DATA, description="in other words"))) is None
    assert difference(there, describe(replace(DATA, name="yours"))) == "name: 'mine' there, 'yours' asked"
    fewer = describe(replace(DATA, train=DATA.train.first(20)))
    assert difference(there, fewer) == "train_examples: 30 there, 20 asked"
    other = describe(from_arrays(X + 1, Y, name="mine", test_fraction=0.25))
    assert difference({**other, "digest": "0"}, other) == "of the same shape, with other values"


def test_what_an_earlier_version_did_not_write_is_no_difference():
    there = describe(DATA)
    del there["digest"], there["channel_names"]
    assert difference(there, describe(replace(DATA, train=Split(X[:30] + 1, Y[:30])))) is None
