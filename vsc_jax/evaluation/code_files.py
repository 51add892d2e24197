"""Codes as the bytes of a file: an ``.npz`` that SciPy opens, or a ``.parquet`` table."""

import io
from typing import Any

import numpy as np

from vsc_jax.evaluation.code_table import CodeTable


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
