"""Command lines: options of every field, one line for every mistake, exit codes, output, a quick --help."""

import configparser
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from vsc_jax.evaluate import EvaluateArguments
from vsc_jax.train import TrainArguments

import vsc_jax
from vsc_jax.cli import command_line
from vsc_jax.cli.__main__ import COMMANDS, main
from vsc_jax.cli.command_line import Output, UsageError, parse, refuse_unfit, run_command
from vsc_jax.config import ADVANCED, FIELDS, load_preset, preset_names, with_overrides
from vsc_jax.config.errors import UserError
from vsc_jax.config.stopping import Stopped

ROOT = Path(__file__).resolve().parents[2]


def parsed(*argv: str) -> TrainArguments:
    return parse(TrainArguments, "Test.", argv)


def explained(capsys, *argv: str, option: str = "--help-all") -> dict[str, str]:
    """What help says of each option."""
    with pytest.raises(SystemExit) as caught:
        parsed(*argv, option)
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert ("--help-all explains them" in shown) == (option == "--help")
    rows = [row.strip("│ ") for row in shown.splitlines()]
    entries = re.split(r"^(?=--[a-z])", "\n".join(rows), flags=re.MULTILINE)
    return {entry.split()[0].removeprefix("--"): entry.partition("\n")[2] for entry in entries[1:]}


def test_the_preset_is_read_first_and_options_of_every_kind_change_it():
    assert parsed() == TrainArguments(settings=load_preset("smiley_vsc"))
    argv = (
        "--model.hidden 400 200 --data.directory x --schedule.kl.until 0.3 --train.progress False --seed=5 "
        "--data.test-examples 28 --model.min_log_var -3 --smoke --workdir out"
    )
    changed = {
        **{"model.hidden": [400, 200], "data.directory": "x", "schedule.kl.until": 0.3, "seed": 5},
        **{"train.progress": False, "data.test_examples": 28, "model.min_log_var": -3.0},
    }
    settings = with_overrides(load_preset("mnist_vae"), changed)
    expected = TrainArguments(settings=settings, config="mnist_vae", smoke=True, workdir=Path("out"))
    for preset in (["--config", "mnist_vae"], ["--config=mnist_ae", "--config=mnist_vae"]):
        assert parsed(*argv.split(), *preset) == expected


def test_active_is_given_in_place_of_the_presets_alpha():
    model = parsed("--model.active", "5").settings.model
    assert (model.active, model.alpha) == (5.0, None)
    with pytest.raises(UsageError, match="^model.active: alpha is given as well; give one of the two$"):
        parsed("--model.active", "5", "--model.alpha", "0.1")


@pytest.mark.parametrize(("argv", "expected"), [
    ("--model.latent=3", "unknown option --model.latent; did you mean --model.latents?"),
    ("--latents 3", "unknown option --latents; did you mean --model.latents?"),
    ("--batch-size 3", "unknown option --batch-size; did you mean --train.batch_size?"),
    ("--no-smoke", "unknown option --no-smoke; did you mean --smoke?"),
    ("--train.no-progress", "unknown option --train.no-progress; did you mean --train.progress?"),
    ("--qqq", "unknown option --qqq; see --help"),
    ("extra", "Unrecognized options: extra"),
    ("--model.latents 3 4", "Unrecognized options: 4"),
    ("--model.latents a", "Error parsing --model.latents: invalid literal for int() with base 10: 'a'"),
    ("--model.latents", "Missing value for argument '--model.latents'"),
    ("--model.beta x", "Error parsing --model.beta: could not convert string to float: 'x'"),
    ("--model.kind zz", "invalid choice 'zz' for argument '--model.kind'. Expected one of ('ae', 'vae'"),
    ("--model.hidden 400 b", "Error parsing --model.hidden: Could not find valid parse for arguments: ["),
    ("--data.train_examples x", "Error parsing --data.train_examples: no type matching {None}|INT could"),
    ("--train.progress no", "invalid choice 'no' for argument '--train.progress'. Expected one of ('Tr"),
    ("--model.alpha 1", "model.alpha: expected a number between 0 and 1, exclusive, got 1.0"),
    ("--train.learning_rate nan", "train.learning_rate: expected a number between 0 and 1000, exclusive"),
    ("--config nope", "--config: no preset 'nope'; presets are "),
    ("--config", "Missing value for argument '--config'"),
    ("--workdir=", "--workdir: expected a value, got ''"),
    ("--model.kind zz --help", "invalid choice 'zz' for argument '--model.kind'."),
    ("--workdir caf\udce9", "expected names in UTF-8, got b'caf\\xe9'"),
    (f"--model.latents {'a' * 300}", "Error parsing --model.latents: invalid literal for int() "),
])  # fmt: skip
def test_mistake_is_one_line_that_names_option_and_value(argv, expected):
    with pytest.raises(UsageError) as caught:
        parsed(*argv.split())
    assert str(caught.value).startswith(expected)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(("argv", "expected"), [
    ("", "Missing from .*: RUN Run folder, folder of a saved model, or name of a pretrained one. .required"),
    ("folder --sample 3", r"unknown option --sample; did you mean --samples\?$"),
    ("folder --latents 3", "unknown option --latents; see --help$"),
])  # fmt: skip
def test_a_command_without_a_configuration_suggests_its_own_options(argv, expected):
    with pytest.raises(UsageError, match=f"^{expected}"):
        parse(EvaluateArguments, "Test.", argv.split())


