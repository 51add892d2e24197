"""Says in one line what is wrong with a command line that tyro rejected in a box of many."""

import dataclasses
import difflib
import itertools
import re
import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal


def explain(boxed: str, argv: Sequence[str], arguments_type: type) -> str:
    """One line that says what is wrong on a command line.

    Args:
      boxed: tyro's message.
      argv: the arguments.
      arguments_type: the dataclass that they were meant for.

    Returns:
      The option, its value and what was expected, or the option that was probably meant; tyro's own
      words, without the box around them, where neither is known.
    """
    options = dict(_options(arguments_type))
    for token in argv:
        name = _option_of(token)
        if name is not None and name not in [*options, "--help"]:
            return f"unknown option {token.partition('=')[0]}{_suggestion(name, options)}"
    rows = [row.strip("│╭╮╰╯|+ ") for row in boxed.splitlines()[1:]]
    words = " ".join(itertools.takewhile(lambda row: not row.startswith(("──", "---")), rows)).strip()
    if match := re.match(r"Unrecognized options: (.+?)(,|$)", words):
        return f"unexpected argument {match[1]}; see --help"
    if match := re.match(r"Missing from .+?: (\S+)", words):
        return f"missing argument {match[1]}; see --help"
    for name in re.findall(r"--[\w.]+", words):
        if name in options:
            given = values_given(name, argv)
            return f"{name}: expected {_in_words(options[name])}, got {' '.join(given) or 'nothing'}"
    return words


def values_given(name: str, argv: Sequence[str]) -> list[str]:
    """What was given after the last ``name``."""
    values: list[str] = []
    reading = False
    for token in argv:
        option = _option_of(token)
        if option is None:
            values += [token] if reading else []
        elif reading := option == name:
            values = [token.partition("=")[2]] if "=" in token else []
    return values


def _options(kind: Any, prefix: str = "--") -> Iterator[tuple[str, Any]]:
    for name, hint in typing.get_type_hints(kind).items():
        if dataclasses.is_dataclass(hint):
            yield from _options(hint, prefix if name == "settings" else f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", hint


def _option_of(token: str) -> str | None:
    """``--section.a_field`` for ``--section.a-field=1``; None for what is no option."""
    return f"--{token[2:].partition('=')[0].replace('-', '_')}" if token.startswith("--") else None


def _suggestion(name: str, options: Iterable[str]) -> str:
    def likeness(option: str) -> tuple[float, float]:
        whole = difflib.SequenceMatcher(a=name, b=option).ratio()
        end, option_end = (text.removeprefix("--").rpartition(".")[2] for text in (name, option))
        return max(whole, 0.95 * difflib.SequenceMatcher(a=end, b=option_end).ratio()), whole

    best = max(options, key=likeness)
    return f"; did you mean {best}?" if likeness(best)[0] > 0.6 else "; see --help"


def _in_words(hint: Any) -> str:
    if typing.get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, typing.get_args(hint)))}"
    if typing.get_origin(hint) is tuple:
        return f"{_in_words(typing.get_args(hint)[0])} values"
    if typing.get_args(hint):
        return " or ".join(_in_words(option) for option in typing.get_args(hint))
    return {bool: "True or False", types.NoneType: "None", Path: "a path"}.get(hint, hint.__name__)
