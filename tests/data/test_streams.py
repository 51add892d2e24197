"""Streams of random numbers: none is another's, and those of training are what they were."""

import jax
import numpy as np

from vsc_jax.data.streams import Stream, generator, key
from vsc_jax.evaluation.results import binarized
from vsc_jax.training.step import keys_of

SEED = 3


def words(key):
    return tuple(np.asarray(jax.random.key_data(key)).tolist())


def folded(key):
    return {words(key)} | {words(jax.random.fold_in(jax.random.clone(key), i)) for i in range(11)}


def test_streams_of_training_are_those_of_older_runs():
    roots = [words(jax.random.fold_in(jax.random.key(SEED), number)) for number in (0, 2, 3)]
    assert [words(k) for k in (key(SEED, Stream.INITIAL), *keys_of(SEED))] == roots
    order = generator(SEED, Stream.EPOCHS, 4).permutation(20)
    np.testing.assert_array_equal(order, np.random.default_rng((SEED, 1, 4)).permutation(20))


def test_no_key_of_an_evaluation_is_one_that_training_uses():
    drawn = {words(key(SEED, Stream.INITIAL))}.union(*map(folded, keys_of(SEED)))
    assert len(drawn) == 1 + 2 * 12
    for stream in set(Stream) - {Stream.INITIAL, Stream.MODEL, Stream.PIXELS}:
        found = set().union(*map(folded, (key(SEED, stream), *jax.random.split(key(SEED, stream), 3))))
        assert not found & drawn
        drawn |= found


def test_no_two_generators_draw_the_same():
    generators = [np.random.default_rng(SEED), *(generator(SEED, stream) for stream in Stream if stream)]
    drawn = {tuple(rng.integers(2**32, size=2).tolist()) for rng in generators}
    assert len(drawn) == len(Stream)


def test_test_and_probe_images_are_binarized_apart():
    grey = np.full((50, 4), 0.5, np.float32)
    test = binarized(grey, "dynamic", np.random.default_rng(SEED))
    probe = binarized(grey, "dynamic", generator(SEED, Stream.PROBE_PIXELS))
    assert 0.3 < (test == probe).mean() < 0.7
