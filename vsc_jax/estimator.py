"""Variational Sparse Coding as a scikit-learn transformer: arrays in, sparse codes out.

Tonolini, Jensen and Murray-Smith, *Variational Sparse Coding*, UAI 2019. The same model, objective and
training as :func:`vsc_jax.fit`; nothing is written to disk.
"""

from numbers import Integral
from typing import Any, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from vsc_jax import config as settings
from vsc_jax.config.choices import Auto, DecoderKind, GateKind, InferenceOrAuto, Likelihood, PriorOrAuto, Slab
from vsc_jax.config.errors import UserError
from vsc_jax.data import Dataset, Split
from vsc_jax.data.dataset import check_values
from vsc_jax.evaluation.diagnosis import diagnose, late_gain
from vsc_jax.evaluation.encoding import gate_use, map_batches
from vsc_jax.models import VSC, refined
from vsc_jax.models.inference import denoised, deviation_of
from vsc_jax.models.nets.dictionary import Dictionary
from vsc_jax.models.nets.likelihoods import LIKELIHOODS
from vsc_jax.models.scaling import moments
from vsc_jax.models.values import check_mask
from vsc_jax.run.steps import with_steps
from vsc_jax.training import train
from vsc_jax.training.batches import check_sizes

_ROWS = 256  # that a compiled program takes at a time; fewer are filled up, so that it is compiled once
_DRAWS = 8  # posterior samples that the bound of an example is averaged over


