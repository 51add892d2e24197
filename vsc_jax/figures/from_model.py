"""Every figure of one trained model: computes the arrays that the drawing functions take.

Which latents are on is read from the deterministic sparse code (``model.code``: the slab's mean where
gamma is above one half, else exactly zero); the test split is shown throughout.
"""

from collections.abc import Callable
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from matplotlib.figure import Figure

from vsc_jax import losses
from vsc_jax.data import smiley, streams
from vsc_jax.data.dataset import Dataset
from vsc_jax.data.streams import Stream
from vsc_jax.evaluation.encoding import Codes, codes
from vsc_jax.evaluation.reconstruction import noise_unit, noisy
from vsc_jax.evaluation.statistics import USED_SHARE
from vsc_jax.figures.activation import draw_activation
from vsc_jax.figures.correlations import draw_correlations, signed_correlation, size_correlation
from vsc_jax.figures.grid import draw_latent_grid, grid_codes
from vsc_jax.figures.interpolation import (
    Interpolation,
    Path,
    continuous_path,
    discrete_path,
    draw_interpolations,
)
from vsc_jax.figures.pseudo_inputs import draw_pseudo_inputs
from vsc_jax.figures.reconstructions import (
    Reconstructed,
    draw_reconstructions,
    draw_signal_reconstructions,
    draw_vector_reconstructions,
)
from vsc_jax.figures.sampling import draw_conditional_samples
from vsc_jax.figures.sparsity import draw_gate_histogram, draw_latent_density
from vsc_jax.figures.traversal import draw_traversals, traversal_codes
from vsc_jax.models import VAE, VSC, Model
from vsc_jax.models.inputs import as_float

IMAGES, VECTORS, SIGNALS = 10, 4, 2
"""How many examples are reconstructed."""

NOISE = 0.25
"""Standard deviation of the noise on the noisy input, in the units of ``noise_unit``."""

SAMPLED, SAMPLES = 5, 7
"""How many images are sampled like, and how often each."""

PAIRS, STEPS = 2, 10
"""How many pairs of images are interpolated, in how many steps."""

TRAVERSED = 40
"""How many latents are traversed, at most."""


class Shown:
    """A trained model, its test examples and their codes, encoded at most once for all figures.

    Args:
      model: any trained model.
      dataset: its data.
      seed: seed of the noise, of the posterior samples and of conditional sampling.
    """

    def __init__(self, model: Model, dataset: Dataset, *, seed: int):
        self.model = model
        self.dataset = dataset
        self.seed = seed
        self.test = dataset.test
        self.sparse = isinstance(model, VSC)
        self._decode: Callable[[jax.Array], jax.Array] = model.decode

    @cached_property
    def encoded(self) -> Codes:
        """Codes of the test examples, with a posterior sample."""
        return codes(self.model, self.test.x, streams.key(self.seed, Stream.SHOWN_CODES))

    @cached_property
    def code(self) -> np.ndarray:
        """Deterministic sparse codes ``[n, latents]``, exactly zero where off."""
        return self.encoded.sparse

    @cached_property
    def density(self) -> np.ndarray:
        """Share of the examples in which each latent is on, ``[latents]``."""
        return self.encoded.on.mean(axis=0)

    @property
    def used(self) -> np.ndarray:
        """Indices of the latents that are used."""
        return np.flatnonzero(self.density >= USED_SHARE)

    def decode(self, z: ArrayLike) -> np.ndarray:
        """Images of codes ``[..., latents]``."""
        return np.asarray(self._decode(jnp.asarray(z, jnp.float32)))

    def examples(self, count: int) -> np.ndarray:
        """Indices of the first test examples of different classes, ``[count]``; the first without labels."""
        if self.test.labels is None:
            return np.arange(min(count, len(self.test)))
        _, first = np.unique(self.test.labels, return_index=True)
        rest = np.setdiff1d(np.arange(len(self.test)), first)
        return np.concatenate([np.sort(first), rest])[:count]


def draw_all(model: Model, dataset: Dataset, *, seed: int) -> dict[str, Figure]:
    """All figures of one model that its kind and its data allow, by name, in the order of a report.

    Args:
      model: any trained model. Figures of gates need a VSC, figures of pseudo-inputs its pseudo prior.
      dataset: its data. Figures of decoded images need images, ``activation`` needs labels and
        ``correlations`` true factors.
      seed: seed of everything that is drawn at random.
    """
    shown = Shown(model, dataset, seed=seed)
    figures = {"reconstructions": reconstructions(shown)}
    if shown.test.labels is not None:
        figures["activation"] = activation(shown)
    if shown.sparse:
        figures["gate_histogram"] = draw_gate_histogram(shown.encoded.gamma)
        figures["latent_density"] = draw_latent_density(shown.encoded.on)
    if isinstance(model, VSC) and model.pseudo_inputs is not None:
        figures["pseudo_inputs"] = pseudo_inputs(shown, model)
    if dataset.form == "image":
        if isinstance(model, VSC):
            figures["conditional_samples"] = conditional_samples(shown, model)
        figures["interpolations"] = interpolations(shown)
        if len(shown.used):
            figures["traversals"] = traversals(shown)
        if model.latents > 1:
            figures["latent_grid"] = latent_grid(shown)
    if shown.test.factors is not None and shown.test.presence is not None and len(shown.used):
        figures["correlations"] = correlations(shown)
    return figures


