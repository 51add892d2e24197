"""Untrained models, saved or in memory, for the commands that read one."""

from pathlib import Path

import pytest

from tests.pages.conftest import digits, make_run  # noqa: F401 (fixtures)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


@pytest.fixture
def saved(make_run, tmp_path: Path) -> Path:  # noqa: F811
    """A VAE of images of three classes, saved, without results worth keeping."""
    return make_run(tmp_path / "saved", kind="vae", results={"elbo": 0.0}, latents=2)
