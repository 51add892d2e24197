"""Figures of decoded codes show the model's pictures in their places, and their facts measure them."""

import jax
import numpy as np
import pytest

from tests.figures.conftest import Painter
from vsc_jax.data import Split
from vsc_jax.data.streams import Stream, key
from vsc_jax.evaluation.reconstruction import SHOWN_NOISE
from vsc_jax.figures import images as figures
from vsc_jax.models import Autoencoder


class Copier(Autoencoder):
    """Reconstructs its input, so that the error is the noise."""

    def reconstruct(self, x):
        return x


def test_images_stand_over_what_is_decoded_before_and_after_a_change(tile_at, ticks):
    x, before, after = np.random.default_rng(0).random((3, 4, 8, 8))
    figure, facts = figures.draw_steered(x, before, after, {17: 2.5, 3: None}, range(20, 24))
    (axes,) = figure.axes
    for row, images in enumerate((x, before, after)):
        np.testing.assert_allclose(tile_at(axes, row, 3), images[3])
    assert "latent 17 set to 2.5, latent 3 off" in figure.get_suptitle()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["20", "21", "22", "23"]
    assert facts["moved"] == (np.abs(after - before) > 0.25).mean()


def test_input_reconstruction_and_squared_error_stand_under_each_other(make_view, tile_at, ticks):
    view = make_view()
    axes = figures.draw_reconstructions(view).figure.axes
    clean = view.test.x[:10] / 255
    noise = np.asarray(jax.random.normal(key(0, Stream.SHOWN_NOISE), clean.shape))
    highest = []
    for part, given in enumerate((clean, np.clip(clean + SHOWN_NOISE * noise, 0, 1))):
        pictures, errors = axes[2 * part : 2 * part + 2]
        output = np.asarray(view.model.reconstruct(given.astype(np.float32)))
        error = np.square(output - clean)
        for column in (0, 9):
            np.testing.assert_allclose(tile_at(pictures, 0, column), given[column], atol=1e-6)
            np.testing.assert_allclose(tile_at(pictures, 1, column), output[column], atol=1e-6)
            np.testing.assert_allclose(tile_at(errors, 0, column), error[column], atol=1e-6)
        assert ticks(errors) == [f"{total:.1f}" for total in error.sum(axis=(1, 2))]
        highest.append(error.max())
    assert [axes[i].images[0].get_clim() for i in (1, 3)] == [(0, pytest.approx(max(highest)))] * 2
    titles = [axes[i].get_title(loc="left") for i in (0, 2)]
    assert titles == ["Clean input", "Noisy (Gaussian, sd 0.2) input"]


@pytest.mark.parametrize(
    ("likelihood", "words"), [("bernoulli", "sd 0.2"), ("gaussian", "0.2 of the data's sd")]
)
def test_the_facts_measure_the_noise_that_the_figure_shows(make_view, likelihood, words):
    view = make_view("ae", likelihood=likelihood)
    x = np.random.default_rng(0).random((2000, 8, 8), np.float32)
    view.model, view.test = Copier(view.model.encoder, view.model.decoder, latents=6), Split(x)
    drawn, facts = figures.draw_reconstructions(view)
    noisy = np.asarray(drawn.axes[2].images[0].get_array())[:8, :8]
    noise = np.asarray(jax.random.normal(key(0, Stream.SHOWN_NOISE), (10, 8, 8)))[0]
    expected = x[0] + SHOWN_NOISE * (1 if likelihood == "bernoulli" else x.std()) * noise
    np.testing.assert_allclose(noisy, np.clip(expected, 0, 1), atol=1e-6)
    assert (facts["noise"], facts["form"], facts["clean"]) == (words, "image", 1.0)
    noise = np.random.default_rng(1).normal(size=x.shape) * SHOWN_NOISE
    clipped = np.clip(x + noise, 0, 1) if likelihood == "bernoulli" else x + noise * x.std()
    assert facts["noisy"] == pytest.approx(1 - np.square(clipped - x).mean() / x.var(), abs=0.04)
    view.test = Split(np.ones((3, 8, 8), np.float32) / 2)  # a reconstruction without any error can be drawn
    perfect = figures.draw_reconstructions(view).figure.axes[1]
    assert not np.asarray(perfect.images[0].get_array())[:8, :8].any()


@pytest.mark.parametrize(("kind", "data", "shape", "at"), [
    ("vsc", "vectors", (4, 2), {(1, 0): (1, slice(None)), (3, 0): (3, slice(None))}),
    ("ae", "signals", (5, 4), {(r, 2 * n): (n, (slice(None), r)) for r in range(5) for n in (0, 1)}),
])  # fmt: skip
def test_vectors_and_signals_are_drawn_as_curves_with_their_error(make_view, kind, data, shape, at):
    view = make_view(kind, data)
    panels = np.array(figures.draw_reconstructions(view).figure.axes).reshape(shape)
    clean, decoded = view.test.x, np.asarray(view.model.reconstruct(view.test.x[:4]))
    for place, (example, part) in at.items():
        given, output = panels[place].lines
        np.testing.assert_array_equal(given.get_ydata(), clean[example][part])
        np.testing.assert_allclose(output.get_ydata(), decoded[example][part], atol=1e-5)
    assert not np.array_equal(panels[0, 1].lines[0].get_ydata(), panels[0, 0].lines[0].get_ydata())  # noisy
    if data == "signals":
        assert [axes.get_ylabel() for axes in panels[:, 0]] == ["a", "b", "c", "d", "body acc\nx"]
    else:
        error = np.square(decoded[1] - clean[1]).sum()
        assert panels[1, 0].get_title(loc="left") == f"squared error {error:.3g}"
        assert panels[0, 1].get_title(loc="left").startswith("Noisy (Gaussian, 0.2 of the data's sd) input\n")
        assert (panels[3, 0].get_xlabel(), panels[1, 0].get_ylabel()) == ("dimension", "value")


