"""The explorer's web server: loopback only, host and origin checked, requests of limited size.

Starlette answers, Uvicorn listens; both are the extra ``explore``. The page and all that it needs come
from this package.
"""

import asyncio
import base64
import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vsc_jax.config.errors import UserError
from vsc_jax.pages.explorer.explorer import Explorer
from vsc_jax.pages.explorer.pictures import picture

ADDRESS = "127.0.0.1"
HOSTS = [ADDRESS, "localhost"]
"""What the Host header may name: a page of another site cannot reach the server under its own name."""

PORT, TRIED_PORTS = 8765, 20
"""Where the search for a free port begins, and how many are tried."""

LARGEST_VALUE = 1e6
"""What a latent may be set to, at most, in either direction."""

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_FILES = {"/": "page.html", "/page.css": "page.css", "/page.js": "page.js"}
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


def application(explorer: Explorer) -> Starlette:
    """The web application of one explorer."""
    sample = np.asarray(explorer.test.sample(500, 0).x, np.float64)
    scale = 255.0 if explorer.test.x.dtype == np.uint8 else 1.0
    low, high = float(sample.min()) / scale, float(sample.max()) / scale
    largest_body = 4096 + 32 * explorer.latents

    def shown(example: np.ndarray) -> tuple[bytes, str]:
        values = example / np.float32(255) if example.dtype == np.uint8 else example
        return picture(values, explorer.dataset.form, low, high)

    async def model(request: Request) -> Response:
        return JSONResponse(explorer.describe())

    async def example(request: Request) -> Response:
        index = _index(request, explorer)
        code = explorer.code(index)
        values = {name: np.round(field, 5).tolist() for name, field in code._asdict().items()}
        return JSONResponse({"index": index, "caption": explorer.caption(index), **values})

    async def original(request: Request) -> Response:
        return Response(*_file(shown(explorer.test.x[_index(request, explorer)])))

    async def decode(request: Request) -> Response:
        body = await _body(request, largest_body)
        z = _numbers(body, "z", explorer.latents)
        decoded = await run_in_threadpool(explorer.decode, z[None])
        return Response(*_file(shown(decoded[0])))

    async def samples(request: Request) -> Response:
        body = await _body(request, largest_body)
        support, seed = _numbers(body, "on", explorer.latents) != 0, body.get("seed", 0)
        if not isinstance(seed, int) or not 0 <= seed < 2**31:
            raise HTTPException(400, "seed: expected a whole number from 0 to 2147483647")
        if not explorer.samples:
            raise HTTPException(409, "an autoencoder has no prior to sample from")
        drawn = await run_in_threadpool(explorer.sample, support, seed)
        decoded = await run_in_threadpool(explorer.decode, drawn)
        pictures = [_data_uri(*shown(image)) for image in decoded]
        return JSONResponse({"z": np.round(drawn, 5).tolist(), "pictures": pictures})

    files = {path: (Path(__file__).parent / name) for path, name in _FILES.items()}

    async def page(request: Request) -> Response:
        path = files[request.url.path]
        return Response(path.read_bytes(), media_type=_TYPES[path.suffix])

    routes = [
        *(Route(path, page) for path in files),
        Route("/api/model", model),
        Route("/api/example/{index:int}", example),
        Route("/api/picture/{index:int}", original),
        Route("/api/decode", decode, methods=["POST"]),
        Route("/api/sample", samples, methods=["POST"]),
    ]
    middleware = [
        Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False),
        Middleware(_Guard),
    ]
    return Starlette(routes=routes, middleware=middleware, exception_handlers={HTTPException: _refused})


def listen(port: int | None = None) -> socket.socket:
    """A socket on the loopback address alone.

    Args:
      port: which one, 0 for any that is free; None tries some from ``PORT`` on.

    Raises:
      UserError: if the port is taken.
    """
    for candidate in range(PORT, PORT + TRIED_PORTS) if port is None else [port]:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((ADDRESS, candidate))
            listening.listen()
        except OSError as error:
            listening.close()
            reason = error.strerror
        else:
            return listening
    which = f"{PORT} to {PORT + TRIED_PORTS - 1}" if port is None else str(port)
    raise UserError(f"--port: cannot listen on {which} ({reason}); --port 0 takes one that is free")


def url(listening: socket.socket) -> str:
    """Where the page is."""
    return f"http://{ADDRESS}:{listening.getsockname()[1]}/"


def server(explorer: Explorer) -> uvicorn.Server:
    """A server that is not running yet."""
    settings = uvicorn.Config(
        application(explorer),
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(settings)


def serve(explorer: Explorer, listening: socket.socket) -> None:
    """Serve until the process is interrupted."""
    asyncio.run(server(explorer).serve(sockets=[listening]))


class _Guard:
    """Refuses requests of other sites' pages, and tells the browser to load nothing from elsewhere."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{headers.get('host')}":
            await JSONResponse({"error": "requests of other sites are refused"}, 403)(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self.app(scope, receive, send_with_headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


async def _body(request: Request, largest: int) -> dict[str, Any]:
    """The JSON object that a request holds, read only as far as is allowed."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "expected application/json")
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > largest:
            raise HTTPException(413, f"expected at most {largest:,} bytes")
    try:
        body = json.loads(content)
    except ValueError:
        raise HTTPException(400, "expected JSON") from None
    if not isinstance(body, dict):
        raise HTTPException(400, "expected a JSON object")
    return body


def _numbers(body: dict[str, Any], name: str, count: int) -> np.ndarray:
    values = body.get(name)
    if not isinstance(values, list) or len(values) != count or not all(map(_is_number, values)):
        raise HTTPException(400, f"{name}: expected {count} numbers from -1e6 to 1e6")
    return np.asarray(values, np.float64)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) <= LARGEST_VALUE


def _index(request: Request, explorer: Explorer) -> int:
    index = int(request.path_params["index"])
    if index >= len(explorer.test):
        raise HTTPException(404, f"expected an example from 0 to {len(explorer.test) - 1}, got {index}")
    return index


def _file(content: tuple[bytes, str]) -> tuple[bytes, int, None, str]:
    return content[0], 200, None, content[1]


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
