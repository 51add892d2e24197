"""Paths that are given; and that the second start compiles nothing and computes the same."""

import os
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from vsc_jax.report import ReportArguments

import vsc_jax
from tests.refused import assert_refused
from vsc_jax.cli.command_line import UsageError, parse
from vsc_jax.config import Config, EvaluateConfig, ModelConfig, TrainConfig
from vsc_jax.config import paths as module
from vsc_jax.config.paths import as_path, cache_folder, keep_compiled_programs
from vsc_jax.contrib import export

CONFIG = Config(
    model=ModelConfig(kind="ae", latents=2, hidden=(4,)),
    train=TrainConfig(steps=1, batch_size=8),
    evaluate=EvaluateConfig(figures=False),
)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder; the test works in another one beside it."""
    for name in ("home", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "home"


def test_the_home_folder_is_meant_wherever_a_path_is_taken(home):
    np.save(home / "x.npy", np.random.default_rng(0).random((20, 4, 4), np.float32))
    run = vsc_jax.fit(CONFIG, "~/run", dataset="~/x.npy")
    vsc_jax.save(run, "~/saved")
    export.export_model(vsc_jax.load("~/saved"), "~/exported")
    assert export.load_programs("~/exported").decode(jax.numpy.zeros((1, 2))).shape == (1, 4, 4)
    assert vsc_jax.load("~/run").latents == 2
    assert {path.name for path in home.iterdir()} == {"run", "saved", "exported", "x.npy"}
    assert list(Path().iterdir()) == []


def test_nothing_and_the_home_of_nobody_are_no_paths(home):
    for use in (lambda path: vsc_jax.fit(CONFIG, path), vsc_jax.load):
        assert_refused(r"^(workdir|folder): expected a path, got ''$", use, "")
        assert_refused(r"^(workdir|folder): '~nobody-here/x' cannot be a path", use, "~nobody-here/x")
    assert as_path(".", "run") == Path()


def test_command_lines_expand_it_too_and_refuse_an_empty_value(home):
    parsed = parse(ReportArguments, "Test.", ["--workdir=~/a", "~/b", "c"])
    assert (parsed.runs, parsed.workdir) == ((home / "b", Path("c")), home / "a")
    for argv in (["--workdir", ""], ["--workdir="]):
        with pytest.raises(UsageError, match=r"^--workdir: expected a value, got ''$"):
            parse(ReportArguments, "Test.", argv)


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """A copy of the environment to be changed, without what JAX and caches read."""
    clean = {name: value for name, value in os.environ.items() if "CACHE" not in name}
    monkeypatch.setattr(os, "environ", clean | {"HOME": str(tmp_path)})
    return os.environ


def test_the_cache_follows_environment_and_system(environment, monkeypatch, tmp_path):
    environment |= {"VSC_JAX_CACHE": "/a", "XDG_CACHE_HOME": "/b", "LOCALAPPDATA": "/d"}
    assert cache_folder() == Path("/a")
    del environment["VSC_JAX_CACHE"]
    assert cache_folder() == Path("/b/vsc_jax")
    environment["XDG_CACHE_HOME"] = ""
    systems = {"linux": tmp_path / ".cache", "darwin": tmp_path / "Library/Caches", "win32": Path("/d")}
    for system, folder in systems.items():
        monkeypatch.setattr(sys, "platform", system)
        assert cache_folder() == folder / "vsc_jax"


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


def test_a_users_own_settings_go_before_and_a_folder_that_cannot_be_made_keeps_nothing(environment, tmp_path):
    environment["JAX_COMPILATION_CACHE_DIR"] = "/elsewhere"
    before = dict(environment)
    keep_compiled_programs()
    assert environment == before
    del environment["JAX_COMPILATION_CACHE_DIR"]
    (tmp_path / "file").write_text("")
    environment["VSC_JAX_CACHE"] = str(tmp_path / "file" / "below")
    keep_compiled_programs()
    assert "JAX_COMPILATION_CACHE_DIR" not in environment


def test_the_second_start_compiles_nothing_and_gives_the_same_bits(tmp_path, python, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("JAX_COMPILATION", "JAX_PERSISTENT"))]:
        monkeypatch.delenv(name)
    small = "--config smiley_ae --smoke --model.hidden 16 --model.latents 4"
    argv = f"-m vsc_jax.train {small} --evaluate.figures False --train.progress False --workdir".split()
    cache = tmp_path / "cache"
    first = python(*argv, "first", cwd=tmp_path, VSC_JAX_CACHE=str(cache))
    assert first.returncode == 0, first.stderr
    kept = {path.name for path in (cache / "compiled").rglob("*-cache")}
    assert any("train_chunk" in name for name in kept)
    second = python(*argv, "second", cwd=tmp_path, VSC_JAX_CACHE=str(cache))
    assert (second.returncode, second.stderr) == (0, "")
    assert {path.name for path in (cache / "compiled").rglob("*-cache")} == kept
    for name in ("metrics.jsonl", "results.json"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
