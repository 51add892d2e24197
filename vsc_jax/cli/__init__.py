"""The command lines. ``python -m vsc_jax.train`` runs ``cli/train.py`` (see ``vsc_jax/__init__.py``)."""
