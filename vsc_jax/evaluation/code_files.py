"""Codes as the bytes of a file: an ``.npz`` that SciPy opens, or a ``.parquet`` table."""

import io
from typing import Any

import numpy as np

from vsc_jax.evaluation.code_table import CodeTable

_ROW_GROUP = 2**16  # rows of a table that are dense at a time


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

    def rows(start: int) -> pyarrow.Table:
        part = slice(start, start + _ROW_GROUP)
        numbers = {"latent": table.codes[part].toarray()}
        if gates and table.gates is not None:
            numbers["gate"] = table.gates[part]
        names = {"label": table.labels, "file": table.files}
        columns = {name: text[part] for name, text in names.items() if text is not None}
        for name, values in numbers.items():
            columns |= {f"{name}_{latent}": column for latent, column in enumerate(values.T)}
        return pyarrow.table(columns)

    file, first = io.BytesIO(), rows(0)
    with pyarrow.parquet.ParquetWriter(file, first.schema) as writer:
        for start in range(0, table.codes.shape[0], _ROW_GROUP):
            writer.write_table(rows(start))
    return file.getvalue()
