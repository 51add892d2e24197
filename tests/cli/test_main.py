"""``python -m vsc_jax`` lists the commands; quiet and JSON output; no colour; completion."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from vsc_jax.train import TrainArguments

import vsc_jax
from vsc_jax.cli import command_line
from vsc_jax.cli.__main__ import COMMANDS, main
from vsc_jax.cli.command_line import Told, UsageError, parse

ROOT = Path(__file__).resolve().parents[2]


def run(*argv, **environment):
    return subprocess.run(
        [sys.executable, *argv],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_every_command_is_listed_and_quickly(capsys):
    done = run(
        "-c", "import sys; from vsc_jax.cli.__main__ import main; main([]); assert 'jax' not in sys.modules"
    )
    assert done.returncode == 0, done.stderr
    for command in ("train", "evaluate", "report", "explore", "sweep"):
        assert f"python -m vsc_jax.{command} " in done.stdout
        assert (ROOT / "vsc_jax" / "cli" / f"{command}.py").is_file()
    main(["--version"])
    assert capsys.readouterr().out == f"{vsc_jax.__version__}\n"


def test_a_command_is_run_with_its_options():
    done = run("-m", "vsc_jax", "evaluate", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: nowhere: neither a run folder nor a saved model (no config.json)\n"
    with pytest.raises(UsageError, match="tran: expected a command, one of train, evaluate"):
        main(["tran"])


def test_the_installed_programs_are_the_commands(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["vsc_jax-evaluate", "nowhere"])
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "of_the_user")
    with pytest.raises(SystemExit) as stop:
        vsc_jax.cli.__main__.evaluate()
    assert stop.value.code == 1
    assert "nowhere" in capsys.readouterr().err
    import configparser

    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    scripts = setup["options.entry_points"]["console_scripts"].split("\n")[1:]
    expected = {f"vsc_jax-{name} = vsc_jax.cli.__main__:{name}" for name in COMMANDS}
    assert set(scripts) == {"vsc_jax = vsc_jax.cli.__main__:console", *expected}


def test_what_is_told_suits_people_scripts_or_nobody(capsys):
    Told().say("words")
    Told().tell({"elbo": -1.0})
    assert capsys.readouterr().out == "words\n"
    Told(json=True).say("words")
    Told(json=True).tell({"folder": Path("run"), "elbo": -1.0})
    assert json.loads(capsys.readouterr().out) == {"folder": "run", "elbo": -1.0}
    Told(quiet=True).say("words")
    Told(quiet=True).tell({"elbo": -1.0})
    assert capsys.readouterr().out == ""


def test_no_color_is_respected(monkeypatch):
    """See https://no-color.org; the option belongs to tyro, which draws the help."""
    import tyro

    monkeypatch.setitem(tyro._experimental_options, "ansi_codes", True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    parse(TrainArguments, "Train.", [])
    assert tyro._experimental_options["ansi_codes"]
    monkeypatch.setenv("NO_COLOR", "1")
    parse(TrainArguments, "Train.", [])
    assert not tyro._experimental_options["ansi_codes"]


def test_a_shell_completes_the_options(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(command_line, "_program", lambda: "vsc_jax-train")
    with pytest.raises(SystemExit) as stop:
        parse(TrainArguments, "Train.", ["--tyro-print-completion", "bash"])
    assert not stop.value.code
    (tmp_path / "completion").write_text(capsys.readouterr().out)
    typed = "COMP_WORDS=(vsc_jax-train --model.alp); COMP_CWORD=1; COMP_LINE='vsc_jax-train --model.alp'"
    script = (
        f'source completion; {typed}; eval "$(complete -p vsc_jax-train | sed "s/.*-F \\([^ ]*\\).*/\\1/")"'
    )
    done = subprocess.run(
        ["bash", "-c", f'{script}; echo "${{COMPREPLY[@]}}"'], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.split() == ["--model.alpha"]
