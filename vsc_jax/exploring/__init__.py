"""The latent explorer: a local page on which the latents of a test image are switched and dragged.

:mod:`~vsc_jax.exploring.explorer` does the work on arrays, :mod:`~vsc_jax.exploring.server` serves it with
Starlette and Uvicorn. Each drag of a bar is one request of a few milliseconds, so the page is one file of
plain JavaScript in which a latent's bar is its slider. A framework that keeps its widgets on the server
(Bokeh, Panel) would show bars and sliders apart and bring ten times the dependencies.
"""
