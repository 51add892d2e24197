"""One rule for paths: ``~`` is the home folder wherever one is given, and nothing is refused."""

from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import pytest

import vsc_jax
from vsc_jax.cli.command_line import UsageError, parse
from vsc_jax.config import Config, EvaluateConfig, ModelConfig, TrainConfig
from vsc_jax.config.errors import UserError
from vsc_jax.config.paths import as_path
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
        with pytest.raises(UserError, match=r"^(workdir|folder): expected a path, got ''$"):
            use("")
        with pytest.raises(UserError, match=r"^(workdir|folder): '~nobody-here/x' cannot be a path"):
            use("~nobody-here/x")
    assert as_path(".", "run") == Path()


@dataclass(frozen=True)
class Arguments:
    """A command's."""

    runs: tuple[Path, ...] = ()
    workdir: Path = Path("runs")


def test_command_lines_expand_it_too_and_refuse_an_empty_value(home):
    parsed = parse(Arguments, "Test.", ["--workdir=~/a", "--runs", "~/b", "c"])
    assert parsed == Arguments((home / "b", Path("c")), home / "a")
    for argv in (["--workdir", ""], ["--workdir="]):
        with pytest.raises(UsageError, match=r"^--workdir: expected a value, got ''$"):
            parse(Arguments, "Test.", argv)
