"""Sentences about decoded pictures say what their pictures show."""

import re

import jax
import numpy as np
import pytest

from vsc_jax.data.dataset import Split
from vsc_jax.data.streams import Stream, key
from vsc_jax.figures import from_model
from vsc_jax.figures.from_model import Shown
from vsc_jax.models import Autoencoder
from vsc_jax.pages import picture_sentences
from vsc_jax.run import load
from vsc_jax.run.reopen import run_config, run_dataset


class Painter(Shown):
    """Decodes latent j to row j of an 8 x 8 picture."""

    def decode(self, z):
        z = np.asarray(z)
        pictures = np.zeros((*z.shape[:-1], 8, 8))
        pictures[..., :6, :] = z[..., None]
        return pictures


@pytest.fixture(scope="module")
def make_shown(make_run, tmp_path_factory):
    def make(code=None, shown_type=Painter, **options):
        folder = make_run(tmp_path_factory.mktemp("runs") / "run", **options)
        shown = shown_type(load(folder), run_dataset(folder, run_config(folder)), seed=0)
        if code is not None:
            shown.__dict__["code"] = code
            shown.__dict__["density"] = (code != 0).mean(axis=0)
        return shown

    return make


@pytest.fixture
def code():
    """Latents 0 and 1 span 0 to 1 where they are on, latent 2 hardly moves, the others are off."""
    made = np.zeros((40, 6))
    made[:, 0] = np.linspace(0.001, 1, 40)
    made[:, 1] = np.linspace(1, 0.001, 40)
    made[::2, 2] = np.linspace(0.5, 0.51, 20)
    return made


def test_an_untrained_model_is_said_to_show_the_mean(make_shown):
    sentence = picture_sentences.reconstructions(make_shown(shown_type=Shown))
    assert sentence.endswith("where the mean image would explain 0 %: the code says next to nothing.")


@pytest.mark.parametrize(
    ("likelihood", "words"),
    [("bernoulli", "noise of sd 0.25"), ("gaussian", "noise of 0.25 of the data's sd")],
)
def test_the_sentence_on_noise_measures_the_noise_that_the_figure_shows(make_shown, likelihood, words):
    seen = []

    class Copier(Autoencoder):
        """Reconstructs its input, so that the error is the noise."""

        def reconstruct(self, x):
            if not isinstance(x, jax.core.Tracer):
                seen.append(np.asarray(x))
            return x

    shown = make_shown(shown_type=Shown)
    decoder = shown.model.decoder
    decoder.likelihood = likelihood
    x = np.random.default_rng(0).random((2000, 8, 8), np.float32)
    shown.model, shown.test = Copier(shown.model.encoder, decoder, latents=6), Split(x)
    from_model.reconstructions(shown)
    clean, noisy = seen
    scale = 0.25 * (1 if likelihood == "bernoulli" else x.std())
    expected = (np.clip if likelihood == "bernoulli" else lambda v, *_: v)(
        clean + scale * np.asarray(jax.random.normal(key(0, Stream.SHOWN_NOISE), clean.shape)), 0, 1
    )
    np.testing.assert_allclose(noisy, expected, atol=1e-6)
    explained = 100 * (1 - np.square(noisy - clean).mean() / x.var())
    sentence = picture_sentences.reconstructions(shown)
    assert words in sentence
    told = re.search(r"and (\S+) % from input", sentence).group(1)
    assert float(told.replace("−", "-")) == pytest.approx(explained, abs=4)  # noqa: RUF001


def test_traversals_name_the_strongest_latent_and_count_those_that_do_nothing(make_shown, code):
    sentence = picture_sentences.traversals(make_shown(code))
    # One row of eight changes; latent 2 is swept about .5, but switching it off moves its row visibly.
    assert (
        "changes most, 12 % of the pixels visibly, a row in the middle 12 %, and 0 of 3 rows none."
        in sentence
    )
    code[:, 1] *= 0.2
    assert "here latent 0 changes most" in picture_sentences.traversals(make_shown(code))
    assert "and 1 of 3 rows none." in picture_sentences.traversals(make_shown(code))


def test_the_grid_tells_what_each_of_its_two_latents_changes(make_shown, code):
    sentence = picture_sentences.latent_grid(make_shown(code))
    pair = re.findall(r"(\d) (?:across|upwards)", sentence)
    assert sorted(pair) == ["0", "1"]
    assert sentence.count("12 %") == 2


def test_straight_lines_through_a_linear_decoder_are_even(make_shown, code):
    sentence = picture_sentences.interpolations(make_shown(code))
    assert (
        "the largest of the 9 steps along a straight line makes 11 % of its change (11 % would be" in sentence
    )
    assert "joined by switching 0 latents on and 1 off." in sentence
    dense = picture_sentences.interpolations(make_shown(code, kind="vae"))
    assert dense.endswith("(11 % would be even).")


def test_samples_of_one_support_vary_within_their_rows(make_shown):
    same = np.tile([1.0, 1.0, 0, 0, 0, 0], (40, 1))
    share = re.search(r"here ([\d.]+) % of", picture_sentences.conditional_samples(make_shown(same)))
    assert float(share[1]) >= 90  # what is left between rows is the draw's
