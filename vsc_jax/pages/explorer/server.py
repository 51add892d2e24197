"""The latent explorer: a local page on which the latents of a test image are switched and dragged.

It shows a model's :class:`~vsc_jax.evaluation.code_view.CodeView`; each drag of a bar is one request of a few
milliseconds, so the page is one file of plain JavaScript, which loads nothing from elsewhere. The server
listens on the loopback address alone, checks host and origin, and limits the size of requests. Starlette
answers, Uvicorn listens; both are the extra ``explore``.
"""

import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from vsc_jax.config.errors import UserError
from vsc_jax.data import smiley, streams
from vsc_jax.data.streams import Stream
from vsc_jax.evaluation.code_view import CodeView
from vsc_jax.models.inputs import as_float
from vsc_jax.pages.pictures import picture, uri

ADDRESS = "127.0.0.1"
HOSTS = [ADDRESS, "localhost"]  # so that a page of another site cannot reach the server under its own name
PORT, TRIED_PORTS = 8765, 20
LARGEST_VALUE = 1e6  # of a latent, in either direction
SAMPLES = 8  # drawn at once
REACH = 99.5  # percentile of the codes' size that the bars reach to

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_FILES = {"/": "page.html", "/page.css": "page.css", "/page.js": "page.js"}


class Explorer:
    """What the page asks for of the run ``name``."""

    def __init__(self, view: CodeView, name: str):
        self.view, self.name = view, name
        sizes = np.abs(view.code[view.code != 0])
        # The value at the end of a bar, and the one that a latent takes when it is switched on.
        self.reach = 1.1 * float(np.percentile(sizes, REACH)) if sizes.size else 1.0
        on = [column[column != 0] for column in view.code.T]
        self.typical = np.array([np.median(values) if values.size else 1.0 for values in on], np.float32)
        sample = np.asarray(as_float(view.test.sample(500, 0).x))
        self._low, self._high = float(sample.min()), float(sample.max())

    def describe(self) -> dict[str, Any]:
        """What the page shows of the model, and what it needs to draw its bars."""
        view = self.view
        notes = {
            "This model has no gates: every latent is on; switched off it is set to zero.": not view.gated,
            "An autoencoder has no prior, so there is nothing to sample from.": view.prior is None,
            "No latent is on in any test example: the code has collapsed.": not view.used.size,
        }
        return {
            "name": self.name,
            "data": view.dataset.description or view.dataset.name,
            "gated": view.gated,
            "samples": view.prior is not None,
            "latents": view.latents,
            "used": np.isin(np.arange(view.latents), view.used).tolist(),
            "reach": self.reach,
            "examples": len(view.test),
            "notes": [note for note, applies in notes.items() if applies],
        }

    def example(self, index: int) -> dict[str, Any]:
        """A test example's caption, code and gates, and the values that its latents take when switched on."""
        z = self.view.code[index]
        code = {"z": z, "gamma": self.view.codes.gamma[index], "start": np.where(z != 0, z, self.typical)}
        values = {name: np.round(field, 5).tolist() for name, field in code.items()}
        return {"index": index, "caption": self.caption(index), **values}

    def caption(self, index: int) -> str:
        """The class of a test example, or the attributes that a face has."""
        test, dataset = self.view.test, self.view.dataset
        if test.labels is not None:
            label = int(test.labels[index])
            return f"class {dataset.label_names[label] if label < len(dataset.label_names) else label}"
        if test.presence is None or dataset.factor_names != smiley.FACTORS:
            return ""
        there = [test.presence[index][group.start] for group in smiley.GROUPS]
        present = [name for name, on in zip(smiley.ATTRIBUTES, there, strict=True) if on]
        return f"with {', '.join(present)}" if present else "no attributes"

    def picture(self, example: np.ndarray) -> tuple[bytes, str]:
        """A file that shows one example, as stored or as decoded, and its media type."""
        return picture(np.asarray(as_float(example)), self.view.dataset.form, self._low, self._high)


