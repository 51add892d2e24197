"""Command lines: options of every field, one line for every mistake, exit codes, a quick --help."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import tyro

from vsc_jax.cli.command_line import Preset, Settings, UsageError, parse, run_command
from vsc_jax.config import Config, from_dict, load_preset, preset_names, to_dict
from vsc_jax.config.errors import UserError
from vsc_jax.config.stopping import Stopped

COMMANDS = [
    name
    for name in ("train", "evaluate", "sweep", "report", "explore")
    if importlib.util.find_spec(f"vsc_jax.{name}")
]


@dataclass(frozen=True)
class Arguments:
    settings: Settings
    config: Preset = "smiley_vsc"
    workdir: Path | None = None
    """Run folder."""
    smoke: bool = False
    """End in seconds."""


@dataclass(frozen=True)
class RunArguments:
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of a run."""
    samples: int = 10
    """How many."""


def parsed(*argv: str) -> Arguments:
    return parse(Arguments, "Test.", argv)


def options(values, prefix="--"):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from options(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


ALL_OPTIONS = list(options(to_dict(Config())))


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=100,
    )


def test_without_options_the_default_preset_is_used():
    assert parsed() == Arguments(settings=load_preset("smiley_vsc"))


@pytest.mark.parametrize("argv", [["--config", "mnist_vae"], ["--config=mnist_vae"]])
def test_the_preset_is_read_first_and_options_change_it(argv):
    arguments = parsed("--model.latents", "7", *argv)
    expected = to_dict(load_preset("mnist_vae"))
    expected["model"]["latents"] = 7
    assert arguments.settings == from_dict(expected)
    assert arguments.config == "mnist_vae"


def test_values_of_every_kind():
    argv = (
        "--model.hidden 400 200 --data.path x.npy --schedule.kl.until 0.3 --train.progress False "
        "--data.train_examples 9 --data.image-size 28 --model.min_log_var -3 --seed=5 --smoke --workdir out"
    )
    arguments = parsed(*argv.split())
    assert arguments.settings.model.hidden == (400, 200)
    assert arguments.settings.data.path == Path("x.npy")
    assert arguments.settings.schedule.kl.until == 0.3
    assert arguments.settings.train.progress is False
    assert arguments.settings.data.train_examples == 9
    assert arguments.settings.data.image_size == 28
    assert arguments.settings.model.min_log_var == -3.0
    assert arguments.settings.seed == 5
    assert arguments.smoke is True
    assert arguments.workdir == Path("out")


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ("--model.latent 3", "unknown option --model.latent; did you mean --model.latents?"),
        ("--model.latent=3", "unknown option --model.latent; did you mean --model.latents?"),
        ("--latents 3", "unknown option --latents; did you mean --model.latents?"),
        ("--batch-size 3", "unknown option --batch-size; did you mean --train.batch_size?"),
        ("--train.stpes 3", "unknown option --train.stpes; did you mean --train.steps?"),
        ("--smok", "unknown option --smok; did you mean --smoke?"),
        ("--no-smoke", "unknown option --no-smoke; did you mean --smoke?"),
        ("--train.no-progress", "unknown option --train.no-progress; did you mean --train.progress?"),
        ("--qqq", "unknown option --qqq; see --help"),
        ("extra", "unexpected argument extra; see --help"),
        ("--model.latents 3 4", "unexpected argument 4; see --help"),
        ("--model.latents a", "--model.latents: expected int, got a"),
        ("--model.latents 1.5", "--model.latents: expected int, got 1.5"),
        ("--model.latents", "--model.latents: expected int, got nothing"),
        ("--model.alpha x", "--model.alpha: expected float, got x"),
        ("--model.kind zz", "--model.kind: expected one of ae, vae, vsc, got zz"),
        ("--data.image_size 30", "--data.image_size: expected one of 28, 32, got 30"),
        ("--model.hidden 400 b", "--model.hidden: expected int values, got 400 b"),
        ("--data.train_examples x", "--data.train_examples: expected int or None, got x"),
        ("--train.progress no", "--train.progress: expected True or False, got no"),
        ("--model.alpha 1", "model.alpha: expected a number between 0 and 1, exclusive, got 1.0"),
        ("--model.latents 0", "model.latents: expected a number from 1 to 2147483647, got 0"),
        ("--train.learning_rate nan", "train.learning_rate: expected a number between 0 and 1000, exclusive"),
        ("--config nope", "--config: no preset 'nope'; presets are "),
        ("--config nope.py", "--config: no file nope.py"),
        ("--config", "--config: expected str, got nothing"),
    ],
)
def test_mistake_is_one_line_that_names_option_and_value(argv, expected):
    with pytest.raises(UsageError) as caught:
        parsed(*argv.split())
    assert str(caught.value).startswith(expected)
    assert len(str(caught.value).splitlines()) == 1