@pytest.mark.parametrize(("argv", "expected"), [
    ("--config mnist_vae --model.alpha .2", "--model.alpha: only for model kind vsc, not vae"),
    ("--model.kind ae --schedule.kl.until=1", "--schedule.kl.until: only for model kind vae or vsc, not"),
    ("--data.path x.npy --data.image-size 28", "--data.image_size: only for data source smiley, not f"),
    ("--data.label x", "--data.label: only for data source files or tfds, not smiley"),
])  # fmt: skip
def test_an_option_of_another_model_or_of_other_data_is_refused(argv, expected):
    arguments = parsed(*argv.split())
    with pytest.raises(UsageError) as caught:
        refuse_unfit([arguments.settings], argv.split())
    assert str(caught.value).startswith(expected)
    # A sweep may have members that it is for.
    fits = with_overrides(arguments.settings, {"model.kind": "vsc", "data.path": None, "data.name": "mnist"})
    if "image-size" not in argv:
        refuse_unfit([arguments.settings, fits], argv.split())


def test_help_explains_the_options_of_the_chosen_model_and_data_and_names_every_preset(capsys):
    common = {"config", "workdir", "smoke"} | {name for name, field in FIELDS.items() if not field.marks}
    seen = set()
    for argv in ("", "--config mnist_vae", "--config har_ae", "--data.path x.npy --model.kind=vae"):
        shown = explained(capsys, *argv.split())
        seen |= shown.keys()
        assert common <= shown.keys()
        for option, explanation in shown.items():
            words = explanation.partition("(default")[0].split()
            assert len(words) >= 2, f"{option} is not explained"
        assert ("model.alpha" in shown) == ("schedule.warm_up.end" in shown) == (argv == "")
        assert ("model.tc_weight" in shown) == ("vae" in argv)
        assert ("data.image_size" in shown) == (argv == "")
        assert ("data.representation" in shown) == ("har" in argv)
        assert ("data.directory" in shown) == ("mnist" in argv)
        assert ("data.separator" in shown) == ("x.npy" in argv)
        if "mnist" in argv:
            assert "(default: mnist)" in shown["data.name"]
    assert seen >= FIELDS.keys()
    assert all(name in shown["config"] for name in preset_names())


def test_help_leaves_out_what_is_rarely_changed_and_the_page_of_options_explains_it(capsys):
    short, whole = (explained(capsys, option=option) for option in ("--help", "--help-all"))
    advanced = {name for name, field in FIELDS.items() if ADVANCED in field.marks}
    assert short.keys() == whole.keys() - advanced
    assert parsed("--model.usage_weight", "2").settings.model.usage_weight == 2
    page = (ROOT / "docs" / "options.md").read_text()
    sections = {name.rpartition(".")[0] if name.count(".") > 1 else name for name in advanced}
    assert set(re.findall(r"^\| `(.*?)`", page, re.MULTILINE)) == sections


@pytest.mark.parametrize(("error", "code", "line"), [
    (None, 0, ""),
    (UserError("x.npy: no such\n file"), 1, "error: x.npy: no such file\n"),
    (UsageError("--seed: expected int"), 2, "error: --seed: expected int\n"),
    (KeyboardInterrupt(), 130, "interrupted\n"),
    (Stopped("stopped at iteration 5", signal.SIGTERM), 143, "stopped at iteration 5\n"),
])  # fmt: skip
def test_exit_code_and_line_of_every_kind_of_mistake(error, code, line, capsys):
    def main():
        if error is not None:
            raise error

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with pytest.raises(SystemExit) as caught:
        run_command(main)
    for number, handler in before.items():  # a process that was stopped ignores them until it is gone
        signal.signal(number, handler)
    assert caught.value.code == code
    assert capsys.readouterr().err == line


