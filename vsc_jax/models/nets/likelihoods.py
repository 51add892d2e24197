"""The likelihoods p(x|z): one class each, and its name in :data:`LIKELIHOODS`."""

import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from vsc_jax.config.choices import Likelihood, Scale
from vsc_jax.config.errors import UserError
from vsc_jax.losses import (
    bernoulli_log_likelihood,
    categorical_log_likelihood,
    gaussian_log_likelihood,
    negative_binomial_log_likelihood,
    poisson_log_likelihood,
    student_t_log_likelihood,
)
from vsc_jax.models.nets.decoder import Decoder, Rows
from vsc_jax.models.objective import PACE

_ROWS_OF_MEAN = 1024  # examples, at most, whose mean count is taken


class Bernoulli(Decoder):
    """Black or white, or grey in [0, 1]; the trunk's output are logits."""

    likelihood = "bernoulli"
    support = (0.0, 1.0)
    values = "values in [0, 1]"
    scalings: ClassVar[tuple[Scale, ...]] = ("unit",)

    def expected(self, output: Float[Array, "*batch pixels"]) -> Float[Array, "*batch pixels"]:
        """The probability of 1."""
        return jax.nn.sigmoid(output)

    def log_prob(
        self, output: Float[Array, "*batch pixels"], x: Float[Array, "*batch pixels"]
    ) -> Float[Array, "*batch pixels"]:
        """Of each value, in nats."""
        return bernoulli_log_likelihood(output, x)


class Gaussian(Decoder):
    """Real numbers; the trunk's output are means, and each dimension has one learned variance.

    ``log_var = min_log_var + softplus(10 raw)`` never falls below ``min_log_var``; Adam moves it ten times as
    fast as a weight.
    """

    likelihood = "gaussian"

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.raw_log_var = nnx.Param(jnp.zeros(self.pixels, jnp.float32))
        self.start_at(jnp.zeros(self.pixels, jnp.float32))

    def start_at(self, log_var: Float[Array, " pixels"]) -> None:
        """Set the log-variances; a little above the floor, where it is close to them or higher."""
        above = jnp.maximum(log_var - self.min_log_var, 0.1)
        self.raw_log_var[...] = jnp.log(jnp.expm1(above)) / PACE

    @property
    def log_var(self) -> Float[Array, " pixels"]:
        """Learned log-variance of every dimension."""
        return self.min_log_var + jax.nn.softplus(PACE * self.raw_log_var[...])

    def expected(self, output: Float[Array, "*batch pixels"]) -> Float[Array, "*batch pixels"]:
        """The output itself."""
        return output

    def log_prob(
        self, output: Float[Array, "*batch pixels"], x: Float[Array, "*batch pixels"]
    ) -> Float[Array, "*batch pixels"]:
        """Of each value, in nats."""
        return gaussian_log_likelihood(output, jnp.broadcast_to(self.log_var, output.shape), x)


class StudentT(Gaussian):
    """Real numbers with outliers; the trunk's output are means, and each dimension learns a scale and a tail.

    ``log_var`` is that of the scale squared; ``log_df = softplus(10 raw)``, so that there is a mean.
    """

    likelihood = "student_t"

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.raw_log_df = nnx.Param(jnp.full(self.pixels, math.log(7) / PACE, jnp.float32))  # of 8 degrees

    @property
    def log_df(self) -> Float[Array, " pixels"]:
        """Logarithm of the learned degrees of freedom of every dimension, which are more than 1."""
        return jax.nn.softplus(PACE * self.raw_log_df[...])

    def log_prob(
        self, output: Float[Array, "*batch pixels"], x: Float[Array, "*batch pixels"]
    ) -> Float[Array, "*batch pixels"]:
        """Of each value, in nats."""
        log_scale, log_df = (jnp.broadcast_to(p, output.shape) for p in (0.5 * self.log_var, self.log_df))
        return student_t_log_likelihood(output, log_scale, log_df, x)


