"""What is kept between starts: where, and that the second start compiles nothing and computes the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vsc_jax.config import cache_folder as module
from vsc_jax.config.cache_folder import cache_folder, keep_compiled_programs

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """A copy of the environment to be changed, without what JAX reads."""
    clean = {name: value for name, value in os.environ.items() if "CACHE" not in name}
    monkeypatch.setattr(os, "environ", clean | {"HOME": str(tmp_path)})
    return os.environ


def test_the_folder_follows_environment_and_system(monkeypatch):
    monkeypatch.setenv("VSC_JAX_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    monkeypatch.setenv("HOME", "/c")
    monkeypatch.setenv("LOCALAPPDATA", "/d")
    assert cache_folder() == Path("/a")
    monkeypatch.delenv("VSC_JAX_CACHE")
    assert cache_folder() == Path("/b/vsc_jax")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    for system, folder in (("linux", "/c/.cache"), ("darwin", "/c/Library/Caches"), ("win32", "/d")):
        monkeypatch.setattr(sys, "platform", system)
        assert cache_folder() == Path(folder) / "vsc_jax"


def test_programs_are_kept_within_bounds_in_a_folder_of_the_processors_kind(
    environment, tmp_path, monkeypatch
):
    folders = []
    for processor in ("flags : avx2", "flags : avx2 avx512f"):
        monkeypatch.setattr(module, "_processor", lambda processor=processor: processor)
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        keep_compiled_programs()
        folders.append(Path(environment["JAX_COMPILATION_CACHE_DIR"]))
    assert folders[0].parent == folders[1].parent == tmp_path / ".cache" / "vsc_jax" / "compiled"
    assert folders[0] != folders[1]
    assert int(environment["JAX_COMPILATION_CACHE_MAX_SIZE"]) == 2**30
    # JAX makes it when it has something to keep.
    assert not (tmp_path / ".cache").exists()


def test_a_users_own_settings_go_before(environment):
    environment["JAX_COMPILATION_CACHE_DIR"] = "/elsewhere"
    before = dict(environment)
    keep_compiled_programs()
    assert environment == before


def test_a_folder_that_cannot_be_made_keeps_nothing(environment, tmp_path):
    (tmp_path / "file").write_text("")
    environment["VSC_JAX_CACHE"] = str(tmp_path / "file" / "below")
    keep_compiled_programs()
    assert "JAX_COMPILATION_CACHE_DIR" not in environment


def run(folder, workdir):
    argv = "--smoke --model.hidden 16 --model.latents 4 --evaluate.figures False --train.progress False"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    environment |= {"PYTHONPATH": str(ROOT), "VSC_JAX_CACHE": str(folder / "cache")}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "vsc_jax.train",
            "--config",
            "smiley_vae",
            *argv.split(),
            "--workdir",
            workdir,
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_second_start_compiles_nothing_and_gives_the_same_bits(tmp_path):
    first = run(tmp_path, "first")
    assert first.returncode == 0, first.stderr
    kept = {path.name for path in (tmp_path / "cache" / "compiled").rglob("*-cache")}
    assert any("train_chunk" in name for name in kept)
    second = run(tmp_path, "second")
    assert (second.returncode, second.stderr) == (0, "")
    assert {path.name for path in (tmp_path / "cache" / "compiled").rglob("*-cache")} == kept
    for name in ("metrics.jsonl", "results.json"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
