"""The explorer's web server: loopback only, host and origin checked, requests of limited size.

Starlette answers, Uvicorn listens; both are the extra ``explore``. The page loads nothing from elsewhere.
"""

import base64
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
from vsc_jax.data import streams
from vsc_jax.data.streams import Stream
from vsc_jax.pages.explorer.explorer import Explorer

ADDRESS = "127.0.0.1"
HOSTS = [ADDRESS, "localhost"]  # so that a page of another site cannot reach the server under its own name
PORT, TRIED_PORTS = 8765, 20
LARGEST_VALUE = 1e6  # of a latent, in either direction
SAMPLES = 8  # drawn at once

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_FILES = {"/": "page.html", "/page.css": "page.css", "/page.js": "page.js"}


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
        uris = [f"data:{kind};base64,{base64.b64encode(content).decode()}" for content, kind in files]
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
    """A socket on the loopback address alone: on a port, any free one for 0, or the first free from 8765 on.

    Raises:
      UserError: if the port is taken.
    """
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
