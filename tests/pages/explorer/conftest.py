"""An explorer of a small untrained model, and its server on a free port."""

import contextlib
import threading

import pytest

from tests.figures.conftest import make_view  # noqa: F401 (a fixture)
from vsc_jax.pages.explorer.server import Explorer, listen, server, url


@pytest.fixture(scope="session")
def make_explorer(make_view):  # noqa: F811
    """Builds an explorer of 8 x 8 images of three classes, or of other data of ``make_view``."""
    return lambda kind="vsc", **options: Explorer(make_view(kind, **options), f"tiny {kind}")


@pytest.fixture(scope="session")
def explorer(make_explorer):
    return make_explorer()


@pytest.fixture(scope="session")
def serve():
    """The address of an explorer's page while it is served."""

    @contextlib.contextmanager
    def serving(explorer):
        running = server(explorer)
        with listen(0) as listening:
            thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
            thread.start()
            try:
                yield url(listening)
            finally:
                running.should_exit = True
                thread.join(timeout=30)
        assert not thread.is_alive()

    return serving


@pytest.fixture(scope="session")
def address(explorer, serve):
    with serve(explorer) as address:
        yield address
