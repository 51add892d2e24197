"""The command lines. ``python -m vsc_jax.train`` runs ``cli/train.py`` (see ``vsc_jax/__init__.py``)."""

import os

if os.environ.get("NO_COLOR"):  # tyro reads a variable of its own, when it is imported
    os.environ.setdefault("PYTHON_TYRO_ANSI_CODES", "False")
