"""The command line ``python -m vsc_jax.explore``."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from vsc_jax import explore
from vsc_jax.config.errors import UserError
from vsc_jax.pages.explorer.server import listen


def test_it_serves_the_page_and_stops_when_interrupted(saved):
    process = subprocess.Popen(
        [sys.executable, "-m", "vsc_jax.explore", str(saved), "--port", "0", "--latent", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    line = process.stdout.readline()
    address, latent, rest = line.partition("#latent=1")
    assert (latent, rest) == ("#latent=1", " shows saved; Ctrl-C stops it\n")
    with urllib.request.urlopen(f"{address}api/model", timeout=60) as answer:
        assert b'"latents":2' in answer.read()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "stopped\n", "")


def test_a_mistake_is_named(saved, monkeypatch):
    with listen(0) as taken, pytest.raises(UserError, match="--port: cannot listen on"):
        explore.main([str(saved), "--port", str(taken.getsockname()[1])])
    with pytest.raises(UserError, match="--port: expected a number from 0 to 65535, got 70000"):
        explore.main([str(saved), "--port", "70000"])
    with pytest.raises(UserError, match="--latent: expected one from 0 to 1, got 2"):
        explore.main([str(saved), "--port", "0", "--latent", "2"])
    monkeypatch.setattr(explore.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs starlette: pip install starlette uvicorn"):
        explore.main([str(saved)])
