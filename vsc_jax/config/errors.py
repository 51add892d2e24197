"""The one exception for mistakes of the user: shown as a single line, without a traceback."""

from collections.abc import Iterator
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
