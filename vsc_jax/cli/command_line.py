"""What all command lines share: options from a dataclass, and one line for every mistake.

A command line is a frozen dataclass of arguments and a ``main``::

    @dataclass(frozen=True)
    class TrainArguments:
        settings: Settings
        config: Preset = "smiley_vsc"
        workdir: Path | None = None
        \"\"\"Run folder.\"\"\"

    def main(argv: Sequence[str] | None = None) -> None:
        arguments = parse(TrainArguments, "Train a model.", argv)
        ...

    if __name__ == "__main__":
        run_command(main)

Exit codes: 0 done, 1 a mistake found at work (:class:`UserError`: a file, the data, the run folder),
2 a mistake on the command line or in a configuration (:class:`UsageError`), 130 stopped by SIGINT
(Ctrl-C), 143 stopped by SIGTERM. Heavy imports such as JAX belong into ``main``, after :func:`parse`,
so that ``--help`` is quick.
"""

import contextlib
import dataclasses
import io
import json
import os
import re
import signal
import sys
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import tyro

from vsc_jax.cli.option_errors import explain, values_given
from vsc_jax.config import Config, load_preset, preset_names, validate
from vsc_jax.config.cache_folder import keep_compiled_programs
from vsc_jax.config.errors import ProcessLostError, UserError
from vsc_jax.config.fields import finite
from vsc_jax.config.paths import as_path
from vsc_jax.config.stopping import stopping_command

T = TypeVar("T")

Settings = Annotated[Config, tyro.conf.arg(name=""), tyro.conf.FlagConversionOff]
"""Every field of the configuration as ``--section.field VALUE``, True or False for a switch."""

Preset = Annotated[
    str,
    tyro.conf.arg(
        metavar="NAME|PATH",
        help="Preset that the other options change, or the path of a .py file that defines `config`, or "
        f"of a run's config.json. Presets: {', '.join(preset_names())}.",
    ),
]
"""The option ``--config``, which is read before all others."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a command prints; base of the arguments of those that end by themselves."""

    quiet: bool = False
    """Print nothing but errors."""
    json: bool = False
    """Print one JSON object at the end, and nothing else on standard output: for scripts."""

    def say(self, line: str = "") -> None:
        """Print a line for people."""
        if not (self.quiet or self.json):
            print(line, flush=True)

    def tell(self, outcome: dict[str, Any]) -> None:
        """Print the outcome for programs that ask: paths as strings, what is not finite as null."""
        if self.json:
            print(json.dumps(finite(outcome), default=str))


class UsageError(UserError):
    """A mistake on the command line itself, or in the configuration that it names."""


def parse(arguments_type: type[T], description: str, argv: Sequence[str] | None = None) -> T:
    """The arguments as a value of ``arguments_type``.

    Where the type has the fields ``config: Preset`` and ``settings: Settings``, the preset is loaded
    first, gives the defaults of all settings, and the resulting configuration is validated.

    Args:
      arguments_type: frozen dataclass; the docstrings of its fields are the help.
      description: what the command does, shown by ``--help``.
      argv: arguments without the program's name; those of the process if not given.

    Raises:
      UsageError: one line that names the option and the value, and what was expected.
      SystemExit: with code 0 after ``--help``.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    for before, token in zip(["", *argv], argv, strict=False):
        if token == "" or re.fullmatch(r"--[\w.-]+=", token):
            option = token[:-1] or (before if before.startswith("--") else "an argument")
            raise UsageError(f"{option}: expected a value, got ''")
    for argument in argv:
        if os.fsencode(argument).decode(errors="replace") != argument:
            raise UsageError(f"expected names in UTF-8, got {os.fsencode(argument)!r}")
    messages = io.StringIO()
    if os.environ.get("NO_COLOR"):
        tyro._experimental_options["ansi_codes"] = False
    try:
        defaults = _defaults(arguments_type, argv)
        with contextlib.redirect_stderr(messages):
            arguments = tyro.cli(
                arguments_type,
                prog=_program(),
                description=description,
                args=argv,
                default=defaults,
                use_underscores=True,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
        if isinstance(settings := getattr(arguments, "settings", None), Config):
            validate(settings)
        paths = {name: _path(value, name) for name, value in vars(arguments).items()}
        arguments = dataclasses.replace(arguments, **paths)
    except UserError as error:
        raise UsageError(str(error)) from None
    except SystemExit as stop:
        if not stop.code:
            raise
        raise UsageError(explain(messages.getvalue(), argv, arguments_type)) from None
    return arguments


def run_command(main: Callable[[], object]) -> NoReturn:
    """Run a command line's ``main`` and leave the process: mistakes as one line on stderr.

    What JAX compiles in it is kept for the next start (:mod:`vsc_jax.config.cache_folder`).
    """
    keep_compiled_programs()
    # Figures go to files; what a notebook's kernel left in the environment may not even be installed here.
    os.environ["MPLBACKEND"] = "agg"
    try:
        try:
            with stopping_command():
                main()
        finally:
            sys.stdout.flush()
    except UserError as error:
        message = " ".join(str(error).split())
        code = _report(f"error: {message}", 2 if isinstance(error, UsageError) else 1)
        if isinstance(error, ProcessLostError):  # at the exit JAX would wait for the others
            os._exit(code)
        sys.exit(code)
    except KeyboardInterrupt as stop:
        number = getattr(stop, "signal", signal.SIGINT)
        sys.exit(_report(str(stop) or "interrupted", 128 + number))
    except BrokenPipeError:  # The reader of our output left, as in `--help | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(0)


def _path(value: Any, name: str) -> Any:
    if isinstance(value, tuple):
        return tuple(_path(item, name) for item in value)
    return as_path(value, f"--{name}") if isinstance(value, Path) else value


def _report(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code


def _program() -> str:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return f"python -m {spec.name}" if spec else os.path.basename(sys.argv[0])


def _defaults(arguments_type: type[T], argv: Sequence[str]) -> Any:
    """The arguments to start from, with the chosen preset as settings; tyro's marker without a preset."""
    fields: dict[str, Any] = {
        field.name: field for field in dataclasses.fields(typing.cast(Any, arguments_type))
    }
    if not {"config", "settings"} <= fields.keys():
        return tyro.MISSING_NONPROP
    chosen = next(iter(values_given("--config", argv)), fields["config"].default)
    required = {
        name: tyro.MISSING
        for name, field in fields.items()
        if field.default is field.default_factory is dataclasses.MISSING
    }
    return arguments_type(**{**required, "settings": load_preset(chosen)})
