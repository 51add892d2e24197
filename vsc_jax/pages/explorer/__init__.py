"""The latent explorer: a local page on which the latents of a test image are switched and dragged.

``explorer.py`` reads a model's :class:`~vsc_jax.evaluation.code_view.CodeView`, ``server.py`` serves it. Each
drag of a bar is one request of a few milliseconds, so the page is one file of plain JavaScript.
"""