def test_a_long_value_stays_on_one_line():
    with pytest.raises(UsageError) as caught:
        parsed("--model.latents", "a" * 300)
    assert str(caught.value) == f"--model.latents: expected int, got {'a' * 300}"


def test_arguments_without_a_configuration():
    assert parse(RunArguments, "Test.", ["folder"]) == RunArguments(Path("folder"))
    with pytest.raises(UsageError, match=r"^missing argument RUN; see --help$"):
        parse(RunArguments, "Test.", [])
    with pytest.raises(UsageError, match=r"^unknown option --sample; did you mean --samples\?$"):
        parse(RunArguments, "Test.", ["folder", "--sample", "3"])


def test_help_explains_every_option_and_names_every_preset(capsys):
    with pytest.raises(SystemExit) as caught:
        parsed("--help")
    assert caught.value.code == 0
    rows = [row.strip("│ ") for row in capsys.readouterr().out.splitlines()]
    entries = re.split(r"^(?=--[a-z])", "\n".join(rows), flags=re.MULTILINE)
    shown = {entry.split()[0]: entry for entry in entries[1:]}
    for option in [*ALL_OPTIONS, "--config", "--workdir", "--smoke"]:
        explanation = shown[option].partition("\n")[2].partition("(default")[0]
        assert len(explanation.split()) >= 2, f"{option} is not explained"
    for name in preset_names():
        assert name in shown["--config"]


def test_a_presets_values_are_the_defaults_in_the_help(capsys):
    with pytest.raises(SystemExit):
        parsed("--config", "mnist_vae", "--help")
    assert "(default: mnist)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("x.npy: no such\n file"), 1, "error: x.npy: no such file\n"),
        (UsageError("--seed: expected int"), 2, "error: --seed: expected int\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (Stopped("stopped at iteration 5", signal.SIGTERM), 143, "stopped at iteration 5\n"),
    ],
)
def test_exit_code_and_line_of_every_kind_of_mistake(error, code, line, capsys):
    def main():
        raise error

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with pytest.raises(SystemExit) as caught:
        run_command(main)
    for number, handler in before.items():  # a process that was stopped ignores them until it is gone
        signal.signal(number, handler)
    assert caught.value.code == code
    assert capsys.readouterr().err == line


def test_success_exits_with_zero():
    with pytest.raises(SystemExit) as caught:
        run_command(lambda: None)
    assert caught.value.code == 0


def test_a_bug_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: 1 / 0)


COMMAND = """
    import sys
    from dataclasses import dataclass
    from vsc_jax.cli.command_line import Preset, Settings, parse, run_command

    @dataclass(frozen=True)
    class Arguments:
        settings: Settings
        config: Preset = "smiley_vsc"

    def main():
        try:
            parse(Arguments, "Test.", {argv})
        finally:
            assert not {{"jax", "numpy", "flax"}} & sys.modules.keys()

    run_command(main)
"""


def test_reading_a_command_line_imports_no_jax():
    assert run_python(COMMAND.format(argv=[])).returncode == 0
    done = run_python(COMMAND.format(argv=["--help"]))
    assert done.returncode == 0
    assert "--model.latents" in done.stdout


def test_a_process_that_fails_prints_one_line_and_nothing_else():
    done = run_python(COMMAND.format(argv=["--model.latent", "3"]))
    assert done.returncode == 2
    assert done.stderr == "error: unknown option --model.latent; did you mean --model.latents?\n"
    assert done.stdout == ""


def test_a_reader_that_leaves_early_causes_no_traceback():
    code = textwrap.dedent(COMMAND.format(argv=["--help"]))
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_line_has_quick_help_and_suggests(name):
    code = """
        import runpy, sys, time
        sys.argv = ["{name}", "{option}"]
        try:
            runpy.run_module("vsc_jax.{name}", run_name="__main__", alter_sys=True)
        finally:
            print("jax" in sys.modules, time.process_time())
    """
    done = run_python(code.format(name=name, option="--help"))
    assert done.returncode == 0, done.stderr
    imported, seconds = done.stdout.splitlines()[-1].split()
    assert imported == "False"
    assert float(seconds) < 1.0
    done = run_python(code.format(name=name, option="--hepl"))
    assert done.returncode == 2
    assert re.fullmatch(r"error: unknown option --hepl.*\n", done.stderr)


def test_arguments_in_no_encoding_are_one_line():
    with pytest.raises(UsageError) as caught:
        parsed("--workdir", "caf\udce9")
    assert str(caught.value) == "expected names in UTF-8, got b'caf\\xe9'"


def test_figures_do_not_need_the_backend_of_a_notebook_that_started_the_command():
    code = """
    import os
    os.environ["MPLBACKEND"] = "module://matplotlib_inline_that_is_not_there"
    from vsc_jax.cli.command_line import run_command
    def main():
        from matplotlib.figure import Figure
        Figure().savefig(os.devnull, format="png")
    run_command(main)
    """
    done = run_python(code)
    assert (done.returncode, done.stderr) == (0, "")
