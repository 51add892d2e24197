"""Streams of random numbers: none is another's, and those of training are what they were."""

import jax
import numpy as np

from vsc_jax.data.streams import Stream, generator, key
from vsc_jax.evaluation.results import binarized
from vsc_jax.training.step import keys_of

SEED = 3


def words(key):
    return tuple(np.asarray(jax.random.key_data(key)).tolist())


def folded(key, numbers):
    return {words(jax.random.fold_in(jax.random.clone(key), i)) for i in range(numbers)}


def test_streams_of_training_are_those_of_older_runs():
    def root(number):
        return words(jax.random.fold_in(jax.random.key(SEED), number))

    assert words(key(SEED, Stream.INITIAL)) == root(0)
    assert [words(k) for k in keys_of(SEED)] == [root(2), root(3)]
    order = generator(SEED, Stream.EPOCHS, 4).permutation(20)
    np.testing.assert_array_equal(order, np.random.default_rng((SEED, 1, 4)).permutation(20))


def test_no_key_of_an_evaluation_is_one_that_training_uses():
    training = {words(key(SEED, Stream.INITIAL))}
    for root in keys_of(SEED):
        training |= {words(root)} | folded(root, 11)
    assert len(training) == 1 + 2 * 12
    measured = set()
    for stream in set(Stream) - {Stream.INITIAL, Stream.MODEL, Stream.PIXELS}:
        roots = [key(SEED, stream), *jax.random.split(key(SEED, stream), 3)]
        found = set().union(*({words(root)} | folded(root, 11) for root in roots))
        assert not found & (training | measured)
        measured |= found


def test_no_two_generators_draw_the_same():
    generators = [np.random.default_rng(SEED), *(generator(SEED, stream) for stream in Stream if stream)]
    drawn = {tuple(rng.integers(2**32, size=2).tolist()) for rng in generators}
    assert len(drawn) == len(Stream)


def test_test_and_probe_images_are_binarized_apart():
    grey = np.full((50, 4), 0.5, np.float32)
    test = binarized(grey, "dynamic", np.random.default_rng(SEED))
    probe = binarized(grey, "dynamic", generator(SEED, Stream.PROBE_PIXELS))
    assert 0.3 < (test == probe).mean() < 0.7
