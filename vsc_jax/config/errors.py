"""The one exception for mistakes of the user: shown as a single line, without a traceback."""


class UserError(ValueError):
    """A file, field or value that cannot be used; the message names it and says what was expected."""


class ProcessLostError(UserError):
    """This process of a run or another one has ended: JAX can neither go on nor leave in good order."""
