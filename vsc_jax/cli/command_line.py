"""What all command lines share: options from a dataclass, and one line for every mistake.

A command line is a frozen dataclass of arguments and a ``main`` that calls :func:`parse`. Heavy imports such
as JAX belong into ``main``, after ``parse``, so that ``--help`` is quick. Exit codes: 0 done, 1 a mistake
found at work (:class:`UserError`: a file, the data, the run folder), 2 a mistake on the command line or in a
configuration (:class:`UsageError`), 130 stopped by SIGINT (Ctrl-C), 143 stopped by SIGTERM.
"""

import contextlib
import dataclasses
import io
import itertools
import json
import os
import re
import signal
import sys
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import tyro
from tyro import conf as conf  # commands take it from here, after NO_COLOR has been looked at
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructTypeInfo

from vsc_jax.config import (
    ADVANCED,
    FIELDS,
    Config,
    load_preset,
    preset_names,
    replaced,
    unfit_fields,
    validate,
    with_overrides,
)
from vsc_jax.config.errors import ProcessLostError, UserError, nearest
from vsc_jax.config.fields import finite
from vsc_jax.config.paths import as_path, keep_compiled_programs
from vsc_jax.config.stopping import stop_requests

T = TypeVar("T")

Settings = Annotated[Config, conf.arg(name=""), conf.FlagConversionOff]
"""Every field of the configuration as ``--section.field VALUE``, True or False for a switch."""

Preset = Annotated[
    str,
    conf.arg(
        metavar="NAME|PATH",
        help="Preset that the other options change, or the path of a .py file that defines `config`, or of a "
        "run's config.json; with it, --help explains the options of its model and data. Presets: "
        f"{', '.join(preset_names())}.",
    ),
]
"""The option ``--config``, which is read before all others."""

_MORE = " Options that are rarely changed are left out here; --help-all explains them."

RunFolder = Annotated[
    Path,
    conf.Positional,
    conf.arg(metavar="RUN", help="Run folder, folder of a saved model, or name of a pretrained one."),
]


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a command prints; base of the arguments of those that end by themselves."""

    quiet: bool = False
    """Print nothing but errors."""
    json: bool = False
    """Print one JSON object at the end, and nothing else on standard output: for scripts."""

    def print(self, line: str = "") -> None:
        """Print a line for people."""
        if not (self.quiet or self.json):
            print(line, flush=True)

    def print_json(self, outcome: dict[str, Any]) -> None:
        """Print the outcome for programs that ask: paths as strings, what is not finite as null."""
        if self.json:
            print(json.dumps(finite(outcome), default=str))


class UsageError(UserError):
    """A mistake on the command line itself, or in the configuration that it names."""


def parse(arguments_type: type[T], description: str, argv: Sequence[str] | None = None) -> T:
    """The arguments as a value of ``arguments_type``, a dataclass whose field docstrings are the help.

    Where the type has the fields ``config: Preset`` and ``settings: Settings``, the preset gives the defaults
    of all settings, ``--help`` leaves out those that the chosen model and data do not use or that are
    rarely changed, ``--help-all`` only the former, and the resulting configuration is validated. Mistakes are
    UsageErrors of one line.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    for before, token in zip(["", *argv], argv, strict=False):
        if token == "" or re.fullmatch(r"--[\w.-]+=", token):
            option = token[:-1] or (before if before.startswith("--") else "an argument")
            raise UsageError(f"{option}: expected a value, got ''")
        if os.fsencode(token).decode(errors="replace") != token:
            raise UsageError(f"expected names in UTF-8, got {os.fsencode(token)!r}")
    given, box, defaults, left_out = _given(argv), io.StringIO(), tyro.MISSING_NONPROP, set[str]()
    try:
        if preset := getattr(arguments_type, "config", None):
            config = load_preset(given.get("config", ("", ""))[1] or preset)
            for name, other in (("model.active", "model.alpha"), ("model.alpha", "model.active")):
                if name in given:  # in place of the other, which the preset may set
                    config = replaced(config, {other: None})
            defaults = typing.cast(Any, arguments_type)(settings=config)
            if {"-h", "--help", "--help-all"} & set(argv):
                left_out = _left_out(config, given, "--help-all" in argv)
                description += "" if "--help-all" in argv else _MORE
                argv = ["--help" if token == "--help-all" else token for token in argv]
        with contextlib.redirect_stderr(box):
            arguments = tyro.cli(
                arguments_type,
                prog=_program(),
                description=description,
                args=argv,
                default=defaults,
                use_underscores=True,
                config=(conf.FlagCreatePairsOff,),
                registry=_rules(left_out),
            )
        if preset:
            validate(arguments.settings)
        paths = {name: _expanded(value, name) for name, value in vars(arguments).items()}
    except UserError as error:
        raise UsageError(str(error)) from None
    except SystemExit as stop:
        if not stop.code:
            raise
        names = [*typing.get_type_hints(arguments_type), *(FIELDS if preset else ())]
        for name, (option, _) in given.items():
            if name not in [*names, "help"]:
                hint = nearest(name, names, "--") or "; see --help"
                raise UsageError(f"unknown option {option}{hint}") from None
        # The first paragraph under the title in tyro's box; a row of its frame alone ends it.
        rows = [row.strip("│| ") for row in box.getvalue().splitlines()[1:]]
        paragraph = itertools.dropwhile(lambda row: not row.strip("─-"), rows)
        raise UsageError(" ".join(itertools.takewhile(lambda row: row.strip("─-"), paragraph))) from None
    return dataclasses.replace(arguments, **paths)


