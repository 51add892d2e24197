"""Which figures a model and its data have, and that all of them are made alike."""

import dataclasses

import numpy as np
import pytest

from vsc_jax.data import Split
from vsc_jax.evaluation.code_view import CodeView
from vsc_jax.figures import FIGURES, OVERVIEW, draw_all

GATES = {"gate_histogram", "latent_density"}
PICTURES = {"reconstructions", "interpolations", "traversals", "latent_grid"}
GATED_PICTURES = PICTURES | GATES | {"activation", "conditional_samples"}
NO_GATES = "no figures of gates and pseudo-inputs: the model has no gates, every latent is on"
NO_FACTORS = "no correlations with true features: {} has none that are known"
OF_VECTORS = [
    "no figure of classes: vectors has no labels",
    "no figure of pseudo-inputs: the model's prior is fixed",
    "no figures of decoded images: the examples of vectors are no images",
    NO_FACTORS.format("vectors"),
]


def reasons_of(view, names=tuple(FIGURES)):
    reasons = (FIGURES[name].missing(view) for name in names)
    return list(dict.fromkeys(reason for reason in reasons if reason))


@pytest.mark.parametrize(("kind", "data", "options", "expected", "reasons"), [
    ("vsc", "digits", {}, GATED_PICTURES | {"pseudo_inputs"}, [NO_FACTORS.format("digits")]),
    ("vsc", "vectors", {"prior": "fixed"}, {"reconstructions"} | GATES, OF_VECTORS),
    ("vsc", "vectors", {}, {"reconstructions", "pseudo_inputs"} | GATES, None),
    ("vae", "digits", {}, PICTURES | {"activation"}, [NO_GATES, NO_FACTORS.format("digits")]),
    ("ae", "digits", {"latents": 1}, PICTURES - {"latent_grid"} | {"activation"}, None),
    ("ae", "signals", {}, {"reconstructions"}, None),
    ("vae", "faces", {}, PICTURES | {"correlations"}, None),
])  # fmt: skip
def test_a_model_and_its_data_have_the_figures_that_they_allow(
    make_view, kind, data, options, expected, reasons
):
    view = make_view(kind, data, **options)
    drawn = dict(draw_all(view))
    assert list(drawn) == [name for name in FIGURES if name in expected]
    assert all(figure.get_suptitle() and facts for figure, facts in drawn.values())
    assert reasons is None or sorted(reasons_of(view)) == sorted(reasons)


def test_a_collapsed_code_has_no_figures_of_single_latents_and_can_be_drawn(make_view):
    view = make_view(gamma=np.full((40, 6), 0.01, np.float32))
    assert set(FIGURES) - set(dict(draw_all(view))) == {"traversals", "correlations", "atoms"}
    assert "no latent traversals: no latent is used, the code has collapsed" in reasons_of(view)


def test_atoms_are_shown_from_the_most_to_the_least_used(make_view):
    view = make_view("vsc", "digits", decoder="linear", prior="fixed")
    drawn = FIGURES["atoms"].draw(view)
    assert drawn.facts["shown"] == drawn.facts["latents"] == view.latents
    assert drawn.facts["most"] == view.density.max() >= drawn.facts["least"] == view.density.min()
    atoms = np.asarray(view.model.decoder.trunk.atoms)
    unit = atoms / np.linalg.norm(atoms, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, 0)
    assert drawn.facts["alike"] == pytest.approx(np.abs(cosines).max(), rel=1e-5)
    first = atoms[np.argmax(view.density)]
    side = view.model.decoder.example_shape[:2]
    pixels = drawn.figure.axes[0].images[0].get_array()[: side[0], : side[1]]
    np.testing.assert_allclose(pixels, 0.5 + 0.5 * first.reshape(side) / np.abs(first).max(), atol=1e-6)


def test_the_overview_is_quick_and_one_example_is_enough(make_view):
    view = make_view("ae")
    assert set(dict(draw_all(view, OVERVIEW))) == {"activation", "traversals", "reconstructions"}
    assert list(dict(draw_all(make_view("vsc"), OVERVIEW))) == list(OVERVIEW)  # what shows sparsity is first
    alone = CodeView(view.model, dataclasses.replace(view.dataset, test=Split(view.test.x[:1])))
    assert set(dict(draw_all(alone))) == {"reconstructions", "traversals", "latent_grid"}
    assert "no interpolations: digits has one test example" in reasons_of(alone)


def test_a_seed_gives_the_same_picture_and_a_notebook_shows_it(make_view):
    draw = FIGURES["reconstructions"].draw
    one, same, other = (draw(make_view("ae", seed=seed))._repr_png_() for seed in (3, 3, 4))
    assert one.startswith(b"\x89PNG")
    assert one == same != other  # other noise
