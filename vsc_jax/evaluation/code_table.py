"""Codes as data: the sparse codes of any examples, which of them are alike, and what a change of one does."""

import io
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from jaxtyping import Array, Float, PRNGKeyArray
from sklearn.metrics.pairwise import cosine_distances

from vsc_jax.config.errors import UserError
from vsc_jax.data.dataset import Dataset, first_outside
from vsc_jax.data.examples import Examples
from vsc_jax.evaluation.encoding import Measure, each_batch
from vsc_jax.models import Autoencoder, Model
from vsc_jax.models.inference import hard_code
from vsc_jax.models.inputs import as_examples
from vsc_jax.models.linear import LinearVSC
from vsc_jax.models.values import place


class CodeTable(NamedTuple):
    """Codes of n examples, and what is known of these."""

    codes: scipy.sparse.csr_array  # float32 [n, latents], model.code: what is off is not stored
    gates: np.ndarray | None  # float32 [n, latents], gamma; None for a model without gates
    labels: np.ndarray | None = None  # text [n], classes
    files: np.ndarray | None = None  # text [n], names of images


def code_table(model: Model, given: Dataset, *, batch_size: int = 500) -> CodeTable:
    """The sparse codes of the training part and then of the test part, batch by batch.

    Where values are missing (NaN), the posteriors of a model with ``inference`` ascent are those given the
    others; another model fills them in first (``model.fill``).

    Raises:
      UserError: naming a missing value, if the model is an autoencoder.
    """
    codes, gates, labels = [], [], []
    for x, known in ((split.x, split.labels) for split in (given.train, given.test) if len(split)):
        for code, gamma in each_batch(_measure(model, x), model, x, jax.random.key(0), batch_size=batch_size):
            codes.append(scipy.sparse.csr_array(code))
            gates.append(gamma)
        if known is not None:
            labels.append(np.array(given.label_names)[known])
    return CodeTable(
        scipy.sparse.vstack(codes, "csr"),
        np.concatenate(gates) if model.gated else None,
        np.concatenate(labels) if labels else None,
        np.array(given.files) if given.files else None,
    )


def _measure(model: Model, x: Examples) -> Measure:
    """How the model encodes these examples, which may have gaps."""
    if (index := first_outside(x, -math.inf, math.inf)) is None:
        return _code_and_gates
    if not model.variational:
        raise UserError(f"missing value in {place(index)}; an autoencoder cannot do without it")
    return _of_a_part if isinstance(model, LinearVSC) else _after_filling


def _code_and_gates(model: Any, x: Array, key: PRNGKeyArray) -> tuple[Array, Array]:
    if not model.gated:
        return model.code(x), jnp.ones((len(x), 0))
    q = model.encode(x)
    return hard_code(q), q.gamma


def _of_a_part(model: Any, x: Array, key: PRNGKeyArray) -> tuple[Array, Array]:
    q = model.encode(x, observed=~jnp.isnan(x))
    return hard_code(q), q.gamma


def _after_filling(model: Any, x: Array, key: PRNGKeyArray) -> tuple[Array, Array]:
    return _code_and_gates(model, model.fill(x), key)


def as_npz(**arrays: Any) -> bytes:
    """Named arrays, those that are not None."""
    file = io.BytesIO()
    np.savez_compressed(file, **{name: array for name, array in arrays.items() if array is not None})
    return file.getvalue()


def codes_as_npz(table: CodeTable) -> bytes:
    """What ``scipy.sparse.load_npz`` opens: it gives the codes, a CSR array ``[n, latents]``.

    The arrays are those of SciPy (``format``, ``shape``, ``data``, ``indices``, ``indptr``), and beside them
    ``gates``, float32 ``[n, latents]``, and ``labels`` and ``files``, text ``[n]``, as far as there are any.
    """
    stored = {name: getattr(table.codes, name) for name in ("shape", "data", "indices", "indptr")}
    known = {"gates": table.gates, "labels": table.labels, "files": table.files}
    return as_npz(format=b"csr", _is_array=True, **stored, **known)