def test_a_bug_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: 1 / 0)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_quick_help_without_jax_and_answers_a_mistake_in_one_line(name, python):
    code = f"""
import runpy, sys, time
try:
    runpy.run_module("vsc_jax.{name}", run_name="__main__", alter_sys=True)
finally:
    print(sorted({{"jax", "flax", "numpy"}} & sys.modules.keys()), time.process_time() < 1.0)
"""
    done = python("-c", code, "--help")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "[] True"), done.stderr
    done = python("-m", f"vsc_jax.{name}", "--hepl")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: unknown option --hepl.*\n", done.stderr)


def test_a_reader_that_leaves_early_causes_no_traceback():
    command = [sys.executable, "-m", "vsc_jax.train", "--help"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize("no_color", ["", "1"])
def test_help_on_a_terminal_has_colors_unless_the_user_wants_none(no_color):
    """See https://no-color.org."""
    mine, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": no_color, "TERM": "xterm"}
    command = [sys.executable, "-m", "vsc_jax.explore", "--help"]
    subprocess.run(command, env=environment, stdout=terminal, stderr=terminal, timeout=60, check=True)
    os.close(terminal)
    assert (b"\x1b[" in os.read(mine, 10_000)) == (not no_color)
    os.close(mine)


def test_figures_do_not_need_the_backend_of_a_notebook_that_started_the_command(python):
    code = """
import os
from vsc_jax.cli.command_line import run_command
def main():
    from matplotlib.figure import Figure
    Figure().savefig(os.devnull, format="png")
run_command(main)
"""
    done = python("-c", code, MPLBACKEND="module://matplotlib_inline_that_is_not_there")
    assert (done.returncode, done.stderr) == (0, "")


def test_output_suits_people_scripts_or_nobody(capsys):
    written = '{"folder": "run", "elbo": -1.0, "auc": null}\n'
    for output, expected in ((Output(), "words\n"), (Output(json=True), written), (Output(quiet=True), "")):
        output.print("words")
        output.print_json({"folder": Path("run"), "elbo": -1.0, "auc": float("nan")})
        assert capsys.readouterr().out == expected


def test_a_shell_completes_the_options(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(command_line, "_program", lambda: "vsc_jax-train")
    with pytest.raises(SystemExit) as stop:
        parsed("--tyro-print-completion", "bash")
    assert not stop.value.code
    (tmp_path / "completion").write_text(capsys.readouterr().out)
    typed = "COMP_WORDS=(vsc_jax-train --data.pa); COMP_CWORD=1; COMP_LINE='vsc_jax-train --data.pa'"
    function = '$(complete -p vsc_jax-train | sed "s/.*-F \\([^ ]*\\).*/\\1/")'
    script = f'source completion; {typed}; eval "{function}"; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == ["--data.path"]


def test_every_command_is_listed_and_run_with_its_options(python, capsys):
    code = "import sys; from vsc_jax.cli.__main__ import main; main([]); assert 'jax' not in sys.modules"
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    for command in COMMANDS:
        assert f"python -m vsc_jax.{command} " in done.stdout
        assert (ROOT / "vsc_jax" / "cli" / f"{command}.py").is_file()
    main(["--version"])
    assert capsys.readouterr().out == f"{vsc_jax.__version__}\n"
    done = python("-m", "vsc_jax", "evaluate", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "error: nowhere: neither a run folder nor a saved model (no config.json), and no pretr"
    )
    with pytest.raises(UsageError, match="tran: expected a command, one of train, evaluate"):
        main(["tran"])


def test_the_installed_programs_are_the_commands(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["vsc_jax-evaluate", "nowhere"])
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "of_the_user")
    with pytest.raises(SystemExit) as stop:
        vsc_jax.cli.__main__.evaluate()
    assert stop.value.code == 1
    assert "nowhere" in capsys.readouterr().err
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    scripts = setup["options.entry_points"]["console_scripts"].split("\n")[1:]
    expected = {f"vsc_jax-{name} = vsc_jax.cli.__main__:{name}" for name in COMMANDS}
    assert set(scripts) == {"vsc_jax = vsc_jax.cli.__main__:console", *expected}
