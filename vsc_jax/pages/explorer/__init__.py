"""The latent explorer: a local page on which the latents of a test image are switched and dragged.

``explorer.py`` does the work on arrays, ``server.py`` serves it with
Starlette and Uvicorn. Each drag of a bar is one request of a few milliseconds, so the page is one file of
plain JavaScript in which a latent's bar is its slider. A framework that keeps its widgets on the server
(Bokeh, Panel) would show bars and sliders apart and bring ten times the dependencies.
"""