def codes_as_parquet(table: CodeTable, *, gates: bool = False) -> bytes:
    """A row for each example, with the columns ``label``, ``file``, ``latent_0``, ``latent_1`` and so on.

    The first two are there if labels and files are known. ``gates`` adds ``gate_0`` and so on, of a model
    that has gates.
    """
    import pyarrow
    import pyarrow.parquet

    names = {"label": table.labels, "file": table.files}
    columns = {name: text for name, text in names.items() if text is not None}
    numbers = {"latent": table.codes.toarray(), "gate": table.gates if gates else None}
    for name, values in numbers.items():
        if values is not None:
            columns |= {f"{name}_{latent}": column for latent, column in enumerate(values.T)}
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), file)
    return file.getvalue()


def nearest(codes: Any, query: Any, k: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """The k examples whose codes are most like each query, the most alike first.

    The distance is one minus the cosine of two codes: 0 for the same latents in the same proportions, 1 where
    no latent is on in both, up to 2 where values have opposite signs. So it asks what is on in both, as
    the Jaccard distance of the supports does, but has not its many ties, and a latent that is barely on
    counts little. Two codes in which nothing is on have the distance 0, such a code and any other 1.

    Args:
      codes: codes to search in, ``[n, latents]``, dense or of ``scipy.sparse``.
      query: one code ``[latents]`` or several ``[m, latents]``, such as ``codes[[5]]``.
      k: how many are wanted, at least 1; all n if there are no more.

    Returns:
      Rows of ``codes`` and their distances, ``[k]`` each, or ``[m, k]``.

    Raises:
      UserError: if the shapes do not fit, a number is not finite, or ``k`` is none.
    """
    query = query.toarray() if scipy.sparse.issparse(query) else np.asarray(query)
    (n, *latents), (*one, last) = np.shape(codes) or (0,), np.shape(query) or (0,)
    if n < 1 or latents != [last] or len(one) > 1:
        shapes = f"got the shapes {[n, *latents]} and {[*one, last]}"
        raise UserError(f"expected codes [n, latents] and query [latents] or [m, latents], {shapes}")
    if isinstance(k, bool) or not hasattr(k, "__index__") or k < 1:
        raise UserError(f"k: expected a whole number, 1 or more, got {k!r}")
    table = scipy.sparse.csr_array(codes, dtype=np.float64)
    asked = scipy.sparse.csr_array(np.atleast_2d(query), dtype=np.float64)
    for name, values in (("codes", table.data), ("query", asked.data)):
        if not np.isfinite(values).all():
            raise UserError(f"{name}: expected finite numbers")
    none, none_asked = (abs(codes).sum(axis=1) == 0 for codes in (table, asked))
    apart = np.where(none_asked[:, None] & none, 0, cosine_distances(asked, table))
    distance = np.round(apart, 12)  # a code is not apart from itself
    rows = np.argsort(distance, axis=1, kind="stable")[:, : int(k)]
    distance = np.take_along_axis(distance, rows, axis=1)
    return (rows, distance) if one else (rows[0], distance[0])


class Steered(NamedTuple):
    """Decoded codes as they are and with some latents changed, ``[n, *example_shape]`` each."""

    before: Float[np.ndarray, "n ..."]
    after: Float[np.ndarray, "n ..."]


def steer(model: Model, x: Any, changes: Mapping[int, float | None]) -> Steered:
    """Reconstructions of examples, and what becomes of them when latents of their codes are set.

    Args:
      model: any trained model.
      x: examples ``[n, *example_shape]``; values may be missing (NaN), but for an autoencoder.
      changes: the value that each latent gets in all codes, by its number; None switches it off, which is 0.

    Raises:
      UserError: naming the latent that does not exist, or the value that is not finite.
    """
    for latent, value in changes.items():
        if not hasattr(latent, "__index__") or not 0 <= latent < model.latents:
            raise UserError(f"steer: expected a latent from 0 to {model.latents - 1}, got {latent!r}")
        if value is not None and not math.isfinite(value):
            raise UserError(f"steer: expected a finite value of latent {latent}, or None, got {value!r}")
    x = np.asarray(as_examples(x, model.decoder.example_shape))
    measure = _measure(model, x)
    if measure is _after_filling and not isinstance(model, Autoencoder):
        x, measure = np.asarray(model.fill(x)), _code_and_gates
    code = np.array(measure(model, jnp.asarray(x), jax.random.key(0))[0])
    before = np.asarray(model.decode(code, x))
    for latent, value in changes.items():
        code[:, latent] = 0 if value is None else value
    return Steered(before, np.asarray(model.decode(code, x)))
