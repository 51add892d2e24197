"""The latent explorer, a local page: see :mod:`vsc_jax.pages.explorer.server`."""
