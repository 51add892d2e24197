"""The latent explorer: a local page on which the latents of a test example are switched and dragged.

It shows a model's :class:`~vsc_jax.evaluation.code_view.CodeView`; each drag of a bar is one request of a few
milliseconds, so the page is one file of plain JavaScript, which loads nothing from elsewhere. What latents
mean takes seconds, and so does the page of them all; each is made when it is first asked for. The server
listens on the loopback address alone, checks host and origin, and limits the size of requests. Starlette
answers, Uvicorn listens; both are the extra ``explore``.
"""

import os
import socket
import threading
from functools import cached_property
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
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from vsc_jax.config.errors import UserError
from vsc_jax.data import smiley, streams
from vsc_jax.data.streams import Stream
from vsc_jax.evaluation.code_view import CodeView
from vsc_jax.evaluation.latents import RANGE, Latents, needs, output_names
from vsc_jax.models.inputs import as_float
from vsc_jax.pages.latents import latents_page, with_meaning
from vsc_jax.pages.page import render_latents
from vsc_jax.pages.pictures import difference, picture, uri

ADDRESS = "127.0.0.1"
HOSTS = [ADDRESS, "localhost"]  # so that a page of another site cannot reach the server under its own name
PORT, TRIED_PORTS = 8765, 20
LARGEST_VALUE = 1e6  # of a latent, in either direction
SAMPLES = 8  # drawn at once
CHANGES = 8  # columns of a table, at most, of which it is told how they change


def _policy(script: str, style: str) -> str:
    """What a page may load: by these sources, and nothing from elsewhere."""
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self';"
        " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


_HEADERS = {
    "Content-Security-Policy": _policy("'self'", "'self'"),
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
        self.ranges = [view.span(latent, 2, RANGE).tolist() for latent in range(view.latents)]
        self.median = [view.median_example(latent) for latent in range(view.latents)]
        # What a latent takes when it is switched on.
        values = [1.0 if n is None else view.code[n, latent] for latent, n in enumerate(self.median)]
        self.typical = np.array(values, np.float32)
        sample = np.asarray(as_float(view.test.sample(500, 0).x))
        if view.dataset.form == "vector":  # whose columns have scales of their own
            self._mean, deviation = sample.mean(axis=0), sample.std(axis=0)
            self._deviation = np.where(deviation > 0, deviation, np.inf)
            sample = (sample - self._mean) / self._deviation
        self._low, self._high = float(sample.min()), float(sample.max())
        self._making = threading.Lock()  # requests that ask for the same part at the same time

    @cached_property
    def _latents(self) -> Latents:
        return with_meaning(self.view)

    @cached_property
    def _page(self) -> tuple[str, str]:
        page = latents_page(self._latents, self.name, explorer=True)
        return render_latents(page), page["script_hash"]

    def latents(self) -> dict[int, dict[str, Any]]:
        """What each latent means that is ever on, whether it is idle, and which ones it needs."""
        with self._making:
            found = self._latents
        needed = needs(found)
        return {
            row["latent"]: {
                "meaning": row["meaning"],
                "idle": row["idle"],
                "needs": needed[row["latent"]],
            }
            for row in found.table
        }

    def page(self) -> tuple[str, str]:
        """The page of all latents, and the hash of its script."""
        with self._making:
            return self._page

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
            "ranges": self.ranges,
            "median": self.median,
            "thing": "row" if view.dataset.form == "vector" else view.dataset.form,
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

    def changed(self, z: np.ndarray, index: int) -> dict[str, Any]:
        """What a code decodes to, and how that differs from what a test example's own code does."""
        decoded, own = self.view.decode(np.stack([z, self.view.code[index]]))
        change, form = np.asarray(decoded, np.float64) - own, self.view.dataset.form
        shown: dict[str, Any] = {"decoded": uri(self.picture(decoded))}
        if form != "vector":
            return {**shown, "difference": uri(difference(change, form, self._low, self._high))}
        size = np.abs(change) / self._deviation
        names = output_names(self.view)
        most = [k for k in np.argsort(-size, kind="stable")[:CHANGES].tolist() if size[k] > 0.01]
        changes = [{"name": names[k], "value": float(decoded[k]), "change": float(change[k])} for k in most]
        return {**shown, "changes": changes}

    def picture(self, example: np.ndarray) -> tuple[bytes, str]:
        """A file that shows one example, as stored or as decoded, and its media type.

        Of a vector it shows how many standard deviations each value is above its mean.
        """
        values, form = np.asarray(as_float(example)), self.view.dataset.form
        values = (values - self._mean) / self._deviation if form == "vector" else values
        return picture(values, form, self._low, self._high)


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

    async def latents(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(explorer.latents))

    async def latents_as_page(request: Request) -> Response:
        content, script = await run_in_threadpool(explorer.page)
        policy = _policy(f"'sha256-{script}'", "'unsafe-inline'")
        return HTMLResponse(content, headers={"Content-Security-Policy": policy})

    async def decode(request: Request) -> Response:
        body = await _body(request, view.latents)
        z, index = _numbers(body, "z", view.latents), body.get("example")
        if not isinstance(index, int) or not 0 <= index < len(view.test):
            raise HTTPException(400, f"example: expected one from 0 to {len(view.test) - 1}")
        return JSONResponse(await run_in_threadpool(explorer.changed, z, index))

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
        Route("/api/latents", latents),
        Route("/latents", latents_as_page),
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
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
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
