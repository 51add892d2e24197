"""The one exception for mistakes of the user: shown as a single line, without a traceback."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class UserError(ValueError):
    """A file, field or value that cannot be used; the message names it and says what was expected."""


class ProcessLostError(UserError):
    """This process of a run or another one has ended: JAX can neither go on nor leave in good order."""


@contextmanager
def within(place: object) -> Iterator[None]:
    """Errors of the user that are raised inside begin with the file or the part of it that they are about."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{place}: {error}") from None


def nearest(name: str, names: Iterable[str], prefix: str = "") -> str:
    """``; did you mean NAME?`` for the name most alike, whose section may be left out; else nothing."""
    names = list(names)
    whole = {name.rpartition(".")[2]: name for name in reversed(names)} | {name: name for name in names}
    close = difflib.get_close_matches(name, whole, n=1)
    return f"; did you mean {prefix}{whole[close[0]]}?" if close else ""