class VariationalSparseCoding(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Sparse codes of vectors: in each code most of the latents are exactly 0.

    The rows of ``X`` are modelled with a spike-and-slab code and, by default, as weighted sums of atoms, as
    ``DictionaryLearning`` does; ``decoder="mlp"`` makes it a variational autoencoder. Parameters are
    named as in :mod:`vsc_jax.config`, which says more about each. Arithmetic is float32, whatever the
    dtype of ``X``. There is no ``partial_fit``: annealing counts the iterations of the whole training.

    Args:
      latents: number of latents J, the columns of a code.
      active: how many latents are on in a row, on average; in place of ``alpha``.
      decoder: ``linear``, a sum of atoms (:attr:`components_`), or ``mlp``, a network.
      unit_norm: whether atoms have norm 1, in the units that the model sees.
      inference: ``ascent`` finds the code of a linear decoder by coordinate ascent, ``lista`` by a network
        that unrolls such a search, ``encoder`` by an MLP; ``auto`` takes ascent where it can (a linear
        decoder, Gaussian likelihood and slabs, a fixed prior), lista for linear decoders of counts and of
        values in [0, 1] with a fixed prior, and else encoder.
      hidden: widths of the encoder's hidden layers; the mlp decoder has them in reverse.
      likelihood: ``gaussian`` for real numbers, with one learned variance for every feature; ``student_t``
        for those with outliers; ``bernoulli`` for values in [0, 1]; ``poisson`` and ``negative_binomial`` for
        counts, described given the total of their row; ``categorical`` for one-hot columns.
      min_log_var: floor of the learned log-variance; of standardized features, where they are.
      standardize: whether a likelihood of real numbers sees features of zero mean and unit variance, or less
        where the largest training value would be beyond 4 (:func:`vsc_jax.models.scaling.moments`). Scores,
        and reconstructions, are those of ``X`` as given either way.
      beta: weight of the KL divergence.
      alpha: the prior's rate, or target of the share of latents that are on; ``gate_rate_`` says what came of
        it. If neither it nor ``active`` is given, ``ascent`` learns it, and others take 0.1.
      prior: ``fixed``; ``pseudo``, a mixture of the posteriors of learned pseudo-inputs; or ``components``,
        which are learned themselves from the posteriors of training rows on. ``auto`` takes ``pseudo`` for
        mlp without ``active``, whose number it would miss, and else ``fixed``.
      pseudo_inputs: number of pseudo-inputs or components.
      sparsity_weight: weight of the sparsity term that pulls the pseudo-inputs' gates to ``alpha``.
      gate: estimator of the gates in training, or ``threshold``: values that shrink to 0 by a learned soft
        threshold, in place of gates; with a fixed prior and an encoder.
      slab: ``gaussian``, or ``laplace`` for values with heavier tails; with an encoder.
      steps: number of iterations; ``auto`` finds it with the help of held-out rows, which takes about five
        times as long (:mod:`vsc_jax.run.steps`).
      batch_size: rows in a batch; fewer rows than that are repeated.
      learning_rate: Adam's step size.
      n_init: number of trainings, each from a start of its own; the one with the best bound on ``X`` is kept.
        Where atoms are to be found again, some starts miss one or two of them.
      random_state: seed of initialisation, batches and samples; ``None`` takes a new one in every fit.
      sparse_output: whether :meth:`transform` gives a ``scipy.sparse`` CSR array.

    Attributes:
      model_: the trained :class:`vsc_jax.models.VSC`; of standardized rows, where they are.
      components_: the atoms of a linear decoder, ``[latents, features]``, in the units of ``X``; a row is
        about its code times them, plus :attr:`intercept_`. Of counts that is the logarithm of the rates, up
        to their total, and of ``bernoulli`` the logits.
      intercept_: what a row is when all latents are off, ``[features]``; linear decoder only.
      config_: the whole configuration that was trained.
      steps_: number of iterations that were trained.
      history_: training metrics, averaged between two log points; in nats of what the model saw.
      gate_rate_: share of the training rows in which each latent is on, ``[latents]``.
      active_per_row_: latents that are on in a training row, on average.
      findings_: a line for each thing that seems wrong, with what to try; empty if nothing does. They are
        those of :mod:`vsc_jax.evaluation.diagnosis`, of the training rows alone.
      mean_, scale_: what was subtracted from and divided out of each feature, ``[features]``.
      n_samples_seen_: number of training rows.
      n_features_in_: number of features.
      feature_names_in_: their names, where ``X`` had any.

    Example:
      >>> from sklearn.datasets import load_digits
      >>> from vsc_jax.estimator import VariationalSparseCoding
      >>> codes = VariationalSparseCoding(latents=32, random_state=0).fit_transform(load_digits().data)
    """

    @no_type_check  # scikit-learn wants values to be checked in fit
    def __init__(
        self,
        latents: int = 16,
        *,
        active: float | None = None,
        decoder: DecoderKind = "linear",
        unit_norm: bool = False,
        inference: InferenceOrAuto = "auto",
        hidden: tuple[int, ...] = (128,),
        likelihood: Likelihood = "gaussian",
        min_log_var: float = -6.0,
        standardize: bool = True,
        beta: float = 1.0,
        alpha: float | None = None,
        prior: PriorOrAuto = "auto",
        pseudo_inputs: int = 16,
        sparsity_weight: float = 1.0,
        gate: GateKind = "concrete",
        slab: Slab = "gaussian",
        steps: int | Auto = 2000,
        batch_size: int = 128,
        learning_rate: float = 2e-3,
        n_init: int = 1,
        random_state: int | np.random.RandomState | None = None,
        sparse_output: bool = False,
    ):
        # Under its own name each, as scikit-learn asks.
        for name, value in locals().copy().items():
            if name != "self" and not name.startswith("__"):
                setattr(self, name, value)

    def fit(self, X: Any, y: object = None) -> "VariationalSparseCoding":
        """Train on the rows of ``X``, ``[rows, features]``, finite, at least two; ``y`` is ignored.

        Raises:
          ValueError: naming the parameter or the value that cannot be used.
          TrainingError: the loss is no longer finite.
        """
        parameters = self.get_params()
        if not isinstance(n_init := parameters["n_init"], Integral) or isinstance(n_init, bool) or n_init < 1:
            raise UserError(f"n_init: expected a whole number, 1 or more, got {n_init!r}")
        random = check_random_state(parameters["random_state"])
        seeds = random.randint(np.iinfo(np.int32).max, size=int(n_init))
        config = _config(parameters, int(seeds[0]))
        check_mask(X, "X")
        X = self._complete(X, ensure_min_samples=2)
        mean, scale = np.zeros(X.shape[1]), np.ones(X.shape[1])
        if parameters["standardize"] and "standardize" in LIKELIHOODS[config.model.likelihood].scalings:
            mean, scale = moments(X)
        rows = _standardized(X, mean, scale, config.model.likelihood)
        check_sizes(config.train, config.train.batch_size)
        config = with_steps(config, Dataset("X", Split(rows), Split(rows[:1])))
        # Fewer rows than a batch has are repeated, all equally often.
        repeated = np.tile(rows, (-(-config.train.batch_size // len(rows)), 1))
        self.mean_, self.scale_ = mean, scale
        best = -np.inf
        for seed in seeds:
            config = settings.replaced(config, {"seed": int(seed)})
            trained = train(config, Dataset("X", Split(repeated), Split(rows[:1])))
            assert isinstance(trained.model, VSC)
            bound = np.mean(_mapped(_bound, trained.model, rows, 0)) if len(seeds) > 1 else 0.0
            if seed == seeds[0] or bound > best:
                best = bound
                self.config_, self.model_, self.history_ = config, trained.model, trained.history
        self.n_samples_seen_, self.steps_ = len(rows), config.train.steps
        gamma = self._map(_gamma, rows)
        self.gate_rate_ = np.mean(gamma > 0.5, axis=0)
        self.active_per_row_ = float(self.gate_rate_.sum())
        results = {**gate_use(gamma), "kl": self.history_[-1]["kl"]}
        if (gain := late_gain(self.history_)) is not None:
            results["late_gain"] = gain
        self.findings_ = [found.in_words(parameters) for found in diagnose(results, self.config_)]
        return self

    def transform(self, X: Any, *, refine: int = 0) -> np.ndarray | scipy.sparse.csr_array:
        """The sparse code of each row: the mean of a latent that is on, exactly 0 for one that is off.

        Args:
          X: rows ``[rows, features]``.
          refine: steps by which the posterior of each row is improved on the row's own bound; slower, and
            better where an encoder has found it (:func:`vsc_jax.models.refined`).

        Returns:
          float32 ``[rows, latents]``; a CSR array with ``sparse_output``.

        Raises:
          ValueError: naming the value that cannot be used.
        """
        codes = self._map(_code, self._rows(X), refine)
        return scipy.sparse.csr_array(codes) if self.get_params()["sparse_output"] else codes

    def gates(self, X: Any, *, refine: int = 0) -> np.ndarray:
        """Probability gamma that each latent is on, float32 ``[rows, latents]``; it is, above 1/2."""
        return self._map(_gamma, self._rows(X), refine)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Decode codes ``[rows, latents]``, dense or sparse, finite.

        Returns:
          float32 ``[rows, features]``, in the units of the data; counts of the mean training row's total.
        """
        check_is_fitted(self)
        codes = check_array(X, dtype=np.float32, accept_sparse="csr")
        if scipy.sparse.issparse(codes):
            codes = codes.toarray()
        if codes.shape[1] != self._n_features_out:
            have = f"the codes of this VariationalSparseCoding have {self._n_features_out}"
            raise UserError(f"X has {codes.shape[1]} columns, but {have}")
        rows = self._map(_decoded, codes)
        return (rows * self.scale_ + self.mean_).astype(np.float32)

    def fill(self, X: Any) -> np.ndarray:
        """Rows with what is missing filled in.

        In place of what is missing stands what is expected given the values that are there
        (:meth:`vsc_jax.models.VSC.fill`).

        Args:
          X: rows ``[rows, features]`` with NaN where a value is missing.

        Returns:
          float32 ``[rows, features]``.

        Raises:
          ValueError: naming the value that cannot be used.
        """
        check_is_fitted(self)
        check_mask(X, "X")
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False, ensure_all_finite="allow-nan")
        known = ~np.isnan(X)
        rows = _standardized(
            np.where(known, X, self.mean_), self.mean_, self.scale_, self.config_.model.likelihood
        )
        filled = self._map(_filled, np.where(known, rows, np.float32(np.nan)))
        return np.where(known, X, filled * self.scale_ + self.mean_).astype(np.float32)

    def denoise(self, X: Any, *, noise: Any = "auto") -> np.ndarray:
        """Rows without their noise (:meth:`vsc_jax.models.VSC.denoise`).

        Args:
          X: noisy rows ``[rows, features]``.
          noise: its standard deviation, of standardized features where they are; ``auto`` finds it for each
            row.

        Returns:
          float32 ``[rows, features]``.
        """
        rows = self._rows(X)
        deviation = np.full((len(rows), 1), deviation_of(noise), np.float32)
        found = self._map(_denoised, np.concatenate([rows, deviation], axis=1))
        return (found * self.scale_ + self.mean_).astype(np.float32)

    def score_samples(self, X: Any, *, refine: int = 0) -> np.ndarray:
        """A lower bound on the log-density of each row, in nats; its log-probability, if values are discrete.

        The true bound, at hard gates, averaged over posterior samples that depend on the row alone: one
        row always gets one number, whatever rows are beside it. It is tighter
        with ``refine``, as in :meth:`transform`.

        Returns:
          float32 ``[rows]``.
        """
        return self._map(_bound, self._rows(X), refine) - np.float32(np.sum(np.log(self.scale_)))

    def score(self, X: Any, y: object = None, *, refine: int = 0) -> float:
        """The mean of :meth:`score_samples`, in nats per row: larger is better; ``y`` is ignored."""
        return float(np.mean(self.score_samples(X, refine=refine), dtype=np.float64))

    @property
    def components_(self) -> np.ndarray:
        """Atoms ``[latents, features]`` of a linear decoder, in the units of ``X``."""
        return (np.asarray(self._dictionary.atoms) * self.scale_).astype(np.float32)

    @property
    def intercept_(self) -> np.ndarray:
        """What a row is when all latents are off, ``[features]``; linear decoder only."""
        bias = self._dictionary.bias + self.model_.decoder.offset
        return np.asarray(bias * self.scale_ + self.mean_, np.float32)

    @property
    def _dictionary(self) -> Dictionary:
        trunk = self.model_.decoder.trunk if hasattr(self, "model_") else None
        if not isinstance(trunk, Dictionary):
            raise AttributeError("only a fitted linear decoder has atoms")
        return trunk

    @property
    def _n_features_out(self) -> int:
        return self.config_.model.latents

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _rows(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        check_mask(X, "X")
        X = self._complete(X, reset=False)
        return _standardized(X, self.mean_, self.scale_, self.config_.model.likelihood)

    def _complete(self, X: Any, **options: Any) -> np.ndarray:
        """``validate_data``, whose words on NaN name other classes than this one."""
        try:
            return np.asarray(validate_data(self, X, dtype=[np.float64, np.float32], **options))
        except ValueError as error:
            if not str(error).startswith("Input X contains NaN"):
                raise
        raise UserError("X contains NaN: only fill takes rows with missing values, after a fit to others")

    def _map(self, measure: Any, rows: np.ndarray, refine: int = 0) -> np.ndarray:
        return _mapped(measure, refined(self.model_, refine), rows, self.config_.seed)


def _mapped(measure: Any, model: VSC, rows: np.ndarray, seed: int) -> np.ndarray:
    filled = np.concatenate([rows, np.zeros((-len(rows) % _ROWS, rows.shape[1]), rows.dtype)])
    measured: np.ndarray = map_batches(measure, model, filled, jax.random.key(seed), batch_size=_ROWS)
    return measured[: len(rows)]


def _config(parameters: dict[str, Any], seed: int) -> settings.Config:
    overrides: dict[str, Any] = {"seed": seed}
    for section in ("model", "train"):
        names = parameters.keys() & vars(getattr(settings.Config(), section)).keys()
        overrides |= {f"{section}.{name}": _plain(parameters[name]) for name in names}
    try:
        return settings.with_overrides(settings.Config(name="sparse_coder"), overrides)
    except UserError as error:
        raise UserError(str(error).removeprefix("model.").removeprefix("train.")) from None


def _plain(value: Any) -> Any:
    """A parameter without NumPy's scalars, which grids of parameters are made of."""
    if isinstance(value, tuple | list):
        return type(value)(map(_plain, value))
    return value.item() if isinstance(value, np.generic) else value


def _standardized(X: np.ndarray, mean: np.ndarray, scale: np.ndarray, likelihood: Likelihood) -> np.ndarray:
    # In double precision, before float32 rounds: a model's own scaling comes after.
    with np.errstate(over="ignore", invalid="ignore"):
        rows = ((X - mean) / scale).astype(np.float32)
    if not np.isfinite(rows).all():
        raise UserError("X: expected values that float32 can hold")
    purpose = f"the {likelihood} likelihood (likelihood='gaussian' takes any value)"
    check_values(rows, likelihood, "X", purpose)
    return rows


def _code(model: VSC, x: Float[Array, "n features"], key: PRNGKeyArray) -> Array:
    return model.code(x)


def _gamma(model: VSC, x: Float[Array, "n features"], key: PRNGKeyArray) -> Array:
    return model.encode(x).gamma


def _decoded(model: VSC, z: Float[Array, "n latents"], key: PRNGKeyArray) -> Array:
    return model.decode(z)


def _filled(model: VSC, x: Float[Array, "n features"], key: PRNGKeyArray) -> Array:
    return model.fill(x)


def _denoised(model: VSC, both: Float[Array, "n features_1"], key: PRNGKeyArray) -> Array:
    return denoised(*nnx.split(model), both[:, :-1], both[:, -1])


def _bound(model: VSC, x: Float[Array, "n features"], key: PRNGKeyArray) -> Float[Array, " n"]:
    # The batch's key differs from batch to batch: it is the row that decides about its samples.
    def of_row(row: Float[Array, " features"]) -> Float[Array, ""]:
        def of_draw(draw: Array) -> Float[Array, ""]:
            terms = model.terms(row[None], draw)
            return (terms.reconstruction - terms.kl)[0]

        return jnp.mean(jax.vmap(of_draw)(jax.random.split(_key_of(row), _DRAWS)))

    return jax.vmap(of_row)(x)


def _key_of(row: Float[Array, " features"]) -> PRNGKeyArray:
    """A key made from the bits of a row, by a sum that wraps around."""
    bits = jax.lax.bitcast_convert_type(row + jnp.float32(0), jnp.uint32)
    odd = jax.random.bits(jax.random.key(0), bits.shape, jnp.uint32) | jnp.uint32(1)
    return jax.random.key(jnp.sum(bits * odd, dtype=jnp.uint32))