def refuse_unfit(configs: Sequence[Config], argv: Sequence[str] | None = None) -> None:
    """Refuse options that mean nothing to any of the configurations."""
    unfit = [unfit_fields(config) for config in configs]
    for name in _given(sys.argv[1:] if argv is None else argv):
        if all(name in fields for fields in unfit):
            raise UsageError(f"--{name}: {unfit[0][name]}")


def run_command(main: Callable[[], object]) -> NoReturn:
    """Run a command line's ``main`` and leave the process: mistakes as one line on stderr.

    What JAX compiles in it is kept for the next start (:func:`keep_compiled_programs`).
    """
    keep_compiled_programs()
    # Figures go to files; what a notebook's kernel left in the environment may not even be installed here.
    os.environ["MPLBACKEND"] = "agg"
    code = 0
    try:
        try:
            with stop_requests(command=True):
                main()
        finally:
            sys.stdout.flush()
    except UserError as error:
        print("error:", *str(error).split(), file=sys.stderr)
        code = 2 if isinstance(error, UsageError) else 1
        if isinstance(error, ProcessLostError):  # at the exit JAX would wait for the others
            os._exit(code)
    except KeyboardInterrupt as stop:
        print(str(stop) or "interrupted", file=sys.stderr)
        code = 128 + getattr(stop, "signal", signal.SIGINT)
    except BrokenPipeError:  # The reader of our output left, as in `--help | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


def _given(argv: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The options by name, ``a.b_c`` for ``--a.b-c=1``: as each is written, and its last value."""
    given = {}
    for token, after in zip(argv, [*argv, ""][1:], strict=True):
        if token.startswith("--"):
            option, equals, value = token.partition("=")
            given[option[2:].replace("-", "_")] = option, value if equals else after
    return given


def _expanded(value: Any, name: str) -> Any:
    if isinstance(value, tuple):
        return tuple(_expanded(item, name) for item in value)
    return as_path(value, f"--{name}") if isinstance(value, Path) else value


def _program() -> str:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return f"python -m {spec.name}" if spec else os.path.basename(sys.argv[0])


def _left_out(config: Config, given: dict[str, tuple[str, str]], everything: bool) -> set[str]:
    """Names of fields, and of ramps, that help is silent about for the model and data of the options."""
    for name in given.keys() & {"model.kind", "data.name", "data.path"}:
        with contextlib.suppress(UserError):  # help is given all the same
            config = with_overrides(config, {name: given[name][1]})
    names = set(unfit_fields(config))
    if not everything:
        names |= {name for name, field in FIELDS.items() if ADVANCED in field.marks}
    return names | {name.rpartition(".")[0] for name in names}


def _rules(left_out: set[str]) -> ConstructorRegistry:
    """How tyro reads dataclasses: without these fields, and with the lines of their docstrings joined."""
    sections = {type(value): name for name, value in vars(Config()).items()}
    registry, reading = ConstructorRegistry(), set[type]()

    @registry.struct_rule
    def read(info: StructTypeInfo) -> StructConstructorSpec | None:
        if info.type in reading or not dataclasses.is_dataclass(info.type):
            return None
        reading.add(info.type)
        spec = ConstructorRegistry.get_struct_spec(info)  # of the other rules
        reading.remove(info.type)
        assert isinstance(spec, StructConstructorSpec)
        fields = tuple(
            dataclasses.replace(field, helptext=partial(_in_one_line, field.helptext))
            for field in spec.fields
            if f"{sections.get(info.type)}.{field.name}" not in left_out
        )
        return dataclasses.replace(spec, fields=fields)

    return registry


def _in_one_line(text: str | Callable[[], str | None] | None) -> str:
    return " ".join(((text() if callable(text) else text) or "").split())