class Poisson(Decoder):
    """Counts: a row's total, as observed, times a softmax of the trunk's output, is the rate.

    So an example is described given its total, the library size of single-cell data (Lopez et al., *Deep
    Generative Modeling for Single-Cell Transcriptomics*, Nature Methods 2018). The encoder sees
    ``log(1 + share * features)``, in which the total is divided out.
    """

    likelihood = "poisson"
    support = (0.0, math.inf)
    whole = True
    values = "counts 0, 1, 2, ..."
    scalings: ClassVar[tuple[Scale, ...]] = ()

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.log_mean = nnx.Param(jnp.zeros(self.pixels, jnp.float32))

    def start(self, examples: Rows) -> None:
        """Take the mean counts, which the softmax starts from, and their total from training examples."""
        rows = np.unique(np.linspace(0, len(examples) - 1, _ROWS_OF_MEAN).astype(int))
        mean = np.mean([np.float64(examples[int(row)]).ravel() for row in rows], axis=0)
        self.log_mean[...] = jnp.asarray(np.log(mean + 1 / len(rows)), jnp.float32)

    @property
    def offset(self) -> Float[Array, " pixels"]:
        """Logarithms of the mean counts, constant: what is added to the trunk's output."""
        return jax.lax.stop_gradient(self.log_mean[...])

    def inputs(self, x: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        """Examples as the encoder sees them."""
        return jnp.log1p(x * (self.pixels / _per_example(_totals(x.reshape(x.shape[0], -1)), x.ndim)))

    def expected(self, output: Float[Array, "*batch pixels"]) -> Float[Array, "*batch pixels"]:
        """The rates of an example whose total is that of the mean training example."""
        return jnp.exp(jax.nn.logsumexp(self.offset) + self._log_share(output))

    def mean(
        self, z: Float[Array, "*batch latents"], x: Float[Array, "n ..."] | None = None
    ) -> Float[Array, "..."]:
        """``E[x|z]`` ``[..., *example_shape]``, for the totals of ``x``, or for that of the mean example."""
        mean = super().mean(z)
        if x is None:
            return mean
        totals = _totals(x.reshape(x.shape[0], -1)) / jnp.exp(jax.nn.logsumexp(self.offset))
        return mean * jnp.broadcast_to(_per_example(totals, x.ndim), mean.shape)

    def log_prob(
        self, output: Float[Array, "*batch pixels"], x: Float[Array, "*batch pixels"]
    ) -> Float[Array, "*batch pixels"]:
        """Of each count, given the example's total, in nats."""
        return poisson_log_likelihood(self._log_rate(output, x), x)

    def _log_rate(self, output: Array, x: Array) -> Array:
        return jnp.log(_totals(x)) + self._log_share(output)

    def _log_share(self, output: Array) -> Array:
        return jax.nn.log_softmax(output + jnp.broadcast_to(self.offset, output.shape))


class NegativeBinomial(Poisson):
    """Counts that vary more than a :class:`Poisson`'s; each dimension learns by how much.

    The variance is ``m + d m^2`` at mean ``m``, with ``log d = 10 raw``.
    """

    likelihood = "negative_binomial"

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.raw_log_dispersion = nnx.Param(jnp.zeros(self.pixels, jnp.float32))

    @property
    def log_dispersion(self) -> Float[Array, " pixels"]:
        """Logarithm of the learned dispersion ``d`` of every dimension."""
        return PACE * self.raw_log_dispersion[...]

    def log_prob(
        self, output: Float[Array, "*batch pixels"], x: Float[Array, "*batch pixels"]
    ) -> Float[Array, "*batch pixels"]:
        """Of each count, given the example's total, in nats."""
        log_dispersion = jnp.broadcast_to(self.log_dispersion, output.shape)
        return negative_binomial_log_likelihood(self._log_rate(output, x), log_dispersion, x)


class Categorical(Decoder):
    """One-hot columns: of each group of neighboring columns one is 1; the trunk's output are logits."""

    likelihood = "categorical"
    support = (0.0, 1.0)
    whole = True
    values = "one-hot columns of 0 and 1"
    scalings: ClassVar[tuple[Scale, ...]] = ()

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.raw_groups = nnx.Param(jnp.zeros(self.pixels, jnp.float32))  # constant

    @classmethod
    def check(cls, train: Any, test: Any) -> None:
        """Refuse rows that are not one-hot, and a group of one class."""
        starts = np.unique(one_hot_groups(np.asarray(train)), return_index=True)[1]
        wrong = np.add.reduceat(np.asarray(test), starts, axis=1) != 1
        if wrong.any():
            row, group = np.argwhere(wrong)[0]
            raise UserError(
                f"expected one 1 in columns {starts[group]} to"
                f" {[*starts, np.shape(test)[1]][group + 1] - 1}, as in the training split, in every row, got"
                f" none or more in row {row} of the test split"
            )

    def start(self, examples: Rows) -> None:
        """Take which columns belong together from the training examples."""
        self.raw_groups[...] = jnp.asarray(one_hot_groups(np.asarray(examples)), jnp.float32)

    def expected(self, output: Float[Array, "*batch pixels"]) -> Float[Array, "*batch pixels"]:
        """The probability of each class."""
        return jnp.exp(self.log_prob(output, jnp.ones_like(output)))

    def log_prob(
        self, output: Float[Array, "*batch pixels"], x: Float[Array, "*batch pixels"]
    ) -> Float[Array, "*batch pixels"]:
        """Of the class of each group, in nats; 0 for the other columns."""
        groups = jax.lax.stop_gradient(self.raw_groups[...]).astype(jnp.int32)
        return categorical_log_likelihood(output, x, groups)


def one_hot_groups(x: np.ndarray) -> np.ndarray:
    """The number of each column's group, int ``[columns]``: neighbors of which one is 1 in every row.

    Raises:
      UserError: naming the row and the column that end no group, or the column that is a group by itself.
    """
    groups, total, start = np.zeros(x.shape[-1], int), np.zeros(len(x)), 0
    wanted = "expected one-hot columns, groups of neighbors of which exactly one is 1 in every row"
    if x.ndim != 2:
        raise UserError(f"{wanted}, got examples of shape {list(x.shape[1:])}")
    for column in range(x.shape[1]):
        groups[column] = groups[column - 1] + (column == start > 0)
        total += x[:, column]
        if (total > 1).any():
            row = int(np.argmax(total > 1))
            raise UserError(f"{wanted}, got more in row {row}, columns {start} to {column}")
        if (total == 1).all():
            if column == start:
                raise UserError(f"column {column} has one class alone, 1 in every row; leave it out")
            total[:], start = 0, column + 1
    if start < x.shape[1]:
        row = int(np.argmin(total))
        raise UserError(f"{wanted}, got none in row {row}, columns {start} to {x.shape[1] - 1}")
    return groups


def _totals(x: Float[Array, "*batch pixels"]) -> Float[Array, "*batch 1"]:
    """Sum of every example; 1 for one without any count, whose rates would have no logarithm."""
    return jnp.maximum(jnp.sum(x, axis=-1, keepdims=True), 1)


def _per_example(totals: Float[Array, "n 1"], ndim: int) -> Array:
    return totals.reshape(-1, *(1,) * (ndim - 1))


LIKELIHOODS: dict[Likelihood, type[Decoder]] = {
    "bernoulli": Bernoulli,
    "gaussian": Gaussian,
    "student_t": StudentT,
    "poisson": Poisson,
    "negative_binomial": NegativeBinomial,
    "categorical": Categorical,
}
"""Every likelihood by its name."""