def reconstructions(shown: Shown) -> Figure:
    """The first test examples and their reconstructions, from clean and from noisy input."""
    model, dataset = shown.model, shown.dataset
    images = dataset.form == "image"
    count = {"image": IMAGES, "vector": VECTORS, "signal": SIGNALS}[dataset.form]
    rows = shown.examples(count) if dataset.form == "signal" else np.arange(min(count, len(shown.test)))
    clean = np.array(as_float(shown.test.x[rows]))
    unit, bounded = noise_unit(model, shown.test.x)
    noise = (
        NOISE
        * unit
        * jax.random.normal(streams.key(shown.seed, Stream.SHOWN_NOISE), clean.shape, clean.dtype)
    )
    name = f"noisy (Gaussian, {noise_in_words(shown)})"
    parts = [
        Reconstructed(inputs, np.asarray(model.reconstruct(inputs)), what)
        for inputs, what in ((clean, "clean"), (noisy(clean, noise, bounded=bounded), name))
    ]
    if images:
        return draw_reconstructions(clean, parts)
    if dataset.form == "signal":
        return draw_signal_reconstructions(clean, parts, dataset.channel_names)
    flat = [Reconstructed(_flat(part.inputs), _flat(part.outputs), part.name) for part in parts]
    return draw_vector_reconstructions(_flat(clean), flat)


def noise_in_words(shown: Shown) -> str:
    """How large the noise on the noisy input is."""
    bounded = noise_unit(shown.model, shown.test.x)[1]
    return f"sd {NOISE:g}" if bounded else f"{NOISE:g} of the data's sd"


def activation(shown: Shown) -> Figure:
    """How often each class has each latent on, and how large its code is; the data must have labels."""
    assert shown.test.labels is not None
    on = shown.encoded.on if shown.sparse else None
    return draw_activation(on, shown.code, shown.test.labels, shown.dataset.label_names)


def latent_grid(shown: Shown, example: int = 0, pair: tuple[int, int] | None = None) -> Figure:
    """The grid of two latents around one test example; by default those on in it that vary most."""
    pair = varied_pair(shown, example) if pair is None else pair
    grid = grid_codes(shown.code[example], shown.code, pair)
    return draw_latent_grid(shown.decode(grid.codes), grid.x, grid.y, pair)


def varied_pair(shown: Shown, example: int) -> tuple[int, int]:
    """The two latents that vary most over the test examples, of those on in one example first."""
    spread = shown.code.var(axis=0) * (1 + 1e6 * (shown.code[example] != 0))
    first, second = np.argsort(-spread, kind="stable")[:2]
    return int(first), int(second)


def conditional_samples(shown: Shown, model: VSC | VAE) -> Figure:
    """Samples with the latents on that test examples of different classes have on."""
    chosen = shown.examples(SAMPLED)
    base = shown.code[chosen]
    originals = as_float(shown.test.x[chosen])
    drawn = np.asarray(model.sample_like(originals, SAMPLES, streams.key(shown.seed, Stream.SHOWN_SAMPLES)))
    return draw_conditional_samples(originals, shown.decode(base), drawn, np.count_nonzero(base, axis=1))


def interpolations(shown: Shown) -> Figure:
    """Ways between pairs of test examples of different classes."""
    chosen = shown.examples(2 * PAIRS)

    def decoded(path: Path) -> Interpolation:
        return Interpolation(shown.decode(path.codes), path)

    ends = [(shown.code[a], shown.code[b]) for a, b in zip(chosen[::2], chosen[1::2], strict=False)]
    discrete = [decoded(discrete_path(*pair, STEPS)) for pair in ends] if shown.sparse else []
    return draw_interpolations(discrete, [decoded(continuous_path(*pair, STEPS)) for pair in ends])


def traversals(shown: Shown, example: int = 0) -> Figure:
    """Every used latent changed on a test example, those that are on in it first, then the most used."""
    base = shown.code[example]
    changed = traversal_codes(base, shown.code, traversed_latents(shown, example))
    return draw_traversals(shown.decode(base), shown.decode(changed.codes), changed, base)


def traversed_latents(shown: Shown, example: int) -> np.ndarray:
    """The used latents in the order of :func:`traversals`, at most ``TRAVERSED``."""
    order = np.lexsort((-shown.code.var(axis=0), -shown.density, shown.code[example] == 0))
    return order[np.isin(order, shown.used)][:TRAVERSED]


def pseudo_inputs(shown: Shown, model: VSC) -> Figure:
    """The pseudo-inputs by the share of test examples whose tightest component each is."""
    assert model.pseudo_inputs is not None
    prior = model.components()
    posterior = model.encode(shown.test.x)
    nearest = np.asarray(jnp.argmin(losses.spike_slab_kl_matrix(posterior, prior), axis=-1))
    usage = np.bincount(nearest, minlength=prior.mean.shape[0]) / len(nearest)
    images = np.asarray(model.pseudo_inputs()) if shown.dataset.form == "image" else None
    return draw_pseudo_inputs(images, np.asarray(prior.gamma), usage)


def correlations(shown: Shown) -> Figure:
    """Both correlation matrices of the used latents with the true factors."""
    factors, presence, code = shown.test.factors, shown.test.presence, shown.code
    assert factors is not None
    assert presence is not None
    names = shown.dataset.factor_names or tuple(map(str, range(factors.shape[1])))
    groups = smiley.ATTRIBUTE_OF_FACTOR if names == smiley.FACTORS else np.arange(len(names))
    return draw_correlations(
        size_correlation(factors, code),
        signed_correlation(factors, presence, code),
        names,
        groups,
        shown.used,
    )


def _flat(x: ArrayLike) -> np.ndarray:
    rows = np.asarray(x)
    return rows.reshape(len(rows), -1)