def application(explorer: Explorer) -> Starlette:
    """The web application of one explorer."""
    view = explorer.view

    async def page(request: Request) -> Response:
        return FileResponse(Path(__file__).parent / _FILES[request.url.path])

    async def model(request: Request) -> Response:
        return JSONResponse(explorer.describe())

    async def example(request: Request) -> Response:
        return JSONResponse(explorer.example(_index(request, len(view.test))))

    async def original(request: Request) -> Response:
        content, kind = explorer.picture(view.test.x[_index(request, len(view.test))])
        return Response(content, media_type=kind)

    async def decode(request: Request) -> Response:
        z = _numbers(await _body(request, view.latents), "z", view.latents)
        content, kind = explorer.picture((await run_in_threadpool(view.decode, z[None]))[0])
        return Response(content, media_type=kind)

    async def sample(request: Request) -> Response:
        body = await _body(request, view.latents)
        on, seed = _numbers(body, "on", view.latents) != 0, body.get("seed", 0)
        if not isinstance(seed, int) or not 0 <= seed < 2**31:
            raise HTTPException(400, "seed: expected a whole number from 0 to 2147483647")
        if view.prior is None:
            raise HTTPException(409, "an autoencoder has no prior to sample from")
        key = streams.key(seed, Stream.EXPLORED)
        [drawn] = await run_in_threadpool(view.resampled, on[None], SAMPLES, key)
        files = [explorer.picture(decoded) for decoded in await run_in_threadpool(view.decode, drawn)]
        uris = [uri(file) for file in files]
        return JSONResponse({"z": np.round(drawn, 5).tolist(), "pictures": uris})

    routes = [
        *(Route(path, page) for path in _FILES),
        Route("/api/model", model),
        Route("/api/example/{index:int}", example),
        Route("/api/picture/{index:int}", original),
        Route("/api/decode", decode, methods=["POST"]),
        Route("/api/sample", sample, methods=["POST"]),
    ]
    trusted = Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False)
    guarded = Middleware(BaseHTTPMiddleware, dispatch=_guarded)
    return Starlette(
        routes=routes, middleware=[trusted, guarded], exception_handlers={HTTPException: _refused}
    )


def listen(port: int | None = None) -> socket.socket:
    """A socket on the loopback address: on a port, any free one for 0, or the first free from 8765 on."""
    for candidate in range(PORT, PORT + TRIED_PORTS) if port is None else [port]:
        try:
            return socket.create_server((ADDRESS, candidate))
        except OSError as error:
            reason = os.strerror(error.errno or 0)
    which = f"{PORT} to {PORT + TRIED_PORTS - 1}" if port is None else str(port)
    raise UserError(f"--port: cannot listen on {which} ({reason}); --port 0 takes one that is free")


def url(listening: socket.socket) -> str:
    """Where the page is."""
    return f"http://{ADDRESS}:{listening.getsockname()[1]}/"


def server(explorer: Explorer) -> uvicorn.Server:
    """A server that is not running yet; ``run(sockets=[...])`` serves until the process is interrupted."""
    options: dict[str, Any] = {"log_level": "warning", "access_log": False, "server_header": False}
    options |= {"http": "h11", "ws": "none", "lifespan": "off", "timeout_graceful_shutdown": 1}
    return uvicorn.Server(uvicorn.Config(application(explorer), loop="asyncio", **options))


async def _guarded(request: Request, answer: RequestResponseEndpoint) -> Response:
    """Refuses requests of other sites' pages, and tells the browser to load nothing from elsewhere."""
    here = f"http://{request.headers.get('host')}"
    if request.headers.get("origin", here) != here:
        return JSONResponse({"error": "requests of other sites are refused"}, 403)
    response = await answer(request)
    response.headers.update(_HEADERS)
    return response


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


async def _body(request: Request, latents: int) -> dict[str, Any]:
    """The JSON object that a request of an allowed length holds."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "expected application/json")
    largest, length = 4096 + 32 * latents, request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > largest:  # no more than this is read of the connection
        raise HTTPException(413, f"expected at most {largest:,} bytes")
    try:
        body = await request.json()
    except (ValueError, RecursionError):
        raise HTTPException(400, "expected JSON") from None
    if not isinstance(body, dict):
        raise HTTPException(400, "expected a JSON object")
    return body


def _numbers(body: dict[str, Any], name: str, count: int) -> np.ndarray:
    values = body.get(name)
    if not (
        isinstance(values, list)
        and len(values) == count
        and all(isinstance(value, int | float) and abs(value) <= LARGEST_VALUE for value in values)
    ):
        raise HTTPException(400, f"{name}: expected {count} numbers from -1e6 to 1e6")
    return np.asarray(values, np.float64)


def _index(request: Request, count: int) -> int:
    index = int(request.path_params["index"])
    if index >= count:
        raise HTTPException(404, f"expected an example from 0 to {count - 1}, got {index}")
    return index
