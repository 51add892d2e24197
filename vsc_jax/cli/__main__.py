"""The command lines of this package: ``python -m vsc_jax``, or ``vsc_jax COMMAND [OPTIONS]``."""

import importlib
import runpy
import sys
from collections.abc import Callable, Sequence
from functools import partial

import vsc_jax
from vsc_jax.cli.command_line import UsageError, run_command

COMMANDS = {
    "train": "train a model, measure it on the test set, draw its figures",
    "evaluate": "measure a trained model again",
    "report": "a page about one run, or several side by side",
    "explore": "a local page on which latents are switched and dragged",
    "encode": "codes of a file of examples; search by code, change latents and decode",
    "sweep": "many runs that differ in settings or seeds, on one device",
}
"""Modules of the package with a command line, in the order in which they are listed."""


def main(argv: Sequence[str] | None = None) -> None:
    """List the commands, or run the one that is named with the arguments behind it."""
    command, *rest = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if command == "--version":
        print(vsc_jax.__version__)
    elif command in COMMANDS:
        sys.argv[1:] = rest
        runpy.run_module(f"vsc_jax.{command}", run_name="__main__", alter_sys=True)
    elif command in ("-h", "--help"):
        print(f"vsc_jax {vsc_jax.__version__}: Variational Sparse Coding in JAX and Flax\n")
        for name, text in COMMANDS.items():
            print(f"  python -m vsc_jax.{name:<10}{text}")
        print("\nEach explains its options with --help. Without any, train needs no network and no data.")
        print("The same as installed programs: vsc_jax-train and so on, whose options a shell can complete:")
        print('  eval "$(vsc_jax-train --tyro-print-completion bash)"')
    else:
        raise UsageError(f"{command}: expected a command, one of {', '.join(COMMANDS)}")


def _program(command: str) -> Callable[[], None]:
    """The installed program ``vsc_jax-COMMAND``."""
    return lambda: run_command(importlib.import_module(f"vsc_jax.{command}").main)


console = partial(run_command, main)
train, evaluate, report, explore, encode, sweep = map(_program, COMMANDS)

if __name__ == "__main__":
    console()
