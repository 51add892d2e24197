"""Data that were given from Python, kept in the run folder to look at the run again."""

from dataclasses import replace

import numpy as np
import pytest

from vsc_jax.config import Config, EvaluateConfig
from vsc_jax.config.errors import UserError
from vsc_jax.data import Dataset, Split, identity
from vsc_jax.data.identity import describe
from vsc_jax.models import scaling

RNG = np.random.default_rng(0)
X, Y = RNG.random((40, 8, 3)).astype(np.float32), np.arange(40, dtype=np.int32) % 4
DATA = Dataset(
    "mine",
    Split(X[:30], Y[:30]),
    Split(X[30:], Y[30:], subjects=Y[:10]),
    ("a", "b", "c", "d"),
    description="Mine",
    channel_names=("x", "y", "z"),
    scaling=scaling.fit("standardise", X, signals=True),
)
CONFIG = Config(evaluate=EvaluateConfig(probe_examples=12))


def test_what_evaluation_needs_comes_back(tmp_path):
    identity.save_examples(tmp_path, DATA, CONFIG)
    found = identity.load_examples(tmp_path, describe(DATA), CONFIG)
    np.testing.assert_array_equal(found.test.x, DATA.test.x)
    np.testing.assert_array_equal(found.test.labels, DATA.test.labels)
    np.testing.assert_array_equal(found.test.subjects, DATA.test.subjects)
    chosen = DATA.train.sample(12, CONFIG.data.seed)
    np.testing.assert_array_equal(found.train.x, chosen.x)
    np.testing.assert_array_equal(found.train.sample(12, CONFIG.data.seed).labels, chosen.labels)
    empty = Split(np.zeros(0)), Split(np.zeros(0))
    assert replace(found, train=empty[0], test=empty[1]) == replace(DATA, train=empty[0], test=empty[1])
    assert [path.name for path in tmp_path.iterdir()] == ["data.npz"]


def test_large_data_are_not_kept_and_what_to_do_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "LARGEST", 4 * 24 * 22 - 1)
    identity.save_examples(tmp_path, DATA, CONFIG)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError) as caught:
        identity.load_examples(tmp_path, describe(DATA), CONFIG)
    assert str(caught.value) == (
        f"{tmp_path}: was trained on data given from Python (mine), and does not keep them; give the data"
        " again from Python, with dataset="
    )


def test_more_probe_examples_than_are_kept_are_refused(tmp_path):
    identity.save_examples(tmp_path, DATA, CONFIG)
    more = Config(evaluate=EvaluateConfig(probe_examples=13))
    with pytest.raises(
        UserError, match=r"probe_examples: the run keeps 12 training examples, 13 are asked for"
    ):
        identity.load_examples(tmp_path, describe(DATA), more)


def test_a_damaged_file_is_named(tmp_path):
    identity.save_examples(tmp_path, DATA, CONFIG)
    path = tmp_path / "data.npz"
    with pytest.raises(UserError, match=f"^{path}: not of this run; give the data again"):
        identity.load_examples(tmp_path, {**describe(DATA), "scaling": None, "example_shape": [8, 4]}, CONFIG)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match=f"^{path}: damaged, or not of this run"):
        identity.load_examples(tmp_path, describe(DATA), CONFIG)