def test_a_row_shows_the_image_its_reconstruction_and_samples_with_its_latents(make_view, tile_at, ticks):
    view = make_view()
    left, right = figures.draw_conditional_samples(view).figure.axes
    chosen = view.examples(5)
    x = view.test.x[chosen]
    samples = view.model.sample_like(x, 7, key(0, Stream.SHOWN_SAMPLES))
    np.testing.assert_allclose(tile_at(left, 1, 0), x[1] / 255, atol=1e-6)
    np.testing.assert_allclose(tile_at(left, 1, 1), view.model.reconstruct(x)[1], atol=1e-5)
    np.testing.assert_allclose(tile_at(right, 4, 6), samples[4, 6], atol=1e-5)
    assert ticks(left, "y") == [f"{count} on" for count in np.count_nonzero(view.code[chosen], axis=1)]
    same = make_view(mean=np.tile([1.0, 1.0, 0, 0, 0, 0], (40, 1)))
    facts = figures.draw_conditional_samples(same).facts
    assert 0.9 <= facts["within"] <= 1  # what is left between rows is the draw's


@pytest.fixture
def codes():
    """Latents 0 and 1 span 0 to 1 where they are on, latent 2 hardly moves, the others are off."""
    made = np.zeros((40, 6))
    made[:, 0] = np.linspace(0.001, 1, 40)
    made[:, 1] = np.linspace(1, 0.001, 40)
    made[::2, 2] = np.linspace(0.5, 0.51, 20)
    return made


def test_each_pair_shows_its_discrete_path_over_its_straight_one(make_view, codes, tile_at, ticks):
    view = make_view(mean=codes, view=Painter)
    figure, facts = figures.draw_interpolations(view)
    discrete, straight = figure.axes[:2]
    start, end = view.code[[0, 1]]
    assert ticks(discrete) == ["start", "~1", "~0", "-2"]
    assert ticks(straight)[:2] == ["0.00", "0.11"]
    np.testing.assert_allclose(tile_at(discrete, 0, 3), view.decode(end))
    assert np.ma.getmaskarray(discrete.images[0].get_array())[:, 36:].all()
    np.testing.assert_allclose(tile_at(straight, 0, 9), view.decode(end))
    np.testing.assert_allclose(tile_at(straight, 0, 0), view.decode(start))
    assert facts == {"largest": pytest.approx(1 / 9), "steps": 9, "gated": True, "on": 0, "off": 1}
    dense = figures.draw_interpolations(make_view("vae", mean=codes, view=Painter))
    assert len(dense.figure.axes) == 2
    assert "support" not in dense.figure.get_suptitle()
    assert not dense.facts["gated"]


def test_the_image_as_coded_stands_over_one_row_a_latent(make_view, codes, tile_at, ticks):
    view = make_view(mean=codes, view=Painter)
    figure, facts = figures.draw_traversals(view, example=1)
    axes = figure.axes[0]
    np.testing.assert_allclose(tile_at(axes, 0, 0), view.decode(view.code[1]))
    assert np.ma.getmaskarray(axes.images[0].get_array())[:8, 9:].all()
    changed, _, latents = view.traversals(1, figures.SWEPT)
    np.testing.assert_allclose(tile_at(axes, 2, 3), view.decode(changed[1, 3]), atol=1e-6)
    names = [name.split("\n")[0] for name in ticks(axes, "y")]
    assert names == ["as coded", "0 (on: 0.0)", "1 (on: 1.0)", "2 (off)"]
    # One row of eight changes; latent 2 is swept about .5, but switching it off moves its row visibly.
    assert facts == {"latent": latents[0], "most": 0.125, "middle": 0.125, "still": 0, "rows": 3, "used": 3}
    codes[:, 1] *= 0.2
    facts = figures.draw_traversals(make_view(mean=codes, view=Painter)).facts
    assert (facts["latent"], facts["still"], facts["rows"]) == (0, 1, 3)


def test_many_latents_are_set_in_two_blocks_and_in_a_dense_code_none_is_called_on(make_view, tile_at, ticks):
    view = make_view("ae", latents=12)
    left, right = figures.draw_traversals(view).figure.axes
    assert (len(ticks(left, "y")), len(ticks(right, "y"))) == (7, 6)
    _, _, latents = view.traversals(0)
    assert [int(name.split()[0]) for name in ticks(right, "y")] == latents[6:].tolist()
    assert "on" not in ticks(left, "y")[1]
    off = view.code[0].copy()
    off[latents[6]] = 0
    np.testing.assert_allclose(tile_at(right, 0, 0), view.decode(off), atol=1e-5)


def test_the_grid_grows_to_the_right_and_upwards_and_pictures_stay_upright(make_view, codes, ticks):
    view = make_view(mean=codes, view=Painter)
    figure, facts = figures.draw_latent_grid(view, pair=(0, 1))
    axes = figure.axes[0]
    pixels = np.asarray(axes.images[0].get_array())
    grid, x, y = view.grid(0, (0, 1))
    np.testing.assert_allclose(pixels[:8, -8:], view.decode(grid[-1, -1]))  # the highest values of both
    np.testing.assert_allclose(pixels[-8:, -8:], view.decode(grid[0, -1]))
    assert ticks(axes)[0] == f"{x[0] + 0:.1f}"
    assert ticks(axes, "y")[0] == f"{y[-1]:.1f}"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("value of latent 0", "value of latent 1")
    assert facts == {"x": 0, "y": 1, "along_x": 0.125, "along_y": 0.125, "whole": False}
    assert {figures.draw_latent_grid(view).facts[name] for name in "xy"} == {0, 1}
